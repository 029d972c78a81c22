-- The indexes that claims go by hold a number for the organisation and the campaign instead of both
-- texts: those of ready rows take half the room, and entering a row a fifth less time.
CREATE TABLE claim_key (
    id  INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    key TEXT NOT NULL, -- as in notification; a campaign stays here when its rows are gone
    UNIQUE (org, key)
) STRICT;
INSERT INTO claim_key (org, key) SELECT DISTINCT org, key FROM notification;

DROP INDEX notification_ready;
DROP INDEX notification_leased;
ALTER TABLE notification ADD COLUMN claim_key INTEGER NOT NULL DEFAULT 0; -- no row keeps the 0
UPDATE notification SET claim_key = (SELECT id FROM claim_key AS k
    WHERE k.org = notification.org AND k.key = notification.key);
CREATE INDEX notification_ready ON notification (claim_key, background, due_at) WHERE state = 0;
CREATE INDEX notification_leased ON notification (claim_key) WHERE state = 1;
