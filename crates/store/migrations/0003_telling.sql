-- What happened is chained, told to people and programs, and watched.

-- An account's events are a chain: each has its place and a keyed hash over itself and the one
-- before. Without the key nobody can change, remove, reorder or add one unnoticed.
ALTER TABLE events ADD COLUMN seq INTEGER;

ALTER TABLE events ADD COLUMN chain BLOB;

CREATE UNIQUE INDEX events_chain ON events (account_id, seq) WHERE seq IS NOT NULL;

-- The two ends of each account's chain: the link before its oldest kept event, and its newest.
CREATE TABLE audit_ends (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id),
    first_seq INTEGER NOT NULL,
    before_first BLOB NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that are still to be told. Held are those which this version can't tell: they are tried
-- again by the hour, and are not in front of the others.
CREATE TABLE outbox (
    event_id TEXT PRIMARY KEY,
    held INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_next ON outbox (event_id) WHERE held = 0;

-- What matters and may come a thousand times a minute: counted here, told once a window.
CREATE TABLE repeats (
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    since INTEGER NOT NULL,
    more INTEGER NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX repeats_by_age ON repeats (since);

-- What the clock will do to credentials, and what it did: `of` is the instant that it is about,
-- so that the same fact is never told twice.
CREATE TABLE due (
    credential_id TEXT NOT NULL REFERENCES credentials (id),
    what TEXT NOT NULL,
    of INTEGER NOT NULL,
    at INTEGER NOT NULL,
    told_at INTEGER,
    PRIMARY KEY (credential_id, what, of)
) STRICT, WITHOUT ROWID;

CREATE INDEX due_next ON due (at) WHERE told_at IS NULL;

-- Where an account's programs want to hear of events.
CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    environment TEXT NOT NULL CHECK (environment IN ('test', 'live')),
    url TEXT NOT NULL,
    about TEXT NOT NULL,
    -- Names of events with spaces between them; empty for what the scheme says.
    events TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('on', 'off', 'gone', 'failing', 'removed')),
    state_at INTEGER NOT NULL,
    failing_since INTEGER,
    -- Nothing goes there before: it answered 429.
    held_until INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX endpoints_by_account ON endpoints (account_id, id);

CREATE TABLE endpoint_secrets (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
    number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at INTEGER,
    PRIMARY KEY (endpoint_id, number)
) STRICT, WITHOUT ROWID;

-- One event on its way to one endpoint.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts INTEGER NOT NULL,
    -- Where in the plan of retries it is: a replay begins again, its attempts count on.
    step INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    claimed_by TEXT,
    claimed_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    done_at INTEGER,
    UNIQUE (endpoint_id, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE state = 'waiting';

-- What is under way: few rows, however many wait.
CREATE INDEX deliveries_claimed ON deliveries (endpoint_id, claimed_until)
WHERE state = 'waiting' AND claimed_until > 0;

-- With all that a page or a replay chooses by, so that only what is chosen is read.
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, id, state, created_at);

CREATE INDEX deliveries_by_age ON deliveries (created_at);

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id),
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    address TEXT,
    status INTEGER,
    trouble TEXT,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

ALTER TABLE messages ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

ALTER TABLE messages ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;

ALTER TABLE messages ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;

-- Why it was not sent yet, or never will be.
ALTER TABLE messages ADD COLUMN trouble TEXT;

ALTER TABLE messages ADD COLUMN gave_up_at INTEGER;

-- Use to the minute, for some hours: what alerts look at.
CREATE TABLE usage_minutes (
    credential_id TEXT NOT NULL,
    minute INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (credential_id, minute)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_minutes_by_age ON usage_minutes (minute);

-- What a credential may do and did: the day it last did it.
CREATE TABLE usage_needs (
    credential_id TEXT NOT NULL,
    need TEXT NOT NULL,
    last_day INTEGER NOT NULL,
    PRIMARY KEY (credential_id, need)
) STRICT, WITHOUT ROWID;

-- Networks that a credential was used from.
CREATE TABLE usage_networks (
    credential_id TEXT NOT NULL,
    network TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, network)
) STRICT, WITHOUT ROWID;

-- Since when the networks of a credential are learned, and when a new one was last told. Apart from
-- the networks themselves: those are forgotten when there are too many.
CREATE TABLE usage_learning (
    credential_id TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    told_at INTEGER
) STRICT, WITHOUT ROWID;

-- What is unusual, from when it was told until it was over.
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    credential_id TEXT NOT NULL REFERENCES credentials (id),
    what TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    ended_at INTEGER,
    detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX alerts_open ON alerts (credential_id, what) WHERE ended_at IS NULL;

CREATE INDEX alerts_by_account ON alerts (account_id, began_at);

CREATE INDEX alerts_by_credential ON alerts (credential_id, what, began_at);

CREATE INDEX devices_by_member ON devices (member_id, seen_at);
