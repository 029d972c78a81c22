#!/usr/bin/env python3
"""Several daemons on one PostgreSQL: jobs outlive the daemon that works on them, what an org allows is shared, metrics tell who is who."""
import http.client
import re
import signal
import ssl

import runner
from harness import ORG_ID, message, notification, sfid, wait_for
from senders import ALL, ClusterCase, FAST
from test_postgres import PostgresWorld

DATE, SYNC, EXCLUDE = "Buyer_Touchpoint_Date__c", "Enable_Buyer_Touchpoints__c", "Exclude all Campaign Members"


class Nodes(ClusterCase):
    def start(self, database, nodes=2, **config):
        """The first daemon and others beside it, all at work."""
        self.world = world = PostgresWorld(self.cluster, database, **{**FAST, **config})
        self.addCleanup(world.stop)
        world.start()
        for _ in range(nodes - 1):
            world.start_node()
        for node in world.nodes:
            wait_for("a daemon to answer", lambda: world.node_answers(node))
        wait_for("all to know each other", lambda: {self.metric(n, "touchpoint_nodes") for n in self.all()} == {nodes})
        world.checked()
        return world

    def all(self):
        return [None, *self.world.nodes]

    def at(self, node, call):
        """call() with the world's admin address being that node's; None: the first daemon's."""
        mine = self.world.admin_port
        self.world.admin_port = node.admin_port if node else mine
        try:
            return call()
        finally:
            self.world.admin_port = mine

    def metric(self, node, name, **labels):
        return self.at(node, lambda: self.world.metric(name, **labels))

    def job(self, number):
        names = "state, total, done, changed, skipped, failed"
        row = self.world.query(f"SELECT {names} FROM job WHERE id = {number}")[0].split("|")
        return dict(zip(names.split(", "), map(int, row)))

    def test_a_replay_goes_on_at_another_daemon_when_its_own_is_killed(self):
        count = 12000  # so that a kill after the first slice is in the middle
        world = self.start("replays")
        other = world.nodes[0]
        status, told = world.api("/pause", "POST", {"reason": "so that what is replayed stays to be counted"})
        self.assertEqual(status, 200, told)
        for start in range(0, count, 100):
            body = message(*(notification(k, sfid("003", k), "Contact") for k in range(start, start + 100)))
            self.assertEqual(world.post(body)[0], 200)
        world.query("UPDATE notification SET state = 2, settled_at = tp_now() WHERE object = 'Contact'")
        other.child.send_signal(signal.SIGSTOP)
        try:
            status, job = world.api("/messages/replay", "POST", {"filter": {"state": "done", "object": "Contact"}})
            self.assertEqual(status, 202, job)
            wait_for("some to be replayed", lambda: self.job(job["id"])["done"] >= 1000)
            world.daemon.kill()
        finally:
            other.child.send_signal(signal.SIGCONT)
        self.assertLess(self.job(job["id"])["done"], count, "the kill was in the middle")
        wait_for("the other to end it", lambda: self.job(job["id"])["state"] == 2)
        self.assertEqual(self.job(job["id"]), {"state": 2, "total": count, "done": count, "changed": count, "skipped": 0, "failed": 0})
        self.assertEqual(world.query(f"SELECT count(*) FROM notification WHERE replayed_by = {job['id']} AND state = 0"), [str(count)])
        self.assertTrue(self.at(other, lambda: world.ready()[1]["checks"]["orgs"][0]["paused"]), "the pause is everybody's")
        self.at(other, lambda: world.api("/resume", "POST", {}))
        world.drained()

    def test_a_change_of_dates_goes_on_at_another_daemon_when_its_own_is_killed(self):
        members = 4300
        world = self.start("dates")
        org = world.org
        campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": members, "seed": 4, "sync_type": ALL, "type": "Trade Show", "dated": 0.3})
        campaign = campaign["campaigns"][0]
        before = {r["Id"]: r[DATE] for r in org.records("CampaignMember", f"CampaignId = '{campaign}'")}
        org.fault("latency", "composite", 500, count=-1)
        target = "2026-07-07T07:07:07"
        status, job = world.api("/touchpoint-dates", "POST", {"org": ORG_ID, "campaign": campaign, "value": target + "Z"})
        self.assertEqual(status, 202, job)
        wait_for("a slice", lambda: self.job(job["id"])["done"] > 0)
        owner = wait_for("who does it", lambda: world.query(f"SELECT owner FROM campaign WHERE key = '{campaign}' AND fence > 0"))[0]
        pid = int(owner.split(":")[1])
        victim = world.daemon if world.daemon.child.pid == pid else world.nodes[0]
        self.assertEqual(victim.child.pid, pid)
        victim.kill()
        self.assertLess(self.job(job["id"])["done"], members, "the kill was in the middle")
        org.heal()
        wait_for("the other to end it", lambda: self.job(job["id"])["state"] == 2, 60)
        self.assertEqual(self.job(job["id"]), {"state": 2, "total": members, "done": members, "changed": members, "skipped": 0, "failed": 0})
        self.assertEqual({r[DATE][:19] for r in org.records("CampaignMember", f"CampaignId = '{campaign}'")}, {target})
        items = dict(x.split("|") for x in world.query(f"SELECT record_id, before FROM job_item WHERE job = {job['id']} AND state = 1"))
        self.assertEqual({k: v[:19] for k, v in items.items()}, {k: (v or "")[:19] for k, v in before.items()}, "so it can be undone")

    def test_what_an_org_allows_at_once_is_shared(self):
        most = 3
        world = self.start("shares", 3, org_config={"max_concurrent": most})
        org = world.org

        def work():
            """Many campaigns, each a pass of some calls; how many calls there were at once at most."""
            loaded = org.call("POST", "/sim/load", {"campaigns": 24, "members": 3, "seed": 9, "type": "Trade Show", "sync_type": ALL})["campaigns"]
            org.call("POST", "/sim/stats/reset")
            org.update("Campaign", *({"Id": c, "Name": "at once"} for c in loaded))
            wait_for("all touchpoints", lambda: all(len(org.touchpoints(c)) == 3 for c in loaded), 90)
            return org.stats()["api"]["most_at_once"]

        def reached():
            """Never more, and as many at least once: on a busy machine daemons may miss each other."""
            seen = []
            while not seen or (seen[-1] < most and len(seen) < 4):
                seen.append(work())
                self.assertLessEqual(seen[-1], most)
            return max(seen)

        org.fault("latency", "*", 150, count=-1)
        self.assertEqual(reached(), most, "no more, and no less since one alone has one place")
        world.nodes[1].kill()
        wait_for("the others to notice", lambda: {self.metric(n, "touchpoint_nodes") for n in [None, world.nodes[0]]} == {2})
        self.assertEqual(reached(), most, "what the dead one had is the others' now")
        org.heal()
        del world.nodes[1]
        world.drained()

    def test_a_write_that_lands_after_another_daemon_took_over_is_healed_by_the_echo(self):
        late_s, worker = 15, {**FAST["worker"], "request_timeout": "2s", "lease": "4s", "echo": "16s"}
        world = self.start("late", worker=worker)
        org, first, second = world.org, world.daemon, world.nodes[0]
        org.outbound(paused=True)
        loaded = org.call("POST", "/sim/load", {"campaigns": 1, "members": 5, "seed": 3, "type": "Trade Show", "sync_type": ALL})
        campaign = loaded["campaigns"][0]
        org.call("POST", "/sim/stats/reset")
        org.fault("late", "composite", late_s * 1000, count=1)
        connection = http.client.HTTPSConnection("localhost", second.port, context=ssl.create_default_context(cafile=str(world.ca)), timeout=30)
        first.child.send_signal(signal.SIGSTOP)
        try:
            self.assertEqual(world.post(message(notification(1, campaign, "Campaign")), connection=connection)[0], 200)
            wait_for("the write to be under way", lambda: org.stats()["faults"]["fired"])
            second.kill()
        finally:
            first.child.send_signal(signal.SIGCONT)
            connection.close()
        del world.nodes[0]
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        wait_for("the other to take over and to end it", lambda: world.query(
            "SELECT count(*) FILTER (WHERE kind = 9 AND state = 0), count(*) FILTER (WHERE kind <> 9 AND state < 2) FROM notification") == ["1|0"])
        self.assertEqual(org.touchpoints(campaign), [], "there was nothing to write, and the dead one's write is still to come")
        wait_for("the late write", lambda: len(org.touchpoints(campaign)) == 5)
        wait_for("the echo to heal it", lambda: org.touchpoints(campaign) == [])
        wait_for("the echo to end", lambda: world.query("SELECT count(*) FROM notification WHERE state < 2") == ["0"])
        writers = [w["session"] for w in org.call("GET", "/sim/writes")["writes"]]
        self.assertEqual(len(set(writers)), 2, writers)
        self.assertEqual(writers, [writers[0]] * 5 + [writers[-1]] * 5, "the one that died wrote late, the other put it right")

    def test_metrics_tell_which_daemon_they_are_of(self):
        world = self.start("names")
        names = []
        for node, port in zip(self.all(), (world.port, world.nodes[0].port)):
            text = self.at(node, lambda: world.admin("/metrics")[1])
            names += re.findall(r'^touchpoint_build_info\{version="[^"]+",node="([^"]+)"\} 1$', text, re.M)
            self.assertRegex(names[-1], rf":{port}$")
        self.assertEqual(len(set(names)), 2, names)
        world.nodes.pop().terminate()
        self.assertEqual(world.query("SELECT count(*) FROM node"), ["1"], "who ends takes its row along")
        wait_for("the other to know", lambda: self.metric(None, "touchpoint_nodes") == 1)


if __name__ == "__main__":
    runner.main()
