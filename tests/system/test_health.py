"""What readiness must tell: a stuck worker, an org that can't be reached, an app whose access was revoked, a certificate about to expire.

(A disk that is full, read-only, or stalls: test_disk.py; a schema that does not fit: test_schema.py.)
"""
import subprocess
import unittest

import runner
from harness import World, sfid, message, notification, wait_for
from test_disk import FaultWorld


class Health(unittest.TestCase):
    def check(self, world, name, org=False):
        found = world.ready()[1]["checks"][name]
        return found[0] if org else found

    def test_a_worker_that_gives_no_sign_of_life(self):
        """Its claim waits for a disk that does not answer, and so does it; then the disk does."""
        with FaultWorld(worker={"threads": 2, "lease": "2s", "request_timeout": "1s", "echo": "2s", "reconcile": "off"}) as world:
            world.start()
            world.checked()
            self.assertEqual(self.check(world, "workers")["status"], "ok")
            fault = world.folder / "fault"
            fault.write_text("stall")
            world.post(message(notification(1, sfid("701", 1), "Campaign")))
            stuck = wait_for("the stuck workers", lambda: (c := self.check(world, "workers"))["status"] != "ok" and c, 30)
            self.assertEqual((stuck["status"], stuck["problem"]), ("degraded", "a worker has given no sign of life for two leases"))
            self.assertIn('touchpoint_check_failing{check="workers"} 1', world.admin("/metrics")[1])
            fault.unlink()
            wait_for("the workers to go on", lambda: self.check(world, "workers")["status"] == "ok", 30)

    def test_a_certificate_about_to_expire(self):
        with World() as world:
            def certificate(days):
                subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=localhost", "-addext",
                                "subjectAltName=DNS:localhost", "-keyout", world.folder / "certs/server.key", "-out", world.folder / "certs/server.pem"],
                               check=True, stderr=subprocess.DEVNULL)

            certificate(13)
            world.start()
            status, ready = world.ready()
            self.assertEqual(status, 200)
            self.assertNotEqual(ready["status"], "ok")
            old = [c for c in ready["checks"]["certificates"] if c["status"] != "ok"]
            self.assertEqual([(c["status"], c["days_left"]) for c in old], [("degraded", 12)])
            self.assertIn("renew it", old[0]["problem"])
            self.assertEqual(len(ready["checks"]["certificates"]), 2)
            self.assertIn('touchpoint_check_failing{check="certificates"} 1', world.admin("/metrics")[1])
            expiry = [float(line.split()[-1]) for line in world.admin("/metrics")[1].splitlines() if line.startswith("touchpoint_certificate_expiry_seconds{")]
            self.assertEqual([int(x // 86400) for x in expiry], [12], "of two with one name the one that expires first")
            certificate(60)
            self.assertEqual(world.api("/reload", "POST")[0], 200)
            self.assertEqual({c["status"] for c in self.check(world, "certificates")}, {"ok"})

    def test_an_org_that_can_not_be_reached_and_one_whose_app_was_revoked(self):
        with World() as world:
            world.start()
            world.checked()
            self.assertEqual(world.ready()[1]["status"], "ok")
            port = world.org.port
            world.org.process.terminate()
            self.assertEqual(world.post(message(notification(1, sfid("701", 1), "Campaign")))[0], 200, "messages are taken all the same")
            gone = wait_for("readiness to say so", lambda: (c := self.check(world, "orgs", True))["status"] != "ok" and c)
            self.assertEqual((gone["status"], gone["reachable"]), ("degraded", False))
            self.assertEqual(world.ready()[0], 200)
            world.start_org(port=port)
            wait_for("the org to be back", lambda: self.check(world, "orgs", True)["status"] == "ok", 90)
            world.org.call("POST", "/sim/tokens/revoke")
            world.org.fault("oauth", "token", "not_approved", count=-1)
            world.post(message(notification(2, sfid("701", 2), "Campaign")))
            revoked = wait_for("readiness to say so", lambda: (c := self.check(world, "orgs", True))["status"] != "ok" and c)
            self.assertEqual((revoked["status"], revoked["stopped"], revoked["authenticated"]), ("degraded", True, False))
            self.assertEqual(world.ready()[0], 200)
            world.org.heal()
            self.assertEqual(world.api("/doctor", "POST")[0], 200)
            wait_for("the org to be well", lambda: self.check(world, "orgs", True)["status"] == "ok", 90)


if __name__ == "__main__":
    runner.main()
