-- A page of the log out of a million mails. What is frequent is found among the newest mails of who asks, without any
-- index of its own; what is not found there is rare, and then an index finds all of it. Neither walks through everything.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA config;
CREATE INDEX message_sender_parts ON config.message USING gin ((from_address || ' ' || from_name) config.gin_trgm_ops);
CREATE INDEX message_recipient_parts ON config.message USING gin (recipient config.gin_trgm_ops);
CREATE INDEX message_important ON config.message (account, importance, received_at DESC, id DESC) WHERE importance <> 'normal';
CREATE INDEX message_unread ON config.message (account, received_at DESC, id DESC) WHERE NOT read;
CREATE INDEX message_spam ON config.message (account, received_at DESC, id DESC) WHERE coalesce(spam, spam_rating >= 50, false);
CREATE INDEX message_apart ON config.message (account, received_at DESC, id DESC)
    WHERE quarantined_until IS NOT NULL AND deleted_at IS NULL;

CREATE OR REPLACE FUNCTION config.messages_found(p_wanted jsonb, p_mailboxes text[], p_before timestamptz, p_id text,
    p_limit integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
DECLARE
    newest CONSTANT integer := 4000;
    whose text := 'account = config.my_account()';
    wanted text := '';
    found text[];
BEGIN
    whose := whose || CASE WHEN (p_wanted ->> 'deleted')::boolean THEN ' AND deleted_at IS NOT NULL'
        WHEN (p_wanted ->> 'quarantine')::boolean THEN ' AND quarantined_until IS NOT NULL AND deleted_at IS NULL'
        ELSE ' AND deleted_at IS NULL AND quarantined_until IS NULL' END;
    IF p_mailboxes IS NOT NULL THEN whose := whose || ' AND mailbox = ANY($2)'; END IF;
    IF p_wanted ? 'mailbox' THEN whose := whose || ' AND mailbox = $1 ->> ''mailbox'''; END IF;
    IF p_wanted ? 'until' THEN whose := whose || ' AND received_at < ($1 ->> ''until'')::timestamptz'; END IF;
    IF p_before IS NOT NULL THEN whose := whose || ' AND (received_at, id) < ($3, $4)'; END IF;
    IF p_wanted ? 'since' THEN wanted := wanted || ' AND received_at >= ($1 ->> ''since'')::timestamptz'; END IF;
    IF p_wanted ? 'words' THEN wanted := wanted || ' AND words @@ ($1 ->> ''words'')::tsquery'; END IF;
    -- IS TRUE: no index is asked for the short ones.
    IF p_wanted ? 'short' THEN wanted := wanted || ' AND (words @@ ($1 ->> ''short'')::tsquery) IS TRUE'; END IF;
    IF p_wanted ? 'sender' THEN
        wanted := wanted || ' AND (from_address || '' '' || from_name) ILIKE $1 ->> ''sender''';
    END IF;
    IF p_wanted ? 'recipient' THEN wanted := wanted || ' AND recipient ILIKE $1 ->> ''recipient'''; END IF;
    IF p_wanted ? 'spam' THEN
        wanted := wanted || CASE WHEN (p_wanted ->> 'spam')::boolean THEN ' AND coalesce(spam, spam_rating >= 50, false)'
            ELSE ' AND NOT coalesce(spam, spam_rating >= 50, false)' END;
    END IF;
    IF p_wanted ? 'read' THEN
        wanted := wanted || CASE WHEN (p_wanted ->> 'read')::boolean THEN ' AND read' ELSE ' AND NOT read' END;
    END IF;
    IF p_wanted ? 'importance' THEN wanted := wanted || ' AND importance = $1 ->> ''importance'''; END IF;
    IF p_wanted ->> 'importance' IN ('high', 'low') THEN wanted := wanted || ' AND importance <> ''normal'''; END IF;
    IF p_wanted ? 'tag' THEN wanted := wanted || ' AND tags <> ''{}'' AND tags @> ARRAY[$1 ->> ''tag'']'; END IF;
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id FROM (SELECT * FROM config.message WHERE ' || whose
        || ' ORDER BY received_at DESC, id DESC LIMIT ' || newest || ') n WHERE true' || wanted
        || ' ORDER BY received_at DESC, id DESC LIMIT $5) f'
        INTO found USING p_wanted, p_mailboxes, p_before, p_id, p_limit;
    IF cardinality(found) >= p_limit OR wanted = '' THEN
        RETURN QUERY SELECT unnest(found);
        RETURN;
    END IF;
    -- MATERIALIZED: the planner must not hope to meet what is rare on a walk through time.
    RETURN QUERY EXECUTE 'WITH hits AS MATERIALIZED (SELECT id, received_at FROM config.message WHERE ' || whose || wanted
        || ') SELECT id FROM hits ORDER BY received_at DESC, id DESC LIMIT $5'
        USING p_wanted, p_mailboxes, p_before, p_id, p_limit;
END $$;
