"""Starts real parts for system tests and the demo: orgsim, touchpointd, certificates; and talks to them.

Everything lives in one temporary folder and on free ports; stop() ends exactly the processes started here, by pid.
Standard library only.
"""
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAVOUR = os.environ.get("TP_FLAVOUR", "release")
ORG_ID = "00D000000000001EAA"
PATH = "/salesforce/outbound"
USER = "integration@example.com"
LIMIT_S = float(os.environ.get("TP_WAIT_S", "60"))

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def sfid(prefix, number):
    """An 18-character id: prefix, zeros, number in base 62, checksum."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = digits[rest] + text
    body = prefix + text.rjust(15 - len(prefix), "0")
    suffix = "".join(
        LETTERS[sum(c.isupper() << k for k, c in enumerate(body[i : i + 5]))] for i in (0, 5, 10)
    )
    return body + suffix


def wait_for(what, probe, limit_s=None):
    """Polls probe() until it is true; the answer is its value. Fails with a sentence when the limit has passed."""
    end = time.monotonic() + (limit_s or LIMIT_S)
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.01)


class Process:
    """One child: started with its log in a file, ended by pid."""

    def __init__(self, name, argv, folder, env=None):
        self.name, self.argv, self.log = name, [str(a) for a in argv], folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
            )

    def alive(self):
        return self.child.poll() is None

    def kill(self):
        if self.alive():
            self.child.kill()
        return self.child.wait()

    def terminate(self, limit_s=60):
        if self.alive():
            self.child.terminate()
        try:
            return self.child.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} did not end within {limit_s} s of SIGTERM; see {self.log}") from None

    def text(self):
        return self.log.read_text(errors="replace")


class Org:
    """orgsim, with its control routes."""

    def __init__(self, folder, outbound_url, ca, **options):
        port_file = folder / "orgsim.port"
        port_file.unlink(missing_ok=True)
        argv = [
            ROOT / "build" / FLAVOUR / "orgsim", "--port", options.pop("port", 0), "--port-file", port_file,
            "--org-id", ORG_ID, "--client-id", "app", "--username", USER,
            "--jwt-cert", folder / "jwt.pem", "--client-secret-file", folder / "client.secret",
            "--outbound-url", outbound_url, "--outbound-ca", ca,
            "--retry-base-ms", options.pop("retry_base_ms", 50), "--retry-max-ms", options.pop("retry_max_ms", 2000),
        ]
        for key, value in options.items():
            argv += ["--" + key.replace("_", "-"), value]
        self.process = Process("orgsim", argv, folder)
        wait_for("orgsim to listen", lambda: port_file.exists() or not self.process.alive())
        if not self.process.alive():
            raise AssertionError("orgsim ended at once:\n" + self.process.text())
        self.port = int(port_file.read_text())
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = None

    def call(self, method, path, body=None, limit_s=120):
        data = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            if self.http is None:
                self.http = http.client.HTTPConnection("127.0.0.1", self.port)
            self.http.timeout = limit_s  # of a connection to be made
            if self.http.sock:
                self.http.sock.settimeout(limit_s)
            try:
                self.http.request(method, path, data, {"Content-Type": "application/json"})
                reply = self.http.getresponse()
                text = reply.read()
                break
            except (ConnectionError, http.client.HTTPException):
                self.http.close()
                self.http = None
                if attempt == 2:
                    raise
        if reply.status >= 300:
            raise AssertionError(f"{method} {path}: {reply.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def create(self, kind, *records):
        return self.call("POST", "/sim/records", {"object": kind, "records": list(records)})["ids"]

    def update(self, kind, *records, **options):
        return self.call("PATCH", "/sim/records", {"object": kind, "records": list(records), **options})

    def delete(self, kind, *ids):
        return self.call("DELETE", f"/sim/records?object={kind}&ids={','.join(ids)}")

    def records(self, kind, where=None):
        query = {"object": kind} | ({"where": where} if where else {})
        return self.call("GET", "/sim/records?" + urllib.parse.urlencode(query))["records"]

    def touchpoints(self, campaign=None):
        if campaign:
            return self.call("GET", f"/sim/touchpoints?campaign={campaign}")["records"]
        return self.records("Buyer_Touchpoint__c")

    def fault(self, kind, operation="*", value=None, **match):
        body = {"match": {"operation": operation, **match}, "kind": kind}
        if value is not None:
            body["value"] = value
        return self.call("POST", "/sim/faults", body)["id"]

    def heal(self):
        self.call("DELETE", "/sim/faults")

    def outbound(self, **settings):
        return self.call("POST", "/sim/outbound", settings)

    def flush(self, limit_s=None):
        done = self.call("POST", "/sim/outbound/flush", {"timeout_ms": int((limit_s or LIMIT_S) * 1000)})
        if not done["empty"]:
            raise AssertionError(f"outbound messages are still waiting: {done}, {self.stats()['outbound']}")

    def stats(self):
        return self.call("GET", "/sim/stats")


RESERVED = []  # one socket a port, until this process ends


def free_port():
    """A port that nobody listens on at any address, ours until this process ends: other tests ask here, too, and clients get theirs from
    another range. The system's own choice could be another's again before the daemon has it, or between two starts of the daemon."""
    for _ in range(10000):
        port = random.randrange(15000, 30000)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0touchpointd-test-port-{port}")
            for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
                if family == socket.AF_INET or has_ipv6():
                    with socket.socket(family) as s:
                        s.bind((address, port))
        except OSError:
            mark.close()
            continue
        RESERVED.append(mark)
        return port
    raise AssertionError("no port is free between 15000 and 30000")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


ADMIN_TOKEN = "t0ken-of-the-admin"
DEFAULTS = {
    "worker": {"threads": 4, "lease": "20s", "request_timeout": "10s", "echo": "2s", "reconcile": "off"},
    "channels": [
        {"type": "Conference", "channel": "Events", "subchannel": "Conference"},
        {"type": "Trade Show", "channel": "Events", "subchannel": "Trade Show"},
        {"type": "Webinar*", "status": "Attended", "channel": "Events", "subchannel": "Webinar"},
        {"type": "Online*", "channel": "NULL", "null_channel": True},
    ],
}


class World:
    """A folder with certificates, an orgsim and a touchpointd that know each other."""

    def __init__(self, keep=False, auth="jwt", org_options=None, org_config=None, **config):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="touchpointd-"))
        self.keep, self.auth, self.config = keep, auth, {**DEFAULTS, **config}
        self.org_options, self.org_config = org_options or {}, org_config or {}  # of orgsim; of the org in our configuration
        self.port, self.admin_port = free_port(), free_port()
        self.daemon = self.org = self.ca_of_system = None
        self.make_keys()
        self.url = f"https://localhost:{self.port}{PATH}"

    # ---------------------------------------------------------------- set-up

    def make_keys(self):
        certs = self.folder / "certs"
        subprocess.run([ROOT / "certs" / "make-dev.sh", certs], check=True, stdout=subprocess.DEVNULL)
        self.ca = certs / "ca.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=touchpointd",
             "-keyout", self.folder / "jwt.key", "-out", self.folder / "jwt.pem"],
            check=True, stderr=subprocess.DEVNULL,
        )
        for name, text in (("client.secret", "s3cret-of-the-app"), ("admin.token", ADMIN_TOKEN)):
            (self.folder / name).write_text(text + "\n")
        for path in self.folder.glob("*.*"):
            path.chmod(0o600)

    def write_config(self):
        """JSON is YAML: the configuration is written as one."""
        auth = {
            "jwt": {"type": "jwt", "client_id": "app", "username": USER, "key_file": "jwt.key"},
            "client_credentials": {"type": "client_credentials", "client_id": "app", "secret_file": "client.secret"},
        }[self.auth]
        base = {
            # tests are in a hurry
            "listen": {"address": f"127.0.0.1:{self.port}", "path": PATH, "max_new_connections_per_address": 0},
            "tls": {
                "certificate": ["certs/server.pem", "certs/server-rsa.pem"],
                "key": ["certs/server.key", "certs/server-rsa.key"],
            },
            "store": {"url": "sqlite:queue.db"},
            "admin": {"address": f"127.0.0.1:{self.admin_port}", "token_file": "admin.token"},
            "log": {"level": os.environ.get("TP_LOG", "info"), "format": "logfmt"},
            "orgs": [
                {
                    "id": ORG_ID, "name": "simulated", "login_url": self.org.url,
                    "audience": "https://login.salesforce.com", "api_version": "64.0", "auth": auth,
                    **self.org_config,
                }
            ],
        }
        for section, value in self.config.items():
            base[section] = {**base.get(section, {}), **value} if isinstance(value, dict) else value
        path = self.folder / "touchpointd.yaml"
        path.write_text(json.dumps(base, indent=2, ensure_ascii=False))
        return path

    def start_org(self, **options):
        self.org = Org(self.folder, self.url, self.ca, **{**self.org_options, **options})
        return self.org

    def start_daemon(self, ready=True):
        self.daemon = Process(
            "touchpointd", [ROOT / "build" / FLAVOUR / "touchpointd", "--config", self.write_config()], self.folder,
            {"SSL_CERT_FILE": str(self.ca_of_system or self.ca)},  # what this "system" trusts, as Salesforce its list of roots
        )
        if ready:
            wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
            if not self.daemon.alive():
                raise AssertionError("touchpointd ended at once:\n" + self.daemon.text()[-3000:])
        return self.daemon

    def start(self):
        self.start_org()
        self.start_daemon()
        return self

    def stop(self):
        problems = []
        if self.org and self.org.http:
            self.org.http.close()
        for part in (self.daemon, self.org.process if self.org else None):
            if part is None:
                continue
            try:
                status = part.terminate()
                if status not in (0, -signal.SIGKILL):
                    problems.append(f"{part.name} ended with {status}:\n{part.text()[-3000:]}")
            except AssertionError as e:
                problems.append(str(e))
            if "Sanitizer" in part.text():
                problems.append(f"{part.name}: a sanitizer has something to say:\n{part.text()[-5000:]}")
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise AssertionError("\n".join(problems))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and self.daemon is not None:
            print("--- touchpointd's last words ---\n" + self.daemon.text()[-4000:])
        try:
            self.stop()
        except AssertionError:
            if kind is None:
                raise

    # ---------------------------------------------------------------- talking to the daemon

    def admin_connection(self, timeout):
        if "certificate" not in self.config.get("admin", {}):
            return http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=timeout)
        return http.client.HTTPSConnection("localhost", self.admin_port, context=ssl.create_default_context(cafile=str(self.ca)), timeout=timeout)

    def admin(self, path, method="GET", token=None, timeout=60):
        http_ = self.admin_connection(timeout)
        try:
            http_.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            reply = http_.getresponse()
            return reply.status, reply.read().decode()
        finally:
            http_.close()

    def api(self, path, method="GET", body=None, timeout=60, **query):
        """One call of the admin API, signed in; (status, JSON). Query parameters by name; None ones are left out."""
        query = {k: v for k, v in query.items() if v is not None}
        full = "/api/v1" + path + ("?" + urllib.parse.urlencode(query) if query else "")
        http_ = self.admin_connection(timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            http_.request(method, full, data, {"Authorization": f"Bearer {ADMIN_TOKEN}"})
            reply = http_.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text else None
        finally:
            http_.close()

    def answers(self):
        try:
            return self.admin("/healthz")[0] == 200
        except OSError:
            return False

    def ready(self):
        status, text = self.admin("/readyz")
        return status, json.loads(text)

    def checked(self):
        """Waits for the schema's check at the start, whose calls would be counted among others; its outcome."""
        return wait_for("the schema to be checked", lambda: (s := self.ready()[1]["checks"]["schema"][0])["checked"] and s)

    def metric(self, name, **labels):
        """Sum of all series of that name whose labels contain the given ones."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                if all(f'{k}="{v}"' in line for k, v in labels.items()):
                    total += float(line.rsplit(" ", 1)[1])
        return total

    def tls(self):
        context = ssl.create_default_context(cafile=str(self.ca))
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return context.wrap_socket(raw, server_hostname="localhost")

    def post(self, body, path=PATH, method="POST", headers=None, connection=None):
        """One POST with our own TLS client; (status, headers, body)."""
        context = ssl.create_default_context(cafile=str(self.ca))
        http_ = connection or http.client.HTTPSConnection("localhost", self.port, context=context, timeout=60)
        try:
            http_.request(
                method, path, body if isinstance(body, bytes) else body.encode(),
                {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""', **(headers or {})},
            )
            reply = http_.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            if connection is None:
                http_.close()

    def entered(self):
        """Waits until what was acknowledged has left the store's intake log: who asks the API for messages waits for that."""
        if self.daemon.alive():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.api("/messages", limit=1, timeout=10)

    def rows(self, sql, *values):
        """Reads the queue's file directly, read-only, as an auditor would."""
        import sqlite3

        self.entered()
        db = sqlite3.connect(f"file:{self.folder / 'queue.db'}?mode=ro", uri=True, timeout=60)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()


def notification(number, record, kind, **fields):
    inner = "".join(f"<sf:{k}>{v}</sf:{k}>" for k, v in fields.items() if v is not None)
    return (
        f"<Notification><Id>{sfid('04l', number)}</Id>"
        f'<sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"<sf:Id>{record}</sf:Id>{inner}</sObject></Notification>"
    )


def message(*notifications, org=ORG_ID):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{org}</OrganizationId><ActionId>{sfid('04k', 7)}</ActionId>"
        '<SessionId xsi:nil="true"/><EnterpriseUrl>https://x.example</EnterpriseUrl><PartnerUrl>https://x.example</PartnerUrl>'
        + "".join(notifications)
        + "</notifications></soapenv:Body></soapenv:Envelope>"
    )
