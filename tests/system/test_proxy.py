"""Behind a proxy that speaks the PROXY protocol: the client's address counts, and only proxies are believed."""
import socket
import ssl
import struct
import time
import unittest

import runner
from harness import PATH, World, message, notification, sfid, wait_for

PROXY = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(address):
    kind, other = ("TCP6", "2001:db8::f") if ":" in address else ("TCP4", "203.0.113.1")
    return f"PROXY {kind} {address} {other} 40000 443\r\n".encode()


def v2(address, tlvs=b"\x03\x00\x04abcd", command=1):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    body = packed * 2 + struct.pack("!HH", 40000, 443) + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x21 if ":" in address else 0x11, len(body)) + body


def post(number):
    body = message(notification(number, sfid("701", number), "Campaign")).encode()
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body


class Case(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def connect(self, source=PROXY):
        return socket.create_connection(("127.0.0.1", self.world.port), timeout=30, source_address=(source, 0))

    def tls(self, raw):
        return ssl.create_default_context(cafile=str(self.world.ca)).wrap_socket(raw, server_hostname="localhost")

    def answers(self, tls, data=None):
        type(self).number += 1
        tls.sendall(data or post(self.number))
        return tls.recv(4096)[:12].decode()

    def refused(self, reason):
        return self.world.metric("touchpoint_refused_total", reason=reason)

    def is_closed(self, raw):
        try:
            return raw.recv(100) == b""
        except ConnectionResetError:
            return True


class Behind(Case):
    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"proxy_protocol": [PROXY + "/32"], "max_connections_per_address": 2,
                                  "allow": ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1"]}).start()
        cls.number = 100

    def test_both_versions_and_families_are_understood(self):
        for header in (v1("192.0.2.1"), v1("2001:db8::1"), v2("192.0.2.1"), v2("2001:db8::1"), v2("192.0.2.1", tlvs=b""),
                       v2("192.0.2.1", tlvs=b"\x04\x0f\xf1" + bytes(0xff1)[: 4096 - 12 - 3])):
            with self.connect() as raw:
                raw.sendall(header)
                with self.tls(raw) as tls:
                    self.assertEqual(self.answers(tls), "HTTP/1.1 200", header)

    def test_a_header_byte_by_byte_and_one_together_with_the_handshake(self):
        for header in (v1("192.0.2.2"), v2("192.0.2.2")):
            with self.connect() as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(len(header)):
                    raw.sendall(header[i : i + 1])
                with self.tls(raw) as tls:
                    self.assertEqual(self.answers(tls), "HTTP/1.1 200")
            with self.connect() as raw:
                come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = ssl.create_default_context(cafile=str(self.world.ca)).wrap_bio(come, go, server_hostname="localhost")
                with self.assertRaises(ssl.SSLWantReadError):
                    tls.do_handshake()
                raw.sendall(header + go.read())
                self.assertEqual(raw.recv(1), b"\x16")

    def test_the_log_names_the_client(self):
        with self.connect() as raw:
            raw.sendall(v2("192.0.2.77"))
            with self.tls(raw) as tls:
                self.assertEqual(self.answers(tls, b"GET /wrong HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404")
        wait_for("the log to say so", lambda: "peer=192.0.2.77" in self.world.daemon.text())

    def test_the_clients_network_counts_and_not_the_proxys(self):
        for header in (v1("198.51.100.1"), v2("198.51.100.1"), v2("2001:db9::1")):
            before = self.refused("address")
            with self.connect() as raw:
                raw.sendall(header)
                self.assertTrue(self.is_closed(raw))
            self.assertEqual(self.refused("address"), before + 1)

    def test_the_cap_of_an_address_is_the_clients(self):
        before, open_ = self.refused("max_connections_per_address"), []
        for address in ("192.0.2.50", "192.0.2.50", "192.0.2.51"):
            raw = self.connect()
            raw.sendall(v1(address))
            open_.append(self.tls(raw))
            self.assertEqual(self.answers(open_[-1]), "HTTP/1.1 200")
        with self.connect() as raw:
            raw.sendall(v1("192.0.2.50"))
            self.assertTrue(self.is_closed(raw))
        self.assertEqual(self.refused("max_connections_per_address"), before + 1)
        for tls in open_:
            tls.close()

    def test_a_proxy_that_sends_no_header_or_a_bad_one_is_closed_and_counted(self):
        for first in (b"\x16\x03\x01\x02\x00\x01\x00", post(1), b"PROXY TCP4 x y 1 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
                      SIGNATURE + b"\x31\x11\x00\x0c", SIGNATURE + b"\x21\x12\x00\x0c", SIGNATURE + b"\x21\x11\xff\xff", b"PROXY " + b"x" * 200):
            before = self.refused("proxy_header")
            with self.connect() as raw:
                raw.sendall(first)
                self.assertTrue(self.is_closed(raw), first)
            self.assertEqual(self.refused("proxy_header"), before + 1, first)

    def test_a_proxy_that_speaks_for_itself_is_looked_up_itself(self):
        for header in (v2("192.0.2.1", command=0), b"PROXY UNKNOWN\r\n"):
            before = self.refused("address")
            with self.connect() as raw:
                raw.sendall(header)
                self.assertTrue(self.is_closed(raw))
            self.assertEqual(self.refused("address"), before + 1)

    def test_a_proxy_may_look_whether_we_live(self):
        before = self.refused("proxy_header")
        for _ in range(10):
            self.connect().close()
        with self.connect() as raw:
            raw.shutdown(socket.SHUT_WR)
            self.assertTrue(self.is_closed(raw))
        self.assertEqual(self.refused("proxy_header"), before)

    def test_others_are_not_believed(self):
        with self.connect("127.0.0.1") as raw, self.tls(raw) as tls:
            self.assertEqual(self.answers(tls), "HTTP/1.1 200")
        for header in (v1("192.0.2.1"), v2("192.0.2.1")):
            before = self.world.metric("touchpoint_tls_handshakes_total", result="failed")
            with self.connect("127.0.0.1") as raw:
                raw.sendall(header)
                with self.assertRaises(OSError):
                    self.tls(raw)
            wait_for("the failure to be counted",
                     lambda: self.world.metric("touchpoint_tls_handshakes_total", result="failed") == before + 1)

    def test_z_a_header_without_an_end_has_ten_seconds_and_nothing_is_left_behind(self):
        before, start = self.refused("proxy_header"), time.monotonic()
        with self.connect() as raw:
            raw.sendall(b"PROXY TCP4 192.0.2.1")
            self.assertTrue(self.is_closed(raw))
        self.assertGreater(time.monotonic() - start, 9)
        wait_for("all connections to end", lambda: self.world.metric("touchpoint_connections") == 0)
        self.assertEqual(self.refused("proxy_header"), before + 1)


class Full(Case):
    """All places taken by connections that nobody has introduced yet."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"proxy_protocol": [PROXY], "max_connections": 6}).start()
        cls.number = 1000

    def hold(self):
        """Six that say nothing, the newest last; once nobody is left of an earlier test, whose place could not be taken."""
        wait_for("all places to be free", lambda: self.world.metric("touchpoint_connections") == 0)
        held = [self.connect() for _ in range(6)]
        self.addCleanup(lambda: [raw.close() for raw in held])
        wait_for("all places to be taken", lambda: self.world.metric("touchpoint_connections", state="proxy_header") == 6)
        return held

    def test_the_oldest_make_room_for_those_who_are_introduced(self):
        self.hold()
        for k in range(12):
            with self.connect() as raw:
                raw.sendall(v1(f"192.0.2.{k}"))
                with self.tls(raw) as tls:
                    self.assertEqual(self.answers(tls), "HTTP/1.1 200")
        self.assertGreaterEqual(self.refused("made_room"), 1)
        self.assertEqual(self.refused("max_connections"), 0)

    def test_one_that_is_introduced_while_all_places_are_taken_is_served(self):
        newest = self.hold()[-1]
        newest.sendall(v2("192.0.2.99"))
        with self.tls(newest) as tls:
            self.assertEqual(self.answers(tls), "HTTP/1.1 200")


if __name__ == "__main__":
    runner.main()
