-- People: who may sign in, from where, with what proof; and what their pages need.

CREATE TABLE members (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    password TEXT NOT NULL,
    totp_sealed BLOB,
    totp_drift INTEGER NOT NULL,
    totp_last_step INTEGER NOT NULL,
    totp_near_step INTEGER,
    totp_near_drift INTEGER,
    totp_added_at INTEGER,
    created_at INTEGER NOT NULL,
    last_active_at INTEGER,
    removed_at INTEGER,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One address signs in to one account. Who was removed may come back, here or elsewhere.
CREATE UNIQUE INDEX members_by_email ON members (email) WHERE removed_at IS NULL;

CREATE INDEX members_by_account ON members (account_id, id);

-- A person's recovery codes share one salt, so that trying one costs one hash.
CREATE TABLE recovery_codes (
    member_id TEXT NOT NULL REFERENCES members (id),
    hash TEXT NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (member_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    member_id TEXT NOT NULL REFERENCES members (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    -- 'password' while the code is still asked for, then 'whole'.
    stage TEXT NOT NULL CHECK (stage IN ('password', 'whole')),
    device TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    address TEXT,
    client TEXT,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_member ON sessions (member_id, created_at);

CREATE INDEX sessions_by_age ON sessions (created_at);

-- Browsers that somebody signed in from before.
CREATE TABLE devices (
    digest BLOB NOT NULL,
    member_id TEXT NOT NULL REFERENCES members (id),
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (digest, member_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_by_age ON devices (seen_at);

-- Tries at passwords and codes, written before they are looked at. `subject` and `lane` are keyed
-- digests: whom the try is meant for, whether or not there is such a person, and from where.
CREATE TABLE tries (
    subject BLOB NOT NULL,
    lane BLOB NOT NULL,
    at INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (subject, lane, at, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX tries_by_age ON tries (at);

-- A proof that was given for one act in one session, to be used once.
CREATE TABLE proofs (
    session_id TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    method TEXT NOT NULL CHECK (method IN ('password', 'otp')),
    at INTEGER NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (session_id, act, subject, method)
) STRICT, WITHOUT ROWID;

CREATE INDEX proofs_by_age ON proofs (at);

-- Links that are good once: invitations and new passwords. Only the digest of the link is here.
CREATE TABLE links (
    digest BLOB PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    purpose TEXT NOT NULL CHECK (purpose IN ('invitation', 'password', 'set-up')),
    account_id TEXT,
    member_id TEXT,
    email TEXT,
    role TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_account ON links (account_id, created_at);

-- New secrets that a browser may look at again for some minutes. The key is in its cookie alone.
CREATE TABLE reveals (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX reveals_by_session ON reveals (session_id);

CREATE INDEX reveals_by_age ON reveals (expires_at);

-- In whose care a credential is.
CREATE TABLE credential_owners (
    credential_id TEXT PRIMARY KEY REFERENCES credentials (id),
    member_id TEXT NOT NULL REFERENCES members (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_owners_by_member ON credential_owners (member_id);

-- Which credential was made to take another's place.
CREATE TABLE replacements (
    credential_id TEXT PRIMARY KEY REFERENCES credentials (id),
    by_id TEXT NOT NULL UNIQUE REFERENCES credentials (id),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_settings (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

-- Mail to be sent. The whole message is sealed: it may hold a link that is good once.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    account_id TEXT,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_waiting ON messages (created_at) WHERE sent_at IS NULL;

-- Requests a day, so that a list of many credentials can show fourteen of them.
CREATE TABLE usage_days (
    credential_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (credential_id, day)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_days (credential_id, day, allowed, refused)
SELECT credential_id, hour - (hour % 86400000),
       SUM(CASE WHEN outcome = 'allowed' THEN requests ELSE 0 END),
       SUM(CASE WHEN outcome = 'allowed' THEN 0 ELSE requests END)
FROM usage_hours GROUP BY 1, 2;

-- Where a secret is used from: at most one sample a minute.
CREATE TABLE usage_places (
    credential_id TEXT NOT NULL,
    secret INTEGER NOT NULL,
    address TEXT NOT NULL,
    client TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    PRIMARY KEY (credential_id, secret, address, client)
) STRICT, WITHOUT ROWID;

ALTER TABLE events ADD COLUMN address TEXT;

ALTER TABLE events ADD COLUMN client TEXT;
