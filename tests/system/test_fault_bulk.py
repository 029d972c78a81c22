"""Every call about bulk jobs meets faults, and the campaign is written all the same.

A world that writes by jobs has too many rows for every fault at every call: in each of TP_FAULT_ROUNDS (1) every call meets another one. Rounds
that write and rounds that delete take turns. Who deletes makes a job again after each failure. Who writes has done so many rows by calls once a job
could not be made that none is made any more: so rounds 0 to 39 let writing jobs be made and their results be hard to read, and rounds 40 to 79 let
them be hard to make. That is the whole table; it can be run in parts, beginning with the round TP_FAULT_FROM (0, an even number).
"""
import os
import time
import unittest

import runner
from harness import DEFAULTS, World, wait_for
from test_fault_table import FAULTS, LIMIT_S
from test_sync import ALL, EXCLUDE, SYNC, Case

ROUNDS = int(os.environ.get("TP_FAULT_ROUNDS", "1"))
FROM = int(os.environ.get("TP_FAULT_FROM", "0"))
TIMEOUT_S = 5
WORKER = {**DEFAULTS["worker"], "lease": "12s", "request_timeout": f"{TIMEOUT_S}s", "echo": "8s"}
MEMBERS = 27000  # enough that they are read and written by jobs
QUERY = ("query_job_create", "query_job_info", "query_job_results", "query_job_remove")
MAKING = ("bulk_create", "bulk_upload", "bulk_state")
READING = ("bulk_info", "bulk_successful", "bulk_failed", "bulk_unprocessed")


class BulkFaults(Case):
    @staticmethod
    def calls(turn):
        """The calls that meet a fault in this round, and those of them that must."""
        if turn % 2 == 1:
            return QUERY + MAKING + READING, MAKING + READING
        if turn // (2 * len(FAULTS)) % 2 == 0:
            return QUERY + READING, QUERY + READING
        return QUERY + MAKING, QUERY + MAKING[:1]

    @staticmethod
    def written(world, rows):
        """All rows are. The daily limit holds an org for minutes once several calls in a row have failed; a daemon that starts anew asks at once,
        and finds the job by its stored id."""
        org = world.org
        for fault in org.call("GET", "/sim/faults")["faults"]:
            if fault["kind"] == "limit_daily" and fault["fired"]:
                org.call("DELETE", f"/sim/faults?id={fault['id']}")
                world.daemon.terminate()
                world.start_daemon()
        return org.stats()["rows"][rows] >= MEMBERS

    def test_a_fault_at_every_call_of_bulk_jobs_heals_by_itself(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": MEMBERS, "seed": 11, "emails": 1,
                                                      "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            for turn in range(FROM, FROM + ROUNDS):
                started = time.monotonic()
                setting, operation, rows = ((ALL, "bulk_upsert", "upsert_created"), (EXCLUDE, "bulk_delete", "delete"))[turn % 2]
                org.call("POST", "/sim/stats/reset")
                org.fault("bulk_unprocessed", operation, {"after_rows": 3000}, count=1)
                org.fault("lock", operation, count=3)  # so that there are failed rows to be asked for
                calls, required = self.calls(turn)
                for at, call in enumerate(calls):
                    kind, value = FAULTS[(at + 7 * (turn // 2)) % len(FAULTS)]
                    org.fault(kind, call, 1000 * (TIMEOUT_S + 1) if kind in ("latency", "late") else value, count=1)
                org.update("Campaign", {"Id": campaign, SYNC: setting})
                wait_for("all rows to be written", lambda r=rows: time.sleep(0.2) or self.written(world, r), 300)
                self.settled(world, campaign=campaign, limit_s=LIMIT_S)
                missed = [f["match"]["operation"] for f in org.call("GET", "/sim/faults")["faults"] if not f["fired"]]
                org.heal()
                self.assertEqual([x for x in missed if x in required], [], f"round {turn}")
                print(f"round {turn}: {time.monotonic() - started:.0f} s", flush=True)
            self.assertEqual(world.rows("SELECT record_id, code, message FROM notification WHERE state = 3"), [])
            wait_for("the jobs to be done with", lambda: not world.rows("SELECT 1 FROM bulk_job"))


if __name__ == "__main__":
    runner.main()
