-- How an account's mail is rated; no row: as the document's defaults say.
CREATE TABLE config.spam_filter (
    account text PRIMARY KEY REFERENCES config.account,
    mark_at integer NOT NULL CHECK (mark_at BETWEEN 0 AND 100),
    quarantine_at integer NOT NULL CHECK (quarantine_at BETWEEN 0 AND 100),
    quarantine_days integer NOT NULL CHECK (quarantine_days BETWEEN 1 AND 365),
    trusted_headers text[] NOT NULL,
    allowed text[] NOT NULL,
    blocked text[] NOT NULL,
    version bigint NOT NULL DEFAULT nextval('config.version')
);
ALTER TABLE config.spam_filter ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.spam_filter FORCE ROW LEVEL SECURITY;
CREATE POLICY managed ON config.spam_filter USING (account = config.my_account() AND (SELECT config.manages()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.spam_filter TO postroom_app, postroom_worker;

-- Kept apart until then, and deleted after it; what the filter was taught of a mail, when and by whom.
ALTER TABLE config.message
    ADD COLUMN quarantined_until timestamptz,
    ADD COLUMN released_at timestamptz,
    ADD COLUMN trained boolean,
    ADD COLUMN trained_by text NOT NULL DEFAULT '',
    ADD COLUMN trained_at timestamptz;
CREATE INDEX message_quarantined ON config.message (quarantined_until) WHERE quarantined_until IS NOT NULL;
CREATE INDEX message_trained ON config.message (account, trained) WHERE trained IS NOT NULL;
GRANT UPDATE (quarantined_until, released_at, trained, trained_by, trained_at) ON config.message TO postroom_app;

CREATE OR REPLACE FUNCTION config.messages_found(p_wanted jsonb, p_mailboxes text[], p_before timestamptz, p_id text,
    p_limit integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
DECLARE
    said text := 'SELECT id FROM config.message WHERE account = config.my_account()';
BEGIN
    said := said || CASE WHEN (p_wanted ->> 'deleted')::boolean THEN ' AND deleted_at IS NOT NULL'
        ELSE ' AND deleted_at IS NULL' END;
    IF NOT (p_wanted ->> 'deleted')::boolean THEN
        said := said || CASE WHEN (p_wanted ->> 'quarantine')::boolean THEN ' AND quarantined_until IS NOT NULL'
            ELSE ' AND quarantined_until IS NULL' END;
    END IF;
    IF p_mailboxes IS NOT NULL THEN said := said || ' AND mailbox = ANY($2)'; END IF;
    IF p_wanted ? 'mailbox' THEN said := said || ' AND mailbox = $1 ->> ''mailbox'''; END IF;
    IF p_wanted ? 'words' THEN said := said || ' AND words @@ ($1 ->> ''words'')::tsquery'; END IF;
    IF p_wanted ? 'sender' THEN
        said := said || ' AND (from_address ILIKE $1 ->> ''sender'' OR from_name ILIKE $1 ->> ''sender'')';
    END IF;
    IF p_wanted ? 'recipient' THEN said := said || ' AND recipient ILIKE $1 ->> ''recipient'''; END IF;
    IF p_wanted ? 'spam' THEN
        said := said || ' AND coalesce(spam, spam_rating >= 50, false) = ($1 ->> ''spam'')::boolean';
    END IF;
    IF p_wanted ? 'read' THEN said := said || ' AND read = ($1 ->> ''read'')::boolean'; END IF;
    IF p_wanted ? 'importance' THEN said := said || ' AND importance = $1 ->> ''importance'''; END IF;
    IF p_wanted ? 'tag' THEN said := said || ' AND tags <> ''{}'' AND tags @> ARRAY[$1 ->> ''tag'']'; END IF;
    IF p_wanted ? 'since' THEN said := said || ' AND received_at >= ($1 ->> ''since'')::timestamptz'; END IF;
    IF p_wanted ? 'until' THEN said := said || ' AND received_at < ($1 ->> ''until'')::timestamptz'; END IF;
    IF p_before IS NOT NULL THEN said := said || ' AND (received_at, id) < ($3, $4)'; END IF;
    said := said || ' ORDER BY received_at DESC, id DESC LIMIT $5';
    RETURN QUERY EXECUTE said USING p_wanted, p_mailboxes, p_before, p_id, p_limit;
END $$;
