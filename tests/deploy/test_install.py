"""What `make install` puts where, and what the system makes of it: files and modes, the daemon's user, its folders; and the hook that
hands renewed certificates to a daemon that runs."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import runner  # noqa: E402
from harness import FLAVOUR, World, message, notification, sfid, wait_for  # noqa: E402

HOOK = ROOT / "deploy" / "certificate-hook"
FILES = {
    "sbin/touchpointd": 0o755,
    "bin/touchpointctl": 0o755,
    "lib/systemd/system/touchpointd.service": 0o644,
    "lib/sysusers.d/touchpointd.conf": 0o644,
    "lib/tmpfiles.d/touchpointd.conf": 0o644,
    "share/bash-completion/completions/touchpointctl": 0o644,
    "share/doc/touchpointd/touchpointd.example.yaml": 0o644,
    "share/man/man1/touchpointctl.1": 0o644,
    "share/man/man5/touchpointd.yaml.5": 0o644,
    "share/man/man8/touchpointd.8": 0o644,
    "share/touchpointd/certificate-hook": 0o755,
    "share/touchpointd/grafana/touchpointd.json": 0o644,
    "share/touchpointd/prometheus/touchpointd.rules.yaml": 0o644,
}


def install(root, prefix):
    subprocess.run(["make", "--no-print-directory", "-s", "install", f"DESTDIR={root}", f"PREFIX={prefix}", f"FLAVOUR={FLAVOUR}", f"OUT=build/{FLAVOUR}"],
                   cwd=ROOT, check=True, capture_output=True, text=True, umask=0o077)


class Install(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def installed(self):
        return {str(p.relative_to(self.root)): p.stat().st_mode & 0o7777 for p in self.root.rglob("*") if not p.is_dir()}

    def test_files_and_modes_are_these_and_no_other(self):
        for prefix in ("/usr", "/usr/local"):
            with self.subTest(prefix):
                shutil.rmtree(self.root)
                install(self.root, prefix)
                self.assertEqual(self.installed(), {f"{prefix[1:]}/{name}": mode for name, mode in FILES.items()})

    def test_the_unit_starts_what_was_installed(self):
        for prefix in ("/usr", "/usr/local", "/opt/touchpointd"):
            with self.subTest(prefix):
                install(self.root, prefix)
                unit = (self.root / prefix[1:] / "lib/systemd/system/touchpointd.service").read_text()
                self.assertEqual(set(re.findall(r"/\S*bin/touchpointd", unit)), {f"{prefix}/sbin/touchpointd"})
                self.assertIn(f"ExecPaths={prefix}/sbin/touchpointd ", unit)

    def test_the_programs_run_from_there(self):
        install(self.root, "/usr")
        for name in ("sbin/touchpointd", "bin/touchpointctl"):
            done = subprocess.run([self.root / "usr" / name, "--version"], capture_output=True, text=True, check=True)
            self.assertRegex(done.stdout, r"^touchpoint\w+ \d")

    def test_the_debian_package_has_the_programs_version(self):
        version = re.search(r"^VERSION +:= (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1)
        self.assertTrue((ROOT / "deploy/debian/changelog").read_text().startswith(f"touchpointd ({version}) "))

    def make_user(self):
        install(self.root, "/usr")
        (self.root / "etc").mkdir()
        subprocess.run(["systemd-sysusers", f"--root={self.root}"], check=True, capture_output=True)
        return (self.root / "etc/passwd").read_text().strip().split(":")

    def test_sysusers_makes_a_user_who_can_not_sign_in(self):
        name, _, uid, gid, _, home, shell = self.make_user()
        self.assertEqual((name, home, shell), ("touchpointd", "/nonexistent", "/usr/sbin/nologin"))
        self.assertTrue(0 < int(uid) < 1000 and 0 < int(gid) < 1000)
        self.assertIn("touchpointd:!*:", (self.root / "etc/shadow").read_text())

    @unittest.skipIf(os.getuid(), "folders of another user can be made by root alone")
    def test_tmpfiles_makes_folders_that_the_daemon_may_read_and_one_that_is_its_own(self):
        user = self.make_user()
        subprocess.run(["systemd-tmpfiles", f"--root={self.root}", "--create", "touchpointd.conf"], check=True, capture_output=True)
        uid, gid = int(user[2]), int(user[3])
        for path, mode, owner in (("etc/touchpointd", 0o750, 0), ("etc/touchpointd/tls", 0o750, 0), ("var/lib/touchpointd", 0o700, uid)):
            with self.subTest(path):
                seen = (self.root / path).stat()
                self.assertEqual((seen.st_mode & 0o7777, seen.st_uid, seen.st_gid), (mode, owner, gid))


class Hooked(World):
    """Its certificate is where the hook puts it."""

    def __init__(self):
        super().__init__(tls={"certificate": ["tls/server.pem"], "key": ["tls/server.key"]})
        self.hook()

    def hook(self, chain=None, key=None, **env):
        pair = [] if env else [chain or self.folder / "certs/server.pem", key or self.folder / "certs/server.key"]
        return subprocess.run([HOOK, *pair], capture_output=True, text=True, env={**os.environ, "TOUCHPOINTD_TLS": str(self.folder / "tls"), **env})

    def renew(self):
        for name in ("server.pem", "server.key"):
            (self.folder / "certs" / name).unlink()
        subprocess.run([ROOT / "certs/make-dev.sh", self.folder / "certs"], check=True, stdout=subprocess.DEVNULL)

    def exchange(self):
        new, data = self.folder / "..new", self.folder / "tls" / "..data"
        new.mkdir()
        for name in ("server.pem", "server.key"):
            shutil.copy(self.folder / "certs" / name, new)
        (self.folder / "tls" / "..next").symlink_to(new)
        (self.folder / "tls" / "..next").rename(data)

    def served(self):
        with self.tls() as peer:
            return peer.getpeercert()["serialNumber"]

    def files(self):
        return {p.name: p.read_bytes() for p in (self.folder / "tls").iterdir()}


class CertificateHook(unittest.TestCase):
    def test_a_renewed_certificate_is_served_without_a_restart_and_without_a_failed_request(self):
        for how in ("by name", "certbot", "lego", "kubernetes", "compose"):
            with self.subTest(how), Hooked() as world:
                if how == "kubernetes":
                    (world.folder / "tls").rename(world.folder / "..old")
                    (world.folder / "tls").mkdir()
                    (world.folder / "tls" / "..data").symlink_to(world.folder / "..old")
                    for name in ("server.pem", "server.key"):
                        (world.folder / "tls" / name).symlink_to("..data/" + name)
                world.start()
                before = world.served()
                kept = world.tls()  # a connection that goes on
                world.renew()
                folder = world.folder / "certs"
                env = {}
                if how == "certbot":
                    (folder / "fullchain.pem").symlink_to("server.pem")
                    (folder / "privkey.pem").symlink_to("server.key")
                    env = {"RENEWED_LINEAGE": str(folder)}
                if how == "lego":
                    env = {"LEGO_CERT_PATH": str(folder / "server.pem"), "LEGO_CERT_KEY_PATH": str(folder / "server.key")}
                if how == "kubernetes":  # a secret's folder is a link that is exchanged as a whole
                    world.exchange()
                elif how == "compose":  # files are mounted one by one: written anew where they are
                    for name in ("server.pem", "server.key"):
                        (world.folder / "tls" / name).write_bytes((folder / name).read_bytes())
                else:
                    done = world.hook(**env)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn("CN = localhost", done.stdout)
                wait_for("the new certificate", lambda: world.served() != before)
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(kept.recv(100).startswith(b"HTTP/1.1 "))
                kept.close()
                self.assertEqual(world.post(message(notification(1, sfid("701", 1), "Campaign")))[0], 200)
                if how != "kubernetes":
                    self.assertEqual({p.name: p.stat().st_mode & 0o7777 for p in (world.folder / "tls").iterdir()}, {"server.pem": 0o600, "server.key": 0o600})

    def test_what_salesforce_or_the_daemon_would_refuse_is_not_installed(self):
        world = Hooked()
        self.addCleanup(shutil.rmtree, world.folder)
        certs, before = world.folder / "certs", world.files()
        leaf = world.folder / "leaf.pem"
        subprocess.run(["openssl", "x509", "-in", certs / "server.pem", "-out", leaf], check=True)
        old = world.folder / "old.pem"
        subprocess.run(["openssl", "x509", "-in", certs / "server.pem", "-signkey", certs / "server.key", "-days", "-1", "-out", old], check=True, capture_output=True)
        rows = [
            ("another key", certs / "server.pem", certs / "server-rsa.key", "is not the key of"),
            ("the chain's leaf alone", leaf, certs / "server.key", "full chain"),
            ("an expired one", old, certs / "server.key", "has expired"),
            ("no certificate", certs / "server.key", certs / "server.key", "holds no certificate"),
            ("no key", certs / "server.pem", certs / "server.pem", "holds no key"),
        ]
        for name, chain, key, says in rows:
            with self.subTest(name):
                done = world.hook(chain, key)
                self.assertEqual(done.returncode, 1)
                self.assertIn(says, done.stderr)
                self.assertEqual(world.files(), before)


if __name__ == "__main__":
    runner.main()
