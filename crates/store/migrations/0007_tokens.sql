-- Access tokens that were revoked before their time, until that is over.
CREATE TABLE ended_tokens (
    token_id TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_tokens_by_end ON ended_tokens (until);
