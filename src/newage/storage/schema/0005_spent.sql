-- What was used within a day of `scope` by `who`: `since`, in seconds since the epoch, is when that day began.
CREATE TABLE spent (
    scope TEXT NOT NULL,
    who TEXT NOT NULL,
    since REAL NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, who)
) WITHOUT ROWID;
