#!/usr/bin/env python3
"""Builds the container's root file system, and installs the Debian package into a fresh Debian, without a container engine or an image:
mmdebstrap makes the base, and the steps of deploy/Containerfile are carried out in it by chroot. Then the daemon runs there as the
file says: as its user without a name, without rights, on a read-only root, against orgsim.

As root, with the network for Debian's packages; some minutes, so `make test` does not do it. Last line: N passed, N failed.
usage: make rootfs          (or tests/deploy/rootfs.py [unittest's arguments])
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "deploy")]
import runner  # noqa: E402
import test_guide  # noqa: E402
import test_unit  # noqa: E402
from harness import Process, wait_for  # noqa: E402

WORK = ROOT / "build" / "rootfs"
BASE = WORK / "base.tar"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def setUpModule():
    WORK.mkdir(parents=True, exist_ok=True)
    if not BASE.exists():
        part = BASE.with_suffix(".part.tar")
        subprocess.run(["mmdebstrap", "--mode=root", "--variant=minbase", "bookworm", part, "http://deb.debian.org/debian"], check=True)
        part.rename(BASE)


def fresh(name):
    """A Debian of its own, which can reach the network as the machine does."""
    root = WORK / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    subprocess.run(["tar", "-xf", BASE, "-C", root, "--exclude=./dev/*"], check=True)
    for device in ("null", "zero", "urandom", "random"):
        subprocess.run(["cp", "-a", f"/dev/{device}", root / "dev"], check=True)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(target)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return root


def inside(root, *argv, folder="/", **options):
    command = f'mount -t proc proc "$0/proc" && cd "$0" && exec chroot "$0" sh -c \'cd "$1" && shift && exec "$@"\' - {shlex.quote(folder)} "$@"'
    return subprocess.run(["unshare", "-m", "sh", "-c", command, root, *argv], env=ENVIRONMENT, **options)


class Containerfile:
    """As much of the language as our file needs; what it does not know is an error."""

    def __init__(self, path):
        self.roots, self.stage, self.folder, self.settings = {}, None, "/", {}
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                word, rest = line.split(" ", 1)
                getattr(self, "do_" + word.lower())(rest)

    def do_from(self, rest):
        image, *name = rest.split()
        assert image == "debian:12-slim", image
        self.stage, self.folder, self.settings = name[1] if name else "final", "/", {}
        self.roots[self.stage] = fresh("container-" + self.stage)

    @property
    def root(self):
        return self.roots[self.stage]

    def do_workdir(self, rest):
        self.folder = rest
        (self.root / rest[1:]).mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest):
        *options, source, target = rest.split()
        target = self.root / os.path.join(self.folder, target)[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if options:
            shutil.copy2(self.roots[options[0].removeprefix("--from=")] / source[1:], target)
        elif source == ".":
            excluded = [f"--exclude=./{x}" for x in (ROOT / ".dockerignore").read_text().split()]
            tar = subprocess.Popen(["tar", "-c", *excluded, "-C", ROOT, "."], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "--no-same-owner", "-C", target], stdin=tar.stdout, check=True)
            assert tar.wait() == 0
        else:
            shutil.copy2(ROOT / source, target)

    def do_run(self, rest):
        inside(self.root, "/bin/sh", "-c", rest, folder=self.folder, check=True)

    def do_healthcheck(self, rest):
        self.settings["health"] = json.loads(rest.split(" CMD ")[1])

    def keep(name):
        def do(self, rest):
            self.settings[name] = json.loads(rest) if rest.startswith("[") else rest
        return do

    do_user, do_volume, do_expose, do_stopsignal, do_entrypoint, do_cmd = map(keep, ("user", "volume", "port", "signal", "entrypoint", "cmd"))


class Contained(test_unit.Wrapped):
    """Its daemon runs in the image as an engine would run it: read-only, with two tmpfs, the configuration and a volume."""

    def __init__(self, image):
        super().__init__(store={"url": "sqlite:/var/lib/touchpointd/queue.db"})
        self.image, (self.uid, self.gid) = image, image.settings["user"].split(":")
        self.volume = self.folder / "volume"
        self.volume.mkdir()

    def as_user(self, *argv):
        return ["chroot", self.image.root, "setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--bounding-set=-all", "--no-new-privs", *argv]

    def start_daemon(self, ready=True):
        self.write_config()
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, int(self.uid), int(self.gid))
        root, settings = self.image.root, self.image.settings
        mounts = (f'set -e; r={shlex.quote(str(root))}; mount --bind "$r" "$r"; mount -t proc proc "$r/proc"; mount -t tmpfs x "$r/tmp"; mount -t tmpfs x "$r/var/tmp"; '
                  f'chmod 1777 "$r/tmp" "$r/var/tmp"; mount --bind {shlex.quote(str(self.folder))} "$r/etc/touchpointd"; mount -o remount,bind,ro "$r/etc/touchpointd"; '
                  f'mount --bind {shlex.quote(str(self.volume))} "$r{settings["volume"]}"; mount -o remount,bind,ro "$r"; exec "$@"')
        self.daemon = Process("touchpointd", ["unshare", "-m", "sh", "-c", mounts, "sh", *self.as_user(*settings["entrypoint"], *settings["cmd"])], self.folder)
        wait_for("touchpointd to answer", lambda: self.answers() or not self.daemon.alive())
        if not self.daemon.alive():
            raise AssertionError("touchpointd ended at once:\n" + self.daemon.text()[-3000:])
        return self.daemon

    def health(self):
        program, *arguments = self.image.settings["health"]
        return subprocess.run(self.as_user(program, "--url", f"http://127.0.0.1:{self.admin_port}", *arguments), capture_output=True, text=True)


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = Containerfile(ROOT / "deploy/Containerfile")

    def test_the_daemon_does_its_work_as_nobody_on_a_read_only_root(self):
        with Contained(self.image) as world:
            world.start()
            world.all_it_does(self)
            status = pathlib.Path(f"/proc/{world.pid()}/status").read_text()
            self.assertIn("CapEff:\t0000000000000000", status)
            self.assertIn("Uid:\t" + "\t".join(["64123"] * 4), status)
            self.assertIn("NoNewPrivs:\t1", status)
            done = world.health()
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertEqual(world.daemon.terminate(), 0)
            self.assertEqual(world.health().returncode, 1)
            self.assertTrue((world.volume / "queue.db").exists())

    def test_the_image_has_no_compiler_no_source_and_nothing_setuid(self):
        found = inside(self.image.root, "find", "/", "-xdev", "(", "-perm", "/6000", "-type", "f", ")", "-o", "-name", "gcc*", "-path", "*/bin/*", "-o", "-path", "/src",
                       capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout, "")

    def test_every_library_is_there(self):
        for program in ("/usr/sbin/touchpointd", "/usr/bin/touchpointctl"):
            self.assertNotIn("not found", inside(self.image.root, "ldd", program, capture_output=True, text=True, check=True).stdout)


class Package(unittest.TestCase):
    """build/deb/*.deb of `make deb`."""

    def configure(self, root):
        """Steps C and D of deploy/README.md, word for word."""
        shutil.copytree(ROOT / "certs", root / "root/certs")
        made = "./certs/make-dev.sh . receiver.example.org && mv server-rsa.pem fullchain.pem && mv server-rsa.key privkey.pem"
        steps = [made, test_guide.block("C", 1), test_guide.block("org 2").splitlines()[0], test_guide.block("D")]
        for step in steps:
            done = inside(root, "/bin/bash", "-e", "-c", step, folder="/root", capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{step}: {done.stdout}{done.stderr}")
        self.assertIn("configuration ok", done.stdout)
        self.assertNotIn("level=warn", done.stderr)
        names = ["/etc/touchpointd/" + name for name in ("admin.token", "org.key", "tls/server.key", "tls/server.pem", "touchpointd.yaml")]
        stat = inside(root, "stat", "-c", "%a %U %G", *names, capture_output=True, text=True, check=True).stdout
        self.assertEqual(stat, "640 root touchpointd\n" * len(names))

    def test_it_installs_runs_and_leaves_without_a_trace(self):
        package, = (ROOT / "build/deb").glob("touchpointd_*.deb")
        root = fresh("package")
        shutil.copy(package, root / "tmp")
        inside(root, "apt-get", "update", "-qq", check=True)
        inside(root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", f"/tmp/{package.name}", "openssl", check=True, capture_output=True)
        user = inside(root, "id", "touchpointd", capture_output=True, text=True, check=True).stdout
        self.assertRegex(user, r"^uid=\d+\(touchpointd\) gid=\d+\(touchpointd\)")
        stat = inside(root, "stat", "-c", "%a %U %G %n", "/etc/touchpointd", "/var/lib/touchpointd", capture_output=True, text=True, check=True).stdout
        self.assertEqual(stat, "750 root touchpointd /etc/touchpointd\n700 touchpointd touchpointd /var/lib/touchpointd\n")
        self.assertTrue((root / "etc/systemd/system/multi-user.target.wants/touchpointd.service").is_symlink())
        for program in ("/usr/sbin/touchpointd", "/usr/bin/touchpointctl"):
            inside(root, program, "--version", check=True, capture_output=True)
        self.configure(root)
        (root / "var/lib/touchpointd/queue.db").write_text("x")
        inside(root, "apt-get", "purge", "-y", "-qq", "touchpointd", check=True, capture_output=True)
        self.assertFalse((root / "var/lib/touchpointd").exists())
        self.assertTrue((root / "etc/touchpointd/org.key").exists(), "an admin's keys stay")
        self.assertFalse(list(root.glob("usr/*bin/touchpoint*")))


if __name__ == "__main__":
    if os.getuid() != 0:
        sys.exit("rootfs: only root can chroot")
    runner.main()
