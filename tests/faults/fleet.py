"""Several daemons on one database, senders that change the org and report it to any of them, and the oracle's look at what came of it."""
import bisect
import http.client
import json
import pathlib
import random
import signal
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from harness import DEFAULTS, FLAVOUR, ROOT, Process, World, free_port, message, notification, sfid, wait_for  # noqa: E402
from oracle import Oracle  # noqa: E402
from senders import ALL, FAST, Cluster  # noqa: E402,F401

CAMPAIGNS, MEMBERS, SENDERS, LEASE_S = 5, 12, 4, 3
DATE = "Buyer_Touchpoint_Date__c"
LATE_MS = 20  # both clocks are one; so much may lie between a lease's end and its entry in the log

# Who held which lease when: what the writes in the org are compared with. ended: whose lease ended here before its time.
LEASE_LOG = """
CREATE TABLE IF NOT EXISTS lease_log (at bigint, key text, owner text, until bigint, connection text, ended text);
CREATE OR REPLACE FUNCTION lease_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO lease_log SELECT tp_now(), new.key, CASE WHEN new.fence > 0 THEN new.owner ELSE '' END, new.until, pid || '@' || backend_start,
            CASE WHEN old.fence > 0 AND old.fence <> new.fence AND old.until > tp_now() THEN old.owner ELSE '' END
        FROM pg_stat_get_activity(pg_backend_pid());
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER lease_log AFTER UPDATE ON campaign FOR EACH ROW EXECUTE FUNCTION lease_log();
"""


class Sender(threading.Thread):
    """Changes a member, then reports it until some daemon acknowledges, as Salesforce does; pauses when told."""

    def __init__(self, fleet, first):
        super().__init__(daemon=True)
        self.fleet, self.number = fleet, first
        self.dice = random.Random(first)
        self.acknowledged, self.refused = [], 0
        self.running, self.idle, self.ending = threading.Event(), threading.Event(), False
        self.running.set()

    def post(self, body):
        connection = http.client.HTTPSConnection("localhost", self.dice.choice(self.fleet.ports), context=self.fleet.tls, timeout=6)
        try:
            connection.request("POST", "/salesforce/outbound", body.encode(), {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'})
            reply = connection.getresponse()
            reply.read()
            return reply.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def run(self):
        while not self.ending:
            if not self.running.is_set():
                self.idle.set()
                self.running.wait(0.1)
                continue
            self.idle.clear()
            campaign, member = self.dice.choice(self.fleet.members)
            day = f"2026-{self.dice.randint(1, 12):02}-{self.dice.randint(1, 28):02}T{self.dice.randint(0, 23):02}:00:00Z"
            self.fleet.change({"Id": member, DATE: day})
            body = message(notification(self.number, member, "CampaignMember", CampaignId=campaign))
            while not self.post(body):
                self.refused += 1
                if self.ending:
                    return
                time.sleep(0.03)
            self.acknowledged.append(sfid("04l", self.number))
            self.number += 1


class Fleet:
    """urls: of the store, one a daemon. query(text): asks the database."""


    def __init__(self, urls, query, latency_ms=15):
        self.query, self.urls = query, urls
        self.world = World(org_options={"latency_ms": latency_ms}, **FAST)
        self.world.start_org()
        self.world.org.outbound(paused=True)  # the senders tell
        self.tls = ssl.create_default_context(cafile=str(self.world.ca))
        self.org_lock = threading.Lock()
        self.ports, self.nodes, self.senders = [], [], []
        loaded = self.org("POST", "/sim/load", {"campaigns": CAMPAIGNS, "members": MEMBERS, "seed": 5, "sync_type": ALL, "type": "Trade Show"})
        self.campaigns = loaded["campaigns"]
        self.members = [(r["CampaignId"], r["Id"]) for r in self.world.org.records("CampaignMember")]
        for i in range(len(urls)):
            self.ports.append(free_port())
            self.nodes.append(None)
            self.start(i)
        self.query(LEASE_LOG)
        self.begin()

    def begin(self):
        """Every member has its touchpoint."""
        teller = Sender(self, 900000000)
        for i, campaign in enumerate(self.campaigns):
            wait_for("the first message", lambda: teller.post(message(notification(teller.number + i, campaign, "Campaign"))))
        wait_for("the first touchpoints", lambda: len(self.world.org.touchpoints()) == len(self.members))
        self.org("POST", "/sim/stats/reset")

    def org(self, *call):
        with self.org_lock:
            return self.world.org.call(*call)

    def change(self, record):
        self.org("PATCH", "/sim/records", {"object": "CampaignMember", "records": [record]})

    # ---------------------------------------------------------------- daemons

    def start(self, i, wait=True):
        self.world.config["store"] = {"url": self.urls[i]}
        text = json.loads(self.world.write_config().read_text())
        admin = free_port() if self.nodes[i] is None else self.nodes[i].admin_port
        text["listen"]["address"], text["admin"]["address"] = f"127.0.0.1:{self.ports[i]}", f"127.0.0.1:{admin}"
        path = self.world.folder / f"node{i}.yaml"
        path.write_text(json.dumps(text))
        node = self.nodes[i] = Process(f"node{i}", [ROOT / "build" / FLAVOUR / "touchpointd", "--config", path], self.world.folder)
        node.admin_port = admin
        if wait:
            wait_for(f"daemon {i} to answer", lambda: not node.alive() or self.answers(i))
            assert node.alive(), node.text()[-3000:]

    def answers(self, i):
        self.world.admin_port = self.nodes[i].admin_port
        return self.world.answers()

    # ---------------------------------------------------------------- load

    def send(self):
        for sender in self.senders:
            sender.running.set()
        while len(self.senders) < SENDERS:
            self.senders.append(Sender(self, 1 + len(self.senders) * 1000000))
            self.senders[-1].start()

    def acknowledged(self, more, limit_s=60):
        want = sum(len(s.acknowledged) for s in self.senders) + more
        wait_for("messages to be acknowledged", lambda: sum(len(s.acknowledged) for s in self.senders) >= want, limit_s)

    def pause(self):
        for sender in self.senders:
            sender.running.clear()
            sender.idle.clear()
        for sender in self.senders:
            wait_for("a sender to get its last message through", sender.idle.is_set, 90)

    # ---------------------------------------------------------------- what came of it

    def check(self):
        """Fails with a sentence; else how many writes there were, and how many came outside of their daemon's lease."""
        self.pause()
        known = set(self.query("SELECT notification_id FROM notification"))
        lost = [n for s in self.senders for n in s.acknowledged if n not in known]
        assert not lost, f"acknowledged and lost: {lost[:5]} and {len(lost)} in all"
        wait_for("the queue to be empty", lambda: self.query("SELECT count(*) FROM notification WHERE state < 2") == ["0"], 90)
        failed = self.query("SELECT notification_id, code, message FROM notification WHERE state = 3")
        assert not failed, f"failed: {failed[:3]}"
        oracle = Oracle(DEFAULTS["channels"])
        with self.org_lock:
            wrong = [d for c in self.campaigns for d in oracle.differences(self.world.org, c)]
            touchpoints = self.world.org.touchpoints()
            writes = self.world.org.call("GET", "/sim/writes")["writes"]
            self.world.org.call("POST", "/sim/stats/reset")
        assert not wrong, f"the org is not as the oracle says: {wrong[:3]}"
        members = [t["Campaign_Member_Id__c"] for t in touchpoints]
        assert len(members) == len(set(members)), "a member has two touchpoints"
        return self.late(writes, {t["Id"]: t["Campaign__c"] for t in touchpoints})

    @staticmethod
    def one_holder(rows):
        """A live lease is ended by nobody but its holder, so no campaign ever has two. A connection is of who claims and renews on it."""
        owner_of = {connection: owner for _, _, owner, _, connection, _ in rows if owner}
        taken = [(key, ended, owner_of[connection]) for _, key, _, _, connection, ended in rows
                 if ended and owner_of.get(connection, ended) != ended]
        assert not taken, f"live leases taken by another daemon (campaign, from, by): {taken[:3]}"

    def late(self, writes, campaign_of):
        """A session is of one daemon: that whose leases most of its writes fit. Those that fit none of that daemon's are late."""
        log = {}
        rows = [line.split("|") for line in self.query("SELECT at, key, owner, until, connection, ended FROM lease_log ORDER BY at")]
        self.one_holder(rows)
        for at, key, owner, until, _, _ in rows:
            log.setdefault(key, []).append((int(at), owner, int(until)))
        self.query("DELETE FROM lease_log WHERE at < tp_now() - 120000")
        fits = {}  # session: [owners that hold the lease at each write]
        for w in writes:
            entries = log.get(campaign_of.get(w["record"]), [])
            last = bisect.bisect_right(entries, (w["at_ms"], "\uffff", 0))
            near = [e for e in entries[max(last - 1, 0):last] if e[2] >= w["at_ms"]]
            near += [e for e in entries[last:last + 3] if e[0] <= w["at_ms"] + LATE_MS]
            near += [e for e in entries[max(last - 3, 0):last] if entries[last - 1][0] >= w["at_ms"] - LATE_MS]
            fits.setdefault(w["session"], []).append({e[1] for e in near if e[1]})
        late = 0
        for held in fits.values():
            owners = [o for h in held for o in h]
            mine = max(set(owners), key=owners.count) if owners else None
            late += sum(mine not in h for h in held)
        return len(writes), late

    def stop(self):
        for sender in self.senders:
            sender.ending = True
        problems = []
        for node in self.nodes:
            if node is not None and node.alive():
                node.child.send_signal(signal.SIGCONT)
                node.child.send_signal(signal.SIGTERM)
        for node in self.nodes:
            if node is not None:
                status = node.terminate()
                if status not in (0, -9):
                    problems.append(f"{node.name} ended with {status}:\n{node.text()[-2000:]}")
                if "Sanitizer" in node.text():
                    problems.append(node.text()[-5000:])
        self.world.stop()
        assert not problems, "\n".join(problems)
