#!/usr/bin/env python3
"""Faults of several daemons on one PostgreSQL, round by round, each compared with the oracle: nothing acknowledged is lost, no touchpoint is
doubled, the org is as the rules want it, and nobody writes outside of its lease.

usage: postgres.py [--rounds N] [--seed S] [--short] [KIND…]     last line: N passed, N failed
"""
import argparse
import json
import os
import random
import signal
import sys
import time
import traceback

from fleet import FLAVOUR, LEASE_S, ROOT, Cluster, Fleet, Process, World, free_port, wait_for
from network import Cables, Proxy, can_have_networks, enter_own_network


class Kind:
    """A server, a fleet and what befalls them."""
    daemons = 3

    def __init__(self, dice):
        self.dice, self.parts = dice, []
        self.cluster = self.keep(Cluster())
        self.cluster.query("CREATE DATABASE queue")
        self.fleet = Fleet([self.cluster.url("queue")] * self.daemons, self.query)
        self.fleet.send()

    def keep(self, part):
        self.parts.append(part)
        return part

    def query(self, text):
        return self.cluster.query(text, "queue")

    def one(self):
        return self.dice.randrange(self.daemons)

    def wait(self, least, most):
        time.sleep(self.dice.uniform(least, most))

    def check(self):
        return self.fleet.check()

    def go_on(self):
        self.fleet.send()
        self.fleet.acknowledged(10)

    def end(self):
        try:
            if hasattr(self, "fleet"):
                self.fleet.stop()
        finally:
            for part in reversed(self.parts):
                part.remove()


class Daemons(Kind):
    """kill -9 of one or two daemons under load, and their start"""

    def round(self):
        self.go_on()
        victims = {self.one(), self.one()}
        for i in victims:
            self.wait(0, 0.3)
            self.fleet.nodes[i].kill()
        self.wait(0, 1)
        for i in victims:
            self.fleet.start(i)
        self.fleet.acknowledged(5)


class Server(Kind):
    """kill -9 of the server under load, and its start"""

    def round(self):
        self.go_on()
        self.wait(0, 0.5)
        self.cluster.kill()
        self.wait(0, 2)
        self.cluster.start()
        self.fleet.acknowledged(10)


class Restart(Kind):
    """the server is stopped in order under load, and started"""

    def round(self):
        self.go_on()
        self.cluster.kill(signal.SIGINT)
        self.wait(0, 1)
        self.cluster.start()
        self.fleet.acknowledged(10)


class Standby(Kind):
    """kill -9 of the primary under load and promotion of its synchronous standby; the old one becomes the new standby"""

    def __init__(self, dice):
        self.dice, self.parts = dice, []
        self.hosts = [Cluster(), None]
        self.cluster = self.hosts[0]
        self.cluster.query("CREATE DATABASE queue")
        self.ports = [self.cluster.port, free_port()]
        self.links = [self.cluster.dir.parent / f"tp-faults-{os.getpid()}-{i}" for i in range(2)]
        self.follow(1, 0)
        hosts = ",".join(f"{str(link).replace('/', '%2F')}:5432" for link in self.links)
        self.fleet = Fleet([f"postgresql://postgres@{hosts}/queue"] * self.daemons, self.query)
        self.fleet.send()

    def place(self, i):
        """A host keeps its address whichever server is there: a folder with the socket under the usual port."""
        link, host = self.links[i], self.hosts[i]
        link.mkdir(exist_ok=True)
        socket = link / ".s.PGSQL.5432"
        socket.unlink(missing_ok=True)
        socket.symlink_to(host.dir / f".s.PGSQL.{host.port}")

    def follow(self, new, primary):
        self.hosts[new] = Cluster(copy_of=self.hosts[primary], settings=["synchronous_standby_names = ''"])
        self.hosts[primary].query("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.hosts[primary].query("SELECT pg_reload_conf()")
        wait_for("the standby to be synchronous", lambda: self.hosts[primary].query("SELECT sync_state FROM pg_stat_replication") == ["sync"])
        for i in range(2):
            self.place(i)

    def round(self):
        old = self.hosts.index(self.cluster)
        self.go_on()
        self.wait(0, 0.5)
        self.cluster.kill()
        self.cluster = self.hosts[1 - old]
        self.cluster.query("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.cluster.query("SELECT pg_reload_conf()")
        self.cluster.query("SELECT pg_promote()")
        self.fleet.acknowledged(5)
        self.hosts[old].remove()
        self.cluster.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
        self.follow(old, 1 - old)
        self.fleet.acknowledged(5)

    def end(self):
        try:
            super().end()
        finally:
            for host in self.hosts:
                if host is not None:
                    host.remove()
            for link in self.links:
                for x in link.glob(".s*"):
                    x.unlink()
                link.rmdir()


class Cut(Kind):
    """the cable between a daemon (or all) and the server is pulled for up to twice the lease: no packet goes, and nobody is told"""

    def __init__(self, dice):
        self.dice, self.parts = dice, []
        self.cables = self.keep(Cables(self.daemons))
        self.cluster = self.keep(Cluster(inside=self.cables.inside))
        self.cluster.query("CREATE DATABASE queue")
        self.fleet = Fleet([self.cluster.url("queue", at=f"{self.cables.address(i)}:{self.cluster.port}") for i in range(self.daemons)], self.query)
        self.fleet.send()

    def round(self):
        self.go_on()
        cut = range(self.daemons) if self.dice.random() < 0.2 else {self.one()}
        for i in cut:
            self.cables.pull(i)
        self.wait(0.1, 2 * LEASE_S)
        for i in cut:
            self.cables.plug(i)
        self.fleet.acknowledged(10)


class Stream(Kind):
    """connections to the server stall, are reset, or break in the middle of a question or an answer, at any byte"""

    def __init__(self, dice):
        self.dice, self.parts = dice, []
        self.cluster = self.keep(Cluster(tcp=True))
        self.cluster.query("CREATE DATABASE queue")
        self.proxies = [Proxy(("127.0.0.1", self.cluster.port)) for _ in range(self.daemons)]
        self.fleet = Fleet([self.cluster.url("queue", at=f"127.0.0.1:{p.port}") for p in self.proxies], self.query)
        self.fleet.send()

    def round(self):
        self.go_on()
        for _ in range(3):
            proxy = self.dice.choice(self.proxies)
            how = self.dice.choice(("stall", "reset", "half", "half", "half"))
            if how == "half":
                proxy.cut_after(self.dice.choice((1, 5, 60, self.dice.randint(1, 20000))), self.dice.random() < 0.5)
            else:
                getattr(proxy, how)()
            self.wait(0.2, 1.5 * LEASE_S if how == "stall" else 1)
            proxy.heal()
            self.wait(0, 0.3)
        self.fleet.acknowledged(10)

    def end(self):
        for proxy in getattr(self, "proxies", []):
            proxy.close()
        super().end()


class Frozen(Kind):
    """a daemon is stopped (SIGSTOP) in the middle of its work, beyond its lease, and woken: its fence must keep it from writing"""

    def round(self):
        self.go_on()
        i = self.one()
        node = self.fleet.nodes[i].child
        try:
            wait_for("it to hold a lease", lambda: self.query(f"SELECT 1 FROM campaign WHERE fence > 0 AND owner LIKE '%:{node.pid}:%'"), 10)
        except AssertionError:
            pass  # its part of what the org allows is small; it is frozen all the same
        node.send_signal(signal.SIGSTOP)
        try:
            self.wait(LEASE_S + 0.3, 2 * LEASE_S)
        finally:
            node.send_signal(signal.SIGCONT)
        self.fleet.acknowledged(10)


class Ten:
    """ten daemons start at once on an empty database"""

    def __init__(self, dice):
        self.dice, self.number = dice, 0
        self.cluster = Cluster()
        self.world = World()
        self.world.start_org()
        self.nodes = []

    def round(self):
        self.number += 1
        database = f"ten{self.number}"
        self.cluster.query(f"CREATE DATABASE {database}")
        self.world.config["store"] = {"url": self.cluster.url(database)}
        text = json.loads(self.world.write_config().read_text())
        for i in range(10):
            admin = free_port()
            text["listen"]["address"], text["admin"]["address"] = f"127.0.0.1:{free_port()}", f"127.0.0.1:{admin}"
            path = self.world.folder / f"ten{i}.yaml"
            path.write_text(json.dumps(text))
            node = Process(f"ten{i}", [ROOT / "build" / FLAVOUR / "touchpointd", "--config", path], self.world.folder)
            node.admin_port = admin
            self.nodes.append(node)
        for node in self.nodes:
            self.world.admin_port = node.admin_port
            wait_for("a daemon to answer", lambda: not node.alive() or self.world.answers(), 120)
            assert node.alive(), node.text()[-2000:]
        assert self.cluster.query("SELECT count(*) FROM schema_version", database) == ["1"]
        wait_for("all to know each other", lambda: self.cluster.query("SELECT count(*) FROM node", database) == ["10"], 30)

    def check(self):
        for node in self.nodes:
            node.child.send_signal(signal.SIGTERM)
        statuses = [node.terminate() for node in self.nodes]
        text = "".join(node.text() for node in self.nodes)
        self.nodes = []
        assert statuses == [0] * 10, statuses
        assert "Sanitizer" not in text, text[-3000:]
        return 0, 0

    def end(self):
        for node in self.nodes:
            node.kill()
        self.world.stop()
        self.cluster.remove()


KINDS = {"daemons": Daemons, "server": Server, "restart": Restart, "standby": Standby, "cut": Cut, "stream": Stream, "frozen": Frozen, "ten": Ten}
SHORT = {"cut": 2, "stream": 2, "frozen": 2}  # the others are in tests/system


def run_kind(name, rounds, seed):
    """How many rounds passed; stops at the first that fails."""
    kind, passed, writes, late, start = None, 0, 0, 0, time.monotonic()
    try:
        kind = KINDS[name](random.Random(f"{name}{seed}"))
        for _ in range(rounds):
            kind.round()
            now, outside = kind.check()
            writes, late = writes + now, late + outside
            assert outside == 0, f"{outside} writes outside of their daemon's lease"
            passed += 1
    except Exception:  # noqa: BLE001  (said, and counted)
        traceback.print_exc()
        print(f"{name}: round {passed + 1} failed; again with: --seed {seed} {name}", flush=True)
    finally:
        try:
            if kind is not None:
                kind.end()
        except Exception:  # noqa: BLE001
            traceback.print_exc()
            passed = min(passed, rounds - 1)
    print(f"{name:8} {passed} of {rounds} rounds, {writes} writes in the org, {late} of them outside of their lease, "
          f"{time.monotonic() - start:.0f} s   {KINDS[name].__doc__}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS])
    given = parser.parse_args()
    has_networks = can_have_networks()
    if has_networks:
        enter_own_network()
    passed = failed = 0
    for name in given.kinds or (SHORT if given.short else KINDS):
        if name == "cut" and not has_networks:
            print("cut      not run: this user may not make networks; what a proxy can do to a stream is in 'stream'")
            continue
        rounds = SHORT.get(name, 1) if given.short else given.rounds
        good = run_kind(name, rounds, given.seed)
        passed, failed = passed + good, failed + (good < rounds)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
