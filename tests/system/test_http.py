"""HTTP at the public port, over real TLS: what each probe is answered, what is stored of it, and whether the connection goes on.

The first table are forms at which HTTP servers are known to disagree or to give in; the second has more of the framing's corners.
A row gets two messages of its own, b and c, so that what reached the queue is known for each.
"""
import collections
import socket
import ssl
import unittest

import runner
from harness import PATH, World, message, notification, sfid, wait_for

MAX_BODY = 256 << 10
HOST = b"Host: localhost\r\n"
TYPE = b"Content-Type: text/xml; charset=UTF-8\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(*fields, body=b"", line=b"POST " + PATH.encode() + b" HTTP/1.1", host=HOST, end=b"\r\n"):
    return line + b"\r\n" + host + TYPE + b"".join(f + b"\r\n" for f in fields) + end + body


def length(b, form=b"Content-Length: %d"):
    return form % len(b)


def sized(b):
    return request(length(b), body=b)


def chunk(b, extension=b"", size=b"%x"):
    return size % len(b) + extension + b"\r\n" + b + b"\r\n"


def chunked(*pieces, fields=(CHUNKED[:-2],), end=b"0\r\n\r\n", **more):
    return request(*fields, body=b"".join(pieces) + end, **more)


GET = b"GET " + PATH.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n"
LINE = b" " + PATH.encode() + b" HTTP/1.1"

# name, bytes from the messages b and c, answers and what becomes of the connection, what is stored
PROBES = (
    ("a plain Content-Length", lambda b, c: sized(b), "200 open", "b"),
    ("a chunked body", lambda b, c: chunked(chunk(b)), "200 open", "b"),
    ("Content-Length and Transfer-Encoding", lambda b, c: request(length(b), CHUNKED[:-2], body=chunk(b) + b"0\r\n\r\n"), "400 closed", ""),
    ("two Content-Lengths that differ", lambda b, c: request(length(b), b"Content-Length: 6", body=b), "400 closed", ""),
    ("two Content-Lengths that agree", lambda b, c: request(length(b), length(b), body=b), "400 closed", ""),
    ("a list of Content-Lengths", lambda b, c: request(length(b), body=b).replace(b"h: %d" % len(b), b"h: %d, %d" % (len(b), len(b))),
     "400 closed", ""),
    ("Content-Length with a plus", lambda b, c: request(length(b, b"Content-Length: +%d"), body=b), "400 closed", ""),
    ("Content-Length with a minus", lambda b, c: request(length(b, b"Content-Length: -%d"), body=b), "400 closed", ""),
    ("Content-Length in hexadecimal", lambda b, c: request(length(b, b"Content-Length: 0x%x"), body=b), "400 closed", ""),
    ("Content-Length past 2^63", lambda b, c: request(b"Content-Length: 9999999999999999999999", body=b), "413 closed", ""),
    ("a space before the colon", lambda b, c: request(length(b, b"Content-Length : %d"), body=b), "400 closed", ""),
    ("an unknown transfer coding, pipelined", lambda b, c: request(b"Transfer-Encoding: xchunked") + sized(b), "501 closed", ""),
    ("the coding identity, pipelined", lambda b, c: request(b"Transfer-Encoding: identity") + sized(b), "501 closed", ""),
    ("chunked before another coding", lambda b, c: chunked(chunk(b), fields=(b"Transfer-Encoding: chunked, identity",)), "501 closed", ""),
    ("chunked after another coding", lambda b, c: chunked(chunk(b), fields=(b"Transfer-Encoding: gzip, chunked",)), "501 closed", ""),
    ("chunked in HTTP/1.0", lambda b, c: chunked(chunk(b), line=LINE.replace(b" /", b"POST /", 1).replace(b"1.1", b"1.0")), "400 closed", ""),
    ("lines that end in a bare LF", lambda b, c: sized(b).replace(b"\r\n", b"\n"), "400 closed", ""),
    ("a folded header", lambda b, c: request(b"X: a\r\n b", length(b), body=b), "400 closed", ""),
    ("a first header that begins with a space", lambda b, c: request(length(b), body=b, host=b" " + HOST), "400 closed", ""),
    ("NUL in a value", lambda b, c: request(b"X: a\0b", length(b), body=b), "400 closed", ""),
    ("NUL that hides what follows", lambda b, c: request(b"X: a\0", length(b), body=b), "400 closed", ""),
    ("CR in a value", lambda b, c: request(b"X: a\rb", length(b), body=b), "400 closed", ""),
    ("a name that is no token", lambda b, c: request(b"X(y): 1", length(b), body=b), "400 closed", ""),
    ("an empty name", lambda b, c: request(b": 1", length(b), body=b), "400 closed", ""),
    ("no Host", lambda b, c: request(length(b), body=b, host=b""), "400 closed", ""),
    ("two Hosts", lambda b, c: request(length(b), body=b, host=HOST + b"Host: other\r\n"), "400 closed", ""),
    ("a chunk extension", lambda b, c: chunked(chunk(b, b";x=y")), "200 open", "b"),
    ("a chunk size with a plus", lambda b, c: chunked(chunk(b, size=b"+%x")), "400 closed", ""),
    ("a chunk size with 0x", lambda b, c: chunked(chunk(b, size=b"0x%x")), "400 closed", ""),
    ("a chunk size among other things", lambda b, c: chunked(chunk(b, size=b" %x zz")), "400 closed", ""),
    ("chunk data without their CRLF", lambda b, c: chunked(b"%x\r\n" % len(b) + b), "400 closed", ""),
    ("chunks with bare LFs", lambda b, c: chunked(b"%x\n" % len(b) + b + b"\n", end=b"0\n\n"), "400 closed", ""),
    ("a lower-case method", lambda b, c: request(length(b), body=b, line=b"post" + LINE), "501 closed", ""),
    ("HTTP/1.9", lambda b, c: sized(b).replace(b"HTTP/1.1", b"HTTP/1.9"), "505 closed", ""),
    ("HTTP/3.0", lambda b, c: sized(b).replace(b"HTTP/1.1", b"HTTP/3.0"), "505 closed", ""),
    ("GET with a body, pipelined", lambda b, c: request(length(b), body=b, line=b"GET" + LINE) + sized(c), "405 closed", ""),
    ("HEAD with a body, pipelined", lambda b, c: request(length(b), body=b, line=b"HEAD" + LINE) + sized(c), "405 closed", ""),
    ("Expect: 100-continue, and the body waits", lambda b, c: (request(b"Expect: 100-continue", length(b)), b), "100 200 open", "b"),
    ("Expect: 100-continue for too much", lambda b, c: request(b"Expect: 100-continue", b"Content-Length: 2097152"), "413 closed", ""),
    ("another expectation", lambda b, c: request(b"Expect: 200-ok", length(b), body=b), "417 closed", ""),
    ("too much that is sent all the same", lambda b, c: request(b"Content-Length: 2097152", body=b"x" * 2097152), "413 closed", ""),
    ("a header of 20 KB", lambda b, c: request(b"X: " + b"x" * 20000, length(b), body=b), "431 closed", ""),
    ("1000 headers", lambda b, c: request(*[b"X: 456"] * 1000, length(b), body=b), "431 closed", ""),
    ("POST without a length, pipelined", lambda b, c: request() + sized(b), "400 200 open", "b"),
    ("two POSTs pipelined", lambda b, c: sized(b) + sized(c), "200 200 open", "bc"),
    ("an empty line before the request", lambda b, c: b"\r\n" + sized(b), "200 open", "b"),
    ("an absolute URI", lambda b, c: request(length(b), body=b, line=b"POST https://localhost" + LINE.lstrip()), "200 open", "b"),
    ("two spaces in the request line", lambda b, c: request(length(b), body=b, line=b"POST " + LINE), "400 closed", ""),
    ("a tab in the request line", lambda b, c: request(length(b), body=b, line=b"POST\t" + LINE.lstrip()), "400 closed", ""),
    ("PUT", lambda b, c: request(length(b), body=b, line=b"PUT" + LINE), "405 closed", ""),
    ("an unknown method", lambda b, c: request(length(b), body=b, line=b"BREW" + LINE), "405 closed", ""),
)

SLOW = object()  # the bytes one a record

CORNERS = (
    ("a body smuggled behind an empty chunked one", lambda b, c: chunked(fields=(length(b), CHUNKED[:-2])) + sized(b), "400 closed", ""),
    ("a coding hidden by a vertical tab", lambda b, c: chunked(chunk(b), fields=(b"Transfer-Encoding:\x0bchunked", length(b))), "400 closed", ""),
    ("a coding in quotes", lambda b, c: chunked(chunk(b), fields=(b'Transfer-Encoding: "chunked"',)), "501 closed", ""),
    ("a coding with a name that ends in a space", lambda b, c: chunked(chunk(b), fields=(b"Transfer-Encoding : chunked", length(b))), "400 closed", ""),
    ("the coding named twice", lambda b, c: chunked(chunk(b), fields=(CHUNKED[:-2], CHUNKED[:-2])), "400 closed", ""),
    ("two empty lines before the request", lambda b, c: b"\r\n\r\n" + sized(b), "400 closed", ""),
    ("no version", lambda b, c: b"GET " + PATH.encode() + b"\r\n\r\n", "400 closed", ""),
    ("the preface of HTTP/2", lambda b, c: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 closed", ""),
    ("a request for a tunnel", lambda b, c: request(line=b"CONNECT localhost:443 HTTP/1.1"), "400 closed", ""),
    ("HTTP/1.0, which ends the connection", lambda b, c: sized(b).replace(b"HTTP/1.1", b"HTTP/1.0"), "200 closed", "b"),
    ("HTTP/1.0 that asks to go on", lambda b, c: request(length(b), b"Connection: Keep-Alive", body=b).replace(b"HTTP/1.1", b"HTTP/1.0"),
     "200 open", "b"),
    ("HTTP/1.0 without a Host", lambda b, c: request(length(b), body=b, host=b"").replace(b"HTTP/1.1", b"HTTP/1.0"), "200 closed", "b"),
    ("HTTP/1.0 that expects what it can't know", lambda b, c: request(b"Expect: 100-continue", length(b), body=b).replace(b"HTTP/1.1", b"HTTP/1.0"),
     "200 closed", "b"),
    ("the client's close", lambda b, c: request(length(b), b"Connection: close", body=b) + sized(c), "200 closed", "b"),
    ("Expect with the body at hand", lambda b, c: request(b"Expect: 100-continue", length(b), body=b), "200 open", "b"),
    ("Expect before chunks", lambda b, c: (request(b"Expect: 100-continue", CHUNKED[:-2]), chunk(b) + b"0\r\n\r\n"), "100 200 open", "b"),
    ("a query after the path", lambda b, c: request(length(b), body=b, line=b"POST " + PATH.encode() + b"?x=1 HTTP/1.1"), "200 open", "b"),
    ("chunks of one byte", lambda b, c: chunked(*(chunk(b[i : i + 1]) for i in range(len(b)))), "200 open", "b"),
    ("a quoted extension", lambda b, c: chunked(chunk(b, b' ; a ; b = "q\\""')), "200 open", "b"),
    ("a line end in a quoted extension", lambda b, c: chunked(chunk(b, b';a="\r\n"')), "400 closed", ""),
    ("trailers, pipelined", lambda b, c: chunked(chunk(b), end=b"0\r\nX: y\r\nContent-Length: 9\r\n\r\n") + sized(c), "200 200 open", "bc"),
    ("a folded trailer", lambda b, c: chunked(chunk(b), end=b"0\r\nX: y\r\n z\r\n\r\n"), "400 closed", ""),
    ("trailers without an end", lambda b, c: chunked(chunk(b), end=b"0\r\n" + b"X: y\r\n" * 2000), "431 closed", ""),
    ("a trailer without an end", lambda b, c: chunked(chunk(b), end=b"0\r\nX: " + b"y" * 20000), "431 closed", ""),
    ("a size line without an end", lambda b, c: chunked(b"1;" + b"x" * 1000000, end=b""), "400 closed", ""),
    ("zeros without an end before a size", lambda b, c: chunked(b"0" * 1000000, end=b""), "400 closed", ""),
    ("chunks that are mostly extension", lambda b, c: chunked(*[b"1;" + b"x" * 200 + b"\r\na\r\n"] * 2000), "400 closed", ""),
    ("a chunk past the bound", lambda b, c: chunked(chunk(b), end=b"%x\r\n" % MAX_BODY), "413 closed", ""),
    ("a chunk size past 2^64", lambda b, c: chunked(b"1%016x\r\n" % len(b) + b + b"\r\n"), "413 closed", ""),
    ("a request line without an end", lambda b, c: b"POST /" + b"x" * 100000, "414 closed", ""),
    ("a head without an end", lambda b, c: request(*[b"X: " + b"y" * 1000] * 20, end=b""), "431 closed", ""),
    ("a body that is not as long as it says", lambda b, c: (request(length(b + c), body=b), None), "closed", ""),
    ("a chunked body that ends before its end", lambda b, c: (chunked(chunk(b), end=b""), None), "closed", ""),
    ("a head that ends before its end", lambda b, c: (request(length(b), end=b""), None), "closed", ""),
    ("a request a byte a record", lambda b, c: (SLOW, sized(b)), "200 open", "b"),
    ("chunks a byte a record", lambda b, c: (SLOW, chunked(chunk(b[:100], b";e"), chunk(b[100:]), end=b"0\r\nX: y\r\n\r\n")), "200 open", "b"),
    ("five pipelined, the third is refused", lambda b, c: sized(b) * 2 + GET + sized(c) * 2, "200 200 405 closed", "b"),
    ("a TLS record inside TLS", lambda b, c: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n" + sized(b), "400 closed", ""),
)


class Client:
    """One TLS connection that reads answers strictly: every byte has to belong to one."""

    def __init__(self, world):
        self.tls, self.bytes = world.tls(), b""
        self.tls.settimeout(20)
        self.tls.suppress_ragged_eofs = False  # an end without close_notify is a failure

    def send(self, data):
        try:
            self.tls.sendall(data)
        except (ssl.SSLEOFError, ConnectionError):
            pass  # they have closed meanwhile; what they said is still to be read

    def more(self):
        got = self.tls.recv(65536)
        self.bytes += got
        return bool(got)

    def answer(self, is_head=False):
        """The next status, or "closed" at the end."""
        while b"\r\n\r\n" not in self.bytes:
            if not self.more():
                if self.bytes:
                    raise AssertionError(f"the connection ends within an answer: {self.bytes!r}")
                return "closed"
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        fields = {k.lower(): v.strip() for k, v in (line.split(b":", 1) for line in lines[1:])}
        want = 0 if is_head else int(fields.get(b"content-length", b"0"))
        while len(self.bytes) < want:
            if not self.more():
                raise AssertionError("the connection ends within a body")
        self.bytes = self.bytes[want:]
        return lines[0].split()[1].decode()

    def close(self):
        self.tls.close()


class Probes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"max_body": "256KiB", "request_timeout": "20s"}, worker={"threads": 1}).start()
        cls.number = 1000

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def next_message(self):
        type(self).number += 1
        n = self.number
        return n, message(notification(n, sfid("00v", n), "CampaignMember", CampaignId=sfid("701", 1))).encode()

    def stored(self, number):
        return bool(self.world.rows("SELECT 1 FROM notification WHERE notification_id = ?", sfid("04l", number)))

    def send(self, client, data):
        """Gives the answers read meanwhile."""
        if not isinstance(data, tuple):
            client.send(data)
            return []
        first, second = data
        if first is SLOW:
            for i in range(len(second)):
                client.send(second[i : i + 1])
            return []
        client.send(first)
        if second is None:
            socket.socket.shutdown(client.tls, socket.SHUT_WR)  # ssl's own would forget the session
            return []
        got = [client.answer()]
        client.send(second)
        return got

    def check(self, make, want, stored):
        (nb, b), (nc, c) = self.next_message(), self.next_message()
        client = Client(self.world)
        data = make(b, c)
        got = self.send(client, data)
        expected = want.split()
        is_head = isinstance(data, bytes) and data.startswith(b"HEAD")
        while len(got) < len(expected) - 1:
            got.append(client.answer(is_head))
            if got[-1] == "closed":
                break
        if expected[-1] == "open":
            _, probe = self.next_message()
            client.send(sized(probe))
            got.append("open" if client.answer() == "200" and not client.bytes else "not open")
        elif got[-1:] != ["closed"]:
            got.append(client.answer())
        client.close()
        self.assertEqual(" ".join(got), want)
        self.assertEqual("b" * self.stored(nb) + "c" * self.stored(nc), stored)

    def test_every_probe_has_the_strict_answer(self):
        self.assertEqual(len(PROBES), 51)
        for name, make, want, stored in PROBES:
            with self.subTest(name):
                self.check(make, want, stored)

    def test_every_corner_of_the_framing_has_its_answer(self):
        for name, make, want, stored in CORNERS:
            with self.subTest(name):
                self.check(make, want, stored)

    def test_refusals_are_counted_by_their_reason(self):
        before = collections.Counter()
        reasons = {"bad_request": b"\n", "transfer_coding": request(b"Transfer-Encoding: x"), "http_version": GET.replace(b"1.1", b"2.0"),
                   "head_too_large": b"GET /" + b"x" * 9000, "too_large": request(b"Content-Length: 9999999"),
                   "expectation": request(b"Expect: x"), "method": GET}
        for reason in reasons:
            before[reason] = self.world.metric("touchpoint_messages_received_total", org="unknown", result=reason)
        for reason, data in reasons.items():
            client = Client(self.world)
            client.send(data)
            client.answer()
            client.close()
            self.assertEqual(self.world.metric("touchpoint_messages_received_total", org="unknown", result=reason), before[reason] + 1, reason)

    def test_no_connection_is_left_behind(self):
        wait_for("all connections to end", lambda: self.world.metric("touchpoint_connections") == 0)


if __name__ == "__main__":
    runner.main()
