-- How much of each quota the nodes have reserved together.
CREATE TABLE quotas (
    -- The credential's or the account's id.
    subject TEXT NOT NULL,
    -- `test` or `live`; empty where a quota counts both together.
    environment TEXT NOT NULL CHECK (environment IN ('', 'test', 'live')),
    per TEXT NOT NULL CHECK (per IN ('day', 'month')),
    -- The period's first instant, and the first after it.
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    -- When it was told that nothing is left to reserve.
    exhausted_at INTEGER,
    PRIMARY KEY (subject, environment, per, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX quotas_by_end ON quotas (ends_at);
