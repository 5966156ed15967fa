-- What the list of mailboxes sorts, filters and searches by: one narrow row per mailbox, kept by
-- triggers in the transaction of whoever changes a mailbox, a check or a mail, and the words it is
-- found by. Comparisons with < and >= on these columns are leakproof, so they use their indexes under
-- row level security; lower(), LIKE and full text would not (DESIGN law 6).
CREATE FUNCTION config.mailbox_state(
    p_source text, p_active boolean, p_password boolean, p_last text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN NOT p_active THEN 'paused' WHEN p_source = 'smtp' THEN 'open'
                WHEN NOT p_password THEN 'sign_in_again' ELSE coalesce(p_last, 'new') END;
$$;
CREATE FUNCTION config.words_of(p_text text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT left(word, 60) FROM regexp_split_to_table(lower(p_text), '[^[:alnum:]]+') word
    WHERE word <> '';
$$;

CREATE TABLE config.mailbox_summary (
    mailbox text PRIMARY KEY REFERENCES config.mailbox ON DELETE CASCADE,
    account text NOT NULL,
    owner text,
    kind text NOT NULL,
    source text NOT NULL,
    active boolean NOT NULL,
    service text,
    has_password boolean NOT NULL,
    last_state text,
    state text NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT 'epoch',
    mails bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    unread bigint NOT NULL DEFAULT 0
);
CREATE INDEX mailbox_summary_by_name ON config.mailbox_summary (account, name_key, mailbox);
CREATE INDEX mailbox_summary_by_check ON config.mailbox_summary (account, checked_at, mailbox);
CREATE INDEX mailbox_summary_by_volume ON config.mailbox_summary (account, bytes, mailbox);
CREATE INDEX mailbox_summary_by_unread ON config.mailbox_summary (account, unread, mailbox);
CREATE INDEX mailbox_summary_by_state ON config.mailbox_summary (account, state, name_key, mailbox);
CREATE INDEX mailbox_summary_by_owner ON config.mailbox_summary (owner, account)
    WHERE owner IS NOT NULL;
CREATE INDEX mailbox_summary_by_service ON config.mailbox_summary (service, account)
    WHERE service IS NOT NULL;
CREATE INDEX mailbox_summary_by_type ON config.mailbox_summary (account, source, kind, name_key, mailbox);

CREATE TABLE config.mailbox_word (
    mailbox text NOT NULL REFERENCES config.mailbox ON DELETE CASCADE,
    account text NOT NULL,
    word text COLLATE "C" NOT NULL,
    origin text NOT NULL DEFAULT '',
    PRIMARY KEY (mailbox, word, origin)
);
CREATE INDEX mailbox_word_by_word ON config.mailbox_word (account, word, mailbox);

-- The triggers run as the owner, whom forced row level security would keep from all rows.
CREATE FUNCTION config.mailbox_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = config, pg_temp AS $$
BEGIN
    INSERT INTO config.mailbox_summary AS s (mailbox, account, owner, kind, source, active, service,
        has_password, state, name_key)
    VALUES (NEW.id, NEW.account, NEW.owner, NEW.kind, NEW.source, NEW.active, NEW.service,
        NEW.sealed_password <> '',
        config.mailbox_state(NEW.source, NEW.active, NEW.sealed_password <> '', NULL),
        left(lower(NEW.name), 100))
    ON CONFLICT (mailbox) DO UPDATE SET owner = excluded.owner, active = excluded.active,
        service = excluded.service, has_password = excluded.has_password,
        name_key = excluded.name_key, state = config.mailbox_state(
            s.source, excluded.active, excluded.has_password, s.last_state);
    IF TG_OP = 'INSERT' OR (OLD.name, OLD.login, OLD.host) IS DISTINCT FROM (NEW.name, NEW.login, NEW.host) THEN
        DELETE FROM config.mailbox_word WHERE mailbox = NEW.id AND origin = '';
        INSERT INTO config.mailbox_word (mailbox, account, word)
        SELECT NEW.id, NEW.account, word
        FROM config.words_of(NEW.name || ' ' || NEW.login || ' ' || NEW.host) word;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION config.address_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = config, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM config.mailbox_word WHERE mailbox = OLD.mailbox AND origin = OLD.address;
    ELSE
        INSERT INTO config.mailbox_word (mailbox, account, word, origin)
        SELECT NEW.mailbox, NEW.account, word, NEW.address FROM config.words_of(NEW.address) word;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION config.mailbox_check_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = config, pg_temp AS $$
BEGIN
    UPDATE config.mailbox_summary SET last_state = NEW.state, checked_at = NEW.checked_at,
        state = config.mailbox_state(source, active, has_password, NEW.state)
    WHERE mailbox = NEW.mailbox;
    RETURN NULL;
END $$;
CREATE FUNCTION config.message_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = config, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE config.mailbox_summary SET mails = mails - 1, bytes = bytes - OLD.size,
            unread = unread - (NOT OLD.read AND OLD.deleted_at IS NULL)::int
        WHERE mailbox = OLD.mailbox;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE config.mailbox_summary SET mails = mails + 1, bytes = bytes + NEW.size,
            unread = unread + (NOT NEW.read AND NEW.deleted_at IS NULL)::int
        WHERE mailbox = NEW.mailbox;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION config.mailbox_changed(), config.address_changed(),
    config.mailbox_check_changed(), config.message_counted() FROM PUBLIC;

-- What is there already; the owner is under row level security like everybody, so it is lifted here.
ALTER TABLE config.mailbox NO FORCE ROW LEVEL SECURITY;
ALTER TABLE config.address NO FORCE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_check NO FORCE ROW LEVEL SECURITY;
ALTER TABLE config.message NO FORCE ROW LEVEL SECURITY;
INSERT INTO config.mailbox_summary (mailbox, account, owner, kind, source, active, service,
    has_password, last_state, state, name_key, checked_at, mails, bytes, unread)
SELECT m.id, m.account, m.owner, m.kind, m.source, m.active, m.service, m.sealed_password <> '',
    c.state, config.mailbox_state(m.source, m.active, m.sealed_password <> '', c.state),
    left(lower(m.name), 100), coalesce(c.checked_at, 'epoch'), coalesce(g.mails, 0),
    coalesce(g.bytes, 0), coalesce(g.unread, 0)
FROM config.mailbox m LEFT JOIN config.mailbox_check c ON c.mailbox = m.id LEFT JOIN (
    SELECT mailbox, count(*) AS mails, sum(size) AS bytes,
        count(*) FILTER (WHERE NOT read AND deleted_at IS NULL) AS unread
    FROM config.message GROUP BY mailbox) g ON g.mailbox = m.id;
INSERT INTO config.mailbox_word (mailbox, account, word)
SELECT m.id, m.account, word
FROM config.mailbox m, config.words_of(m.name || ' ' || m.login || ' ' || m.host) word;
INSERT INTO config.mailbox_word (mailbox, account, word, origin)
SELECT a.mailbox, a.account, word, a.address
FROM config.address a, config.words_of(a.address) word;
ALTER TABLE config.mailbox FORCE ROW LEVEL SECURITY;
ALTER TABLE config.address FORCE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_check FORCE ROW LEVEL SECURITY;
ALTER TABLE config.message FORCE ROW LEVEL SECURITY;

CREATE TRIGGER summarise AFTER INSERT OR UPDATE ON config.mailbox
    FOR EACH ROW EXECUTE FUNCTION config.mailbox_changed();
CREATE TRIGGER summarise AFTER INSERT OR DELETE ON config.address
    FOR EACH ROW EXECUTE FUNCTION config.address_changed();
CREATE TRIGGER summarise AFTER INSERT OR UPDATE ON config.mailbox_check
    FOR EACH ROW EXECUTE FUNCTION config.mailbox_check_changed();
CREATE TRIGGER summarise AFTER INSERT OR DELETE OR UPDATE OF mailbox, size, read, deleted_at
    ON config.message FOR EACH ROW EXECUTE FUNCTION config.message_counted();

-- What a person sees and manages, by index: "owner or shared" as one condition reads every mailbox of
-- every account (50 ms with 100,000 of them), and the policies below asked it for each request.
CREATE FUNCTION config.seen_mailboxes() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT m.id FROM config.mailbox m WHERE m.owner = config.me()
    UNION ALL
    SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND (s.until IS NULL OR s.until > now());
$$;
CREATE OR REPLACE FUNCTION config.managed_mailboxes() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT m.id FROM config.mailbox m WHERE m.owner = config.me()
    UNION ALL
    SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND s.level = 'manage' AND (s.until IS NULL OR s.until > now());
$$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['message', 'mailbox_check'] LOOP
        EXECUTE format('DROP POLICY by_mailbox ON config.%I', name);
        EXECUTE format('CREATE POLICY by_mailbox ON config.%I USING ('
            'account = config.my_account() AND ((SELECT config.manages())'
            ' OR mailbox IN (SELECT config.seen_mailboxes())))', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['rule', 'ruleset'] LOOP
        EXECUTE format('DROP POLICY seen ON config.%I', name);
        EXECUTE format('CREATE POLICY seen ON config.%I FOR SELECT USING ('
            'account = config.my_account() AND ((SELECT config.manages())'
            ' OR scope IN (SELECT config.seen_mailboxes())))', name);
    END LOOP;
END $$;

ALTER TABLE config.mailbox_summary ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_summary FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.mailbox_summary FOR SELECT USING (account = config.my_account() AND (
    (SELECT config.manages()) OR owner = config.me() OR mailbox IN (
        SELECT s.mailbox FROM config.mailbox_share s WHERE s.person = config.me()
        AND (s.until IS NULL OR s.until > now()))));
CREATE POLICY kept ON config.mailbox_summary TO postroom_owner USING (true) WITH CHECK (true);
ALTER TABLE config.mailbox_word ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_word FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.mailbox_word FOR SELECT USING (account = config.my_account() AND (
    (SELECT config.manages()) OR mailbox IN (SELECT config.seen_mailboxes())));
CREATE POLICY kept ON config.mailbox_word TO postroom_owner USING (true) WITH CHECK (true);
GRANT SELECT ON config.mailbox_summary, config.mailbox_word TO postroom_app, postroom_worker;
