"""What the org lacks is named object by object and field by field, stops its work, and once it is repaired work goes on by itself."""
import json
import socket
import time
import unittest

import runner
from harness import ADMIN_TOKEN, DEFAULTS, World, wait_for
from test_sync import ALL, SYNC, Case

TOUCHPOINT = "Buyer_Touchpoint__c"


class SchemaWorld(World):
    """A world whose org is configured with a schema of its own."""

    def __init__(self, schema):
        super().__init__()
        self.schema = schema

    def write_config(self):
        path = super().write_config()
        config = json.loads(path.read_text())
        config["orgs"][0]["schema"] = self.schema
        path.write_text(json.dumps(config, indent=2))
        return path


class Schema(Case):
    def schema(self, world):
        return world.ready()[1]["checks"]["schema"][0]

    def doctor(self, world, timeout=60):
        status, text = world.admin("/api/v1/doctor", "POST", ADMIN_TOKEN, timeout)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def start(self, world, permissions=None, schema=None):
        """The daemon meets an org that is wrong from the beginning."""
        org = world.start_org()
        org.call("POST", "/sim/permissions", permissions or {})
        org.call("POST", "/sim/schema", schema or {})
        world.start_daemon()
        return org

    def repair(self, world):
        world.org.call("POST", "/sim/permissions", {})
        world.org.call("POST", "/sim/schema", {})

    def test_a_whole_org_costs_eight_calls_and_is_well(self):
        with World() as world:
            world.start()
            found = world.checked()
            self.assertEqual((found["status"], found["problems"], found["warnings"]), ("ok", [], []))
            self.assertTrue(found["sees_all_records"])
            calls = world.org.stats()["api"]["by_operation"]
            self.assertEqual(calls["describe"], 6)
            self.assertLessEqual(calls["query"], 4, "two about permissions, one or two for the time zone")
            self.assertEqual(world.ready()[1]["status"], "ok")

    def test_the_other_preset_fits_the_fields_of_the_package(self):
        with SchemaWorld("bizible2") as world:
            org = world.start().org
            self.assertEqual(world.checked()["problems"], [])
            org.outbound(paused=True)  # the shipped flows tell of our own date, not of the package's
            campaign, members, _, _ = self.campaign(world, None, bizible2__Bizible_Attribution_SyncType__c=ALL,
                                                    bizible2__Touchpoint_Start_Date__c="2026-02-01")
            org.update("CampaignMember", {"Id": members[0], "bizible2__Bizible_Touchpoint_Date__c": "2026-01-01T00:00:00Z"})
            org.outbound(paused=False)
            wait_for("all but the one before the start date", lambda: {t["Campaign_Member_Id__c"] for t in org.touchpoints(campaign)} == set(members[1:]))

    def test_a_name_of_the_mapping_that_the_org_does_not_know_is_named_with_its_key(self):
        with SchemaWorld({"base": "standard", "touchpoint.medium": "Way__c", "campaign.sync_type": "bizible2__Bizible_Attribution_SyncType__c"}) as world:
            world.start()
            wait_for("the problem", lambda: world.checked()["problems"])
            self.assertEqual(world.checked()["problems"], [
                f"{TOUCHPOINT}.Way__c does not exist, or this user can't see it: create it or grant Read on the field, "
                "or correct its name (schema: touchpoint.medium)"])

    def test_all_that_is_missing_is_named_and_work_goes_on_once_it_is_repaired(self):
        permissions = {
            "no_field": ["Campaign.Touchpoint_Start_Date__c", "Lead.Email"],
            "read_only_field": [f"{TOUCHPOINT}.Channel__c"],
            "no_delete": [TOUCHPOINT],
            "no_access": ["Campaign_Member_Deletion__c"],
        }
        schema = {
            f"{TOUCHPOINT}.Campaign_Member_Id__c": {"externalId": False},
            f"{TOUCHPOINT}.Touchpoint_Date__c": {"type": "string"},
            f"{TOUCHPOINT}.Email__c": {"length": 40},
        }
        with World() as world:
            org = self.start(world, permissions, schema)
            campaign, _, _, _ = self.campaign(world)
            found = world.checked()
            self.assertEqual(found["status"], "degraded")
            wants = [
                "Campaign.Touchpoint_Start_Date__c does not exist, or this user can't see it",
                "Lead.Email does not exist, or this user can't see it",
                f"{TOUCHPOINT}: its records can't be deleted by this user: grant Delete on the object",
                f"{TOUCHPOINT}.Campaign_Member_Id__c is no external id: mark the field as External ID",
                f"{TOUCHPOINT}.Email__c holds 40 characters, but up to 80 are written: lengthen the field",
                f"{TOUCHPOINT}.Touchpoint_Date__c is of type string: it must be Date/Time",
                f"{TOUCHPOINT}.Channel__c can't be written by this user: grant Edit on the field",
            ]
            self.assertEqual(len(found["problems"]), len(wants), found["problems"])
            for want, got in zip(wants, found["problems"]):
                self.assertIn(want, got)
                self.assertEqual(world.daemon.text().count(got), 1, "each sentence is logged once")
            self.assertIn("Campaign_Member_Deletion__c does not exist", found["warnings"][0])
            ready = world.ready()[1]
            self.assertEqual((ready["status"], ready["checks"]["orgs"][0]["stopped"]), ("degraded", True))
            self.assertEqual(ready["checks"]["orgs"][0]["problem"], found["problems"][0])
            org.flush()
            self.assertEqual(org.touchpoints(campaign), [])
            self.repair(world)
            self.settled(world, campaign=campaign)
            found = world.checked()
            self.assertEqual((found["status"], found["problems"], found["warnings"]), ("ok", [], []))
            self.assertFalse(world.ready()[1]["checks"]["orgs"][0]["stopped"])

    def test_a_right_that_is_taken_away_later_is_named_as_soon_as_work_meets_it(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            world.checked()
            org.call("POST", "/sim/permissions", {"no_delete": [TOUCHPOINT]})
            org.update("Campaign", {"Id": campaign, SYNC: None})
            wait_for("the right to be named", lambda: self.schema(world)["problems"])
            self.assertEqual(self.schema(world)["problems"],
                             [f"{TOUCHPOINT}: its records can't be deleted by this user: grant Delete on the object"])
            self.assertEqual(len(org.touchpoints(campaign)), 5)
            self.repair(world)
            self.settled(world, campaign=campaign)

    def test_an_admin_can_have_the_orgs_checked_at_once(self):
        with World() as world:
            world.start()
            world.checked()
            world.org.call("POST", "/sim/permissions", {"no_delete": [TOUCHPOINT]})
            self.assertEqual(world.ready()[1]["status"], "ok", "nothing has met it yet")
            found = self.doctor(world)
            self.assertEqual((found["status"], found["checks"]["schema"][0]["problems"]),
                             ("degraded", [f"{TOUCHPOINT}: its records can't be deleted by this user: grant Delete on the object"]))
            self.repair(world)
            found = self.doctor(world)
            self.assertEqual((found["status"], found["checks"]["schema"][0]["problems"]), ("ok", []))
            self.assertEqual(world.admin("/api/v1/doctor", "POST")[0], 401)
            world.org.process.kill()
            found = self.doctor(world)["checks"]["orgs"][0]
            self.assertEqual((found["status"], found["reachable"]), ("degraded", False))

    def test_a_time_zone_that_the_org_changes_moves_the_days_of_all_campaigns(self):
        with World() as world:
            org = world.start().org
            campaign, members, _, _ = self.campaign(world, ALL, Touchpoint_Start_Date__c="2026-02-01")
            berlin = "2026-01-31T23:30:00Z"  # the first of February there, and still January in New York
            org.update("CampaignMember", *({"Id": m, "Buyer_Touchpoint_Date__c": berlin} for m in members))
            wait_for("all of them", lambda: len(org.touchpoints(campaign)) == 5)
            self.drained(world)
            wait_for("the zone to be remembered", lambda: world.rows("SELECT 1 FROM org_cursor WHERE value = 'Europe/Berlin'"))
            org.call("POST", "/sim/organization", {"time_zone": "America/New_York"})
            self.doctor(world)
            wait_for("none of them", lambda: not org.touchpoints(campaign))
            self.assertIn("the org's time zone changed", world.daemon.text())
            world.daemon.kill()
            org.call("POST", "/sim/organization", {"time_zone": "Europe/Berlin"})
            world.start_daemon()
            wait_for("all of them, since the zone changed while nobody looked", lambda: len(org.touchpoints(campaign)) == 5)

    def test_an_org_that_is_silent_delays_no_other(self):
        worker = {**DEFAULTS["worker"], "lease": "120s", "request_timeout": "60s", "reconcile": "1s"}
        with World(worker=worker) as world, socket.create_server(("127.0.0.1", 0)) as silent:
            world.start_org()
            base = json.loads(world.write_config().read_text())["orgs"][0]
            mute = {**base, "id": "00D000000000077", "name": "mute", "login_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
            world.config["orgs"] = [mute, base]
            world.start_daemon()
            wait_for("the other's schema to be checked", lambda: world.ready()[1]["checks"]["schema"][1]["checked"], 40)
            wait_for("its reconcile", lambda: "a reconcile begins" in world.daemon.text(), 40)
            started = time.monotonic()
            orgs = self.doctor(world, timeout=80)["checks"]["orgs"]
            self.assertEqual([(o["name"], o["status"]) for o in orgs], [("mute", "degraded"), ("simulated", "ok")])
            self.assertLess(time.monotonic() - started, 55, "the answer does not wait for the silent one for ever")
            started = time.monotonic()
            self.assertEqual(world.daemon.terminate(), 0)
            self.assertLess(time.monotonic() - started, 40, "nor does the end")

    def test_absence_is_deletion_only_for_who_sees_everything(self):
        with World() as world:
            org = self.start(world, {"no_view_all": ["Campaign"], "converted_leads": False})
            org.call("POST", "/sim/behaviour", {"cascade_leaves_trace": False})
            org.outbound(helper_trigger=False)
            campaign, members, leads, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            found = world.checked()
            self.assertEqual((found["status"], found["sees_all_records"]), ("ok", False))
            self.assertIn("grant Read and View All on Campaign, View and Edit Converted Leads", found["warnings"][0])
            org.delete("Lead", leads[0])  # its member goes without a trace
            org.update("Campaign", {"Id": campaign, "Name": "one is gone"})
            wait_for("the others to be renamed", lambda: sum(
                t["Ad_Campaign_Name__c"] == "one is gone" for t in org.touchpoints(campaign)) == 4)
            self.drained(world)
            self.assertEqual(len(org.touchpoints(campaign)), 5, "who may not see all does not delete what does not come")
            self.repair(world)
            org.update("Campaign", {"Id": campaign, "Name": "all seen"})
            self.settled(world, campaign=campaign)
            self.assertEqual(len(org.touchpoints(campaign)), 4)
            # taken away again: it is asked anew each time
            org.call("POST", "/sim/permissions", {"no_view_all": ["Campaign"], "hide_members": True})
            org.update("Campaign", {"Id": campaign, "Name": "none seen"})
            self.drained(world)
            self.assertEqual(len(org.touchpoints(campaign)), 4)

    def test_many_that_do_not_come_are_held_even_from_who_sees_everything(self):
        with World() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 300, "seed": 5, "contacts": 0, "emails": 1,
                                                      "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            org.update("Campaign", {"Id": campaign, SYNC: ALL})
            self.settled(world, campaign=campaign)
            self.drained(world)
            org.call("POST", "/sim/permissions", {"hide_members": True})
            org.update("Campaign", {"Id": campaign, "Name": "unseen"})
            wait_for("the deletions to be held", lambda: world.ready()[1]["checks"]["delete_guard"]["held"])
            self.assertEqual(len(org.touchpoints(campaign)), 300)


if __name__ == "__main__":
    runner.main()
