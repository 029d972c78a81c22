"""The TLS profile as scanners that others wrote see it (openssl s_client, sslscan, testssl.sh), and what the start says of certificates."""
import json
import re
import subprocess
import unittest
import xml.etree.ElementTree

import runner
from harness import FLAVOUR, ROOT, World

TLS_1_2 = {f"ECDHE-{key}-{suite}" for key in ("ECDSA", "RSA")
           for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


class Profile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World().start()
        cls.at = f"127.0.0.1:{cls.world.port}"

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def s_client(self, *argv, text=b""):
        done = subprocess.run(["openssl", "s_client", "-connect", self.at, "-CAfile", self.world.ca, *argv], input=text, capture_output=True,
                              timeout=60)
        return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    def test_the_client_chooses_between_rsa_and_ecdsa_and_gets_the_whole_chain(self):
        for version, argv, want in (
            ("1.3", ["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"], "ECDSA"), ("1.3", ["-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA256"], "RSA-PSS"),
            ("1.3", ["-sigalgs", "RSA-PSS+SHA256"], "RSA-PSS"), ("1.2", ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA-PSS"),
            ("1.2", ["-cipher", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"], "RSA-PSS"),
            ("1.2", ["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"], "ECDSA"),
        ):
            text = self.s_client("-tls" + version.replace(".", "_"), "-showcerts", *argv)
            self.assertIn(f"Peer signature type: {want}\n", text, (version, argv))
            chain = re.search(r"Certificate chain\n(.*?)\n---\n", text, re.S)[1]
            self.assertEqual(re.findall(r"^ ?(\d) s:.*CN = (.*)$", chain, re.M), [("0", "localhost"), ("1", "touchpointd development CA")])

    def test_the_name_that_the_client_sends_does_not_matter(self):
        prints = set()
        for argv in (["-noservername"], ["-servername", "localhost"], ["-servername", "other.example.org"]):
            text = self.s_client(*argv)
            self.assertIn("TLSv1.3, Cipher is TLS_", text)
            prints.add(re.search(r"-----BEGIN CERTIFICATE-----.*?-----END", text, re.S)[0])
        self.assertEqual(len(prints), 1)

    def test_nothing_but_ecdhe_with_aead(self):
        for argv in (["-tls1_2", "-cipher", "AES256-GCM-SHA384"], ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"],
                     ["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"], ["-tls1_2", "-cipher", "PSK:@SECLEVEL=0"],
                     ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-alpn", "h2"],
                     ["-groups", "P-521"]):
            self.assertRegex(self.s_client(*argv), r"Cipher is \(NONE\)|no cipher match", argv)
        self.assertIn("Cipher is TLS_", self.s_client("-alpn", "h2,http/1.1"))

    def test_a_client_cannot_renegotiate(self):
        self.assertIn("no renegotiation", self.s_client("-tls1_2", "-no_ign_eof", text=b"R\n"))

    def test_sslscan_finds_the_profile_and_no_more(self):
        done = subprocess.run(["sslscan", "--no-colour", "--xml=-", self.at], capture_output=True, timeout=120)
        scan = xml.etree.ElementTree.fromstring(done.stdout).find("ssltest")
        enabled = {p.get("type") + p.get("version") for p in scan.findall("protocol") if p.get("enabled") == "1"}
        self.assertEqual(enabled, {"tls1.2", "tls1.3"})
        suites = {}
        for cipher in scan.findall("cipher"):
            suites.setdefault(cipher.get("sslversion"), set()).add(cipher.get("cipher"))
        self.assertEqual(suites, {"TLSv1.2": TLS_1_2, "TLSv1.3": TLS_1_3})
        self.assertEqual({g.get("name").split(" ")[0] for g in scan.findall("group")}, {"x25519", "secp256r1", "secp384r1"})
        self.assertEqual(scan.find("renegotiation").get("supported"), "0")
        self.assertEqual({h.get("vulnerable") for h in scan.findall("heartbleed")}, {"0"})

    def test_testssl_has_nothing_to_complain_about(self):
        """Protocols, kinds of suites, forward secrecy, renegotiation, CCS injection, ROBOT; not the development CA that nobody trusts."""
        report = self.world.folder / "testssl.json"
        subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--openssl-timeout", "20", "--connect-timeout",
             "20", "-p", "-s", "-f", "-R", "-I", "-BB", "--fast", "--jsonfile", report, f"localhost:{self.world.port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=240)
        found = {r["id"]: r for r in json.loads(report.read_text())}
        for check, want in (("TLS1_2", "offered"), ("TLS1_3", "offered"), ("TLS1", "not offered"), ("SSLv3", "not offered"),
                            ("secure_client_renego", "not vulnerable"), ("CCS", "not vulnerable")):
            self.assertIn(want, found[check]["finding"], check)
        found.pop("engine_problem", None)  # of the scanner's own openssl
        self.assertEqual({k: r["finding"] for k, r in found.items() if r["severity"] not in ("OK", "INFO")}, {})


class Start(unittest.TestCase):
    """What --check says of certificates that only clients would stumble over, and of those that can't be used."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.world.start_org()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def check(self, certificate, key, **tls):
        self.world.config["tls"] = {"certificate": [certificate], "key": [key], **tls}
        return subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", self.world.write_config(), "--check"],
                              capture_output=True, text=True, timeout=60)

    def make(self, name, *argv):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
                        self.world.folder / f"{name}.key", "-out", self.world.folder / f"{name}.pem", *argv], check=True, capture_output=True)
        return f"{name}.pem", f"{name}.key"

    def test_what_clients_would_stumble_over_is_said_with_the_file(self):
        leaf = self.world.folder / "leaf.pem"
        leaf.write_text((self.world.folder / "certs" / "server.pem").read_text().split("-----END CERTIFICATE-----")[0]
                        + "-----END CERTIFICATE-----\n")
        good = "certs/server.pem", "certs/server.key"
        for files, name, want in (
            (good, "", None), (good, "localhost", None),
            (good, "receiver.example.org", r"is not for the host of tls\.name.*name=receiver\.example\.org"),
            (("leaf.pem", good[1]), "", "the chain is not complete"),
            (self.make("wild.example.org", "-days", "90", "-addext", "subjectAltName=DNS:*.example.org"), "a.example.org", None),
            (self.make("wild2.example.org", "-days", "90", "-addext", "subjectAltName=DNS:*.example.org"), "a.b.example.org", "is not for the host"),
            (self.make("nameless", "-days", "90"), "", "no subject alternative name"),
            (self.make("mail", "-days", "90", "-addext", "subjectAltName=email:a@example.org"), "", "no subject alternative name of a host"),
            (self.make("soon.example.org", "-days", "10", "-addext", "subjectAltName=DNS:soon.example.org"), "", "expires soon.* days=9"),
        ):
            with self.subTest((files, name)):
                done = self.check(*files, name=name)
                self.assertEqual(done.returncode, 0, done.stderr)
                warnings = [l for l in done.stderr.splitlines() if "level=warn" in l]
                if want is None:
                    self.assertEqual(warnings, [])
                else:
                    self.assertEqual(len(warnings), 1, warnings)
                    self.assertRegex(warnings[0], want)
                    self.assertIn(files[0], warnings[0])

    def test_a_key_of_another_certificate_is_an_error_with_both_files(self):
        done = self.check("certs/server.pem", "certs/client.key")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"touchpointd\.yaml:\d+: tls: the key in .*/certs/client\.key does not belong to the certificate in "
                                      r".*/certs/server\.pem")


if __name__ == "__main__":
    runner.main()
