"""Streams of requests, made from a seed: well-formed ones in every combination, and ones with a fault or two.

A stream is one to three requests and a last one (GET /last) that shows whether a server's idea of where the others end is ours.
"""

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"HEAD"]
ODD_METHODS = [b"get", b"Post", b"BREW", b"G ET", b"", b"GET\t", b"\x00GET", b"M-SEARCH", b"G(T", b"POST\x80", b"PATCH",
               b"OPTIONS * HTTP/1.1\r\nX:"]  # the last brings its own target
TARGETS = [b"/", b"/a", b"/a/b?c=d", b"/x%20y", b"http://a/b", b"http://a?b", b"/;p=1", b"/~u/-_.!*'()", b"/a?b?c"]
ODD_TARGETS = [b"*", b"a", b"", b"/a b", b"/\x80", b"/a#b", b"/\x00", b"/\x7f", b"http:///a", b"ftp://a/", b"//a", b'/"', b"/<>", b"/\\", b"/{|}",
               b"a:80", b"http://u@a/", b"/\ta", b"/%", b"/%zz", b"/^`"]
ODD_VERSIONS = [b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0", b"http/1.1", b"HTTP/1.01", b"HTTP/1", b"HTTP/1.1 ", b" HTTP/1.1",
                b"HTTP/11", b"HTTP/1,1", b"", b"ICE/1.0", b"HTTP/1.1\x00", b"HTTP/+1.1", b"HTTP/10.1"]
FIELDS = [b"X: y", b"Accept: */*", b"X-Empty:", b"x-lower: \t v \t", b"Cookie: a=b; c=d", b"Connection: keep-alive", b"User-Agent: t/1 (x; y)",
          b"X: a,b", b"X: \xe4\xff", b"Content-Type: text/xml", b"Te: trailers", b"Pragma: \"q\""]
ODD_FIELDS = [b"X: a\x00b", b"X: a\rb", b"X : y", b" X: y", b"\tX: y", b"X: a\r\n b", b"X: a\r\n\tb", b": y", b"X", b"X(y): z", b"X y: z", b"X\x80: z",
              b"X\x00: z", b"X: a\x01", b"X: a\x7f", b"X: a\x0b", b"X: y\n", b"X: y\nZ: w", b"X: y\r", b"Host: b", b"Connection: close", b"Connection: close\r\nConnection: keep-alive",
              b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: x", b"X[]: y", b"X@: y", b"\"X\": y", b"X\t: y", b"\x0bX: y", b"X:\x0cy",
              b"Keep-Alive: 1", b"Content-Encoding: gzip"]
ODD_HOSTS = [b"", b"Host:", b"Host: a b", b"Host: a/b", b"Host: a, b", b"Host: a\r\nHost: a", b"Host : a", b"Host: a:80", b"Host: [::1]:1", b"Host: a@b",
             b"hOST:a", b"Host: \x80", b"Host: a:b", b"Host: a_b", b"Host: a..b", b"Host: .a", b"Host: a%41"]
LENGTHS = [b"Content-Length: %d", b"content-length:%d", b"CONTENT-LENGTH:   %d  ", b"Content-Length: 00%d"]
ODD_LENGTHS = [b"Content-Length: +%d", b"Content-Length: -%d", b"Content-Length: 0x%d", b"Content-Length : %d", b"Content-Length: %d, %d",
               b"Content-Length: %d\r\nContent-Length: %d", b"Content-Length: %d\r\nContent-Length: 0", b"Content-Length: %d 1", b"Content-Length: %d.0",
               b"Content-Length: \"%d\"", b"Content-Length: %d;", b"Content-Length: 1844674407370955161%d", b"Content-Length: 9999999%d",
               b"Content-Length:", b"Content-Length: %d\x00", b"Content-Length: \x0b%d", b"Content-Length: %d\r\n 0", b"Content_Length: %d",
               b"Content-Length\x00: %d", b"Content-Length: %d\rX: y", b"X: y\rContent-Length: %d", b"Content-Length: %d_0", b"Content-Length: ,%d",
               b"Content-Length: %de1", b"Content-Length:\t%d", b"Content-Length: %d\t", b"Content-Length: \t %d"]
CODINGS = [b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked", b"TRANSFER-ENCODING:  CHUNKED  "]
ODD_CODINGS = [b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
               b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked",
               b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:",
               b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chunked chunked",
               b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"Transfer_Encoding: chunked",
               b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding: chunk",
               b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: \t chunked", b"Transfer-Encoding: chunked\t",
               b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"]
EXTENSIONS = [b"", b"", b";a", b";a=b", b";a=\"b\"", b";a;b=c", b";a=\"\\\"\""]
ODD_EXTENSIONS = [b" ", b"\t", b";", b";=", b" ;a", b"; a", b";a =b", b";a= b", b";a=\"b", b";a=\"\r\n\"", b" a", b";\x00", b";a=\x01", b"\x00", b"x", b";a\nb",
                  b";a=\"\x80\"", b";\x80", b";a\rb", b"\r", b",", b";a=b\"c\"", b";a=\"b\"c"]
ODD_SIZES = [b"+%x", b"-%x", b"0x%x", b" %x", b"%x ", b"%xg", b"1000000000000000%x", b"", b"\t%x", b"0_%x", b"%x.0", b"\"%x\"", b"00000000000000000000%x",
             b"ffffffffffffffff%x", b"%xh"]
ODD_ENDS = [b"\n", b"", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"x\r\n", b"\r\n\r\n", b"\x00\r\n"]
TRAILERS = [b"", b"", b"X: y\r\n", b"X: y\r\nZ:\r\n", b"X: \t y\r\n"]
ODD_TRAILERS = [b"X\r\n", b"X: y\n", b" X: y\r\n", b"X: y\r\n z\r\n", b"X: \x00\r\n", b": y\r\n", b"X : y\r\n", b"X: a\rb\r\n", b"X\x00: y\r\n",
                b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"X: \x01\r\n", b"X(: y\r\n", b"X: y\r\r\n"]
ODD_EOLS = [b"\n", b"\r\r\n", b"\r"]
ODD_SPACES = [b"  ", b"\t", b""]
ODD_LEADS = [b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\x00", b"\r"]
ODD_LAST_SIZES = [b"", b"0x0", b"00000000000000000000", b"-0", b" 0"]
BYTES = b"\x00\t\n\x0b\x0c\r ,;:=+-0159aAgG\"\\\x7f\x80\xff/?#"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n"


class Maker:
    """Each choice is well-formed but for about `faults` of them in a stream."""

    def __init__(self, random):
        self.random, self.faults, self.forced = random, 0, None

    def pick(self, good, odd):
        if self.forced is not None and self.forced[0] is odd:
            value, self.forced = self.forced[1], None
            return value
        if self.faults > 0 and self.random.random() < 0.12:
            self.faults -= 1
            return self.random.choice(odd)
        return self.random.choice(good)

    def body(self):
        return self.random.choice([b"", b"a", b"hello", b"0\r\n\r\n", LAST, b"x" * 300, bytes(range(256)), b"5\r\nhello\r\n0\r\n\r\n"])

    def chunk(self, data):
        size = self.pick([b"%x", b"%X", b"0%x"], ODD_SIZES)
        size = size % len(data) if b"%" in size else size
        return size + self.pick(EXTENSIONS, ODD_EXTENSIONS) + self.pick([b"\r\n"], ODD_ENDS) + data + self.pick([b"\r\n"], ODD_ENDS)

    def chunks(self):
        data, pieces = self.body(), []
        while data:
            n = self.random.randint(1, len(data))
            pieces.append(self.chunk(data[:n]))
            data = data[n:]
        return (b"".join(pieces) + self.pick([b"0", b"000"], ODD_LAST_SIZES) + self.pick(EXTENSIONS, ODD_EXTENSIONS)
                + self.pick([b"\r\n"], ODD_ENDS) + self.pick(TRAILERS, ODD_TRAILERS) + self.pick([b"\r\n"], ODD_ENDS))

    def framing(self):
        kind = self.random.choice(["none", "length", "length", "chunked", "chunked"])
        if kind == "none":
            return [], b""
        if kind == "chunked":
            return [self.pick(CODINGS, ODD_CODINGS)], self.chunks()
        body = self.body()
        form = self.pick(LENGTHS, ODD_LENGTHS)
        return [form % ((len(body),) * form.count(b"%d"))], body

    def request(self):
        version = self.pick([b"HTTP/1.1"] * 8 + [b"HTTP/1.0"], ODD_VERSIONS)
        framing, body = self.framing()
        fields = [self.pick(FIELDS, ODD_FIELDS) for _ in range(self.random.choice([0, 0, 1, 2, 3]))] + framing
        self.random.shuffle(fields)
        fields.insert(self.random.randint(0, len(fields)), self.pick([b"Host: a"], ODD_HOSTS))
        eol = self.pick([b"\r\n"], ODD_EOLS)
        line = self.pick(METHODS, ODD_METHODS) + self.pick([b" "], ODD_SPACES) + self.pick(TARGETS, ODD_TARGETS) + b" " + version
        lead = self.pick([b""], ODD_LEADS)
        return lead + line + eol + b"".join(f + eol for f in fields if f) + self.pick([b"\r\n"], ODD_ENDS) + body

    def scratch(self, stream):
        """One byte more, less or other."""
        at = self.random.randrange(len(stream))
        byte = bytes([self.random.choice(BYTES)])
        return stream[:at] + self.random.choice([b"", byte, byte + stream[at : at + 1]]) + stream[at + 1 :]

    def each_fault(self):
        """Each fault alone, once."""
        for name, odd in sorted(globals().items()):
            if not name.startswith("ODD_"):
                continue
            for value in odd:
                self.faults, self.forced = 0, (odd, value)
                stream = b""
                while self.forced is not None:
                    stream = self.request()
                yield stream + LAST

    def streams(self, count):
        yield from self.each_fault()
        for _ in range(count):
            yield self.stream()

    def stream(self):
        self.faults = self.random.choice([0, 1, 1, 2, 3])
        scratches = self.random.choice([0, 0, 0, 1, 2])
        stream = b"".join(self.request() for _ in range(self.random.choice([1, 1, 2, 3])))
        for _ in range(scratches):
            stream = self.scratch(stream)
        return stream + LAST
