-- Requests that were judged, for some days: what an account's people look at when something was
-- refused. No path, query or header of a client: the route is the scheme's own pattern.
CREATE TABLE requests (
    account_id TEXT NOT NULL,
    -- Milliseconds, node and its count, in hexadecimal: in the order of time.
    place TEXT NOT NULL,
    request_id TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    secret INTEGER NOT NULL,
    environment TEXT NOT NULL,
    outcome TEXT NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    need TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (account_id, place)
) STRICT, WITHOUT ROWID;

-- How many of them each account has.
CREATE TABLE request_counts (
    account_id TEXT PRIMARY KEY,
    kept INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many were not written down, because they came faster than that.
CREATE TABLE request_gaps (
    account_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    PRIMARY KEY (account_id, hour)
) STRICT, WITHOUT ROWID;
