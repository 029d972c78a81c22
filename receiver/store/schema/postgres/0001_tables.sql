-- The queue on PostgreSQL. Times are milliseconds of the server's wall clock, but campaign.until (see
-- there). state: 0 ready, 1 leased, 2 done, 3 failed; kinds and verdicts as in include/store.h.
-- All text is compared by its bytes, as SQLite does.

CREATE TABLE meta (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO meta VALUES ('leapt_at', 0), ('leapt_by', 0), ('leapt_owner', 0);

-- Numbers of rows and leases. No cache: a number that a session held back would be drawn after a
-- claim took its watermark and yet lie below it.
CREATE SEQUENCE queue_seq;
CREATE SEQUENCE fence_seq;

-- The organisation and campaign of each row, under a number, and the lease on it. A row stays when its
-- notifications are gone: a claim locks it (FOR UPDATE SKIP LOCKED), and no notification that enters
-- ever waits for that lock.
CREATE TABLE campaign (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org        text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL CHECK (key <> ''), -- the campaign, or * without one
    fence      bigint NOT NULL DEFAULT 0,                   -- 0: no lease
    until      bigint NOT NULL DEFAULT 0, -- the lease's end by the server's clock
    owner      text NOT NULL DEFAULT '',
    nonce      bigint NOT NULL DEFAULT 0,                   -- by which a claim of unknown outcome is found
    watermark  bigint NOT NULL DEFAULT 0,
    claimed_at bigint NOT NULL DEFAULT 0, -- what was due then is what a whole pass may settle
    in_flight  boolean NOT NULL DEFAULT false,              -- the write mark
    progressed boolean NOT NULL DEFAULT false,              -- a write ended well: unsettled was cleared
    UNIQUE (org, key)
) WITH (fillfactor = 70);
-- until is in no index: so a renewal stays on its page (a HOT update)
CREATE INDEX campaign_leased ON campaign (id) WHERE fence > 0;

CREATE TABLE notification (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org             text COLLATE "C" NOT NULL,
    notification_id text COLLATE "C" NOT NULL CHECK (notification_id <> ''), -- hint:KIND:CAMPAIGN for our own
    record_id       text COLLATE "C" NOT NULL,
    subject_id      text COLLATE "C" NOT NULL,
    campaign        bigint NOT NULL,
    kind            integer NOT NULL,
    object          text COLLATE "C" NOT NULL,
    state           integer NOT NULL CHECK (state BETWEEN 0 AND 3),
    background      integer NOT NULL CHECK (background IN (0, 1)),
    seq             bigint NOT NULL,                        -- drawn at each entry into ready
    due_at          bigint NOT NULL,
    tries           integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    unsettled       integer NOT NULL DEFAULT 0,             -- claims since the last that made progress
    rerun_at        bigint NOT NULL DEFAULT 0,              -- leased and to run again, due then; 0: no
    received_at     bigint NOT NULL,
    settled_at      bigint,
    code            text COLLATE "C",
    message         text,
    replayed_by     bigint NOT NULL DEFAULT 0               -- the job; 0: none
);
CREATE UNIQUE INDEX notification_identity ON notification (org, notification_id, record_id);
-- Claims look at these two alone, which hold no row that ended: so they stay as fast with ten million
-- rows of history as with none.
CREATE INDEX notification_ready ON notification (campaign, background, due_at, seq) WHERE state = 0;
CREATE INDEX notification_leased ON notification (campaign) WHERE state = 1;
CREATE INDEX notification_ended ON notification (state, settled_at, id) WHERE state >= 2;
CREATE INDEX notification_failed ON notification (org, code) WHERE state = 3;

-- One row for each campaign and class (live, background) with ready rows; due_at is at most the
-- earliest of theirs, so that a claim looks at a handful of rows however long the queue is.
CREATE TABLE lane (
    campaign   bigint NOT NULL,
    background integer NOT NULL,
    org        text COLLATE "C" NOT NULL,
    due_at     bigint NOT NULL,
    PRIMARY KEY (campaign, background)
) WITH (fillfactor = 50);
CREATE INDEX lane_due ON lane (org, background, due_at);

-- Numbers by org and state, so that looking on counts nothing. Each session adds to a row of its own
-- (by its process number), since one row for all would make every commit wait for the one before.
CREATE TABLE tally (
    org    text COLLATE "C" NOT NULL,
    slot   integer NOT NULL,
    ready  bigint NOT NULL,
    leased bigint NOT NULL,
    done   bigint NOT NULL,
    failed bigint NOT NULL,
    PRIMARY KEY (org, slot)
) WITH (fillfactor = 50);

-- The last whole pass of a campaign that ended well.
CREATE TABLE pass (
    org         text COLLATE "C" NOT NULL,
    campaign_id text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    at          bigint NOT NULL,
    PRIMARY KEY (org, campaign_id)
);

CREATE TABLE ledger (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org           text COLLATE "C" NOT NULL,
    campaign_id   text COLLATE "C" NOT NULL,
    member_id     text COLLATE "C" NOT NULL,
    action        text NOT NULL,
    touchpoint_id text NOT NULL,
    before_json   text,
    after_json    text,
    cause         text NOT NULL,
    reason        text,
    at            bigint NOT NULL
);
CREATE INDEX ledger_member ON ledger (member_id, id);
CREATE INDEX ledger_campaign ON ledger (campaign_id, id);

CREATE TABLE org_cursor (
    org   text COLLATE "C" NOT NULL,
    name  text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (org, name)
);

-- Bulk jobs that may still be at work in an org (protocol rule 14).
CREATE TABLE bulk_job (
    org  text COLLATE "C" NOT NULL,
    key  text COLLATE "C" NOT NULL,
    job  text COLLATE "C" NOT NULL,
    kind integer NOT NULL,
    rows bigint NOT NULL,
    at   bigint NOT NULL,
    PRIMARY KEY (org, key, job)
);

-- Documents that were refused, the oldest first out.
CREATE TABLE quarantine (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    org     text COLLATE "C" NOT NULL,
    peer    text NOT NULL,
    reason  text NOT NULL,
    message text NOT NULL,
    size    bigint NOT NULL,
    kept    bigint NOT NULL,
    body    bytea NOT NULL
);

-- Jobs of admins and the delete guard's holds; kinds and states as in include/store_admin.h.
CREATE TABLE job (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         integer NOT NULL,
    state        integer NOT NULL,
    org          text COLLATE "C" NOT NULL,
    campaign_id  text COLLATE "C" NOT NULL,
    params       text NOT NULL DEFAULT '',
    reason       text NOT NULL DEFAULT '',
    total        bigint NOT NULL DEFAULT -1,
    done         bigint NOT NULL DEFAULT 0,
    changed      bigint NOT NULL DEFAULT 0,
    skipped      bigint NOT NULL DEFAULT 0,
    failed       bigint NOT NULL DEFAULT 0,
    cursor       text NOT NULL DEFAULT '',
    message      text NOT NULL DEFAULT '',
    undo_of      bigint NOT NULL DEFAULT 0,
    undone_by    bigint NOT NULL DEFAULT 0,
    would_delete bigint NOT NULL DEFAULT 0,
    existing     bigint NOT NULL DEFAULT 0,
    at           bigint NOT NULL,
    started_at   bigint NOT NULL DEFAULT 0,
    ended_at     bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX job_held ON job (org, campaign_id) WHERE kind = 0;
CREATE INDEX job_open ON job (state) WHERE state < 2;
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at > 0;

CREATE TABLE job_item (
    job       bigint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    before    text NOT NULL,
    after     text NOT NULL,
    state     integer NOT NULL,
    code      text NOT NULL,
    message   text NOT NULL,
    PRIMARY KEY (job, record_id)
);

-- Attempts that did not end applied; equal ones in a row are one. verdict: 1 retry, 2 failed.
CREATE TABLE attempt (
    message  bigint NOT NULL, -- the row of notification
    n        bigint NOT NULL,
    verdict  integer NOT NULL,
    code     text COLLATE "C",
    text     text,
    times    bigint NOT NULL,
    first_at bigint NOT NULL,
    at       bigint NOT NULL,
    PRIMARY KEY (message, n)
);

-- Autovacuum. The small tables change with every transaction: their dead versions are what a claim
-- steps over, so they are cleaned by number, not by share, and without pausing. A notification dies
-- twice on its way (ready, leased), all within minutes, while its history may be ten million rows, of
-- which the default of a fifth would be two million dead entries in the index of what is ready.
ALTER TABLE lane SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 500);
ALTER TABLE tally SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE campaign SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE notification SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
