"""The systemd unit: how tightly it shuts the daemon in, and that the daemon needs no more than that (system calls, writable places, rights).

No systemd runs here, so the rules are tried one by one: the unit as a whole with systemd-analyze; the system calls of a daemon that does
everything it does, seen by strace, against the unit's filter; and a daemon without rights where all but its own folders is read-only.
The release build is used, since sanitizers need more.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import runner
from harness import ROOT, Process, World, message, notification, sfid, wait_for

UNIT = ROOT / "deploy" / "touchpointd.service"
DAEMON = ROOT / "build" / "release" / "touchpointd"
NOBODY = 65534


def setUpModule():
    subprocess.run(["make", "--no-print-directory", "-s", "-j2", "FLAVOUR=release", "daemon"], cwd=ROOT, check=True)


def as_nobody():
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]


def settings(name):
    return [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith(name + "=")]


def calls_of(group, known={}):
    """The system calls of @group, those of groups in it too."""
    if group not in known:
        text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True).stdout
        known[group] = set()
        for line in text.splitlines()[1:]:
            word = line.split("#")[0].strip()
            known[group] |= calls_of(word) if word.startswith("@") else {word} if word else set()
    return known[group]


def allowed_calls():
    allowed = set()
    for line in settings("SystemCallFilter"):
        for word in line.lstrip("~").split():
            calls = calls_of(word) if word.startswith("@") else {word}
            allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed | calls_of("@default")


class Wrapped(World):
    """Its daemon is the release build, started by another program as a user without rights."""

    def start_daemon(self, ready=True):
        config, daemon = self.write_config(), self.folder / "daemon"
        shutil.copy(DAEMON, daemon)  # nobody may not be let into the checkout
        if os.getuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        self.daemon = Process("touchpointd", [*self.wrap(), daemon, "--config", config], self.folder)
        wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
        if not self.daemon.alive():
            raise AssertionError("touchpointd ended at once:\n" + self.daemon.text()[-3000:])
        return self.daemon

    def all_it_does(self, test):
        """A whole story: a bulk load and its deletion, single changes, a reload, a message, health, a checkpoint."""
        org = self.org
        self.checked()
        big = org.call("POST", "/sim/load", {"campaigns": 1, "members": 12000, "seed": 3, "sync_type": None, "type": "Trade Show"})["campaigns"][0]
        for setting in ("Include all Campaign Members", None):
            before = org.stats()["rows"]
            org.update("Campaign", {"Id": big, "Enable_Buyer_Touchpoints__c": setting})
            kind = "upsert_created" if setting else "delete"
            wait_for(kind, lambda: org.stats()["rows"][kind] >= before[kind] + 12000, 120)
        test.assertEqual(self.post(message(notification(1, sfid("701", 1), "Campaign")))[0], 200)
        (self.folder / "touchpointd.yaml").write_text((self.folder / "touchpointd.yaml").read_text())
        os.kill(self.pid(), signal.SIGHUP)
        wait_for("the reload", lambda: "loaded anew" in self.daemon.text())
        test.assertEqual(self.post(message(notification(2, sfid("701", 1), "Campaign")))[0], 200)
        test.assertEqual(self.admin("/metrics")[0], 200)
        test.assertEqual(self.ready()[1]["status"], "ok")

    def pid(self):
        return self.daemon.child.pid


class Traced(Wrapped):
    def wrap(self):
        return [*as_nobody(), "strace", "-f", "-qq", "-o", self.folder / "calls", "-e", "signal=none"]

    def pid(self):
        children = pathlib.Path(f"/proc/{self.daemon.child.pid}/task/{self.daemon.child.pid}/children").read_text().split()
        return int(children[0])


class Unprivileged(Wrapped):
    """No rights, and a file system where nothing but the folder of the state and a /var/tmp of its own can be written."""

    def __init__(self):
        super().__init__(store={"url": "sqlite:state/queue.db"})
        (self.folder / "state").mkdir()

    def wrap(self):
        mounts = (f'mount --bind "{self.folder}/state" "{self.folder}/state" && mount -t tmpfs x /var/tmp && chmod 1777 /var/tmp && '
                  'for m in $(findmnt -rno TARGET | sort -r); do case $m in *"/state" | /var/tmp) ;; /proc* | /sys* | /dev*) ;; '
                  '*) mount -o remount,bind,ro "$m" || exit 9 ;; esac; done && exec "$@"')
        if os.getuid() == 0:
            return ["unshare", "-m", "sh", "-c", mounts, "sh", *as_nobody()]
        return ["unshare", "-Urm", "sh", "-c", mounts, "sh"]


class Unit(unittest.TestCase):
    def test_the_unit_is_tight(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", UNIT], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        level = float(re.search(r"Overall exposure level[^:]*: ([0-9.]+)", done.stdout).group(1))
        self.assertLessEqual(level, 1.5)

    def test_the_unit_has_no_mistake(self):
        copy = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "touchpointd.service"
        text = UNIT.read_text()
        copy.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.M).replace("/usr/sbin/touchpointd", str(DAEMON)))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        self.assertEqual((done.returncode, [x for x in done.stderr.splitlines() if "touchpointd.service" in x]), (0, []), done.stderr)

    def test_every_system_call_is_allowed(self):
        with Traced() as world:
            world.start()
            world.all_it_does(self)
            os.kill(world.pid(), signal.SIGTERM)
            world.daemon.child.wait(60)
            used = {m.group(1) for m in (re.match(r"\d+ +([a-z0-9_]+)\(", line) for line in (world.folder / "calls").read_text().splitlines()) if m}
            used.discard("execve")  # systemd's own
            self.assertIn("fdatasync", used)
            self.assertEqual(used - allowed_calls() - {"setrlimit"}, set(), "setrlimit may fail: the unit has set the limits")

    def test_it_runs_without_rights_on_a_read_only_file_system(self):
        with Unprivileged() as world:
            world.start()
            world.all_it_does(self)
            pid = world.pid()
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            self.assertIn("CapEff:\t0000000000000000", status)
            done = subprocess.run([*as_nobody(), "cat", f"/proc/{pid}/environ"], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0, "the same user must not read its memory")
            self.assertIn("Max core file size        0                    0", pathlib.Path(f"/proc/{pid}/limits").read_text())
            self.assertEqual(world.daemon.terminate(), 0)


if __name__ == "__main__":
    runner.main()
