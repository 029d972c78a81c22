-- Puts whose notifications are all new, which nearly all are: without the search for each, the
-- speculative insertion and the columns of a meeting (tp_put) a row costs less than half.

-- The numbers of campaigns, in their order; those that are not there yet are made.
CREATE FUNCTION tp_campaigns(p_orgs text[], p_keys text[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_ids bigint[];
BEGIN
    FOR i IN 1..2 LOOP
        v_ids := ARRAY(
            SELECT (SELECT c.id FROM campaign c WHERE c.org = u.org COLLATE "C" AND c.key = u.key COLLATE "C")
            FROM (SELECT unnest(p_orgs) AS org, unnest(p_keys) AS key) u);
        EXIT WHEN array_position(v_ids, NULL) IS NULL;
        INSERT INTO campaign (org, key)
            SELECT DISTINCT u.org COLLATE "C", u.key COLLATE "C" FROM unnest(p_orgs, p_keys, v_ids) AS u (org, key, id)
            WHERE u.id IS NULL
            ORDER BY 1, 2
            ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN v_ids;
END $$;

-- True: all have entered, as tp_put would let them. False: one is known, and nothing was done. The rows
-- come in the order of their identity (protocol rule 21), none twice. p_in is the place of a row's
-- campaign among p_campaign_orgs and p_campaign_keys, p_nth its place in the order in which they came.
CREATE FUNCTION tp_put_new(p_campaign_orgs text[], p_campaign_keys text[], p_orgs text[], p_ids text[], p_records text[],
    p_subjects text[], p_objects text[], p_kinds integer[], p_in integer[], p_nth integer[], p_wall bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_campaigns bigint[] := tp_campaigns(p_campaign_orgs, p_campaign_keys);
    v_seqs bigint[] := ARRAY(SELECT nextval('queue_seq') FROM generate_series(1, cardinality(p_ids)));
BEGIN
    INSERT INTO notification (org, notification_id, record_id, subject_id, campaign, kind, object, state, background,
            seq, due_at, received_at, settled_at)
        SELECT g.org, g.id, g.record, g.subject, v_campaigns[g.campaign], g.kind, g.object, CASE g.kind WHEN 10 THEN 2 ELSE 0 END, 0,
            v_seqs[g.nth], v_now, v_now, CASE g.kind WHEN 10 THEN v_now END
        FROM (SELECT unnest(p_orgs) AS org, unnest(p_ids) AS id, unnest(p_records) AS record, unnest(p_subjects) AS subject,
                unnest(p_objects) AS object, unnest(p_kinds) AS kind, unnest(p_in) AS campaign, unnest(p_nth) AS nth) g;
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END $$;

-- Any puts. Known ids move rows, which takes lanes twice, and two that do that may meet head on: so it is
-- one at a time, whichever daemon's.
CREATE FUNCTION tp_put_any(p_puts integer[], p_orgs text[], p_ids text[], p_records text[], p_subjects text[], p_keys text[],
    p_objects text[], p_kinds integer[], p_wall bigint)
RETURNS TABLE (put integer, stored bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('touchpointd.put'), hashtext(current_schema()));
    RETURN QUERY SELECT t.put, t.stored
        FROM tp_put(p_puts, p_orgs, p_ids, p_records, p_subjects, p_keys, p_objects, p_kinds, p_wall) t ORDER BY t.put;
END $$;

-- Rows that enter share their lanes, so that puts for one campaign do not wait for each other's
-- commits. A claim that raises a lane still locks it alone (tp_lane_refresh), and so waits for all that
-- are about to commit rows behind it. Lanes that are not there, or promise less, are made or moved as
-- before.
CREATE OR REPLACE FUNCTION tp_entered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lane (campaign, background, org, due_at)
        SELECT n.campaign, n.background, n.org, n.due_at
        FROM (SELECT campaign, background, min(org) AS org, min(due_at) AS due_at FROM new_rows WHERE state = 0
                GROUP BY campaign, background ORDER BY campaign, background) n
            LEFT JOIN LATERAL (SELECT true AS is_early FROM lane l
                WHERE l.campaign = n.campaign AND l.background = n.background AND l.due_at <= n.due_at FOR SHARE) held ON true
        WHERE held.is_early IS NULL
        ON CONFLICT (campaign, background) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at;
    INSERT INTO tally (org, slot, ready, leased, done, failed)
        SELECT org, pg_backend_pid() % 64, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
            count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
        FROM new_rows GROUP BY org ORDER BY org
        ON CONFLICT (org, slot) DO UPDATE SET ready = tally.ready + excluded.ready, leased = tally.leased + excluded.leased,
            done = tally.done + excluded.done, failed = tally.failed + excluded.failed;
    RETURN NULL;
END $$;

-- A lane is raised by another in its place: who waited for the old one to share it must not share the
-- new one, which promises too little, and then lower it, for two of them would wait for each other.
CREATE OR REPLACE FUNCTION tp_lane_refresh(p_campaign bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_known bigint;
    v_due bigint;
    v_first bigint;
BEGIN
    FOR v_background IN 0..1 LOOP
        SELECT due_at INTO v_known FROM lane WHERE campaign = p_campaign AND background = v_background FOR UPDATE;
        SELECT due_at INTO v_due FROM notification
            WHERE campaign = p_campaign AND background = v_background AND state = 0 ORDER BY due_at LIMIT 1;
        IF v_due IS NULL THEN
            DELETE FROM lane WHERE campaign = p_campaign AND background = v_background AND v_known IS NOT NULL;
        ELSIF v_known >= v_due THEN
            UPDATE lane SET due_at = v_due WHERE campaign = p_campaign AND background = v_background AND due_at <> v_due;
        ELSE
            DELETE FROM lane WHERE campaign = p_campaign AND background = v_background AND v_known IS NOT NULL;
            INSERT INTO lane (campaign, background, org, due_at)
                SELECT p_campaign, v_background, org, v_due FROM campaign WHERE id = p_campaign
                ON CONFLICT (campaign, background) DO UPDATE SET due_at = least(lane.due_at, excluded.due_at);
        END IF;
        v_first := least(v_first, v_due);
    END LOOP;
    RETURN v_first;
END $$;
