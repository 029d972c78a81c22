"""Buyer Touchpoint Dates of many members at once, and undoing it: counted exactly whatever happens on the way."""
import json
import subprocess
import unittest

import runner
from harness import FLAVOUR, ORG_ID, ROOT, World, sfid, wait_for

ALL = "Include all Campaign Members"
SYNC, DATE = "Enable_Buyer_Touchpoints__c", "Buyer_Touchpoint_Date__c"
QUEUED, RUNNING, DONE, CANCELLED, FAILED = range(5)


def where(field, op, value):
    return {"any": [{"all": [{"field": field, "op": op, "value": value}]}]}


class Case(unittest.TestCase):
    def campaign(self, members, **fields):
        org = self.world.org
        campaign = org.create("Campaign", {"Name": "Expo", "Type": "Trade Show", SYNC: ALL, **fields})[0]
        leads = org.create("Lead", *({"LastName": f"L{i}", "Company": "c", "Email": f"l{i}@x.example"} for i in range(len(members))))
        return campaign, org.create("CampaignMember", *({"CampaignId": campaign, "LeadId": x, **f} for x, f in zip(leads, members)))

    def dates(self, campaign, value, want=202, **more):
        status, told = self.world.api("/touchpoint-dates", "POST", {"org": ORG_ID, "campaign": campaign, "value": value, **more})
        self.assertEqual(status, want, told)
        return told

    def undo(self, job, want=202, **more):
        status, told = self.world.api(f"/jobs/{job}/undo", "POST", more)
        self.assertEqual(status, want, told)
        return told

    def job(self, number):
        return dict(zip(("state", "total", "done", "changed", "skipped", "failed", "message"), self.world.rows(
            "SELECT state, total, done, changed, skipped, failed, message FROM job WHERE id = ?", number)[0]))

    def ended(self, number, state=DONE, limit_s=None):
        job = wait_for("the job to end", lambda: (j := self.job(number))["state"] > RUNNING and j, limit_s)
        self.assertEqual(job["state"], state, job)
        return job

    def values(self, campaign):
        return {r["Id"]: r[DATE] for r in self.world.org.records("CampaignMember", f"CampaignId = '{campaign}'")}

    def followed(self, campaign, dates):
        """Waits until the touchpoints have these dates, by member."""
        wait_for("the touchpoints to follow", lambda: {
            t["Campaign_Member_Id__c"]: t["Touchpoint_Date__c"][:19] for t in self.world.org.touchpoints(campaign)} == dates)


class Dates(Case):
    @classmethod
    def setUpClass(cls):
        cls.world = World(org_options={"time_zone": "Europe/Berlin"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def test_by_filter_then_undone_but_for_what_was_changed_since(self):
        old = "2026-01-02T03:04:05Z"
        campaign, m = self.campaign([{"Status": "Responded"}, {"Status": "Responded", DATE: old}, {"Status": "Sent"}, {"Status": "Responded"}])
        self.followed(campaign, {x: (self.world.org.records("CampaignMember", f"Id = '{x}'")[0][DATE] or
                                     self.world.org.records("CampaignMember", f"Id = '{x}'")[0]["CreatedDate"])[:19] for x in m})
        new = "2026-03-04T05:06:07"
        asked = self.dates(campaign, new + "Z", 200, filter=where("Status", "is", "responded"), dry_run=True)
        self.assertEqual((asked["members"], asked["match"], asked["change"], asked["warnings"]), (4, 3, 3, []))
        self.assertEqual({s["member"]: (s["from"] or "")[:19] for s in asked["sample"]}, {m[0]: "", m[1]: old[:19], m[3]: ""})
        self.assertIsNone(self.values(campaign)[m[0]])
        job = self.dates(campaign, new + ".789Z", filter=where("CampaignMember.Status", "is", "responded"), reason="the fair was in March")
        self.assertEqual((job["kind"], job["campaign"], job["reason"], job["can_cancel"]), ("dates", campaign, "the fair was in March", True))
        ended = self.ended(job["id"])
        self.assertEqual(ended, {"state": DONE, "total": 4, "done": 4, "changed": 3, "skipped": 0, "failed": 0, "message": ""})
        created = self.world.org.records("CampaignMember", f"Id = '{m[2]}'")[0]["CreatedDate"][:19]
        self.followed(campaign, {m[0]: new, m[1]: new, m[3]: new, m[2]: created})
        wait_for("the ledger to name the job", lambda: sorted(x for x, in self.world.rows(
            "SELECT member_id FROM ledger WHERE cause = ?", f"dates:{job['id']}")) == sorted([m[0], m[1], m[3]]))
        again = self.dates(campaign, new + "Z", 200, filter=where("Status", "is", "responded"), dry_run=True)
        self.assertEqual((again["match"], again["change"]), (3, 0))
        mine = "2026-05-05T05:05:05"
        self.world.org.update("CampaignMember", {"Id": m[3], DATE: mine + "Z"})
        self.assertEqual(self.undo(job["id"], 200, dry_run=True), {"restore": 2, "changed_since": 1})
        back = self.undo(job["id"])
        self.assertEqual((back["kind"], back["undo_of"]), ("undo", job["id"]))
        self.assertEqual({k: v for k, v in self.ended(back["id"]).items() if k in ("changed", "skipped", "failed")}, {"changed": 2, "skipped": 1, "failed": 0})
        values = self.values(campaign)
        self.assertEqual([(values[x] or "")[:19] for x in m], ["", old[:19], "", mine])
        left = self.world.rows("SELECT record_id, code FROM job_item WHERE job = ? AND state = 3", back["id"])
        self.assertEqual(left, [(m[3], "changed_since")])
        self.assertEqual(self.undo(job["id"], 409)["title"], "The job can't be made")  # undone once already
        self.assertIn("only jobs that changed dates", self.undo(back["id"], 409)["detail"])
        self.followed(campaign, {x: (values[x] or self.world.org.records("CampaignMember", f"Id = '{x}'")[0]["CreatedDate"])[:19] for x in m})

    def test_an_undo_counts_members_that_are_gone(self):
        campaign, m = self.campaign([{}, {}, {}])
        job = self.dates(campaign, "2026-02-02")["id"]
        self.ended(job)
        self.world.org.delete("CampaignMember", m[1])
        back = self.ended(self.undo(job)["id"])
        self.assertEqual((back["total"], back["done"], back["changed"], back["skipped"], back["failed"]), (3, 3, 2, 1, 0), back)
        self.assertEqual(self.values(campaign), {m[0]: None, m[2]: None})

    def test_forms_of_the_value(self):
        campaign, m = self.campaign([{}, {DATE: "2026-01-02T03:04:05Z"}, {}], StartDate="2026-06-01", EndDate="2026-06-03")
        other, strangers = self.campaign([{}])
        forms = {"2026-01-15": "2026-01-14T23:00:00", "campaign_start": "2026-05-31T22:00:00", "campaign_end": "2026-06-02T22:00:00", "clear": ""}
        for value, want in forms.items():
            with self.subTest(value):
                self.ended(self.dates(campaign, value)["id"])
                self.assertEqual({(v or "")[:19] for v in self.values(campaign).values()}, {want})
        job = self.dates(campaign, "2026-02-02", members=[m[0][:15], m[2], strangers[0]])
        self.assertEqual(self.ended(job["id"])["changed"], 2)
        self.assertEqual([bool(v) for _, v in sorted(self.values(campaign).items())], [True, False, True])
        self.assertEqual(set(self.values(other).values()), {None})
        empty = self.dates(campaign, "2026-02-03", 200, filter=where(DATE, "is", ""), dry_run=True)
        self.assertEqual([s["member"] for s in empty["sample"]], [m[1]])

    def test_warnings_of_a_dry_run(self):
        campaign, _ = self.campaign([{}, {}], Touchpoint_End_Date__c="2026-01-01")
        codes = lambda value: {w["code"]: w["count"] for w in self.dates(campaign, value, 200, dry_run=True)["warnings"]}
        self.assertEqual(codes("2025-12-31"), {})
        self.assertEqual(codes("2026-01-01"), {"outside_window": 2})
        self.assertEqual(codes("2199-01-01"), {"outside_window": 2, "future_date": 2})
        self.world.org.update("Campaign", {"Id": campaign, SYNC: None})
        self.assertEqual(codes("2025-12-31"), {"campaign_not_enabled": 2})

    def test_what_is_wrong_is_named_before_anything_is_done(self):
        campaign, _ = self.campaign([{}])
        for more, part in (
            ({"value": "tomorrow"}, "value is a date-time"), ({"value": None}, "value is a date-time"), ({"filter": {"any": []}}, "one group"),
            ({"filter": {"any": [{"all": []}]}}, "a group has no condition"), ({"filter": where("Nosuch__c", "is", "1")}, "no field Nosuch__c"),
            ({"filter": where("Status", "likes", "1")}, '"likes" is not an operator'), ({"filter": where("a b", "is", "1")}, '"a b" is not a field'),
            ({"filter": where(DATE, "<", "soon")}, "is no value for `<`"), ({"members": ["701000000000001"]}, "members[0]"), ({"members": []}, "members is a list"),
            ({"filter": where("CreatedDate) OR (Id", "is", "1")}, "is not a field"), ({"value": "campaign_end"}, "the campaign has no end date"),
            ({"colour": 1}, "colour is no member"), ({"dry_run": "yes"}, "dry_run is true or false"), ({"reason": "x" * 501}, "reason is a text"),
            ({"members": [sfid("00v", i) for i in range(4000)]}, "take more than 65536 bytes"), ({"campaign": "00v000000000001"}, "campaign is no Salesforce id"),
        ):
            with self.subTest(part):
                status, told = self.world.api("/touchpoint-dates", "POST", {"org": ORG_ID, "campaign": campaign, "value": "clear", **more})
                self.assertEqual(status, 400, told)
                self.assertIn(part, told["detail"])
        self.assertEqual(self.world.api("/touchpoint-dates", "POST", {"campaign": sfid("701", 987654), "value": "clear"})[0], 404)
        self.assertEqual(self.world.api("/jobs/x/undo", "POST")[0], 404)
        self.assertEqual(self.world.api("/jobs/987654/undo", "POST")[0], 404)
        self.world.org.flush()  # no live work may meet what is missing: the org would be left alone
        wait_for("the work to be done", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state < 2"))
        for rights, part in (({"no_field": ["CampaignMember.Status"]}, "may not see it"), ({"read_only_field": [f"CampaignMember.{DATE}"]}, "grant Edit")):
            self.world.org.call("POST", "/sim/permissions", rights)
            try:
                told = self.dates(campaign, "clear", 400, filter=where("Status", "is", "Sent"))
                self.assertIn(part, told["detail"])
            finally:
                self.world.org.call("POST", "/sim/permissions", {})

    def test_a_row_that_the_org_refuses_is_counted_and_kept(self):
        campaign, m = self.campaign([{}, {}, {}])
        self.world.org.fault("row_error", "collections_update", {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "not on a Sunday", "fields": [DATE]},
                             row=m[1], count=-1)
        self.world.org.fault("lock", "collections_update", row=m[2], count=1)  # the second try does it
        try:
            job = self.dates(campaign, "2026-01-18")
            ended = self.ended(job["id"])
        finally:
            self.world.org.heal()
        self.assertEqual((ended["changed"], ended["failed"]), (2, 1))
        self.assertIn("not on a Sunday", ended["message"])
        items = self.world.rows("SELECT record_id, state, code FROM job_item WHERE job = ? ORDER BY record_id", job["id"])
        self.assertEqual(items, sorted([(m[0], 1, ""), (m[1], 2, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), (m[2], 1, "")]))
        self.assertEqual(self.undo(job["id"], 200, dry_run=True), {"restore": 2, "changed_since": 0})


class AtOnce(Case):
    """Requests that come late, and people who do something while a job is at work."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(worker={"threads": 2, "lease": "20s", "request_timeout": "2s", "echo": "5s", "reconcile": "off"}).start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def tearDown(self):
        self.world.org.heal()

    def drained(self):
        """Nothing else asks the org, so a fault meets the request that it is meant for."""
        self.world.org.flush()
        wait_for("the work to be done", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state < 2"))

    def late(self, ms):
        """The next write is carried out so much later, whether we wait for it or not."""
        self.drained()
        fired = self.world.org.stats()["faults"]["fired"]
        self.world.org.fault("late", "composite", ms)
        return lambda: wait_for("the request", lambda: self.world.org.stats()["faults"]["fired"] > fired)

    def test_what_somebody_sets_between_the_read_and_the_write_stays(self):
        mine, new = "2026-05-05T05:05:05", "2026-07-07T07:07:07"
        campaign, m = self.campaign([{}, {DATE: "2026-01-02T03:04:05Z"}, {}])
        for do, touched, want in ((lambda: self.dates(campaign, new + "Z"), m[1], [new, mine, new]), (lambda: self.undo(job), m[0], [mine, mine, ""])):
            begun = self.late(1000)
            job = do()["id"]
            begun()
            self.world.org.update("CampaignMember", {"Id": touched, DATE: mine + "Z"})
            ended = self.ended(job)
            self.assertEqual([(self.values(campaign)[x] or "")[:19] for x in m], want, ended)
            left = self.world.rows("SELECT record_id, code, message FROM job_item WHERE job = ? AND state = 3", job)
            self.assertEqual([x[:2] for x in left], [(touched, "changed_since")])
            self.assertIn(f"somebody else set the date to {mine}", left[0][2])
            self.assertEqual((ended["changed"], ended["skipped"], ended["failed"]), (2 if touched == m[1] else 1, 1, 0), ended)

    def test_an_undo_waits_until_a_request_that_was_given_up_is_over(self):
        campaign, _ = self.campaign([{}, {DATE: "2026-01-02T03:04:05Z"}])
        before = self.values(campaign)
        self.late(5000)
        job = self.dates(campaign, "2026-07-07T07:07:07Z")["id"]
        self.assertEqual(self.ended(job)["changed"], 2)  # by a second request, while the first one is still to come
        back = self.undo(job)["id"]
        told = wait_for("the undo to tell that it waits", lambda: self.job(back)["message"])
        self.assertIn(f"a request of job {job} got no answer", told)
        self.assertEqual((self.ended(back)["changed"], self.job(back)["message"]), (2, ""))
        self.assertEqual(self.values(campaign), before)

    def test_a_pause_counts_from_the_next_slice_on(self):
        org = self.world.org
        campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 2000, "dated": 0.5, "seed": 4, "sync_type": None, "type": "Trade Show"})["campaigns"][0]
        self.drained()
        org.fault("latency", "composite", 700, count=-1)
        job = self.dates(campaign, "2026-07-07")["id"]
        wait_for("a slice", lambda: self.job(job)["done"] > 0)
        self.assertEqual(self.world.api("/pause", "POST", {"reason": "look first"})[0], 200)
        wait_for("the slice at work to end", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state = 1"))
        done = self.job(job)
        self.assertLess(done["done"], 2000)
        self.assertEqual(done["state"], RUNNING)
        org.heal()
        self.assertEqual(self.world.api("/resume", "POST", {})[0], 200)
        self.assertEqual(self.ended(job)["changed"], 2000)

    def test_an_undo_that_was_cancelled_may_be_asked_for_again(self):
        campaign, _ = self.campaign([{}])
        job = self.dates(campaign, "2026-07-07")["id"]
        self.ended(job)
        self.assertEqual(self.world.api("/pause", "POST", {})[0], 200)
        back = self.undo(job)["id"]
        can_undo = lambda: self.world.api(f"/jobs/{job}")[1]["can_undo"]  # noqa: E731
        self.assertFalse(can_undo())
        self.assertEqual(self.world.api(f"/jobs/{back}/cancel", "POST", {})[0], 200)
        self.assertTrue(can_undo())
        self.assertEqual(self.world.api("/resume", "POST", {})[0], 200)
        self.assertEqual(self.ended(self.undo(job)["id"])["changed"], 1)
        self.assertFalse(can_undo())


class Ctl(Case):
    """What the admin's program makes of it."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(org_options={"time_zone": "UTC"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def ctl(self, *words, status=0, input=""):
        program = [ROOT / "build" / FLAVOUR / "touchpointctl", "--url", f"http://127.0.0.1:{self.world.admin_port}",
                   "--token-file", self.world.folder / "admin.token", *words]
        done = subprocess.run([str(x) for x in program], capture_output=True, text=True, timeout=90, input=input)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_conditions_mean_what_they_say(self):
        campaign, _ = self.campaign([{"Status": "Sent"}, {"Status": "Sent", DATE: "2026-01-05T10:00:00Z"}, {"Status": "Responded"},
                                     {"Status": "Responded", DATE: "2026-02-05T10:00:00Z"}])
        for condition, want in (
            ("Status is Sent", 2), ("Status = sent and Buyer_Touchpoint_Date__c is ''", 1), (f"Status is not Sent or {DATE} < 2026-01-31", 3),
            (f"Status is Sent and {DATE} is '' or Status is Responded and {DATE} is not ''", 2),
            (f"Status is Sent and ({DATE} is '' or Status is Responded)", 1), (f'(Status   STARTS with "Re") AND ((({DATE} >= 2026-02-05)))', 1),
            ("Status matches any 'Se*, Nothing'", 2), ("Status does not contain 'e'", 0), ("Status not matches any Sent", 2),
            ("FirstName is '' and LastName is 'L''1'", 0), ("CampaignMember.LastName is L1", 1), ("ALL", 4), ("HasResponded is true", 2),
        ):
            with self.subTest(condition):
                told = json.loads(self.ctl("--json", "set-date", campaign, "--where", condition, "--date", "2026-03-03", "--dry-run"))
                self.assertEqual(told["match"], want)
        for condition, part in (
            ("", "a field's API name should stand"), ("Status", "an operator (is,"), ("Status is", "a value"), ("Status is Sent and", "ends where a field"),
            ("Status is Sent or or", "ends where an operator"), ("(Status is Sent", "a closing parenthesis"), ("Status is Sent)", 'at ")"'),
            ("Status is 'Sent", "a value"), ("Status isnot Sent", "an operator"), ("(" * 30 + "a is b" + ")" * 30, "no further parenthesis"),
            (" and ".join(["(a is 1 or b is 2 or c is 3)"] * 5), "too many alternatives"),
        ):
            with self.subTest(condition):
                self.assertIn(part, self.ctl("set-date", campaign, "--where", condition, "--date", "clear", status=2))
        self.assertIn("no field Nosuch__c", self.ctl("set-date", campaign, "--where", "Nosuch__c is 1", "--date", "clear", status=1))
        self.assertIn("--where ALL", self.ctl("set-date", campaign, "--date", "clear", status=2))
        self.assertIn("--date is missing", self.ctl("set-date", campaign, "--where", "ALL", status=2))

    def test_from_the_preview_to_the_undo(self):
        campaign, m = self.campaign([{"CreatedDate": "2026-02-10T09:00:00Z"}, {"CreatedDate": "2026-02-10T09:00:00Z"}], EndDate="2026-01-20", **{SYNC: None})
        text = self.ctl("preview", campaign, "--setting", "all")
        self.assertIn("2 members: 2 would get a touchpoint, 0 keep theirs", text)
        self.assertIn("2 of 2 members would be dated 3 weeks after the campaign ended", text)
        self.assertRegex(text, r"2 +Events\.Trade Show")
        self.assertIn("setting is all, responded", self.ctl("preview", campaign, "--setting", "some", status=1))
        text = self.ctl("set-date", campaign, "--where", "ALL", "--date", "campaign_end", "--dry-run")
        self.assertIn("2 members, 2 match, 2 would change", text)
        self.assertIn("is not enabled get no touchpoint", text)
        self.assertIn("--yes does it", self.ctl("set-date", campaign, "--where", "ALL", "--date", "campaign_end", status=1))
        self.assertEqual(set(self.values(campaign).values()), {None})
        job = json.loads(self.ctl("--json", "set-date", campaign, "--members", "-", "--date", "campaign_end", "--yes", "--wait", "--reason", "late upload", input=f"{m[0]}\n{m[1]}\n"))
        self.assertEqual((job["state"], job["changed"], job["reason"], job["can_undo"]), ("done", 2, "late upload", True))
        self.assertIn("it is done", self.ctl("cancel", str(job["id"]), status=1))
        self.world.org.update("Campaign", {"Id": campaign, SYNC: ALL})
        self.followed(campaign, dict.fromkeys(m, "2026-01-20T00:00:00"))
        text = self.ctl("explain", m[0])
        self.assertIn("has a touchpoint, Events.Trade Show, dated 2026-01-20T00:00:00", text)
        self.assertRegex(text, r"Date +pass +the date is 2026-01-20T00:00:00.000Z, from Buyer Touchpoint Date")
        self.assertIn("created", text)
        self.assertRegex(self.ctl("channels"), r"Trade Show +\d+ +\d+ +\d+ +Events +Trade Show")
        self.assertIn("2 members would get their former date back", self.ctl("undo", str(job["id"]), "--dry-run"))
        self.assertIn("--yes does it", self.ctl("undo", str(job["id"]), status=1))
        self.assertRegex(self.ctl("undo", str(job["id"]), "--yes", "--wait"), r"job \d+: undo done, 2 done, 2 changed, 0 skipped, 0 failed")
        self.assertEqual(set(self.values(campaign).values()), {None})
        self.assertIn("undone by job", self.ctl("undo", str(job["id"]), "--yes", status=1))


class DateField(Case):
    def test_an_org_whose_field_is_a_date(self):
        with World(org_options={"time_zone": "Asia/Tokyo"},
                   org_config={"schema": {"base": "standard", "member.touchpoint_date": "Touchpoint_Day__c"}}) as self.world:
            self.world.start()
            campaign, m = self.campaign([{}, {"Touchpoint_Day__c": "2026-01-16"}])
            job = self.dates(campaign, "2026-01-15T20:00:00Z")  # the 16th in Tokyo
            self.assertEqual({k: v for k, v in self.ended(job["id"]).items() if k in ("changed", "skipped")}, {"changed": 1, "skipped": 1})
            self.followed(campaign, dict.fromkeys(m, "2026-01-15T15:00:00"))
            self.ended(self.undo(job["id"])["id"])
            self.assertEqual([r["Touchpoint_Day__c"] for r in self.world.org.records("CampaignMember", f"Id = '{m[0]}'")], [None])


class Killed(Case):
    """kill -9 while a job is at work: nothing is lost, nothing counted twice, and the undo knows what was before."""

    MEMBERS = 2300
    WORKER = {"threads": 2, "lease": "10s", "request_timeout": "5s", "echo": "2s", "reconcile": "off"}

    def load(self):
        org = self.world.start().org
        self.world.checked()
        campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": self.MEMBERS, "dated": 0.5, "seed": 4, "sync_type": None, "type": "Trade Show"})["campaigns"][0]
        return org, campaign, self.values(campaign)

    def killed_while(self, what, holds):
        wait_for(what, holds)
        self.world.daemon.kill()
        self.world.org.heal()
        self.world.start_daemon()

    def check(self, campaign, before, job, target):
        ended = self.ended(job, limit_s=120)
        self.assertEqual({(v or "")[:19] for v in self.values(campaign).values()}, {target})
        self.assertEqual((ended["changed"], ended["failed"], ended["done"]), (self.MEMBERS, 0, self.MEMBERS), ended)
        items = dict(self.world.rows("SELECT record_id, before FROM job_item WHERE job = ? AND state = 1", job))
        self.assertEqual({k: v[:19] for k, v in items.items()}, {k: (v or "")[:19] for k, v in before.items()})

    def test_before_an_answer_and_between_slices_and_in_the_undo(self):
        with World(worker=self.WORKER) as self.world:
            org, campaign, before = self.load()
            # the second write is carried out, its answer never comes
            org.fault("silence", "composite", True, after=1)
            job = self.dates(campaign, "2026-07-07T07:07:07Z")["id"]
            self.killed_while("the write that nobody hears of", lambda: org.stats()["faults"]["fired"] == 1)
            org.fault("latency", "composite", 700, count=-1)
            done = self.job(job)["done"]
            self.killed_while("another slice", lambda: self.job(job)["done"] > done)
            self.check(campaign, before, job, "2026-07-07T07:07:07")
            org.fault("silence", "composite", True, after=1)
            back = self.undo(job)["id"]
            self.killed_while("the undo's write that nobody hears of", lambda: org.stats()["faults"]["fired"] >= 1)
            ended = self.ended(back, limit_s=120)
            self.assertEqual((ended["changed"], ended["skipped"], ended["failed"]), (self.MEMBERS, 0, 0), ended)
            self.assertEqual(self.values(campaign), before)

    def test_what_was_changed_while_the_daemon_was_down_stays(self):
        """Before its write or after it: by then nobody can tell, and the undo must not bring back what was there before that change."""
        with World(worker=self.WORKER) as self.world:
            self.world.start()
            self.world.checked()
            org, jobs = self.world.org, []
            made = [self.campaign([{}, {DATE: "2026-01-02T03:04:05Z"}, {}]) for _ in range(2)]
            org.flush()
            wait_for("the work to be done", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state < 2"))
            for number, ((campaign, _), carried_out) in enumerate(zip(made, (False, True)), 1):
                org.fault("silence", "composite", carried_out)
                jobs.append(self.dates(campaign, "2026-07-07T07:07:07Z")["id"])
                wait_for("the write that nobody hears of", lambda: org.stats()["faults"]["fired"] == number)
            self.world.daemon.kill()
            org.heal()
            mine, new = "2026-05-05T05:05:05", "2026-07-07T07:07:07"
            org.update("CampaignMember", *({"Id": m[1], DATE: mine + "Z"} for _, m in made))
            self.world.start_daemon()
            for (campaign, m), job in zip(made, jobs):
                ended = self.ended(job)
                self.assertEqual((ended["done"], ended["changed"], ended["skipped"], ended["failed"]), (3, 2, 1, 0), ended)
                self.assertEqual([self.values(campaign)[x][:19] for x in m], [new, mine, new])
            undone = [self.undo(job)["id"] for job in jobs]
            for (campaign, m), job in zip(made, undone):
                self.ended(job)
                self.assertEqual([(self.values(campaign)[x] or "")[:19] for x in m], ["", mine, ""])

    def test_a_job_whose_field_goes_away_ends_and_its_org_goes_on(self):
        with World() as self.world:
            org, campaign, _ = self.load()
            org.fault("latency", "composite", 500, count=-1)
            job = self.dates(campaign, "clear", filter=where("Touchpoint_Day__c", "is", ""))["id"]
            wait_for("a slice", lambda: self.job(job)["done"] > 0)
            org.call("POST", "/sim/permissions", {"no_field": ["CampaignMember.Touchpoint_Day__c"]})
            self.assertIn("Touchpoint_Day__c", self.ended(job, FAILED)["message"])
            org.heal()
            other, _ = self.campaign([{}])
            wait_for("live work to go on", lambda: len(org.touchpoints(other)) == 1)

    def test_cancelled_between_slices_what_was_done_can_be_undone(self):
        with World() as self.world:
            org, campaign, before = self.load()
            org.fault("latency", "composite", 500, count=-1)
            job = self.dates(campaign, "clear")["id"]
            wait_for("a slice", lambda: self.job(job)["done"] > 0)
            status, told = self.world.api(f"/jobs/{job}/cancel", "POST")
            self.assertEqual(status, 200, told)
            org.heal()
            wait_for("the slice at work to end", lambda: not self.world.rows("SELECT 1 FROM notification WHERE state < 2"))
            ended = self.job(job)
            self.assertEqual(ended["state"], CANCELLED)
            cleared = sum(1 for k, v in self.values(campaign).items() if v != before[k])
            self.assertEqual(ended["changed"], cleared)
            self.assertLess(cleared, sum(1 for v in before.values() if v))
            self.ended(self.undo(job)["id"])
            self.assertEqual(self.values(campaign), before)


if __name__ == "__main__":
    runner.main()
