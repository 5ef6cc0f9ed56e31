-- What an address list does to a request from elsewhere: `enforce` refuses it, `report` counts it.
ALTER TABLE credentials ADD COLUMN address_mode TEXT NOT NULL DEFAULT 'enforce'
    CHECK (address_mode IN ('enforce', 'report'));

-- Requests that passed although a list that only reports does not have their address.
CREATE TABLE address_reports (
    credential_id TEXT NOT NULL,
    -- Empty for those whose address is not known, or no longer listed.
    address TEXT NOT NULL,
    requests INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (credential_id, address)
) STRICT, WITHOUT ROWID;
