"""touchpointctl against a running daemon: what an admin reads, what programs read, and how it ends."""
import json
import socket
import ssl
import subprocess
import unittest

import runner
from harness import DEFAULTS, FLAVOUR, ROOT, World, wait_for
from test_sync import ALL, SYNC, Case


class Ctl(Case):
    @classmethod
    def setUpClass(cls):
        cls.world = World(worker={**DEFAULTS["worker"]}).start()
        cls.world.checked()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def run_it(self, *words, options=True, url=None, token="admin.token"):
        program = [ROOT / "build" / FLAVOUR / "touchpointctl"]
        if options:
            program += ["--url", url or f"http://127.0.0.1:{self.world.admin_port}", "--token-file", self.world.folder / token]
        return subprocess.run([str(x) for x in [*program, *words]], capture_output=True, text=True, timeout=60)

    def ok(self, *words, **more):
        done = self.run_it(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_status_is_a_table_and_json_for_programs(self):
        text = self.ok("status")
        lines = text.splitlines()
        self.assertEqual((lines[0], lines[2].split()), ("ok", ["CHECK", "WHOSE", "STATUS", "WHAT"]))
        self.assertIn("simulated", text)
        column = lines[2].index("STATUS")
        self.assertTrue(all(line[column - 1] == " " for line in lines[2:]), "aligned")
        self.assertEqual(json.loads(self.ok("--json", "status"))["status"], "ok")
        self.assertNotIn("\x1b", text, "no colours but on a terminal")

    def test_doctor_names_what_the_org_lacks(self):
        org = self.world.org
        self.assertIn("ok", self.ok("doctor").splitlines()[0])
        org.call("POST", "/sim/permissions", {"no_delete": ["Buyer_Touchpoint__c"]})
        try:
            done = self.run_it("doctor")
            self.assertEqual(done.returncode, 1)
            self.assertIn("grant Delete on the object", done.stdout)
        finally:
            org.call("POST", "/sim/permissions", {})
        self.ok("doctor")

    def test_reload_tells_why_it_is_refused(self):
        self.assertEqual(self.ok("reload"), "the configuration was loaded anew\n")
        path = self.world.folder / "touchpointd.yaml"
        good = path.read_text()
        path.write_text(good.replace('"listen"', '"lissten"'))
        try:
            done = self.run_it("reload")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("lissten", done.stderr)
            done = self.run_it("check-config", path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("lissten", done.stderr)
        finally:
            path.write_text(good)
        self.assertIn("configuration ok", self.ok("check-config", path))

    def test_held_deletions_are_listed_and_approved(self):
        org = self.world.org
        self.assertEqual(self.ok("jobs"), "no jobs\n")
        campaign, members, leads, _ = self.campaign(self.world, leads=300, contacts=0)
        self.settled(self.world, campaign=campaign)
        self.drained(self.world)
        org.outbound(objects={"Lead": None})
        org.update("Lead", *({"Id": x, "Email": None} for x in leads[:200]))
        org.update("Campaign", {"Id": campaign, "Name": "nobody changed a setting"})
        text = wait_for("the job", lambda: (t := self.ok("jobs")) != "no jobs\n" and t)
        row = text.splitlines()[1]
        self.assertIn("would delete 200 of 300", row)
        self.assertIn("may be carried out", self.ok("approve", row.split()[0]))
        wait_for("the deletions", lambda: len(org.touchpoints(campaign)) == 100)
        done = self.run_it("approve", "4711")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such job", done.stderr)

    def test_wrong_usage_and_daemons_that_do_not_answer(self):
        for words in ([], ["nothing"], ["approve"], ["status", "more"], ["approve", "x"]):
            done = self.run_it(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertNotEqual(done.stderr, "")
        done = self.run_it("--help", options=False)
        self.assertEqual(done.returncode, 0)
        for name in ("status", "doctor", "jobs", "approve", "reload", "check-config"):
            self.assertIn(f"  {name}", done.stdout)
            one = self.run_it(name, "--help", options=False)
            self.assertEqual((one.returncode, one.stderr), (0, ""), name)
            self.assertIn(f"usage: touchpointctl {name}", one.stdout)
        told = self.run_it("replay", "--help", "--dry-run", options=False).stdout
        self.assertIn("--state … ", told)
        self.assertIn(" --dry-run ", told)
        lines = [x for x in done.stdout.splitlines() if x.startswith("  ") and "MESSAGE" in x]
        self.assertEqual(len({x.index(word) for x, word in zip(lines, ("one message", "have messages carried", "have messages not"))}), 1, lines)
        self.assertRegex(self.run_it("--version", options=False).stdout, r"^touchpointctl \d")
        done = self.run_it("status", url="http://127.0.0.1:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no daemon answers at http://127.0.0.1:1", done.stderr)
        (self.world.folder / "wrong.token").write_text("wrong")
        (self.world.folder / "wrong.token").chmod(0o600)
        done = self.run_it("jobs", token="wrong.token")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not take the token", done.stderr)
        self.assertIn("nothing.token", self.run_it("jobs", token="nothing.token").stderr)

    def test_a_unix_socket_will_do(self):
        with World(admin={"address": "unix:admin.sock"}) as world:
            world.start_org()
            path = world.folder / "admin.sock"
            world.answers = path.exists
            world.start_daemon()
            program = [ROOT / "build" / FLAVOUR / "touchpointctl", "--url", f"unix:{path}", "--token-file", world.folder / "admin.token"]
            done = wait_for("the daemon", lambda: (d := subprocess.run([*program, "status"], capture_output=True, text=True)).returncode == 0 and d)
            self.assertIn("listener", done.stdout)
            self.assertEqual(subprocess.run([*program, "reload"], capture_output=True, text=True).returncode, 0)


class OverTls(unittest.TestCase):
    """The admin's address with a certificate of its own."""

    def test_api_and_ctl_speak_tls_and_a_renewed_certificate_is_taken_up(self):
        admin = {"certificate": "certs/server.pem", "key": "certs/server.key"}
        with World(admin=admin).start() as world:
            self.assertEqual(world.admin("/healthz")[0], 200)
            self.assertEqual(world.api("/jobs")[0], 200)
            program = [ROOT / "build" / FLAVOUR / "touchpointctl", "--token-file", world.folder / "admin.token"]
            url = ["--url", f"https://localhost:{world.admin_port}"]
            done = subprocess.run([*program, *url, "--ca", world.ca, "jobs"], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = subprocess.run([*program, *url, "jobs"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, "a certificate that nobody known vouches for")
            self.assertIn("certificate", done.stderr)
            with socket.create_connection(("127.0.0.1", world.admin_port), timeout=60) as raw:
                raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                try:
                    self.assertNotIn(b"HTTP", raw.recv(100))
                except ConnectionResetError:
                    pass  # no TLS, no answer
            before = self.serial(world)
            for name in ("server.pem", "server.key"):
                (world.ca.parent / name).unlink()
            subprocess.run([ROOT / "certs" / "make-dev.sh", world.ca.parent], check=True, stdout=subprocess.DEVNULL)
            wait_for("the renewed certificate to be shown", lambda: self.serial(world) != before)

    def serial(self, world):
        with socket.create_connection(("127.0.0.1", world.admin_port), timeout=60) as raw:
            with ssl.create_default_context(cafile=str(world.ca)).wrap_socket(raw, server_hostname="localhost") as tls:
                return tls.getpeercert()["serialNumber"]


if __name__ == "__main__":
    runner.main()
