-- Sharing: who owns a mailbox says who else sees it. Policies of mailboxes ask shares, so shares may
-- not ask mailboxes by policy: a function of the owner's login does, for the account that asks.
CREATE POLICY looked_up ON config.mailbox FOR SELECT TO postroom_owner USING (true);
CREATE POLICY looked_up ON config.person FOR SELECT TO postroom_owner USING (true);
CREATE FUNCTION config.owned_mailboxes() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
    SELECT id FROM config.mailbox WHERE owner = config.me() AND account = config.my_account();
$$;
-- Colleagues are found by their exact address, and named where one has something to do with them.
CREATE FUNCTION config.colleague(p_email text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
    SELECT id FROM config.person WHERE email = p_email AND account = config.my_account();
$$;
CREATE FUNCTION config.colleagues(p_ids text[]) RETURNS TABLE (id text, name text, email text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
    SELECT p.id, p.name, p.email FROM config.person p
    WHERE p.id = ANY(p_ids) AND p.account = config.my_account();
$$;
DROP POLICY concerned ON config.mailbox_share;
CREATE POLICY seen ON config.mailbox_share FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()
        OR mailbox IN (SELECT config.owned_mailboxes())));
CREATE POLICY granted ON config.mailbox_share USING (account = config.my_account()
    AND ((SELECT config.manages()) OR mailbox IN (SELECT config.owned_mailboxes())));

CREATE INDEX audit_reading ON config.audit (about, person, at) WHERE action = 'message.read';
