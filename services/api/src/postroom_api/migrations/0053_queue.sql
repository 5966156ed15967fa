-- What waits to go out, by where it goes; what is held back; what was refused at the door; the door.
ALTER TABLE config.delivery ADD COLUMN chunk text NOT NULL DEFAULT '';
ALTER TABLE config.delivery ADD COLUMN part text NOT NULL DEFAULT '';
ALTER TABLE config.delivery ADD COLUMN destination text NOT NULL DEFAULT '';
UPDATE config.delivery SET destination = lower(substring(recipient from '[^@]*$'));
CREATE INDEX delivery_that_waits ON config.delivery (account, destination, reported_at DESC, serial DESC)
    WHERE state = 'deferred';

CREATE TABLE config.hold (
    account text NOT NULL REFERENCES config.account,
    domain text NOT NULL,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    held_at timestamptz NOT NULL DEFAULT now(),
    held_by text NOT NULL,
    PRIMARY KEY (account, domain)
);

CREATE TABLE config.refusal (
    id text PRIMARY KEY,
    account text NOT NULL,
    at timestamptz NOT NULL,
    network text NOT NULL,
    reason text NOT NULL,
    reply text NOT NULL,
    count integer NOT NULL,
    helo text NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL
);
CREATE INDEX refusal_by_time ON config.refusal (account, at DESC, id DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['hold', 'refusal'] LOOP
        EXECUTE format('ALTER TABLE config.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE config.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY managed ON config.%I USING ('
            'account = config.my_account() AND (SELECT config.manages()))', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, DELETE ON config.hold TO postroom_app;
GRANT SELECT, DELETE ON config.hold TO postroom_worker;
GRANT SELECT ON config.refusal TO postroom_app;
GRANT SELECT, INSERT, DELETE ON config.refusal TO postroom_worker;

-- One row: the SMTP server takes sessions, or it does not. It is all accounts'.
CREATE TABLE config.door (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    open boolean NOT NULL,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL
);
ALTER TABLE config.door ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.door FORCE ROW LEVEL SECURITY;
CREATE POLICY of_all_accounts ON config.door
    USING (coalesce(current_setting('postroom.role', true), '') = 'administrator');
GRANT SELECT, INSERT, UPDATE ON config.door TO postroom_app;
GRANT SELECT ON config.door TO postroom_worker;
