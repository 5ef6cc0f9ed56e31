-- Four value types: INTEGER (times in milliseconds, booleans as 0 and 1), TEXT, BLOB, NULL.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    external_id TEXT,
    name TEXT NOT NULL,
    suspended INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_by_external_id ON accounts (external_id) WHERE external_id IS NOT NULL;

-- The public id that an account's credentials share, where the scheme has one.
CREATE TABLE client_ids (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    environment TEXT NOT NULL,
    client_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (account_id, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    environment TEXT NOT NULL CHECK (environment IN ('test', 'live')),
    kind TEXT NOT NULL,
    single INTEGER NOT NULL CHECK (single IN (0, 1)),
    name TEXT NOT NULL,
    grants TEXT NOT NULL,
    addresses TEXT NOT NULL,
    rate_requests INTEGER,
    rate_window_ms INTEGER,
    client_id TEXT,
    expires_at INTEGER,
    status TEXT NOT NULL CHECK (status IN ('live', 'revoked', 'deleted')),
    status_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credentials_by_account ON credentials (account_id, id);

-- Counts an account's live credentials without reading them.
CREATE INDEX credentials_live ON credentials (account_id) WHERE status = 'live';

-- An account has at most one live credential of a kind that is single, in each environment.
CREATE UNIQUE INDEX credentials_single ON credentials (account_id, environment, kind)
    WHERE single = 1 AND status = 'live';

CREATE TABLE secrets (
    credential_id TEXT NOT NULL REFERENCES credentials (id),
    number INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    public_id TEXT,
    sealed BLOB,
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('current', 'retiring', 'replaced', 'rolled_back', 'revoked')),
    state_at INTEGER,
    PRIMARY KEY (credential_id, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX secrets_by_public_id ON secrets (public_id) WHERE public_id IS NOT NULL;

CREATE UNIQUE INDEX secrets_current ON secrets (credential_id) WHERE state = 'current';

CREATE UNIQUE INDEX secrets_retiring ON secrets (credential_id) WHERE state = 'retiring';

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    step_up TEXT,
    request_id TEXT,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX events_by_account ON events (account_id, id);

CREATE INDEX events_by_subject ON events (subject, id);

-- One row: the position of the newest change, and a number that no other history has there.
CREATE TABLE change_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    nonce INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO change_head (one, seq, nonce) VALUES (1, 0, 0);

CREATE TABLE change_log (
    seq INTEGER PRIMARY KEY,
    nonce INTEGER NOT NULL,
    prev INTEGER NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (caller, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE usage_hours (
    credential_id TEXT NOT NULL,
    secret INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (credential_id, secret, hour, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE last_used (
    credential_id TEXT NOT NULL,
    secret INTEGER NOT NULL,
    at INTEGER NOT NULL,
    address TEXT,
    client TEXT,
    PRIMARY KEY (credential_id, secret)
) STRICT, WITHOUT ROWID;

-- The newest batch of counters that each process wrote, so that none is added twice.
CREATE TABLE usage_batches (
    node TEXT PRIMARY KEY,
    batch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
