"""The org misbehaves, the daemon is killed: nothing acknowledged is lost, and the org ends as the rules want it."""
import json
import random
import socket
import ssl
import threading
import time
import unittest

import runner
from crowd import Crowd
from harness import ADMIN_TOKEN, DEFAULTS, PATH, World, message, notification, sfid, wait_for
from oracle import Oracle
from test_sync import ALL, EXCLUDE, RESPONDED, SYNC, Case


class OrgFaults(Case):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def tearDown(self):
        self.world.org.heal()
        self.world.org.call("POST", "/sim/permissions", {})
        self.world.org.call("POST", "/sim/user", {"org_id": None})

    def failed(self):
        return self.world.rows("SELECT notification_id, code FROM notification WHERE state = 3")

    def test_every_fault_once_at_every_call_heals_by_itself(self):
        org = self.world.org
        campaign, _, _, _ = self.campaign(self.world, EXCLUDE)
        self.settled(self.world, campaign=campaign)
        kinds = [("reset", None), ("lost_reply", None), ("status", 500), ("status", 503), ("status", 420), ("status", 429), ("html", 503),
                 ("html", 200), ("truncated", None), ("truncated", "connection"), ("wrong_json", None), ("limit_concurrent", None),
                 ("expire_token", None), ("lock", None)]
        settings = [ALL, EXCLUDE]
        for number, (kind, value) in enumerate(kinds):
            for operation in ("query", "composite") if kind != "lock" else ("collections_upsert",):
                org.fault(kind, operation, value, count=1)
                org.update("Campaign", {"Id": campaign, SYNC: settings[0]})
                self.settled(self.world, campaign=campaign)
                settings.reverse()
                org.heal()
        self.drained(self.world)
        self.settled(self.world, campaign=campaign)
        self.assertEqual(self.failed(), [])

    def test_one_wrong_row_fails_alone_and_says_why(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world, None)
        org.fault("row_error", "collections_upsert", {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No touchpoints on Mondays",
                                                      "fields": ["Email__c"]}, row=members[1], count=-1)
        org.update("Campaign", {"Id": campaign, SYNC: ALL})
        wait_for("the other rows", lambda: len(org.touchpoints(campaign)) == 4)
        wait_for("the failure to be recorded", lambda: self.world.rows(
            "SELECT 1 FROM notification WHERE state = 3 AND record_id = ? AND code = 'FIELD_CUSTOM_VALIDATION_EXCEPTION'", members[1]))
        text = self.world.rows("SELECT message FROM notification WHERE state = 3 AND record_id = ?", members[1])[0][0]
        self.assertIn("No touchpoints on Mondays", text)
        self.assertIn("Email__c", text)
        org.heal()
        org.update("CampaignMember", {"Id": members[1], "Status": "Responded"})
        self.settled(self.world, campaign=campaign)

    def test_lost_sharing_deletes_nothing(self):
        org = self.world.org
        campaign, _, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.call("POST", "/sim/permissions", {"hide_members": True, "no_view_all": ["Campaign"]})
        org.update("Campaign", {"Id": campaign, "Name": "unseen"})
        self.drained(self.world)
        self.assertEqual(len(org.touchpoints(campaign)), 5)

    def test_a_campaign_that_is_hidden_while_its_members_are_not_is_left_alone(self):
        org = self.world.org
        campaign, _, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        org.call("POST", "/sim/permissions", {"hide": ["Campaign"], "no_view_all": ["Campaign"]})
        org.call("POST", "/sim/stats/reset")
        org.update("Campaign", {"Id": campaign, "Name": "hidden"})
        self.drained(self.world)
        self.assertIn("their campaign can't be seen", self.world.daemon.text())
        self.assertEqual(len(org.touchpoints(campaign)), 5)
        self.assertLess(org.stats()["api"]["calls"], 20)
        org.call("POST", "/sim/permissions", {})
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        self.settled(self.world, campaign=campaign)

    def test_people_who_are_no_longer_shared_lose_no_touchpoint(self):
        org = self.world.org
        campaign, members, leads, contacts = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.call("POST", "/sim/permissions", {"hide": ["Lead", "Contact"], "no_view_all": ["Lead", "Contact"]})
        org.update("Campaign", {"Id": campaign, "Name": "their people are unseen"})
        org.update("Lead", {"Id": leads[0], "LastName": "unseen"})
        org.update("CampaignMember", {"Id": members[-1], "Status": "Responded"})
        self.drained(self.world)
        self.assertEqual(len(org.touchpoints(campaign)), 5)
        self.assertIn("not shared with the integration user", self.world.daemon.text())
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        wait_for("what needs nobody to be seen", lambda: not org.touchpoints(campaign))
        org.call("POST", "/sim/permissions", {})
        org.update("Campaign", {"Id": campaign, SYNC: ALL})
        self.settled(self.world, campaign=campaign)

    def test_a_token_for_another_org_stops_all_work(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.call("POST", "/sim/user", {"org_id": "00D000000000099"})
        org.call("POST", "/sim/tokens/revoke")
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        wait_for("readiness to say so", lambda: self.world.ready()[1]["checks"]["orgs"][0]["stopped"])
        status, ready = self.world.ready()
        self.assertEqual((status, ready["status"]), (200, "degraded"))
        self.assertIn("00D000000000099", ready["checks"]["orgs"][0]["problem"])
        self.assertEqual(len(org.touchpoints(campaign)), 5)

    def test_metrics_and_logs_hold_no_secret(self):
        text = self.world.daemon.text() + self.world.admin("/metrics")[1] + self.world.admin("/readyz")[1]
        for secret in ("s3cret-of-the-app", "t0ken-of-the-admin", "PRIVATE KEY", "Bearer "):
            self.assertNotIn(secret, text)


class WholeOrg(Case):
    def test_an_org_that_cannot_be_reached_holds_the_work_and_loses_none(self):
        with World() as world:
            world.start()
            campaign, members, _, _ = self.campaign(world, None)
            self.drained(world)
            world.org.fault("status", "*", 503, count=-1)
            world.org.update("Campaign", {"Id": campaign, SYNC: ALL})
            world.org.flush()
            wait_for("readiness to say so", lambda: world.ready()[1]["status"] == "degraded")
            self.assertEqual(world.ready()[0], 200)
            tries = world.rows("SELECT max(tries) FROM notification WHERE state IN (0, 1)")[0][0]
            self.assertLessEqual(tries, 1, "a failure of the org as a whole consumes no try")
            world.org.heal()
            self.settled(world, campaign=campaign)

    def test_maintenance_holds_the_work_and_consumes_no_try(self):
        with World() as world:
            world.start()
            campaign, _, _, _ = self.campaign(world, None)
            self.drained(world)
            world.org.fault("row_error", "collections_upsert", {"statusCode": "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
                                                                "message": "maintenance"}, count=-1)
            world.org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("a few tries", lambda: world.org.stats()["rows"]["failed"] >= 15)
            self.assertLessEqual(world.rows("SELECT max(tries) FROM notification WHERE state IN (0, 1)")[0][0], 1)
            self.assertEqual(world.ready()[1]["status"], "degraded")
            world.org.heal()
            self.settled(world, campaign=campaign)

    def test_a_campaign_that_refuses_all_its_rows_slows_no_other(self):
        for code in ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "INSUFFICIENT_ACCESS_OR_READONLY"):
            with self.subTest(code):
                self.refuse_all_rows(code)

    def refuse_all_rows(self, code):
        with World() as world:
            org = world.start().org
            bad, members, _, _ = self.campaign(world, None)
            good = [self.campaign(world, None)[0] for _ in range(10)]
            self.drained(world)
            for member in members:
                org.fault("row_error", "collections_upsert", {"statusCode": code, "message": "no"}, row=member, count=-1)
            org.update("Campaign", {"Id": bad, SYNC: ALL})
            wait_for("its refusal", lambda: org.stats()["rows"]["failed"] >= 5)
            for campaign in good:
                org.update("Campaign", {"Id": campaign, SYNC: ALL})
                self.settled(world, campaign=campaign, limit_s=20)
            self.assertFalse(world.ready()[1]["checks"]["orgs"][0]["stopped"])
            org.heal()
            self.settled(world, campaign=bad)

    def test_what_passes_soon_or_never_has_few_tries(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, None)
            self.drained(world)
            org.fault("row_error", "collections_upsert", {"statusCode": "UNKNOWN_EXCEPTION", "message": "gack"}, row=members[1], count=-1)
            org.update("CampaignMember", {"Id": members[1], "Status": "Responded"})
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the others", lambda: len(org.touchpoints(campaign)) == 4)
            self.assertEqual(wait_for("the end", lambda: world.rows("SELECT tries FROM notification WHERE state = 3 AND code = 'UNKNOWN_EXCEPTION'")), [(5,)])
            org.heal()
            org.update("CampaignMember", {"Id": members[1], "Status": "Sent"})  # another value, or the flows tell nobody
            self.settled(world, campaign=campaign)

    def test_a_row_about_someone_hidden_since_the_read_is_read_again_and_has_few_tries(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, None)
            self.drained(world)
            hidden = {"statusCode": "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "message": "insufficient access rights on cross-reference id"}
            org.fault("row_error", "collections_upsert", hidden, row=members[1], count=2)
            for member in members[3:]:  # two, so that tries at which nothing but refused rows is written fail neither the campaign nor each other
                org.fault("row_error", "collections_upsert", hidden, row=member, count=-1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the others", lambda: len(org.touchpoints(campaign)) == 3)
            failed = "SELECT record_id, tries, code, message FROM notification WHERE state = 3 ORDER BY record_id"
            wait_for("the end", lambda: len(world.rows(failed)) == 2)
            self.assertEqual([row[:3] for row in world.rows(failed)], [(x, 5, hidden["statusCode"]) for x in sorted(members[3:])])
            self.assertIn("the integration user may not see or edit the campaign, lead or contact", world.rows(failed)[0][3])
            org.heal()
            org.update("CampaignMember", *({"Id": x, "Status": "Responded"} for x in members[3:]))
            self.settled(world, campaign=campaign)

    def test_a_campaign_that_cannot_be_read_slows_no_other(self):
        for fault in ({"status": 400, "errorCode": "QUERY_TIMEOUT", "message": "too long"}, {"status": 500, "errorCode": "UNKNOWN_EXCEPTION", "message": "?"}):
            with self.subTest(fault["errorCode"]), World() as world:
                org = world.start().org
                bad, _, _, _ = self.campaign(world, None)
                good = [self.campaign(world, None)[0] for _ in range(10)]
                self.drained(world)
                number = org.fault("status", "query", fault, path=bad, count=-1)
                org.update("Campaign", {"Id": bad, SYNC: ALL})
                wait_for("a few failures", lambda n=number: any(
                    x["id"] == n and x["fired"] >= 3 for x in org.call("GET", "/sim/faults")["faults"]))
                org.update("Campaign", *({"Id": x, SYNC: ALL} for x in good))
                for campaign in good:
                    self.settled(world, campaign=campaign, limit_s=30)
                org.heal()
                org.update("Campaign", {"Id": bad, "Name": "a new reason to look"})
                self.settled(world, campaign=bad)

    def test_a_helper_record_that_may_not_be_deleted_stops_no_work(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            org.call("POST", "/sim/permissions", {"no_delete": ["Campaign_Member_Deletion__c"]})
            org.delete("CampaignMember", members[0])
            self.drained(world)
            self.settled(world, campaign=campaign)
            self.assertIn("deletion helper records stay in the org", world.daemon.text())
            self.assertFalse(world.ready()[1]["checks"]["orgs"][0]["stopped"])

    def load_of_refused(self, world, code):
        """More rows than are remembered one by one, all refused; the campaign."""
        org = world.start().org
        campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 1100, "seed": 5, "emails": 1, "sync_type": None,
                                                  "type": "Trade Show"})["campaigns"][0]
        org.fault("row_error", "collections_upsert", {"statusCode": code, "message": "no"}, count=-1)
        org.update("Campaign", {"Id": campaign, SYNC: ALL})
        return campaign

    def test_very_many_wrong_rows_are_told_by_their_campaign_once(self):
        with World() as world:
            campaign = self.load_of_refused(world, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
            wait_for("the failure", lambda: world.rows(
                "SELECT 1 FROM notification WHERE state = 3 AND record_id = ? AND code = 'FIELD_CUSTOM_VALIDATION_EXCEPTION'", campaign))
            self.assertEqual(world.rows("SELECT count(*) FROM notification WHERE state IN (0, 1)"), [(0,)])
            self.assertEqual(world.org.stats()["rows"]["failed"], 1100)
            world.org.heal()
            world.org.update("Campaign", {"Id": campaign, "Name": "a new reason to look"})
            self.settled(world, campaign=campaign)

    def test_very_many_locked_rows_are_tried_again_by_their_campaign_and_counted(self):
        with World() as world:
            campaign = self.load_of_refused(world, "UNABLE_TO_LOCK_ROW")
            wait_for("the third try", lambda: world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND tries >= 3"))
            self.assertEqual(world.rows("SELECT count(*) FROM notification WHERE state IN (0, 1)"), [(1,)])
            world.org.heal()
            self.settled(world, campaign=campaign)

    def test_rows_that_failed_together_are_tried_again_together(self):
        with World() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 300, "seed": 5, "emails": 1, "sync_type": None,
                                                      "type": "Trade Show"})["campaigns"][0]
            world.checked()
            org.fault("lock", "collections_upsert", count=-1)
            org.call("POST", "/sim/stats/reset")
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the fourth try", lambda: world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND tries >= 4"))
            self.assertLessEqual(org.stats()["api"]["calls"], 40, org.stats()["api"])
            org.heal()
            self.settled(world, campaign=campaign)

    def test_many_deletions_without_a_reason_are_held_until_approved(self):
        with World() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 300, "seed": 5, "contacts": 0, "emails": 1,
                                                      "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settled(world, campaign=campaign)
            self.drained(world)
            org.outbound(objects={"Lead": None})
            leads = org.records("Lead")
            org.update("Lead", *({"Id": x["Id"], "Email": None} for x in leads[:200]))
            org.update("Campaign", {"Id": campaign, "Name": "nobody changed a setting"})
            token = ADMIN_TOKEN
            jobs = wait_for("the pass to be held", lambda: json.loads(world.admin("/api/v1/jobs", token=token)[1])["jobs"])
            self.assertEqual((jobs[0]["would_delete"], jobs[0]["existing"], jobs[0]["campaign"]), (200, 300, campaign))
            self.assertEqual(len(org.touchpoints(campaign)), 300)
            self.assertEqual(world.ready()[1]["status"], "degraded")
            self.assertEqual(world.admin(f"/api/v1/jobs/{jobs[0]['id']}/approve", "POST", token)[0], 200)
            self.settled(world, campaign=campaign)
            wait_for("the job to be over", lambda: json.loads(world.admin("/api/v1/jobs", token=token)[1])["jobs"] == [])
            org.update("Campaign", {"Id": campaign, SYNC: None})
            self.settled(world, campaign=campaign)

    def test_an_answer_after_the_write_was_done_makes_no_double_and_an_echo(self):
        with World() as world:
            org = world.start().org
            campaign, _, _, _ = self.campaign(world, None)
            self.drained(world)
            org.fault("lost_reply", "composite", count=1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settled(world, campaign=campaign)
            wait_for("the echo to have run", lambda: world.rows("SELECT 1 FROM notification WHERE kind = 9 AND state = 2"))
            self.assertEqual(len(org.touchpoints(campaign)), 5)

    def test_a_write_carried_out_long_after_its_time_out_is_healed_by_the_echo(self):
        with World(worker={**DEFAULTS["worker"], "lease": "4s", "request_timeout": "1s", "echo": "5s"}) as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, None)
            self.drained(world)
            org.fault("late", "composite", 3000, count=1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the write to be under way", lambda: world.rows("SELECT 1 FROM notification WHERE state = 1") or org.stats()["faults"]["fired"])
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            time.sleep(3.5)  # the late write's own time: the fault's latency, not luck
            self.drained(world)
            self.settled(world, campaign=campaign)


class Killed(Case):
    ROUNDS = 12

    def test_kill_9_in_a_loop_loses_nothing_that_was_acknowledged(self):
        seed = 4711
        dice = random.Random(seed)
        acked, stop = [], threading.Event()
        with World() as world:
            org = world.start().org
            org.call("POST", "/sim/latency", {"ms": 5})
            org.outbound(duplicate=0.1, reorder=True, seed=seed)
            campaigns = [self.campaign(world, dice.choice((ALL, RESPONDED)), 6, 4) for _ in range(6)]
            poster = threading.Thread(target=self.post_for_ever, args=(world, campaigns, acked, stop))
            poster.start()
            try:
                for _ in range(self.ROUNDS):
                    end = time.monotonic() + dice.uniform(0.05, 0.8)
                    while time.monotonic() < end:
                        campaign, members, leads, contacts = dice.choice(campaigns)
                        self.change(dice, org, campaign, members, leads, contacts)
                    world.daemon.kill()
                    world.start_daemon()
            finally:
                stop.set()
                poster.join()
            self.drained(world)
            self.settled(world)
            have = {r[0] for r in world.rows("SELECT notification_id FROM notification")}
            self.assertEqual([n for n in acked if sfid("04l", n) not in have], [], "acknowledged and lost")
            self.assertGreater(len(acked), 20)
            self.assertEqual(world.rows("SELECT count(*) FROM notification WHERE state NOT IN (2)")[0][0], 0)

    def test_kill_9_under_a_crowd_loses_nothing_that_was_acknowledged(self):
        dice, told = random.Random(47), 0
        with World() as world:
            world.start()
            with Crowd(world, 50_000_000) as crowd:
                for _ in range(self.ROUNDS):
                    before = len(crowd.acknowledged)
                    wait_for("messages to be taken", lambda: len(crowd.acknowledged) > before + 100)
                    time.sleep(dice.uniform(0, 0.3))  # the moment of the kill
                    world.daemon.kill()
                    world.start_daemon()
                    told += "just before the last stop" in world.daemon.text()
            self.assertEqual(world.daemon.terminate(), 0)
            self.assertEqual(crowd.missing(), [], "acknowledged and lost")
            self.assertGreater(told, 0, "never was anything in the intake log")

    @staticmethod
    def change(dice, org, campaign, members, leads, contacts):
        member = dice.choice(members)
        dice.choice([
            lambda: org.update("Campaign", {"Id": campaign, SYNC: dice.choice((ALL, RESPONDED, EXCLUDE, None))}),
            lambda: org.update("CampaignMember", {"Id": member, "Status": dice.choice(("Sent", "Responded"))}),
            lambda: org.update("CampaignMember", {"Id": member, "Buyer_Touchpoint_Date__c": f"2026-01-{dice.randint(1, 28):02}T10:00:00Z"}),
            lambda: org.update("Lead", {"Id": dice.choice(leads), "Email": dice.choice((None, "a@x.example"))}),
            lambda: org.update("Contact", {"Id": dice.choice(contacts), "Email": dice.choice((None, "b@x.example"))}),
        ])()

    @staticmethod
    def post_for_ever(world, campaigns, acked, stop):
        """A sender of our own beside orgsim's: remembers outside the daemon what was acknowledged."""
        context = ssl.create_default_context(cafile=str(world.ca))
        number = 5000000
        while not stop.is_set():
            number += 1
            campaign, members, _, _ = campaigns[number % len(campaigns)]
            body = message(notification(number, members[number % len(members)], "CampaignMember", CampaignId=campaign)).encode()
            try:
                raw = socket.create_connection(("127.0.0.1", world.port), timeout=10)
                with context.wrap_socket(raw, server_hostname="localhost") as tls:
                    tls.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
                                % (PATH.encode(), len(body), body))
                    if tls.recv(4096).startswith(b"HTTP/1.1 200"):
                        acked.append(number)
            except OSError:
                stop.wait(0.01)


if __name__ == "__main__":
    runner.main()
