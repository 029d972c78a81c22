-- Puts of many notifications: their rows come by COPY, which takes an eighth less of the server's time
-- than tp_put_new, and the daemon numbers them itself, from blocks: a number drawn says "the sixteen up
-- to this one". What draws a single one leaves fifteen out. So all that were drawn are at most last_value,
-- and all that will be are above it, as a claim's watermark needs.
SELECT setval('queue_seq', last_value + 16) FROM queue_seq;
ALTER SEQUENCE queue_seq INCREMENT BY 16;
SELECT setval('notification_id_seq', last_value + 16) FROM notification_id_seq;
ALTER SEQUENCE notification_id_seq INCREMENT BY 16;

-- What the rows need: their time, their campaigns' numbers, and so many blocks of ids and of places in
-- the queue.
CREATE FUNCTION tp_put_begin(p_campaign_orgs text[], p_campaign_keys text[], p_blocks bigint, p_wall bigint)
RETURNS TABLE (now bigint, campaigns bigint[], ids bigint[], seqs bigint[]) LANGUAGE plpgsql AS $$
BEGIN
    now := tp_now() + p_wall;
    campaigns := tp_campaigns(p_campaign_orgs, p_campaign_keys);
    ids := ARRAY(SELECT nextval('notification_id_seq') FROM generate_series(1, p_blocks));
    seqs := ARRAY(SELECT nextval('queue_seq') FROM generate_series(1, p_blocks));
    PERFORM set_config('touchpointd.put_ends', 'on', true);
    RETURN NEXT;
END $$;

-- What follows rows that came so: what tp_entered does, told in numbers instead of found by looking at
-- each row. The first are the campaigns with ready rows; then, for each organisation, one campaign of
-- its own and how many rows are ready and done.
CREATE FUNCTION tp_put_end(p_campaigns bigint[], p_of_orgs bigint[], p_ready bigint[], p_done bigint[], p_due bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lane (campaign, background, org, due_at) -- one campaign after the other, as all take them
        SELECT n.campaign, 0, (SELECT c.org FROM campaign c WHERE c.id = n.campaign), p_due
        FROM (SELECT campaign FROM unnest(p_campaigns) AS u (campaign) ORDER BY campaign) n
            LEFT JOIN LATERAL (SELECT true AS is_early FROM lane l
                WHERE l.campaign = n.campaign AND l.background = 0 AND l.due_at <= p_due FOR SHARE) held ON true
        WHERE held.is_early IS NULL
        ON CONFLICT (campaign, background) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at;
    INSERT INTO tally (org, slot, ready, leased, done, failed)
        SELECT (SELECT c.org FROM campaign c WHERE c.id = n.campaign), pg_backend_pid() % 64, n.ready, 0, n.done, 0
        FROM unnest(p_of_orgs, p_ready, p_done) AS n (campaign, ready, done) ORDER BY 1
        ON CONFLICT (org, slot) DO UPDATE SET ready = tally.ready + excluded.ready, done = tally.done + excluded.done;
    PERFORM set_config('touchpointd.put_ends', 'off', true);
END $$;

-- Not between tp_put_begin and tp_put_end, which does it.
DROP TRIGGER entered ON notification;
CREATE TRIGGER entered AFTER INSERT ON notification REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (current_setting('touchpointd.put_ends', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION tp_entered();
