-- A deleted mail is hidden and may be brought back; requests may change this one column.
GRANT UPDATE (deleted_at) ON config.message TO postroom_app;
CREATE INDEX message_deleted ON config.message (account, received_at DESC, id DESC)
    WHERE deleted_at IS NOT NULL;
