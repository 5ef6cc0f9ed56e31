-- Many nodes over one database.

-- The oldest schema that a version must know to run on this one: a version that knows less than
-- the newest schema goes on while the others are replaced.
ALTER TABLE keyway_schema ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0;

-- The nodes: each process from its start to its end, with how long it may still answer.
CREATE TABLE node_lease (
    node TEXT PRIMARY KEY,
    inc INTEGER NOT NULL,
    renew_no INTEGER NOT NULL,
    -- The place in the change log that the node has reached.
    applied INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    grace_ms INTEGER NOT NULL,
    -- For people: who it is, and when it wrote by the clock of the database.
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What only one transaction at a time may do, over all nodes, has a turn here by its number.
CREATE TABLE turns (
    number INTEGER PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO turns (number)
WITH RECURSIVE numbers (number) AS (
    SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number < 255
)
SELECT number FROM numbers;

CREATE INDEX change_log_by_age ON change_log (at);
