-- Bulk jobs that may still be at work in an org: known before their upload, so that a successor can
-- bring them to an end before it reads the campaign.
CREATE TABLE bulk_job (
    org   TEXT NOT NULL,
    key   TEXT NOT NULL,
    job   TEXT NOT NULL,
    kind  INTEGER NOT NULL, -- the worker's: upsert, delete
    rows  INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (org, key, job)
) STRICT, WITHOUT ROWID;
