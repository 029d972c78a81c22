#!/usr/bin/env python3
"""Daemons on PostgreSQL: a message becomes a touchpoint; daemons and the server are killed under load, and nothing acknowledged is lost.

The server is a temporary one (tests/store/cluster.py); each test has a database of its own.
"""
import json
import signal

import runner
from harness import FLAVOUR, ROOT, Process, World, free_port, message, notification, sfid, wait_for
from senders import ClusterCase, FAST, acknowledged, differences, load, start_senders


class PostgresWorld(World):
    """nodes: daemons beside the first, each on ports of its own."""

    def __init__(self, cluster, database, **config):
        cluster.query(f"CREATE DATABASE {database}")
        super().__init__(store={"url": cluster.url(database)}, **config)
        self.cluster, self.database, self.nodes = cluster, database, []

    def query(self, text):
        return self.cluster.query(text, self.database)

    def start_node(self, **sections):
        """A second configuration: the same but for its ports, and these sections."""
        text = {**json.loads(self.write_config().read_text()), **sections}
        port, admin = free_port(), free_port()
        text["listen"]["address"], text["admin"]["address"] = f"127.0.0.1:{port}", f"127.0.0.1:{admin}"
        path = self.folder / f"node{len(self.nodes) + 2}.yaml"
        path.write_text(json.dumps(text))
        node = Process(f"node{len(self.nodes) + 2}", [ROOT / "build" / FLAVOUR / "touchpointd", "--config", path], self.folder)
        node.port, node.admin_port = port, admin
        self.nodes.append(node)
        return node

    def node_answers(self, node):
        mine, self.admin_port = self.admin_port, node.admin_port
        try:
            return self.answers()
        finally:
            self.admin_port = mine

    def drained(self):
        wait_for("the queue to be empty", lambda: self.query(
            "SELECT count(*) FROM notification WHERE state = 1 OR state = 0 AND due_at < tp_now() + 30000") == ["0"], 120)

    def known(self):
        return set(self.query("SELECT notification_id FROM notification"))

    def stop(self):
        try:
            ended = [(node, node.terminate()) for node in self.nodes]  # all of them, before any complaint
            for node, status in ended:
                assert status in (0, -9), f"{node.name} ended with {status}:\n{node.text()[-3000:]}"
                assert "Sanitizer" not in node.text(), node.text()[-5000:]
        finally:
            super().stop()


class Postgres(ClusterCase):
    def world(self, database, **config):
        world = PostgresWorld(self.cluster, database, **config)
        self.addCleanup(world.stop)
        return world

    def check(self, world, senders, campaign):
        for sender in senders:
            sender.finish()
        lost = {n for s in senders for n in s.acknowledged} - world.known()
        self.assertFalse(lost, "acknowledged and lost")
        world.drained()
        self.assertFalse(differences(world, senders, campaign))

    def test_a_message_becomes_a_touchpoint_and_a_daemon_that_is_killed_loses_nothing(self):
        world = self.world("killed", **FAST).start()
        campaign, records = load(world)
        senders = start_senders(world, campaign, records)
        for _ in range(2):
            acknowledged(senders, 10)
            world.daemon.kill()
            world.start_daemon()
        acknowledged(senders, 5)
        self.check(world, senders, campaign)

    def test_the_server_is_killed_under_load_and_nothing_acknowledged_is_lost(self):
        world = self.world("crashed", **FAST).start()
        campaign, records = load(world)
        senders = start_senders(world, campaign, records)
        for _ in range(2):
            acknowledged(senders, 10)
            self.cluster.kill()
            refused = sum(s.refused for s in senders)
            wait_for("messages to be refused", lambda: sum(s.refused for s in senders) > refused)
            self.cluster.start()
        acknowledged(senders, 10)
        self.check(world, senders, campaign)
        wait_for("the daemon to be ready again", lambda: world.ready()[0] == 200)

    def test_ten_daemons_start_at_once_on_an_empty_database(self):
        world = self.world("ten")
        world.start_org()
        for _ in range(10):
            world.start_node()
        wait_for("all to answer", lambda: all(world.node_answers(n) for n in world.nodes if n.alive()), 120)
        for node in world.nodes:
            self.assertTrue(node.alive(), node.text()[-2000:])
        self.assertEqual(world.query("SELECT count(*) FROM schema_version"), ["1"])

    def test_two_daemons_share_the_work_and_one_that_is_frozen_beyond_its_lease_does_no_harm(self):
        world = self.world("shared", **FAST).start()
        node = world.start_node()
        wait_for("the second daemon to answer", lambda: world.node_answers(node))
        campaign, records = load(world)
        senders = start_senders(world, campaign, records, ports=[world.port, node.port])
        acknowledged(senders, 10)
        world.daemon.child.send_signal(signal.SIGSTOP)
        # what it holds is taken over when its lease has run out; senders that meet it wait and come again
        wait_for("the other to claim alone", lambda: world.query(
            f"SELECT count(*) FROM campaign WHERE fence > 0 AND until > tp_now() AND owner LIKE '%:{world.daemon.child.pid}:%'") == ["0"])
        world.daemon.child.send_signal(signal.SIGCONT)
        acknowledged(senders, 5)
        self.check(world, senders, campaign)

    def test_the_newest_policy_is_everybodys(self):
        world = self.world("policies", **FAST).start()
        campaign, records = load(world, 20)
        fairs = [{"type": "Trade Show", "channel": "Fairs"}]
        paths = lambda: {r["Channel_Path__c"] for r in world.org.touchpoints(campaign)}  # noqa: E731
        for number, record in enumerate(records):
            self.assertEqual(world.post(message(notification(number + 1, record, "CampaignMember", CampaignId=campaign)))[0], 200)
        world.drained()
        self.assertEqual(paths(), {"Events.Trade Show"})
        node = world.start_node(channels=fairs)
        wait_for("the older policy to step back", lambda: "decides by a newer policy" in world.daemon.text())
        wait_for("everything to be decided anew", lambda: paths() == {"Fairs"})
        self.assertEqual(world.post(message(notification(1000, records[0], "CampaignMember", CampaignId=campaign)))[0], 200)
        world.drained()  # accepted here, decided there
        self.assertEqual(paths(), {"Fairs"})
        world.config["channels"] = fairs
        world.write_config()
        world.daemon.child.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: "reload" in world.daemon.text())
        node.terminate()
        world.nodes.remove(node)
        self.assertEqual(world.post(message(notification(1001, records[1], "CampaignMember", CampaignId=campaign)))[0], 200)
        world.drained()
        begun = world.daemon.text().count("a reconcile begins") + node.text().count("a reconcile begins")
        self.assertEqual(begun, 1)

    def test_a_server_that_may_lose_what_it_committed_is_refused_unless_the_configuration_says_so(self):
        self.cluster.query("CREATE DATABASE lax")
        self.cluster.query("ALTER DATABASE lax SET synchronous_commit = off")
        world = World(store={"url": self.cluster.url("lax")})
        self.addCleanup(world.stop)
        world.start_org()
        world.start_daemon(ready=False)
        self.assertNotEqual(world.daemon.child.wait(60), 0)
        self.assertIn("synchronous_commit = off", world.daemon.text())
        self.assertIn("store.allow_asynchronous_commit", world.daemon.text())
        world.config["store"]["allow_asynchronous_commit"] = True
        world.start_daemon()
        self.assertIn("store.allow_asynchronous_commit", world.daemon.text())

    def test_a_server_that_becomes_lax_under_a_daemon_gets_nothing_until_it_is_strict_again(self):
        def set_all(*settings):
            for text in ("RESET ALL", *(f"SET {s}" for s in settings)):
                self.cluster.query(f"ALTER SYSTEM {text}")
            self.cluster.query("SELECT pg_reload_conf()")

        def post():
            self.number += 1
            return world.post(message(notification(self.number, sfid("701", self.number), "Campaign")))[0]

        self.number = 0
        self.addCleanup(set_all)
        world = self.world("loosened").start()
        self.assertEqual(post(), 200)
        for settings, words in (
                (["synchronous_commit = off"], "synchronous_commit = off, so that a crash"),
                (["fsync = off"], "fsync = off, so that a crash"),
                (["synchronous_commit = local", "synchronous_standby_names = '*'"], "synchronous_commit = local beside a synchronous standby")):
            with self.subTest(words):
                set_all(*settings)
                wait_for("the daemon to see it", lambda: world.ready()[0] == 503)
                self.assertEqual(post(), 503)
                self.assertIn(words, world.daemon.text())
                set_all()
                wait_for("the daemon to be ready again", lambda: world.ready()[0] == 200)
                self.assertEqual(post(), 200)


if __name__ == "__main__":
    runner.main()
