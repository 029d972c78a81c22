-- Claims, leases, write marks, verdicts. Each function is one transaction and one round trip. What the
-- worker holds is org, key and fence; a function that finds another fence says so and, but for the
-- ledger, has changed nothing (rule 21). p_wall and p_boot move the clocks and are 0 but in tests.
--
-- Where rows are named by number their state is written as `state + 0`: else the planner, whose numbers may
-- be from a time when little was ready, reads all of the partial index of that state to find them.

-- The rows that a campaign's lease holds, in the order of tp_pick: what a claim gives.
CREATE FUNCTION tp_leased(p_campaign bigint)
RETURNS TABLE (org text, key text, fence bigint, watermark bigint, more boolean, next_ms bigint, wakes boolean,
    id bigint, kind integer, notification_id text, record_id text, subject_id text, tries integer, background integer,
    withheld boolean, replayed_by bigint, received_at bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT c.org, c.key, c.fence, c.watermark, true, 0::bigint, false, n.id, n.kind, n.notification_id, n.record_id,
        n.subject_id, n.tries, n.background, n.code IS NOT DISTINCT FROM 'api_budget', n.replayed_by, n.received_at
    FROM campaign c, notification n
    WHERE c.id = p_campaign AND n.campaign = p_campaign AND n.state = 1
    ORDER BY n.due_at + n.background * 300000, n.background, n.seq;
END $$;

-- Where a claim of unknown outcome is looked up (protocol rule 9).
CREATE FUNCTION tp_claimed(p_nonce bigint)
RETURNS TABLE (org text, key text, fence bigint, watermark bigint, more boolean, next_ms bigint, wakes boolean,
    id bigint, kind integer, notification_id text, record_id text, subject_id text, tries integer, background integer,
    withheld boolean, replayed_by bigint, received_at bigint)
LANGUAGE sql AS $$
    SELECT t.* FROM campaign c, LATERAL tp_leased(c.id) t WHERE c.fence > 0 AND c.nonce = p_nonce;
$$;

-- The lane that ranks first of those that are neither leased nor at rest, or when the next is due.
CREATE FUNCTION tp_front(p_now bigint, p_skip_orgs text[], p_only_org text, p_rest_orgs text[], p_rest_keys text[],
    p_live_orgs text[], p_policy text, p_passed bigint[], OUT campaign bigint, OUT next_due bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_org text := '';
    v_rank bigint;
    v_lane record;
BEGIN
    LOOP
        SELECT l.org INTO v_org FROM lane l WHERE l.org > v_org COLLATE "C" ORDER BY l.org LIMIT 1;
        EXIT WHEN v_org IS NULL;
        CONTINUE WHEN v_org = ANY (p_skip_orgs) OR v_org <> p_only_org
            OR EXISTS (SELECT 1 FROM org_cursor o WHERE o.org = v_org AND o.name = 'paused')
            OR EXISTS (SELECT 1 FROM org_cursor o -- a node with an older policy doesn't claim (rule 22)
                WHERE o.org = v_org AND o.name = 'reconcile.policy' AND o.value <> p_policy);
        FOR v_background IN 0..(CASE WHEN v_org = ANY (p_live_orgs) THEN 0 ELSE 1 END) LOOP
            SELECT l.campaign, l.due_at INTO v_lane
                FROM lane l JOIN campaign c ON c.id = l.campaign
                WHERE l.org = v_org AND l.background = v_background AND c.fence = 0 AND l.campaign <> ALL (p_passed)
                    AND NOT EXISTS (SELECT 1 FROM unnest(p_rest_orgs, p_rest_keys) AS r (org, key)
                        WHERE r.org = v_org AND r.key = c.key)
                ORDER BY l.due_at LIMIT 1;
            CONTINUE WHEN NOT FOUND;
            IF v_lane.due_at > p_now THEN
                next_due := least(next_due, v_lane.due_at);
            ELSIF v_rank IS NULL OR v_lane.due_at + v_background * 300000 < v_rank THEN
                v_rank := v_lane.due_at + v_background * 300000;
                campaign := v_lane.campaign;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- Which of a campaign's due rows come along, oldest first, a background row as if it were younger; a row
-- that never settled comes alone, one that did not even so is poison.
CREATE FUNCTION tp_pick(p_campaign bigint, p_now bigint, p_live_only boolean, p_max integer,
    OUT taken bigint[], OUT poison bigint[], OUT left_some boolean) LANGUAGE plpgsql AS $$
DECLARE
    v_row record;
    v_count integer := 0;
BEGIN
    taken := '{}';
    poison := '{}';
    left_some := false;
    FOR v_row IN
        (SELECT id, seq, unsettled, background, due_at AS rank FROM notification
            WHERE campaign = p_campaign AND background = 0 AND state = 0 AND due_at <= p_now ORDER BY due_at, seq LIMIT p_max + 1)
        UNION ALL
        (SELECT id, seq, unsettled, background, due_at + 300000 FROM notification
            WHERE campaign = p_campaign AND background = 1 AND state = 0 AND due_at <= p_now AND NOT p_live_only
            ORDER BY due_at, seq LIMIT p_max + 1)
        ORDER BY rank, background, seq
    LOOP
        IF v_count = p_max OR cardinality(poison) = p_max THEN
            left_some := true;
            EXIT;
        ELSIF v_row.unsettled >= 6 THEN
            poison := poison || v_row.id;
        ELSIF v_row.unsettled >= 3 AND v_count > 0 THEN
            left_some := true;
        ELSE
            taken := taken || v_row.id;
            v_count := v_count + 1;
            EXIT WHEN v_row.unsettled >= 3;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION tp_fail_poison(p_rows bigint[], p_now bigint) RETURNS void LANGUAGE sql AS $$
    SELECT tp_attempt(n.id, 2, 'poison', w.why, p_now) FROM notification n, LATERAL (SELECT format('%s passes with this '
        'notification ended without a result, the last 3 of them with nothing else in them; look into the log for what stopped '
        'them, then replay it', n.unsettled) AS why) w WHERE n.id = ANY (p_rows) AND n.state + 0 = 0;
    UPDATE notification n SET state = 3, settled_at = p_now, rerun_at = 0, unsettled = 0, code = 'poison',
        message = (SELECT a.text FROM attempt a WHERE a.message = n.id ORDER BY a.n DESC LIMIT 1)
    WHERE n.id = ANY (p_rows) AND n.state + 0 = 0;
$$;

-- Leases that ran out; true if there were any.
CREATE FUNCTION tp_expire(p_echo_ms bigint, p_wall bigint, p_boot bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
    v_any boolean := false;
BEGIN
    FOR v_id IN SELECT id FROM campaign WHERE fence > 0 AND until <= tp_now() + p_boot ORDER BY id FOR UPDATE SKIP LOCKED LOOP
        PERFORM tp_lease_end(v_id, p_echo_ms, p_wall);
        v_any := true;
    END LOOP;
    RETURN v_any;
END $$;

-- One row a hint; or one row whose id is NULL, with the time until something may be claimed.
CREATE FUNCTION tp_claim(p_owner text, p_nonce bigint, p_lease_ms bigint, p_echo_ms bigint, p_max integer, p_skip_orgs text[],
    p_only_org text, p_rest_orgs text[], p_rest_keys text[], p_live_orgs text[], p_gathered boolean, p_policy text, p_wall bigint, p_boot bigint)
RETURNS TABLE (org text, key text, fence bigint, watermark bigint, more boolean, next_ms bigint, wakes boolean,
    id bigint, kind integer, notification_id text, record_id text, subject_id text, tries integer, background integer,
    withheld boolean, replayed_by bigint, received_at bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now bigint;
    v_wakes boolean := tp_expire(p_echo_ms, p_wall, p_boot);
    v_passed bigint[] := '{}';
    v_front record;
    v_pick record;
    v_org text;
    v_due bigint;
    v_count bigint;
BEGIN
    LOOP
        v_now := tp_now() + p_wall;
        v_front := tp_front(v_now, p_skip_orgs, p_only_org, p_rest_orgs, p_rest_keys, p_live_orgs, p_policy, v_passed);
        IF v_front.campaign IS NULL THEN
            RETURN QUERY SELECT NULL::text, NULL::text, NULL::bigint, NULL::bigint, false,
                least(v_front.next_due - v_now, (SELECT min(c.until) FROM campaign c WHERE c.fence > 0) - tp_now() - p_boot),
                v_wakes, NULL::bigint, 0, '', '', '', 0, 0, false, 0::bigint, 0::bigint;
            RETURN;
        END IF;
        SELECT c.org INTO v_org FROM campaign c WHERE c.id = v_front.campaign AND c.fence = 0 FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN -- another worker takes it
            v_passed := v_passed || v_front.campaign;
            CONTINUE;
        END IF;
        v_pick := tp_pick(v_front.campaign, v_now, v_org = ANY (p_live_orgs), p_max);
        PERFORM 1 FROM notification n WHERE n.id = ANY (v_pick.taken || v_pick.poison)
            ORDER BY n.org, n.notification_id, n.record_id FOR UPDATE;
        PERFORM tp_fail_poison(v_pick.poison, v_now);
        UPDATE notification n SET state = 1, tries = n.tries + 1,
            unsettled = n.unsettled + CASE WHEN p_gathered THEN 0 ELSE 1 END WHERE n.id = ANY (v_pick.taken) AND n.state + 0 = 0;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_due := tp_lane_refresh(v_front.campaign);
        EXIT WHEN v_count > 0;
    END LOOP;
    UPDATE campaign c SET fence = nextval('fence_seq'), until = tp_now() + p_boot + p_lease_ms, owner = p_owner, nonce = p_nonce,
        watermark = (SELECT last_value FROM queue_seq), claimed_at = v_now, in_flight = false, progressed = false
        WHERE c.id = v_front.campaign;
    RETURN QUERY SELECT t.org, t.key, t.fence, t.watermark, v_pick.left_some OR coalesce(v_due <= v_now, false), t.next_ms, v_wakes,
        t.id, t.kind, t.notification_id, t.record_id, t.subject_id, t.tries, t.background, t.withheld, t.replayed_by, t.received_at
        FROM tp_leased(v_front.campaign) t;
END $$;

-- ------------------------------------------------------------------ under a lease

-- The campaign's number with its row locked, if the fence holds (and, p_live, the lease has not run out).
CREATE FUNCTION tp_held(p_org text, p_key text, p_fence bigint, p_live boolean, p_boot bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT id FROM campaign WHERE org = p_org AND key = p_key AND fence = p_fence AND fence > 0
        AND (NOT p_live OR tp_now() + p_boot < until) FOR UPDATE;
$$;

-- p_mark: before a write. A mark that is still set stands for an earlier one whose outcome is unknown,
-- and the new write will clear it, so its echo is made now (rule 12).
CREATE FUNCTION tp_renew(p_org text, p_key text, p_fence bigint, p_mark boolean, p_lease_ms bigint, p_echo_ms bigint,
    p_wall bigint, p_boot bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint := tp_held(p_org, p_key, p_fence, true, p_boot);
BEGIN
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    IF p_mark AND (SELECT in_flight FROM campaign WHERE id = v_id) THEN
        PERFORM tp_hint(p_org, 9, 'echo', p_key, p_key, tp_now() + p_wall + p_echo_ms, p_wall);
    END IF;
    UPDATE campaign SET until = tp_now() + p_boot + p_lease_ms, in_flight = in_flight OR p_mark WHERE id = v_id;
    RETURN true;
END $$;

-- What was written was written: the ledger's rows stay though the lease may be lost.
CREATE FUNCTION tp_write_end(p_org text, p_key text, p_fence bigint, p_campaigns text[], p_members text[], p_actions text[],
    p_touchpoints text[], p_befores text[], p_afters text[], p_causes text[], p_reasons text[], p_wall bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint := tp_held(p_org, p_key, p_fence, false, 0);
BEGIN
    INSERT INTO ledger (org, campaign_id, member_id, action, touchpoint_id, before_json, after_json, cause, reason, at)
        SELECT p_org, u.*, tp_now() + p_wall
        FROM unnest(p_campaigns, p_members, p_actions, p_touchpoints, p_befores, p_afters, p_causes, p_reasons) AS u;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    IF NOT (SELECT progressed FROM campaign WHERE id = v_id) THEN
        PERFORM 1 FROM notification WHERE campaign = v_id AND state = 1 ORDER BY org, notification_id, record_id FOR UPDATE;
        UPDATE notification SET unsettled = 0 WHERE campaign = v_id AND state = 1 AND unsettled > 0;
    END IF;
    UPDATE campaign SET in_flight = false, progressed = true WHERE id = v_id;
    RETURN true;
END $$;

-- ------------------------------------------------------------------ settling

-- The verdicts (0 applied, 1 retry, 2 fail) of rows that are leased under this campaign; others were
-- settled before. A row marked to run again does, whatever the verdict. Gives the time from received to
-- applied of each that was applied.
CREATE FUNCTION tp_verdicts(p_campaign bigint, p_rows bigint[], p_verdicts integer[], p_uncounted boolean[], p_dues bigint[],
    p_codes text[], p_messages text[], p_now bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_took bigint[];
BEGIN
    PERFORM 1 FROM notification WHERE id = ANY (p_rows) AND campaign = p_campaign AND state + 0 = 1
        ORDER BY org, notification_id, record_id FOR UPDATE;
    PERFORM tp_attempt(n.id, o.verdict, o.code, o.message, p_now)
        FROM unnest(p_rows, p_verdicts, p_codes, p_messages) AS o (id, verdict, code, message) JOIN notification n USING (id)
        WHERE n.campaign = p_campaign AND n.state + 0 = 1 AND o.verdict > 0 AND o.code IS NOT NULL;
    WITH settled AS (
        UPDATE notification n SET
            state = CASE WHEN o.verdict = 1 OR n.rerun_at <> 0 THEN 0 WHEN o.verdict = 0 THEN 2 ELSE 3 END,
            seq = CASE WHEN o.verdict = 1 OR n.rerun_at <> 0 THEN nextval('queue_seq') ELSE n.seq END,
            due_at = CASE
                WHEN o.verdict = 1 AND n.rerun_at = 0 THEN o.due
                WHEN o.verdict = 1 AND n.kind = 9 THEN greatest(o.due, n.rerun_at)
                WHEN o.verdict = 1 THEN least(o.due, n.rerun_at)
                WHEN n.rerun_at <> 0 THEN n.rerun_at
                ELSE n.due_at END,
            tries = CASE
                WHEN o.verdict = 1 THEN n.tries - CASE WHEN o.uncounted AND n.tries > 0 THEN 1 ELSE 0 END
                WHEN n.rerun_at <> 0 THEN 0
                ELSE n.tries END,
            settled_at = CASE WHEN o.verdict = 1 OR n.rerun_at <> 0 THEN n.settled_at ELSE p_now END,
            code = CASE
                WHEN o.verdict = 1 AND n.rerun_at <> 0 AND o.code = 'api_budget' THEN n.code -- it has news, not looked at yet
                WHEN o.verdict = 1 THEN coalesce(o.code, n.code)
                WHEN n.rerun_at <> 0 THEN n.code
                ELSE o.code END,
            message = CASE
                WHEN o.verdict = 1 THEN coalesce(o.message, n.message)
                WHEN n.rerun_at <> 0 THEN n.message
                ELSE o.message END,
            unsettled = 0, rerun_at = 0
        FROM unnest(p_rows, p_verdicts, p_uncounted, p_dues, p_codes, p_messages) AS o (id, verdict, uncounted, due, code, message)
        WHERE n.id = o.id AND n.campaign = p_campaign AND n.state + 0 = 1
        RETURNING o.verdict, p_now - n.received_at AS took
    )
    SELECT array_agg(greatest(took, 0)) FILTER (WHERE verdict = 0) INTO v_took FROM settled;
    RETURN v_took;
END $$;

-- A slice of what a whole pass stands for: what it leased, and what was due at its claim with a number
-- up to its watermark (rule 6), but for deletion, campaign_gone and job (2, 3, 12), which only who claims
-- them can settle. *more: there may be more.
CREATE FUNCTION tp_whole(p_campaign bigint, p_max integer, p_now bigint, OUT more boolean, OUT took bigint[]) LANGUAGE plpgsql AS $$
DECLARE
    v_c campaign;
    v_rows bigint[];
    v_slice bigint[];
BEGIN
    SELECT * INTO v_c FROM campaign WHERE id = p_campaign;
    v_rows := ARRAY(SELECT id FROM notification WHERE campaign = p_campaign AND state = 1 LIMIT p_max);
    FOR v_background IN 0..1 LOOP
        v_slice := ARRAY(SELECT id FROM notification WHERE campaign = p_campaign AND background = v_background AND state = 0
            AND due_at <= v_c.claimed_at AND seq <= v_c.watermark AND kind NOT IN (2, 3, 12)
            ORDER BY due_at LIMIT p_max - cardinality(v_rows));
        v_rows := v_rows || v_slice;
    END LOOP;
    more := cardinality(v_rows) >= p_max;
    PERFORM 1 FROM notification WHERE id = ANY (v_rows) ORDER BY org, notification_id, record_id FOR UPDATE;
    WITH settled AS (
        UPDATE notification SET
            state = CASE WHEN rerun_at <> 0 THEN 0 ELSE 2 END,
            seq = CASE WHEN rerun_at <> 0 THEN nextval('queue_seq') ELSE seq END,
            due_at = CASE WHEN rerun_at <> 0 THEN rerun_at ELSE due_at END,
            tries = CASE WHEN rerun_at <> 0 THEN 0 ELSE tries END,
            settled_at = CASE WHEN rerun_at <> 0 THEN settled_at ELSE p_now END,
            code = CASE WHEN rerun_at <> 0 THEN code END,
            message = CASE WHEN rerun_at <> 0 THEN message END,
            unsettled = 0, rerun_at = 0
        WHERE id = ANY (v_rows) AND campaign = p_campaign
            AND (state = 1 OR (state = 0 AND due_at <= v_c.claimed_at AND seq <= v_c.watermark))
        RETURNING p_now - received_at AS took
    )
    SELECT array_agg(greatest(s.took, 0)) INTO took FROM settled s;
END $$;

CREATE FUNCTION tp_settle(p_org text, p_key text, p_fence bigint, p_rows bigint[], p_verdicts integer[], p_uncounted boolean[],
    p_dues bigint[], p_codes text[], p_messages text[],
    p_hint_ids text[], p_hint_records text[], p_hint_subjects text[], p_hint_keys text[], p_hint_kinds integer[],
    p_hint_backgrounds integer[], p_hint_dues bigint[], p_hint_receiveds bigint[], p_hint_codes text[], p_hint_messages text[],
    p_whole boolean, p_release boolean, p_fingerprint text, p_max integer, p_lease_ms bigint, p_echo_ms bigint, p_wall bigint,
    p_boot bigint, OUT holds boolean, OUT more boolean, OUT took bigint[]) LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint := tp_held(p_org, p_key, p_fence, false, 0);
    v_now bigint := tp_now() + p_wall;
    v_slice record;
BEGIN
    holds := v_id IS NOT NULL;
    more := false;
    IF NOT holds THEN
        RETURN;
    END IF;
    IF cardinality(p_rows) > 0 THEN
        took := tp_verdicts(v_id, p_rows, p_verdicts, p_uncounted, p_dues, p_codes, p_messages, v_now);
    END IF;
    IF cardinality(p_hint_ids) > 0 THEN
        PERFORM tp_enter(p_org, NULL, NULL, p_hint_ids, p_hint_records, p_hint_subjects, p_hint_keys, NULL, p_hint_kinds,
            p_hint_backgrounds, p_hint_dues, p_hint_receiveds, p_hint_codes, p_hint_messages, true, p_wall);
    END IF;
    IF p_whole THEN
        v_slice := tp_whole(v_id, p_max, v_now);
        more := v_slice.more;
        took := took || v_slice.took;
    END IF;
    IF more THEN
        UPDATE campaign SET until = tp_now() + p_boot + p_lease_ms WHERE id = v_id;
        RETURN;
    END IF;
    IF p_fingerprint IS NOT NULL THEN
        INSERT INTO pass VALUES (p_org, p_key, p_fingerprint, v_now)
            ON CONFLICT (org, campaign_id) DO UPDATE SET fingerprint = excluded.fingerprint, at = excluded.at;
    END IF;
    IF p_whole THEN
        PERFORM tp_lane_refresh(v_id);
    END IF;
    IF p_release THEN
        PERFORM tp_lease_end(v_id, p_echo_ms, p_wall);
    END IF;
END $$;
