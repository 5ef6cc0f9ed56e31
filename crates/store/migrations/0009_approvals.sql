-- What waits for a second person, and what became of it.
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    credential_id TEXT,
    -- What is to be done, as JSON; never a secret: none is made before it is approved.
    what TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'done', 'declined', 'withdrawn')),
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    why TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_of_account ON approvals (account_id, id);

CREATE INDEX approvals_open ON approvals (account_id, expires_at) WHERE state IN ('waiting', 'approved');

CREATE INDEX approvals_by_age ON approvals (expires_at);
