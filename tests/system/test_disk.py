"""A disk that fills up, becomes read-only, or stalls: nothing acknowledged is lost, senders are told to come again, readiness tells, and no restart is needed.

For a full disk the daemon runs in a mount namespace of its own (unshare -Urm, no root needed) with a small tmpfs for its store, which the
test reaches through /proc/PID/root. What no mount can be made to do, a preloaded library does (disk_fault.c).
"""
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import unittest
import unittest.mock

import runner
from crowd import Crowd
from harness import ADMIN_TOKEN, FLAVOUR, PATH, ROOT, Process, World, message, notification, sfid, wait_for

MIB = 1 << 20


def body(number):
    return message(notification(number, sfid("701", number), "Campaign"))


def refused(world):
    """Whether a message is refused as it must be: a Fault that says to come again."""
    status, headers, text = world.post(body(999))
    if status == 200:
        return False
    assert status == 503 and b"soapenv:Server" in text and "Retry-After" in headers, (status, text)
    return True


class FaultWorld(World):
    """Its daemon writes through disk_fault.c."""

    def start_daemon(self, ready=True):
        library = self.folder / "disk_fault.so"
        subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-O1", "-o", library, ROOT / "tests/system/disk_fault.c"], check=True)
        self.disk = self.folder
        # the sanitizer wants to be the first library
        env = {"LD_PRELOAD": str(library), "DISK_FAULT": str(self.folder / "fault"),
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.daemon = Process(
            "touchpointd", [ROOT / "build" / FLAVOUR / "touchpointd", "--config", self.write_config()], self.folder, env)
        wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
        return self.daemon


class DiskWorld(World):
    """Its store lies on a tmpfs of 96 MiB; 64 of them are the reserve."""

    def start_daemon(self, ready=True):
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        self.config = {**self.config, "store": {"url": "sqlite:disk/queue.db"}}
        daemon = ROOT / "build" / FLAVOUR / "touchpointd"
        script = f'mount -t tmpfs -o size=96m touchpointd "{disk}" && exec "{daemon}" --config "{self.write_config()}"'
        self.daemon = Process("touchpointd", ["unshare", "-Urm", "sh", "-c", script], self.folder)
        wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
        if not self.daemon.alive():
            raise AssertionError("touchpointd ended at once:\n" + self.daemon.text()[-3000:])
        self.disk = pathlib.Path(f"/proc/{self.daemon.child.pid}/root{disk}")
        return self.daemon


def works():
    return shutil.which("unshare") and subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL).returncode == 0


class Outage(unittest.TestCase):
    def outage(self, world, break_it, mend_it, check):
        world.start()
        world.checked()
        acknowledged = [n for n in range(1, 20) if world.post(body(n))[0] == 200]
        self.assertEqual(len(acknowledged), 19)
        break_it()
        wait_for("messages to be refused", lambda: refused(world))
        status, ready = world.ready()
        self.assertEqual((status, ready["status"], ready["checks"]["store"]["status"]), (503, "unavailable", "unavailable"))
        self.assertIn(check, ready["checks"]["store"]["problem"])
        self.assertEqual(world.admin("/healthz")[0], 200, "the process itself is well")
        self.assertEqual({world.post(body(n))[0] for n in range(20, 30)}, {503})
        mend_it()
        wait_for("messages to be taken again", lambda: world.post(body(30))[0] == 200)
        wait_for("readiness to say so", lambda: world.ready()[1]["checks"]["store"]["status"] == "ok")
        stored = self.stored(world)
        self.assertLessEqual({sfid("701", n) for n in acknowledged + [30]}, stored)
        self.assertFalse({sfid("701", n) for n in range(20, 30)} & stored)

    def stored(self, world):
        world.entered()
        copy = world.folder / "copy"
        copy.mkdir()
        for file in world.disk.glob("queue.db*"):
            shutil.copy(file, copy)
        with sqlite3.connect(copy / "queue.db") as db:
            return {x[0] for x in db.execute("SELECT record_id FROM notification")}


@unittest.skipUnless(works(), "this system allows no mount namespaces to who is not root")
class Full(Outage):
    def test_a_disk_that_fills_up(self):
        def fill(world):
            with open(world.disk / "ballast", "wb") as f:
                f.write(bytes(40 * MIB))

        with DiskWorld() as world:
            self.outage(world, lambda: fill(world), (lambda: (world.disk / "ballast").unlink()), "is free under")

    def test_a_disk_that_is_full_to_the_last_byte(self):
        def fill(world):
            with open(world.disk / "ballast", "wb", buffering=0) as f:  # else what is left over is tried once more by close
                try:
                    while True:
                        f.write(bytes(64 << 10))
                except OSError:
                    pass

        with DiskWorld() as world:
            self.outage(world, lambda: fill(world), (lambda: (world.disk / "ballast").unlink()), "free")


class Failing(Outage):
    """A preloaded library makes writes fail or syncs stall while a file says so."""

    def run_with(self, mode, check):
        with FaultWorld() as world:
            fault = world.folder / "fault"
            self.outage(world, lambda: fault.write_text(mode), fault.unlink, check)

    def test_a_file_system_that_becomes_read_only(self):
        self.run_with("readonly", "")

    def test_a_disk_that_fails_to_sync(self):
        self.run_with("eio", "")

    def test_a_disk_that_fails_again_and_again_under_a_crowd_loses_nothing_acknowledged(self):
        with FaultWorld() as world:
            world.start()
            world.checked()
            fault = world.folder / "fault"
            with Crowd(world, 30_000_000) as crowd:
                for mode in ("eio", "readonly", "eio"):
                    wait_for("the intake log", lambda: (world.folder / "queue.db-intake").exists())
                    before, refused = len(crowd.acknowledged), crowd.refused
                    wait_for("messages to be taken", lambda: len(crowd.acknowledged) > before + 50)
                    fault.write_text(mode)
                    wait_for("messages to be refused", lambda: crowd.refused > refused + 20)
                    fault.unlink()
            wait_for("messages to be taken again", lambda: world.post(body(1))[0] == 200)
            self.assertIn("the store's intake log failed", world.daemon.text())
            self.assertEqual(world.daemon.terminate(), 0)
            self.assertEqual(crowd.missing(), [])

    def test_a_disk_that_stalls_costs_a_503_and_no_time_out(self):
        with FaultWorld() as world:
            world.start()
            world.checked()
            fault = world.folder / "fault"
            fault.write_text("stall")
            answers = {}

            def send(number):
                started = time.monotonic()
                answers[number] = (world.post(body(number))[0], time.monotonic() - started)

            waiting = [threading.Thread(target=send, args=(n,)) for n in (1, 2)]
            for x in waiting:
                x.start()
            wait_for("a message to be refused at once", lambda: self.refused_at_once(world, answers))
            self.assertEqual(world.ready()[0], 503)
            status, text = world.admin("/api/v1/reload", "POST", ADMIN_TOKEN)
            self.assertEqual((status, "refused" in text), (503, False), "the configuration is not to blame")
            self.assertIn("the store does not answer", text)
            for x in waiting:  # the listener's own answer, after 20 s
                x.join()
            self.assertEqual([answers[n][0] for n in (1, 2)], [503, 503])
            self.assertLess(max(t for _, t in answers.values()), 50)
            fault.unlink()
            wait_for("messages to be taken again", lambda: world.post(body(3))[0] == 200)
            self.assertTrue(wait_for("readiness to say so", lambda: world.ready()[0] == 200))

    def test_a_disk_that_stalls_does_not_keep_the_watchdog_waiting(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, FaultWorld() as world:
            systemd.bind(str(world.folder / "notify"))
            systemd.settimeout(60)
            with unittest.mock.patch.dict(os.environ, NOTIFY_SOCKET=str(world.folder / "notify")):
                world.start()
            fault = world.folder / "fault"
            fault.write_text("stall")  # before the first upkeep, if all goes as usual
            sender = threading.Thread(target=world.post, args=(body(1),))
            sender.start()
            try:
                signs = 0
                while signs < 3:
                    signs += systemd.recv(1000) == b"WATCHDOG=1"
            finally:
                fault.unlink()
                sender.join()

    def refused_at_once(self, world, answers):
        probe = 100 + len(answers)
        started = time.monotonic()
        connection = world.tls()
        connection.settimeout(6)
        try:
            text = body(probe).encode()
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(text)) + text)
            return connection.recv(100).startswith(b"HTTP/1.1 503") and time.monotonic() - started < 8  # the listener's own would come after 20
        except TimeoutError:
            return False
        finally:
            connection.close()


if __name__ == "__main__":
    runner.main()
