#!/usr/bin/env python3
"""touchpointd --export and --import: SQLite to PostgreSQL and back without loss; a daemon goes on with either; what is not whole is refused.

The server is a temporary one (tests/store/cluster.py).
"""
import json
import sqlite3
import subprocess

import runner
from harness import DEFAULTS, FLAVOUR, ORG_ID, ROOT, World, message, notification, wait_for
from oracle import Oracle
from senders import ClusterCase
from test_dates import Case as Dates

TABLES = {  # what is compared, and in which order
    "notification": "id", "attempt": "message, n", "pass": "org, campaign_id", "job": "id", "job_item": "job, record_id", "ledger": "id",
    "org_cursor": "org, name", "bulk_job": "org, key, job", "quarantine": "id", "lane": "org, key, background", "tally": "org",
    "sqlite_sequence": "name",
}
OURS = {"claim_key"}  # a number that a store gives by itself
FAILS = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no \"touch\\points\"\non Mondays: ÄÖ 𝄞", "fields": []}


def rows_of(path, table):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        return [{k: r[k] for k in r.keys() if k not in OURS} for r in db.execute(f"SELECT * FROM {table} ORDER BY {TABLES[table]}")]
    finally:
        db.close()


class Transfer(ClusterCase, Dates):
    def setUp(self):
        self.world = World(worker={**DEFAULTS["worker"], "request_timeout": "5s"})
        self.addCleanup(self.world.stop)
        self.folder = self.world.folder

    # ---------------------------------------------------------------- doing

    def database(self, name):
        self.cluster.query(f"CREATE DATABASE {name}")
        return self.cluster.url(name)

    def move(self, way, file, url=None, **more):
        """Runs touchpointd --export or --import."""
        config = json.loads(self.world.write_config().read_text())
        config["store"]["url"] = url or config["store"]["url"]
        path = self.folder / "moving.yaml"
        path.write_text(json.dumps(config))
        return subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", path, f"--{way}", file], cwd=self.folder,
                              capture_output=True, timeout=120, **more)

    def moves(self, way, file, url=None):
        done = self.move(way, file, url)
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def refused(self, way, file, url, *words):
        done = self.move(way, file, url)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, 1, said)
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("Sanitizer", said)

    def lines(self, name):
        """An export without what it says of itself."""
        lines = (self.folder / name).read_text().splitlines()
        self.assertEqual(json.loads(lines[0])["touchpointd"]["format"], 1)
        return lines[1:-1], json.loads(lines[-1])["end"]["rows"]

    def empty_queue(self):
        """Nothing to do is left but what waits for its time."""
        wait_for("the queue to be empty", lambda: not self.world.rows(
            "SELECT 1 FROM notification WHERE state < 2 AND due_at < unixepoch() * 1000 + 30000"))

    def put(self, number, record, kind, **fields):
        status, _, body = self.world.post(message(notification(number, record, kind, **fields)))
        self.assertEqual(status, 200, body)

    def fill(self):
        """Work of every kind; ends with a kill in the middle of a write. (campaign, members)"""
        world, org = self.world, self.world.org
        campaign, members = self.campaign([{"Status": "Responded"}] * 12)
        org.flush()
        self.empty_queue()
        self.put(900, "006xx0000000001AAA", "Opportunity")  # ignored
        job = self.dates(campaign, "2026-03-04T05:06:07Z", filter={"any": [{"all": [{"field": "Status", "op": "is", "value": "responded"}]}]},
                         reason="said \"so\" \\ and\nÄÖ 𝄞")
        self.ended(job["id"])
        self.ended(self.undo(job["id"])["id"])
        self.empty_queue()
        self.assertEqual(world.post("<broken")[0], 400)
        wait_for("the quarantine", lambda: world.rows("SELECT 1 FROM quarantine"))
        org.fault("row_error", "collections_upsert", FAILS, row=members[0], count=-1)
        org.update("CampaignMember", {"Id": members[0], "Buyer_Touchpoint_Date__c": "2026-05-06T07:08:09Z"})
        wait_for("a failure", lambda: world.rows("SELECT 1 FROM notification WHERE state = 3"))
        org.fault("silence", "composite", True)
        org.update("CampaignMember", {"Id": members[1], "Buyer_Touchpoint_Date__c": "2026-05-06T07:08:09Z"})
        wait_for("a write under way", lambda: world.rows("SELECT 1 FROM lease WHERE in_flight = 1"))
        world.daemon.kill()
        db = sqlite3.connect(self.folder / "queue.db")  # what would take long to bring about
        db.execute("INSERT INTO bulk_job VALUES (?, ?, '750xx0000000001AAA', 1, 20000, 1700000000000)", (ORG_ID, campaign))
        db.execute("INSERT INTO org_cursor VALUES (?, 'deleted.CampaignMember', '2026-01-01T00:00:00Z')", (ORG_ID,))
        db.execute("UPDATE quarantine SET body = ?, kept = 256", (bytes(range(256)),))
        db.commit()
        db.close()
        return campaign, members

    # ---------------------------------------------------------------- cases

    def test_from_sqlite_to_postgresql_and_back_nothing_is_lost_and_the_daemon_goes_on(self):
        world = self.world.start()
        campaign, members = self.fill()
        url, back = self.database("moved"), f"sqlite:{self.folder / 'back.db'}"
        self.moves("export", "first")
        self.assertEqual((self.folder / "first").stat().st_mode & 0o777, 0o600)
        rows, counts = self.lines("first")
        for table in set(TABLES) - {"lane", "tally", "sqlite_sequence"}:
            self.assertGreater(counts[table], 0, table)
        states = {json.loads(r)["notification"]["state"] for r in rows if r.startswith('{"notification"')}
        self.assertEqual(states, {0, 2, 3}, "a lease ends with its process")
        self.assertTrue(any('"echo' in r or ":echo:" in r for r in rows), "a write mark becomes an echo")
        self.moves("import", "first", url)
        self.moves("export", "second", url)
        self.assertEqual(self.lines("second"), (rows, counts))
        self.moves("import", "second", back)
        self.moves("export", "third", back)
        self.assertEqual(self.lines("third"), (rows, counts))
        for table in TABLES:
            self.assertEqual(rows_of(self.folder / "back.db", table), rows_of(self.folder / "queue.db", table), table)
        secrets = ["s3cret", "t0ken-of", "BEGIN "]
        self.assertFalse([s for s in secrets if s in (self.folder / "first").read_text()])

        world.org.heal()
        world.org.flush(1)
        for store in (url, back):
            world.config["store"] = {"url": store}
            world.start_daemon()
            self.put(900, "006xx0000000001AAA", "Opportunity")
            world.org.update("CampaignMember", {"Id": members[2], "Status": "Sent"}, {"Id": members[3], "Status": "Responded"})
            wait_for("the org to be as it must be", lambda: not Oracle(DEFAULTS["channels"]).differences(world.org, campaign), 90)
            self.assertEqual(world.metric("touchpoint_notifications_duplicate_total"), 1, "known before, known now")
            status, replayed = world.api("/messages/replay", "POST", {"filter": {"state": "failed"}})
            self.assertEqual(status, 202, replayed)
            wait_for("the replay", lambda: world.api(f"/jobs/{replayed['id']}")[1]["ended_at"])
            self.assertGreater(replayed["id"], counts["job"], "no number of a job is used twice")
            self.assertEqual(world.daemon.terminate(), 0)

    def test_who_is_not_alone_is_refused(self):
        world = self.world.start()
        self.refused("export", "x", None, "another daemon uses this store")
        self.assertFalse((self.folder / "x").exists())
        self.assertEqual(world.daemon.terminate(), 0)
        world.config["store"] = {"url": self.database("busy")}
        world.start_daemon()
        self.refused("export", "x", None, "daemons are connected to this database", "stop them all first")
        self.assertEqual(world.daemon.terminate(), 0)
        self.cluster.query("INSERT INTO campaign (org, key, fence, until, owner) VALUES ('o', 'k', 7, tp_now() + 60000, 'lost:1:2')", "busy")
        self.refused("export", "x", None, "lost:1:2", "try again in")
        self.cluster.query("UPDATE campaign SET until = 1", "busy")
        self.moves("export", "x")
        self.refused("export", "x", None, "x exists")
        # the other way round: a daemon does not start on what is being moved
        world.config["store"] = {"url": self.database("filling")}
        world.write_config()
        import_ = subprocess.Popen([ROOT / "build" / FLAVOUR / "touchpointd", "--config", self.folder / "touchpointd.yaml", "--import", "-"],
                                   cwd=self.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            import_.stdin.write((self.folder / "x").read_bytes().splitlines(True)[0])
            import_.stdin.flush()
            wait_for("the import to be alone", lambda: self.cluster.query(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objsubid = 2 AND granted"))
            world.start_daemon(ready=False)
            self.assertEqual(world.daemon.child.wait(60), 1)
            self.assertIn("is being exported or imported", world.daemon.text())
        finally:
            import_.communicate(timeout=60)
            world.daemon = None

    def test_what_is_not_whole_or_not_ours_is_refused_and_nothing_is_imported(self):
        world = self.world.start()
        campaign, _ = self.campaign([{"Status": "Responded"}] * 3)
        world.org.flush()
        self.empty_queue()
        self.assertEqual(world.daemon.terminate(), 0)
        world.daemon = None
        self.moves("export", "whole")
        whole = (self.folder / "whole").read_bytes().splitlines(True)
        head, middle = json.loads(whole[0]), len(whole) // 2
        newer = json.dumps({"touchpointd": {**head["touchpointd"], "format": 2, "version": "9.9"}}).encode() + b"\n"
        digit = whole[middle].replace(b"1", b"2", 1)
        self.assertNotEqual(digit, whole[middle])
        files = {
            "no end": (whole[:-1], "cut off"),
            "half a line": (whole[:-1] + [whole[-1][:20]], "cut off"),
            "half": (whole[:middle] + [whole[middle][:9]], "cut off"),
            "a line is missing": (whole[:middle] + whole[middle + 1:], "counts other rows"),
            "a line is twice": (whole[:middle] + whole[middle:middle + 1] + whole[middle:], None),
            "a number is another": (whole[:middle] + [digit] + whole[middle + 1:], None),
            "more behind the end": (whole + whole[1:2], "after the end"),
            "newer": ([newer] + whole[1:], "newer version", "9.9"),
            "nothing": ([], "cut off"),
            "another's": ([b'{"a":1}\n'], "line 1"),
            "no JSON": ([b"{\xff\n"], "line 1"),
            "a field too much": (whole[:1] + [whole[1].replace(b'"value"', b'"more":1,"value"')] + whole[2:], "does not know"),
            "a field of another type": (whole[:1] + [whole[1].replace(b'"name":"', b'"name":7,"x":"')] + whole[2:], "counter.name"),
            "an unknown table": (whole[:1] + [b'{"cash":{"id":1}}\n'] + whole[1:], "a table that this version"),
        }
        targets = [self.database("whole"), f"sqlite:{self.folder / 'target.db'}"]
        for url in targets:
            for name, (lines, *words) in files.items():
                with self.subTest(name, url=url):
                    (self.folder / "bad").write_bytes(b"".join(lines))
                    self.refused("import", "bad", url, *[w for w in words if w])
            self.moves("import", "whole", url)  # so all were refused with nothing left behind
            self.refused("import", "whole", url, "not empty")
        self.refused("export", "y", f"sqlite:{self.folder / 'none.db'}", "no such store")
        self.assertFalse((self.folder / "none.db").exists())
        self.refused("export", "y", self.database("bare"), "no tables")
        self.refused("import", "y", targets[0], "y")
        done = self.move("export", "-", targets[0])  # standard streams
        self.assertEqual(done.returncode, 0, done.stderr)
        third = f"sqlite:{self.folder / 'third.db'}"
        self.assertEqual(self.move("import", "-", third, input=done.stdout).returncode, 0)
        self.assertEqual(rows_of(self.folder / "third.db", "notification"), rows_of(self.folder / "target.db", "notification"))


if __name__ == "__main__":
    runner.main()
