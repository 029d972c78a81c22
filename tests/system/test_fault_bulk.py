"""Every call about bulk jobs meets faults, and the campaign is written all the same.

A world that writes by jobs has too many rows for every fault at every call: in each of TP_FAULT_ROUNDS (1) every call meets another one. Rounds
that write and rounds that delete take turns, so twice as many rounds as there are faults are the whole table; it can be run in parts, beginning
with the round TP_FAULT_FROM (0, an even number).
"""
import os
import time
import unittest

import runner
from harness import World, wait_for
from test_fault_table import FAULTS, LIMIT_S
from test_sync import ALL, EXCLUDE, SYNC, Case

ROUNDS = int(os.environ.get("TP_FAULT_ROUNDS", "1"))
FROM = int(os.environ.get("TP_FAULT_FROM", "0"))
MEMBERS = 27000  # enough that they are read and written by jobs
BULK_CALLS = ("query_job_create", "query_job_info", "query_job_results", "query_job_remove", "bulk_create", "bulk_upload", "bulk_state",
              "bulk_info", "bulk_successful", "bulk_failed", "bulk_unprocessed")


class BulkFaults(Case):
    @staticmethod
    def required(org, setting):
        """Who writes has done twenty thousand rows by calls once the first job could not be made, and needs none for the rest; who deletes
        reads little."""
        if setting == ALL and org.stats()["bulk"]["ingest"]["created"] == 0:
            return [x for x in BULK_CALLS if x.startswith("query_job") or x == "bulk_create"]
        return [x for x in BULK_CALLS if setting == ALL or not x.startswith("query_job")]

    def test_a_fault_at_every_call_of_bulk_jobs_heals_by_itself(self):
        with World() as world:
            org = world.start().org
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": MEMBERS, "seed": 11, "emails": 1,
                                                      "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            for turn in range(FROM, FROM + ROUNDS):
                setting, operation, rows = ((ALL, "bulk_upsert", "upsert_created"), (EXCLUDE, "bulk_delete", "delete"))[turn % 2]
                org.call("POST", "/sim/stats/reset")
                org.fault("bulk_unprocessed", operation, {"after_rows": 3000}, count=1)
                org.fault("lock", operation, count=3)  # so that there are failed rows to be asked for
                for at, call in enumerate(BULK_CALLS):
                    kind, value = FAULTS[(at + 7 * (turn // 2)) % len(FAULTS)]
                    org.fault(kind, call, value, count=1)
                org.update("Campaign", {"Id": campaign, SYNC: setting})
                wait_for("all rows to be written", lambda r=rows: time.sleep(0.2) or org.stats()["rows"][r] >= MEMBERS, 240)
                self.settled(world, campaign=campaign, limit_s=LIMIT_S)
                missed = [f["match"]["operation"] for f in org.call("GET", "/sim/faults")["faults"] if not f["fired"]]
                org.heal()
                self.assertEqual([x for x in missed if x in self.required(org, setting)], [], f"round {turn}")
            self.assertEqual(world.rows("SELECT record_id, code, message FROM notification WHERE state = 3"), [])
            wait_for("the jobs to be done with", lambda: not world.rows("SELECT 1 FROM bulk_job"))


if __name__ == "__main__":
    runner.main()
