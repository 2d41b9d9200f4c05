-- Keys and trust: `at`, `created_at` are seconds since the epoch; `position` is the order of arrival.
CREATE TABLE client_key (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at REAL NOT NULL,
    local INTEGER NOT NULL DEFAULT 0,
    UNIQUE (client_id, hash)
);

CREATE TABLE trusted (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL UNIQUE,
    at REAL NOT NULL
);

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- `messages` counts the rows of `message`, so that eviction need not.
CREATE TABLE room (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    mode TEXT NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE member (
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    identity TEXT NOT NULL,
    role INTEGER NOT NULL,
    PRIMARY KEY (room_id, position),
    UNIQUE (room_id, identity)
) WITHOUT ROWID;

-- `until`: seconds since the epoch, infinity for ever.
CREATE TABLE mute (
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    identity TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (room_id, identity)
) WITHOUT ROWID;

-- Up to which seq an absent member had seen the room.
CREATE TABLE mark (
    identity TEXT NOT NULL,
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (identity, room_id)
) WITHOUT ROWID;

CREATE INDEX mark_room ON mark (room_id);

-- `data`, `target` and `extra` are JSON.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    identity TEXT NOT NULL,
    client_id TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    data BLOB,
    timestamp TEXT NOT NULL,
    request_id TEXT,
    response_id TEXT,
    output_id TEXT,
    target BLOB,
    request_type TEXT NOT NULL,
    streamed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    last_edited TEXT,
    extra BLOB,
    UNIQUE (room_id, seq),
    UNIQUE (room_id, message_id)
);

CREATE INDEX message_response ON message (room_id, response_id) WHERE response_id IS NOT NULL;
