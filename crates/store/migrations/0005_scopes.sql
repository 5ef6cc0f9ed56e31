-- Allowed requests of a credential by what they needed, such as `invoices:read`, and the day: what
-- an edit would have refused.
CREATE TABLE usage_need_days (
    credential_id TEXT NOT NULL,
    need TEXT NOT NULL,
    day INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (credential_id, need, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_need_days_by_age ON usage_need_days (day);
