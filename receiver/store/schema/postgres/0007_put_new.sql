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
