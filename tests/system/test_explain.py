"""Why a member has a touchpoint or none, step by step, as the live path decides it; and the map of channels."""
import socket
import unittest

import runner
from harness import ADMIN_TOKEN, ORG_ID, World, sfid, wait_for

ALL, RESPONDED, EXCLUDE = (
    "Include all Campaign Members", 'Include only "Responded" Campaign Members', "Exclude all Campaign Members",
)
SYNC = "Enable_Buyer_Touchpoints__c"
STEPS = ["Member and campaign exist", "Included", "Email", "Date", "Window", "Duplicates", "Channel"]


def people(org, count=3, **fields):
    return org.create("Lead", *({"FirstName": "Ada", "LastName": f"L{i}", "Company": "c", "Email": f"l{i}@x.example", **fields} for i in range(count)))


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.org = cls.world.org

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def explain(self, member, want=200):
        status, told = self.world.api("/explain", org=ORG_ID, member=member)
        self.assertEqual(status, want, told)
        return told

    def member(self, setting=ALL, lead=None, campaign=None, **fields):
        campaign = self.org.create("Campaign", {"Name": "Expo", "Type": "Trade Show", SYNC: setting, **(campaign or {})})[0]
        lead = lead or people(self.org, 1)[0]
        return campaign, self.org.create("CampaignMember", {"CampaignId": campaign, "LeadId": lead, **fields})[0], lead

    def settled(self, campaign, count):
        wait_for("the touchpoints", lambda: len(self.org.touchpoints(campaign)) == count)
        self.org.flush()  # what comes later would be work on what is explained
        wait_for("the work to be written down", lambda: not self.world.rows("SELECT 1 FROM notification WHERE key = ? AND state < 2", campaign))

    def test_every_step_of_a_member_that_has_its_touchpoint(self):
        campaign, member, lead = self.member()
        self.settled(campaign, 1)
        told = self.explain(member[:15])  # 15 characters will do
        self.assertEqual([s["name"] for s in told["steps"]], STEPS)
        self.assertEqual({s["outcome"] for s in told["steps"]}, {"pass"})
        self.assertEqual(told["verdict"]["has_touchpoint"], True)
        self.assertEqual(told["verdict"]["values"]["channel_path"], "Events.Trade Show")
        self.assertEqual(told["member"]["name"], "Ada L0")
        self.assertEqual((told["action"], told["difference"]), ("keep", []))
        self.assertEqual(told["touchpoint"]["values"], told["verdict"]["values"])
        self.assertEqual(told["touchpoint"]["id"], self.org.touchpoints(campaign)[0]["Id"])
        self.assertEqual([(x["action"], x["member"], x["campaign"]) for x in told["history"]], [("created", member, campaign)])
        self.assertEqual(told["history"][0]["after"], told["verdict"]["values"])
        self.assertIn(member, [m["record"] for m in told["messages"]])
        self.assertIn("the lead has the email l0@x.example", told["steps"][2]["sentence"])
        self.assertIn("row 2 of `channels`", told["steps"][6]["sentence"])

    def test_what_someone_edited_by_hand_is_the_difference(self):
        campaign, member, _ = self.member()
        self.settled(campaign, 1)
        touchpoint = self.org.touchpoints(campaign)[0]
        self.org.update("Buyer_Touchpoint__c", {"Id": touchpoint["Id"], "Channel__c": "Mine"})
        told = self.explain(member)
        self.assertEqual(told["action"], "update")
        self.assertEqual(told["difference"], [{"value": "channel", "is": "Mine", "should_be": "Events"}])

    def test_each_reason_stops_at_its_step(self):
        lost = people(self.org, 1, Email=None)[0]
        cases = [
            (self.member(EXCLUDE), 1, "campaign_excluded"),
            (self.member(None), 1, "campaign_not_enabled"),
            (self.member(RESPONDED, Status="Sent"), 1, "not_responded"),
            (self.member(lead=lost), 2, "no_email"),
            (self.member(campaign={"Touchpoint_Start_Date__c": "2100-01-01"}), 4, "before_start_date"),
            (self.member(campaign={"Touchpoint_End_Date__c": "2020-01-01"}), 4, "after_end_date"),
        ]
        for (_, member, _), step, reason in cases:
            with self.subTest(reason):
                told = self.explain(member)
                self.assertEqual(told["verdict"]["reason"], reason)
                self.assertEqual((told["action"], told["touchpoint"]), ("none", None))
                outcomes = [s["outcome"] for s in told["steps"]]
                self.assertEqual(outcomes, ["pass"] * step + ["stop"] + ["skipped"] * (6 - step))

    def test_a_deleted_member_and_one_that_never_was(self):
        campaign, member, _ = self.member()
        self.settled(campaign, 1)
        self.org.outbound(paused=True)
        try:
            self.org.delete("CampaignMember", member)
            told = self.explain(member)
            self.assertEqual(told["verdict"]["reason"], "member_deleted")
            self.assertEqual(told["action"], "delete")
        finally:
            self.org.outbound(paused=False)
        told = self.explain(sfid("00v", 987654), want=404)
        self.assertIn("shows the integration user no campaign member", told["detail"])

    def test_what_is_asked_wrongly_is_named(self):
        for query, part in (({}, "member is missing"), ({"member": "00v"}, "member is no Salesforce id"),
                            ({"member": sfid("701", 1)}, "of that kind"), ({"member": sfid("00v", 1), "x": "1"}, "x is no parameter")):
            status, told = self.world.api("/explain", org=ORG_ID, **query)
            self.assertEqual(status, 400)
            self.assertIn(part, told["detail"])
        status, told = self.world.api("/explain", org="00D000000000009", member=sfid("00v", 1))
        self.assertEqual(status, 404)
        status, told = self.world.api("/preview", "POST", b'{"campaign":"701","campaign":"701"}')
        self.assertEqual(status, 400)
        self.assertEqual(self.world.admin("/api/v1/explain?member=1")[0], 401)

    def test_members_page_by_page(self):
        campaign = self.org.create("Campaign", {"Name": "Pages", "Type": "Trade Show", SYNC: ALL})[0]
        leads = people(self.org, 7) + people(self.org, 3, Email=None)
        members = self.org.create("CampaignMember", *({"CampaignId": campaign, "LeadId": x} for x in leads))
        self.settled(campaign, 7)
        seen, after = [], None
        while True:
            status, page = self.world.api("/members", org=ORG_ID, campaign=campaign, limit=4, after=after)
            self.assertEqual(status, 200, page)
            self.assertLessEqual(len(page["members"]), 4)
            seen += page["members"]
            after = page["next"]
            if after is None:
                break
        self.assertEqual([m["member"] for m in seen], sorted(members))
        self.assertEqual({m["action"] for m in seen if m["reason"] == ""}, {"keep"})
        _, page = self.world.api("/members", campaign=campaign, reason="no_email")
        self.assertEqual(sorted(m["member"] for m in page["members"]), sorted(members[7:]))
        self.assertIsNone(page["next"])
        _, page = self.world.api("/members", campaign=campaign, reason="none", limit=7)
        self.assertEqual(len(page["members"]), 7)

    def test_campaigns_are_found_by_the_beginning_of_their_name_and_by_id(self):
        names = ["100% Fun_Fair", "100 Fun Fairs", "100% FunXFair's"]
        ids = self.org.create("Campaign", *({"Name": n, "Type": "Webinar"} for n in names))
        _, found = self.world.api("/campaigns", search="100% Fun_")
        self.assertEqual([c["id"] for c in found["campaigns"]], [ids[0]])
        _, found = self.world.api("/campaigns", search="100")
        self.assertEqual({c["id"] for c in found["campaigns"]}, set(ids))
        _, found = self.world.api("/campaigns", search="100% FunXFair's")
        self.assertEqual([c["name"] for c in found["campaigns"]], [names[2]])
        _, found = self.world.api("/campaigns", search=ids[1][:15])
        self.assertEqual([(c["id"], c["members"]) for c in found["campaigns"]], [(ids[1], 0)])

    def test_channels_of_every_type_in_use_and_under_another_map(self):
        fields = ({"Type": "Webinar Asia", SYNC: ALL}, {"Type": "Online Ads", SYNC: ALL}, {"Type": "Online Ads"}, {"Type": "Dinner", SYNC: EXCLUDE})
        campaigns = self.org.create("Campaign", *({"Name": "T", **f} for f in fields))
        lead = people(self.org, 1)[0]
        self.org.create("CampaignMember", *({"CampaignId": c, "LeadId": lead} for c in campaigns))
        _, told = self.world.api("/channels", org=ORG_ID)
        types = {t["type"]: t for t in told["types"]}
        online = types["Online Ads"]
        self.assertEqual((online["campaigns"], online["enabled"], online["members"], online["null_channel"]), (2, 1, 2, True))
        self.assertTrue(types["Dinner"]["is_default"])
        self.assertTrue(types["Webinar Asia"]["is_default"])  # its row wants a status
        self.assertEqual(types["Webinar Asia"]["by_status"],
                         [{"status": "Attended", "channel": "Events", "subchannel": "Webinar", "null_channel": False}])
        members = [t["members"] for t in told["types"]]
        self.assertEqual(members, sorted(members, reverse=True))
        tried = [{"type": "Dinner", "channel": "Events", "subchannel": "Dinner"}, {"type": "Online*", "channel": "NULL", "null_channel": True}]
        _, told = self.world.api("/channels/try", "POST", {"org": ORG_ID, "channels": tried})
        types = {t["type"]: t for t in told["types"]}
        self.assertEqual(types["Dinner"]["subchannel"], "Dinner")
        self.assertTrue(types["Dinner"]["was"]["is_default"])
        self.assertNotIn("was", types["Online Ads"])
        for wrong, part in (([{"type": "x"}], "channels[0]"), ([{"type": "x", "channel": "a.b"}], "a.b"), ("x", "a list"),
                            ([{"type": "x", "channel": "a", "colour": "b"}], "channels[0]")):
            status, told = self.world.api("/channels/try", "POST", {"channels": wrong})
            self.assertEqual(status, 400, told)
            self.assertIn(part, told["detail"])

    def test_counts_that_the_user_may_not_see_are_null(self):
        self.org.call("POST", "/sim/permissions", {"no_field": ["Campaign.NumberOfLeads", "Campaign.StartDate"]})
        try:
            _, told = self.world.api("/channels")
            self.assertEqual({t["members"] for t in told["types"]}, {None})
            campaign, _, _ = self.member()
            status, told = self.world.api("/preview", "POST", {"campaign": campaign})
            self.assertEqual(status, 200, told)
        finally:
            self.org.call("POST", "/sim/permissions", {})


class Duplicates(unittest.TestCase):
    def test_of_members_with_one_email_the_earliest_keeps_it(self):
        with World(policy={"dedupe": "email"}) as world:
            org = world.start().org
            campaign = org.create("Campaign", {"Name": "Twice", "Type": "Trade Show", SYNC: ALL})[0]
            leads = org.create("Lead", *({"LastName": "L", "Company": "c", "Email": e} for e in ("a@x.example", "A@X.example", "b@x.example")))
            members = org.create("CampaignMember", *(
                {"CampaignId": campaign, "LeadId": x, "CreatedDate": f"2026-01-0{3 - i}T09:00:00Z"} for i, x in enumerate(leads)))
            wait_for("two touchpoints", lambda: len(org.touchpoints(campaign)) == 2)
            _, loser = world.api("/explain", member=members[0])
            self.assertEqual(loser["verdict"]["reason"], "duplicate_email")
            self.assertIn(members[1], loser["steps"][5]["sentence"])
            _, keeper = world.api("/explain", member=members[1])
            self.assertIn("this one has the earliest", keeper["steps"][5]["sentence"])
            _, preview = world.api("/preview", "POST", {"campaign": campaign})
            self.assertEqual(preview["counts"], {"members": 3, "get": 0, "keep": 2, "change": 0, "lose": 0, "none": 1})
            _, page = world.api("/members", campaign=campaign, reason="duplicate_email")
            self.assertEqual([m["member"] for m in page["members"]], [members[0]])


class Waiting(unittest.TestCase):
    """What becomes of a call while the org is slow."""

    def test_the_org_is_spared_and_the_daemon_stops_at_once(self):
        with World() as world:
            org = world.start().org
            world.checked()
            campaign = org.create("Campaign", {"Name": "Slow", "Type": "Trade Show", SYNC: None})[0]
            lead = people(org, 1)[0]
            member = org.create("CampaignMember", {"CampaignId": campaign, "LeadId": lead})[0]
            org.flush()
            wait_for("the workers to be idle", lambda: not world.rows("SELECT 1 FROM notification WHERE state < 2 LIMIT 1"))
            path = f"GET /api/v1/explain?member={member} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
            org.fault("latency", value=1500, count=-1)
            before = org.stats()["api"]["calls"]
            with socket.create_connection(("127.0.0.1", world.admin_port)) as gone:
                gone.sendall(path.encode())
                wait_for("the first question to the org", lambda: org.stats()["api"]["calls"] > before)
            calls = org.stats()["api"]["calls"]
            wait_for("the call to end", lambda: world.api("/campaigns", search="Slow")[0] == 200)
            self.assertLessEqual(org.stats()["api"]["calls"], calls + 1)  # the search's own: nobody waits for the rest
            org.heal()
            org.call("POST", "/sim/limits", {"used": 95000, "limit": 100000})
            self.assertEqual(world.api("/campaigns")[0], 200)  # its answer tells of the limit
            status, told = world.api("/explain", member=member)
            self.assertEqual(status, 503)
            self.assertIn("nine tenths", told["detail"])
            org.call("POST", "/sim/limits", {"used": 100, "limit": 100000})
            world.api("/doctor", "POST")
            self.assertEqual(world.api("/explain", member=member)[0], 200)
            org.fault("silence", count=-1)
            with socket.create_connection(("127.0.0.1", world.admin_port)) as waiting:
                waiting.sendall(path.encode())
                wait_for("the question to be on its way", lambda: org.stats()["faults"]["fired"] > 0)
                self.assertEqual(world.daemon.terminate(limit_s=15), 0)


if __name__ == "__main__":
    runner.main()
