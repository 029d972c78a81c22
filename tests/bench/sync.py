"""The rows "Sync" of the bench: the daemon against orgsim, which takes 50 ms for each call and counts them as Salesforce does.

One world, one case after the other; each case is left when all is written. What is wrong with a case (work that does not end)
is told like the other problems of the bench.
"""

import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import report  # noqa: E402
from harness import DEFAULTS, World, message, notification, wait_for  # noqa: E402
from servers import Broken, processor_seconds  # noqa: E402

SYNC = "Enable_Buyer_Touchpoints__c"
ALL = "Include all Campaign Members"
CALL_MS = 50
SLOW_CALL_MS = 400
SINGLES = int(os.environ.get("BENCH_SINGLES", "60"))
MEMBERS = int(os.environ.get("BENCH_MEMBERS", "100000"))
HINTS = 10000
CAMPAIGNS = 2000
WORKERS = 4
MEMBERS_EACH = 5000
GROWING = (10000, 20000, 40000, 80000)
LIMIT_S = 300


class Memory(threading.Thread):
    """The most that a process had resident while this ran."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.file, self.most, self.over = f"/proc/{pid}/statm", 0, threading.Event()

    def now(self):
        with open(self.file, encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def run(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, self.now())

    def end(self):
        self.over.set()
        self.join()
        return self.most


class SyncBench:
    def __init__(self, say):
        self.say, self.number = say, 0
        self.figures = {}

    # ---------------------------------------------------------------- the world

    def load(self, campaigns, members, setting, seed):
        return self.org.call("POST", "/sim/load", {"campaigns": campaigns, "members": members, "seed": seed, "contacts": 0.5, "emails": 1,
                                                   "responded": 0.5, "dated": 0.2, "sync_type": setting, "type": "Trade Show"})["campaigns"]

    def at_rest(self):
        time.sleep(0.05)
        return not self.world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND kind <> 9 LIMIT 1")

    def settle(self, what):
        self.org.flush(LIMIT_S)
        wait_for(what, self.at_rest, LIMIT_S)

    def send(self, kind, records):
        """Notifications of ours about (id, fields), 100 a message, each with an id of its own. Gives the seconds until the last Ack."""
        started = time.monotonic()
        for at in range(0, len(records), 100):
            rows = []
            for record, fields in records[at : at + 100]:
                self.number += 1
                rows.append(notification(self.number, record, kind, **fields))
            status = self.world.post(message(*rows))[0]
            if status != 200:
                raise Broken(f"a message was answered with {status}")
        return time.monotonic() - started

    def counted(self, name, act):
        """API calls and rows written from act to rest."""
        self.org.call("POST", "/sim/stats/reset")
        pid = self.world.daemon.child.pid
        used, started = processor_seconds(pid), time.monotonic()
        sent = act()
        self.settle(name)
        stats = self.org.stats()
        written = sum(stats["rows"][x] for x in ("create", "update", "upsert_created", "upsert_updated", "delete"))
        self.figures[name] = {"calls": stats["api"]["calls"], "by_operation": stats["api"]["by_operation"], "written": written,
                              "seconds": time.monotonic() - started, "sending_seconds": sent, "processor_seconds": processor_seconds(pid) - used}
        self.say(f"sync: {name}: {stats['api']['calls']} calls, {written} rows, {time.monotonic() - started:.1f} s")

    # ---------------------------------------------------------------- cases

    def singles(self):
        """Nothing else to do: a member's message is acknowledged; when is its touchpoint there?"""
        org, took = self.org, []
        campaign = org.create("Campaign", {"Name": "One by one", "Type": "Trade Show", SYNC: ALL})[0]
        self.settle("the campaign to be known")
        org.outbound(objects={"CampaignMember": None})
        for i in range(SINGLES):
            lead = org.create("Lead", {"LastName": "L", "Company": "c", "Email": f"l{i}@x.example"})[0]
            self.settle("the lead to be looked at")
            member = org.create("CampaignMember", {"CampaignId": campaign, "LeadId": lead})[0]
            before = org.stats()["rows"]["upsert_created"]
            self.send("CampaignMember", [(member, {"CampaignId": campaign})])
            started = time.monotonic()
            while org.stats()["rows"]["upsert_created"] == before:
                if time.monotonic() - started > LIMIT_S:
                    raise Broken("a touchpoint did not come")
                time.sleep(0.001)
            took.append((time.monotonic() - started) * 1000)
            self.settle("the member to be done with")
        org.outbound(objects={"CampaignMember": ["CampaignId"]})
        took.sort()
        self.figures["singles_ms"] = {"p50": took[len(took) // 2], "p99": took[min(len(took) - 1, len(took) * 99 // 100)], "all": took}

    def switched_on(self):
        campaign = self.load(1, MEMBERS, None, 1)[0]
        self.large = campaign
        memory = Memory(self.world.daemon.child.pid)
        idle = memory.now()
        memory.start()
        self.counted("switched on", lambda: self.org.update("Campaign", {"Id": campaign, SYNC: ALL}) and 0)
        self.figures["switched on"]["memory"] = memory.end() - idle

    def bursts(self):
        org = self.org
        campaign = self.load(1, HINTS, None, 2)[0]
        org.update("Campaign", {"Id": campaign, SYNC: ALL})
        self.settle("the campaign of the burst to be written")
        members = [(r["Id"], {"CampaignId": campaign}) for r in org.records("CampaignMember", f"CampaignId = '{campaign}'")]
        self.counted("nothing to change", lambda: self.send("CampaignMember", members))
        off = set(self.load(CAMPAIGNS, HINTS // CAMPAIGNS, None, 3))
        rows = [(r["Id"], {"CampaignId": r["CampaignId"]}) for r in org.records("CampaignMember") if r["CampaignId"] in off]
        self.counted("not enabled", lambda: self.send("CampaignMember", rows))
        org.outbound(objects={"Contact": None})
        contacts = []
        for at in range(0, HINTS, 200):
            contacts += org.create("Contact", *({"LastName": f"C{i}", "Email": f"c{i}@x.example"} for i in range(at, at + 200)))
        self.counted("contacts", lambda: self.send("Contact", [(x, {}) for x in contacts]))
        org.outbound(objects={"Contact": ["Name"]})

    def growth(self):
        """Campaigns of growing size, switched on one after the other: calls and seconds of each."""
        grown = {}
        for i, members in enumerate(GROWING):
            campaign = self.load(1, members, None, 20 + i)[0]
            name = f"{members:,} switched on"
            self.counted(name, lambda: self.org.update("Campaign", {"Id": campaign, SYNC: ALL}) and 0)
            grown[members] = self.figures.pop(name)
        self.figures["growth"] = grown

    def side_by_side(self, campaigns, seed):
        """Seconds that so many campaigns take, all switched on at once."""
        ids = self.load(campaigns, MEMBERS_EACH, None, seed)
        started = time.monotonic()
        self.org.update("Campaign", *({"Id": x, SYNC: ALL} for x in ids))
        self.settle("campaigns side by side")
        return time.monotonic() - started

    def workers(self):
        self.figures["workers"] = {}
        for ms in (CALL_MS, SLOW_CALL_MS):
            self.org.call("POST", "/sim/latency", {"ms": ms})
            took = {n: self.side_by_side(n, ms + n) for n in (1, 2, WORKERS)}
            found = {n: {"seconds": took[n], "rate": n * MEMBERS_EACH / took[n], "share": took[1] / took[n]} for n in took}
            self.figures["workers"][ms] = found
            self.say(f"sync: members a second by campaigns at once, {ms} ms a call: " + ", ".join(f"{n}: {x['rate']:.0f}" for n, x in found.items()))
        self.org.call("POST", "/sim/latency", {"ms": CALL_MS})

    def run(self):
        with World(worker={**DEFAULTS["worker"], "threads": WORKERS, "lease": "120s", "request_timeout": "60s", "echo": "900s"},
                   org_options={"latency_ms": CALL_MS}) as world:
            world.start()
            self.world, self.org = world, world.org
            world.checked()
            self.settle("the start")
            for case in (self.singles, self.switched_on, self.growth, self.bursts, self.workers):
                case()
        return self.figures


def calls(figures, name, measure, must, aim):
    return report.row(measure, [figures[name]["calls"]], "calls", must, aim, low_is_good=True)


def growth_of(figures, what):
    """A member's share in the largest of the growing campaigns against its share in the smallest: 1 is linear, less is better."""
    few, many = GROWING[0], GROWING[-1]
    return (figures["growth"][many][what] / many) / (figures["growth"][few][what] / few)


def rows(figures, decide):
    """Must and aim as the budgets of the project say them."""
    single, many = figures["singles_ms"], figures["switched on"]
    hints = f"{HINTS:,}"
    return [
        report.row("Ack to touchpoint, one member, idle, p50", [single["p50"]], "ms"),
        report.row("same, p99", [single["p99"]], "ms", 5 * CALL_MS + 100, 3 * CALL_MS, low_is_good=True),
        calls(figures, "switched on", f"campaign of {MEMBERS:,} members switched on", 1.2 * MEMBERS * 3 / 2000, MEMBERS * 3 / 4000),
        report.row("same: memory above idle", [many["memory"] / report.MIB], "MiB", 64, 32, low_is_good=True),
        report.row("same: time", [many["seconds"]], "s"),
        *(report.row(f"growth of {name} a member, {GROWING[0]:,} to {GROWING[-1]:,}", [growth_of(figures, what)], "×", 1.2, 1.2, low_is_good=True)
          for name, what in (("calls", "calls"), ("time", "seconds"), ("the daemon's processor time", "processor_seconds"))),
        calls(figures, "nothing to change", f"{hints} notifications of one campaign", 60, 30),
        report.row("same, nothing to change: writes", [figures["nothing to change"]["written"]], "rows", 0, 0, low_is_good=True),
        calls(figures, "not enabled", f"{hints} notifications of {CAMPAIGNS:,} campaigns not enabled", 100, 40),
        calls(figures, "contacts", f"{hints} changes of contacts without memberships", 40, 30),
        report.row("decide(), one core", [decide["rate"]], "/s", 2e6, 10e6),
        report.row("same, with the touchpoint's values", [decide["with_values"]], "/s"),
        *(report.row(f"{n} campaigns at once, {ms} ms a call: share of {n} × one alone", [found[n]["share"]], "×", 0.8, 0.8)
          for ms, found in figures["workers"].items() for n in (2, WORKERS)),
    ]
