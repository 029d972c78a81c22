"""A PostgreSQL server of a test's own: a temporary cluster on a unix socket, a free port where one is asked for, ended by its
process id. Nothing of the machine's own clusters is touched.

usage: cluster.py COMMAND…   runs it with TP_STORE_URL naming a new schema for each test (store_fixture.h)
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60


def programs():
    """Where the newest installed server's programs are."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise SystemExit("no PostgreSQL server is installed: tests/deps.sh test")
    return found[-1].parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """settings: lines of postgresql.conf. tcp: it also listens on 127.0.0.1. copy_of: a standby of that cluster. inside: a command that
    runs another in the server's own network (and then it listens on all addresses there). folder: where, if it matters."""

    def __init__(self, settings=(), tcp=False, copy_of=None, inside=(), folder=None):
        # in memory where there is room: what these tests kill is processes, not machines
        base = folder or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tp-pg-", dir=base))
        self.data, self.log = self.dir / "data", self.dir / "log"
        self.port = free_port()
        self.tcp, self.inside = tcp, list(inside)
        self.process = None
        self.user = "postgres"
        if os.geteuid() == 0:  # initdb refuses root
            account = pwd.getpwnam("nobody")
            os.chown(self.dir, account.pw_uid, account.pw_gid)
            self.as_user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--"]
        else:
            self.as_user = []
        if copy_of is None:
            self.run("initdb", "-D", self.data, "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        else:
            self.run("pg_basebackup", "-D", self.data, "-d", copy_of.url("postgres"), "-R", "-X", "stream", "-c", "fast",
                     "-C", "-S", self.slot())
        self.set(["unix_socket_directories = '%s'" % self.dir, "port = %d" % self.port, "max_connections = 200",
                  "listen_addresses = '%s'" % ("*" if inside else "127.0.0.1" if tcp else ""), "shared_buffers = 128MB",
                  "log_min_messages = warning", *settings])
        if inside:
            with open(self.data / "pg_hba.conf", "a", encoding="utf-8") as f:
                f.write("host all all all trust\n")
        self.start()

    def slot(self):
        return "copy_%d" % self.port

    def run(self, program, *args):
        done = subprocess.run([*self.as_user, programs() / program, *map(str, args)], cwd=self.dir, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def set(self, settings):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as f:
            f.write("\n".join(settings) + "\n")

    def start(self):
        with open(self.log, "ab") as log:
            # a group of its own, so that a terminal's ^C ends it in the right order
            self.process = subprocess.Popen([*self.inside, *self.as_user, programs() / "postgres", "-D", self.data], stdout=log, stderr=log,
                                            cwd=self.dir, start_new_session=True)
        end = time.monotonic() + PATIENCE
        while subprocess.run([programs() / "pg_isready", "-q", "-h", self.dir, "-p", str(self.port)], check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the database server did not start: {self.log.read_text()}")
            time.sleep(0.05)

    def url(self, database="postgres", options="", at=None):
        """at: another address, host:port."""
        host = "127.0.0.1" if self.tcp else str(self.dir).replace("/", "%2F")
        return f"postgresql://{self.user}@{at or f'{host}:{self.port}'}/{database}{options}"

    def query(self, text, database="postgres"):
        """Rows as text, columns joined by |."""
        done = subprocess.run([programs() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", text],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.split("\n")[:-1]

    def kill(self, number=signal.SIGKILL):
        """kill -9 of the postmaster: its children notice and go."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    cluster = Cluster()
    try:
        url = cluster.url(options="?options=-csearch_path%3Dtest_{}")
        return subprocess.run(sys.argv[1:], env={**os.environ, "TP_STORE_URL": url}, check=False).returncode
    finally:
        cluster.remove()


if __name__ == "__main__":
    sys.exit(main())
