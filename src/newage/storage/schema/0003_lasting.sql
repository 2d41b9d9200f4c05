-- Each part stands by itself; what comes later is added at the end.

-- Whom a group room lets in: 'open' or 'invited' (A41).
ALTER TABLE room ADD COLUMN access TEXT NOT NULL DEFAULT 'open';

-- Of an answer to a question that was asked again (A19): 1 is what models and snapshots see, 0 what another one took the
-- place of. NULL: the question was asked once. The index is for finding the others.
ALTER TABLE message ADD COLUMN selected INTEGER;
CREATE INDEX message_question ON message (room_id, question_id) WHERE question_id IS NOT NULL;

-- Which secret `client_key.digest` was made with (B7), and from where a key was last used.
ALTER TABLE client_key ADD COLUMN digest_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE client_key ADD COLUMN last_address TEXT NOT NULL DEFAULT '';

-- People come back (A42). `said`: somebody has said something in the room; `heir`: who was master of a group room that
-- has lost its last member; `vacant_since`, `since`: when that was, or somebody went, in seconds of the hub's running
-- time (`runningSeconds` of `state`), no time of day; NULL: at the next start.
ALTER TABLE room ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN heir TEXT;
ALTER TABLE room ADD COLUMN vacant_since REAL;
UPDATE room SET said = EXISTS (SELECT 1 FROM message m WHERE m.room_id = room.id AND m.role <> 'system');

-- Who has put down roots: said something, was added, or has a role that others gave.
CREATE TABLE resident (
    identity TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    since REAL
) WITHOUT ROWID;
INSERT INTO resident (identity, client_id)
    SELECT identity, max(client_id) FROM (
        SELECT identity, client_id FROM message
        WHERE role <> 'system' AND identity IN (SELECT identity FROM member)
        UNION ALL
        SELECT m.identity, coalesce(m.client_id, m.identity) FROM member m JOIN room ON room.id = m.room_id
        WHERE m.role > 0 AND room.kind = 'group'
    ) GROUP BY identity;

-- Kicks that last (A16): `until` and `seconds` as in `mute`; `client_id` is the identity where its client is not known.
CREATE TABLE bar (
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,
    identity TEXT NOT NULL,
    "by" TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (room_id, client_id)
) WITHOUT ROWID;

-- Answers that are not over, as far as their text has come (A35): pieces in the order of `part`. `request` is in the
-- first one: whose answer it is, as JSON. What is here at a start was cut off.
CREATE TABLE open_output (
    output_id TEXT NOT NULL,
    request BLOB,
    kind TEXT NOT NULL DEFAULT 'text',
    part INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (output_id, kind, part)
);

-- Open requests (A35): `id` is the order of arrival, `created_at` seconds since the epoch; `state` is 'queued',
-- 'forwarded' from before an extension is told, or 'cut': a stop cut its answer off, until the next start; `targets`
-- and `wishes` are JSON: whom it named, and how it asked.
CREATE TABLE request (
    id INTEGER PRIMARY KEY,
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    identity TEXT NOT NULL,
    client_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    role INTEGER NOT NULL,
    state TEXT NOT NULL,
    targets BLOB,
    wishes BLOB NOT NULL,
    created_at REAL NOT NULL
);

-- What became of a request while who asked was away: `events` is JSON, names with bodies; `until`, `seconds` as in `mute`.
CREATE TABLE notice (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    client_id TEXT NOT NULL,
    events BLOB NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL
);

-- What who said it was called then (A40). NULL: by no name.
ALTER TABLE message ADD COLUMN name TEXT;

-- How much a room holds (A36). `weight`: bytes of text, data and further members; `bytes`: of all of a room. The index is
-- read where messages are weighed or looked for by time, so that the messages themselves need not be.
ALTER TABLE message ADD COLUMN weight INTEGER NOT NULL DEFAULT 0;
UPDATE message SET weight = length(CAST(text AS BLOB)) + coalesce(length(data), 0) + coalesce(length(extra), 0);
CREATE INDEX message_weight ON message (room_id, seq, timestamp, weight);
ALTER TABLE room ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE room SET bytes = coalesce((SELECT sum(weight) FROM message WHERE room_id = room.id), 0);

-- What who was away has missed (A26). `evicted`: the greatest seq of a message that went because there were too many,
-- 2,000 until now. `change`: the newest edits and deletions, their seq and the least seq of a message that they
-- touched; of those up to `forgotten` nothing is known any more.
ALTER TABLE room ADD COLUMN evicted INTEGER NOT NULL DEFAULT 0;
UPDATE room SET evicted = (SELECT min(seq) - 1 FROM message WHERE room_id = room.id) WHERE messages >= 2000;
ALTER TABLE room ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
UPDATE room SET forgotten = seq;
CREATE TABLE change (
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    PRIMARY KEY (room_id, seq)
) WITHOUT ROWID;
