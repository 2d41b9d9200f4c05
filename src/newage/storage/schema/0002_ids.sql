-- Each part stands by itself; what comes later is added at the end.

-- A room's own id (UUIDv4): a room made again under an old name is another room. The default is no id, only what
-- ALTER TABLE asks for; the index lets nobody leave it out twice.
ALTER TABLE room ADD COLUMN uuid TEXT NOT NULL DEFAULT '';
UPDATE room SET uuid = lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
);
CREATE UNIQUE INDEX room_uuid ON room (uuid);

-- Whose identity it is; NULL in rows of before, until the identity attaches again.
ALTER TABLE member ADD COLUMN client_id TEXT;
ALTER TABLE mute ADD COLUMN client_id TEXT;

-- Of an answer: the identity that asked, and the message_id of its question. NULL: nobody's, as far as is known.
-- The index is for this one pass over old answers: the newest earlier message with their request_id asked.
ALTER TABLE message ADD COLUMN asker TEXT;
ALTER TABLE message ADD COLUMN question_id TEXT;
CREATE INDEX asked_before ON message (room_id, request_id, seq) WHERE role <> 'assistant';
UPDATE message SET (asker, question_id) = (
    SELECT q.identity, q.message_id FROM message q
    WHERE q.room_id = message.room_id AND q.request_id = message.request_id AND q.seq < message.seq
        AND q.role <> 'assistant'
    ORDER BY q.seq DESC LIMIT 1
) WHERE role = 'assistant' AND request_id IS NOT NULL;
DROP INDEX asked_before;

-- The full length of a mute in seconds, infinity for ever (`until` stays its end by the wall clock): what is left of
-- it at a start is never more. Of rows of before nothing is known but their end.
ALTER TABLE mute ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
UPDATE mute SET seconds = CASE
    WHEN until >= 253402300799.0 THEN 9e999
    ELSE max(0.0, until - (julianday('now') - 2440587.5) * 86400.0)
END;

-- What a key was issued for. `rank`: NULL until the hub has looked what its client is; `expires`, `last_used`: seconds
-- since the epoch; `digest`: of the key itself, kept beside its hash later.
ALTER TABLE client_key ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE client_key ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE client_key ADD COLUMN rank TEXT;
ALTER TABLE client_key ADD COLUMN scope TEXT NOT NULL DEFAULT 'all';
ALTER TABLE client_key ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
ALTER TABLE client_key ADD COLUMN expires REAL;
ALTER TABLE client_key ADD COLUMN last_used REAL;
ALTER TABLE client_key ADD COLUMN digest BLOB;
UPDATE client_key SET key_id = lower(hex(randomblob(4)));
