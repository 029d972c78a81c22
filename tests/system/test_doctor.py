#!/usr/bin/env python3
"""The doctor finds what is wrong between the org's flows and a decision, and says what to do: each failure is made real."""
import contextlib
import http.server
import json
import shutil
import ssl
import subprocess
import threading
import unittest

import runner
from harness import ADMIN_TOKEN, FLAVOUR, PATH, ROOT, World
from test_sync import ALL, SYNC, Case

ACK = ('<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
       '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>')


@contextlib.contextmanager
def impostor(world, status, body):
    """Something else that listens under our name, with our certificate; its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certs = world.folder / "certs"
    context.load_cert_chain(certs / "server.pem", certs / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Doctor(Case):
    def look(self, world):
        status, found = world.api("/doctor", "POST", timeout=120)
        self.assertEqual(status, 200, found)
        return found

    def told(self, found, check, kind="problems"):
        return "\n".join(s for one in found["checks"].get(check, []) for s in one[kind])

    def problem(self, world, check, *words):
        found = self.look(world)
        self.assertEqual(found["status"], "degraded", found)
        for word in words:
            self.assertIn(word, self.told(found, check))
        return found

    def warning(self, world, check, *words):
        found = self.look(world)
        for word in words:
            self.assertIn(word, self.told(found, check, "warnings"))
        self.assertEqual(self.told(found, check), "")
        return found


class OneWorld(Doctor):
    """What can be made and unmade in the org alone."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(tls={"name": "localhost"}).start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def setUp(self):
        org = self.world.org
        self.addCleanup(org.call, "POST", "/sim/permissions", {})
        self.addCleanup(org.call, "POST", "/sim/behaviour", {"date_ahead_ms": 0})
        self.addCleanup(org.outbound, url=self.world.url)

    def permit(self, **rights):
        self.world.org.call("POST", "/sim/permissions", rights)

    def test_a_chain_that_is_well_is_said_to_be_well_and_leaves_nothing_to_do(self):
        world = self.world
        campaign, _, _, _ = self.campaign(world)
        self.settled(world, campaign=campaign)
        self.drained(world)
        found = self.look(world)
        self.assertEqual(found["status"], "ok", json.dumps(found, indent=1))
        for check in ("configuration", "clock", "senders", "outbound_messages", "endpoint", "round_trip", "dry_run"):
            self.assertEqual([one["status"] for one in found["checks"][check]], ["ok"], check)
            self.assertEqual((self.told(found, check), self.told(found, check, "warnings")), ("", ""))
        self.assertEqual(found["checks"]["round_trip"][0]["detail"], "sent, stored and acknowledged")
        self.assertRegex(found["checks"]["dry_run"][0]["detail"], "^member 00v[0-9A-Za-z]{15} gets a touchpoint; to do: keep$")
        self.assertEqual(world.rows("SELECT state, kind FROM notification WHERE object = 'Touchpoint_Doctor' AND state <> 2"), [])
        self.assertTrue(world.rows("SELECT 1 FROM notification WHERE object = 'Touchpoint_Doctor'"))

    def test_clocks_that_differ(self):
        for ahead_ms, words in ((600000, "s behind the org's"), (-600000, "s ahead of the org's")):
            self.world.org.call("POST", "/sim/behaviour", {"date_ahead_ms": ahead_ms})
            self.problem(self.world, "clock", words, "synchronise it")

    def test_a_user_whose_own_writes_come_back(self):
        self.permit(send_outbound_messages=True)
        self.problem(self.world, "senders", "this user has Send Outbound Messages", "take it from its profile")

    def test_people_whose_changes_are_not_sent(self):
        self.permit(admin_is_silent=True)
        self.campaign(self.world)
        self.problem(self.world, "senders", "1 of those who changed campaigns or members lately lack", "Touchpoint_Marketing: admin@")

    def test_salesforces_own_users_whom_nobody_can_give_a_permission(self):
        org = self.world.org
        self.permit(admin_is_silent=True)
        campaign, _, _, _ = self.campaign(self.world)
        org.update("Campaign", {"Id": campaign, "Description": "by a scheduled flow"}, **{"as": "system"})
        found = self.problem(self.world, "senders", "1 of those who changed", "admin@")
        self.assertNotIn("autoproc@", self.told(found, "senders"))

    def test_what_stops_the_work_does_not_stop_the_doctor(self):
        org = self.world.org
        before = org.call("GET", "/sim/outbound")["objects"]
        self.addCleanup(lambda: (self.permit(), self.look(self.world)))  # else the work goes on to wait
        self.addCleanup(org.outbound, objects=before)
        self.campaign(self.world)
        org.outbound(objects={"Lead": None})
        self.permit(admin_is_silent=True, no_field=["CampaignMember.Buyer_Touchpoint_Date__c"])
        for _ in range(2):  # found; known and held
            found = self.problem(self.world, "schema", "CampaignMember.Buyer_Touchpoint_Date__c does not exist")
            self.assertIn("lack Send Outbound Messages", self.told(found, "senders"))
            self.assertIn("no outbound message of Lead", self.told(found, "outbound_messages"))
            self.assertIn("see orgs", self.told(found, "dry_run", "warnings"))

    def test_what_the_user_may_not_see_is_said_and_no_problem(self):
        self.permit(view_setup=False)
        found = self.warning(self.world, "outbound_messages", "grant it View Setup and Configuration")
        self.assertIn("View Setup and Configuration", self.told(found, "senders", "warnings"))
        self.assertEqual(found["checks"]["round_trip"][0]["status"], "ok")  # by tls.name and the port

    def test_messages_that_are_missing_or_lack_a_field(self):
        org = self.world.org
        before = org.call("GET", "/sim/outbound")["objects"]
        self.addCleanup(org.outbound, objects=before)
        org.outbound(objects={"Lead": None, "CampaignMember": ["Status"]})
        found = self.problem(self.world, "outbound_messages", "no outbound message of Lead leads here", "Touchpoint_Campaign_Member does not send CampaignId: add the field")
        self.assertNotIn("of Contact", self.told(found, "outbound_messages"))

    def test_endpoints_that_salesforce_or_we_would_refuse(self):
        port = self.world.port
        for url, words in (
            (f"https://localhost:{port}/elsewhere", f"goes to localhost:{port} with another path than listen.path"),
            (f"http://localhost:{port}{PATH}", "has no https:// endpoint"),
            (f"https://localhost:993{PATH}", "goes to port 993, to which Salesforce does not send"),
            (f"https://127.0.0.1:{port}{PATH}", "goes to 127.0.0.1, but tls.name says that we are localhost"),
        ):
            with self.subTest(url):
                self.world.org.outbound(url=url)
                self.problem(self.world, "outbound_messages", words)

    def test_an_endpoint_that_nobody_can_reach(self):
        self.world.org.outbound(url=f"https://nowhere.invalid:{self.world.port}{PATH}")
        found = self.problem(self.world, "endpoint", "the certificate is not for nowhere.invalid")
        self.assertIn("nowhere.invalid can't be resolved", self.told(found, "endpoint", "warnings"))

    def test_an_endpoint_at_which_somebody_else_answers(self):
        for status, body, words in (
            (200, ACK, "the endpoint leads to another receiver"),
            (500, "<html>", "answered with status 500"),
            (200, "<html>", "answered with status 200 instead of an acknowledgement"),
        ):
            with self.subTest(words), impostor(self.world, status, body) as port:
                self.world.org.outbound(url=f"https://localhost:{port}{PATH}")
                self.problem(self.world, "round_trip", words)

    def test_an_org_without_members_and_one_that_does_not_tell(self):
        with World(tls={"name": "localhost"}) as world:
            world.start()
            world.checked()
            self.warning(world, "dry_run", "the org shows no campaign member")
            world.org.fault("status", "tooling_query", 503, count=-1)
            self.problem(world, "outbound_messages", "the outbound messages could not be asked")
            world.org.heal()

    def printed(self):
        return subprocess.run(
            [ROOT / "build" / FLAVOUR / "touchpointctl", "--url", f"http://127.0.0.1:{self.world.admin_port}", "--token-file",
             self.world.folder / "admin.token", "doctor"], capture_output=True, text=True, timeout=120)

    def test_touchpointctl_prints_each_finding_with_what_to_do(self):
        self.permit(send_outbound_messages=True)
        done = self.printed()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("take it from its profile", done.stdout)
        self.assertIn("sent, stored and acknowledged", done.stdout)

    def test_touchpointctl_says_of_what_was_not_looked_at_no_ok(self):
        self.permit(view_setup=False)
        lines = [line.split()[2] for line in self.printed().stdout.splitlines() if line.startswith("senders")]
        self.assertEqual(lines, ["note"])


class OwnSide(Doctor):
    """What is wrong with the daemon's own side."""

    def start(self, **config):
        world = World(**{"tls": {"name": "localhost"}, **config})
        self.addCleanup(world.stop)
        return world

    def certificate(self, world, days, issuer=None):
        """A certificate of days, by the folder's CA or by an intermediate that is not sent."""
        certs, run = world.folder / "certs", lambda *args: subprocess.run(args, check=True, capture_output=True, cwd=world.folder / "certs")
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "own.key", "-out", "own.csr")
        (certs / "own.ext").write_text("subjectAltName=DNS:localhost\n")
        (certs / "ca.ext").write_text("basicConstraints=critical,CA:true\n")
        ca = "ca"
        if issuer:
            run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Between", "-keyout", "between.key", "-out", "between.csr")
            run("openssl", "x509", "-req", "-in", "between.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30", "-extfile", "ca.ext", "-out", "between.pem")
            ca = "between"
        run("openssl", "x509", "-req", "-in", "own.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-days", str(days), "-extfile", "own.ext", "-out", "own.pem")
        world.config["tls"] = {"name": "localhost", "certificate": ["certs/own.pem"], "key": ["certs/own.key"]}

    def begin(self, world):
        world.start()
        world.checked()
        return world

    def test_a_certificate_that_expires_soon(self):
        world = self.start()
        self.certificate(world, 5)
        self.problem(self.begin(world), "endpoint", "expires within two weeks: renew it")

    def test_an_intermediate_that_is_not_sent(self):
        world = self.start()
        self.certificate(world, 30, issuer="between")
        self.problem(self.begin(world), "endpoint", "sends its own certificate alone", "add the intermediates of \"CN = Between\"")

    def test_an_issuer_that_nobody_trusts(self):
        world = self.start()
        shutil.copy(world.folder / "jwt.pem", world.folder / "other.pem")
        world.ca_of_system = world.folder / "other.pem"
        self.problem(self.begin(world), "endpoint", "is not trusted")

    def test_addresses_that_are_not_let_in_from_here(self):
        world = self.begin(self.start(listen={"allow": ["192.0.2.0/24"]}))
        self.warning(world, "endpoint", "only some addresses are let in")

    def test_a_client_certificate_that_only_salesforce_has(self):
        world = self.begin(self.start(tls={"name": "localhost", "client_certificate": "required", "client_ca": "certs/ca.pem"}))
        found = self.warning(world, "round_trip", "only Salesforce's certificate")
        self.assertEqual(found["checks"]["endpoint"][0]["status"], "ok")

    def test_a_configuration_that_would_not_start_again(self):
        world = self.begin(self.start())
        path = world.folder / "touchpointd.yaml"
        text = path.read_text()
        path.write_text(text.replace('"listen"', '"lissen"'))
        self.problem(world, "configuration", "lissen", "mend the file, or the daemon will not start again")
        path.write_text(text)


if __name__ == "__main__":
    runner.main()
