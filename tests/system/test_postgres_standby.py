#!/usr/bin/env python3
"""PostgreSQL with a synchronous standby: its promotion loses nothing that was acknowledged, and without it nothing is acknowledged."""
import time
import unittest

import runner
from harness import World, wait_for
from senders import Cluster, FAST, acknowledged, differences, load, start_senders


class Standby(unittest.TestCase):
    """A primary with a synchronous standby; the daemon knows both."""

    def setUp(self):
        self.primary = Cluster()
        self.addCleanup(self.primary.remove)
        self.primary.query("CREATE DATABASE queue")
        self.standby = Cluster(copy_of=self.primary, settings=["synchronous_standby_names = ''"])
        self.addCleanup(self.standby.remove)
        self.primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.query("SELECT pg_reload_conf()")
        wait_for("the standby to be synchronous", lambda: self.primary.query("SELECT sync_state FROM pg_stat_replication") == ["sync"])
        hosts = ",".join(f"{str(c.dir).replace('/', '%2F')}:{c.port}" for c in (self.primary, self.standby))
        self.world = World(store={"url": f"postgresql://postgres@{hosts}/queue"}, **FAST)
        self.addCleanup(self.world.stop)
        self.world.start()

    def known(self):
        return set(self.standby.query("SELECT notification_id FROM notification", "queue"))

    def senders(self):
        self.campaign, records = load(self.world)
        return start_senders(self.world, self.campaign, records)

    def test_its_promotion_loses_nothing_acknowledged(self):
        senders = self.senders()
        acknowledged(senders, 10)
        self.primary.kill()
        self.standby.query("SELECT pg_promote()")
        acknowledged(senders, 10)  # by the new primary, without a restart
        for sender in senders:
            sender.finish()
        self.assertFalse({n for s in senders for n in s.acknowledged} - self.known())
        wait_for("the queue to be empty", lambda: self.standby.query(
            "SELECT count(*) FROM notification WHERE state = 1 OR state = 0 AND due_at < tp_now() + 30000", "queue") == ["0"], 120)
        self.assertFalse(differences(self.world, senders, self.campaign))

    def test_without_it_nothing_is_acknowledged(self):
        senders = self.senders()
        acknowledged(senders, 5)
        self.standby.kill()
        refused = sum(s.refused for s in senders)
        wait_for("messages to be refused", lambda: sum(s.refused for s in senders) > refused)
        told = [len(s.acknowledged) for s in senders]
        time.sleep(1)
        self.assertEqual([len(s.acknowledged) for s in senders], told)
        # sessions that nobody waits for any more don't pile up
        wait_for("the server to be told so", lambda: "canceling wait for synchronous replication" in self.primary.log.read_text())
        self.standby.start()
        acknowledged(senders, 5)
        for sender in senders:
            sender.finish()
        wait_for("the standby to have it all", lambda: not {n for s in senders for n in s.acknowledged} - self.known())


if __name__ == "__main__":
    runner.main()
