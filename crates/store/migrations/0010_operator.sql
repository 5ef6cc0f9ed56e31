-- The operator's browsers: a link that is good once, and then the session that it opened.
CREATE TABLE operator_sessions (
    -- Of the link's text, and then of the session's.
    digest BLOB PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- The token whose power it has: its credential's id, or 'local'.
    token TEXT NOT NULL,
    -- Which of the token's secrets made the link; NULL for 'local'.
    secret INTEGER,
    stage TEXT NOT NULL CHECK (stage IN ('link', 'open')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX operator_sessions_by_age ON operator_sessions (expires_at);
