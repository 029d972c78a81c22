#!/usr/bin/env python3
"""A database that an older version wrote is opened by this one: nothing is lost, and it works on.

The older version's database is made by its migrations alone (0001 to n, for each n), so no old program has to be kept or built. What
is in it is real: this daemon fills a database of its own with rows of every state, and is killed; of these rows each older database
gets the columns that it has. What only older schemas know (a held pass before 0004) is written as they wrote it.
"""
import json
import sqlite3
import subprocess
import unittest

import runner
from harness import ROOT, World, wait_for
from senders import Cluster, programs
from test_sync import Case

SCHEMA = ROOT / "receiver" / "store" / "schema"
MIGRATIONS = sorted(SCHEMA.glob("0*.sql"))
PG_MIGRATIONS = sorted((SCHEMA / "postgres").glob("0*.sql"))
COMPARED = ("notification", "ledger", "quarantine", "job", "job_item", "attempt", "bulk_job", "pass", "org_cursor")
# numbers of this database alone; what opening may change
NOT_COMPARED = {"notification": {"claim_key", "campaign"}}
UNSETTLED = {"state", "seq", "due_at", "tries", "unsettled", "rerun_at"}  # of a row that was leased
JOB = "750000000000001AAA"


class SqliteFiles:
    """Databases are files in the world's folder."""
    migrations = MIGRATIONS

    def __init__(self, world):
        self.folder, self.filled = world.folder, "queue"

    def url(self, name):
        return f"sqlite:{name}.db"

    def connect(self, name):
        return sqlite3.connect(self.folder / f"{name}.db", timeout=60)

    def ask(self, name, sql):
        db = self.connect(name)
        try:
            found = db.execute(sql)
            rows = [dict(zip((c[0] for c in found.description or ()), row)) for row in found]
            db.commit()
            return rows
        finally:
            db.close()

    def tables(self, name):
        tables = [t["name"] for t in self.ask(name, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        return {t: [c["name"] for c in self.ask(name, f"PRAGMA table_info({t})")] for t in tables}

    def make(self, n, name):
        db = self.connect(name)
        for path in self.migrations[:n]:
            db.executescript(path.read_text())
        db.execute(f"PRAGMA user_version = {n}")
        db.execute("PRAGMA application_id = 0x54505131")
        db.execute("ATTACH ? AS new", (str(self.folder / f"{self.filled}.db"),))
        theirs = {t for t, in db.execute("SELECT name FROM new.sqlite_schema WHERE type = 'table'")}
        mine = self.tables(name)
        for table in sorted(mine.keys() & theirs, key=lambda t: (t == "meta", t)):  # last, since triggers count into it
            known = {c[1] for c in db.execute(f"PRAGMA new.table_info({table})")}
            columns = ", ".join(c for c in mine[table] if c in known)
            if table == "job" and "approved" in mine[table]:  # held passes are all there was
                db.execute("INSERT INTO job (id, kind, org, campaign_id, would_delete, existing, approved, at) "
                           "SELECT id, 'held', org, campaign_id, would_delete, existing, state - 5, at FROM new.job WHERE kind = 0")
            elif table == "meta":
                db.execute("UPDATE meta SET value = n.value FROM new.meta AS n WHERE n.name = meta.name")
            else:
                db.execute(f"DELETE FROM {table}")
                db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}")
        db.execute("UPDATE main.meta SET value = 0 WHERE name = 'clean'")
        db.commit()
        db.close()

    def is_sound(self, name):
        return self.ask(name, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]

    def version(self, name):
        return self.ask(name, "PRAGMA user_version")[0]["user_version"]


class Databases:
    """Of one PostgreSQL server."""
    migrations = PG_MIGRATIONS

    def __init__(self, cluster):
        self.cluster, self.filled = cluster, "filled"
        cluster.query("CREATE DATABASE filled")

    def url(self, name):
        return self.cluster.url(name)

    def ask(self, name, sql):
        if not sql.startswith("SELECT"):
            return self.cluster.query(sql, name)
        return [json.loads(row) for row in self.cluster.query(f"SELECT row_to_json(t) FROM ({sql}) t", name)]

    def tables(self, name):
        found = {}
        for line in self.cluster.query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
                                       "AND table_name <> 'schema_version' ORDER BY table_name, ordinal_position", name):
            table, column = line.split("|")
            found.setdefault(table, []).append(column)
        return found

    def make(self, n, name):
        query = self.cluster.query
        query(f"CREATE DATABASE {name}")
        query("CREATE TABLE schema_version (version integer NOT NULL); INSERT INTO schema_version VALUES (%d)" % n, name)
        for path in self.migrations[:n]:
            query(path.read_text(), name)
        mine, theirs = self.tables(name), self.tables(self.filled)
        for table in sorted(mine.keys() & theirs.keys()):
            columns = ", ".join(c for c in mine[table] if c in theirs[table])
            query(f"DELETE FROM {table}", name)
            out = subprocess.run(self.psql(self.filled, f"COPY (SELECT {columns} FROM {table}) TO STDOUT"), capture_output=True, check=True).stdout
            subprocess.run(self.psql(name, f"SET session_replication_role = replica; COPY {table} ({columns}) FROM STDIN"), input=out, check=True,
                           capture_output=True)
        for line in query("SELECT sequencename, coalesce(last_value, 1) FROM pg_sequences WHERE schemaname = 'public'", self.filled):
            sequence, value = line.split("|")
            if query(f"SELECT to_regclass('{sequence}') IS NOT NULL", name) == ["t"]:
                query(f"SELECT setval('{sequence}', {value})", name)

    def psql(self, name, command):
        return [programs() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(name), "-c", command]

    def is_sound(self, name):
        return self.cluster.query("SELECT count(*) FROM notification WHERE state NOT IN (0, 1, 2, 3)", name) == ["0"]

    def version(self, name):
        return int(self.cluster.query("SELECT version FROM schema_version", name)[0])


class Upgrade(Case):
    def each_row(self, base, name):
        """Of each table that is compared, its rows as {column: value}."""
        found = {}
        for table, columns in base.tables(name).items():
            if table in COMPARED:
                shown = [c for c in columns if c not in NOT_COMPARED.get(table, ())]
                found[table] = base.ask(name, f"SELECT {', '.join(shown)} FROM {table}")
        return found

    def fill(self, world):
        """Rows of every state. The campaigns: done (and to be done again), failed, leased."""
        org, api = world.org, lambda path, body, want=202: self.answered(world, path, body, want)
        done, _, _, _ = self.campaign(world)
        self.settled(world, campaign=done)
        api("/touchpoint-dates", {"campaign": done, "value": "2026-02-03T04:05:06Z", "reason": "for the upgrade"})
        wait_for("the dates to be set", lambda: all(j["state"] == "done" for j in world.api("/jobs")[1]["jobs"]))
        self.assertEqual(world.post("<not><a/>message")[0], 400)
        org.fault("row_error", "collections_upsert", {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no", "fields": []}, count=-1)
        failed, _, _, _ = self.campaign(world)
        are_failed = lambda: world.api("/messages", state="failed", campaign=failed)[1]["messages"]
        ids = [m["id"] for m in wait_for("messages to fail", are_failed)]
        api("/messages/replay", {"ids": ids})
        wait_for("the replay to end", lambda: not world.api("/jobs", state="open")[1]["jobs"])
        wait_for("them to fail again", lambda: are_failed() and all(m["replayed_by"] for m in are_failed() if m["id"] in ids))
        org.heal()
        org.fault("silence", "*", count=-1)
        leased, _, _, _ = self.campaign(world)
        is_leased = lambda: world.api("/messages", state="leased", campaign=leased)[1]["messages"]
        for attempt in range(10):  # a pass that was paused before its first request gives its lease back
            wait_for("a lease", is_leased)
            api("/pause", {"reason": "an upgrade"}, 200)
            org.update("Campaign", {"Id": done, "Name": f"Waits for the new version {attempt}"})
            wait_for("a message to wait", lambda: world.api("/messages", state="ready", campaign=done)[1]["messages"])
            org.flush()  # else what is stored but not yet acknowledged comes again after the upgrade, and changes its row
            if is_leased():
                break
            api("/resume", {}, 200)
        world.daemon.kill()
        org.heal()
        return done, failed, leased

    def answered(self, world, path, body, want):
        status, answer = world.api(path, "POST", body)
        self.assertEqual(status, want, answer)
        return answer

    def by_hand(self, base, org_id, done):
        """What takes long to bring about: a held pass and a bulk job under way."""
        now = 1790000000000
        base.ask(base.filled, "INSERT INTO job (kind, state, org, campaign_id, would_delete, existing, at) "
                              f"VALUES (0, 5, '{org_id}', '701000000000999AAA', 60, 70, {now})")
        base.ask(base.filled, f"INSERT INTO bulk_job (org, key, job, kind, rows, at) VALUES ('{org_id}', '{done}', '{JOB}', 0, 10, {now})")

    def nothing_is_lost(self, base, name, before, after):
        for table, rows in before.items():
            kept = after[table]
            for row in rows:
                leased = table == "notification" and row["state"] == 1
                same = {c: v for c, v in row.items() if not (leased and c in UNSETTLED)}
                if table == "job" and "approved" in row:
                    same = {**{c: v for c, v in row.items() if c not in ("kind", "approved")}, "kind": 0, "state": 5 + row["approved"]}
                self.assertTrue(any(all(other.get(c) == v for c, v in same.items()) for other in kept), f"{name}: {table} lost {row}")
            if table not in ("org_cursor",):
                self.assertEqual(len(kept), len(rows), f"{name}: {table} grew")

    def goes_on(self, world, campaigns, before):
        done, failed, leased = campaigns
        self.assertTrue(world.api("/messages", state="failed", campaign=failed)[1]["messages"])
        self.answered(world, "/resume", {}, 200)
        self.answered(world, "/messages/replay", {"filter": {"state": "failed", "campaign": failed}}, 202)
        for campaign in campaigns:
            wait_for(f"the touchpoints of {campaign}", lambda c=campaign: len(world.org.touchpoints(c)) == self.expected[c], 90)
        wait_for("nothing to be open", lambda: not any(world.api("/messages", state=s)[1]["messages"] for s in ("ready", "leased", "failed")), 90)
        self.assertEqual(world.api("/jobs", kind="held_deletions")[1]["jobs"][0]["would_delete"], 60)
        self.assertEqual(len(world.api("/quarantine")[1]["documents"]), len(before.get("quarantine", ())))

    def upgrade(self, world, base):
        world.start()
        campaigns = self.fill(world)
        self.by_hand(base, world.org.records("Organization")[0]["Id"], campaigns[0])
        self.expected = {c: len(world.org.records("CampaignMember", f"CampaignId = '{c}'")) for c in campaigns}
        for n in range(1, len(base.migrations) + 1):
            name = f"from{n}"
            with self.subTest(f"a database of version {n}"):
                for campaign in campaigns:  # so that there is something to do
                    ids = [t["Id"] for t in world.org.touchpoints(campaign)]
                    if ids:
                        world.org.delete("Buyer_Touchpoint__c", *ids)
                base.make(n, name)
                world.config["store"] = {"url": base.url(name)}
                self.open_and_work(world, base, name, campaigns)

    def open_and_work(self, world, base, name, campaigns):
        before = self.each_row(base, name)
        self.assertEqual({row["state"] for row in before["notification"]}, {0, 1, 2, 3})
        try:
            world.start_daemon()
            world.checked()
            self.assertEqual(base.version(name), len(base.migrations))
            self.nothing_is_lost(base, name, before, self.each_row(base, name))
            self.goes_on(world, campaigns, before)
            self.assertFalse(self.each_row(base, name)["bulk_job"])
            self.assertEqual(world.daemon.terminate(), 0)
            self.assertTrue(base.is_sound(name))
        finally:
            world.daemon.kill()

    def test_sqlite(self):
        with World() as world:
            self.upgrade(world, SqliteFiles(world))

    def test_postgres(self):
        cluster = Cluster()
        self.addCleanup(cluster.remove)
        base = Databases(cluster)
        with World(store={"url": base.url("filled")}) as world:
            self.upgrade(world, base)


if __name__ == "__main__":
    runner.main()
