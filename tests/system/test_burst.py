#!/usr/bin/env python3
"""Bursts of messages cost few API calls (spec: budgets, "Sync").

Small here; BURST=full measures the sizes of the budgets, with 50 ms a call, and prints what each cost.
"""
import os
import time
import unittest

import runner
from harness import DEFAULTS, World, message, notification, sfid, wait_for
from oracle import Oracle

ALL = "Include all Campaign Members"
FULL = os.environ.get("BURST") == "full"
PER_MESSAGE = 100
LATENCY_MS = 50


def post_over(world, seconds, notifications):
    """Notifications, a hundred a message, spread over that time."""
    messages = [notifications[i : i + PER_MESSAGE] for i in range(0, len(notifications), PER_MESSAGE)]
    start = time.monotonic()
    for i, part in enumerate(messages):
        time.sleep(max(0.0, start + seconds * i / len(messages) - time.monotonic()))
        assert world.post(message(*part))[0] == 200


class Burst(unittest.TestCase):
    def setUp(self):
        self.world = World(org_options={"latency_ms": LATENCY_MS}).start()
        self.addCleanup(self.world.stop)
        self.world.checked()
        self.world.org.call("POST", "/sim/stats/reset")

    def drained(self):
        wait_for("the queue to be empty", lambda: not self.world.rows(
            "SELECT 1 FROM notification WHERE state = 1 OR state = 0 AND due_at < ? LIMIT 1", (time.time() + 30) * 1000), 120)

    def load(self, campaigns, members, setting=None):
        ids = self.world.org.call("POST", "/sim/load", {
            "campaigns": campaigns, "members": members, "seed": 5, "sync_type": setting, "type": "Trade Show"})["campaigns"]
        self.world.org.call("POST", "/sim/stats/reset")
        return ids

    def cost(self, name, started, most):
        self.drained()
        api = self.world.org.stats()["api"]
        print(f"{name}: {api['calls']} calls in {time.monotonic() - started:.1f} s: {api['by_operation']}", flush=True)
        self.assertLessEqual(api["calls"], most, api)

    def test_members_of_one_campaign(self):
        count, seconds, most = (10000, 9.5, 60) if FULL else (2000, 2, 20)
        campaign = self.load(1, count, ALL)[0]
        members = [r["Id"] for r in self.world.org.records("CampaignMember")]
        started = time.monotonic()
        post_over(self.world, seconds, [notification(i + 1, m, "CampaignMember", CampaignId=campaign) for i, m in enumerate(members)])
        self.cost(f"{count} notifications of one campaign", started, most)
        self.assertFalse(Oracle(DEFAULTS["channels"]).differences(self.world.org, campaign))

    def test_campaigns_that_are_not_enabled(self):
        count, seconds, most = (2000, 9.5, 100) if FULL else (300, 2, 30)
        self.load(count, 5)
        members = [(r["Id"], r["CampaignId"]) for r in self.world.org.records("CampaignMember")]
        started = time.monotonic()
        post_over(self.world, seconds, [notification(i + 1, m, "CampaignMember", CampaignId=c) for i, (m, c) in enumerate(members)])
        self.cost(f"{len(members)} notifications over {count} campaigns that are not enabled", started, most)

    def test_people_without_memberships(self):
        count, seconds, most = (10000, 9.5, 40) if FULL else (2000, 2, 15)
        started = time.monotonic()
        post_over(self.world, seconds, [notification(i + 1, sfid("003", i + 1), "Contact") for i in range(count)])
        self.cost(f"{count} changes of contacts without memberships", started, most)

    def test_a_campaign_switched_on(self):
        count, most = (100000, 180) if FULL else (6000, 15)
        campaign = self.load(1, count)[0]
        started = time.monotonic()
        self.world.org.update("Campaign", {"Id": campaign, "Enable_Buyer_Touchpoints__c": ALL})
        wait_for("all touchpoints", lambda: self.world.org.stats()["rows"]["upsert_created"] >= 0.9 * count, 300)
        self.cost(f"{count} members switched on", started, most)

    def test_one_member_of_an_idle_system(self):
        campaign = self.load(1, 20, ALL)[0]
        members = [r["Id"] for r in self.world.org.records("CampaignMember")]
        self.assertEqual(self.world.post(message(notification(1, campaign, "Campaign")))[0], 200)
        self.drained()
        self.world.org.outbound(objects={"CampaignMember": None})  # the message posted here is the only one
        took = []
        self.world.org.call("POST", "/sim/stats/reset")
        for i in range(20):
            self.world.org.update("CampaignMember", {"Id": members[i], "Buyer_Touchpoint_Date__c": "2026-02-03T04:05:06Z"})
            before = self.world.org.stats()["rows"]["upsert_updated"]
            started = time.monotonic()
            self.world.post(message(notification(100 + i, members[i], "CampaignMember", CampaignId=campaign)))
            wait_for("the write", lambda: self.world.org.stats()["rows"]["upsert_updated"] > before)
            took.append(time.monotonic() - started)
            self.drained()
        took.sort()
        print(f"one member: median {took[10] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms", flush=True)
        api = self.world.org.stats()["api"]
        self.assertLessEqual(api["calls"], 20 * 5, api)  # five calls' time to the touchpoint is the budget


if __name__ == "__main__":
    runner.main()
