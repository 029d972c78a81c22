"""From a change in the org to the touchpoint, through the whole daemon, compared with the oracle."""
import json
import random
import time
import unittest

import runner
from harness import DEFAULTS, ORG_ID, World, message, notification, sfid, wait_for
from oracle import Oracle

ALL, RESPONDED, EXCLUDE = (
    "Include all Campaign Members", 'Include only "Responded" Campaign Members', "Exclude all Campaign Members",
)
SYNC = "Enable_Buyer_Touchpoints__c"
GAP = 8  # the kind of row that an empty sObject makes (store.h)


class Case(unittest.TestCase):
    def settled(self, world, oracle=None, campaign=None, limit_s=60):
        """Waits until the org is as the oracle says; else fails with the differences."""
        oracle = oracle or Oracle(DEFAULTS["channels"])
        try:
            wait_for("the org to be as it must be", lambda: not oracle.differences(world.org, campaign), limit_s)
        except AssertionError:
            self.fail("\n".join(oracle.differences(world.org, campaign)[:20]))

    def drained(self, world):
        """Waits until every message is acknowledged and no work is left but what waits for its time."""
        world.org.flush()
        wait_for("the queue to be empty", lambda: not world.rows(
            "SELECT 1 FROM notification WHERE state = 1 OR state = 0 AND due_at < ? LIMIT 1", (time.time() + 30) * 1000))

    def campaign(self, world, setting=ALL, leads=3, contacts=2, **fields):
        org = world.org
        people = org.create("Lead", *({"LastName": f"L{i}", "Company": "c", "Email": f"l{i}@x.example"} for i in range(leads))) if leads else []
        humans = org.create("Contact", *({"LastName": f"C{i}", "Email": f"c{i}@x.example"} for i in range(contacts))) if contacts else []
        campaign = org.create("Campaign", {"Name": "Expo", "Type": "Trade Show", SYNC: setting, **fields})[0]
        members = org.create("CampaignMember", *(
            [{"CampaignId": campaign, "LeadId": x} for x in people] + [{"CampaignId": campaign, "ContactId": x} for x in humans]))
        return campaign, members, people, humans


class Events(Case):
    """Every event of the rules' table, one after the other in one world."""

    @classmethod
    def setUpClass(cls):
        cls.world = World().start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def test_settings_and_statuses(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world, None)
        for setting in (ALL, RESPONDED, ALL, EXCLUDE, RESPONDED, None, ALL):
            org.update("Campaign", {"Id": campaign, SYNC: setting})
            self.settled(self.world, campaign=campaign)
        org.update("Campaign", {"Id": campaign, SYNC: RESPONDED})
        org.update("CampaignMember", {"Id": members[0], "Status": "Responded"})
        self.settled(self.world, campaign=campaign)
        self.assertEqual(len(org.touchpoints(campaign)), 1)
        org.update("CampaignMember", {"Id": members[0], "Status": "Sent"})
        self.settled(self.world, campaign=campaign)
        self.assertEqual(len(org.touchpoints(campaign)), 0)

    def test_dates_window_type_and_name(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        org.update("CampaignMember", {"Id": members[0], "Buyer_Touchpoint_Date__c": "2026-03-29T00:30:00Z"})
        self.settled(self.world, campaign=campaign)
        keep = {r["Id"] for r in org.touchpoints(campaign)}
        for change in ({"Touchpoint_Start_Date__c": "2026-03-29"}, {"Touchpoint_End_Date__c": "2026-03-30"},
                       {"Touchpoint_Start_Date__c": None, "Touchpoint_End_Date__c": None}):
            org.update("Campaign", {"Id": campaign, **change})
            self.settled(self.world, campaign=campaign)
        keep = {r["Id"] for r in org.touchpoints(campaign)}
        for change in ({"Type": "Online Ads"}, {"Type": None}, {"Type": "Webinar Spring"}, {"Name": "Renamed — Café"}):
            org.update("Campaign", {"Id": campaign, **change})
            self.settled(self.world, campaign=campaign)
        self.assertEqual({r["Id"] for r in org.touchpoints(campaign)}, keep, "records are updated in place")
        org.update("CampaignMember", {"Id": members[0], "Buyer_Touchpoint_Date__c": None})
        self.settled(self.world, campaign=campaign)

    def test_people(self):
        org = self.world.org
        campaign, members, leads, contacts = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.update("Lead", {"Id": leads[0], "Email": None})
        self.settled(self.world, campaign=campaign)
        org.update("Lead", {"Id": leads[0], "Email": " back@x.example "})
        org.update("Contact", {"Id": contacts[0], "Email": "moved@x.example"})
        self.settled(self.world, campaign=campaign)
        before = {r["Campaign_Member_Id__c"]: r["Id"] for r in org.touchpoints(campaign)}
        org.call("POST", "/sim/convert", {"lead": leads[1]})
        self.settled(self.world, campaign=campaign)
        after = {r["Campaign_Member_Id__c"]: r["Id"] for r in org.touchpoints(campaign)}
        self.assertEqual(before, after, "a converted lead keeps its touchpoint record")
        self.assertTrue(any(r["Contact__c"] for r in org.touchpoints(campaign) if r["Campaign_Member_Id__c"] == members[1]))

    def test_a_conversion_that_takes_the_lead_from_its_members_is_followed_from_the_lead_alone(self):
        org = self.world.org
        campaign, members, leads, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.outbound(objects={"CampaignMember": None, "Contact": None})
        org.call("POST", "/sim/behaviour", {"convert_keeps_lead": False})
        try:
            org.call("POST", "/sim/convert", {"lead": leads[1]})
            self.settled(self.world, campaign=campaign)
        finally:
            org.call("POST", "/sim/behaviour", {"convert_keeps_lead": True})
            org.outbound(objects={"CampaignMember": ["CampaignId"], "Contact": ["Name"]})
        self.assertTrue(any(r["Contact__c"] for r in org.touchpoints(campaign) if r["Campaign_Member_Id__c"] == members[1]))

    def merged(self, kind, both):
        """Merges two people, of whom the loser, or both, are members; the campaign, the members and the winner."""
        org = self.world.org
        field = "LeadId" if kind == "Lead" else "ContactId"
        extra = {"Company": "c"} if kind == "Lead" else {}
        winner, loser = org.create(kind, *({"LastName": x, "Email": f"{x}@merge.example", **extra} for x in ("winner", "loser")))
        campaign, _, _, _ = self.campaign(self.world, leads=1, contacts=1)
        members = org.create("CampaignMember", *({"CampaignId": campaign, field: x} for x in ([winner, loser] if both else [loser])))
        self.settled(self.world, campaign=campaign)
        before = {r["Campaign_Member_Id__c"]: r["Id"] for r in org.touchpoints(campaign)}
        self.assertEqual(len(before), 2 + len(members))
        answer = org.call("POST", "/sim/merge", {"object": kind, "winner": winner, "loser": loser})
        self.assertEqual(answer, {"moved": 0, "removed": 1} if both else {"moved": 1, "removed": 0})
        self.settled(self.world, campaign=campaign)
        after = {r["Campaign_Member_Id__c"]: r for r in org.touchpoints(campaign)}
        kept = after[members[0]]
        self.assertEqual(kept["Id"], before[members[0]], "the touchpoint that stays is the same record")
        self.assertEqual((kept[f"{kind}__c"], kept["Email__c"]), (winner, "winner@merge.example"))
        self.drained(self.world)
        self.assertEqual(org.records("Campaign_Member_Deletion__c"), [], "helper records are deleted once applied")
        return before, after, members

    def test_a_merge_moves_the_touchpoint_of_the_loser_to_the_winner(self):
        for kind in ("Lead", "Contact"):
            with self.subTest(kind):
                before, after, _ = self.merged(kind, both=False)
                self.assertEqual(after.keys(), before.keys())

    def test_a_merge_of_two_members_of_one_campaign_deletes_the_orphaned_touchpoint(self):
        for kind in ("Lead", "Contact"):
            with self.subTest(kind):
                before, after, (_, removed) = self.merged(kind, both=True)
                self.assertEqual(before.keys() - after.keys(), {removed})

    def test_deletions(self):
        org = self.world.org
        campaign, members, leads, contacts = self.campaign(self.world, leads=4, contacts=3)
        self.settled(self.world, campaign=campaign)
        org.delete("CampaignMember", members[0])
        self.settled(self.world, campaign=campaign)
        org.delete("Lead", leads[1])
        self.settled(self.world, campaign=campaign)
        org.delete("Contact", contacts[0])
        self.settled(self.world, campaign=campaign)
        self.assertEqual(len(org.touchpoints(campaign)), 4)
        org.delete("Campaign", campaign)
        wait_for("the orphans to go", lambda: not org.records("Buyer_Touchpoint__c", f"Ad_Campaign_Id__c = '{campaign}'"))
        self.drained(self.world)
        self.assertEqual(org.records("Campaign_Member_Deletion__c"), [], "helper records are deleted once applied")

    def test_a_helper_record_that_could_not_be_deleted_is_deleted_later(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        fault = org.fault("row_error", "collections_delete", {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}, object="Campaign_Member_Deletion__c", count=2)
        org.delete("CampaignMember", members[0], members[1])
        self.settled(self.world, campaign=campaign)
        wait_for("the helper records to go", lambda: not org.records("Campaign_Member_Deletion__c"))
        self.assertTrue(fault)

    def test_a_helper_record_without_a_campaign_is_applied_and_deleted(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.outbound(helper_trigger=False)
        org.delete("CampaignMember", members[0])
        org.outbound(helper_trigger=True)
        org.create("Campaign_Member_Deletion__c", {"Campaign_Member_Id__c": members[0]})
        self.settled(self.world, campaign=campaign)
        wait_for("the helper record to go", lambda: not org.records("Campaign_Member_Deletion__c"))

    def test_a_helper_record_of_what_was_restored_brings_the_touchpoints_back(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        for helper in ({"Campaign_Id__c": campaign, "Campaign_Member_Id__c": members[0]}, {"Campaign_Id__c": campaign}):
            with self.subTest(helper):
                self.settled(self.world, campaign=campaign)
                self.drained(self.world)
                org.delete("Buyer_Touchpoint__c", *(r["Id"] for r in org.touchpoints(campaign) if r["Campaign_Member_Id__c"] == members[0]))
                org.create("Campaign_Member_Deletion__c", helper)
                self.settled(self.world, campaign=campaign)
                wait_for("the helper record to go", lambda: not org.records("Campaign_Member_Deletion__c"))

    def test_a_deletion_without_helper_is_found_by_the_next_pass(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.outbound(helper_trigger=False)
        org.delete("CampaignMember", members[0])
        org.outbound(helper_trigger=True)
        org.update("Campaign", {"Id": campaign, "Name": "looked at again"})
        self.settled(self.world, campaign=campaign)

    def test_an_empty_object_asks_what_was_deleted(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        org.outbound(helper_trigger=False)
        org.delete("CampaignMember", members[2])
        org.outbound(helper_trigger=True)
        empty = f"<Notification><Id>{sfid('04l', 800001)}</Id></Notification>"
        self.assertEqual(self.world.post(message(empty))[0], 200)
        self.settled(self.world, campaign=campaign)
        # the org's log of deletions does not cover the present minute yet: it is asked once more when it does
        state, tries, wait_ms = wait_for("the gap to wait", lambda: self.world.rows(
            "SELECT state, tries, due_at - received_at FROM notification WHERE kind = ? AND due_at > received_at", GAP))[0]
        self.assertEqual((state, tries), (0, 0))
        self.assertTrue(60_000 < wait_ms < 120_000, wait_ms)

    def test_a_record_without_key_is_never_touched(self):
        org = self.world.org
        campaign, _, _, _ = self.campaign(self.world)
        mine = org.create("Buyer_Touchpoint__c", {"Campaign__c": campaign, "Ad_Campaign_Id__c": campaign, "Email__c": "hand@made.example"})[0]
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        self.settled(self.world, campaign=campaign)
        self.assertEqual([r["Id"] for r in org.touchpoints(campaign)], [mine])

    def test_what_is_as_it_must_be_costs_no_write(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        before = org.stats()["rows"]
        body = message(notification(800100, campaign, "Campaign"), *(
            notification(800101 + i, m, "CampaignMember", CampaignId=campaign) for i, m in enumerate(members)))
        for _ in range(3):
            self.assertEqual(self.world.post(body)[0], 200)
            self.drained(self.world)
        self.assertEqual(org.stats()["rows"], before)

    def test_an_edited_lookup_is_repaired_by_the_members_own_campaign(self):
        org = self.world.org
        one, members, _, _ = self.campaign(self.world)
        two, _, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=one)
        record = next(r for r in org.touchpoints(one) if r["Campaign_Member_Id__c"] == members[0])
        org.update("Buyer_Touchpoint__c", {"Id": record["Id"], "Campaign__c": two, "Ad_Campaign_Id__c": two})
        org.update("Campaign", {"Id": two, "Name": "second look"})
        wait_for("the lookup to be repaired", lambda: len(org.touchpoints(one)) == 5)
        self.settled(self.world, campaign=one)
        self.settled(self.world, campaign=two)

    def test_the_ledger_says_what_was_written_and_why(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world, leads=1, contacts=0)
        self.settled(self.world, campaign=campaign)
        org.update("Campaign", {"Id": campaign, "Name": "Other name"})
        self.settled(self.world, campaign=campaign)
        org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        rows = self.world.rows("SELECT action, before_json, after_json, cause, reason FROM ledger WHERE member_id = ? ORDER BY id", members[0])
        self.assertEqual([r[0] for r in rows], ["created", "updated", "deleted"])
        self.assertEqual([r[4] for r in rows], [None, None, "campaign_excluded"])
        self.assertEqual(json.loads(rows[1][2]), {"ad_campaign_name": "Other name"})
        self.assertEqual(json.loads(rows[1][1]), {"ad_campaign_name": "Expo"})
        self.assertTrue(all(r[3].startswith("04l") or r[3] == "member" for r in rows), rows)


class Policies(Case):
    def test_client_credentials_duplicates_and_custom_rules(self):
        rules = [
            {"name": "No students", "action": "exclude", "any": [{"all": [{"field": "CampaignMember.Status", "op": "is", "value": "Student"}]}]},
            {"name": "Booth", "action": "include", "any": [{"all": [
                {"field": "Campaign.Type", "op": "is", "value": "Trade Show"},
                {"field": "CampaignMember.Status", "op": "matches any", "value": "Visited*, Attended"}]}],
             "dates": ["CampaignMember.Buyer_Touchpoint_Date__c", "CampaignMember.CreatedDate"]},
        ]
        with World(auth="client_credentials", policy={"dedupe": "email"}, rules=rules) as world:
            org = world.start().org
            campaign, members, leads, contacts = self.campaign(world, leads=2, contacts=2)
            org.update("Contact", {"Id": contacts[0], "Email": "L0@X.example"})
            org.update("CampaignMember", {"Id": members[2], "Buyer_Touchpoint_Date__c": "2020-01-01T00:00:00Z"})
            self.settled(world, Oracle(DEFAULTS["channels"], dedupe="email"), campaign)
            self.assertEqual(len(org.touchpoints(campaign)), 3)
            org.create("CampaignMemberStatus", {"CampaignId": campaign, "Label": "Visited Booth", "HasResponded": True})
            org.update("Campaign", {"Id": campaign, SYNC: None})
            self.settled(world, Oracle(DEFAULTS["channels"], dedupe="email"), campaign)
            org.update("CampaignMember", {"Id": members[0], "Status": "Visited Booth"})
            wait_for("the rule to include the member", lambda: len(org.touchpoints(campaign)) == 1)
            self.assertEqual(org.touchpoints(campaign)[0]["Rule__c"], "Booth")
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            wait_for("exclude to be final", lambda: not org.touchpoints(campaign))


class Scale(Case):
    def test_a_campaign_of_many_pages_in_few_calls(self):
        with World() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 5000, "seed": 3, "responded": 0.5, "dated": 0.2, "emails": 0.9,
                                                      "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            world.checked()
            org.call("POST", "/sim/stats/reset")
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settled(world, campaign=campaign, limit_s=120)
            self.drained(world)
            calls = org.stats()["api"]["calls"]
            self.assertLessEqual(calls, 3 + 5 + 7, org.stats()["api"])
            org.update("Campaign", {"Id": campaign, SYNC: EXCLUDE})
            self.settled(world, campaign=campaign, limit_s=120)

    def test_random_histories_with_lost_doubled_and_reordered_messages_end_right(self):
        seed = 20260115
        dice = random.Random(seed)
        with World() as world:
            org = world.start().org
            org.outbound(duplicate=0.2, lose_ack=0.2, reorder=True, seed=seed)
            campaigns = [self.campaign(world, dice.choice((ALL, RESPONDED, EXCLUDE, None)), 4, 3) for _ in range(4)]
            for _ in range(150):
                campaign, members, leads, contacts = dice.choice(campaigns)
                self.random_change(dice, org, campaign, members, leads, contacts)
            self.drained(world)
            self.settled(world)
            self.assertFalse(world.rows("SELECT 1 FROM notification WHERE state = 3"), f"nothing fails (seed {seed})")

    @staticmethod
    def random_change(dice, org, campaign, members, leads, contacts):
        member = dice.choice(members) if members else None
        changes = [
            lambda: org.update("Campaign", {"Id": campaign, SYNC: dice.choice((ALL, RESPONDED, EXCLUDE, None))}),
            lambda: org.update("Campaign", {"Id": campaign, "Type": dice.choice(("Trade Show", "Webinar", "Online", None))}),
            lambda: org.update("Campaign", {"Id": campaign, "Touchpoint_End_Date__c": dice.choice(("2026-01-10", None))}),
            lambda: member and org.update("CampaignMember", {"Id": member, "Status": dice.choice(("Sent", "Responded"))}),
            lambda: member and org.update("CampaignMember", {
                "Id": member, "Buyer_Touchpoint_Date__c": dice.choice(("2026-01-09T22:59:00Z", "2026-01-09T23:00:00Z", None))}),
            lambda: leads and org.update("Lead", {"Id": dice.choice(leads), "Email": dice.choice((None, "a@x.example", "b@x.example"))}),
            lambda: contacts and org.update("Contact", {"Id": dice.choice(contacts), "Email": dice.choice((None, "c@x.example"))}),
            lambda: len(members) > 3 and org.delete("CampaignMember", members.pop(members.index(member))),
        ]
        dice.choice(changes)()


class Account(Case):
    def test_a_person_accounts_change_reaches_its_contacts_members(self):
        with World() as world:
            org = world.start().org
            campaign, _, _, contacts = self.campaign(world, leads=0, contacts=1)
            self.settled(world, campaign=campaign)
            org.outbound(objects={"Contact": None})
            org.update("Contact", {"Id": contacts[0], "Email": None})
            body = message(notification(900001, sfid("001", 5), "Account", PersonContactId=contacts[0]))
            self.assertEqual(world.post(body)[0], 200)
            self.settled(world, campaign=campaign)
            self.assertEqual(world.metric("touchpoint_notifications_received_total", org=ORG_ID, object="Account"), 1)


if __name__ == "__main__":
    runner.main()
