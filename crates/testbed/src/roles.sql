-- The owner of the databases, and the role that a server runs with: it changes rows, not tables.
CREATE ROLE keyway LOGIN CREATEDB;
GRANT pg_signal_backend, pg_monitor TO keyway;
CREATE ROLE keyway_run LOGIN;
