"""The balancers' example configurations, in front of two daemons on one database: messages get through, the client's own address
counts, and a node that dies, or hangs, costs nothing that was acknowledged."""
import http.client
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import runner  # noqa: E402
from harness import PATH, Process, free_port, wait_for  # noqa: E402
from senders import ClusterCase, FAST, acknowledged, load, start_senders  # noqa: E402
from test_postgres import PostgresWorld  # noqa: E402

FOLDER = ROOT / "deploy" / "balancer"
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Balanced(PostgresWorld):
    def __init__(self, cluster, database, name):
        super().__init__(cluster, database, listen={"proxy_protocol": ["127.0.0.1"]}, admin={"public_health": True}, **FAST)
        self.front, self.second_port = free_port(), None
        self.url = f"https://localhost:{self.front}{PATH}"
        self.balancer, self.name = None, name

    def start(self):
        super().start()
        node = self.start_node()
        wait_for("the second node", lambda: self.node_answers(node))
        text = (FOLDER / self.name).read_text().replace("10.77.0.11:8443", f"127.0.0.1:{self.port}").replace("10.77.0.12:8443", f"127.0.0.1:{node.port}")
        text, n = re.subn(r"(bind|listen) :?8443", rf"\1 127.0.0.1:{self.front}", text)
        assert n == 1
        self.config_file = self.folder / self.name
        if self.name == "haproxy.cfg":
            argv = ["haproxy", "-db", "-f", self.config_file]
        else:
            text = f"load_module {STREAM};\nerror_log stderr info;\npid {self.folder}/nginx.pid;\nevents {{ }}\n" + text
            argv = ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.config_file, "-g", "daemon off;"]
        self.config_file.write_text(text)
        self.balancer = Process("balancer", argv, self.folder)
        wait_for("the balancer", self.is_in_front)
        return self

    def is_in_front(self):
        assert self.balancer.alive(), self.balancer.text()
        try:
            return self.through("GET", "/nothing")[0] in (403, 404, 405)
        except OSError:
            return False

    def through(self, method, path, body=b"", source="127.0.0.1"):
        context = ssl.create_default_context(cafile=str(self.ca))
        http_ = http.client.HTTPSConnection("localhost", self.front, context=context, timeout=30, source_address=(source, 0))
        try:
            http_.request(method, path, body, {"Content-Type": "text/xml; charset=UTF-8"})
            reply = http_.getresponse()
            return reply.status, reply.read()
        finally:
            http_.close()

    def stop(self):
        try:
            if self.balancer:
                self.balancer.terminate()
        finally:
            super().stop()


class Balancer(ClusterCase):
    def world(self, database, name):
        world = Balanced(self.cluster, database, name)
        self.addCleanup(world.stop)
        return world.start()

    def lost(self, world, senders):
        for sender in senders:
            sender.finish()
        return {n for s in senders for n in s.acknowledged} - world.known()

    def both(self, name, database):
        world = self.world(database, name)
        campaign, records = load(world)
        world.org.update("Campaign", {"Id": campaign, "Touchpoint_Start_Date__c": "2001-01-01"})
        wait_for("touchpoints", lambda: len(world.org.touchpoints(campaign)) == len(records))
        self.assertEqual(world.through("POST", PATH, b"<no", source="127.0.0.7")[0], 400)
        wait_for("the document", lambda: world.api("/quarantine")[1]["documents"])
        self.assertTrue(world.api("/quarantine")[1]["documents"][0]["peer"].startswith("127.0.0.7"), "the client's address, not the balancer's")
        senders = start_senders(world, campaign, records, ports=[world.front])
        acknowledged(senders, 10)
        world.nodes[0].kill()
        acknowledged(senders, 20)
        self.assertEqual(self.lost(world, senders), set())
        return world

    def test_haproxy(self):
        world = self.both("haproxy.cfg", "haproxy")
        wait_for("the dead node to be seen", lambda: "touchpointd/node2 is DOWN" in world.balancer.text())
        world.nodes[0] = Process("node2", world.nodes[0].argv, world.folder)
        wait_for("the node to come back", lambda: "touchpointd/node2 is UP" in world.balancer.text())
        os.kill(world.daemon.child.pid, signal.SIGSTOP)
        try:
            wait_for("the hanging node to be seen", lambda: "touchpointd/node1 is DOWN" in world.balancer.text())
            for _ in range(10):
                self.assertEqual(world.through("POST", PATH, b"<no")[0], 400)
        finally:
            os.kill(world.daemon.child.pid, signal.SIGCONT)

    @unittest.skipUnless(os.path.exists(STREAM), "nginx has no stream module: libnginx-mod-stream")
    def test_nginx(self):
        self.both("nginx-stream.conf", "nginx")

    def test_haproxy_has_no_complaint_about_the_file_as_it_is(self):
        done = subprocess.run([shutil.which("haproxy") or "/usr/sbin/haproxy", "-c", "-f", FOLDER / "haproxy.cfg"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


if __name__ == "__main__":
    runner.main()
