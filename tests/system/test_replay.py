"""Failed messages as an admin meets them: seen, understood, mended in the org, replayed, done; discarded; and a kill in the middle."""
import json
import subprocess
import unittest

import runner
from harness import FLAVOUR, ROOT, World, message, notification, sfid, wait_for
from test_sync import Case

CODE = "FIELD_CUSTOM_VALIDATION_EXCEPTION"


class Admin(Case):
    def get(self, path, /, **query):
        status, answer = self.world.api(path, **query)
        self.assertEqual(status, 200, answer)
        return answer

    def post(self, path, body=None, want=200, **query):
        status, answer = self.world.api(path, "POST", body if body is not None else {}, **query)
        self.assertEqual(status, want, answer)
        return answer

    def pages(self, path, member, /, **query):
        items, after = [], None
        while True:
            page = self.get(path, after=after, **query)
            items += page[member]
            after = page["next"]
            if after is None:
                return items

    def ended(self, job, limit_s=60):
        """Waits for the job's end; the job."""
        return wait_for(f"job {job['id']} to end", lambda: (j := self.get(f"/jobs/{job['id']}"))["ended_at"] and j, limit_s)


class Replay(Admin):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def failed_campaign(self):
        """A campaign whose touchpoints the org's validation rule refuses."""
        org = self.world.org
        org.fault("row_error", "collections_upsert", {"statusCode": CODE, "message": "No touchpoints on Mondays", "fields": []}, count=-1)
        campaign, members, _, _ = self.campaign(self.world)
        org.flush()  # what comes later would fail after it was counted
        wait_for("the messages to fail", lambda: len(self.pages("/messages", "messages", state="failed", campaign=campaign)) >= 1
                 and not self.world.rows("SELECT 1 FROM notification WHERE state < 2 AND key = ?", campaign))
        return campaign, members

    def test_a_failed_message_is_understood_mended_and_replayed_once(self):
        org = self.world.org
        campaign, members = self.failed_campaign()
        failed = self.pages("/messages", "messages", state="failed", campaign=campaign)
        self.assertTrue(all(m["code"] == CODE and "No touchpoints on Mondays" in m["message"] for m in failed), failed)
        one = self.get(f"/messages/{failed[0]['id']}")
        self.assertIn("replay", one["what_to_do"])
        self.assertEqual((one["attempts"][0]["code"], one["attempts"][0]["result"]), (CODE, "failed"))
        failures = self.get("/status")["failures"]
        self.assertEqual([f["count"] for f in failures if f["code"] == CODE], [len(self.pages("/messages", "messages", state="failed", error=CODE))])
        self.assertEqual(org.touchpoints(campaign), [])

        org.heal()
        what = {"filter": {"state": "failed", "campaign": campaign}}
        dry = self.post("/messages/replay", {**what, "dry_run": True})
        self.assertEqual((dry["count"], dry["by_code"], dry["by_state"]), (len(failed), {CODE: len(failed)}, {"failed": len(failed)}))
        self.assertEqual(len(self.pages("/messages", "messages", state="failed", campaign=campaign)), len(failed), "a dry run does nothing")
        job = self.ended(self.post("/messages/replay", {**what, "reason": "the rule was mended"}, want=202))
        self.assertEqual((job["state"], job["total"], job["done"], job["changed"], job["skipped"]), ("done", len(failed), len(failed), len(failed), 0))
        self.assertEqual(job["reason"], "the rule was mended")
        self.settled(self.world, campaign=campaign)
        self.assertEqual(len(org.touchpoints(campaign)), len(members), "once")
        self.drained(self.world)  # the org is right before the work is written down
        after = self.get(f"/messages/{failed[0]['id']}")
        self.assertEqual((after["state"], after["replayed_by"]), ("done", job["id"]))
        causes = {x["cause"] for x in self.pages("/ledger", "ledger", campaign=campaign)}
        self.assertTrue(causes and all(c.startswith(f"replay:{job['id']}:") for c in causes), causes)

        # whatever it is now, a replay executes; the org is as it should be, so nothing is written
        before = org.stats()
        job = self.ended(self.post("/messages/replay", {"ids": [failed[0]["id"]] * 2}, want=202))
        self.assertEqual((job["total"], job["changed"]), (1, 1))
        wait_for("the pass", lambda: self.get(f"/messages/{failed[0]['id']}")["state"] == "done")
        self.assertNotEqual(before, org.stats(), "the org was asked")
        self.assertEqual(len(org.touchpoints(campaign)), len(members))

    def test_what_is_discarded_is_done_and_nothing_is_written(self):
        campaign, _ = self.failed_campaign()
        self.world.org.heal()
        failed = self.pages("/messages", "messages", state="failed", campaign=campaign)
        ids = [m["id"] for m in failed]
        for what in ({"ids": [*ids, 10**9, *ids]}, {"filter": {"campaign": campaign}}):
            dry = self.post("/messages/discard", {**what, "dry_run": True})
            self.assertEqual((dry["count"], dry["by_state"], dry["by_code"]), (len(ids), {"failed": len(ids)}, {CODE: len(ids)}))
        job = self.ended(self.post("/messages/discard", {"ids": [*ids, 10**9, *ids]}, want=202))  # each is counted once
        self.assertEqual((job["total"], job["changed"], job["skipped"]), (len(ids) + 1, len(ids), 1))
        one = self.get(f"/messages/{ids[0]}")
        self.assertEqual((one["state"], one["code"]), ("done", "discarded"))
        self.assertIn("discarded", one["what_to_do"])
        for what in ({"ids": ids}, {"filter": {"campaign": campaign}}):  # a dry run counts what would be discarded, not what is done already
            dry = self.post("/messages/discard", {**what, "dry_run": True})
            self.assertEqual((dry["count"], dry["by_state"], dry["by_object"]), (0, {}, {}))
            self.assertGreaterEqual(dry["skipped"], len(ids))
            self.assertGreaterEqual(self.post("/messages/replay", {**what, "dry_run": True})["count"], len(ids))
        self.assertEqual(self.world.org.touchpoints(campaign), [])

    def test_a_replay_of_many_campaigns_at_once(self):
        """Which are claimed together: each once, none forgotten (and the sanitizer sees what is not freed)."""
        org = self.world.org
        loaded = org.call("POST", "/sim/load", {"campaigns": 60, "members": 2, "seed": 8, "type": "Trade Show", "sync_type": None})["campaigns"]
        org.update("Campaign", *({"Id": c, "Name": f"told {i}"} for i, c in enumerate(loaded)))
        org.flush()
        self.drained(self.world)
        job = self.ended(self.post("/messages/replay", {"filter": {"object": "Campaign", "state": "done"}}, want=202))
        self.assertGreaterEqual(job["changed"], len(loaded))
        self.drained(self.world)
        replayed = {m["campaign"] for m in self.pages("/messages", "messages", object="Campaign") if m["replayed_by"] == job["id"] and m["state"] == "done"}
        self.assertLessEqual(set(loaded), replayed)

    def test_an_empty_filter_result_is_done_at_once_and_a_job_is_listed(self):
        job = self.ended(self.post("/messages/replay", {"filter": {"error": "NOBODY_HAS_THIS"}}, want=202))
        self.assertEqual((job["state"], job["total"], job["done"]), ("done", 0, 0))
        listed = self.pages("/jobs", "jobs", kind="replay", limit=1)
        self.assertIn(job["id"], [j["id"] for j in listed])
        self.assertEqual(listed, sorted(listed, key=lambda j: -j["id"]))
        status, problem = self.world.api(f"/jobs/{job['id']}/cancel", "POST", {})
        self.assertEqual((status, problem["title"]), (409, "Not in this state"))


class Commands(Admin):
    """The same by touchpointctl, as an admin's evening goes."""

    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    failed_campaign = Replay.failed_campaign

    def ctl(self, *words, status=0, input=None):
        program = [ROOT / "build" / FLAVOUR / "touchpointctl", "--url", f"http://127.0.0.1:{self.world.admin_port}",
                   "--token-file", self.world.folder / "admin.token", *words]
        done = subprocess.run([str(x) for x in program], capture_output=True, text=True, timeout=90, input=input or "")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_from_the_failure_to_the_touchpoint(self):
        org = self.world.org
        campaign, members = self.failed_campaign()
        text = self.ctl("messages", "--state", "failed", "--campaign", campaign)
        lines = text.splitlines()
        self.assertEqual(lines[0].split()[:3], ["MESSAGE", "STATE", "RECEIVED"])
        self.assertTrue(all(CODE in line and "No touchpoints" in line for line in lines[1:]), text)
        ids = self.ctl("messages", "--state=failed", "--campaign=" + campaign, "--ids").split()
        self.assertEqual(len(ids), len(lines) - 1)
        shown = self.ctl("show", ids[0])
        self.assertIn("what_to_do", shown)
        self.assertIn(CODE, shown)
        org.heal()
        self.assertIn(f"replay: {len(ids)} messages", self.ctl("replay", "--state", "failed", "--campaign", campaign, "--dry-run"))
        self.assertIn("--yes does it", self.ctl("replay", "--state", "failed", "--campaign", campaign, status=1))
        self.assertIn("--yes does it", self.ctl("replay", "-", input="\n".join(ids), status=1))
        self.assertEqual(len(self.pages("/messages", "messages", state="failed", campaign=campaign)), len(ids), "nothing was done")
        done = self.ctl("replay", "-", "--yes", "--wait", "--reason", "mended", input="\n".join(ids))
        self.assertRegex(done, rf"^job \d+: replay done, {len(ids)} done, {len(ids)} changed, 0 skipped, 0 failed\n$")
        self.settled(self.world, campaign=campaign)
        self.assertEqual(len(org.touchpoints(campaign)), len(members))
        self.drained(self.world)
        job = done.split()[1].rstrip(":")
        self.assertIn(f"replay:{job}:", self.ctl("ledger", "--campaign", campaign))
        self.assertIn("mended", self.ctl("job", job))
        self.assertIn(job, self.ctl("jobs", "--kind", "replay"))
        self.assertIn("cannot be cancelled", self.ctl("cancel", job, status=1))
        self.assertEqual(json.loads(self.ctl("jobs", "--kind", "replay", "--json"))["jobs"][0]["reason"], "mended")

    def test_the_other_commands(self):
        world = self.world
        campaign, members, _, _ = self.campaign(world)
        self.settled(world, campaign=campaign)
        self.drained(world)
        document = message(notification(800001, members[0], "CampaignMember", CampaignId=campaign))
        (world.folder / "message.xml").write_text(document)
        self.assertEqual(self.ctl("inject", world.folder / "message.xml"), "1 notifications stored, 0 known already\n")
        self.assertEqual(self.ctl("inject", "-", input=document), "0 notifications stored, 1 known already\n")
        self.assertIn("line 1", self.ctl("inject", "-", input="<a/>", status=1))
        world.post("<refused\x07/>")
        wait_for("the quarantine", lambda: "no documents" not in self.ctl("quarantine"))
        number = self.ctl("quarantine").splitlines()[1].split()[0]
        self.assertIn("<refused?/>", self.ctl("quarantine", number))
        self.assertIn("paused", self.ctl("pause", "ALL", "--reason", "tea"))
        self.assertIn("paused by an admin: tea", self.ctl("status"))
        self.assertIn("works", self.ctl("resume", "ALL"))
        self.assertIn(f"{len(members)} members", self.ctl("reconcile", campaign, "--dry-run"))
        self.assertIn("reconcile done", self.ctl("reconcile", campaign, "--wait"))
        self.assertIn("--yes does it", self.ctl("reconcile", "ALL", status=1))
        self.assertIn("reconcile done", self.ctl("reconcile", "ALL", "--yes", "--wait"))
        self.assertRegex(self.ctl("discard", "ALL", "--dry-run"), r"discard: \d+ messages")
        self.assertIn("1 ledger entries' values", self.ctl("forget", members[1], "--yes"))
        self.assertIn("--yes does it", self.ctl("forget", members[1], status=1))
        for words in (["replay"], ["replay", "ALL", "--state", "failed"], ["replay", "x"], ["replay", "--state"], ["messages", "more"],
                      ["messages", "--colour", "red"], ["messages", "--limit", "0"], ["discard", "-"], ["reconcile"], ["job", "x"], ["show"]):
            self.assertIn("touchpointctl: ", self.ctl(*words, status=2), words)
        self.assertIn("state is ready, leased", self.ctl("messages", "--state", "lost", status=1))


class Killed(Admin):
    def test_a_kill_in_the_middle_of_a_replay_loses_none_and_counts_each_once(self):
        count, org_paused = 8000, {"reason": "so that what is replayed stays to be counted"}
        with World(listen={"max_body": "4MiB"}) as world:
            self.world = world
            world.start()
            world.checked()
            self.post("/pause", org_paused)
            for start in range(0, count, 100):
                body = message(*(notification(k, sfid("003", k), "Contact") for k in range(start, start + 100)))
                self.assertEqual(world.post(body)[0], 200)
            job = self.ended(self.post("/messages/discard", {"filter": {"object": "Contact"}}, want=202))
            self.assertEqual((job["total"], job["changed"]), (count, count))

            job = self.post("/messages/replay", {"filter": {"state": "done", "object": "Contact"}}, want=202)
            moved = lambda: world.rows("SELECT done FROM job WHERE id = ?", job["id"])[0][0]  # noqa: E731
            wait_for("some to be replayed", lambda: moved() >= 1000)
            world.daemon.kill()
            at_kill = moved()
            self.assertLess(at_kill, count, "the kill was in the middle")
            self.assertEqual(world.rows("SELECT count(*) FROM notification WHERE replayed_by = ?", job["id"])[0][0], at_kill)
            world.start_daemon()
            job = self.ended(job)
            self.assertEqual((job["state"], job["total"], job["done"], job["changed"], job["skipped"]), ("done", count, count, count, 0))
            self.assertEqual(world.rows("SELECT count(*) FROM notification WHERE replayed_by = ? AND state = 0", job["id"])[0][0], count)
            self.assertEqual(self.ready_org()["paused"], True, "the pause is durable")

            self.post("/resume")
            wait_for("all to be executed", lambda: world.rows(
                "SELECT count(*) FROM notification WHERE replayed_by = ? AND state = 2 AND code IS NULL", job["id"])[0][0] == count, 120)

    def ready_org(self):
        return self.world.ready()[1]["checks"]["orgs"][0]


if __name__ == "__main__":
    runner.main()
