-- Roles and owners. Row level security knows them: who manages the account sees all of it, anybody
-- else their own mailboxes and those shared with them, with the mail and the rules of these.
ALTER TABLE config.person DROP CONSTRAINT person_role_check;
ALTER TABLE config.person ADD CONSTRAINT person_role_check
    CHECK (role IN ('administrator', 'account_administrator', 'user'));

ALTER TABLE config.mailbox ADD COLUMN owner text REFERENCES config.person;
CREATE INDEX mailbox_by_owner ON config.mailbox (owner) WHERE owner IS NOT NULL;

CREATE TABLE config.mailbox_share (
    mailbox text NOT NULL REFERENCES config.mailbox ON DELETE CASCADE,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    account text NOT NULL REFERENCES config.account,
    level text NOT NULL CHECK (level IN ('read', 'manage')),
    granted_by text NOT NULL,
    until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mailbox, person)
);
CREATE INDEX mailbox_share_by_person ON config.mailbox_share (person);

DROP FUNCTION config.act_as(text, text, text);
CREATE FUNCTION config.act_as(
    p_account text, p_user text, p_credential text, p_role text DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
    SELECT set_config('postroom.account', coalesce(p_account, ''), true),
           set_config('postroom.user', coalesce(p_user, ''), true),
           set_config('postroom.credential', coalesce(p_credential, ''), true),
           set_config('postroom.role', coalesce(p_role, ''), true);
$$;
CREATE FUNCTION config.my_account() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('postroom.account', true), '') $$;
CREATE FUNCTION config.me() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('postroom.user', true), '') $$;
CREATE FUNCTION config.manages() RETURNS boolean LANGUAGE sql STABLE
    AS $$ SELECT coalesce(current_setting('postroom.role', true), '')
                 IN ('administrator', 'account_administrator') $$;

ALTER TABLE config.mailbox_share ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_share FORCE ROW LEVEL SECURITY;
-- Says nothing of the mailbox itself: its policies ask this table.
CREATE POLICY concerned ON config.mailbox_share USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me() OR granted_by = config.me()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.mailbox_share TO postroom_app, postroom_worker;

DROP POLICY by_account ON config.mailbox;
CREATE POLICY seen ON config.mailbox FOR SELECT USING (account = config.my_account() AND (
    (SELECT config.manages()) OR owner = config.me() OR id IN (
        SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND (s.until IS NULL OR s.until > now()))));
CREATE POLICY added ON config.mailbox FOR INSERT WITH CHECK (account = config.my_account() AND (
    (SELECT config.manages()) OR owner = config.me()));
CREATE POLICY changed ON config.mailbox FOR UPDATE USING (account = config.my_account() AND (
    (SELECT config.manages()) OR owner = config.me() OR id IN (
        SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND s.level = 'manage' AND (s.until IS NULL OR s.until > now()))));
CREATE POLICY removed ON config.mailbox FOR DELETE USING (account = config.my_account() AND (
    (SELECT config.manages()) OR owner = config.me()));

-- What hangs on a mailbox is seen, and its rules are written, by who sees or manages the mailbox.
CREATE FUNCTION config.managed_mailboxes() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT m.id FROM config.mailbox m WHERE m.owner = config.me() OR m.id IN (
        SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND s.level = 'manage' AND (s.until IS NULL OR s.until > now()));
$$;
DROP POLICY by_account ON config.message;
CREATE POLICY by_mailbox ON config.message USING (account = config.my_account() AND (
    (SELECT config.manages()) OR mailbox IN (SELECT m.id FROM config.mailbox m)));
DROP POLICY by_account ON config.mailbox_check;
CREATE POLICY by_mailbox ON config.mailbox_check USING (account = config.my_account() AND (
    (SELECT config.manages()) OR mailbox IN (SELECT m.id FROM config.mailbox m)));

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['rule', 'ruleset'] LOOP
        EXECUTE format('DROP POLICY by_account ON config.%I', name);
        EXECUTE format('CREATE POLICY seen ON config.%I FOR SELECT USING ('
            'account = config.my_account() AND ((SELECT config.manages())'
            ' OR scope IN (SELECT m.id FROM config.mailbox m)))', name);
        EXECUTE format('CREATE POLICY written ON config.%I USING ('
            'account = config.my_account() AND ((SELECT config.manages())'
            ' OR scope IN (SELECT config.managed_mailboxes())))', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['delivery', 'set_aside'] LOOP
        EXECUTE format('DROP POLICY by_account ON config.%I', name);
        EXECUTE format('CREATE POLICY managed ON config.%I USING ('
            'account = config.my_account() AND (SELECT config.manages()))', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['session', 'token'] LOOP
        EXECUTE format('DROP POLICY by_account ON config.%I', name);
        EXECUTE format('CREATE POLICY own ON config.%I USING (account = config.my_account()'
            ' AND ((SELECT config.manages()) OR person = config.me()))', name);
    END LOOP;
END $$;

DROP POLICY by_account ON config.person;
CREATE POLICY own ON config.person USING (account = config.my_account()
    AND ((SELECT config.manages()) OR id = config.me()));

-- Who changed what; written in the transaction of the change, and never changed.
CREATE TABLE config.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    person text NOT NULL,
    name text NOT NULL,
    action text NOT NULL,
    about text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_by_time ON config.audit (account, id DESC);
ALTER TABLE config.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.audit FORCE ROW LEVEL SECURITY;
CREATE POLICY written ON config.audit FOR INSERT WITH CHECK (account = config.my_account());
CREATE POLICY managed ON config.audit FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()));
GRANT SELECT, INSERT ON config.audit TO postroom_app, postroom_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA config TO postroom_app, postroom_worker;
