-- What admins do, the delete guard, upkeep. As in 0003, each function is one transaction.

-- ------------------------------------------------------------------ under a lease

CREATE FUNCTION tp_bulk_put(p_org text, p_key text, p_fence bigint, p_job text, p_kind integer, p_rows bigint, p_wall bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF tp_held(p_org, p_key, p_fence, false, 0) IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO bulk_job VALUES (p_org, p_key, p_job, p_kind, p_rows, tp_now() + p_wall) ON CONFLICT DO NOTHING;
    RETURN true;
END $$;

CREATE FUNCTION tp_bulk_end(p_org text, p_key text, p_fence bigint, p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF tp_held(p_org, p_key, p_fence, false, 0) IS NULL THEN
        RETURN false;
    END IF;
    DELETE FROM bulk_job WHERE org = p_org AND key = p_key AND job = p_job;
    RETURN true;
END $$;

-- An approval covers as many deletions as it was given for: a refresh that wants more asks again.
CREATE FUNCTION tp_hold_put(p_org text, p_key text, p_fence bigint, p_would_delete bigint, p_existing bigint, p_wall bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF tp_held(p_org, p_key, p_fence, false, 0) IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO job AS j (kind, state, org, campaign_id, would_delete, existing, at)
        VALUES (0, 5, p_org, p_key, p_would_delete, p_existing, tp_now() + p_wall)
        ON CONFLICT (org, campaign_id) WHERE kind = 0 DO UPDATE SET
        state = CASE WHEN excluded.would_delete <= j.would_delete THEN j.state ELSE 5 END,
        would_delete = excluded.would_delete, existing = excluded.existing;
    RETURN true;
END $$;

CREATE FUNCTION tp_hold_end(p_org text, p_key text, p_fence bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF tp_held(p_org, p_key, p_fence, false, 0) IS NULL THEN
        RETURN false;
    END IF;
    DELETE FROM job WHERE kind = 0 AND org = p_org AND campaign_id = p_key;
    RETURN true;
END $$;

-- False: there is no such hold. Else the next pass is queued and may delete.
CREATE FUNCTION tp_hold_approve(p_id bigint, p_wall bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_job job;
BEGIN
    UPDATE job SET state = 6 WHERE kind = 0 AND id = p_id RETURNING * INTO v_job;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM tp_hint(v_job.org, 0, 'campaign', v_job.campaign_id, v_job.campaign_id, 0, p_wall);
    RETURN true;
END $$;

-- ------------------------------------------------------------------ jobs

-- problem: 'absent' (the job to undo), 'open', or 'undone' by the job number `other`.
CREATE FUNCTION tp_job_create(p_kind integer, p_org text, p_campaign text, p_params text, p_reason text, p_undo_of bigint,
    p_queues boolean, p_wall bigint, OUT id bigint, OUT problem text, OUT other bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_of job;
BEGIN
    IF p_undo_of <> 0 THEN
        SELECT * INTO v_of FROM job j WHERE j.id = p_undo_of FOR UPDATE;
        IF NOT FOUND THEN
            problem := 'absent';
            RETURN;
        ELSIF v_of.state < 2 THEN
            problem := 'open';
            RETURN;
        ELSIF EXISTS (SELECT 1 FROM job j WHERE j.id = v_of.undone_by AND j.state NOT IN (3, 4)) THEN
            problem := 'undone';
            other := v_of.undone_by;
            RETURN;
        END IF;
    END IF;
    INSERT INTO job (kind, state, org, campaign_id, params, reason, undo_of, at)
        VALUES (p_kind, 0, p_org, p_campaign, p_params, p_reason, p_undo_of, tp_now() + p_wall) RETURNING job.id INTO id;
    IF p_undo_of <> 0 THEN
        UPDATE job j SET undone_by = tp_job_create.id WHERE j.id = p_undo_of;
    END IF;
    IF p_queues THEN
        PERFORM tp_hint(p_org, 12, 'job', p_campaign, id::text, 0, p_wall);
    END IF;
END $$;

-- Moves a job on; now_state NULL: there is none. One that ended meanwhile keeps its state and message.
CREATE FUNCTION tp_job_progress(p_job bigint, p_state integer, p_total bigint, p_done bigint, p_changed bigint, p_skipped bigint,
    p_failed bigint, p_cursor text, p_message text, p_hints boolean, p_wall bigint, OUT now_state integer) LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_job job;
BEGIN
    UPDATE job SET state = CASE WHEN state < 2 THEN p_state ELSE state END,
        total = CASE p_total WHEN -1 THEN total ELSE p_total END, done = done + p_done, changed = changed + p_changed,
        skipped = skipped + p_skipped, failed = failed + p_failed, cursor = coalesce(p_cursor, cursor),
        message = CASE WHEN state < 2 THEN coalesce(p_message, message) ELSE message END,
        started_at = CASE started_at WHEN 0 THEN v_now ELSE started_at END,
        ended_at = CASE WHEN state < 2 AND p_state >= 2 THEN v_now ELSE ended_at END
        WHERE id = p_job AND kind > 0 RETURNING * INTO v_job;
    now_state := v_job.state;
    IF FOUND AND p_hints THEN
        PERFORM tp_hint(v_job.org, 0, 'campaign', v_job.campaign_id, v_job.campaign_id, 0, p_wall);
        UPDATE notification SET replayed_by = p_job -- the pass will tell the job as its cause
            WHERE org = v_job.org AND notification_id = 'hint:campaign:' || v_job.campaign_id AND record_id = v_job.campaign_id;
    END IF;
END $$;

-- p_fence 0: under no lease. holds false: the lease is another's now.
CREATE FUNCTION tp_job_step(p_org text, p_key text, p_fence bigint, p_job bigint, p_state integer, p_total bigint, p_done bigint,
    p_changed bigint, p_skipped bigint, p_failed bigint, p_cursor text, p_message text, p_hints boolean, p_records text[],
    p_befores text[], p_afters text[], p_states integer[], p_codes text[], p_messages text[], p_lease_ms bigint, p_wall bigint,
    p_boot bigint, OUT holds boolean, OUT now_state integer) LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint := CASE WHEN p_fence > 0 THEN tp_held(p_org, p_key, p_fence, false, 0) END;
BEGIN
    holds := p_fence = 0 OR v_id IS NOT NULL;
    IF NOT holds THEN
        RETURN;
    END IF;
    now_state := tp_job_progress(p_job, p_state, p_total, p_done, p_changed, p_skipped, p_failed, p_cursor, p_message, p_hints,
        p_wall);
    IF now_state IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO job_item AS i (job, record_id, before, after, state, code, message)
        SELECT DISTINCT ON (u.record) p_job, u.record, first_value(u.before) OVER (PARTITION BY u.record ORDER BY u.n), u.after,
            u.state, u.code, u.message
        FROM unnest(p_records, p_befores, p_afters, p_states, p_codes, p_messages) WITH ORDINALITY
            AS u (record, before, after, state, code, message, n) ORDER BY u.record, u.n DESC
        ON CONFLICT (job, record_id) DO UPDATE SET after = excluded.after, state = excluded.state, code = excluded.code,
        message = excluded.message;
    UPDATE campaign SET until = tp_now() + p_boot + p_lease_ms WHERE id = v_id;
END $$;

-- ------------------------------------------------------------------ messages

-- Whether a message is what a filter asks for; NULL asks for anything.
CREATE FUNCTION tp_fits(p notification, p_key text, f_state integer, f_org text, f_campaign text, f_record text, f_object text,
    f_code text, f_since bigint, f_until bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (f_state IS NULL OR p.state = f_state) AND (f_since = 0 OR p.received_at >= f_since)
        AND (f_until = 0 OR p.received_at < f_until) AND (f_org IS NULL OR p.org = f_org)
        AND (f_campaign IS NULL OR p_key = f_campaign) AND (f_object IS NULL OR p.object = f_object)
        AND (f_code IS NULL OR coalesce(p.code, '') = f_code)
        AND (f_record IS NULL OR p.record_id = f_record OR p.subject_id = f_record);
$$;

-- A slice of a replay (p_replays) or discard: an echo that waits must wait its full time, jobs' rows go
-- with their jobs, nothing is ever done with ignored ones. The job's row is locked before any other.
CREATE FUNCTION tp_message_move(p_job bigint, p_ids bigint[], p_cursor text, p_last boolean, p_filters boolean, f_state integer,
    f_org text, f_campaign text, f_record text, f_object text, f_code text, f_since bigint, f_until bigint, p_wall bigint,
    p_from text, p_total bigint, OUT kind integer, OUT now_state integer) LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_job job;
    v_changed bigint;
    v_move bigint[];
BEGIN
    SELECT * INTO v_job FROM job WHERE id = p_job FOR UPDATE;
    kind := v_job.kind;
    now_state := v_job.state;
    IF v_job.kind NOT IN (1, 2) OR v_job.state >= 2 OR v_job.cursor <> p_from THEN -- another daemon has done it
        RETURN;
    END IF;
    PERFORM 1 FROM notification WHERE id = ANY (p_ids) ORDER BY org, notification_id, record_id FOR UPDATE;
    v_move := ARRAY(SELECT n.id FROM notification n JOIN campaign c ON c.id = n.campaign
        WHERE n.id = ANY (p_ids) AND n.kind NOT IN (10, 12) AND NOT (n.kind = 9 AND n.state < 2)
            AND (v_job.kind = 1 OR n.state + 0 IN (0, 3))
            AND (NOT p_filters OR tp_fits(n, c.key, f_state, f_org, f_campaign, f_record, f_object, f_code, f_since, f_until)));
    IF v_job.kind = 1 THEN
        UPDATE notification n SET rerun_at = v_now, replayed_by = p_job WHERE n.id = ANY (v_move) AND n.state + 0 = 1;
        UPDATE notification n SET state = 0, seq = nextval('queue_seq'), due_at = v_now, tries = 0, unsettled = 0, rerun_at = 0,
            received_at = v_now, settled_at = NULL, code = NULL, message = NULL, replayed_by = p_job
            WHERE n.id = ANY (v_move) AND n.state + 0 <> 1;
    ELSE
        UPDATE notification n SET state = 2, settled_at = v_now, rerun_at = 0, unsettled = 0, code = 'discarded', message = NULL
            WHERE n.id = ANY (v_move);
    END IF;
    v_changed := cardinality(v_move);
    now_state := tp_job_progress(p_job, CASE WHEN p_last THEN 2 ELSE 1 END, p_total, cardinality(p_ids), v_changed,
        cardinality(p_ids) - v_changed, 0, p_cursor, NULL, false, p_wall);
END $$;

-- ------------------------------------------------------------------ quarantine

-- Removes the oldest until p_n more bytes in p_more more documents fit, p_budget of them at most.
CREATE FUNCTION tp_quarantine_room(p_n bigint, p_more integer, p_max_bytes bigint, p_max_count integer, p_budget bigint,
    OUT fits boolean, OUT removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_bytes bigint;
    v_count bigint;
BEGIN
    SELECT coalesce(sum(kept), 0), count(*) INTO v_bytes, v_count FROM quarantine;
    removed := 0;
    fits := v_bytes + p_n <= p_max_bytes AND v_count + p_more <= p_max_count;
    IF fits THEN
        RETURN;
    END IF;
    WITH oldest AS (
        SELECT id, v_bytes - sum(kept) OVER w + kept + p_n AS bytes, v_count - row_number() OVER w + 1 + p_more AS number
        FROM quarantine WINDOW w AS (ORDER BY id) ORDER BY id LIMIT p_budget
    ), gone AS (
        DELETE FROM quarantine q USING oldest o WHERE q.id = o.id AND (o.bytes > p_max_bytes OR o.number > p_max_count)
        RETURNING q.kept
    )
    SELECT count(*), v_bytes + p_n - coalesce(sum(kept), 0) <= p_max_bytes AND v_count + p_more - count(*) <= p_max_count
        INTO removed, fits FROM gone;
END $$;

CREATE FUNCTION tp_quarantine_put(p_org text, p_peer text, p_reason text, p_message text, p_size bigint, p_kept bigint,
    p_body bytea, p_max_bytes bigint, p_max_count integer, p_wall bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (tp_quarantine_room(p_kept, 1, p_max_bytes, p_max_count, 1000)).fits THEN
        RETURN false;
    END IF;
    INSERT INTO quarantine (at, org, peer, reason, message, size, kept, body)
        VALUES (tp_now() + p_wall, p_org, p_peer, p_reason, p_message, p_size, p_kept, p_body);
    RETURN true;
END $$;

-- ------------------------------------------------------------------ forgetting

-- place: 0 ledger, 1 messages, 2 documents, 3 jobs' items.
CREATE FUNCTION tp_forget(p_place integer, p_ids bigint[], p_record text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE p_place
        WHEN 0 THEN UPDATE ledger SET before_json = NULL, after_json = NULL WHERE id = ANY (p_ids);
        WHEN 1 THEN
            PERFORM 1 FROM notification WHERE id = ANY (p_ids) ORDER BY org, notification_id, record_id FOR UPDATE;
            DELETE FROM notification WHERE id = ANY (p_ids) AND state + 0 >= 2; -- it may have become ready since it was found
        WHEN 2 THEN DELETE FROM quarantine WHERE id = ANY (p_ids);
        ELSE
            DELETE FROM job_item WHERE job = ANY (p_ids) AND record_id = p_record;
            UPDATE job SET
                params = CASE WHEN strpos(params, left(p_record, 15)) > 0 THEN '' ELSE params END,
                message = CASE WHEN strpos(message, left(p_record, 15)) > 0 THEN '' ELSE message END,
                reason = CASE WHEN strpos(reason, left(p_record, 15)) > 0 THEN '' ELSE reason END
                WHERE id = ANY (p_ids) AND state > 1;
    END CASE;
END $$;

-- ------------------------------------------------------------------ upkeep

-- Pulls due times beyond p_limit in, at most p_budget.
CREATE FUNCTION tp_clamp(p_limit bigint, p_budget integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_left integer := p_budget;
    v_n integer;
    v_org text := '';
    v_lane record;
BEGIN
    WHILE v_left > 0 LOOP
        SELECT l.org INTO v_org FROM lane l WHERE l.org > v_org COLLATE "C" ORDER BY l.org LIMIT 1;
        EXIT WHEN v_org IS NULL;
        FOR v_lane IN SELECT campaign, background FROM lane
            WHERE org = v_org AND background IN (0, 1) AND due_at > p_limit LIMIT p_budget
        LOOP
            EXIT WHEN v_left <= 0;
            UPDATE notification SET due_at = p_limit WHERE id IN (SELECT id FROM notification
                WHERE campaign = v_lane.campaign AND background = v_lane.background AND state = 0 AND due_at > p_limit
                ORDER BY due_at LIMIT v_left);
            GET DIAGNOSTICS v_n = ROW_COUNT;
            v_left := v_left - v_n;
            PERFORM tp_lane_refresh(v_lane.campaign);
        END LOOP;
    END LOOP;
    RETURN p_budget - v_left;
END $$;

-- A slice of rows that ended before a time. What is locked is about to change, and can wait.
CREATE FUNCTION tp_remove_ended(p_state integer, p_before bigint, p_budget integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_n integer;
BEGIN
    DELETE FROM notification WHERE id IN (SELECT id FROM notification
        WHERE state = p_state AND state >= 2 AND settled_at < p_before ORDER BY settled_at LIMIT p_budget FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_n = ROW_COUNT;
    RETURN v_n;
END $$;

CREATE FUNCTION tp_remove_jobs(p_before bigint, p_budget integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_left integer := p_budget;
    v_n integer;
    v_id bigint;
BEGIN
    WHILE v_left > 0 LOOP
        SELECT id INTO v_id FROM job WHERE ended_at > 0 AND ended_at < p_before ORDER BY ended_at LIMIT 1;
        EXIT WHEN NOT FOUND;
        DELETE FROM job_item WHERE job = v_id
            AND record_id IN (SELECT record_id FROM job_item WHERE job = v_id LIMIT v_left);
        GET DIAGNOSTICS v_n = ROW_COUNT;
        v_left := v_left - v_n;
        EXIT WHEN v_left <= 0;
        DELETE FROM job WHERE id = v_id;
        v_left := v_left - 1;
    END LOOP;
    RETURN p_budget - v_left;
END $$;

-- One slice of upkeep, of one node at a time (another's is as good). p_removes false: the clock leapt,
-- and what seems old may be young.
CREATE FUNCTION tp_retain(p_keep_done bigint, p_keep_failed bigint, p_keep_ledger bigint, p_latest bigint, p_removes boolean,
    p_budget integer, p_max_bytes bigint, p_max_count integer, p_wall bigint, OUT more boolean, OUT wakes boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_left integer := p_budget;
    v_n integer;
BEGIN
    more := false;
    wakes := false;
    IF NOT pg_try_advisory_xact_lock(hashtext('touchpointd.retain'), hashtext(current_schema())) THEN
        RETURN;
    END IF;
    v_left := v_left - tp_clamp(v_now + p_latest, v_left);
    wakes := v_left < p_budget;
    IF p_removes AND v_left > 0 THEN
        v_left := v_left - tp_remove_ended(2, v_now - p_keep_done, v_left);
    END IF;
    IF p_removes AND v_left > 0 THEN
        v_left := v_left - tp_remove_ended(3, v_now - p_keep_failed, v_left);
    END IF;
    IF p_removes AND v_left > 0 THEN
        DELETE FROM ledger WHERE id IN (SELECT id FROM ledger ORDER BY id LIMIT v_left) AND at < v_now - p_keep_ledger;
        GET DIAGNOSTICS v_n = ROW_COUNT;
        v_left := v_left - v_n;
    END IF;
    IF p_removes AND v_left > 0 THEN
        DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT v_left) AND at < v_now - p_keep_failed;
        GET DIAGNOSTICS v_n = ROW_COUNT;
        v_left := v_left - v_n;
        IF v_left > 0 THEN
            v_left := v_left - (tp_quarantine_room(0, 0, p_max_bytes, p_max_count, v_left)).removed;
        END IF;
    END IF;
    IF p_removes AND v_left > 0 THEN
        v_left := v_left - tp_remove_jobs(v_now - p_keep_ledger, v_left);
    END IF;
    more := v_left <= 0;
END $$;

-- The server's wall clock leapt: echoes move along, since they must wait their full time (rule 12), and
-- so do the claims that are under way, or a pass would absorb an echo that became due after its claim.
-- Every node notices; whoever is first does it, and those that report the same leap a moment later find
-- it done.
CREATE FUNCTION tp_leap(p_by bigint, p_owner text, p_wall bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_wall;
    v_at bigint;
    v_by bigint;
    v_owner bigint;
BEGIN
    SELECT value INTO v_at FROM meta WHERE name = 'leapt_at' FOR UPDATE;
    SELECT value INTO v_by FROM meta WHERE name = 'leapt_by';
    SELECT value INTO v_owner FROM meta WHERE name = 'leapt_owner';
    IF abs(v_now - v_at) < 600000 AND abs(p_by - v_by) < 60000 AND v_owner <> hashtext(p_owner) THEN
        RETURN;
    END IF;
    UPDATE meta SET value = CASE name WHEN 'leapt_at' THEN v_now WHEN 'leapt_by' THEN p_by ELSE hashtext(p_owner) END
        WHERE name IN ('leapt_at', 'leapt_by', 'leapt_owner');
    UPDATE notification SET due_at = due_at + p_by, rerun_at = CASE rerun_at WHEN 0 THEN 0 ELSE rerun_at + p_by END
        WHERE org IN (SELECT DISTINCT org FROM tally) AND state < 2
            AND notification_id >= 'hint:echo:' AND notification_id < 'hint:echo;';
    UPDATE campaign SET claimed_at = claimed_at + p_by WHERE fence > 0;
END $$;
