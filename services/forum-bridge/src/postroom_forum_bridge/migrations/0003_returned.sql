-- What mails told of copies: bounces, complaints, and what changes nothing.
ALTER TABLE forum.delivery DROP CONSTRAINT delivery_state_check;
ALTER TABLE forum.delivery ADD CONSTRAINT delivery_state_check CHECK (state IN (
    'pending', 'delivered', 'deferred', 'failed', 'captured', 'suppressed', 'bounced', 'complained'));
-- Until now every mail to a bounce address was taken for a bounce for good.
UPDATE forum.delivery SET state = 'bounced' WHERE state = 'failed' AND reply = 'bounced';

ALTER TABLE forum.bounce
    ADD COLUMN kind text NOT NULL DEFAULT 'hard' CHECK (kind IN (
        'hard', 'soft', 'complaint', 'delayed', 'delivered', 'answer', 'unknown')),
    -- RFC 3463, as 5.1.1; empty: not said.
    ADD COLUMN status text NOT NULL DEFAULT '',
    ADD COLUMN words text NOT NULL DEFAULT '';
ALTER TABLE forum.bounce ALTER COLUMN kind DROP DEFAULT;
CREATE INDEX bounce_by_delivery ON forum.bounce (delivery);

-- The outbox knows this key besides: `returned <mail>`.
