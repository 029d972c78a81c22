"""A campaign of a million members, switched on; the daemon is killed once on the way. Not a timed measurement: memory, calls, and that it ends.

Called by bench.py with BENCH_MILLION=1; BENCH_MILLION_DEDUPE=1: under a policy that compares all members' emails. One world of its own: orgsim (50 ms a call), the daemon with four workers.
"""

import json
import os
import time
import urllib.parse
import urllib.request

import report
from servers import Broken
from sync import ALL, CALL_MS, SYNC, WORKERS, Memory
from harness import DEFAULTS, World, wait_for  # sync knows where it is

MEMBERS = int(os.environ.get("BENCH_MILLION_MEMBERS", "1000000"))
POLICY = {"dedupe": "email"} if os.environ.get("BENCH_MILLION_DEDUPE") == "1" else {}
KILL_AT = 0.4  # of the touchpoints
LIMIT_S = 3600
API = "/services/data/v64.0/query"


class Reader:
    """Reads the org as any client would, apart from the daemon's connections."""

    def __init__(self, world):
        self.base = world.org.url
        form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": (world.folder / "client.secret").read_text().strip()}
        with urllib.request.urlopen(f"{self.base}/services/oauth2/token", urllib.parse.urlencode(form).encode(), timeout=60) as reply:
            self.token = json.load(reply)["access_token"]

    def get(self, path):
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {self.token}", "Sforce-Query-Options": "batchSize=2000"})
        with urllib.request.urlopen(request, timeout=300) as reply:
            return json.load(reply)

    def column(self, kind, field, where):
        """One text of each record."""
        page = self.get(f"{API}?q=" + urllib.parse.quote(f"SELECT {field} FROM {kind} WHERE {where}"))
        while True:
            yield from (r[field] for r in page["records"])
            if page["done"]:
                return
            page = self.get(page["nextRecordsUrl"])


class Million:
    def __init__(self, say):
        self.say, self.most, self.calls = say, 0, 0

    def made(self):
        return self.org.stats()["rows"]["upsert_created"]

    def watch(self, until, what):
        """The most that the daemon had resident above what it had before, until something holds."""
        memory = Memory(self.world.daemon.child.pid)
        memory.start()
        try:
            wait_for(what, lambda: until() or time.sleep(0.5), LIMIT_S)
        finally:
            self.most = max(self.most, memory.end() - self.idle)

    def at_rest(self):
        return not self.world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND kind <> 9 LIMIT 1")

    def switch_on(self):
        """To the end, with kill -9 in the middle; the idle memory is that of the first process."""
        world, org = self.world, self.org
        campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": MEMBERS, "seed": 1, "contacts": 0.5, "emails": 1, "responded": 0.5,
                                                  "dated": 0.2, "type": "Trade Show"}, limit_s=LIMIT_S)["campaigns"][0]
        self.say(f"million: {MEMBERS:,} members are loaded")
        self.idle = Memory(world.daemon.child.pid).now()
        org.call("POST", "/sim/stats/reset")
        started = time.monotonic()
        org.update("Campaign", {"Id": campaign, SYNC: ALL})
        self.watch(lambda: self.made() >= KILL_AT * MEMBERS, "the daemon to be in the middle")
        world.daemon.kill()
        self.say(f"million: killed after {time.monotonic() - started:.0f} s with {self.made():,} touchpoints; {self.most / report.MIB:.0f} MiB above idle")
        world.start_daemon()
        self.watch(self.at_rest, "the campaign to be finished after the kill")
        stats = org.stats()
        self.say(f"million: finished after {time.monotonic() - started:.0f} s; {stats['api']['calls']} calls, {self.most / report.MIB:.0f} MiB above idle")
        return campaign, {"calls": stats["api"]["calls"], "by_operation": stats["api"]["by_operation"], "seconds": time.monotonic() - started,
                          "memory": self.most}

    def check(self, campaign):
        """Exactly one touchpoint a member, and none else."""
        self.org.call("POST", "/sim/latency", {"ms": 0})
        reader = Reader(self.world)
        without = set(reader.column("CampaignMember", "Id", f"CampaignId = '{campaign}'"))
        members, surplus = len(without), 0
        for key in reader.column("Buyer_Touchpoint__c", "Campaign_Member_Id__c", "Id != null"):
            surplus += key not in without
            without.discard(key)
        if members != MEMBERS or without or surplus:
            raise Broken(f"of {members:,} members {len(without):,} have no touchpoint; {surplus:,} touchpoints are doubled or of nobody")

    def run(self):
        with World(worker={**DEFAULTS["worker"], "threads": WORKERS, "lease": "120s", "request_timeout": "60s", "echo": "900s"},
                   policy=POLICY, org_options={"latency_ms": CALL_MS}) as world:
            world.start()
            self.world, self.org = world, world.org
            world.checked()
            campaign, figures = self.switch_on()
            self.check(campaign)
            self.say("million: exactly one touchpoint a member")
        return figures


def rows(figures):
    """Memory must stay below 256 MiB; that it ends, with one touchpoint a member, was checked, or the run would be broken."""
    return [
        report.row(f"campaign of {MEMBERS:,} members, killed once: memory above idle", [figures["memory"] / report.MIB], "MiB", 256, 128, low_is_good=True),
        report.row("same: calls, the killed pass among them", [figures["calls"]], "calls"),
        report.row("same: time to one touchpoint a member", [figures["seconds"]], "s"),
    ]
