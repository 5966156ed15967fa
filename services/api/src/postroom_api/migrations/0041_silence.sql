-- The forums hear of those who were deactivated before they were told of it.
INSERT INTO config.outbox (key) SELECT 'person ' || id FROM config.person WHERE state = 'deactivated';
