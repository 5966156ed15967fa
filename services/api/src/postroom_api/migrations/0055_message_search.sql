-- The message log by words and by what a mail is. Words begin like a word of subject, people, recipient or preview.
ALTER TABLE config.message ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple',
    regexp_replace(lower(left(subject || ' ' || from_name || ' ' || from_address || ' ' || recipient || ' '
        || coalesce(event -> 'summary' ->> 'preview', ''), 4000)), '[^[:alnum:]]+', ' ', 'g'))) STORED;
CREATE INDEX message_words ON config.message USING gin (words);
CREATE INDEX message_tags ON config.message USING gin (tags) WHERE tags <> '{}';

-- Under row level security no index may answer `@@` (it is not leakproof). So the owner looks, within the account of who
-- asks and the mailboxes they are said to see, and hands out ids only: the rows are read under the policies again.
CREATE POLICY looked_up ON config.message FOR SELECT TO postroom_owner USING (true);
CREATE FUNCTION config.messages_found(p_wanted jsonb, p_mailboxes text[], p_before timestamptz, p_id text,
    p_limit integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
DECLARE
    said text := 'SELECT id FROM config.message WHERE account = config.my_account()';
BEGIN
    said := said || CASE WHEN (p_wanted ->> 'deleted')::boolean THEN ' AND deleted_at IS NOT NULL'
        ELSE ' AND deleted_at IS NULL' END;
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

-- Marks by hand: of who manages the mailbox.
GRANT UPDATE (spam, read, importance, tags) ON config.message TO postroom_app;
