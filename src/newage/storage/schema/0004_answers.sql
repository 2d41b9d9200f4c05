-- Each part stands by itself; what comes later is added at the end.

-- Of an answer: what its model thought, which its `weight` counts, too (A28); 1 where it was cut off (A20, 5.8); as whom
-- it was given, JSON. `origin`: 'desk' for what was said at the desk of an extension. NULL: none, whole, as nobody in
-- particular, through the hub.
ALTER TABLE message ADD COLUMN reasoning TEXT;
ALTER TABLE message ADD COLUMN partial INTEGER;
ALTER TABLE message ADD COLUMN character BLOB;
ALTER TABLE message ADD COLUMN origin TEXT;

-- For who comes back to an output (A21).
CREATE INDEX message_output ON message (output_id) WHERE output_id IS NOT NULL;
