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
