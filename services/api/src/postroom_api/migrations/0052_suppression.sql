-- Addresses that nothing of an account is sent to any more: they do not exist, mail to them keeps
-- coming back, their reader complained, or somebody said so. smtp reads them as documents.
CREATE TABLE config.suppression (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    -- Canonical.
    address text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'by_hand')),
    -- The server's, or of who added it.
    words text NOT NULL,
    status text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now(),
    -- The name of who added it by hand; empty: Postroom did.
    added_by text NOT NULL DEFAULT '',
    -- Failures and complaints that led to it, and what has come in since.
    count integer NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    UNIQUE (account, address)
);
CREATE INDEX suppression_by_time ON config.suppression (account, since DESC, id DESC);

-- What counts against an address, for 30 days. `forgiven`: it was released since.
CREATE TABLE config.address_failure (
    account text NOT NULL REFERENCES config.account,
    serial bigint NOT NULL,
    complaint boolean NOT NULL,
    address text NOT NULL,
    at timestamptz NOT NULL,
    forgiven boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account, serial, complaint)
);
CREATE INDEX address_failure_by_address ON config.address_failure (account, address, at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['suppression', 'address_failure'] LOOP
        EXECUTE format('ALTER TABLE config.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE config.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY managed ON config.%I USING (account = config.my_account()'
            ' AND (SELECT config.manages()))', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, DELETE ON config.suppression TO postroom_app;
GRANT SELECT, UPDATE ON config.address_failure TO postroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config.suppression, config.address_failure TO postroom_worker;

-- What the next server said, or the mail that came back (RFC 3463).
ALTER TABLE config.delivery ADD COLUMN status text NOT NULL DEFAULT '';
