"""For the tests of PostgreSQL: a server of their own, and senders that go on while daemons and servers die."""
import http.client
import ssl
import sys
import threading
import unittest

from harness import DEFAULTS, ROOT, message, notification, sfid, wait_for
from oracle import Oracle

sys.path.insert(0, str(ROOT / "tests" / "store"))
from cluster import Cluster, programs  # noqa: E402,F401  (found by the line above)

ALL = "Include all Campaign Members"
FAST = {"worker": {**DEFAULTS["worker"], "lease": "3s", "request_timeout": "1s"}}


class ClusterCase(unittest.TestCase):
    """Its tests share one server."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()


class Sender(threading.Thread):
    """Sends one notification after the other, again until it is acknowledged, as Salesforce does."""

    def __init__(self, world, first, records, campaign, ports=None):
        super().__init__()
        self.world, self.first, self.records, self.campaign = world, first, records, campaign
        self.ports = ports or [world.port]
        self.acknowledged, self.stopping, self.refused = [], threading.Event(), 0

    def send(self, number):
        record = self.records[number % len(self.records)]
        body = message(notification(number, record, "CampaignMember", CampaignId=self.campaign))
        context = ssl.create_default_context(cafile=str(self.world.ca))
        connection = http.client.HTTPSConnection("localhost", self.ports[number % len(self.ports)], context=context, timeout=30)
        try:
            return self.world.post(body, connection=connection)[0] == 200
        except OSError:
            return False
        finally:
            connection.close()

    def run(self):
        number = self.first
        while not self.stopping.is_set():
            if self.send(number):
                self.acknowledged.append(sfid("04l", number))
                number += 1
            else:
                self.refused += 1
                self.stopping.wait(0.05)

    def finish(self):
        self.stopping.set()
        self.join()


def load(world, members=60):
    """A campaign and its members' ids."""
    campaign = world.org.call("POST", "/sim/load", {
        "campaigns": 1, "members": members, "seed": 5, "sync_type": ALL, "type": "Trade Show"})["campaigns"][0]
    return campaign, [r["Id"] for r in world.org.records("CampaignMember")]


def start_senders(world, campaign, records, count=3, ports=None):
    senders = [Sender(world, 1 + i * 100000, records, campaign, ports) for i in range(count)]
    for sender in senders:
        sender.start()
    return senders


def acknowledged(senders, more):
    """Waits until each sender got that many more."""
    want = [len(s.acknowledged) + more for s in senders]
    wait_for("messages to be acknowledged", lambda: all(len(s.acknowledged) >= n for s, n in zip(senders, want)), 120)


def differences(world, senders, campaign):
    """Where the org is not as the oracle wants it, but for members of whom nobody got a message through."""
    told = {s.records[(s.first + i) % len(s.records)] for s in senders for i in range(len(s.acknowledged))}
    return [d for d in Oracle(DEFAULTS["channels"]).differences(world.org, campaign)
            if not d.startswith("missing: ") or d.split()[1] in told]
