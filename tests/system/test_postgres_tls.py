#!/usr/bin/env python3
"""TLS to the PostgreSQL server: verified, or refused; the password from a file, and nowhere else."""
import os
import pwd
import subprocess
import unittest

import runner
from harness import World, message, notification, sfid
from senders import Cluster, programs

PASSWORD = "s3cret-of-the-database"


def openssl(*words, folder):
    subprocess.run(["openssl", *map(str, words)], check=True, cwd=folder, stderr=subprocess.DEVNULL)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", folder=folder)


class Tls(unittest.TestCase):
    """A server that speaks TLS alone, whose certificate is for localhost, and a user with a password."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster = Cluster(tcp=True)
        folder = cls.folder = cluster.dir
        for name in ("ours", "others"):
            authority(folder, name)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr", folder=folder)
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
                "-out", "server.pem", folder=folder)
        cluster.query(f"CREATE ROLE touchpointd LOGIN PASSWORD '{PASSWORD}'")
        cluster.query("CREATE DATABASE queue OWNER touchpointd")
        cluster.stop()
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            for name in ("server.key", "server.pem"):
                os.chown(folder / name, account.pw_uid, account.pw_gid)
        (folder / "server.key").chmod(0o600)
        cluster.set(["ssl = on", f"ssl_cert_file = '{folder}/server.pem'", f"ssl_key_file = '{folder}/server.key'", "log_connections = on"])
        (cluster.data / "pg_hba.conf").write_text("local all all trust\nhostssl all touchpointd 127.0.0.1/32 scram-sha-256\n")
        cluster.start()
        (folder / "passfile").write_text(f"*:*:queue:touchpointd:{PASSWORD}\n")
        (folder / "passfile").chmod(0o600)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()

    def world(self, host, mode, ca="ours", passfile="passfile"):
        url = (f"postgresql://touchpointd@{host}:{self.cluster.port}/queue?sslmode={mode}&sslrootcert={self.folder}/{ca}.pem"
               f"&passfile={self.folder}/{passfile}")
        world = World(store={"url": url})
        self.addCleanup(world.stop)
        world.start_org()
        return world

    def refused(self, world, *words):
        world.start_daemon(ready=False)
        self.assertEqual(world.daemon.child.wait(60), 1)
        text = world.daemon.text()
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn(PASSWORD, text)
        self.assertNotIn("Sanitizer", text)
        world.daemon = None

    def test_the_name_and_the_authority_that_fit_are_accepted_and_all_connections_are_encrypted(self):
        world = self.world("localhost", "verify-full")
        world.start_daemon()
        self.assertEqual(world.post(message(notification(1, sfid("701", 1), "Campaign", Name="One")))[0], 200)
        kinds = self.cluster_query("SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'touchpointd'")
        self.assertEqual(kinds, ["t|TLSv1.3"])
        self.assertNotIn(PASSWORD, world.daemon.text())

    def cluster_query(self, text):
        done = subprocess.run([programs() / "psql", "-XAtq", "-h", self.cluster.dir, "-p", str(self.cluster.port), "-U", "postgres", "-d", "queue", "-c", text],
                              capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    def test_another_name_is_refused(self):
        self.refused(self.world("127.0.0.1", "verify-full"), "cannot start", "the database cannot be reached", "does not match host name")

    def test_a_name_that_does_not_matter_is_accepted_where_the_url_says_so(self):
        self.world("127.0.0.1", "verify-ca").start_daemon()

    def test_another_authority_is_refused(self):
        self.refused(self.world("localhost", "verify-full", ca="others"), "certificate verify failed")

    def test_without_tls_the_server_refuses(self):
        self.refused(self.world("localhost", "disable"), "the database cannot be reached")

    def test_a_wrong_password_is_refused(self):
        (self.folder / "wrong").write_text("*:*:queue:touchpointd:guess\n")
        (self.folder / "wrong").chmod(0o600)
        self.refused(self.world("localhost", "verify-full", passfile="wrong"), "password authentication failed")


if __name__ == "__main__":
    runner.main()
