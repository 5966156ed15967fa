-- Mails that are kept with a rule, each with whether the rule should match it.
-- No foreign key: the rules of a deleted mailbox can be brought back for seven days, and so can these.
CREATE TABLE config.rule_example (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    rule text NOT NULL,
    -- The mail of the log that it was kept from; empty: it was pasted. Goes when that mail is erased.
    mail text NOT NULL,
    name text NOT NULL,
    raw bytea NOT NULL CHECK (octet_length(raw) <= 262144),
    sender text NOT NULL,
    recipient text NOT NULL,
    received_at timestamptz NOT NULL,
    known json NOT NULL,
    expects boolean NOT NULL,
    -- What the condition said of it as it is now; null: it was not tried, or could not be.
    matched boolean,
    problem text NOT NULL DEFAULT '',
    -- Not jsonb: what is in a mail may hold NULs.
    explained json NOT NULL DEFAULT '[]',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX rule_example_by_rule ON config.rule_example (rule, created_at, id);
CREATE INDEX rule_example_by_mail ON config.rule_example (account, mail);
ALTER TABLE config.rule_example ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.rule_example FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.rule_example FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR rule IN (SELECT id FROM config.rule)));
CREATE POLICY written ON config.rule_example USING (account = config.my_account()
    AND ((SELECT config.manages()) OR rule IN (SELECT r.id FROM config.rule r
        WHERE r.scope IN (SELECT config.managed_mailboxes()))));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.rule_example TO postroom_app;
GRANT SELECT, DELETE ON config.rule_example TO postroom_worker;

-- However a condition is changed, what the one before said of examples is forgotten with it.
CREATE FUNCTION config.forget_tried_examples() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE config.rule_example SET matched = NULL, problem = '', explained = '[]' WHERE rule = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER untried AFTER UPDATE ON config.rule FOR EACH ROW
    WHEN (OLD.condition::text IS DISTINCT FROM NEW.condition::text)
    EXECUTE FUNCTION config.forget_tried_examples();
