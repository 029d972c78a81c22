"""Random histories of an org with a bad network, faults of the org and kill -9 of the daemon; the org must end as the oracle says.

usage: chaos.py [--seed S] [--histories N] [--step N] [--in-world N] [--keep] [--short]

Many histories (history.py) run mixed with each other in one world: an orgsim and a daemon with one policy. Of the seeds of a world,
the first throws the dice for everything around: messages that are lost, doubled, late, reordered, answers that go astray, faults, kills.

Half of the worlds write back to the members, half let cascades leave no trace; the seed says which. Every other world is told of every change: no message is lost for good and nothing is edited by hand. There the daemon must get
everything right without a reconcile. In the others messages do get lost and touchpoints are edited by hand; what that left behind,
the reconcile must repair. At the end another look at every campaign must write nothing. Prints how to repeat what failed; the last line is `N passed, N failed`, of histories.
"""
import argparse
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

from harness import DEFAULTS, World, wait_for  # noqa: E402
from oracle import Oracle  # noqa: E402

from history import History  # noqa: E402

TIMEOUT_MS = 2000
ECHO_S = 4
SETTLE_S = 150
WORKER = {**DEFAULTS["worker"], "lease": "8s", "request_timeout": f"{TIMEOUT_MS}ms", "echo": f"{ECHO_S}s"}
ORG = {"retry_base_ms": 20, "retry_max_ms": 3600000}  # nothing is dropped for having been refused too long
# one policy a world, and the same in the words of the oracle
POLICIES = ({}, {"dedupe": "email"}, {"end_date": "inclusive"}, {"window_applies_to": "added_date"}, {})
ORACLES = ({}, {"dedupe": "email"}, {"end": "inclusive"}, {"window": "added_date"}, {})
CLASSES = 2 * len(POLICIES) * 2
SHORT = (range(14, 314, CLASSES), range(11, 311, CLASSES))

FAULTS = (
    ("reset", None), ("lost_reply", None), ("status", 500), ("status", 503), ("status", 420), ("status", 429), ("html", 503), ("html", 200),
    ("truncated", "body"), ("truncated", "connection"), ("wrong_json", None), ("limit_concurrent", None), ("expire_token", None),
    ("latency", 300), ("latency", TIMEOUT_MS + 500), ("late", 200), ("late", TIMEOUT_MS + 1500), ("silence", None), ("silence", True),
)
OPERATIONS = ("*", "query", "composite", "collections_upsert", "collections_delete")
# whose records sharing may take away from the user, who then is one that may not see all
SHARED = ("CampaignMember", "Lead", "Contact", "Campaign", "Buyer_Touchpoint__c")
ROW_OPERATIONS = ("collections_upsert", "collections_delete")


class Kind:
    """What a seed says about its world. Both kinds of losses meet each of the four pairs of the last two."""

    def __init__(self, seed):
        self.silent, self.policy, half = seed % 2 == 1, seed // 2 % len(POLICIES), seed // (2 * len(POLICIES)) % 2
        self.write_back = half == 1
        self.traceless = (half + self.policy) % 2 == 1

    def __str__(self):
        told = "with losses" if self.silent else "told of all"
        return told + (", with write-back" if self.write_back else "") + (", cascades without a trace" if self.traceless else "")


class Around:
    """Everything that befalls the world between two changes, from the dice of the world."""

    def __init__(self, world, dice, kind):
        self.world, self.dice, self.kind, self.trace = world, dice, kind, []
        self.kills = 0
        self.permissions = {}
        if kind.write_back:  # a user with the permission that it should lack: our own writes come back to us
            self.permissions["send_outbound_messages"] = True
        if kind.traceless and not kind.silent:  # nothing but helper records says what is gone
            self.permissions["no_view_all"] = ["Lead", "Contact"]

    def say(self, what):
        self.trace.append(f"{time.monotonic() - self.started:7.2f} s  {what}")

    def begin(self):
        self.started = time.monotonic()
        self.permit()
        self.weather()

    def permit(self, **more):
        self.world.org.call("POST", "/sim/permissions", {**self.permissions, **more})

    def weather(self):
        dice = self.dice
        settings = {
            "duplicate": dice.choice((0, 0.1, 0.5)), "lose_ack": dice.choice((0, 0.1, 0.3)), "reorder": dice.random() < 0.5,
            "delay_ms": dice.choice((0, 0, 20, 500)), "batch_max": dice.choice((1, 7, 100)), "seed": dice.randint(1, 10**6),
            "paused": dice.random() < 0.1, "lose": dice.choice((0.05, 0.3)) if self.kind.silent else 0,
            "every_change": self.kind.write_back,  # nor do its flows leave our own writes out
        }
        self.world.org.outbound(**settings)
        self.world.org.call("POST", "/sim/behaviour", {"convert_keeps_lead": dice.random() < 0.5, "cascade_leaves_trace": not self.kind.traceless})
        self.say(f"weather {settings}")

    def fault(self):
        kind, value = self.dice.choice((*FAULTS, ("lock", None)))
        operation = self.dice.choice(ROW_OPERATIONS if kind == "lock" else OPERATIONS)
        match = {"count": self.dice.randint(1, 3), "after": self.dice.randint(0, 3)}
        self.world.org.fault(kind, operation, value, **match)
        self.say(f"fault {kind} {value} {operation} {match}")

    def hide(self):
        hidden = self.dice.sample(SHARED, self.dice.choice((0, 0, 1, 1, 2)))
        if self.kind.silent:  # what is unseen for a while may be taken as settled: only the reconcile comes back to it
            self.permit(hide=hidden, no_view_all=["Campaign", "Lead", "Contact"] if hidden else [])
            self.say(f"hidden: {hidden}")

    def kill(self):
        self.kills += 1
        self.world.daemon.kill()
        self.world.start_daemon()
        self.say("killed and started again")

    def heal(self):
        org = self.world.org
        org.heal()
        self.permit()
        org.outbound(duplicate=0, lose_ack=0, lose=0, delay_ms=0, paused=False, batch_max=100)
        self.say("healed")

    def happen(self):
        name = self.dice.choices((None, self.weather, self.fault, self.hide, self.kill), (200, 6, 20, 3, 4))[0]
        if name:
            name()
        pause = self.dice.choice((0, 0, 0, 0.005, 0.02, 0.1))
        if pause:
            time.sleep(pause)


class Group:
    """The histories of one world, all of one kind."""

    def __init__(self, seeds, keep):
        self.kind = Kind(seeds[0])
        self.silent = self.kind.silent
        self.dice = random.Random(f"world {seeds[0]}")
        self.histories = [History(seed, self.silent) for seed in seeds]
        self.world = World(keep=keep, org_options=ORG, worker=WORKER, policy=POLICIES[self.kind.policy],
                           org_config={"write_back": self.kind.write_back})
        self.oracle = Oracle(DEFAULTS["channels"], **ORACLES[self.kind.policy])
        self.around = Around(self.world, self.dice, self.kind)
        self.wrong = {}  # seed -> sentences

    def live(self):
        org, under_way = self.world.org, list(self.histories)
        for history in self.histories:
            history.build(org)
        self.around.begin()
        while under_way:
            history = self.dice.choice(under_way)
            history.step(org)
            if not history.left():
                under_way.remove(history)
            self.around.happen()
        self.around.heal()

    def restart_with_reconcile(self):
        """What was lost is found by a reconcile: the daemon is killed or ended, and comes back with a short interval."""
        if self.dice.random() < 0.5:
            self.world.daemon.kill()
        else:
            self.world.daemon.terminate()
        self.world.config["worker"] = {**WORKER, "reconcile": "2s"}
        self.world.start_daemon()
        self.around.say("started again, with a reconcile every 2 s")

    def at_rest(self):
        """Nothing is left to do but what waits for a late minute (the deletions that the org's log does not cover yet)."""
        return not self.world.rows("SELECT 1 FROM notification WHERE state = 1 OR state = 0 AND due_at < ? LIMIT 1", (time.time() + 30) * 1000)

    def settle(self):
        org, world = self.world.org, self.world
        org.flush(SETTLE_S)
        if self.silent:
            self.restart_with_reconcile()
        else:
            self.until("the queue to be empty", self.at_rest)
        self.until("the org to be as it must be", lambda: not self.differences())
        self.until("the echoes to have run", lambda: not world.rows("SELECT 1 FROM notification WHERE kind = 9 AND state IN (0, 1)"))

    def differences(self):
        org = self.world.org
        statuses = self.oracle.status_differences(org, None) if self.kind.write_back else []
        if self.silent:  # nobody looks at a campaign without a setting just to tell its members so
            statuses = [x for x in statuses if "told None, must be 'No Touchpoint: Enable Buyer Touchpoints is blank" not in x]
        return self.oracle.differences(org) + statuses

    def no_live_work(self):
        """As at_rest, but for the reconcile, which may be at work again and again."""
        return not self.world.rows("SELECT 1 FROM notification WHERE state IN (0, 1) AND background = 0 AND due_at < ? LIMIT 1", (time.time() + 30) * 1000)

    def look_again(self):
        """Every campaign once more: nothing is to be written, and so no message of ours comes back to us for ever."""
        org = self.world.org
        self.until("live work to end", self.no_live_work)
        if self.silent and self.kind.write_back:  # members of a campaign without a setting are told so now
            self.look_at_all()
        org.call("POST", "/sim/stats/reset")
        self.look_at_all()
        written = {k: n for k, n in org.stats()["rows"].items() if n and k not in ("failed", "unchanged")}
        if written and not self.wrong:
            self.blame(f"a second look at everything wrote {written}")

    def look_at_all(self):
        org = self.world.org
        campaigns = [{"Id": r["Id"], "Name": r["Name"]} for r in org.records("Campaign")]
        if campaigns:
            org.update("Campaign", *campaigns)
        org.flush(SETTLE_S)
        self.until("the look at everything to end", self.no_live_work)

    def until(self, what, probe):
        """As wait_for, but slow to ask, since asking costs; what is not reached is found by the checks that follow."""
        try:
            wait_for(what, lambda: probe() or time.sleep(0.2), SETTLE_S)
        except AssertionError as e:
            self.around.say(str(e))

    def blame(self, sentence):
        for history in self.histories:
            if any(key in sentence for key in history.mine):
                self.wrong.setdefault(history.seed, []).append(sentence)
                return
        self.wrong.setdefault(self.histories[0].seed, []).append(f"{sentence} (of none of the histories)")

    def check(self):
        org, world = self.world.org, self.world
        for sentence in self.differences():
            self.blame(sentence)
        for row in world.rows("SELECT record_id, kind, code, message FROM notification WHERE state = 3"):
            self.blame(f"failed for good: {row}")
        self.check_unkeyed()
        if not self.silent:  # with losses the reconcile is always at work, and nobody was told of some helper records
            for row in world.rows("SELECT record_id, kind, state, tries, code FROM notification WHERE state = 1"):
                self.blame(f"stuck: {row}")
            for record in org.records("Campaign_Member_Deletion__c"):
                self.blame(f"a helper record was left: {record}")

    def check_unkeyed(self):
        """A touchpoint without key is someone else's."""
        have = {r["Id"]: r for r in self.world.org.touchpoints()}
        for history in self.histories:
            for key, row in history.unkeyed.items():
                if have.get(key, {}).get("Email__c") != row["Email__c"]:
                    self.wrong.setdefault(history.seed, []).append(f"{key}, which has no key, was changed")

    def run(self):
        """Carries everything out; what goes wrong on the way is a finding like any other."""
        try:
            self.run_world()
        except (AssertionError, OSError) as e:
            self.wrong.setdefault(self.histories[0].seed, []).append(f"the world of this history broke: {e}")

    def run_world(self):
        started = time.monotonic()
        with self.world as world:
            world.start()
            self.live()
            lived = time.monotonic() - started
            self.settle()
            self.check()
            self.look_again()
            if self.wrong:
                world.keep = True
                print(f"    its files are in {world.folder}")
        print(f"seeds {self.histories[0].seed}…{self.histories[-1].seed} ({len(self.histories)} histories, "
              f"{self.kind}, {self.around.kills} kills): "
              f"{lived:.0f} s, settled after {time.monotonic() - started:.0f} s, {len(self.wrong)} wrong", flush=True)

    def tell(self):
        """Why, and how to see it again."""
        for history in self.histories:
            if history.seed not in self.wrong:
                continue
            print(f"\nFAILED  history {history.seed}; again: make chaos SEED={history.seed} HISTORIES=1")
            print("\n".join("    " + x for x in self.wrong[history.seed][:12]))
            print("  what was done:\n" + "\n".join("    " + x for x in history.trace))
        first = self.histories[0].seed
        print(f"\n  the whole world again: make chaos SEED={first} HISTORIES={len(self.histories)} STEP={CLASSES}")
        print("  what befell it:\n" + "\n".join("    " + x for x in self.around.trace))


def grouped(seeds, size):
    for remainder in range(CLASSES):
        same = [seed for seed in seeds if seed % CLASSES == remainder]
        for at in range(0, len(same), size):
            yield same[at : at + size]


def arguments():
    parser = argparse.ArgumentParser(description="random histories against the oracle")
    parser.add_argument("--seed", type=int, default=1, help="the first history's (1)")
    parser.add_argument("--histories", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--step", type=int, default=1, help="between two seeds (1)")
    parser.add_argument("--in-world", type=int, default=100, help="at most so many share a world (100)")
    parser.add_argument("--keep", action="store_true", help="keep the worlds' folders")
    parser.add_argument("--short", action="store_true", help="two worlds of fixed seeds")
    return parser.parse_args()


def main():
    asked = arguments()
    seeds = range(asked.seed, asked.seed + asked.histories * asked.step, asked.step)
    groups = SHORT if asked.short else grouped(seeds, asked.in_world)
    good = bad = 0
    for some in groups:
        group = Group(list(some), asked.keep)
        group.run()
        bad += len(group.wrong)
        good += len(group.histories) - len(group.wrong)
        if group.wrong:
            group.tell()
    print(f"{good} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
