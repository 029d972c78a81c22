"""The admin API over the whole daemon: what it shows, what it does, and what it refuses."""
import select
import socket
import time
import unittest

import runner
from harness import ADMIN_TOKEN, ORG_ID, USER, World, message, notification, sfid, wait_for
from test_replay import Admin

WRONG = [  # method, path, body, status, what the answer names
    ("GET", "/messages?state=lost", None, 400, "state"),
    ("GET", "/messages?limit=0", None, 400, "limit"),
    ("GET", "/messages?limit=1001", None, 400, "limit"),
    ("GET", "/messages?limit=1&limit=2", None, 400, "limit"),
    ("GET", "/messages?colour=red", None, 400, "colour"),
    ("GET", "/messages?org=001", None, 400, "org"),
    ("GET", "/messages?campaign=00Q000000000001", None, 400, "campaign"),
    ("GET", "/messages?since=yesterday", None, 400, "since"),
    ("GET", "/messages?after=5", None, 400, "after"),
    ("GET", "/messages?error=" + "x" * 64, None, 400, "error"),
    ("GET", "/messages/abc", None, 404, ""),
    ("GET", "/messages/99999999999999999999", None, 404, ""),
    ("GET", "/messages/123456", None, 404, ""),
    ("POST", "/messages/replay", {}, 400, "ids"),
    ("POST", "/messages/replay", {"ids": [1], "filter": {}}, 400, "ids"),
    ("POST", "/messages/replay", {"ids": []}, 400, "ids"),
    ("POST", "/messages/replay", {"ids": ["1"]}, 400, "ids"),
    ("POST", "/messages/replay", {"ids": [0]}, 400, "ids"),
    ("POST", "/messages/replay", {"ids": list(range(1, 5002))}, 400, "ids"),
    ("POST", "/messages/replay", {"filter": []}, 400, "filter"),
    ("POST", "/messages/replay", {"filter": {"colour": 1}}, 400, "colour"),
    ("POST", "/messages/replay", {"filter": {"state": 1}}, 400, "state"),
    ("POST", "/messages/replay", {"filter": {}, "dry_run": "yes"}, 400, "dry_run"),
    ("POST", "/messages/discard", {"filter": {}, "reason": "x" * 501}, 400, "reason"),
    ("POST", "/messages/discard", {"filter": {}, "force": True}, 400, "force"),
    ("POST", "/messages/discard", b"[1]", 400, "body"),
    ("POST", "/messages/discard", b"{", 400, "body"),
    ("POST", "/messages/discard", b'{"ids":[' + b"1," * 600000 + b"1]}", 413, "1 MiB"),
    ("GET", "/jobs?kind=party", None, 400, "kind"),
    ("GET", "/jobs?state=asleep", None, 400, "state"),
    ("GET", "/jobs?after=-1", None, 400, "after"),
    ("GET", "/jobs/4711", None, 404, "4711"),
    ("POST", "/jobs/4711/cancel", {}, 404, "4711"),
    ("POST", "/jobs/x/approve", {}, 404, ""),
    ("GET", "/quarantine/4711", None, 404, "4711"),
    ("GET", "/ledger?member=1", None, 400, "member"),
    ("POST", "/forget", {"record": "x"}, 400, "record"),
    ("POST", "/forget", {"org": "00D000000000099", "record": "00Q000000000001"}, 404, "org"),
    ("POST", "/reconcile", {}, 400, "campaign"),
    ("POST", "/reconcile", {"campaign": "701000000000001", "all": True}, 400, "campaign"),
    ("POST", "/pause", {"reason": 1}, 400, "reason"),
    ("POST", "/inject", b"<a/>", 400, ""),
    ("POST", "/inject", b"\xff", 400, "UTF-8"),
    ("GET", "/status?x=1", None, 400, "x"),
    ("PUT", "/status", {}, 405, ""),
]


class Api(Admin):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def test_what_is_not_understood_is_refused_by_name(self):
        for method, path, body, want, names in WRONG:
            status, answer = self.world.api(path, method, body)
            self.assertEqual(status, want, (method, path, body, answer))
            self.assertIn(names, answer["detail"], (method, path, body))
            self.assertEqual(answer["status"], want)
        self.assertEqual(self.pages("/jobs", "jobs", kind="discard"), [])

    def test_nothing_answers_without_the_token(self):
        for path in ("/api/v1/status", "/api/v1/messages", "/api/v1/jobs", "/api/v1/ledger", "/api/v1/quarantine"):
            for token in (None, "wrong", ADMIN_TOKEN + "x", ""):
                self.assertEqual(self.world.admin(path, token=token)[0], 401, (path, token))

    def test_status_tells_the_whole(self):
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        s = self.get("/status")
        self.assertEqual(s["status"], "ok")
        self.assertEqual(len(s["rate"]), 60)
        self.assertGreater(sum(s["rate"]), 0)
        org = s["orgs"][0]
        self.assertEqual((org["id"], org["name"], org["paused"], org["reachable"], org["problems"]), (ORG_ID, "simulated", False, True, []))
        self.assertGreater(s["queue"][0]["done"], 0)
        self.assertEqual((s["jobs"], s["failures"]), (0, []))
        self.assertTrue(all(c["days_left"] > 0 for c in s["certificates"]))
        self.assertIn("store", s["checks"])

    def test_messages_and_the_ledger_are_paged_and_filtered(self):
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        every = self.pages("/messages", "messages", campaign=campaign)
        small = self.pages("/messages", "messages", campaign=campaign, limit=2)
        self.assertEqual([m["id"] for m in every], [m["id"] for m in small])
        self.assertEqual(len({m["id"] for m in every}), len(every))
        member = self.pages("/messages", "messages", record=members[0])
        self.assertTrue(member and all(m["record"] == members[0] for m in member))
        self.assertEqual(self.pages("/messages", "messages", record=members[0][:15]), member, "15 characters will do")
        done = self.pages("/messages", "messages", campaign=campaign, state="done", limit=1)
        self.assertEqual({m["id"] for m in done}, {m["id"] for m in every if m["state"] == "done"})
        wrote = self.pages("/ledger", "ledger", campaign=campaign, limit=2)
        self.assertEqual({x["member"] for x in wrote}, set(members))
        self.assertTrue(all(x["action"] == "created" for x in wrote))
        one = next(x for x in wrote if x["member"] == members[0])
        self.assertEqual(self.pages("/ledger", "ledger", member=members[0]), [one])
        self.assertEqual(one["touchpoint"], next(t["Id"] for t in self.world.org.touchpoints(campaign) if t["Campaign_Member_Id__c"] == members[0]))

    def test_an_injected_document_takes_the_way_of_all_others(self):
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        body = message(notification(700001, members[0], "CampaignMember", CampaignId=campaign)).encode()
        self.assertEqual(self.post("/inject", body, org=ORG_ID), {"stored": 1, "duplicates": 0})
        self.assertEqual(self.post("/inject", body), {"stored": 0, "duplicates": 1})
        wait_for("it to be done", lambda: any(m["state"] == "done" and m["notification"] == sfid("04l", 700001)
                                              for m in self.pages("/messages", "messages", record=members[0])))
        status, problem = self.world.api("/inject", "POST", body.replace(ORG_ID.encode(), sfid("00D", 99).encode()), org=ORG_ID)
        self.assertEqual(status, 400)
        self.assertIn("is of organisation", problem["detail"])

    def test_refused_documents_are_shown_without_their_session(self):
        self.world.post("<not-soap><SessionId>00Dsecret</SessionId></not-soap>")
        documents = wait_for("the quarantine", lambda: [d for d in self.pages("/quarantine", "documents")
                                                        if "not-soap" in self.get(f"/quarantine/{d['id']}")["body"]])
        one = self.get(f"/quarantine/{documents[0]['id']}")
        self.assertEqual({k: one[k] for k in documents[0]}, documents[0])
        self.assertNotIn("00Dsecret", one["body"])

    def test_a_paused_org_waits_and_readiness_says_so(self):
        org = self.world.org
        answer = self.post("/pause", {"org": ORG_ID, "reason": "they deploy"})
        self.assertEqual(answer["orgs"], [{"id": ORG_ID, "paused": True, "reason": "they deploy"}])
        try:
            campaign, _, _, _ = self.campaign(self.world)
            org.flush()
            check = self.world.ready()[1]["checks"]["orgs"][0]
            self.assertEqual((check["status"], check["paused"]), ("degraded", True))
            self.assertIn("they deploy", check["problem"])
            self.assertTrue(self.get("/status")["orgs"][0]["paused"])
            self.assertEqual(org.touchpoints(campaign), [])
            self.assertGreater(len(self.pages("/messages", "messages", state="ready", campaign=campaign)), 0)
        finally:
            self.assertFalse(self.post("/resume")["orgs"][0]["paused"])
        self.settled(self.world, campaign=campaign)
        self.assertEqual(self.world.ready()[1]["status"], "ok")

    def test_reconcile_of_one_campaign_and_of_all(self):
        org = self.world.org
        campaign, members, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        touchpoint = org.touchpoints(campaign)[0]
        org.outbound(paused=True)
        self.addCleanup(lambda: org.outbound(paused=False))  # of the next tests' members messages must come
        org.delete("Buyer_Touchpoint__c", touchpoint["Id"])
        dry = self.post("/reconcile", {"campaign": campaign, "dry_run": True})
        self.assertEqual((dry["counts"]["get"], dry["counts"]["keep"]), (1, len(members) - 1))
        job = self.ended(self.post("/reconcile", {"campaign": campaign, "reason": "one is missing"}, want=202))
        self.assertEqual((job["state"], job["kind"], job["total"], job["changed"]), ("done", "reconcile", len(members), 1))
        self.settled(self.world, campaign=campaign)
        org.delete("Buyer_Touchpoint__c", org.touchpoints(campaign)[0]["Id"])
        self.assertGreaterEqual(self.post("/reconcile", {"all": True, "dry_run": True})["campaigns"], 1)
        job = self.ended(self.post("/reconcile", {"all": True}, want=202))
        self.assertEqual((job["state"], job["total"], job["done"]), ("done", 1, 1))
        self.settled(self.world, campaign=campaign)

    def test_a_job_that_waits_is_cancelled_and_never_runs(self):
        campaign, _, _, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.post("/pause")
        try:
            job = self.post("/reconcile", {"campaign": campaign}, want=202)
            self.assertTrue(job["can_cancel"])
            self.assertIn(job["id"], [j["id"] for j in self.pages("/jobs", "jobs", state="open")])
            self.assertEqual(self.post(f"/jobs/{job['id']}/cancel")["state"], "cancelled")
        finally:
            self.post("/resume")
        self.drained(self.world)
        job = self.get(f"/jobs/{job['id']}")
        self.assertEqual((job["state"], job["done"], job["can_cancel"]), ("cancelled", 0, False))

    def test_forgetting_counts_first_and_leaves_no_value(self):
        campaign, members, leads, _ = self.campaign(self.world)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        self.world.post(f"<refused>{leads[0]}</refused>")
        wait_for("the quarantine", lambda: any(leads[0] in self.get(f"/quarantine/{d['id']}")["body"] for d in self.pages("/quarantine", "documents")))
        dry = self.post("/forget", {"record": members[0], "dry_run": True})
        self.assertEqual(dry["ledger"], 1)
        self.assertGreater(dry["messages"], 0)
        self.assertEqual(self.post("/forget", {"record": members[0]}), dry)
        one = self.pages("/ledger", "ledger", member=members[0])[0]
        self.assertEqual((one["before"], one["after"]), (None, None))
        self.assertEqual(self.pages("/messages", "messages", record=members[0]), [])
        self.assertEqual(self.post("/forget", {"record": leads[0]})["documents"], 1)
        self.assertFalse(any(leads[0] in self.get(f"/quarantine/{d['id']}")["body"] for d in self.pages("/quarantine", "documents")))
        self.forget_email_in_jobs(members[1])
        files = [self.world.folder / name for name in ("queue.db", "queue.db-wal")]
        wait_for("the files to hold nothing of it", lambda: not any(leads[0].encode() in f.read_bytes() for f in files), 15)


    def forget_email_in_jobs(self, member):
        """Of a member its own, as its touchpoint had it; else the one that is named."""
        email = self.pages("/ledger", "ledger", member=member)[0]["after"]["email"]
        params = lambda job: self.world.rows("SELECT params, reason FROM job WHERE id = ?", job["id"])[0]  # noqa: E731
        wanted = lambda value: {"any": [{"all": [{"field": "Email", "op": "is", "value": value}]}]}  # noqa: E731
        campaign = self.pages("/ledger", "ledger", member=member)[0]["campaign"]
        jobs = [self.ended(self.post("/touchpoint-dates", {"campaign": campaign, "filter": wanted(e), "value": "clear", "reason": f"for {e}"}, want=202))
                for e in (email.upper(), "else@y.example")]
        dry = self.post("/forget", {"record": member, "dry_run": True})
        self.assertEqual(dry["job_items"], 1)
        self.assertEqual(self.post("/forget", {"record": member}), dry)
        self.assertEqual(params(jobs[0]), ("", ""))
        self.assertIn("else@y.example", params(jobs[1])[0])
        self.assertEqual(self.post("/forget", {"record": sfid("00Q", 4711), "email": "Else@y.example"})["job_items"], 1)
        self.assertEqual(params(jobs[1]), ("", ""))

    def test_only_names_that_no_web_site_can_have_are_answered(self):
        """DNS rebinding: a site's own name points here, and the browser tells it as Host."""
        def ask(path, *host):
            raw = socket.create_connection(("127.0.0.1", self.world.admin_port), timeout=30)
            with raw:
                raw.sendall(f"GET {path} HTTP/1.{1 if host else 0}\r\n{''.join(f'Host: {x}{chr(13)}{chr(10)}' for x in host)}Connection: close\r\n\r\n".encode())
                return int(raw.makefile("rb").readline().split()[1])
        for host in ("evil.example", "evil.example:8444", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1", "1.2.3", "x@127.0.0.1"):
            for path in ("/readyz", "/metrics", "/", "/api/v1/status"):
                self.assertIn(ask(path, host), (421, 400), (host, path))
        for host in ("127.0.0.1", "127.0.0.1:8444", "localhost:1", "LOCALHOST", "[::1]:8444", "[::1]", "192.0.2.7:80"):
            self.assertEqual(ask("/readyz", host), 200, host)
        self.assertEqual(ask("/readyz"), 200, "HTTP/1.0")
        self.assertEqual(ask("/healthz", "evil.example"), 200)


class Name(unittest.TestCase):
    def test_the_configured_name_is_answered(self):
        with World(admin={"name": "touchpointd.internal"}) as world:
            world.start_org()
            world.start_daemon()
            for name, want in (("touchpointd.internal:8444", 200), ("Touchpointd.Internal", 200), ("other.internal", 421)):
                http_ = world.admin_connection(30)
                http_.request("GET", "/metrics", headers={"Host": name})
                reply = http_.getresponse()
                reply.read()
                http_.close()
                self.assertEqual(reply.status, want, name)


class SeveralOrgs(unittest.TestCase):
    def test_an_org_that_hangs_keeps_no_question_to_another_waiting(self):
        """As many as there are threads, and more, for the one that is silent; the other answers at once."""
        world = World()
        self.addCleanup(world.stop)
        world.start_org()
        first = {"id": ORG_ID, "name": "first", "login_url": world.org.url, "audience": "https://login.salesforce.com", "api_version": "64.0",
                 "auth": {"type": "jwt", "client_id": "app", "username": USER, "key_file": "jwt.key"}}
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        other = {**first, "id": sfid("00D", 7), "name": "silent", "login_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        world.config["orgs"] = [first, other]
        world.start_daemon()
        wait_for("the org to be checked", lambda: world.api("/campaigns", org=ORG_ID)[0] == 200)
        asking = []
        for method, path, body in [("GET", f"/api/v1/campaigns?org={other['id']}", None)] * 6 + [("POST", "/api/v1/reconcile", '{"all":true,"dry_run":true}')]:
            http_ = world.admin_connection(60)
            http_.request(method, path, body, {"Authorization": f"Bearer {ADMIN_TOKEN}"})
            self.addCleanup(http_.close)
            asking.append(http_.sock)
        for _ in range(5):
            began = time.monotonic()
            self.assertEqual(world.api("/campaigns", org=ORG_ID, timeout=60)[0], 200)
            self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(select.select(asking, [], [], 0)[0], [], "nobody else was answered meanwhile")


if __name__ == "__main__":
    runner.main()
