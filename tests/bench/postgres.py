"""The intake on PostgreSQL: one daemon and three, against one on SQLite, all at hand in the same rounds.

The server is a temporary one (tests/store/cluster.py) on the file system of the run, with fsync and synchronous_commit on, as the daemon asks
for, and with its log's segments at hand, as a server has them that has run for a while. Three daemons share the connections and the cores that
one has.
"""
import pathlib
import sys

import report
from servers import ORG, Broken, Touchpointd, make_certificates

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "store"))
from cluster import Cluster  # noqa: E402  (found by the line above)

NODES = 3
# case: connections in all, notifications a message, words
CASES = {"single": (64, 1, "durable Acks, 1 a message, 64 connections"), "full": (8, 100, "durable notifications, 100 a message, 8 connections")}
SETTINGS = ["max_wal_size = 4GB", "min_wal_size = 4GB", "max_connections = 200"]
SEGMENTS = 160  # of 16 MiB

# A new server fills each segment with zeros and syncs it before its first use; later it takes old ones again, which is what the checkpoint arranges.
WRITE_SEGMENTS = f"""DO $$ BEGIN FOR i IN 1..{SEGMENTS} LOOP
PERFORM pg_logical_emit_message(false, 'touchpointd bench', 'a segment'), pg_switch_wal(); END LOOP; END $$"""

COUNT = """SELECT count(DISTINCT notification_id) FROM notification WHERE org = '%s' AND notification_id BETWEEN '%s' AND '%sz'
AND substr(record_id, 1, 15) = '00v' || substr(notification_id, 4, 12)"""


class PostgresBench:
    """load: bench.Load; id_text: bench.id_text. They are handed over since bench.py imports this."""

    def __init__(self, build, folder, tools, rounds, seconds, load, id_text, say):
        self.build, self.rounds, self.seconds, self.load, self.id_text, self.say = build, rounds, seconds, load, id_text, say
        self.folder = folder / "postgres"
        self.folder.mkdir()
        self.cluster = Cluster(SETTINGS, folder=tools)
        self.sqlite = Touchpointd(build, self.folder)
        self.nodes = []
        self.next_number, self.acknowledged, self.problems = 0, [], []
        self.rates = {}  # (case, who): messages a second, by round

    def start(self):
        make_certificates(self.folder)
        self.cluster.query("CREATE DATABASE queue")
        self.cluster.query(WRITE_SEGMENTS)
        self.cluster.query("CHECKPOINT")
        self.sqlite.start()
        for i in range(NODES):
            node = Touchpointd(self.build, self.folder, self.cluster.url("queue"), f"node{i + 1}")
            self.nodes.append(node)
            node.start()

    def measure(self, case, who, servers):
        """All of them at once, each with its part of the connections."""
        connections, notifications, _ = CASES[case]
        runs = []
        for i, server in enumerate(servers):
            part = connections // len(servers) + (i < connections % len(servers))
            runs.append(self.load(server, self.next_number + i * 10**7, part, notifications, seconds=self.seconds))
        self.next_number += len(servers) * 10**7
        results = self.load.finish_all(runs)
        for server, result in zip(servers, results):
            server.must_run()
            if result["refused"] or result["failed"]:
                self.problems.append(f"{server.name}: {result['refused']} answers were no Ack, {result['failed']} requests failed; "
                                     f"first: {result['problem']}")
            if server is not self.sqlite:
                self.acknowledged += result["acknowledged"]
        self.rates.setdefault((case, who), []).append(sum(r["in_time"] for r in results) / self.seconds)

    def run(self):
        who = [("sqlite", [self.sqlite]), ("one", self.nodes[:1]), ("three", self.nodes)]
        for number in range(self.rounds):
            self.say(f"PostgreSQL: round {number + 1} of {self.rounds}")
            for case in CASES:
                turn = number % len(who)
                for name, servers in who[turn:] + who[:turn]:
                    self.measure(case, name, servers)
        self.say("looking up what was acknowledged")
        missing = 0
        for first, last in self.acknowledged:
            (found,) = self.cluster.query(COUNT % (ORG, self.id_text(first), self.id_text(last)), "queue")
            missing += last - first + 1 - int(found)
        if missing:
            self.problems.append(f"PostgreSQL: {missing} acknowledged notifications are not in the database")
        return {f"{case} {name}": rates for (case, name), rates in self.rates.items()}

    def rows(self):
        words = {"one": "one node", "three": "three nodes"}
        return [report.row(f"{text}, PostgreSQL, {words[who]}", [notifications * r for r in self.rates[case, who]], "/s", 0.5, 1,
                           "one SQLite node", [notifications * r for r in self.rates[case, "sqlite"]])
                for case, (_, notifications, text) in CASES.items() for who in ("one", "three")]

    def stop(self):
        try:
            for server in (self.sqlite, *self.nodes):
                try:
                    server.stop()
                except Broken as e:
                    self.problems.append(str(e))
        finally:
            self.cluster.remove()
