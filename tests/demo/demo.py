"""make demo: a January conference, told with a real daemon and a simulated org.

A conference took place on 14 and 15 January. Its 100 members were uploaded three weeks later, some without an email, some without a
response. At each step the org changes, its outbound messages go to touchpointd over verified TLS, and the table says what must be in
the org and what is; the numbers are those of the story, and every value of every touchpoint is compared with an independent
reading of the rules. Ends non-zero if anything differs.
"""
import argparse
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

from harness import DEFAULTS, World, message, notification, wait_for  # noqa: E402
from oracle import Oracle  # noqa: E402

UPLOADED = "2026-02-05T09:00:00Z"
DAY_ONE, DAY_TWO = "2026-01-14T10:00:00Z", "2026-01-15T10:00:00Z"
MEMBERS, WITHOUT_EMAIL, RESPONDED = 100, 10, 60
SETTINGS = {
    "all": "Include all Campaign Members",
    "responded": 'Include only "Responded" Campaign Members',
    "exclude": "Exclude all Campaign Members",
}


class Story:
    def __init__(self, world):
        self.world, self.org = world, world.org
        self.oracle = Oracle(DEFAULTS["channels"])
        self.differs, self.latencies = 0, []

    def build(self):
        """60 leads and 40 contacts; one in ten has no email; the first 60 of each 100 visited the booth."""
        org = self.org
        org.call("POST", "/sim/clock", {"now": UPLOADED})
        self.campaign = org.create(
            "Campaign", {"Name": "January Conference", "Type": "Conference", "StartDate": "2026-01-14",
                         "EndDate": "2026-01-15", "IsActive": True},
        )[0]
        people = [
            {"FirstName": "Person", "LastName": f"No {i}", "Email": None if i % 10 == 7 else f"person{i}@example.com"}
            for i in range(MEMBERS)
        ]
        self.leads = org.create("Lead", *({**p, "Company": "Acme"} for p in people[:60]))
        self.contacts = org.create("Contact", *people[60:])
        members = [
            {"CampaignId": self.campaign, ("LeadId" if i < 60 else "ContactId"): person,
             "Status": "Responded" if i % 5 < 3 else "Sent"}
            for i, person in enumerate(self.leads + self.contacts)
        ]
        self.members = org.create("CampaignMember", *members)
        org.flush()

    def step(self, title, change, expected, check=None):
        """Makes the change, waits until the org is as it must be (or the patience ends), prints a row."""
        start = time.monotonic()
        change()
        try:
            wait_for(title, lambda: not self.oracle.differences(self.org, self.campaign), 30)
        except AssertionError:
            pass
        took = time.monotonic() - start
        rows = self.org.touchpoints(self.campaign)
        wrong = self.oracle.differences(self.org, self.campaign)
        seen = {"touchpoints": len(rows), **(check(rows) if check else {})}
        ok = seen == expected and not wrong
        self.differs += not ok
        self.latencies.append(took)
        print(f"{title:<62} {show(expected):<42} {show(seen):<42} {took * 1000:7.0f} ms  {'ok' if ok else 'DIFFERS'}")
        for line in wrong[:5]:
            print("    " + line)

    def quiet_step(self, title, change, expected):
        """Nothing may happen in the org: done when the messages are acknowledged and the queue is empty."""
        before = self.org.stats()["rows"]
        change()
        self.org.flush()
        wait_for("the queue to be empty", self.idle, 30)
        after = self.org.stats()["rows"]
        written = sum(v for k, v in after.items()) - sum(v for k, v in before.items())
        seen = {"touchpoints": len(self.org.touchpoints(self.campaign)), "rows written": written}
        ok = seen == expected
        self.differs += not ok
        print(f"{title:<62} {show(expected):<42} {show(seen):<42} {'':>10}  {'ok' if ok else 'DIFFERS'}")

    def idle(self):
        return not self.world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) LIMIT 1")

    def set_campaign(self, **fields):
        return lambda: self.org.update("Campaign", {"Id": self.campaign, **fields})

    def set_members(self, ids, **fields):
        return lambda: self.org.update("CampaignMember", *({"Id": i, **fields} for i in ids))

    def tell(self):
        sync = "Enable_Buyer_Touchpoints__c"
        date_of = lambda text: lambda rows: {  # noqa: E731
            f"dated {text}": sum(r["Touchpoint_Date__c"].startswith(text) for r in rows)
        }
        channel = lambda rows: {"channel": one({r["Channel_Path__c"] for r in rows})}  # noqa: E731
        print(f"{'step':<62} {'expected':<42} {'seen':<42} {'latency':>10}")
        self.quiet_step("100 members uploaded, three weeks late; the setting is blank", lambda: None,
                        {"touchpoints": 0, "rows written": 0})
        self.step('Include only "Responded"', self.set_campaign(**{sync: SETTINGS["responded"]}),
                  {"touchpoints": 50, "dated 2026-02-04T23:00": 50}, date_of("2026-02-04T23:00"))
        self.step("Include all", self.set_campaign(**{sync: SETTINGS["all"]}),
                  {"touchpoints": 90, "dated 2026-02-05T09:00": 90}, date_of("2026-02-05T09:00"))
        self.step("Buyer Touchpoint Date of the first half: 14 January", self.set_members(self.members[:50], Buyer_Touchpoint_Date__c=DAY_ONE),
                  {"touchpoints": 90, "dated 2026-01-14": 45}, date_of("2026-01-14"))
        self.step("Buyer Touchpoint Date of the second half: 15 January", self.set_members(self.members[50:], Buyer_Touchpoint_Date__c=DAY_TWO),
                  {"touchpoints": 90, "dated 2026-01-15": 45}, date_of("2026-01-15"))
        self.step("Touchpoint End Date 15 January: that day is out", self.set_campaign(Touchpoint_End_Date__c="2026-01-15"),
                  {"touchpoints": 45, "dated 2026-01-14": 45}, date_of("2026-01-14"))
        self.step("Touchpoint End Date cleared", self.set_campaign(Touchpoint_End_Date__c=None), {"touchpoints": 90})
        self.step("one member deleted", lambda: self.org.delete("CampaignMember", self.members[0]), {"touchpoints": 89})
        self.step("a lead converted: its touchpoint moves to the contact",
                  lambda: self.org.call("POST", "/sim/convert", {"lead": self.leads[1]}), {"touchpoints": 89, "on contacts": 37},
                  lambda rows: {"on contacts": sum(bool(r["Contact__c"]) for r in rows)})
        self.step("an email added to a contact that had none",
                  lambda: self.org.update("Contact", {"Id": self.contacts[7], "Email": "late@example.com"}),
                  {"touchpoints": 90})
        self.step("Campaign Type changed to Trade Show", self.set_campaign(Type="Trade Show"),
                  {"touchpoints": 90, "channel": "Events.Trade Show"}, channel)
        self.quiet_step("every change said once more: nothing to do", self.say_again, {"touchpoints": 90, "rows written": 0})
        self.step("Exclude all: all gone", self.set_campaign(**{sync: SETTINGS["exclude"]}), {"touchpoints": 0})

    def say_again(self):
        body = message(*(notification(9000 + i, m, "CampaignMember", CampaignId=self.campaign)
                         for i, m in enumerate(self.members[1:100])), notification(9999, self.campaign, "Campaign"))
        status, _, _ = self.world.post(body)
        if status != 200:
            self.differs += 1
            print(f"    a message was answered with {status} instead of 200")


def show(values):
    return ", ".join(f"{v} {k}" if k != "channel" else str(v) for k, v in values.items())


def one(values):
    return values.pop() if len(values) == 1 else sorted(values)


def poke(world, campaign):
    print(f"""
It keeps running (Ctrl-C ends it). The org is {world.org.url}, the campaign {campaign}.
  the touchpoints  curl -s '{world.org.url}/sim/touchpoints?campaign={campaign}' | python3 -m json.tool | less
  change the org   curl -s -X PATCH {world.org.url}/sim/records -d '{{"object":"Campaign","records":[{{"Id":"{campaign}","Enable_Buyer_Touchpoints__c":"Include all Campaign Members"}}]}}'
  readiness        curl -s http://127.0.0.1:{world.admin_port}/readyz | python3 -m json.tool
  metrics          curl -s http://127.0.0.1:{world.admin_port}/metrics
  a message        curl -s --cacert {world.ca} -H 'Content-Type: text/xml' --data-binary @message.xml {world.url}
  configuration    {world.folder}/touchpointd.yaml
  logs             {world.folder}/touchpointd.log, {world.folder}/orgsim.log""", flush=True)
    (world.folder / "message.xml").write_text(message(notification(1, campaign, "Campaign")))
    print(f"  (run it in {world.folder}, where message.xml lies)", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def main():
    parser = argparse.ArgumentParser(description="the whole story end to end, against a simulated org")
    parser.add_argument("--keep", action="store_true", help="leave org and daemon running and say how to poke at them")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with World() as world:
        print("certificates by a development CA, a simulated org, touchpointd: starting …")
        world.start()
        print(f"org {world.org.url}   receiver {world.url}   admin http://127.0.0.1:{world.admin_port}\n")
        story = Story(world)
        story.build()
        story.tell()
        sent = world.org.stats()["outbound"]["notifications"]
        calls = world.org.stats()["api"]["calls"]
        slow = sorted(story.latencies)
        print(f"\n{sent['acked']} notifications acknowledged, {calls} API calls; from change to touchpoint: "
              f"median {slow[len(slow) // 2] * 1000:.0f} ms, slowest {slow[-1] * 1000:.0f} ms")
        print("all as expected" if not story.differs else f"{story.differs} steps differ")
        if args.keep:
            poke(world, story.campaign)
    return 1 if story.differs else 0


if __name__ == "__main__":
    sys.exit(main())
