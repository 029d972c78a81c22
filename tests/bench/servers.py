"""The three servers of the bench: nginx, the gSOAP peer and touchpointd, each on a free loopback port.

Every server is a process that this program starts and ends by its own id; a server that does not
come up, or ends by itself, raises Broken with the last lines of its log.
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

ORG = "00D000000000001EAA"
PATH = "/salesforce/outbound"
ACK = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    "</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)
# Nobody's limits but those of the machine: what is refused would not be measured.
CONNECTIONS_MAX = 8192
TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """Something that makes the figures worthless: the bench ends with 1 and this text."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificates(folder):
    """cert.pem, key.pem (ECDSA P-256, for this run only), both.pem, and the RSA key of the org's login."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    commands = [
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        ["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
         "-out", str(folder / "org.key")],
    ]
    for command in commands:
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            raise Broken(f"{command[0]} {command[1]}: {made.stderr.strip()}")
    both = folder / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    for secret in (key, both, folder / "org.key"):
        secret.chmod(0o600)


def processor_seconds(pid):
    """User and system time of a process so far, all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Server:
    """One server process with its children. `database`: where acknowledged notifications must be found."""

    name = ""
    database = None

    def __init__(self, build, folder):
        self.build, self.folder, self.port = build, folder, free_port()
        self.log = folder / f"{self.name}.log"
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self, **environment):
        with open(self.log, "ab") as log:
            try:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env={**os.environ, **environment})
            except OSError as e:
                raise Broken(f"{self.name} can't be started: {e}") from e
        self.wait_until(self.is_up, "come up")
        return self

    def is_up(self):
        """True once a TLS handshake succeeds."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                with context.wrap_socket(plain):
                    return True
        except OSError:
            return False

    def must_run(self):
        status = self.process.poll()
        if status is not None:
            self.process = None  # nothing left to stop
            raise Broken(f"{self.name} ended with {status}:\n{self.last_lines()}")

    def wait_until(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            self.must_run()
            if time.monotonic() > end:
                raise Broken(f"{self.name} did not {what} within {seconds} s:\n{self.last_lines()}")
            time.sleep(0.005)

    def last_lines(self, count=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def pids(self):
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        return sum(processor_seconds(pid) for pid in self.pids())

    def resident_bytes(self):
        pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """Asks it to end; what does not within a minute is killed, and that is an error."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Broken(f"{self.name} did not end within 60 s of SIGTERM:\n{self.last_lines()}") from None
        if status != 0:
            raise Broken(f"{self.name} ended with {status}:\n{self.last_lines()}")


class Nginx(Server):
    """Reads a message and answers the static Ack: what TLS and HTTP alone allow."""

    name = "nginx"

    def command(self):
        # Each worker has its own listening socket (reuseport), so the connections spread over all cores.
        # `return` answers, and nginx reads the body away.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.folder}/nginx-{kind}; " for kind in kinds)
        file = self.folder / "nginx.conf"
        file.write_text(f"""
worker_processes auto;
daemon off;
pid {self.folder}/nginx.pid;
error_log {self.log} warn;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 4m;
    client_body_buffer_size 256k;
    {temporary}
    server {{
        listen 127.0.0.1:{self.port} ssl reuseport backlog=4096;
        ssl_certificate {self.folder}/cert.pem;
        ssl_certificate_key {self.folder}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ default_type "text/xml; charset=UTF-8"; return 200 '{ACK}'; }}
    }}
}}
""")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        return [program, "-e", str(self.log), "-c", str(file)]


class GsoapPeer(Server):
    """A receiver as one writes it with gSOAP: each message one transaction of SQLite, WAL, FULL."""

    name = "gsoap"
    threads = 80  # a thread serves one connection

    @property
    def database(self):
        return self.folder / "gsoap.db"

    def command(self):
        return [str(self.build / "bench" / "gsoap-peer"), str(self.port), str(self.folder / "both.pem"),
                str(self.database), str(self.threads)]


class Touchpointd(Server):
    """Ourselves. The org's login address leads nowhere, so the workers hold what intake stores."""

    name = "touchpointd"

    def __init__(self, build, folder, store_url=None, name="touchpointd"):
        self.name = name
        super().__init__(build, folder)
        self.store_url = store_url or f"sqlite:{self.database}"
        self.admin_port, self.nowhere_port = free_port(), free_port()

    @property
    def database(self):
        return self.folder / "queue.db"

    def command(self):
        (self.folder / "admin.token").write_text("bench-only-admin-token-0123456789abcdef\n")
        (self.folder / "admin.token").chmod(0o600)
        file = self.folder / f"{self.name}.yaml"
        file.write_text(f"""
listen:
  address: "127.0.0.1:{self.port}"
  path: {PATH}
  max_connections: {CONNECTIONS_MAX}
  max_connections_per_address: {CONNECTIONS_MAX}
  max_new_connections_per_address: 0
tls:
  certificate: [cert.pem]
  key: [key.pem]
store:
  url: "{self.store_url}"
admin:
  address: 127.0.0.1:{self.admin_port}
  token_file: admin.token
worker:
  reconcile: "off"
log: {{ level: warn, format: logfmt }}
orgs:
  - id: {ORG}
    name: bench
    login_url: https://127.0.0.1:{self.nowhere_port}
    audience: https://login.salesforce.com
    api_version: "64.0"
    auth: {{ type: jwt, client_id: bench, username: bench@example.com, key_file: org.key }}
    schema: standard
channels:
  - {{ type: "Webinar*", channel: Events, subchannel: Webinar }}
""")
        return [str(self.build / "touchpointd"), "--config", str(file)]

    def is_up(self):
        """Ready: the store takes messages. Not what readyz says of the org, which can't be reached."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/healthz", timeout=5) as reply:
                return reply.status == 200 and super().is_up()
        except (OSError, urllib.error.URLError):
            return False
