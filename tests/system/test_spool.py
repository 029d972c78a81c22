"""No space in /var/tmp for the rows of a large campaign: it waits, longer each time, and says so; others go on.

The daemon runs in a mount namespace of its own (unshare -Urm, no root needed) with a small tmpfs on /var/tmp, which the test fills through
/proc/PID/root.
"""
import pathlib
import time
import unittest

import runner
from harness import FLAVOUR, ROOT, Process, World, wait_for
from test_disk import MIB, works
from test_sync import ALL, EXCLUDE, SYNC, Case

MEMBERS = 11000  # so that the deletions go by a job


class SpoolWorld(World):
    def start_daemon(self, ready=True):
        daemon = ROOT / "build" / FLAVOUR / "touchpointd"
        script = f'mount -t tmpfs -o size=4m touchpointd /var/tmp && exec "{daemon}" --config "{self.write_config()}"'
        self.daemon = Process("touchpointd", ["unshare", "-Urm", "sh", "-c", script], self.folder)
        wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
        self.ballast = pathlib.Path(f"/proc/{self.daemon.child.pid}/root/var/tmp/ballast")
        return self.daemon

    def fill(self):
        try:
            with open(self.ballast, "wb", buffering=0) as f:
                while True:
                    f.write(bytes(MIB // 16))
        except OSError:
            pass

    def workers(self):
        return self.ready()[1]["checks"]["workers"]


@unittest.skipUnless(works(), "this system allows no mount namespaces to who is not root")
class FullSpool(Case):
    def test_a_campaign_whose_rows_find_no_space_waits_longer_each_time_and_slows_no_other(self):
        with SpoolWorld() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": MEMBERS, "seed": 11, "emails": 1, "sync_type": None,
                                                      "type": "Trade Show"})["campaigns"][0]
            other, _, _, _ = self.campaign(world, None)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the touchpoints", lambda: time.sleep(0.1) or org.stats()["rows"]["upsert_created"] >= MEMBERS, 120)
            self.drained(world)
            world.fill()
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            failures = lambda: time.sleep(0.1) or world.daemon.text().count("campaign pass ended early")
            wait_for("the first failure", failures)
            problem = wait_for("readiness to say so", lambda: (w := world.workers())["status"] == "degraded" and w)
            self.assertIn("/var/tmp", problem["problem"])
            self.assertEqual(problem["campaigns_waiting"], 1)
            org.update("Campaign", {"Id": other, SYNC: ALL}, {"Id": campaign, "Name": "asked for again, and not read for it"})
            self.settled(world, campaign=other, limit_s=30)
            wait_for("the second failure", lambda: failures() >= 2)
            waits = world.rows("SELECT max(due_at - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), max(tries) "
                               "FROM notification WHERE key = ? AND state IN (0, 1) AND kind <> 9", campaign)[0]
            self.assertGreater(waits[0], 4000)
            self.assertLessEqual(waits[1], 1, "it is not the row's fault")
            self.assertEqual(org.stats()["rows"]["delete"], 0)
            world.ballast.unlink()
            wait_for("the deletions", lambda: time.sleep(0.1) or org.stats()["rows"]["delete"] >= MEMBERS, 120)
            self.drained(world)
            self.assertEqual(org.touchpoints(campaign), [])
            self.assertEqual(world.workers()["status"], "ok")


if __name__ == "__main__":
    runner.main()
