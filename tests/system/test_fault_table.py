"""A table of two sides: every call that the daemon makes of the org, and everything that can go wrong with a call.

For each call a change makes the daemon use it, the fault hits it once, and then the org must be as the oracle says, with nothing failed, stuck or
doubled. Each call has a world of its own, and the worlds run side by side, since they wait more than they work. For the calls of bulk jobs see
test_fault_bulk.py.
"""
import json
import threading
import time
import unittest

import runner
from harness import ADMIN_TOKEN, DEFAULTS, World, message, sfid, wait_for
from oracle import Oracle
from test_sync import ALL, EXCLUDE, SYNC, Case
from test_write_back import WritingWorld

TIMEOUT_MS = 1500
WORKER = {**DEFAULTS["worker"], "lease": "6s", "request_timeout": f"{TIMEOUT_MS}ms", "echo": "4s"}
LIMIT_S = 90
AT_ONCE = 9

FAULTS = (
    ("reset", None), ("lost_reply", None), ("silence", None), ("silence", True), ("latency", TIMEOUT_MS + 1000), ("late", TIMEOUT_MS + 1000),
    ("status", 500), ("status", 502), ("status", 503), ("status", 420), ("status", 429),
    ("status", {"status": 503, "headers": {"Retry-After": "1"}, "done": True}), ("html", 503), ("html", 200),
    ("truncated", "body"), ("truncated", "connection"), ("wrong_json", None), ("limit_concurrent", None), ("limit_daily", None),
    ("expire_token", None),
)
ROW_FAULTS = (("lock", None), ("row_error", {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}),
              ("row_error", {"statusCode": "SERVER_UNAVAILABLE", "message": "busy"}))
# a sign-in has no token to expire, and no limit of calls
TOKEN_FAULTS = tuple(f for f in FAULTS if f[0] not in ("expire_token", "limit_concurrent", "limit_daily"))
# the daily limit holds an org for half a minute and more: once a call is enough
QUICK_FAULTS = tuple(f for f in FAULTS if f[0] != "limit_daily")
# what stops an org is looked at again after 30 s: two of them a world
OAUTH_FAULTS = tuple(("oauth", name) for name in (
    "audience", "not_approved", "expired", "expired_token", "wrong_domain", "no_user", "client_id", "client", "credentials", "inactive_user",
    "inactive_org", "rate_limit", "request", "response_type", "grant_type", "assertion"))
FINAL = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS", "REQUIRED_FIELD_MISSING")


class Table:
    """One call's world: how it is brought about, and each fault in turn."""

    def __init__(self, case, operation, faults, prepare, change, right=None, worker=None, world=World, after=0):
        self.case, self.operation, self.faults = case, operation, faults
        self.worker, self.world_class, self.after = worker or {}, world, after
        self.right = right or (lambda table: not Oracle(DEFAULTS["channels"]).differences(table.world.org))
        self.prepare, self.change = prepare, change
        self.settings = [EXCLUDE, ALL]
        self.names, self.problems = 0, []

    def run(self):
        try:
            with self.world_class(worker={**WORKER, **self.worker}) as world:
                self.run_in(world.start())
        except (AssertionError, OSError) as e:
            self.problems.append(f"{self.operation}: {e}")

    def run_in(self, world):
        self.world, org = world, world.org
        self.prepare(self)
        self.case.settled(world, limit_s=LIMIT_S)
        self.case.drained(world)
        for kind, value in self.faults:
            fault = org.fault(kind, self.operation, value, count=1, after=self.after)
            self.change(self)
            where = f"{self.operation}: {kind} {value}"
            try:
                wait_for("the fault to strike", lambda: time.sleep(0.05) or self.fired(fault), LIMIT_S)
                wait_for("the org to be right", lambda: self.right(self) or time.sleep(0.05), LIMIT_S)
            except AssertionError as e:
                self.problems.append(f"{where}: {e}")
            org.heal()
        self.rest(world)

    def fired(self, fault):
        return any(f["id"] == fault and f["fired"] for f in self.world.org.call("GET", "/sim/faults")["faults"])

    def rest(self, world):
        """What a late write undid is healed by the echoes; after them all is right, and stays."""
        wait_for("the echoes to have run", lambda: not world.rows("SELECT 1 FROM notification WHERE kind = 9 AND state IN (0, 1)"), LIMIT_S)
        self.case.settled(world, limit_s=LIMIT_S)
        failed = world.rows("SELECT record_id, code, message FROM notification WHERE state = 3")
        if failed:
            self.problems.append(f"{self.operation}: failed for good: {failed}")

    # ---------------------------------------------------------------- what makes the daemon call

    def small(self):
        self.campaign, self.members, _, _ = self.case.campaign(self.world)

    def large(self):
        """More members than fit on a page."""
        self.campaign = self.world.org.call("POST", "/sim/load", {
            "campaigns": 1, "members": 2300, "seed": 5, "emails": 1, "sync_type": ALL, "type": "Trade Show", "fire": True})["campaigns"][0]
        self.world.org.update("Campaign", {"Id": self.campaign, "Name": "loaded"})

    def many_members(self):
        self.campaign, self.members, _, _ = self.case.campaign(self.world, leads=30, contacts=0)

    def switch(self):
        self.world.org.update("Campaign", {"Id": self.campaign, SYNC: self.settings[0]})
        self.settings.reverse()

    def switch_off(self):
        self.world.org.update("Campaign", {"Id": self.campaign, SYNC: ALL})
        self.case.settled(self.world, limit_s=LIMIT_S)
        self.world.org.update("Campaign", {"Id": self.campaign, SYNC: EXCLUDE})

    def rename(self):
        self.names += 1
        self.world.org.update("Campaign", {"Id": self.campaign, "Name": f"name {self.names}"})

    def look_again(self):
        """A pass over all that has nothing to write, so that large campaigns take little time."""
        self.names += 1
        self.world.org.update("Campaign", {"Id": self.campaign, "Touchpoint_Start_Date__c": f"2000-01-{1 + self.names % 28:02}"})

    def looked_at(self):
        return not self.world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND kind <> 9 LIMIT 1")

    def sign_in(self):
        self.world.org.call("POST", "/sim/tokens/revoke")
        self.switch()

    def ask_the_doctor(self):
        """The call for the limits is made when there is nothing else to do, and when an admin asks."""
        status, text = self.world.admin("/api/v1/doctor", "POST", ADMIN_TOKEN, 50)
        self.case.assertEqual(status, 200, text)
        return json.loads(text)

    def found_well(self):
        return self.ask_the_doctor()["checks"]["orgs"][0]["status"] == "ok"

    def delete_unheard(self):
        self.world.org.outbound(helper_trigger=False)
        self.world.org.delete("CampaignMember", self.members.pop())
        self.rename()

    def ask_what_was_deleted(self):
        """An empty object; and a deletion that it stands for."""
        self.world.org.outbound(helper_trigger=False)
        self.world.org.delete("CampaignMember", self.members.pop())
        empty = f"<Notification><Id>{sfid('04l', 700000 + len(self.members))}</Id></Notification>"
        self.case.assertEqual(self.world.post(message(empty))[0], 200)

    def told(self):
        """The members are told, too, what became of them."""
        oracle = Oracle(DEFAULTS["channels"])
        return not oracle.differences(self.world.org) and not oracle.status_differences(self.world.org, self.campaign)

    def start_anew(self):
        """The schema is checked at each start."""
        self.world.daemon.kill()
        self.world.start_daemon()
        self.rename()

    def edit_unheard(self):
        org = self.world.org
        org.delete("Buyer_Touchpoint__c", org.touchpoints(self.campaign)[0]["Id"])


class EveryFault(Case):
    def go_through(self, tables):
        gate = threading.Semaphore(AT_ONCE)

        def run(table):
            with gate:
                table.run()
        threads = [threading.Thread(target=run, args=(t,)) for t in tables]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        problems = [p for t in tables for p in t.problems]
        self.assertEqual(problems, [], "\n".join(problems))

    def test_every_fault_at_every_call_of_a_pass_heals_by_itself(self):
        self.go_through([
            Table(self, "query_more", FAULTS, Table.large, Table.look_again, Table.looked_at),
            Table(self, "composite", FAULTS, Table.small, Table.switch),
            Table(self, "query", FAULTS, Table.small, Table.switch),
            Table(self, "token", TOKEN_FAULTS, Table.small, Table.sign_in),
            Table(self, "query_all", FAULTS, Table.many_members, Table.delete_unheard),
            Table(self, "deleted", FAULTS, Table.many_members, Table.ask_what_was_deleted),
            Table(self, "describe", FAULTS, Table.small, Table.start_anew),
            Table(self, "collections_upsert", ROW_FAULTS, Table.small, Table.rename),
            Table(self, "collections_delete", ROW_FAULTS, Table.small, Table.switch_off),
        ])

    def test_every_refusal_of_a_sign_in_and_every_fault_of_a_look_heals_by_itself(self):
        self.go_through([
            Table(self, "limits", FAULTS, Table.small, Table.ask_the_doctor, Table.found_well),
            *(Table(self, "token", OAUTH_FAULTS[at:at + 2], Table.small, Table.sign_in) for at in range(0, len(OAUTH_FAULTS), 2)),
        ])

    def test_every_fault_at_the_write_of_statuses_heals_by_itself(self):
        self.go_through([
            Table(self, "collections_update", ROW_FAULTS, Table.small, Table.switch, Table.told, world=WritingWorld),
            Table(self, "composite", QUICK_FAULTS, Table.small, Table.switch, Table.told, world=WritingWorld, after=1),
        ])

    def test_every_fault_at_every_call_of_a_reconcile_heals_by_itself(self):
        self.go_through([
            Table(self, operation, QUICK_FAULTS, Table.small, Table.edit_unheard, worker={"reconcile": "1s"})
            for operation in ("query", "composite")
        ])

    def test_what_is_final_for_a_row_is_tried_once_and_told(self):
        with World(worker=WORKER) as world:
            org = world.start().org
            for code in FINAL:
                campaign, members, _, _ = self.campaign(world, EXCLUDE)
                self.drained(world)
                fault = org.fault("row_error", "collections_upsert", {"statusCode": code, "message": "no"}, row=members[1], count=-1)
                org.update("Campaign", {"Id": campaign, SYNC: ALL})
                wait_for(f"{code} to be final", lambda m=members[1], c=code: world.rows(
                    "SELECT 1 FROM notification WHERE state = 3 AND record_id = ? AND code = ?", m, c))
                wait_for("the others", lambda c=campaign: len(org.touchpoints(c)) == 4)
                self.drained(world)
                fired = next(f["fired"] for f in org.call("GET", "/sim/faults")["faults"] if f["id"] == fault)
                self.assertLessEqual(fired, 2, f"{code}: once for the campaign, once for the member alone")
                org.heal()


if __name__ == "__main__":
    runner.main()
