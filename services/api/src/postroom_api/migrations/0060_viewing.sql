-- The story of one mail: what went out because of it, who was told, what was set aside.
CREATE INDEX delivery_by_origin ON config.delivery (account, origin, reported_at, serial);
CREATE INDEX webhook_call_by_mail ON config.webhook_call (account, mail);
CREATE INDEX set_aside_by_original ON config.set_aside (original_stream, original_sequence);
