"""What no message told: the reconcile finds it, by the clock, at the first start, after a change of policy, within the API budget."""
import json
import time
import unittest

import runner
from harness import DEFAULTS, World, wait_for
from oracle import Oracle
from test_sync import ALL, SYNC, Case

HELPER = "Campaign_Member_Deletion__c"
WORKER = {**DEFAULTS["worker"], "reconcile": "1s"}


class Reconcile(Case):
    def silent(self, world, change):
        """Makes a change that no outbound message tells of."""
        world.org.outbound(objects={"Campaign": None, "CampaignMember": None, "Lead": None, "Contact": None}, helper_trigger=False)
        change()

    def test_what_was_edited_deleted_or_enabled_in_silence_is_put_right(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            other, _, _, _ = self.campaign(world, None)
            gone, _, _, _ = self.campaign(world)
            self.settled(world)
            self.drained(world)

            def change():
                rows = org.touchpoints(campaign)
                org.delete("Buyer_Touchpoint__c", rows[0]["Id"])
                org.update("Buyer_Touchpoint__c", {"Id": rows[1]["Id"], "Channel__c": "By hand"})
                org.delete("CampaignMember", rows[2]["Campaign_Member_Id__c"])
                org.update("Campaign", {"Id": other, SYNC: ALL})
                org.delete("Campaign", gone)

            self.silent(world, change)
            self.settled(world)
            wait_for("the orphans to go", lambda: not org.records("Buyer_Touchpoint__c", f"Ad_Campaign_Id__c = '{gone}'"))
            wait_for("drift to be counted", lambda: world.metric("touchpoint_reconcile_drift_total", kind="deleted") >= 6)
            self.assertGreaterEqual(world.metric("touchpoint_reconcile_drift_total", kind="created"), 6)
            self.assertGreaterEqual(world.metric("touchpoint_reconcile_drift_total", kind="updated"), 1)
            self.assertLess(world.metric("touchpoint_reconcile_age_seconds"), 60)

    def lost_helper(self, world, helper, delete):
        """A deletion without a trace that only a helper record tells of, whose message was dropped an hour ago; the user may not see all,
        so that the daemon must not conclude anything from what it does not see."""
        org = world.org
        org.call("POST", "/sim/behaviour", {"cascade_leaves_trace": False})
        org.call("POST", "/sim/permissions", {"no_view_all": ["Lead", "Campaign"]})
        org.outbound(objects={k: None for k in ("Campaign", "CampaignMember", "Lead", "Contact", HELPER)}, helper_trigger=False)
        delete()
        hour_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
        return org.create(HELPER, {**helper, "CreatedDate": hour_ago})[0]

    def reconciled_again(self, world):
        """Waits until a reconcile that began after now has been carried through."""
        began = world.daemon.text().count("a reconcile begins")
        wait_for("two more reconciles", lambda: world.daemon.text().count("campaigns are queued to be looked at again") > began + 1)

    def test_a_helper_record_whose_message_was_lost_is_applied_and_deleted(self):
        for named in (True, False):
            with self.subTest(campaign_named=named), World(worker=WORKER) as world:
                org = world.start().org
                campaign, members, leads, _ = self.campaign(world)
                self.settled(world, campaign=campaign)
                helper = {"Campaign_Member_Id__c": members[0], **({"Campaign_Id__c": campaign} if named else {})}
                self.lost_helper(world, helper, lambda: org.delete("Lead", leads[0]))
                self.settled(world, campaign=campaign)
                self.assertEqual(len(org.touchpoints(campaign)), 4)
                wait_for("the helper record to go", lambda: not org.records(HELPER))

    def test_a_whole_campaigns_helper_record_whose_message_was_lost_is_applied_and_deleted(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign, _, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            self.lost_helper(world, {"Campaign_Id__c": campaign}, lambda: org.delete("Campaign", campaign))
            wait_for("the orphans to go", lambda: not org.records("Buyer_Touchpoint__c", f"Ad_Campaign_Id__c = '{campaign}'"))
            wait_for("the helper record to go", lambda: not org.records(HELPER))

    def test_a_helper_record_of_a_campaign_that_is_there_vouches_for_no_member(self):
        """Deleted and restored: what is unseen since may as well be hidden."""
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign, _, leads, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            self.lost_helper(world, {"Campaign_Id__c": campaign}, lambda: org.delete("Lead", leads[0]))
            wait_for("the helper record to go", lambda: not org.records(HELPER))
            self.assertEqual(len(org.touchpoints(campaign)), 5)

    def test_a_young_helper_record_is_left_to_its_message(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            org.outbound(objects={HELPER: None})
            org.delete("CampaignMember", members[0])
            self.reconciled_again(world)
            self.assertEqual(len(org.records(HELPER)), 1)

    def test_an_org_that_does_not_show_the_helper_object_is_reconciled_all_the_same(self):
        with World(worker=WORKER) as world:
            org = world.start_org()
            org.call("POST", "/sim/permissions", {"no_access": [HELPER]})
            world.start_daemon()
            campaign, _, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            self.silent(world, lambda: org.delete("Buyer_Touchpoint__c", org.touchpoints(campaign)[0]["Id"]))
            self.settled(world, campaign=campaign)
            self.reconciled_again(world)
            self.assertEqual(world.ready()[1]["status"], "ok")

    def test_a_changed_policy_decides_anew_after_the_restart(self):
        channels = [{"type": "Trade Show", "channel": "Fairs"}]
        with World(worker={**DEFAULTS["worker"], "reconcile": "off"}) as world:
            org = world.start().org
            campaign, _, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            self.drained(world)
            world.daemon.terminate()
            world.start_daemon()  # the same policy: nothing to do
            wait_for("the reconcile to have been thought of", lambda: world.rows("SELECT 1 FROM org_cursor WHERE name = 'reconcile.time_zone'"))
            world.daemon.terminate()
            self.assertNotIn("the policy, channels or rules changed", world.daemon.text())
            world.config["channels"] = channels
            world.start_daemon()
            self.settled(world, Oracle(channels), campaign)
            self.assertEqual({r["Channel_Path__c"] for r in org.touchpoints(campaign)}, {"Fairs"})
            self.assertIn("the policy, channels or rules changed", world.daemon.text())

    def test_a_first_start_finds_campaigns_that_were_enabled_before(self):
        with World() as world:
            world.start_org()
            world.org.outbound(paused=True)
            campaign, _, _, _ = self.campaign(world)
            world.config["worker"] = {**DEFAULTS["worker"], "reconcile": "03:30"}
            world.start_daemon()
            self.settled(world, campaign=campaign)
            self.assertEqual(json.loads(world.admin("/readyz")[1])["status"], "ok")

    def test_background_work_waits_above_the_reserve_and_live_work_goes_on(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            org.call("POST", "/sim/limits", {"used": 70000, "limit": 100000})
            org.update("CampaignMember", {"Id": members[0], "Status": "Responded"})  # the daemon hears of it
            org.flush()
            wait_for("the usage to be known", lambda: world.metric("touchpoint_org_api_used") >= 70000)
            wait_for("live passes to end", lambda: not world.rows(
                "SELECT 1 FROM notification WHERE state = 1 OR state = 0 AND background = 0 AND due_at < ?", (time.time() + 5) * 1000))
            self.silent(world, lambda: org.delete("Buyer_Touchpoint__c", org.touchpoints(campaign)[0]["Id"]))
            started = world.daemon.text().count("a reconcile begins")
            wait_for("the reconcile's time to come again", lambda: world.daemon.text().count("a reconcile begins") > started + 1)
            self.assertEqual(len(org.touchpoints(campaign)), 4)
            org.outbound(objects={"Campaign": ["Name"], "CampaignMember": ["CampaignId"], "Lead": ["Name"], "Contact": ["Name"]})
            org.update("CampaignMember", {"Id": members[1], "Buyer_Touchpoint_Date__c": "2026-01-14T10:00:00Z"})
            wait_for("the live change", lambda: any(r["Touchpoint_Date__c"].startswith("2026-01-14") for r in org.touchpoints(campaign)))
            org.call("POST", "/sim/limits", {"used": 100, "limit": 100000})
            org.update("CampaignMember", {"Id": members[1], "Buyer_Touchpoint_Date__c": None})
            self.settled(world, campaign=campaign)

    def test_only_deletions_are_carried_out_when_the_budget_is_nearly_used_up(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            other, _, _, _ = self.campaign(world, None)
            self.settled(world)
            self.drained(world)
            org.call("POST", "/sim/limits", {"used": 95000, "limit": 100000})
            org.update("CampaignMember", {"Id": members[0], "Status": "Responded"})
            wait_for("the usage to be known", lambda: world.metric("touchpoint_org_api_used") >= 95000)
            org.update("Campaign", {"Id": other, SYNC: ALL})
            org.delete("CampaignMember", members[0])
            self.settled(world, campaign=campaign)
            wait_for("the rest to wait", lambda: world.rows("SELECT 1 FROM notification WHERE code = 'api_budget' AND state = 0 AND key = ?", other))
            self.assertEqual(org.touchpoints(other), [])
            self.assertEqual(world.rows("SELECT max(tries) FROM notification WHERE code = 'api_budget'"), [(0,)])
            org.call("POST", "/sim/limits", {"used": 100, "limit": 100000})
            org.update("Campaign", {"Id": campaign, "Name": "the daemon hears of it"})
            wait_for("the usage to be known", lambda: world.metric("touchpoint_org_api_used") < 95000)
            org.update("Campaign", {"Id": campaign, "Name": "once more"}, {"Id": other, "Name": "once more"})
            self.settled(world)


if __name__ == "__main__":
    runner.main()
