-- What rules said before, and what each does day by day.

CREATE TABLE config.rule_version (
    account text NOT NULL REFERENCES config.account,
    rule text NOT NULL,
    version bigint NOT NULL,
    scope text NOT NULL,
    name text NOT NULL,
    active boolean NOT NULL,
    layer text NOT NULL,
    shadow boolean NOT NULL,
    condition jsonb NOT NULL,
    actions jsonb NOT NULL,
    -- A person's id; empty: Postroom itself, or before versions were kept.
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (rule, version)
);
CREATE INDEX rule_version_by_account ON config.rule_version (account);
ALTER TABLE config.rule_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.rule_version FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.rule_version FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR scope IN (SELECT config.seen_mailboxes())));
CREATE POLICY written ON config.rule_version USING (account = config.my_account()
    AND ((SELECT config.manages()) OR scope IN (SELECT config.managed_mailboxes())));
GRANT SELECT, INSERT, DELETE ON config.rule_version TO postroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config.rule_version TO postroom_worker;

-- However a rule is made or changed, what it says is kept: 200 versions of each. That it was moved
-- among the others is no version. Of a rule from before this table its first change keeps both.
CREATE FUNCTION config.keep_rule_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.name, OLD.active, OLD.layer, OLD.shadow, OLD.condition::text, OLD.actions::text)
            IS NOT DISTINCT FROM
            (NEW.name, NEW.active, NEW.layer, NEW.shadow, NEW.condition::text, NEW.actions::text) THEN
            RETURN NULL;
        END IF;
        INSERT INTO config.rule_version
            SELECT OLD.account, OLD.id, OLD.version, OLD.scope, OLD.name, OLD.active, OLD.layer, OLD.shadow,
                OLD.condition::jsonb, OLD.actions::jsonb, '', OLD.created_at
            WHERE NOT EXISTS (SELECT 1 FROM config.rule_version WHERE rule = OLD.id);
    END IF;
    INSERT INTO config.rule_version VALUES (NEW.account, NEW.id, NEW.version, NEW.scope, NEW.name, NEW.active,
        NEW.layer, NEW.shadow, NEW.condition::jsonb, NEW.actions::jsonb, coalesce(config.me(), ''), now())
        ON CONFLICT DO NOTHING;
    DELETE FROM config.rule_version WHERE rule = NEW.id AND version IN (
        SELECT version FROM config.rule_version WHERE rule = NEW.id ORDER BY version DESC OFFSET 200);
    RETURN NULL;
END $$;
CREATE TRIGGER kept AFTER INSERT OR UPDATE ON config.rule FOR EACH ROW EXECUTE FUNCTION config.keep_rule_version();

-- Mails that a rule matched, by the day of the decision (UTC); `shadow`: while it only looked on.
CREATE TABLE config.rule_hit (
    account text NOT NULL,
    rule text NOT NULL,
    day date NOT NULL,
    live integer NOT NULL,
    shadow integer NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (account, rule, day)
);
CREATE INDEX rule_hit_by_day ON config.rule_hit (day);
ALTER TABLE config.rule_hit ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.rule_hit FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.rule_hit FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR rule IN (SELECT id FROM config.rule)));
GRANT SELECT ON config.rule_hit TO postroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config.rule_hit TO postroom_worker;
