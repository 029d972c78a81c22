"""deploy/README.md: its links lead somewhere, and its commands do what it says, as far as they need no systemd, public name, real org or cluster.

The commands are taken from the page itself; only folders, ports and the authority are exchanged for the test's own.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import runner  # noqa: E402
from harness import ADMIN_TOKEN, DEFAULTS, FLAVOUR, ORG_ID, PATH, USER, World, message, notification, sfid, wait_for  # noqa: E402
from oracle import Oracle  # noqa: E402
from senders import ALL, Cluster, acknowledged, load, start_senders  # noqa: E402
from test_postgres import PostgresWorld  # noqa: E402

DEPLOY = ROOT / "deploy"
GUIDE = DEPLOY / "README.md"
BUILD = ROOT / "build" / FLAVOUR
NOT_HERE = ("systemctl", "journalctl", "certbot", "sf ", "make ", "apt-get", "export TOUCHPOINTD_", "cd ", "cp ")  # make: test_install.py, rootfs.py


def blocks(text=None):
    """(heading, commands) of each block of shell."""
    heading, inside, found = "", None, []
    for line in (text or GUIDE.read_text()).splitlines():
        bare = line.strip()
        if inside is not None:
            if bare == "```":
                found.append((heading, "\n".join(inside)))
                inside = None
            else:
                inside.append(line[indent:])
        elif bare == "```sh":
            inside, indent = [], len(line) - len(line.lstrip())
        elif step := re.match(r"#+ (.*)|\*\*([A-F])\. |(\d+)\. \*\*", line):
            heading = step.group(1) or step.group(2) or f"org {step.group(3)}"
    return found


def block(heading, number=0):
    return [commands for h, commands in blocks() if h == heading][number]


def inline(start):
    """A command in the running text."""
    return next(c for c in re.findall(r"`([^`\n]+)`", GUIDE.read_text()) if c.startswith(start))


def sh(command, folder, world=None, **change):
    """Runs it as the page has it, but for the places."""
    swaps = {**change, "/etc/touchpointd": str(folder), "/var/lib/touchpointd": str(folder), "/var/backups": str(folder), "runuser -u touchpointd -- ": "",
             "-o touchpointd -g touchpointd ": "", "-g touchpointd ": "", "/usr/share/touchpointd/certificate-hook": str(DEPLOY / "certificate-hook")}
    for old, new in swaps.items():
        command = command.replace(old, new)
    if world:
        command = re.sub(r"^touchpointctl", f"touchpointctl --url http://127.0.0.1:{world.admin_port} --token-file {world.folder}/admin.token", command, flags=re.M)
    env = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "TOUCHPOINTD_TLS": f"{folder}/tls"}
    return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], cwd=folder, env=env, capture_output=True, text=True)


class Page(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in [ROOT / "README.md", GUIDE, DEPLOY / "postgresql.md", DEPLOY / "kubernetes/README.md"]:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if target.startswith("http"):
                    continue
                with self.subTest(page=page.name, target=target):
                    path, _, anchor = target.partition("#")
                    file = page.parent / path if path else page
                    self.assertTrue(file.exists())
                    if anchor:
                        heads = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)", file.read_text(), re.M)]
                        self.assertIn(anchor, heads)

    def test_each_command_is_tried_here_or_can_not_be(self):
        tried = [block("C", 1), block("D"), block("F"), block("Backup and restore"), block("Backup and restore", 1), block("org 2"), block("From Marketo Measure's fields")]
        for heading, commands in blocks():
            if commands in tried:
                continue
            for line in commands.splitlines():
                with self.subTest(heading, line=line):
                    self.assertTrue(line.startswith((*NOT_HERE, "touchpointctl status")), "no test runs this")

    def test_every_command_of_touchpointctl_that_it_names_is_one(self):
        known = set(re.findall(r'^    \{"([a-z-]+)", "', (ROOT / "receiver/ctl/commands.c").read_text(), re.M))
        for page in (GUIDE, DEPLOY / "postgresql.md", *DEPLOY.glob("salesforce/**/*-meta.xml")):
            with self.subTest(page=page.name):
                said = set(re.findall(r"touchpointctl (?:--\S+ \S+ )*([a-z-]+)", page.read_text()))
                self.assertEqual(said - known, set())

    def test_every_metric_that_it_names_is_one(self):
        known = set(re.findall(r'X\(METRIC_\w+, \w+, "(\w+)"', (ROOT / "include" / "metrics.h").read_text().replace("\\\n", " ")))
        self.assertEqual({m.removeprefix("touchpoint_") for m in re.findall(r"touchpoint_\w+", GUIDE.read_text())} - known, set())

    def test_every_reason_of_refusal_that_it_names_is_one(self):
        known = set(re.findall(r'X\(REFUSED_\w+, "(\w+)"', (ROOT / "include" / "refusal.h").read_text()))
        self.assertEqual(set(re.findall(r'reason="(\w+)"', GUIDE.read_text())) - known, set())


class Server(unittest.TestCase):
    """Steps C to F, one after the other, as an admin would."""

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.stop)
        self.folder = self.world.folder

    def test_from_a_certificate_to_a_configuration_that_is_taken(self):
        made = self.folder / "made"
        subprocess.run([ROOT / "certs/make-dev.sh", made, "receiver.example.org"], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(made / "server-rsa.pem", self.folder / "fullchain.pem")
        shutil.copy(made / "server-rsa.key", self.folder / "privkey.pem")
        done = sh(block("C", 1), self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = sh(inline("openssl x509 -in /etc"), self.folder)
        self.assertIn("DNS:receiver.example.org", done.stdout)
        done = sh(inline("openssl verify"), self.folder, **{"-untrusted": f"-CAfile {made}/ca.pem -untrusted"})
        self.assertEqual((done.returncode, done.stdout.split()[-1]), (0, "OK"), done.stderr)
        done = sh(block("org 2").splitlines()[0], self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        shutil.copy(self.folder / "org.key", self.folder / "org")
        done = sh(block("D"), self.folder, **{"install -m 0640 -g touchpointd org.key": "install -m 0640 org"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("configuration ok", done.stdout)
        self.assertNotIn("level=warn", done.stderr)
        self.assertGreater((self.folder / "admin.token").stat().st_size, 40)

    def test_from_outside_the_chain_is_whole_or_it_fails(self):
        world = self.world
        world.start()
        change = {"receiver.example.org:8443": f"localhost:{world.port}", "receiver.example.org": "localhost", "openssl s_client": f"openssl s_client -CAfile {world.ca}"}
        done = sh(block("F"), self.folder, **change)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Verify return code: 0 (ok)", done.stdout)
        done = sh(block("F"), self.folder, **{"-verify_hostname receiver.example.org": "-verify_hostname other.example.org", **change})
        self.assertNotEqual(done.returncode, 0, "another host's certificate")
        curl = inline("curl -sS")
        done = sh(curl, self.folder, **{"https://receiver.example.org:8443": f"https://localhost:{world.port}", "curl": f"curl --cacert {world.ca}"})
        self.assertEqual(done.stdout, "405\n", done.stderr)
        done = sh("touchpointctl status", self.folder, world)
        self.assertTrue(done.stdout.startswith("ok"), done.stdout + done.stderr)

    def test_with_the_fields_of_marketo_measure_flows_and_daemon_follow_the_package(self):
        project, world = self.folder / "project", self.world
        shutil.copytree(DEPLOY / "salesforce", project / "deploy/salesforce")
        done = sh(f"cd {project}; " + block("From Marketo Measure's fields"), self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        mapping = re.search(r"schema: (\{ base: bizible2, .*\})", GUIDE.read_text()).group(1)
        names = dict(pair.split(": ") for pair in mapping.strip("{ }").split(", "))
        world.org_options, world.org_config = {"metadata": project / "deploy/salesforce"}, {"schema": names}
        org = world.start().org
        self.assertEqual(world.checked()["problems"], [])
        campaign, = org.create("Campaign", {"Name": "Fair", "Type": "Trade Show"})
        lead, = org.create("Lead", {"LastName": "Doe", "Company": "x", "Email": "doe@example.com"})
        member, = org.create("CampaignMember", {"CampaignId": campaign, "LeadId": lead, "Status": "Sent"})
        org.flush()
        rows = [
            ("the setting", "Campaign", {"Id": campaign, "bizible2__Bizible_Attribution_SyncType__c": ALL}, lambda t: len(t) == 1),
            ("a member's date", "CampaignMember", {"Id": member, "bizible2__Bizible_Touchpoint_Date__c": "2026-03-04T00:00:00Z"},
             lambda t: [x["Touchpoint_Date__c"][:10] for x in t] == ["2026-03-04"]),
            ("the campaign's start", "Campaign", {"Id": campaign, "bizible2__Touchpoint_Start_Date__c": "2026-04-01"}, lambda t: not t),
            ("no start", "Campaign", {"Id": campaign, "bizible2__Touchpoint_Start_Date__c": None}, lambda t: len(t) == 1),
            ("the campaign's end", "Campaign", {"Id": campaign, "bizible2__Touchpoint_End_Date__c": "2026-02-01"}, lambda t: not t),
        ]
        for name, kind, change, holds in rows:
            org.update(kind, change)
            wait_for(name, lambda: holds(org.touchpoints(campaign)))

    def test_the_admins_token_and_the_key_of_the_org_are_exchanged_while_it_runs(self):
        world = self.world
        world.start()
        world.checked()
        self.assertEqual(sh("touchpointctl messages", self.folder, world).returncode, 0)
        shutil.copy(self.folder / "admin.token", self.folder / "old.token")
        (self.folder / "admin.token").write_text("another one\n")
        self.assertNotEqual(sh("touchpointctl messages", self.folder, world).returncode, 0)
        done = sh("touchpointctl reload", self.folder, world)
        self.assertNotEqual(done.returncode, 0, "the daemon has the old one still")
        old = ["--token-file", self.folder / "old.token"]
        subprocess.run([BUILD / "touchpointctl", "--url", f"http://127.0.0.1:{world.admin_port}", *old, "reload"], check=True, capture_output=True)
        self.assertEqual(sh("touchpointctl messages", self.folder, world).returncode, 0)
        # the org gets another certificate; until the daemon has its key nothing is signed in
        done = sh(block("org 2").splitlines()[0].replace("org.key", "new.key").replace("org.crt", "jwt.pem"), self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        port = world.org.port
        world.org.process.terminate()
        world.start_org(port=port)
        (self.folder / "new.key").rename(self.folder / "jwt.key")
        self.assertEqual(sh("touchpointctl reload", self.folder, world).returncode, 0)
        wait_for("the org to be reached", lambda: sh("touchpointctl doctor", self.folder, world).stdout.startswith("ok"))


class Backup(unittest.TestCase):
    def finished(self, world, senders, copied):
        """After the restore: what was acknowledged before the copy is known, and the reconcile has healed the rest."""
        for sender in senders:
            sender.finish()
        self.assertEqual({x for s in senders for x in s.acknowledged[:copied[s]]} - self.known(world), set(), "acknowledged before the copy")
        # a copy may hold a pass in work, whose campaign is free only when its lease has ended
        wait_for("the reconcile's work", lambda: not Oracle(DEFAULTS["channels"]).differences(world.org))

    def known(self, world):
        return world.known() if isinstance(world, PostgresWorld) else {x for x, in world.rows("SELECT notification_id FROM notification")}

    def test_a_copy_made_under_load_is_whole_and_the_reconcile_finds_what_came_after_it(self):
        with World() as world:
            world.start()
            campaign, records = load(world)
            senders = start_senders(world, campaign, records)
            acknowledged(senders, 10)
            copied = {s: len(s.acknowledged) for s in senders}
            done = sh(block("Backup and restore"), world.folder)
            self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)
            acknowledged(senders, 10)
            late, = world.org.create("Lead", {"LastName": "Late", "Company": "x", "Email": "late@example.com"})
            world.org.outbound(lose=1)
            world.org.create("CampaignMember", {"CampaignId": campaign, "LeadId": late, "Status": "Sent"})
            for sender in senders:
                sender.finish()
            world.daemon.terminate()
            copy, = world.folder.glob("touchpointd-*.db")
            self.assertEqual(copy.stat().st_mode & 0o777, 0o600)
            stop, remove, put, start, reconcile = block("Backup and restore", 1).splitlines()
            self.assertEqual((stop, start), ("systemctl stop touchpointd", "systemctl start touchpointd"))
            for command in (remove, put):
                done = sh(command, world.folder, **{"touchpointd-DATE.db": copy.name})
                self.assertEqual(done.returncode, 0, done.stderr)
            world.start_daemon()
            done = sh(reconcile, world.folder, world)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.finished(world, senders, copied)

    def test_a_dump_of_postgresql_made_under_load_is_whole(self):
        cluster = Cluster(tcp=True)
        self.addCleanup(cluster.remove)
        world = PostgresWorld(cluster, "touchpointd")
        self.addCleanup(world.stop)
        world.start()
        campaign, records = load(world)
        senders = start_senders(world, campaign, records)
        acknowledged(senders, 10)
        copied = {s: len(s.acknowledged) for s in senders}
        text = (DEPLOY / "postgresql.md").read_text()
        dump, restore = (next(c for c in re.findall(r"`([^`\n]+)`", text) if c.startswith(name)) for name in ("pg_dump", "pg_restore"))
        where = f"-h 127.0.0.1 -p {cluster.port} -U postgres"
        done = sh(dump, world.folder, **{"pg_dump": f"pg_dump {where}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        acknowledged(senders, 5)
        for sender in senders:
            sender.finish()
        world.daemon.terminate()
        done = sh(restore, world.folder, **{"pg_restore": f"pg_restore {where}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        world.start_daemon()
        done = sh("touchpointctl reconcile --all --yes --wait", world.folder, world)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.finished(world, senders, copied)
        for query in re.findall(r'^psql .* -c "(.*?)"', text, re.M):
            with self.subTest(query):
                self.assertIsNotNone(cluster.query(query, "touchpointd"))


if __name__ == "__main__":
    runner.main()
