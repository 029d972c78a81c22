-- The moves of a row between states. Lanes and tallies follow by triggers, so that no statement can
-- forget them. Whoever changes several rows locks them in the order of their identity first, then
-- lanes; what meets head on all the same is a deadlock that the server ends and the daemon tries again.

CREATE FUNCTION tp_now() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- ------------------------------------------------------------------ what follows each move

CREATE FUNCTION tp_entered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lane (campaign, background, org, due_at)
        SELECT campaign, background, min(org), min(due_at) FROM new_rows WHERE state = 0
        GROUP BY campaign, background ORDER BY campaign, background
        ON CONFLICT (campaign, background) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at;
    INSERT INTO tally (org, slot, ready, leased, done, failed)
        SELECT org, pg_backend_pid() % 64, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
            count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
        FROM new_rows GROUP BY org ORDER BY org
        ON CONFLICT (org, slot) DO UPDATE SET ready = tally.ready + excluded.ready, leased = tally.leased + excluded.leased,
            done = tally.done + excluded.done, failed = tally.failed + excluded.failed;
    RETURN NULL;
END $$;

CREATE FUNCTION tp_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lane (campaign, background, org, due_at)
        SELECT campaign, background, min(org), min(due_at) FROM new_rows WHERE state = 0
        GROUP BY campaign, background ORDER BY campaign, background
        ON CONFLICT (campaign, background) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at;
    INSERT INTO tally (org, slot, ready, leased, done, failed)
        SELECT org, pg_backend_pid() % 64, sum(n) FILTER (WHERE state = 0), sum(n) FILTER (WHERE state = 1),
            sum(n) FILTER (WHERE state = 2), sum(n) FILTER (WHERE state = 3)
        FROM (SELECT org, s AS state, sum(d) AS n FROM
                  (SELECT org, state AS s, 1 AS d FROM new_rows UNION ALL SELECT org, state, -1 FROM old_rows) AS both_rows
              GROUP BY org, s HAVING sum(d) <> 0
              UNION ALL SELECT org, s, 0 FROM (SELECT DISTINCT org FROM new_rows) o, generate_series(0, 3) AS s) AS moves
        GROUP BY org HAVING bool_or(n <> 0) ORDER BY org
        ON CONFLICT (org, slot) DO UPDATE SET ready = tally.ready + excluded.ready, leased = tally.leased + excluded.leased,
            done = tally.done + excluded.done, failed = tally.failed + excluded.failed;
    IF EXISTS (SELECT 1 FROM new_rows WHERE state = 3 AND kind = 12) THEN -- an admin's job, which nobody runs on
        UPDATE job j SET state = 4, message = coalesce(n.message, ''), ended_at = n.settled_at FROM new_rows n
            WHERE n.state = 3 AND n.kind = 12 AND j.id = CASE n.kind WHEN 12 THEN n.record_id::bigint END AND j.state < 2 AND j.kind > 0;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tp_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (org, slot, ready, leased, done, failed)
        SELECT org, pg_backend_pid() % 64, -count(*) FILTER (WHERE state = 0), -count(*) FILTER (WHERE state = 1),
            -count(*) FILTER (WHERE state = 2), -count(*) FILTER (WHERE state = 3)
        FROM old_rows GROUP BY org ORDER BY org
        ON CONFLICT (org, slot) DO UPDATE SET ready = tally.ready + excluded.ready, leased = tally.leased + excluded.leased,
            done = tally.done + excluded.done, failed = tally.failed + excluded.failed;
    DELETE FROM attempt WHERE message IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;

CREATE TRIGGER entered AFTER INSERT ON notification REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tp_entered();
CREATE TRIGGER moved AFTER UPDATE ON notification REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tp_moved();
CREATE TRIGGER removed AFTER DELETE ON notification REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tp_removed();

-- Sets both lanes of a campaign to what its ready rows say; the earliest due time, or NULL. The lanes
-- are locked first, so that whoever is about to commit rows behind one is waited for and then seen.
CREATE FUNCTION tp_lane_refresh(p_campaign bigint) RETURNS bigint LANGUAGE plpgsql AS $$
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
        ELSIF v_known IS NOT NULL THEN
            UPDATE lane SET due_at = v_due WHERE campaign = p_campaign AND background = v_background AND due_at <> v_due;
        ELSE
            INSERT INTO lane (campaign, background, org, due_at)
                SELECT p_campaign, v_background, org, v_due FROM campaign WHERE id = p_campaign
                ON CONFLICT (campaign, background) DO UPDATE SET due_at = least(lane.due_at, excluded.due_at);
        END IF;
        v_first := least(v_first, v_due);
    END LOOP;
    RETURN v_first;
END $$;

-- ------------------------------------------------------------------ entering

-- Notifications and hints enter, or meet one that is known already (protocol rule 2): READY stays, and
-- draws a new sequence number, so that a pass under way does not settle it by its watermark; LEASED is
-- marked to run again; DONE and FAILED become READY. An equal hint moves a due time forward, an echo
-- (kind 9) backward; an ignored one (kind 10) is born DONE and moves nothing. Whatever is met is
-- updated all the same: so the commit waits for the standby, which may not have the first one yet.
--
-- p_puts numbers the requests, and what comes back is how many of each were new. p_orgs NULL: all are
-- of p_org. due and received 0 or NULL: now.
CREATE FUNCTION tp_enter(p_org text, p_orgs text[], p_puts integer[], p_ids text[], p_records text[], p_subjects text[],
    p_keys text[], p_objects text[], p_kinds integer[], p_backgrounds integer[], p_dues bigint[], p_receiveds bigint[],
    p_codes text[], p_messages text[], p_is_hint boolean, p_wall bigint)
RETURNS TABLE (put integer, stored bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
BEGIN
    INSERT INTO campaign (org, key)
        SELECT DISTINCT coalesce(u.org, p_org) COLLATE "C", u.key COLLATE "C" FROM unnest(p_orgs, p_keys) AS u (org, key)
        WHERE NOT EXISTS (SELECT 1 FROM campaign c WHERE c.org = coalesce(u.org, p_org) AND c.key = u.key)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT DISTINCT ON (coalesce(u.org, p_org) COLLATE "C", u.id COLLATE "C", u.record COLLATE "C")
            coalesce(u.put, 0) AS put, coalesce(u.org, p_org) COLLATE "C" AS org, u.id COLLATE "C" AS id,
            u.record COLLATE "C" AS record, coalesce(u.subject, '') AS subject, u.key, coalesce(u.object, '') AS object, u.kind,
            min(coalesce(u.background, 0)) OVER same AS background,
            CASE u.kind WHEN 9 THEN max(coalesce(nullif(u.due, 0), v_now)) OVER same
                ELSE min(coalesce(nullif(u.due, 0), v_now)) OVER same END AS due,
            min(coalesce(nullif(u.received, 0), v_now)) OVER same AS received,
            coalesce(u.code, min(u.code) OVER same) AS code, coalesce(u.message, min(u.message) OVER same) AS message, u.seq
        FROM (SELECT g.*, nextval('queue_seq') AS seq -- in the order in which they came
            FROM unnest(p_puts, p_orgs, p_ids, p_records, p_subjects, p_keys, p_objects, p_kinds, p_backgrounds, p_dues,
                p_receiveds, p_codes, p_messages)
                AS g (put, org, id, record, subject, key, object, kind, background, due, received, code, message)) AS u
        WINDOW same AS (PARTITION BY coalesce(u.org, p_org) COLLATE "C", u.id COLLATE "C", u.record COLLATE "C")
        ORDER BY coalesce(u.org, p_org) COLLATE "C", u.id COLLATE "C", u.record COLLATE "C", u.seq
    ), entered AS (
        INSERT INTO notification AS k (org, notification_id, record_id, subject_id, campaign, kind, object, state, background,
            seq, due_at, received_at, settled_at, code, message)
        SELECT g.org, g.id, g.record, g.subject, c.id, g.kind, g.object, CASE g.kind WHEN 10 THEN 2 ELSE 0 END, g.background,
            g.seq, g.due, g.received, CASE g.kind WHEN 10 THEN g.received END, g.code, g.message
        FROM given g JOIN campaign c ON c.org = g.org AND c.key = g.key
        ORDER BY g.org, g.id, g.record
        ON CONFLICT (org, notification_id, record_id) DO UPDATE SET
            state = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN 0 ELSE k.state END,
            seq = CASE WHEN k.state <> 1 AND excluded.kind <> 10 THEN excluded.seq ELSE k.seq END,
            due_at = CASE
                WHEN excluded.kind = 10 OR k.state = 1 OR (k.state = 0 AND NOT p_is_hint) THEN k.due_at
                WHEN k.state >= 2 THEN excluded.due_at
                WHEN excluded.kind = 9 THEN greatest(k.due_at, excluded.due_at)
                ELSE least(k.due_at, excluded.due_at) END,
            rerun_at = CASE
                WHEN excluded.kind = 10 OR k.state = 0 THEN k.rerun_at
                WHEN k.state >= 2 THEN 0
                WHEN k.rerun_at = 0 THEN excluded.due_at
                WHEN excluded.kind = 9 THEN greatest(k.rerun_at, excluded.due_at)
                ELSE least(k.rerun_at, excluded.due_at) END,
            background = CASE
                WHEN excluded.kind = 10 OR (k.state = 0 AND NOT p_is_hint) THEN k.background
                WHEN k.state >= 2 THEN excluded.background
                ELSE k.background & excluded.background END,
            received_at = CASE
                WHEN excluded.kind = 10 OR k.state = 1 OR (k.state = 0 AND NOT p_is_hint) THEN k.received_at
                WHEN k.state >= 2 THEN excluded.received_at
                ELSE least(k.received_at, excluded.received_at) END,
            code = CASE
                WHEN excluded.kind = 10 OR k.state = 1 THEN k.code
                WHEN k.state >= 2 THEN excluded.code
                WHEN p_is_hint OR (SELECT c.fence > 0 FROM campaign c WHERE c.id = k.campaign)
                THEN coalesce(excluded.code, nullif(k.code, 'api_budget'))
                ELSE k.code END,
            message = CASE
                WHEN excluded.kind = 10 OR k.state = 1 THEN k.message
                WHEN k.state >= 2 THEN excluded.message
                ELSE coalesce(excluded.message, k.message) END,
            tries = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN 0 ELSE k.tries END,
            unsettled = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN 0 ELSE k.unsettled END,
            settled_at = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN NULL ELSE k.settled_at END,
            replayed_by = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN 0 ELSE k.replayed_by END,
            subject_id = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN excluded.subject_id ELSE k.subject_id END,
            campaign = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN excluded.campaign ELSE k.campaign END,
            kind = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN excluded.kind ELSE k.kind END,
            object = CASE WHEN k.state >= 2 AND excluded.kind <> 10 THEN excluded.object ELSE k.object END
        RETURNING k.org, k.notification_id, k.record_id, k.xmax = 0 AS is_new
    )
    SELECT g.put, count(*) FROM entered e JOIN given g ON g.org = e.org AND g.id = e.notification_id AND g.record = e.record_id
    WHERE e.is_new GROUP BY g.put;
END $$;

-- One hint of the store's own.
CREATE FUNCTION tp_hint(p_org text, p_kind integer, p_name text, p_key text, p_record text, p_due bigint, p_wall bigint)
RETURNS void LANGUAGE sql AS $$
    SELECT tp_enter(p_org, NULL, NULL, ARRAY['hint:' || p_name || ':' || p_key], ARRAY[p_record], NULL, ARRAY[p_key], NULL,
        ARRAY[p_kind], NULL, ARRAY[p_due], NULL, NULL, NULL, true, p_wall);
$$;

-- ------------------------------------------------------------------ leases

-- What became of a row; equal attempts in a row are one, the last twenty are kept.
CREATE FUNCTION tp_attempt(p_row bigint, p_verdict integer, p_code text, p_text text, p_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_last attempt;
BEGIN
    SELECT * INTO v_last FROM attempt WHERE message = p_row ORDER BY n DESC LIMIT 1;
    IF v_last.verdict = p_verdict AND v_last.code IS NOT DISTINCT FROM p_code AND v_last.text IS NOT DISTINCT FROM p_text THEN
        UPDATE attempt SET times = times + 1, at = p_now WHERE message = p_row AND n = v_last.n;
        RETURN;
    END IF;
    INSERT INTO attempt VALUES (p_row, coalesce(v_last.n, 0) + 1, p_verdict, p_code, p_text, 1, p_now, p_now);
    DELETE FROM attempt WHERE message = p_row AND n <= coalesce(v_last.n, 0) + 1 - 20;
END $$;

-- Ends a lease whose campaign's row the caller has locked: rows still LEASED become READY, at once, or,
-- those that are to run alone, later each time; a write mark becomes an echo (protocol rule 12).
CREATE FUNCTION tp_lease_end(p_campaign bigint, p_echo_ms bigint, p_wall bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_c campaign;
BEGIN
    PERFORM 1 FROM notification WHERE campaign = p_campaign AND state = 1 ORDER BY org, notification_id, record_id FOR UPDATE;
    UPDATE notification SET state = 0, seq = nextval('queue_seq'), rerun_at = 0, due_at = greatest(
            CASE WHEN rerun_at = 0 THEN due_at WHEN kind = 9 THEN greatest(due_at, rerun_at) ELSE least(due_at, rerun_at) END,
            CASE WHEN unsettled >= 3 THEN v_now + (1000 << least(unsettled - 3, 3)) ELSE 0 END)
        WHERE campaign = p_campaign AND state = 1;
    SELECT * INTO v_c FROM campaign WHERE id = p_campaign;
    IF v_c.in_flight THEN
        PERFORM tp_hint(v_c.org, 9, 'echo', v_c.key, v_c.key, v_now + p_echo_ms, p_wall);
    END IF;
    UPDATE campaign SET fence = 0, owner = '', nonce = 0, in_flight = false WHERE id = p_campaign;
END $$;
