"""`touchpointd --check`: what it prints, its exit status, and that every mistake is named with file, line and key."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import runner
from harness import FLAVOUR, ROOT

EXAMPLE = (ROOT / "deploy" / "touchpointd.example.yaml").read_text()
SECRET = "geheim-7f3a"


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="touchpoint-check."))
        subprocess.run([ROOT / "certs" / "make-dev.sh", cls.folder / "certs"], check=True, stdout=subprocess.DEVNULL)
        cls.org_key = (cls.folder / "certs" / "server-rsa.key").read_bytes()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.write("org.key", self.org_key)
        self.write("org.secret", SECRET)

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return path

    def run_daemon(self, *args):
        done = subprocess.run(
            [ROOT / "build" / FLAVOUR / "touchpointd", *args],
            cwd=self.folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )
        self.assertNotIn("Sanitizer", done.stderr)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        return done

    def check(self, text):
        self.write("t.yaml", text)
        return self.run_daemon("--config", "t.yaml", "--check")

    def changed(self, *pairs):
        text = EXAMPLE
        for old, new in pairs:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def refused(self, text, *wants):
        done = self.check(text)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        lines = [l for l in done.stderr.splitlines() if not l.startswith("time=")]
        self.assertEqual(len(lines), 1, done.stderr)
        for want in wants:
            self.assertRegex(lines[0], want)

    def line(self, text, part):
        return 1 + next(i for i, l in enumerate(text.splitlines()) if part in l)

    # ---------------------------------------------------------------- what is well

    def test_the_example_passes_and_says_what_it_would_listen_on(self):
        done = self.check(EXAMPLE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        *notes, ok, listen, who = done.stdout.splitlines()
        self.assertEqual(ok, "configuration ok: t.yaml")
        self.assertEqual(
            listen, "would listen on [::]:8443 (TLS) and on 127.0.0.1:8444 (admin), for 1 organisation"
        )
        self.assertEqual(who, "who may connect: everybody; client certificates: not asked for")
        for note in notes:
            self.assertRegex(note, r"^note: t\.yaml:\d+: [a-z0-9_.\[\]]+: ")

    def test_who_may_connect_is_told(self):
        pin = "sha256:" + "0" * 64
        done = self.check(self.changed(("allow: []", "allow: [10.0.0.0/8, 10.1.0.0/16, '::1']"), ("client_certificate: off", "client_certificate: required"),
                                       ("  client_pins: []  ", f"  client_pins: ['{pin}']  ")))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("who may connect: 2 ranges of addresses; client certificates: required\n", done.stdout)

    def test_a_missing_token_file_is_no_mistake_but_told(self):
        done = self.check(self.changed(("/etc/touchpointd/admin.token", "absent.token")))
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"note: t\.yaml:\d+: admin\.token_file: there is no .*/absent\.token")
        done = self.check(self.changed(("token_file: /etc/touchpointd/admin.token", 'token_file: ""')))
        self.assertNotIn("token_file", done.stdout)

    def test_client_credentials_pass_and_the_secret_is_not_shown(self):
        done = self.check(self.changed((
            "auth: { type: jwt, client_id: CONSUMER_KEY, username: touchpoints@example.com, key_file: org.key }",
            "auth: { type: client_credentials, client_id: CONSUMER_KEY, secret_file: org.secret }",
        )))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_path_may_hold_a_secret_and_is_not_shown(self):
        done = self.check(self.changed(("path: /salesforce/outbound", f"path: /in/{SECRET}")))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_secret_that_others_may_read_is_warned_of(self):
        (self.folder / "org.key").chmod(0o644)
        done = self.check(EXAMPLE)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"level=warn .*chmod 600.*org\.key")

    # ---------------------------------------------------------------- what is refused

    def test_usage_mistakes_end_with_2_and_the_usage(self):
        for args in ((), ("--check",), ("--config",), ("--config", "t.yaml", "more"), ("--nonsense",)):
            done = self.run_daemon(*args)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("usage: touchpointd --config FILE [--check | ", done.stderr)

    def test_help_and_version(self):
        done = self.run_daemon("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--check", done.stdout)
        done = self.run_daemon("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^touchpointd \d+\.\d+\.\d+\n$")

    def test_a_file_that_is_not_there(self):
        done = self.run_daemon("--config", "absent.yaml", "--check")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("absent.yaml: cannot be opened: No such file", done.stderr)

    def test_mistakes_are_named_with_file_line_and_key(self):
        for old, new, place, want in (
            ("max_body: 4MiB", "max_body: 4MB", "max_body", r"listen\.max_body: \"4MB\" is not; allowed is 1KiB to 32MiB"),
            ("  level: info ", "  levell: info ", "levell", r"log\.levell: unknown key; allowed is level and format"),
            ("lease: 120s ", "lease: 100s ", "  request_timeout: 60s", r"worker\.request_timeout .* at most half"),
            ("write_back: false", "write_back: maybe", "write_back", r"orgs\[0\]\.write_back: \"maybe\""),
            ("allow: []", "allow: [10.0.0.1/8]", "allow: [10.", r"listen\.allow\[0\]: \"10\.0\.0\.1/8\" has bits set"),
            ("action: exclude", "action: drop", "name: No employees", r"rules\[1\]: .*allowed is include or exclude"),
            ("op: is, value: Employee", "op: equals, value: Employee", "name: No employees",
             r"rules\[1\]: .*\"equals\" is not an operator"),
            ('{ type: "Online*"', '{ type: " "', 'type: " "', r"channels\[2\]: type is empty"),
        ):
            with self.subTest(want):
                text = self.changed((old, new))
                done = self.check(text)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                found = re.match(r"touchpointd: t\.yaml:(\d+): (.*)\n$", done.stderr)
                self.assertTrue(found, done.stderr)
                self.assertRegex(found[2], want)
                self.assertEqual(int(found[1]), self.line(text, place))

    def test_certificates_and_keys_are_read(self):
        at = rf"^touchpointd: t\.yaml:{self.line(EXAMPLE, 'certificate: [certs')}: tls: "
        self.write("certs/empty.pem", "")
        for old, new, want in (
            ("[certs/server.pem]", "[certs/absent.pem]", r"cannot read .*/certs/absent\.pem: No such file"),
            ("[certs/server.pem]", "[certs/empty.pem]", r"/certs/empty\.pem holds no certificate"),
            ("[certs/server.key]", "[certs/absent.key]", r"cannot read .*/certs/absent\.key: No such file"),
            ("[certs/server.key]", "[certs/server.pem]", r"/certs/server\.pem holds no usable private key"),
            ("[certs/server.key]", "[certs/client.key]", r"client\.key does not belong to .*server\.pem"),
        ):
            with self.subTest(want):
                self.refused(self.changed((old, new)), at, want)

    def test_what_orgs_sign_in_with_is_read(self):
        at = rf"^touchpointd: t\.yaml:{self.line(EXAMPLE, '    auth: ')}: orgs\[0\]\.auth: "
        self.write("empty.key", "")
        for name, want in (
            ("absent.key", r"cannot open .*/absent\.key: No such file"),
            ("empty.key", r"/empty\.key is empty"),
            ("org.secret", r"/org\.secret holds no readable private key: give an RSA key"),
            ("certs/server.key", r"/server\.key is not an RSA key"),
        ):
            with self.subTest(name):
                self.refused(self.changed(("key_file: org.key", f"key_file: {name}")), at, want)

    def test_a_token_file_must_hold_something(self):
        self.write("empty.token", "\n")
        self.refused(
            self.changed(("/etc/touchpointd/admin.token", "empty.token")),
            rf"t\.yaml:{self.line(EXAMPLE, 'token_file:')}: admin\.token_file: .*/empty\.token is empty",
        )

    def test_standard_output_that_fails_is_a_failure(self):
        self.write("t.yaml", EXAMPLE)
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [ROOT / "build" / FLAVOUR / "touchpointd", "--config", "t.yaml", "--check"],
                cwd=self.folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            )
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to standard output", done.stderr)


if __name__ == "__main__":
    runner.main()
