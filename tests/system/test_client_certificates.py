"""Mutual TLS with the real daemon: who gets through the handshake, and for which organisation a certificate may speak."""
import base64
import hashlib
import http.client
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest

import runner
from harness import FLAVOUR, ORG_ID, ROOT, World, message, notification, sfid, wait_for
from test_reload import ReloadWorld

OTHER_ORG = sfid("00D", 4711)


def run(*argv, **kwargs):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, **kwargs).stdout


class Certificates:
    """Client certificates made with openssl: self-signed ones, one that has expired, one of an authority."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="touchpointd-clients-")
        self.path = pathlib.Path(self.dir.name)
        run(ROOT / "certs" / "make-dev.sh", self.path / "ca")
        self.ca = self.path / "ca" / "ca.pem"
        for name in ("mine", "theirs", "stranger"):
            self.self_signed(name)
        self.expired("old")
        self.files = {n: (self.path / f"{n}.pem", self.path / f"{n}.key") for n in ("mine", "theirs", "stranger", "old")}
        self.files["server"] = (self.path / "ca" / "server.pem", self.path / "ca" / "server.key")
        self.files["issued"] = (self.path / "ca" / "client.pem", self.path / "ca" / "client.key")

    def self_signed(self, name):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 30, "-subj", f"/CN={name}", "-keyout",
            self.path / f"{name}.key", "-out", self.path / f"{name}.pem")

    def expired(self, name):
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", self.path / f"{name}.key", "-out",
            self.path / "csr")
        (self.path / "index").write_text("")
        (self.path / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=x\n[x]\ndatabase={self.path}/index\nnew_certs_dir={self.path}\ndefault_md=sha256\nrand_serial=yes\npolicy=p\n"
            "[p]\ncommonName=supplied\n")
        run("openssl", "ca", "-batch", "-config", self.path / "ca.cnf", "-selfsign", "-keyfile", self.path / f"{name}.key", "-in",
            self.path / "csr", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext", "-out", self.path / f"{name}.pem")

    def hash(self, name):
        """sha256:HEX as openssl prints it, colons and all."""
        text = run("openssl", "x509", "-in", self.files[name][0], "-noout", "-fingerprint", "-sha256").decode()
        return "sha256:" + text.strip().split("=")[1]

    def key_pin(self, name):
        pem = run("openssl", "x509", "-in", self.files[name][0], "-noout", "-pubkey")
        der = run("openssl", "pkey", "-pubin", "-outform", "der", input=pem)
        return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def body(number, org=ORG_ID):
    return message(notification(number, sfid("701", number), "Campaign"), org=org).encode()


class MutualTls(unittest.TestCase):
    ADMIN = {}
    numbers = iter(range(1000, 2000))

    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        c = cls.certificates
        cls.world = World(tls=cls.tls(c), admin=cls.ADMIN)
        cls.world.start_org()
        auth = {"type": "client_credentials", "client_id": "app", "secret_file": "client.secret"}
        org = {"login_url": cls.world.org.url, "auth": auth}
        cls.world.config["orgs"] = [{"id": ORG_ID, **org, **cls.own(c)}, {"id": OTHER_ORG, **org, **cls.others(c)}]
        cls.world.start_daemon()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()
        cls.certificates.dir.cleanup()

    @classmethod
    def tls(cls, c):
        return {}

    @classmethod
    def own(cls, c):
        return {}

    @classmethod
    def others(cls, c):
        return {}

    def context(self, name, version=None):
        context = ssl.create_default_context(cafile=str(self.world.ca))
        if name:
            context.load_cert_chain(*self.certificates.files[name])
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def post(self, name, org=ORG_ID, version=None, path=None, method="POST"):
        """The status; "alert" if the handshake was refused: with TLS 1.3 the client may be sending its request by then."""
        connection = http.client.HTTPSConnection("localhost", self.world.port, context=self.context(name, version), timeout=30)
        kwargs = {"path": path} if path else {}
        try:
            status, _, text = self.world.post(body(next(self.numbers), org), connection=connection, method=method, **kwargs)
            if status == 403:
                self.assertEqual(text, b"forbidden\n")
            return status
        except ssl.SSLError as e:
            self.assertIn("ALERT", str(e).upper())
            return "alert"
        finally:
            connection.close()

    def refused(self, reason):
        return self.world.metric("touchpoint_refused_total", reason=reason)

    def stored(self, org):
        return self.world.rows("SELECT count(*) FROM notification WHERE org = ?", org)[0][0]


class Required(MutualTls):
    @classmethod
    def tls(cls, c):
        return {"client_certificate": "required", "client_pins": [c.hash("theirs"), c.key_pin("old")]}

    @classmethod
    def own(cls, c):
        return {"client_pins": [c.key_pin("mine"), c.hash("issued")]}

    def test_each_speaks_for_its_own_organisation(self):
        for name, org, want in (("mine", ORG_ID, 200), ("issued", ORG_ID, 200), ("mine", OTHER_ORG, 403),
                                ("theirs", OTHER_ORG, 200), ("theirs", ORG_ID, 403)):
            before, refused = self.stored(org), self.refused("certificate_of_other_org")
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                self.assertEqual(self.post(name, org, version), want, (name, org, version))
            self.assertEqual(self.stored(org) - before, 2 if want == 200 else 0)
            self.assertEqual(self.refused("certificate_of_other_org") - refused, 0 if want == 200 else 2)

    def test_nobody_else_gets_through_the_handshake(self):
        def descriptors():
            return len(os.listdir(f"/proc/{self.world.daemon.child.pid}/fd"))

        wait_for("earlier connections to end", lambda: self.world.metric("touchpoint_connections") == 0)
        open_before = descriptors()
        for name, reason in ((None, "no_certificate"), ("stranger", "unknown_certificate"), ("old", "expired_certificate")):
            before = self.refused(reason)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                self.assertEqual(self.post(name, ORG_ID, version), "alert", (name, version))
            wait_for(f"two refusals for {reason}", lambda: self.refused(reason) == before + 2, 10)  # counted after the alert is sent
        cert, key = self.certificates.files["stranger"]
        for argv, alert in ((["-tls1_3"], b"alert certificate required"), (["-tls1_2"], b"alert handshake failure"),
                            (["-tls1_3", "-cert", cert, "-key", key], b"alert bad certificate")):
            done = subprocess.run(["openssl", "s_client", "-ign_eof", "-connect", f"127.0.0.1:{self.world.port}", *argv], input=b"",
                                  capture_output=True, timeout=30)
            self.assertIn(alert, done.stderr, argv)
        wait_for("all descriptors to be closed again", lambda: descriptors() <= open_before, 10)
        log = self.world.daemon.text()
        self.assertIn("reason=no_certificate peer=127.0.0.1", log)
        pin = self.certificates.hash("stranger").replace(":", "")[6:].lower()
        self.assertIn(f"reason=unknown_certificate peer=127.0.0.1 certificate=sha256:{pin}", log)

    def test_curl_with_a_self_signed_certificate(self):
        cert, key = self.certificates.files["mine"]
        for extra, code in (([], 0), (["--tlsv1.2", "--tls-max", "1.2"], 0)):
            done = subprocess.run(
                ["curl", "-sS", "--cacert", self.world.ca, "--cert", cert, "--key", key, *extra, "-H", "Content-Type: text/xml",
                 "--data-binary", "@-", self.world.url], input=body(next(self.numbers)), capture_output=True)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(b"<Ack>true</Ack>", done.stdout)

    def test_a_resumed_session_is_still_its_clients(self):
        context = self.context("mine", ssl.TLSVersion.TLSv1_2)
        statuses, reused, session = [], [], None
        for org in (ORG_ID, ORG_ID, OTHER_ORG):
            connection = http.client.HTTPSConnection("localhost", self.world.port, context=context, timeout=30)
            raw = socket.create_connection(("127.0.0.1", self.world.port), timeout=30)
            connection.sock = context.wrap_socket(raw, server_hostname="localhost", session=session)
            statuses.append(self.world.post(body(next(self.numbers), org), connection=connection)[0])
            session = connection.sock.session
            reused.append(connection.sock.session_reused)
            connection.close()
        self.assertEqual((statuses, reused), ([200, 200, 403], [False, True, True]))


class Authority(MutualTls):
    ADMIN = {"public_health": True}

    @classmethod
    def tls(cls, c):
        return {"client_certificate": "required", "client_ca": str(c.ca), "client_pins": [c.hash("old")], "client_expired_pins": "accept"}

    @classmethod
    def others(cls, c):
        return {"client_pins": [c.hash("theirs")]}

    def test_health_needs_no_certificate_and_everything_else_does(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.post(None, path=path, method="GET"), 200)
            self.assertEqual(self.post(None, path=path), 403)
        for path in ("/", "/metrics", "/healthz/x"):
            self.assertEqual(self.post(None, path=path, method="GET"), 403)
        before = self.refused("no_certificate"), self.refused("unknown_certificate")
        self.assertEqual(self.post(None), 403)
        self.assertEqual(self.post("stranger"), 403)
        self.assertEqual((self.refused("no_certificate"), self.refused("unknown_certificate")), (before[0] + 1, before[1] + 1))

    def test_the_authority_counts_where_there_are_no_pins_of_the_organisations_own(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.post("issued", ORG_ID, version), 200)
            self.assertEqual(self.post("issued", OTHER_ORG, version), 403)
            self.assertEqual(self.post("theirs", OTHER_ORG, version), 200)
            self.assertEqual(self.post("theirs", ORG_ID, version), 403)

    def test_a_servers_certificate_of_the_authority_is_no_clients(self):
        before = self.refused("unknown_certificate")
        self.assertEqual(self.post("server"), 403)
        self.assertEqual(self.refused("unknown_certificate"), before + 1)
        self.assertRegex(self.world.daemon.text(), r'reason=unknown_certificate .*certificate=sha256:[0-9a-f]{64} text="un[a-z]* certificate purpose"')

    def test_an_expired_pin_may_be_accepted(self):
        self.assertEqual(self.post("old"), 200)


class Optional(MutualTls):
    @classmethod
    def tls(cls, c):
        return {"client_certificate": "optional", "client_pins": [c.hash("mine")]}

    def test_none_is_let_in_and_a_wrong_one_is_not(self):
        self.assertEqual(self.post(None), 200)
        self.assertEqual(self.post("mine"), 200)
        self.assertEqual(self.post("stranger"), 403)
        self.assertEqual(self.post("old"), 403)
        self.assertIn("client certificates are optional", self.world.daemon.text())


class Removed(unittest.TestCase):
    """A pin or an authority that a reload takes away: neither a connection that is open nor a session that is resumed keeps its trust."""

    numbers = iter(range(3000, 4000))

    def setUp(self):
        self.certificates = Certificates()
        self.addCleanup(self.certificates.dir.cleanup)

    def connect(self, world, context, session=None):
        connection = http.client.HTTPSConnection("localhost", world.port, timeout=30)
        raw = socket.create_connection(("127.0.0.1", world.port), timeout=30)
        connection.sock = context.wrap_socket(raw, server_hostname="localhost", session=session)
        self.addCleanup(connection.close)
        return connection

    def lose(self, name, before, after):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest((name, version)), ReloadWorld(tls={"client_certificate": "required", **before}) as world:
                world.start()
                context = ssl.create_default_context(cafile=str(world.ca))
                context.load_cert_chain(*self.certificates.files[name])
                context.minimum_version = context.maximum_version = version
                open_one = self.connect(world, context)
                self.assertEqual(world.post(body(next(self.numbers)), connection=open_one)[0], 200)
                session = open_one.sock.session
                world.change(tls={"client_certificate": "required", **after})
                self.assertEqual(world.reload(), (200, {"status": "reloaded"}))
                wait_for("the open connection to lose its trust",
                         lambda: world.post(body(next(self.numbers)), connection=open_one)[0] == 403, 10)
                stored = world.rows("SELECT count(*) FROM notification")
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    world.post(body(next(self.numbers)), connection=self.connect(world, context, session))
                self.assertEqual(world.rows("SELECT count(*) FROM notification"), stored)

    def test_a_pin(self):
        self.lose("mine", {"client_pins": [self.certificates.hash("mine")]}, {"client_pins": [self.certificates.hash("theirs")]})

    def test_an_authority(self):
        other = self.certificates.files["theirs"][0]
        self.lose("issued", {"client_ca": str(self.certificates.ca)}, {"client_ca": str(other)})


class Delivery(unittest.TestCase):
    def test_an_org_delivers_with_its_certificate_and_not_without(self):
        certificates = Certificates()
        self.addCleanup(certificates.dir.cleanup)
        cert, key = certificates.files["mine"]
        for options, delivered in (({"outbound_cert": cert, "outbound_key": key}, True), ({}, False)):
            tls = {"client_certificate": "required", "client_pins": [certificates.key_pin("mine")]}
            with self.subTest(delivered), World(tls=tls, org_options=options) as world:
                org = world.start().org
                fair = org.create("Campaign", {"Name": "Fair", "Type": "Conference"})[0]
                org.update("Campaign", {"Id": fair, "Name": "Trade fair"})  # the flows tell of changes
                if delivered:
                    org.flush()
                    self.assertEqual(world.rows("SELECT count(*) FROM notification"), [(1,)])
                else:
                    wait_for("refusals", lambda: world.metric("touchpoint_refused_total", reason="no_certificate") > 1)
                    self.assertEqual(world.rows("SELECT count(*) FROM notification"), [(0,)])


class Check(unittest.TestCase):
    def test_an_authority_that_cannot_be_read_is_a_configuration_error(self):
        with World(tls={"client_certificate": "required", "client_ca": "clients.pem"}) as world:
            world.start_org()
            config = world.write_config()
            for text, want in ((None, "No such file"), ("nothing", "holds no certificates")):
                if text:
                    (world.folder / "clients.pem").write_text(text)
                done = subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", config, "--check"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, r"touchpointd\.yaml:\d+: tls: .*clients\.pem")
                self.assertIn(want, done.stderr)


del MutualTls  # the cases are those of its heirs

if __name__ == "__main__":
    runner.main()
