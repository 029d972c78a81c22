-- Who is at work on this store, so that daemons share what an org allows. A row a process, renewed each
-- second; not renewed for some, it is dead or frozen and its share is the others'. Nothing else rests on
-- it: claims go by leases.
CREATE TABLE node (
    owner text COLLATE "C" PRIMARY KEY,
    born  bigint NOT NULL,
    at    bigint NOT NULL -- in no index: so a renewal stays on its page
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- Renews the row of p_owner. nodes: how many are at work; rank: which of them this is, in an order that
-- all see alike; age_ms: since its first row. No wait for the standby: what is lost here comes again.
CREATE FUNCTION tp_beat(p_owner text, p_dead_ms bigint, p_boot bigint, OUT rank bigint, OUT nodes bigint, OUT age_ms bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := tp_now() + p_boot;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO node VALUES (p_owner, v_now, v_now) ON CONFLICT (owner) DO UPDATE SET at = excluded.at;
    DELETE FROM node WHERE owner IN (SELECT n.owner FROM node n WHERE abs(v_now - n.at) > 10 * p_dead_ms FOR UPDATE SKIP LOCKED);
    SELECT count(*) FILTER (WHERE n.owner < p_owner), count(*), v_now - min(n.born) FILTER (WHERE n.owner = p_owner)
        INTO rank, nodes, age_ms FROM node n WHERE abs(v_now - n.at) <= p_dead_ms;
END $$;
