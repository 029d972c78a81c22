"""Who may speak: networks, the secret part of the path, organisations; each refusal counted by its reason."""
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time
import unittest

import runner
from harness import FLAVOUR, ORG_ID, PATH, ROOT, World, free_port, has_ipv6, message, notification, sfid, wait_for


def body(number):
    return message(notification(number, sfid("701", number), "Campaign")).encode()


class From(http.client.HTTPSConnection):
    """A client at another address of the loopback network."""

    def __init__(self, world, address):
        super().__init__("localhost", world.port, context=ssl.create_default_context(cafile=str(world.ca)), timeout=30)
        self.address = address

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(self.address, 0))
        self.sock = self._context.wrap_socket(raw, server_hostname="localhost")


def refused(world, reason):
    return world.metric("touchpoint_refused_total", reason=reason)


class Networks(unittest.TestCase):
    RANGES = {"syncToken": "1", "prefixes": [{"region": "x", "provider": "aws", "ip_prefix": ["127.0.3.0/24"]}]}

    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"allow": ["127.0.0.2/31", "2001:db8::/32"], "ip_ranges_file": "ip-ranges.json"})
        (cls.world.folder / "ip-ranges.json").write_text(json.dumps(cls.RANGES))
        cls.world.start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def post(self, address, number):
        connection = From(self.world, address)
        try:
            return self.world.post(body(number), connection=connection)[0]
        finally:
            connection.close()

    def test_networks_of_both_lists_may_connect(self):
        for number, address in enumerate(("127.0.0.2", "127.0.0.3", "127.0.3.1", "127.0.3.255"), 100):
            self.assertEqual(self.post(address, number), 200, address)

    def test_others_are_closed_without_a_byte_counted_and_logged_once(self):
        before = refused(self.world, "address")
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.world.port), timeout=30) as raw:
                try:
                    self.assertEqual(raw.recv(100), b"")
                except ConnectionResetError:
                    pass
        for address in ("127.0.0.1", "127.0.0.4", "127.0.2.255", "127.0.4.0"):
            with self.assertRaises(OSError):
                self.post(address, 200)
        self.assertEqual(refused(self.world, "address") - before, 24)
        lines = [l for l in self.world.daemon.text().splitlines() if 'msg="connection refused" reason=address' in l]
        self.assertLess(len(lines), 10)
        self.assertRegex(lines[0], r"peer=127\.0\.\d\.\d$")

    def test_a_changed_file_is_taken_over_by_itself(self):
        def answers():
            try:
                return self.post("127.0.5.1", 250) == 200
            except OSError:
                return False

        self.assertFalse(answers())
        prefixes = [*self.RANGES["prefixes"], {"region": "y", "ip_prefix": "127.0.5.0/24"}]
        new = self.world.folder / "new.json"
        new.write_text(json.dumps({**self.RANGES, "prefixes": prefixes}))
        new.rename(self.world.folder / "ip-ranges.json")
        wait_for("the new networks", answers, 20)
        self.assertEqual(self.post("127.0.3.1", 251), 200)
        (self.world.folder / "ip-ranges.json").write_text("{}")
        wait_for("the refusal of an empty list", lambda: "names no network" in self.world.daemon.text(), 20)
        self.assertEqual(self.post("127.0.5.1", 252), 200)

    def test_a_file_that_cannot_be_used_is_a_configuration_error(self):
        for text, want in ((None, "No such file"), ("{}", "names no network"), ('{"prefixes":[{"ip_prefix":"1.2.3.4/5"}]}', "bits set")):
            bad = self.world.folder / "bad.json"
            bad.unlink(missing_ok=True)
            if text is not None:
                bad.write_text(text)
            config = self.world.folder / "bad.yaml"
            config.write_text((self.world.folder / "touchpointd.yaml").read_text().replace("ip-ranges.json", "bad.json"))
            done = subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", config, "--check"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, r"bad\.yaml:\d+: listen\.ip_ranges_file: .*bad\.json")
            self.assertIn(want, done.stderr)

    def test_a_file_that_nobody_has_written_for_long_is_worth_a_warning(self):
        old, config = self.world.folder / "old.json", self.world.folder / "old.yaml"
        old.write_text(json.dumps(self.RANGES))
        config.write_text((self.world.folder / "touchpointd.yaml").read_text().replace("ip-ranges.json", "old.json"))
        for days, warns in ((1, False), (89, False), (100, True)):
            written = time.time() - days * 86400
            os.utime(old, (written, written))
            done = subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", config, "--check"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(re.findall(r"level=warn .*file=(?:\S*/)?old\.json days=(\d+)", done.stderr), [str(days)] if warns else [])


@unittest.skipUnless(has_ipv6(), "this machine has no IPv6 loopback")
class BothVersions(unittest.TestCase):
    def test_a_socket_for_both_versions_tells_ipv4_from_ipv6(self):
        for allow, v4, v6 in ((["127.0.0.0/8"], True, False), (["::1"], False, True), (["::/0"], False, True), (["0.0.0.0/0"], True, False),
                              (["::ffff:127.0.0.1"], True, False), (["0.0.0.0/0", "::/0"], True, True)):
            world = World(listen={"allow": allow})
            world.port = free_port()
            world.config["listen"]["address"] = f"[::]:{world.port}"
            with self.subTest(allow), world:
                world.start()
                context = ssl.create_default_context(cafile=str(world.ca))
                for address, want in (("127.0.0.1", v4), ("::1", v6)):
                    try:
                        with socket.create_connection((address, world.port), timeout=30) as raw, \
                                context.wrap_socket(raw, server_hostname="localhost"):
                            got = True
                    except OSError:
                        got = False
                    self.assertEqual(got, want, address)


class Door(unittest.TestCase):
    SECRET = PATH + "/Zx81-hard-to-guess"

    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"path": cls.SECRET}).start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def test_only_the_whole_secret_opens(self):
        self.assertEqual(self.world.post(body(300), path=self.SECRET)[0], 200)
        before = refused(self.world, "wrong_secret"), refused(self.world, "not_found")
        for tail, status in (("/Zx81-hard-to-gues", 403), ("/Zx81-hard-to-guess1", 403), ("/", 403), ("/zx81-hard-to-guess", 403),
                             ("", 404), ("/a/b", 404)):
            got, _, text = self.world.post(body(301), path=PATH + tail)
            self.assertEqual(got, status, tail)
            self.assertLess(len(text), 20)
        self.assertEqual((refused(self.world, "wrong_secret"), refused(self.world, "not_found")), (before[0] + 4, before[1] + 2))
        log = self.world.daemon.text()
        self.assertIn("reason=wrong_secret", log)
        self.assertNotIn("Zx81", log)

    def test_an_organisation_that_is_not_configured_is_counted_by_its_id_and_their_number_is_bounded(self):
        before = refused(self.world, "unknown_org")
        for n in range(100):
            text = message(notification(400 + n, sfid("701", 1), "Campaign"), org=sfid("00D", 5000 + n))
            status, _, reply = self.world.post(text, path=self.SECRET)
            self.assertEqual(status, 403)
            self.assertIn(sfid("00D", 5000 + n).encode(), reply)
        self.assertEqual(refused(self.world, "unknown_org") - before, 100)
        self.assertEqual(self.world.metric("touchpoint_messages_received_total", org=sfid("00D", 5000), result="unknown_org"), 1)
        self.assertGreaterEqual(self.world.metric("touchpoint_messages_received_total", org="other", result="unknown_org"), 30)
        self.assertEqual(self.world.rows("SELECT count(*) FROM notification WHERE org != ?", ORG_ID), [(0,)])
        lines = [l for l in self.world.daemon.text().splitlines() if "reason=unknown_org" in l]
        self.assertTrue(1 <= len(lines) < 90, len(lines))


if __name__ == "__main__":
    runner.main()
