"""What a setting would do, before anybody does it: counts, reasons and warnings of the live path, with nothing written."""
import os
import unittest

import runner
from harness import ORG_ID, World, wait_for

ALL, RESPONDED, EXCLUDE = (
    "Include all Campaign Members", 'Include only "Responded" Campaign Members', "Exclude all Campaign Members",
)
SYNC = "Enable_Buyer_Touchpoints__c"


def counts(members, get=0, keep=0, change=0, lose=0, none=0):
    return {"members": members, "get": get, "keep": keep, "change": change, "lose": lose, "none": none}


class Preview(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.org = cls.world.org

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def preview(self, campaign, setting=None, want=200):
        body = {"org": ORG_ID, "campaign": campaign} | ({"setting": setting} if setting else {})
        status, told = self.world.api("/preview", "POST", body)
        self.assertEqual(status, want, told)
        return told

    def campaign(self, setting, members, **fields):
        """Members as (email, fields)."""
        campaign = self.org.create("Campaign", {"Name": "Expo", "Type": "Trade Show", SYNC: setting, **fields})[0]
        leads = self.org.create("Lead", *({"LastName": f"L{i}", "Company": "c", "Email": e} for i, (e, _) in enumerate(members)))
        return campaign, self.org.create("CampaignMember", *({"CampaignId": campaign, "LeadId": x, **f} for x, (_, f) in zip(leads, members)))

    def settled(self, campaign, count):
        wait_for("the touchpoints", lambda: len(self.org.touchpoints(campaign)) == count)
        self.org.flush()
        wait_for("the queue to be empty", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state < 2 LIMIT 1"))

    def warned(self, told):
        return {w["code"]: w["count"] for w in told["warnings"]}

    def test_each_setting_says_what_it_would_do_and_then_does_it(self):
        campaign, _ = self.campaign(RESPONDED, [("a@x.example", {"Status": "Responded"}), ("b@x.example", {"Status": "Responded"}),
                                                ("c@x.example", {"Status": "Sent"}), (None, {"Status": "Responded"})])
        self.settled(campaign, 2)
        before = self.world.rows("SELECT count(*), max(seq) FROM notification"), self.org.stats()["rows"]
        want = {
            None: counts(4, keep=2, none=2), "responded": counts(4, keep=2, none=2), "exclude": counts(4, lose=2, none=2),
            "blank": counts(4, lose=2, none=2), "all": counts(4, get=1, change=2, none=1),
        }
        for setting, numbers in want.items():
            with self.subTest(setting):
                told = self.preview(campaign, setting)
                self.assertEqual(told["counts"], numbers)
                self.assertEqual(told["campaign"]["setting"], RESPONDED)
                self.assertEqual(sum(r["count"] for r in told["reasons"]), 4)
        self.assertEqual(self.warned(told), {"no_email": 1})
        self.assertEqual(told["setting"], ALL)
        self.assertEqual(told["channels"], [{"channel_path": "Events.Trade Show", "count": 3}])
        self.assertEqual({(s["action"], s["reason"]) for s in told["sample"]}, {("create", ""), ("update", ""), ("none", "no_email")})
        self.assertEqual(before, (self.world.rows("SELECT count(*), max(seq) FROM notification"), self.org.stats()["rows"]))
        rows = self.org.stats()["rows"]
        self.org.update("Campaign", {"Id": campaign, SYNC: ALL})
        self.settled(campaign, 3)
        self.assertEqual({k: v - rows[k] for k, v in self.org.stats()["rows"].items() if v != rows[k]}, {"upsert_created": 1, "upsert_updated": 2})

    def test_a_touchpoint_whose_member_is_gone_would_be_lost(self):
        campaign, members = self.campaign(ALL, [("a@x.example", {}), ("b@x.example", {})])
        self.settled(campaign, 2)
        self.org.outbound(paused=True, helper_trigger=False)
        try:
            self.org.delete("CampaignMember", members[0])
            told = self.preview(campaign)
            self.assertEqual(told["counts"], counts(1, keep=1, lose=1))
            self.assertIn({"member": members[0], "name": None, "status": None, "action": "delete", "reason": "member_deleted", "date": None,
                           "channel_path": None}, told["sample"])
        finally:
            self.org.outbound(paused=False, helper_trigger=True)

    def test_deletions_that_the_guard_would_hold_are_told(self):
        """Nobody changed a setting, yet most members lost their email: a look says so, and the pass does so."""
        campaign, _ = self.campaign(ALL, [(f"held{i}@x.example", {}) for i in range(130)])
        self.settled(campaign, 130)
        self.org.outbound(objects={"Lead": None})
        people = self.org.records("Lead", "Email LIKE 'held%'")
        self.org.update("Lead", *({"Id": p["Id"], "Email": None} for p in people[:120]))
        told = self.preview(campaign)
        self.assertEqual(told["counts"], counts(130, keep=10, lose=120))
        held = [w for w in told["warnings"] if w["code"] == "held_deletions"]
        self.assertEqual([w["count"] for w in held], [120])
        self.assertIn("120 of 130 touchpoints would be deleted, so many that they wait for an approval", held[0]["sentence"])
        self.assertNotIn("held_deletions", self.warned(self.preview(campaign, "exclude")), "a change of the setting is meant")
        status, job = self.world.api("/reconcile", "POST", {"campaign": campaign})
        self.assertEqual(status, 202, job)
        wait_for("the guard to hold", lambda: any(j["campaign"] == campaign for j in self.world.api("/jobs", kind="held_deletions")[1]["jobs"]))
        self.assertEqual(len(self.org.touchpoints(campaign)), 130)
        self.assertEqual(self.warned(self.preview(campaign))["held_deletions"], 120)

    def test_warnings_with_numbers(self):
        late = {"CreatedDate": "2026-02-01T10:00:00Z"}
        campaign, _ = self.campaign(None, [
            ("a@x.example", late), ("b@x.example", late), ("c@x.example", {**late, "Buyer_Touchpoint_Date__c": "2026-01-08T10:00:00Z"}),
            ("d@x.example", {"Buyer_Touchpoint_Date__c": "2199-01-08T10:00:00Z"}), (" ", late),
        ], EndDate="2026-01-10", Type="Dinner")
        told = self.preview(campaign, "all")
        self.assertEqual(self.warned(told), {"no_email": 1, "future_date": 1, "late_upload": 2, "unmapped_type": 4})
        sentence = next(w["sentence"] for w in told["warnings"] if w["code"] == "late_upload")
        self.assertIn("2 of 5 members would be dated 3 weeks after the campaign ended", sentence)
        self.org.update("Campaign", {"Id": campaign, "Touchpoint_Start_Date__c": "2026-01-01", "Touchpoint_End_Date__c": "2026-01-31", "Type": "Online x"})
        told = self.preview(campaign, "all")
        self.assertEqual(self.warned(told), {"no_email": 1, "outside_window": 3, "null_channel": 1})
        self.assertEqual(self.warned(self.preview(campaign)), {})  # not enabled: nobody is looked at that far
        self.org.update("Campaign", {"Id": campaign, "Touchpoint_Start_Date__c": "2026-03-01"})
        self.assertEqual(self.warned(self.preview(campaign, "all"))["start_after_end"], 1)

    def test_a_setting_that_nobody_knows_and_calls_that_are_wrong(self):
        self.assertIn("setting is all, responded", self.preview("701000000000001", "some", want=400)["detail"])
        self.assertIn("campaign is missing", self.world.api("/preview", "POST", {})[1]["detail"])
        self.assertIn("colour is no member", self.world.api("/preview", "POST", {"colour": 1})[1]["detail"])
        self.assertIn("no campaign", self.preview("701000000000009", want=404)["detail"])
        status, told = self.world.api("/preview", "POST", b"[1]")
        self.assertEqual(status, 400)

    def test_whose_person_is_hidden_stays(self):
        campaign, _ = self.campaign(ALL, [("a@x.example", {})])
        self.settled(campaign, 1)
        self.org.call("POST", "/sim/permissions", {"hide": ["Lead"]})
        try:
            told = self.preview(campaign)
            self.assertEqual(told["counts"], counts(1, keep=1))
            self.assertEqual(self.warned(told), {"unseen_person": 1})
        finally:
            self.org.call("POST", "/sim/permissions", {})


class Large(unittest.TestCase):
    """A hundred thousand members stream through: memory is bounded, calls are few."""

    MEMBERS = int(os.environ.get("TP_PREVIEW_MEMBERS", "30000"))

    def resident(self, pid):
        with open(f"/proc/{pid}/status") as status:
            return {line.split(":")[0]: line.split(":")[1] for line in status}

    def test_a_large_campaign(self):
        with World(policy={"dedupe": "email"}) as world:
            org = world.start().org
            world.checked()
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": self.MEMBERS, "emails": 0.9, "dated": 0.1, "sync_type": None,
                                                       "type": "Trade Show"})["campaigns"][0]
            pid = world.daemon.child.pid
            with open(f"/proc/{pid}/clear_refs", "w") as clear:
                clear.write("5")
            idle = int(self.resident(pid)["VmRSS"].split()[0])
            before = org.stats()["api"]["calls"]
            status, told = world.api("/preview", "POST", {"campaign": campaign, "setting": "all"}, timeout=240)
            self.assertEqual(status, 200, told)
            peak = int(self.resident(pid)["VmHWM"].split()[0])
            numbers = told["counts"]
            self.assertEqual(numbers["members"], self.MEMBERS)
            self.assertEqual(numbers["get"] + numbers["none"], self.MEMBERS)
            self.assertLessEqual(len(told["sample"]), 200)
            calls = org.stats()["api"]["calls"] - before
            print(f"preview of {self.MEMBERS} members: {(peak - idle) / 1024:.1f} MiB above idle, {calls} calls", flush=True)
            self.assertLess(calls, 2 * (self.MEMBERS / 2000 + 20))
            if os.environ.get("TP_FLAVOUR", "release") == "release":  # a sanitizer keeps what was freed
                self.assertLess(peak - idle, 64 * 1024)


if __name__ == "__main__":
    runner.main()
