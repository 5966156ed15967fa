-- Entries that were set aside are shown to who manages the account. Whether a mail is among them is
-- told to whoever sees its ledger, or their ledger would call it missing.
CREATE POLICY looked_up ON config.set_aside FOR SELECT TO postroom_owner USING (true);
CREATE FUNCTION config.set_aside_among(p_ids text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = config, pg_temp AS $$
    SELECT message_id FROM config.set_aside
    WHERE message_id = ANY(p_ids) AND account = config.my_account();
$$;
