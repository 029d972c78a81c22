"""The write-back: each member is told whether it has a touchpoint or why not; only when that changes, and never for ever."""
import json
import unittest
from datetime import datetime, timedelta, timezone

import runner
from harness import DEFAULTS, World, wait_for
from oracle import Oracle, parse
from test_sync import ALL, EXCLUDE, RESPONDED, SYNC, Case

TEXT, DATE = "Touchpoint_Status__c", "Touchpoint_Status_Date__c"
CREATED = "Touchpoint Created"


class WritingWorld(World):
    """A world whose org is configured with write_back."""

    def __init__(self, **options):
        super().__init__(org_config={"write_back": True}, **options)


class WriteBack(Case):
    def told(self, world, campaign, oracle=None):
        """Waits until touchpoints and statuses are as the oracle says; else fails with the differences."""
        oracle = oracle or Oracle(DEFAULTS["channels"])
        self.settled(world, oracle, campaign)
        try:
            wait_for("the members to be told", lambda: not oracle.status_differences(world.org, campaign))
        except AssertionError:
            self.fail("\n".join(oracle.status_differences(world.org, campaign)[:20]))

    def statuses(self, world, campaign):
        return {m["Id"]: (m[TEXT], m[DATE]) for m in world.org.records("CampaignMember", f"CampaignId = '{campaign}'")}

    def updates(self, world):
        return world.org.stats()["rows"]["update"]

    def test_each_reason_is_told_in_words(self):
        with WritingWorld() as world:
            org = world.start().org
            before = datetime.now(timezone.utc)
            campaign, members, leads, _ = self.campaign(world)
            org.update("Lead", {"Id": leads[0], "Email": None})
            self.told(world, campaign)
            at = parse(org.records("CampaignMember", f"Id = '{members[1]}'")[0][DATE])
            self.assertTrue(before - timedelta(seconds=1) <= at <= datetime.now(timezone.utc) + timedelta(seconds=1), at)
            org.update("CampaignMember", {"Id": members[1], "Status": "Responded"},
                       {"Id": members[2], "Buyer_Touchpoint_Date__c": "2026-01-01T12:00:00Z"})
            for change in ({SYNC: RESPONDED}, {SYNC: EXCLUDE}, {SYNC: ALL, "Touchpoint_Start_Date__c": "2026-02-01"},
                           {"Touchpoint_Start_Date__c": None, "Touchpoint_End_Date__c": "2026-02-01"}, {SYNC: None}):
                org.update("Campaign", {"Id": campaign, **change})
                self.told(world, campaign)
            self.drained(world)
            self.assertEqual(world.rows("SELECT DISTINCT action FROM ledger WHERE action NOT IN ('created', 'updated', 'deleted')"), [])

    def test_the_loser_of_a_shared_email_is_told_so(self):
        with WritingWorld(policy={"dedupe": "email"}) as world:
            org = world.start().org
            campaign, _, leads, _ = self.campaign(world)
            org.update("Lead", {"Id": leads[2], "Email": "L1@x.example"})
            self.told(world, campaign, Oracle(DEFAULTS["channels"], dedupe="email"))
            self.assertEqual(sum("same email" in text for text, _ in self.statuses(world, campaign).values()), 1)

    def test_a_setting_taken_away_in_silence_is_told_by_the_reconcile(self):
        """A campaign without touchpoints and without a setting is no business of a reconcile, but for what its members are told."""
        with WritingWorld(worker={**DEFAULTS["worker"], "reconcile": "1s"}) as world:
            org = world.start().org
            campaign, _, _, _ = self.campaign(world, EXCLUDE)
            self.told(world, campaign)
            self.drained(world)
            org.outbound(objects={"Campaign": None, "CampaignMember": None, "Lead": None, "Contact": None})
            org.update("Campaign", {"Id": campaign, SYNC: None})
            self.told(world, campaign)
            self.assertTrue(all("is blank" in text for text, _ in self.statuses(world, campaign).values()))

    def test_what_did_not_change_is_not_written_again(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.told(world, campaign)
            self.drained(world)
            before, writes = self.statuses(world, campaign), self.updates(world)
            org.update("Campaign", {"Id": campaign, "Name": "renamed"})
            org.update("CampaignMember", {"Id": members[0], "Buyer_Touchpoint_Date__c": "2026-01-14T10:00:00Z"})
            self.settled(world, campaign=campaign)
            self.drained(world)
            self.assertEqual(self.statuses(world, campaign), before)
            self.assertEqual(self.updates(world), writes)
            self.assertEqual(world.metric("touchpoint_statuses_written_total", result="written"), writes)

    def test_its_own_messages_end_with_the_second_pass(self):
        with WritingWorld() as world:
            org = world.start().org
            # an org that has neither the flows' conditions nor a user without the permission
            org.call("POST", "/sim/permissions", {"send_outbound_messages": True})
            org.outbound(every_change=True)
            campaign, members, _, _ = self.campaign(world, None)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.told(world, campaign)
            self.drained(world)
            writes, sent = self.updates(world), org.stats()["outbound"]["notifications"]["queued"]
            org.update("CampaignMember", {"Id": members[0], "Status": "Responded"})
            org.update("Campaign", {"Id": campaign, SYNC: RESPONDED})
            self.told(world, campaign)
            self.drained(world)
            # four members were told anew, which the org reported back; the passes over those reports wrote nothing
            self.assertEqual(self.updates(world) - writes, 4)
            self.assertGreaterEqual(org.stats()["outbound"]["notifications"]["queued"] - sent, 2 + 4)
            self.assertEqual(world.rows("SELECT 1 FROM notification WHERE state <> 2"), [])

    def test_the_shipped_flows_are_silent_about_it_even_for_a_user_who_sends_messages(self):
        with WritingWorld() as world:
            org = world.start().org
            org.call("POST", "/sim/permissions", {"send_outbound_messages": True})
            campaign, _, _, _ = self.campaign(world, None)
            self.told(world, campaign)
            self.drained(world)
            sent = org.stats()["outbound"]["notifications"]["queued"]
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.told(world, campaign)
            self.drained(world)
            self.assertEqual(org.stats()["outbound"]["notifications"]["queued"] - sent, 1)  # the campaign's own

    def test_a_member_that_refuses_fails_nothing_and_is_told_later(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, None)
            self.told(world, campaign)
            self.drained(world)
            no = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "this member is frozen", "fields": [TEXT]}
            org.fault("row_error", "collections_update", no, row=members[0], count=-1)
            org.fault("lock", "collections_update", row=members[1], count=1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settled(world, campaign=campaign)
            wait_for("the others to be told", lambda: sum(t == CREATED for t, _ in self.statuses(world, campaign).values()) == 4)
            self.drained(world)
            self.assertNotEqual(self.statuses(world, campaign)[members[0]][0], CREATED)
            self.assertEqual(world.metric("touchpoint_statuses_written_total", result="refused"), 1)
            self.assertEqual(world.rows("SELECT 1 FROM notification WHERE state <> 2 OR code <> ''"), [])
            self.assertEqual(world.daemon.text().count("members refuse their touchpoint status"), 1)
            self.assertIn("this member is frozen", world.daemon.text())
            org.heal()
            org.update("CampaignMember", {"Id": members[0], "Status": "Responded"})
            self.told(world, campaign)

    def test_a_permission_that_every_member_lacks_stops_no_touchpoint(self):
        """The check of the schema names what the user lacks on the whole; a sharing rule or an approval shows only at the write."""
        with WritingWorld() as world:
            org = world.start().org
            no = {"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "no", "fields": []}
            org.fault("row_error", "collections_update", no, count=-1)
            campaign, _, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            self.drained(world)
            self.assertEqual({t for t, _ in self.statuses(world, campaign).values()}, {None})
            self.assertGreaterEqual(world.metric("touchpoint_statuses_written_total", result="refused"), 5)
            self.assertIn("INSUFFICIENT_ACCESS", world.daemon.text())
            self.assertEqual(world.ready()[1]["status"], "ok")
            org.heal()
            org.update("Campaign", {"Id": campaign, "Name": "again"})
            self.told(world, campaign)

    def test_a_touchpoint_that_could_not_be_written_is_not_told_as_created(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, None)
            self.drained(world)
            no = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no", "fields": []}
            org.fault("row_error", "collections_upsert", no, row=members[3], count=-1)
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("the others", lambda: sum(t == CREATED for t, _ in self.statuses(world, campaign).values()) == 4)
            wait_for("the row to fail", lambda: world.rows("SELECT 1 FROM notification WHERE state = 3"))
            self.assertNotEqual(self.statuses(world, campaign)[members[3]][0], CREATED)
            org.heal()
            org.update("Campaign", {"Id": campaign, "Name": "again"})
            self.told(world, campaign)

    def test_what_the_guard_holds_is_not_told_as_gone(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign, _, leads, _ = self.campaign(world, leads=120, contacts=0)
            self.told(world, campaign)
            self.drained(world)
            org.outbound(objects={"Lead": None})
            org.update("Lead", *({"Id": x, "Email": None} for x in leads))
            org.update("Campaign", {"Id": campaign, "Name": "again"})
            wait_for("the deletions to be held", lambda: world.rows("SELECT 1 FROM notification WHERE code = 'held' AND state = 2"))
            self.drained(world)
            self.assertEqual(len(org.touchpoints(campaign)), 120)
            self.assertEqual({t for t, _ in self.statuses(world, campaign).values()}, {CREATED})

    def test_nothing_is_told_while_the_budget_allows_only_deletions(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.told(world, campaign)
            self.drained(world)
            writes = self.updates(world)
            org.call("POST", "/sim/limits", {"used": 95000, "limit": 100000})
            org.update("Campaign", {"Id": campaign, "Name": "the daemon hears of it"})
            wait_for("the usage to be known", lambda: world.metric("touchpoint_org_api_used") >= 95000)
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            wait_for("the touchpoints to go", lambda: not org.touchpoints(campaign))
            wait_for("the rest to wait", lambda: world.rows("SELECT 1 FROM notification WHERE code = 'api_budget' AND state = 0"))
            self.assertEqual(self.updates(world), writes)
            org.call("POST", "/sim/limits", {"used": 100, "limit": 100000})
            other, _, _, _ = self.campaign(world, None)
            wait_for("the usage to be known", lambda: world.metric("touchpoint_org_api_used") < 95000)
            org.update("Campaign", {"Id": campaign, "Name": "once more"})
            self.told(world, campaign)

    def test_a_large_campaign_is_told_in_calls_of_a_thousand(self):
        with WritingWorld() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 10500, "seed": 11, "responded": 0.5, "dated": 0.2,
                                                      "emails": 1, "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            org.call("POST", "/sim/stats/reset")
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            wait_for("all to be told", lambda: self.updates(world) >= 10500, 120)
            self.drained(world)
            self.told(world, campaign)
            self.assertEqual(self.updates(world), 10500)
            self.assertLess(org.stats()["api"]["calls"], 60, org.stats()["api"])


if __name__ == "__main__":
    runner.main()
