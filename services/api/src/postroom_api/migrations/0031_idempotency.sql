-- Answers to requests that create, kept a day, so that a repeated one creates nothing again.
CREATE TABLE config.idempotency (
    account text NOT NULL,
    person text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    begun_at timestamptz NOT NULL,
    status integer,
    content_type text NOT NULL DEFAULT '',
    location text NOT NULL DEFAULT '',
    body bytea,
    PRIMARY KEY (account, person, key)
);
CREATE INDEX idempotency_by_time ON config.idempotency (begun_at);
ALTER TABLE config.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON config.idempotency
    USING (account = config.my_account() AND person = config.me());
GRANT SELECT, INSERT, UPDATE, DELETE ON config.idempotency TO postroom_app, postroom_worker;
