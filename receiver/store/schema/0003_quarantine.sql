-- Documents that were refused, oldest first out. What is kept in all stands in meta, so that nobody
-- counts: triggers keep it in the same transaction.
CREATE TABLE quarantine (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people name it
    at      INTEGER NOT NULL,
    org     TEXT NOT NULL,                     -- '' when the document does not say
    peer    TEXT NOT NULL,
    reason  TEXT NOT NULL,
    message TEXT NOT NULL,
    size    INTEGER NOT NULL,                  -- as it was sent; what is kept may be its beginning
    kept    INTEGER NOT NULL,
    body    BLOB NOT NULL                      -- last, so that the others are read without it
) STRICT;
INSERT INTO meta VALUES ('quarantine_bytes', 0), ('quarantine_count', 0);
CREATE TRIGGER quarantine_enters AFTER INSERT ON quarantine BEGIN
    UPDATE meta SET value = value + new.kept WHERE name = 'quarantine_bytes';
    UPDATE meta SET value = value + 1 WHERE name = 'quarantine_count';
END;
CREATE TRIGGER quarantine_leaves AFTER DELETE ON quarantine BEGIN
    UPDATE meta SET value = value - old.kept WHERE name = 'quarantine_bytes';
    UPDATE meta SET value = value - 1 WHERE name = 'quarantine_count';
END;
