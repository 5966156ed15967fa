-- What `ETag` says of services, people and accounts: it grows with each change that an asker could
-- overwrite, and not with what is merely counted or noted (the arguments of the trigger).
CREATE FUNCTION config.grow_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted text[] := coalesce(TG_ARGV, '{}');
BEGIN
    IF to_jsonb(NEW) - counted IS DISTINCT FROM to_jsonb(OLD) - counted THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END $$;

ALTER TABLE config.mail_service ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE config.person ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE config.account ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER versioned BEFORE UPDATE ON config.mail_service
    FOR EACH ROW EXECUTE FUNCTION config.grow_version('position');
CREATE TRIGGER versioned BEFORE UPDATE ON config.person
    FOR EACH ROW EXECUTE FUNCTION config.grow_version(
        'last_seen_at', 'password_hash', 'password_set_at');
CREATE TRIGGER versioned BEFORE UPDATE ON config.account
    FOR EACH ROW EXECUTE FUNCTION config.grow_version();
