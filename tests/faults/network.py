"""Networks that fail: a server in a network of its own behind cables that can be pulled, and a proxy that stalls, resets, and drops half
a stream. Both bounded to this machine."""
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time


def can_have_networks():
    """Whether this user may make network namespaces, and be other users in them."""
    maps = pathlib.Path("/proc/self/uid_map").read_text().split()
    return (os.geteuid() == 0 and int(maps[2]) > 65536 and all(map(shutil.which, ("ip", "unshare", "nsenter")))
            and subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0)


def enter_own_network():
    """Runs this program again in a network that holds nothing but a loopback, so that what it makes is gone with it."""
    if os.environ.get("TP_OWN_NETWORK"):
        return
    os.environ["TP_OWN_NETWORK"] = "1"
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", *sys.argv])


class Cables:
    """A network for a server, with one cable for each client: number i reaches the server at address(i)."""

    def __init__(self, count):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"], start_new_session=True)
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-n", "--"]
        here = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == here:
            time.sleep(0.01)
        self.run(*self.inside, "ip", "link", "set", "lo", "up")
        for i in range(count):
            self.run("ip", "link", "add", f"near{i}", "type", "veth", "peer", "name", f"far{i}", "netns", str(self.holder.pid))
            self.run("ip", "address", "add", f"192.0.2.{4 * i + 1}/30", "dev", f"near{i}")
            self.run(*self.inside, "ip", "address", "add", f"192.0.2.{4 * i + 2}/30", "dev", f"far{i}")
            self.run("ip", "link", "set", f"near{i}", "up")
            self.plug(i)

    @staticmethod
    def run(*command):
        subprocess.run(command, check=True)

    def address(self, i):
        return f"192.0.2.{4 * i + 2}"

    def pull(self, i):
        """Nothing goes through, and nobody is told."""
        self.run(*self.inside, "ip", "link", "set", f"far{i}", "down")

    def plug(self, i):
        self.run(*self.inside, "ip", "link", "set", f"far{i}", "up")

    def remove(self):
        self.holder.kill()
        self.holder.wait()


class Proxy:
    """127.0.0.1:port → target (host, port). What is under way can be stalled, reset, or cut in the middle of what either side says."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.stalled = threading.Event()
        self.room = [None, None]  # bytes that may still go to the server, to the client; then a reset
        self.pairs, self.closing, self.lock = set(), False, threading.Lock()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target, timeout=2)
            except OSError:
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            threading.Thread(target=self.carry, args=(pair,), daemon=True).start()

    def carry(self, pair):
        try:
            while True:
                readable, _, _ = select.select(pair, [], [], 0.05)
                if self.stalled.is_set():
                    time.sleep(0.02)
                    continue
                for source in readable:
                    to_client = source is pair[1]
                    data = source.recv(65536)
                    room = self.room[to_client]
                    if not data:
                        return
                    (pair[0] if to_client else pair[1]).sendall(data if room is None else data[:room])
                    if room is not None and len(data) >= room:
                        self.abort(pair)
                        return
                    if room is not None:
                        self.room[to_client] = room - len(data)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.pairs.discard(pair)
            for s in pair:
                s.close()

    @staticmethod
    def abort(pair):
        for s in pair:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def stall(self):
        self.stalled.set()

    def reset(self):
        """All connections end without a word more."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self.abort(pair)

    def cut_after(self, n, to_client):
        self.room[to_client] = n

    def heal(self):
        self.room = [None, None]
        self.stalled.clear()

    def close(self):
        self.closing = True
        self.heal()
        self.listener.close()
        self.reset()
