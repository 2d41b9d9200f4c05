-- Each part stands by itself; what comes later is added at the end.

-- What is to be told to receivers outside: `id` is the order, `delivery_id` what they know it by; `since` in seconds of
-- the hub's running time. What is told of a message is read from there when it is sent, and goes with it; `data`, JSON,
-- is what is told of everything else. Of no room: NULL.
CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL UNIQUE,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    at TEXT NOT NULL,
    since REAL NOT NULL,
    room_id INTEGER REFERENCES room (id) ON DELETE CASCADE,
    message_id INTEGER REFERENCES message (id) ON DELETE CASCADE,
    data BLOB
);
CREATE INDEX webhook_delivery_queue ON webhook_delivery (webhook, id);
CREATE INDEX webhook_delivery_room ON webhook_delivery (room_id) WHERE room_id IS NOT NULL;
CREATE INDEX webhook_delivery_message ON webhook_delivery (message_id) WHERE message_id IS NOT NULL;
