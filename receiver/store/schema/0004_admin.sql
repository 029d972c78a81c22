-- What admins do: jobs of all kinds under one row of numbers, the records that a job changed, what
-- was tried with a message. kind: 0 held, 1 replay, 2 discard, 3 reconcile, 4 dates, 5 undo;
-- state: 0 queued, 1 running, 2 done, 3 cancelled, 4 failed, 5 held, 6 approved.
CREATE TABLE job_now (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people name it
    kind         INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    org          TEXT NOT NULL,
    campaign_id  TEXT NOT NULL,
    params       TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL DEFAULT '',
    total        INTEGER NOT NULL DEFAULT -1,
    done         INTEGER NOT NULL DEFAULT 0,
    changed      INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    cursor       TEXT NOT NULL DEFAULT '',
    message      TEXT NOT NULL DEFAULT '',
    undo_of      INTEGER NOT NULL DEFAULT 0,
    undone_by    INTEGER NOT NULL DEFAULT 0,
    would_delete INTEGER NOT NULL DEFAULT 0,        -- of a held pass
    existing     INTEGER NOT NULL DEFAULT 0,
    at           INTEGER NOT NULL,
    started_at   INTEGER NOT NULL DEFAULT 0,
    ended_at     INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO job_now (id, kind, state, org, campaign_id, would_delete, existing, at)
    SELECT id, 0, 5 + approved, org, campaign_id, would_delete, existing, at FROM job;
DELETE FROM sqlite_sequence WHERE name = 'job_now';
INSERT INTO sqlite_sequence (name, seq) SELECT 'job_now', seq FROM sqlite_sequence WHERE name = 'job';
DROP TABLE job;
ALTER TABLE job_now RENAME TO job;
CREATE UNIQUE INDEX job_held ON job (org, campaign_id) WHERE kind = 0;
CREATE INDEX job_open ON job (state) WHERE state < 2;
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at > 0;

CREATE TABLE job_item (
    job       INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    state     INTEGER NOT NULL,
    code      TEXT NOT NULL,
    message   TEXT NOT NULL,
    PRIMARY KEY (job, record_id)
) STRICT, WITHOUT ROWID;

-- Attempts that did not end applied; equal ones in a row are one. verdict: 1 retry, 2 failed.
CREATE TABLE attempt (
    message  INTEGER NOT NULL, -- the row of notification
    n        INTEGER NOT NULL,
    verdict  INTEGER NOT NULL,
    code     TEXT,
    text     TEXT,
    times    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

ALTER TABLE notification ADD COLUMN replayed_by INTEGER NOT NULL DEFAULT 0; -- the job; 0: none
-- failures by code without reading the rows (so state is in it); rows that enter are not in it
CREATE INDEX notification_failed ON notification (org, code, state) WHERE state = 3;

CREATE INDEX ledger_member ON ledger (member_id);
CREATE INDEX ledger_campaign ON ledger (campaign_id);
