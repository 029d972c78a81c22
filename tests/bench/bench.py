"""Measures touchpointd's intake against nginx and a gSOAP peer that run beside it, and its work against orgsim: see README.md.

Called by bench.sh, which has built what is needed. Prints a table, writes build/bench.json. Exit 0 when everything
measured was right, whatever the figures; 1 when it was not (an answer that is no Ack, a server that does not start,
an acknowledged notification that is not in the database).
"""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import million
import postgres
import report
import sync
from servers import ORG, PATH, Broken, GsoapPeer, Nginx, Touchpointd, make_certificates, processor_seconds

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
TOOLS = BUILD / "bench"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
PARTS = os.environ.get("BENCH_PARTS", "intake postgres sync").split()
MILLION = os.environ.get("BENCH_MILLION") == "1"
QUEUED = int(os.environ.get("BENCH_QUEUED", "1000000"))
SYNCS = 500
OPEN_CONNECTIONS = 4096
# kinds of hostile peers (hostile.py), and the case that is measured beside them
HOSTILE = (("slow", "single"), ("slow", "handshake"), ("handshakes", "single"), ("oversized", "single"), ("malformed", "single"))
TOP_UP_SECONDS_MAX = 60
PARSE_SECONDS = 0.2
DECIDE_SECONDS = 1
# Share of a core that the servers which are not being measured may take: they have nothing to do.
BYSTANDERS_MAX = 0.1
BUSY_LOAD = 0.5

# case: what the load generator is told, and who is measured
CASES = {
    "single": ({"connections": 64, "notifications": 1}, ("nginx", "gsoap", "touchpointd")),
    "full": ({"connections": 8, "notifications": 100}, ("gsoap", "touchpointd")),
    "handshake": ({"connections": 64, "notifications": 1, "reconnect": True}, ("nginx", "touchpointd")),
}

# The record's digits are those of the notification.
COUNT = """
SELECT count(DISTINCT notification_id) FROM notification WHERE org = ? AND notification_id BETWEEN ? AND ?
AND substr(record_id, 1, 15) = '00v' || substr(notification_id, 4, 12)
"""


def tool(name, *arguments):
    """Runs one of our programs that prints a line of JSON."""
    done = subprocess.run([TOOLS / name, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Broken(f"{name} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def id_text(number):
    """The first 15 characters of a notification id, as message.c makes it; ids sort as their numbers do."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(12):
        number, digit = divmod(number, 62)
        text = digits[digit] + text
    return "04l" + text


class Load:
    """One run of the load generator: connected when the constructor returns, sending in finish()."""

    def __init__(self, server, first, connections, notifications, seconds=SECONDS, rate=0.0, reconnect=False):
        self.server, self.seconds, self.notifications = server, seconds, notifications
        command = [TOOLS / "load", "--port", server.port, "--org", ORG, "--path", PATH, "--first", first]
        command += ["--connections", connections, "--notifications", notifications, "--seconds", seconds]
        command += ["--rate", rate] + (["--reconnect"] if reconnect else [])
        command = [str(word) for word in command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.end()
            raise Broken(f"the load generator did not start against {server.name}")

    def finish(self):
        """Sends for the time given; the result with the server's CPU time a message."""
        self.begin()
        return self.wait()

    @staticmethod
    def finish_all(loads):
        """All at the same time; their results."""
        for load in loads:
            load.begin()
        return [load.wait() for load in loads]

    def begin(self):
        self.cpu_before = self.server.cpu_seconds()
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait(self):
        try:
            line = self.process.stdout.readline()
            used = self.server.cpu_seconds() - self.cpu_before
            result = json.loads(line) if line else None
            if result is None or self.process.wait(60) != 0:
                raise Broken(f"the load generator failed against {self.server.name}")
        finally:
            self.end()
        if self.seconds > 0:
            result["rate"] = result["in_time"] / self.seconds
            result["cpu_us"] = used * 1e6 / max(result["messages"], 1)
        return result

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Bench:
    """The servers, the numbers given out so far, and what was measured."""

    def __init__(self, folder):
        self.folder = folder
        self.servers = {cls.name: cls(BUILD, folder) for cls in (Nginx, GsoapPeer, Touchpointd)}
        self.ours = self.servers["touchpointd"]
        self.next_number = 0
        self.acknowledged = {name: [] for name in self.servers}  # ranges of notification numbers
        self.samples = {}  # (case, server) -> results in the order of the rounds
        self.problems = []

    def bystanders_cpu(self, server):
        return sum(other.cpu_seconds() for other in self.servers.values() if other is not server and other.process)

    def load(self, server, **options):
        before, started = self.bystanders_cpu(server), time.monotonic()
        result = Load(server, self.next_number, **options).finish()
        server.must_run()
        result["bystanders"] = (self.bystanders_cpu(server) - before) / (time.monotonic() - started)
        self.next_number += result["sent"] * options["notifications"]
        ranges = result.pop("acknowledged")
        self.acknowledged[server.name] += ranges
        if result["refused"] or result["failed"]:
            self.problems.append(f"{server.name}: {result['refused']} answers were no Ack, {result['failed']} requests"
                                 f" failed; first: {result['problem']}")
        return result

    def sample(self, case, server, result):
        self.samples.setdefault((case, server), []).append(result)

    def median(self, case, server, figure):
        return statistics.median(figure(sample) for sample in self.samples[case, server])

    def check_bystanders(self):
        """A server that works although nobody talks to it would make the others' figures worse."""
        everything = [sample for samples in self.samples.values() for sample in samples]
        share = statistics.median(sample["bystanders"] for sample in everything if "bystanders" in sample)
        if share > BYSTANDERS_MAX:
            self.problems.append(f"the servers that were not being measured used {share:.0%} of a core")

    def one_round(self, number):
        """Each case once with each server; who comes first changes from round to round."""
        self.sample("fdatasync", "disk", tool("fdatasync", self.folder / "sync", SYNCS))
        for count in (1, 100):
            self.sample(f"parse {count}", "touchpointd", tool("parse", count, PARSE_SECONDS))
        for case, (options, names) in CASES.items():
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                self.sample(case, name, self.load(self.servers[name], **options))
        rate = self.median("single", "touchpointd", lambda sample: sample["rate"]) / 2
        for name in ("touchpointd", "nginx"):
            result = self.load(self.servers[name], connections=64, notifications=1, rate=rate)
            self.sample("half", name, {**result, "wanted_rate": rate})

    def measure_connections(self):
        """Resident memory while many TLS connections are open."""
        load = Load(self.ours, self.next_number, OPEN_CONNECTIONS, 1, seconds=0)
        resident = self.ours.resident_bytes()
        result = load.finish()
        if result["open"] != OPEN_CONNECTIONS:
            self.problems.append(f"only {result['open']} of {OPEN_CONNECTIONS} connections: {result['problem']}")
        return resident

    @contextlib.contextmanager
    def hostile_peers(self, kind):
        command = [sys.executable, pathlib.Path(__file__).parent / "hostile.py", kind, str(self.ours.port)]
        peers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if peers.stdout.readline() != "ready\n":
                raise Broken(f"the hostile peers ({kind}) did not start")
            yield peers.pid
        finally:
            peers.stdin.close()
            peers.stdout.close()
            try:
                peers.wait(10)
            except subprocess.TimeoutExpired:
                peers.kill()
                peers.wait()

    def measure_hostile(self):
        """The share of the rate that is left to others while peers of each kind are at work, and of the cores that these take for themselves."""
        samples = {kind: [] for kind in HOSTILE}
        for _ in range(min(3, ROUNDS)):
            for (kind, case), sample in samples.items():
                alone = self.load(self.ours, **CASES[case][0])["rate"]
                with self.hostile_peers(kind) as pid:
                    used, begun = processor_seconds(pid), time.monotonic()
                    beside = self.load(self.ours, **CASES[case][0])["rate"]
                    taken = (processor_seconds(pid) - used) / (time.monotonic() - begun) / os.cpu_count()
                sample.append({"rate": beside / alone, "peers": taken})
        return samples

    def measure_allocations(self):
        """Calls of malloc and the like for a message, of all libraries together."""
        count = self.folder / "allocs"
        found = {}
        self.ours.start(LD_PRELOAD=str(TOOLS / "allocs.so"), ALLOCS=str(count))
        for case in ("single", "full"):
            self.load(self.ours, **{**CASES[case][0], "seconds": 1})  # caches fill
            before = int.from_bytes(count.read_bytes(), sys.byteorder)
            sent = self.load(self.ours, **{**CASES[case][0], "seconds": 1})["sent"]
            found[case] = (int.from_bytes(count.read_bytes(), sys.byteorder) - before) / max(sent, 1)
        self.ours.stop()
        return found

    def queued(self):
        return sum(last - first + 1 for first, last in self.acknowledged["touchpointd"])

    def fill(self):
        """Tops the queue up; ends early on a machine that is too slow for it."""
        end = time.monotonic() + TOP_UP_SECONDS_MAX
        while self.queued() < QUEUED and time.monotonic() < end and not self.problems:
            self.load(self.ours, connections=8, notifications=100, seconds=1)

    def check_rows(self, server):
        """Every acknowledged notification must be there, with its record."""
        missing = 0
        with contextlib.closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as db:
            for first, last in self.acknowledged[server.name]:
                (found,) = db.execute(COUNT, (ORG, id_text(first), id_text(last) + "z")).fetchone()
                missing += last - first + 1 - found
        if missing:
            self.problems.append(f"{server.name}: {missing} acknowledged notifications are not in the database")

    def measure_queue(self):
        """Memory with a long queue, then a start on it, then many connections."""
        self.fill()
        memory = {"queued": self.ours.resident_bytes()}
        self.ours.stop()
        restart = time.monotonic()
        self.ours.start()
        restart = time.monotonic() - restart
        memory["connections"] = self.measure_connections()
        return {"memory": memory, "restart_seconds": restart, "queued": self.queued()}

    def run(self):
        make_certificates(self.folder)
        for server in self.servers.values():
            server.start()
        idle = self.ours.resident_bytes()
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            self.one_round(number)
        self.check_bystanders()
        after_load = self.ours.resident_bytes()
        for name in ("nginx", "gsoap"):
            self.servers[name].stop()
        say("hostile peers")
        hostile = self.measure_hostile()
        say(f"{QUEUED:,} notifications queued, then {OPEN_CONNECTIONS:,} connections")
        figures = self.measure_queue()
        figures["hostile"] = hostile
        figures["memory"] |= {"idle": idle, "after_load": after_load}
        self.ours.stop()
        figures["allocations"] = self.measure_allocations()
        say("looking up what was acknowledged")
        for name in ("gsoap", "touchpointd"):
            self.check_rows(self.servers[name])
        return figures

    def stop(self):
        """Ends what is still running after a failure, whose own text matters more than these."""
        for server in self.servers.values():
            try:
                server.stop()
            except Broken as e:
                say(str(e))


def say(text):
    print(text, file=sys.stderr, flush=True)


def interrupted(number, _frame):
    raise Broken(f"ended by {signal.Signals(number).name}")


def allow_many_files():
    """For us and for all that we start: each connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main():
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    allow_many_files()
    if os.getloadavg()[0] > BUSY_LOAD:
        say(f"the machine is busy (load {os.getloadavg()[0]:.1f}): trust the ratios, not the rates")
    started = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=TOOLS))  # the file system that build/ is on
    bench = Bench(folder)
    try:
        figures, rows = {}, []
        if "intake" in PARTS:
            figures = bench.run()
            rows = report.rows(bench, figures)
        if "postgres" in PARTS:
            part = postgres.PostgresBench(BUILD, folder, TOOLS, ROUNDS, SECONDS, Load, id_text, say)
            try:
                part.start()
                figures["postgres"] = part.run()
                rows += part.rows()
            finally:
                part.stop()
                bench.problems += part.problems
        if "sync" in PARTS:
            figures["sync"] = sync.SyncBench(say).run()
            rows += sync.rows(figures["sync"], tool("decide", DECIDE_SECONDS))
        if MILLION:
            figures["million"] = million.Million(say).run()
            rows += million.rows(figures["million"])
        file = report.write_json(TOOLS, bench, figures, rows, ROUNDS, SECONDS)
        shutil.copyfile(file, BUILD / "bench.json")
        print(report.table(rows))
        say(f"{time.monotonic() - started:.0f} s; build/bench.json, kept as {file.relative_to(ROOT)}")
    except (Broken, AssertionError) as e:
        bench.problems.append(str(e))
    finally:
        bench.stop()
        shutil.rmtree(folder)
    for problem in bench.problems:
        say(f"bench: {problem}")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
