"""Campaigns so large that they are written by bulk jobs: in few calls, through locks and failures, and over a kill in the middle."""
import time
import unittest

import runner
from harness import World, wait_for
from test_sync import ALL, EXCLUDE, SYNC, Case

MEMBERS = 22000      # beyond the 10,000 that are written by calls and the 10,000 more that a job must have
MEMBERS_READ = 27000 # beyond what is read by pages


class Bulk(Case):
    def load(self, world, members=MEMBERS):
        campaign = world.org.call("POST", "/sim/load", {"campaigns": 1, "members": members, "seed": 11, "responded": 0.5, "dated": 0.2, "emails": 1,
                                                        "sync_type": None, "type": "Trade Show"})["campaigns"][0]
        world.org.call("POST", "/sim/stats/reset")
        return campaign

    def written(self, world, operation, members=MEMBERS, limit_s=240):
        """Waits by the org's own count: asking for all rows again and again would keep it busy."""
        wait_for(f"{members} rows: {operation}", lambda: time.sleep(0.1) or world.org.stats()["rows"][operation] >= members, limit_s)
        self.drained(world)

    def settle(self, world, campaign, members=MEMBERS):
        self.written(world, "upsert_created", members)
        self.settled(world, campaign=campaign, limit_s=60)

    def test_a_large_campaign_is_switched_on_and_off_by_bulk_jobs(self):
        with World() as world:
            org = world.start().org
            campaign = self.load(world, MEMBERS_READ)
            # a lock on some rows: they go into another job, and in the end by calls
            org.fault("lock", "bulk_upsert", count=-1, probability=0.03)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settle(world, campaign, MEMBERS_READ)
            stats = org.stats()
            self.assertGreaterEqual(stats["bulk"]["ingest"]["complete"], 1)
            self.assertGreaterEqual(stats["bulk"]["query"]["complete"], 1)
            self.assertLess(stats["api"]["calls"], 70, stats["api"])
            created = world.rows("SELECT count(DISTINCT member_id), count(*) FROM ledger WHERE action = 'created' AND after_json <> ''")
            self.assertEqual(created, [(MEMBERS_READ, MEMBERS_READ)])
            self.assertEqual(world.rows("SELECT * FROM bulk_job"), [])
            org.heal()
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            self.written(world, "delete", MEMBERS_READ)
            self.assertEqual(org.touchpoints(campaign), [])
            self.assertEqual(org.stats()["rows"]["delete"], MEMBERS_READ)
            self.assertEqual(world.rows("SELECT count(*) FROM ledger WHERE action = 'deleted'"), [(MEMBERS_READ,)])

    def test_a_kill_in_the_middle_of_a_job_is_made_up_for(self):
        with World() as world:
            org = world.start().org
            campaign = self.load(world)
            org.fault("bulk_slow", "bulk_upsert", 100, count=-1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("a job at work", lambda: time.sleep(0.1) or org.stats()["rows"]["upsert_created"] > 11000, 120)
            world.daemon.kill()
            self.assertEqual(len(world.rows("SELECT * FROM bulk_job")), 1)
            world.start_daemon()
            org.heal()
            self.settle(world, campaign)
            wait_for("the job to be done with", lambda: not world.rows("SELECT * FROM bulk_job"))
            self.assertIn("a bulk job of a former pass has ended", world.daemon.text())
            self.assertEqual(org.stats()["rows"]["upsert_created"], MEMBERS, "the rows of the first job were not written twice")

    def test_a_job_whose_results_can_never_be_understood_is_given_up_and_holds_nobody(self):
        with World() as world:
            org = world.start().org
            campaign = self.load(world)
            other, _, _, _ = self.campaign(world, None)
            org.fault("bulk_unprocessed", "bulk_upsert", {"after_rows": 3000}, count=1)
            unreadable = org.fault("wrong_json", "bulk_successful", count=-1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            struck = lambda: time.sleep(0.1) or next(f["fired"] for f in org.call("GET", "/sim/faults")["faults"] if f["id"] == unreadable)
            wait_for("the results", lambda: struck() >= 2, 120)
            org.update("Campaign", {"Id": other, SYNC: ALL})
            self.settled(world, campaign=other, limit_s=30)
            self.assertEqual(world.ready()[1]["checks"]["orgs"][0]["status"], "ok")
            wait_for("the job to be given up", lambda: "a bulk job of a former pass is given up" in world.daemon.text(), 120)
            org.heal()
            self.settle(world, campaign)
            wait_for("an echo", lambda: world.rows("SELECT 1 FROM notification WHERE kind = 9"))
            self.assertEqual(world.rows("SELECT 1 FROM bulk_job"), [])

    def test_jobs_that_fail_are_begun_anew_and_orgs_without_bulk_are_served_by_calls(self):
        with World() as world:
            org = world.start().org
            campaign = self.load(world)
            org.fault("bulk_fail", "bulk_upsert", {"after_rows": 3000, "errorMessage": "InternalServerError : try again"}, count=1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settle(world, campaign)
            org.call("POST", "/sim/limits", {"used": 0, "limit": 100000, "bulk_batches": 0, "query_jobs": 0})
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            self.written(world, "delete")
            self.assertEqual(org.touchpoints(campaign), [])
            self.assertFalse(world.rows("SELECT 1 FROM notification WHERE state = 3"))


if __name__ == "__main__":
    runner.main()
