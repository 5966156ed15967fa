-- People as their administrators and they themselves keep them: states, links to come in by, second
-- factors, sessions one can tell apart, tokens with scopes, and administrators at work elsewhere.
CREATE FUNCTION config.administers() RETURNS boolean LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('postroom.role', true), '') = 'administrator' $$;

ALTER TABLE config.account ADD COLUMN removed_at timestamptz;
DROP POLICY by_account ON config.account;
CREATE POLICY own ON config.account FOR SELECT USING (id = config.my_account());
CREATE POLICY administered ON config.account USING ((SELECT config.administers()));

ALTER TABLE config.person
    ADD COLUMN state text NOT NULL DEFAULT 'active'
        CHECK (state IN ('invited', 'active', 'deactivated')),
    ADD COLUMN locale text NOT NULL DEFAULT '',
    ADD COLUMN password_set_at timestamptz,
    ADD COLUMN last_seen_at timestamptz;
CREATE INDEX person_by_account ON config.person (account, email);

ALTER TABLE config.session
    ADD COLUMN id text NOT NULL UNIQUE
        DEFAULT 'ses_' || replace(gen_random_uuid()::text, '-', ''),
    ADD COLUMN peer text NOT NULL DEFAULT '',
    ADD COLUMN agent text NOT NULL DEFAULT '',
    ADD COLUMN last_seen_at timestamptz,
    -- The password was right; it opens nothing before the code is, too.
    ADD COLUMN awaiting_code boolean NOT NULL DEFAULT false,
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    -- Where an administrator is at work, when not at home.
    ADD COLUMN acting text REFERENCES config.account ON DELETE SET NULL;

ALTER TABLE config.token
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN acting text REFERENCES config.account ON DELETE CASCADE;
-- Tokens of before could do all that their owner may.
UPDATE config.token SET scopes = '{admin}';

-- One-time links: the hash is what is kept of them.
CREATE TABLE config.link (
    hash text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('invitation', 'reset')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX link_by_person ON config.link (person);

CREATE TABLE config.second_factor (
    person text PRIMARY KEY REFERENCES config.person ON DELETE CASCADE,
    account text NOT NULL REFERENCES config.account,
    sealed text NOT NULL,
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: no code is taken twice (RFC 6238 §5.2).
    last_step bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    blocked_until timestamptz
);

CREATE TABLE config.recovery_code (
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    hash text NOT NULL,
    account text NOT NULL REFERENCES config.account,
    used_at timestamptz,
    PRIMARY KEY (person, hash)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['link', 'second_factor', 'recovery_code'] LOOP
        EXECUTE format('ALTER TABLE config.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE config.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON config.%I'
            ' TO postroom_app, postroom_worker', name);
    END LOOP;
    -- A manager may take a lost second factor away, and never set one for somebody else.
    FOREACH name IN ARRAY ARRAY['second_factor', 'recovery_code'] LOOP
        EXECUTE format('CREATE POLICY own ON config.%I USING (account = config.my_account()'
            ' AND person = config.me())', name);
        EXECUTE format('CREATE POLICY known ON config.%I FOR SELECT USING ('
            'account = config.my_account() AND (SELECT config.manages()))', name);
        EXECUTE format('CREATE POLICY removed ON config.%I FOR DELETE USING ('
            'account = config.my_account() AND (SELECT config.manages()))', name);
    END LOOP;
END $$;
CREATE POLICY own ON config.link USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()));
CREATE POLICY by_hash ON config.link FOR SELECT
    USING (hash = nullif(current_setting('postroom.credential', true), ''));

CREATE INDEX audit_by_action ON config.audit (account, action, id DESC);
CREATE INDEX audit_by_about ON config.audit (account, about, id DESC);
-- It goes with the account it belongs to, and never otherwise.
GRANT DELETE ON config.audit TO postroom_worker;
