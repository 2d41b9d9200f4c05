-- Each part stands by itself; what comes later is added at the end.

-- Whom a group room lets in: 'open' or 'invited' (A41).
ALTER TABLE room ADD COLUMN access TEXT NOT NULL DEFAULT 'open';
