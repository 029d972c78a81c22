"""Starts what is compared: our listener, nginx before a backend of ours, Node's parser; and asks each what it makes of a stream of bytes.

An answer is what a handler behind the server was handed, request by request, and how the connection ended.
"""
import asyncio
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "system"))
from harness import free_port  # noqa: E402

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
events {{ worker_connections 1000; }}
http {{
    access_log off; client_max_body_size 4k; client_body_buffer_size 16k; client_header_buffer_size 20k;
    large_client_header_buffers 4 20k; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ignore_client_abort on;
        }}
    }}
}}
"""


class Answer:
    """seen: [(method, target, body in hexadecimal)]; heads: their bytes, told by ours alone; end: "open" (closed because we ended), or how it was
    refused; text: ours tells why."""

    def __init__(self, seen, end, text="", heads=()):
        self.seen, self.end, self.text, self.heads = seen, end, text, heads

    def __repr__(self):
        return f"{self.seen} {self.end} {self.text}"


def request_of(line):
    """Of "METHOD TARGET BODY": the absolute form names the same target as the path in it."""
    method, target, body = (line + " ").split(" ")[:3]
    target = re.sub(r"^https?://[^/?]*(/?.*?)\??$", r"\1", target, flags=re.I)
    return method, target if target[:1] in ("/", "*") else "/" + target, body


def parse_responses(stream):
    """The responses of one connection: 100s are passed over; a refusal is the last."""
    seen, heads, at = [], [], 0
    while at < len(stream):
        end = stream.find(b"\r\n\r\n", at)
        if end < 0:
            return Answer(seen, "cut", "", heads)
        head = stream[at:end].decode("latin-1").split("\r\n")
        status = head[0].split(" ")[1]
        fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:])}
        at = end + 4
        if status == "100":
            continue
        if status != "200":
            return Answer(seen, status, fields.get("x-refused", ""), heads)
        seen.append(request_of(fields["x-seen"]))
        heads.append(bytes.fromhex(fields.get("x-head", "")))
    return Answer(seen, "open", "", heads)


def parse_report(stream):
    report = json.loads(stream)
    return Answer([request_of(line) for line in report["seen"]], report["end"])


async def backend(reader, writer):
    """Behind nginx, whose requests are plain: a head, and a body with its length."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"\r\ncontent-length: (\d+)", head, re.I)
            body = await reader.readexactly(int(length[1])) if length else b""
            method, target, _ = head.split("\r\n")[0].split(" ")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Seen: {method} {target} {body.hex()}\r\n\r\n".encode("latin-1"))
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        pass
    finally:
        writer.close()


class Peers:
    def __init__(self, echo):
        self.echo, self.children, self.ports = echo, {}, {}

    def start(self, name, argv):
        self.children[name] = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def port_of(self, name):
        line = self.children[name].stdout.readline().decode().strip()
        if not line:
            raise RuntimeError(f"{name} did not start")
        self.ports[name] = int(line.rsplit(":", 1)[1])

    async def __aenter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="http-peers-"))
        self.server = await asyncio.start_server(backend, "127.0.0.1", 0)
        self.start("ours", [self.echo])
        self.start("node", ["node", "--no-deprecation", HERE / "node_peer.mjs"])
        self.port_of("ours")
        self.port_of("node")
        await self.start_nginx()
        return self

    async def start_nginx(self):
        port = free_port()  # nginx can't say which port it was given
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, port=port, backend=self.server.sockets[0].getsockname()[1]))
        self.start("nginx", ["nginx", "-p", self.folder, "-c", config, "-e", self.folder / "error.log"])
        self.ports["nginx"] = port
        for _ in range(1000):
            if self.children["nginx"].poll() is not None:
                raise RuntimeError("nginx ended: " + (self.folder / "error.log").read_text())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except ConnectionError:
                await asyncio.sleep(0.01)
        raise RuntimeError("nginx does not answer")

    async def __aexit__(self, *_):
        for name, child in self.children.items():
            child.stdin.close()
            child.stdout.close()
            if name == "nginx":
                child.terminate()
            if child.wait(20) != 0:
                raise RuntimeError(f"{name} ended with {child.returncode}")
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def ask(self, name, stream):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[name])
        try:
            writer.write(stream)
            writer.write_eof()
            got = b""
            while piece := await asyncio.wait_for(reader.read(65536), 20):
                got += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return parse_report(got) if name == "node" else parse_responses(got)
