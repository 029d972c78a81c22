-- The queue. Times are wall-clock milliseconds. state: 0 ready, 1 leased, 2 done, 3 failed.
-- Every statement that reads these tables stands in ../sqlite_statements.h.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- seq, fence: numbers are reserved up to this; clean: 1 after an orderly stop
INSERT INTO meta VALUES ('seq', 0), ('fence', 0), ('clean', 1), ('probe', 0);

CREATE TABLE notification (
    id              INTEGER PRIMARY KEY,
    org             TEXT NOT NULL,
    notification_id TEXT NOT NULL CHECK (notification_id <> ''), -- hint:KIND:CAMPAIGN for our own hints
    record_id       TEXT NOT NULL,
    subject_id      TEXT NOT NULL,
    key             TEXT NOT NULL CHECK (key <> ''),             -- the campaign, or * without one
    kind            INTEGER NOT NULL,
    object          TEXT NOT NULL,
    state           INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    background      INTEGER NOT NULL CHECK (background IN (0, 1)),
    seq             INTEGER NOT NULL,                            -- drawn at each entry into ready
    due_at          INTEGER NOT NULL,
    tries           INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    unsettled       INTEGER NOT NULL DEFAULT 0,                  -- claims since the last that made progress
    rerun_at        INTEGER NOT NULL DEFAULT 0,                  -- leased and to run again, due then; 0: no
    received_at     INTEGER NOT NULL,
    settled_at      INTEGER,
    code            TEXT,
    message         TEXT
) STRICT;
CREATE UNIQUE INDEX notification_identity ON notification (org, notification_id, record_id);
-- state stands in the conditions, as a literal like in the statements: so SQLite sees that they apply
CREATE INDEX notification_ready ON notification (org, key, background, due_at) WHERE state = 0;
CREATE INDEX notification_leased ON notification (org, key) WHERE state = 1;
CREATE INDEX notification_ended ON notification (state, settled_at) WHERE state >= 2;

-- One row for each campaign (or *) with ready rows; due_at is at most the earliest of theirs, so that
-- a claim looks at a handful of rows however long the queue is.
CREATE TABLE lane (
    org        TEXT NOT NULL,
    key        TEXT NOT NULL,
    background INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (org, key, background)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_due ON lane (org, background, due_at);

-- Deadlines live in the process; what must survive it is here.
CREATE TABLE lease (
    org        TEXT NOT NULL,
    key        TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    in_flight  INTEGER NOT NULL CHECK (in_flight IN (0, 1)),
    PRIMARY KEY (org, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    org    TEXT PRIMARY KEY,
    ready  INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    done   INTEGER NOT NULL,
    failed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last whole pass of a campaign that ended well.
CREATE TABLE pass (
    org         TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (org, campaign_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people name it
    kind         TEXT NOT NULL,                     -- held
    org          TEXT NOT NULL,
    campaign_id  TEXT NOT NULL,
    would_delete INTEGER NOT NULL,
    existing     INTEGER NOT NULL,
    approved     INTEGER NOT NULL DEFAULT 0,
    at           INTEGER NOT NULL,
    UNIQUE (kind, org, campaign_id)
) STRICT;

CREATE TABLE ledger (
    id            INTEGER PRIMARY KEY,
    org           TEXT NOT NULL,
    campaign_id   TEXT NOT NULL,
    member_id     TEXT NOT NULL,
    action        TEXT NOT NULL,
    touchpoint_id TEXT NOT NULL,
    before_json   TEXT,
    after_json    TEXT,
    cause         TEXT NOT NULL,                                 -- what asked for the look at it
    reason        TEXT,                                          -- why it was deleted: a reason's code
    at            INTEGER NOT NULL
) STRICT;

CREATE TABLE org_cursor (
    org   TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (org, name)
) STRICT, WITHOUT ROWID;
