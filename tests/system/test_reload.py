"""The configuration loaded anew while the daemon runs: whole or not at all, without a failed request, and each pass with what it began with."""
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import unittest

import runner
from harness import ADMIN_TOKEN, DEFAULTS, ORG_ID, PATH, ROOT, World, message, notification, sfid, wait_for
from oracle import Oracle
from test_sync import Case

FAIRS = [{"type": "Trade Show", "channel": "Fairs", "subchannel": "Big ones"}]


class ReloadWorld(World):
    def hup(self):
        """Reloads by the signal; waits until the log says how it ended, and gives that line."""
        before = len(self.outcomes())
        self.daemon.child.send_signal(signal.SIGHUP)
        return wait_for("the reload to end", lambda: self.outcomes()[before:])[0]

    def outcomes(self):
        return [x for x in self.daemon.text().splitlines() if "configuration loaded anew" in x or "configuration is refused" in x]

    def reload(self):
        status, text = self.admin("/api/v1/reload", "POST", ADMIN_TOKEN)
        return status, json.loads(text)

    def change(self, **config):
        self.config = {**self.config, **config}
        return self.write_config()

    def served(self):
        """The certificate that a new connection is shown."""
        with self.tls() as peer:
            return peer.getpeercert()["serialNumber"]

    def threads(self):
        return len(os.listdir(f"/proc/{self.daemon.child.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.child.pid}/fd"))


def hint(number):
    return message(notification(number, sfid("701", 1), "Campaign"))


class Reload(Case):
    def test_a_new_map_of_channels_is_used_and_decides_anew_about_everything(self):
        with ReloadWorld() as world:
            org = world.start().org
            campaign, _, _, _ = self.campaign(world)
            self.settled(world, campaign=campaign)
            world.change(channels=FAIRS)
            self.assertIn("configuration loaded anew", world.hup())
            self.settled(world, Oracle(FAIRS))
            self.assertEqual({x["Channel__c"] for x in org.touchpoints(campaign)}, {"Fairs"})
            self.assertIn('because="the policy, channels or rules changed"', world.daemon.text())
            world.checked()

    def test_paths_and_organisations_come_and_go(self):
        with ReloadWorld() as world:
            world.start()
            other = "00D000000000077"
            path = "/salesforce/outbound/another"
            self.assertEqual(world.post(hint(1))[0], 200)
            self.assertEqual(world.post(message(notification(2, sfid("701", 1), "Campaign"), org=other))[0], 403)
            base = json.loads(world.write_config().read_text())["orgs"][0]
            world.change(listen={"path": path}, orgs=[base, {**base, "id": other, "name": "another"}])
            self.assertEqual(world.reload(), (200, {"status": "reloaded"}))
            self.assertIn(world.post(hint(3))[0], (403, 404), "the old path")
            self.assertEqual(world.post(hint(4), path=path)[0], 200)
            self.assertEqual(world.post(message(notification(5, sfid("701", 1), "Campaign"), org=other), path=path)[0], 200)
            self.assertEqual(len(world.ready()[1]["checks"]["orgs"]), 2)
            world.change(listen={"path": PATH}, orgs=[base])
            self.assertEqual(world.reload()[0], 200)
            self.assertEqual(world.post(message(notification(6, sfid("701", 1), "Campaign"), org=other))[0], 403)
            self.assertEqual(len(world.rows("SELECT 1 FROM notification WHERE org LIKE ?", other + "%")), 1, "what was taken stays")

    def test_what_is_wrong_is_refused_as_a_whole_with_the_reason(self):
        with ReloadWorld() as world:
            world.start()
            good = dict(world.config)
            cases = [
                ("a key that nobody knows", {"lissten": {}}, "lissten"),
                ("an address that a restart alone can change", {"listen": {"address": "127.0.0.1:1"}}, "listen.address differs"),
                ("another store", {"store": {"url": "sqlite:other.db"}}, "store.url differs"),
                ("a certificate without its key", {"tls": {"key": ["certs/server-rsa.key", "certs/server-rsa.key"]}}, "server"),
                ("an org's key that is not there", {"channels": FAIRS, "orgs": [{
                    "id": ORG_ID, "login_url": world.org.url, "audience": "https://login.salesforce.com",
                    "auth": {"type": "jwt", "client_id": "a", "username": "u", "key_file": "nothing.key"}}]}, "nothing.key"),
            ]
            for name, change, reason in cases:
                with self.subTest(name):
                    world.config = dict(good)
                    world.change(**change)
                    self.assertIn(reason, world.hup())
                    status, problem = world.reload()
                    self.assertEqual((status, problem["status"]), (422, 422))
                    self.assertIn(reason, problem["detail"])
            world.config = good
            (world.folder / "touchpointd.yaml").write_text("listen: [")
            self.assertEqual(world.reload()[0], 422)
            self.assertEqual(world.post(hint(1))[0], 200)
            self.assertNotIn("because", "".join(x for x in world.daemon.text().splitlines() if "a reconcile begins" in x and "changed" in x))
            world.write_config()
            self.assertEqual(world.reload()[0], 200)
            self.assertEqual(world.admin("/api/v1/reload", "POST")[0], 401)

    def test_certificates_that_change_are_used_as_soon_as_they_fit(self):
        with ReloadWorld() as world:
            world.start()
            old = world.served()
            fresh = world.folder / "fresh"
            fresh.mkdir()
            for name in ("ca.pem", "ca.key", "ca.ext"):
                shutil.copy(world.folder / "certs" / name, fresh / name)
            subprocess.run([ROOT / "certs" / "make-dev.sh", fresh], check=True, stdout=subprocess.DEVNULL)
            held = world.tls()  # goes on over the change
            for half in ("server.pem", "server-rsa.pem"):
                shutil.copy(fresh / half, world.folder / "certs" / half)
            wait_for("the half of a pair to be refused", lambda: "configuration is refused" in world.daemon.text())
            self.assertEqual(world.served(), old)
            for half in ("server.key", "server-rsa.key"):
                shutil.copy(fresh / half, world.folder / "certs" / half)
            wait_for("the new pair to be served", lambda: world.served() != old)
            body = hint(1).encode()
            held.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body)
            self.assertTrue(held.recv(100).startswith(b"HTTP/1.1 200"))
            held.close()

    def test_a_list_of_networks_that_changes_counts_at_once(self):
        def ranges(network):
            (world.folder / "ip-ranges.json").write_text(json.dumps({"prefixes": [{"ip_prefix": [network]}]}))

        def taken():
            try:
                return world.post(hint(1))[0] == 200
            except OSError:
                return False

        with ReloadWorld(listen={"ip_ranges_file": "ip-ranges.json"}) as world:
            ranges("127.0.0.0/24")
            world.start()
            self.assertTrue(taken())
            ranges("192.0.2.0/24")
            wait_for("strangers to be refused", lambda: not taken())
            (world.folder / "ip-ranges.json").write_text("{")
            wait_for("half a file to be refused", lambda: "configuration is refused" in world.daemon.text())
            self.assertFalse(taken())
            ranges("127.0.0.1/32")
            wait_for("ours to be let in", taken)

    def test_what_was_let_in_before_is_judged_again_before_it_is_taken(self):
        """A request for health whose body comes after health was closed would else be a message that got past the secret in the path."""
        open_, closed = {"public_health": True}, {"public_health": False}
        secret = PATH + "/secret"
        with ReloadWorld(admin=open_, listen={"path": PATH}) as world:
            world.start()
            for number, (line, admin, path, status) in enumerate((
                    ("GET /healthz", closed, PATH, b"404"), (f"POST {PATH}", open_, secret, b"404"), (f"POST {PATH}", closed, PATH, b"200")), 1):
                with self.subTest((line, status)):
                    world.change(admin=open_, listen={"path": PATH})
                    self.assertEqual(world.reload()[0], 200)
                    body = hint(number).encode()
                    with world.tls() as peer:
                        peer.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nExpect: 100-continue\r\n"
                                     f"Content-Length: {len(body)}\r\n\r\n".encode())
                        self.assertIn(b" 100 ", peer.recv(1000))
                        world.change(admin=admin, listen={"path": path})
                        self.assertEqual(world.reload()[0], 200)
                        peer.sendall(body)
                        self.assertEqual(peer.recv(4096).split(b" ")[1], status)
                    stored = world.rows("SELECT 1 FROM notification WHERE notification_id = ?", sfid("04l", number))
                    self.assertEqual(len(stored), status == b"200")

    def test_no_request_fails_while_reloads_go_on(self):
        with ReloadWorld() as world:
            world.start()
            world.checked()
            threads, descriptors = world.threads(), None
            problems, sent, over = [], [0] * 4, threading.Event()
            context = ssl.create_default_context(cafile=str(world.ca))

            def load(k):
                connection = None
                while not over.is_set():
                    try:
                        if connection is None or sent[k] % 25 == 0:
                            if connection is not None:
                                connection.close()
                            connection = http.client.HTTPSConnection("localhost", world.port, context=context, timeout=60)
                        status = world.post(hint(10000 * (k + 1) + sent[k]), connection=connection)[0]
                        if status != 200:
                            problems.append(status)
                        sent[k] += 1
                    except Exception as why:  # whatever it is, a sender would see it
                        problems.append(repr(why))
                        connection = None
                connection.close()

            senders = [threading.Thread(target=load, args=(k,)) for k in range(4)]
            for x in senders:
                x.start()
            for i in range(300):
                if i >= 30 and min(sent) > 30:
                    break
                world.change(policy={"default_channel": f"Other {i % 3}"}, listen={"max_body": f"{1 + i % 4}MiB"}, worker={
                    **DEFAULTS["worker"], "threads": 1 + i % 4})
                self.assertEqual(world.reload()[0], 200)
                if i == 5:
                    descriptors = world.descriptors()
            over.set()
            for x in senders:
                x.join()
            self.assertEqual(problems, [])
            self.assertGreater(min(sent), 30)
            world.change(worker=DEFAULTS["worker"])
            self.assertEqual(world.reload()[0], 200)
            wait_for("the threads of the old ones to be gone", lambda: world.threads() <= threads)
            wait_for("no descriptor to be left over", lambda: world.descriptors() <= descriptors + 4)
            self.assertEqual(world.daemon.terminate(), 0)

    def test_a_pass_ends_with_what_it_began_with_and_the_next_decides_anew(self):
        with ReloadWorld(org_options={"latency_ms": 60}) as world:
            org = world.start().org
            world.checked()
            campaign = org.call("POST", "/sim/load", {"campaigns": 1, "members": 12000, "seed": 5, "sync_type": None, "type": "Trade Show"})["campaigns"][0]
            org.update("Campaign", {"Id": campaign, "Enable_Buyer_Touchpoints__c": "Include all Campaign Members"})
            wait_for("the pass to have written a part", lambda: org.stats()["rows"]["upsert_created"] > 0)
            world.change(channels=FAIRS)
            self.assertEqual(world.reload()[0], 200)
            self.assertLess(org.stats()["rows"]["upsert_created"], 12000, "the pass is under way")
            wait_for("all to be written again", lambda: time.sleep(0.2) or org.stats()["rows"]["upsert_updated"] >= 12000, 120)
            self.drained(world)
            self.assertEqual(org.stats()["rows"]["upsert_created"], 12000, "none was made twice")
            self.assertEqual([x["Channel__c"] for x in org.touchpoints(campaign)], ["Fairs"] * 12000)
            self.assertNotIn("level=error", world.daemon.text())


if __name__ == "__main__":
    runner.main()
