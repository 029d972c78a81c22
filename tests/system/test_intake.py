"""The intake as a client sees it: what is acknowledged is in the database, what is refused is answered as agreed."""
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
import unittest

import runner
from harness import ADMIN_TOKEN, ORG_ID, PATH, ROOT, FLAVOUR, World, message, notification, sfid, wait_for

ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    b'<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


class Intake(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(listen={"request_timeout": "3s", "max_body": "256KiB"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()

    def stored(self, number):
        return self.world.rows("SELECT record_id, kind, state FROM notification WHERE notification_id = ?", sfid("04l", number))

    def refused(self, status, who, *args, **kwargs):
        got, headers, body = self.world.post(*args, **kwargs)
        self.assertEqual(got, status, body)
        if who:
            self.assertIn(b"<faultcode>soapenv:" + who + b"</faultcode>", body)
            self.assertEqual(headers["Content-Type"], "text/xml; charset=UTF-8")
        return headers, body

    def test_an_acknowledged_message_is_in_the_database(self):
        body = message(*(notification(100 + i, sfid("00v", 100 + i), "CampaignMember", CampaignId=sfid("701", 1)) for i in range(3)))
        status, headers, reply = self.world.post(body)
        self.assertEqual((status, reply), (200, ACK))
        self.assertEqual(headers["Content-Type"], "text/xml; charset=UTF-8")
        self.assertEqual(int(headers["Content-Length"]), len(ACK))
        for i in range(3):
            self.assertEqual(self.stored(100 + i)[0][0], sfid("00v", 100 + i))

    def test_a_known_id_is_acknowledged_and_stored_once(self):
        body = message(notification(200, sfid("00v", 200), "CampaignMember", CampaignId=sfid("701", 1)))
        before = self.world.metric("touchpoint_notifications_duplicate_total", org=ORG_ID)
        for _ in range(3):
            self.assertEqual(self.world.post(body)[0], 200)
        self.assertEqual(len(self.stored(200)), 1)
        self.assertEqual(self.world.metric("touchpoint_notifications_duplicate_total", org=ORG_ID), before + 2)

    def test_an_id_that_names_two_records_keeps_both(self):
        one = notification(201, sfid("00v", 201), "CampaignMember", CampaignId=sfid("701", 1))
        two = notification(201, sfid("00v", 202), "CampaignMember", CampaignId=sfid("701", 1))
        self.assertEqual(self.world.post(message(one, two))[0], 200)
        self.assertEqual({r[0] for r in self.stored(201)}, {sfid("00v", 201), sfid("00v", 202)})

    def test_an_object_without_meaning_is_acknowledged_as_ignored(self):
        self.assertEqual(self.world.post(message(notification(300, sfid("006", 1), "Opportunity", Name="x")))[0], 200)
        self.assertEqual(self.stored(300)[0][2], 2)

    def test_an_empty_object_is_acknowledged(self):
        empty = f"<Notification><Id>{sfid('04l', 310)}</Id><sObject xsi:nil=\"true\"/></Notification>"
        self.assertEqual(self.world.post(message(empty))[0], 200)
        self.assertEqual(self.stored(310)[0][0], "")

    def test_a_hundred_go_in_and_a_hundred_and_one_do_not(self):
        many = [notification(400 + i, sfid("003", i + 1), "Contact") for i in range(101)]
        self.assertEqual(self.world.post(message(*many[:100]))[0], 200)
        self.refused(400, b"Client", message(*(n.replace(sfid("04l", 400)[:12], "04l0000zz000") for n in many)))

    def test_what_is_no_message_is_a_client_fault_with_its_line(self):
        for body in ("", "hello", "<a/>", message(), message(notification(1, "bad", "Campaign")), message()[:200],
                     '<!DOCTYPE x [<!ENTITY a "b">]>' + message(notification(500, sfid("701", 1), "Campaign"))):
            self.refused(400, b"Client", body)
        _, text = self.refused(400, b"Client", message(notification(501, sfid("701", 1), "Campaign")).replace("<Notification>", "\n\n<Notice>"))
        self.assertIn(b"line 3", text)

    def test_another_organisation_is_refused_and_counted(self):
        other = sfid("00D", 4711)
        self.refused(403, b"Client", message(notification(510, sfid("701", 1), "Campaign"), org=other))
        self.assertEqual(self.world.metric("touchpoint_messages_received_total", org=other), 1)
        self.assertEqual(self.stored(510), [])

    def test_path_method_and_content_type(self):
        body = message(notification(520, sfid("701", 1), "Campaign"))
        self.refused(404, None, body, path=PATH + "x")
        headers, _ = self.refused(405, None, body, method="PUT")
        self.assertEqual(headers["Allow"], "POST")
        self.refused(415, None, body, headers={"Content-Type": "application/json"})
        self.assertEqual(self.stored(520), [])

    def test_a_body_over_the_limit_is_413_and_a_head_431(self):
        self.refused(413, None, message("x" * 300000))
        self.refused(431, None, "x", headers={f"X-{i}": "y" * 1000 for i in range(20)})

    def test_chunked_bodies_and_a_15_character_organisation(self):
        body = message(notification(530, sfid("701", 3)[:15], "Campaign"), org=ORG_ID[:15]).encode()
        tls = self.world.tls()
        tls.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), 100):
            piece = body[at : at + 100]
            tls.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        tls.sendall(b"0\r\n\r\n")
        self.assertTrue(tls.recv(4096).startswith(b"HTTP/1.1 200 "))
        tls.close()
        self.assertEqual(self.stored(530)[0][0], sfid("701", 3))

    def test_requests_that_two_parsers_could_read_differently_are_refused(self):
        body = message(notification(540, sfid("701", 1), "Campaign"))
        for head in (f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked", f"Content-Length: {len(body)}\r\nContent-Length: 5",
                     f"Content-Length : {len(body)}", f"Content-Length: +{len(body)}", f"X: a\r\n b\r\nContent-Length: {len(body)}"):
            tls = self.world.tls()
            tls.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n{head}\r\n\r\n{body}".encode())
            self.assertTrue(tls.recv(4096).startswith(b"HTTP/1.1 400 "), head)
            tls.close()
        self.assertEqual(self.stored(540), [])

    def test_a_slow_peer_is_cut_off_at_the_deadline(self):
        tls = self.world.tls()
        start = time.monotonic()
        try:
            for byte in b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" * 100:
                tls.sendall(bytes([byte]))
                tls.settimeout(0.1)
                try:
                    if tls.recv(1000) is not None:
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        self.assertLess(time.monotonic() - start, 60)
        tls.close()

    def test_only_tls_1_2_and_1_3(self):
        for version, works in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.world.port}", "-CAfile", self.world.ca, version, "-cipher",
                 "DEFAULT@SECLEVEL=0"], input=b"", capture_output=True)
            self.assertEqual(b"Verify return code: 0 (ok)" in done.stdout and b"Cipher is (NONE)" not in done.stdout, works, version)

    def test_curl_can_post_too(self):
        body = message(notification(550, sfid("701", 5), "Campaign")).encode()
        done = subprocess.run(
            ["curl", "-sS", "--cacert", self.world.ca, "-H", "Content-Type: text/xml; charset=UTF-8", "-H", "Expect: 100-continue",
             "--data-binary", "@-", self.world.url], input=body, capture_output=True)
        self.assertEqual((done.stdout, done.returncode), (ACK, 0), done.stderr)

    def test_a_session_id_is_nowhere(self):
        secret = "00Dsecret!session.id.that.must.not.stay"
        body = message(notification(560, sfid("701", 5), "Campaign")).replace('<SessionId xsi:nil="true"/>', f"<SessionId>{secret}</SessionId>")
        self.assertEqual(self.world.post(body)[0], 200)
        self.assertEqual(self.world.post(body.replace("</soapenv:Body>", "</wrong>"))[0], 400)
        for file in self.world.folder.rglob("*"):
            if file.is_file():
                self.assertNotIn(secret.encode(), file.read_bytes(), file)

    def test_health_and_metrics_answer_and_the_api_wants_its_token(self):
        self.assertEqual(self.world.admin("/healthz"), (200, '{"status":"ok"}'))
        status, ready = self.world.ready()
        self.assertEqual(status, 200)
        self.assertEqual(ready["checks"]["store"]["status"], "ok")
        text = self.world.admin("/metrics")[1]
        for name in ("messages_received_total", "notifications_received_total", "intake_seconds", "store_commit_seconds", "store_batch_size",
                     "connections", "tls_handshakes_total", "queue_notifications", "sync_seconds", "touchpoints_written_total",
                     "org_requests_total", "org_request_seconds", "build_info", "certificate_expiry_seconds"):
            self.assertIn(f"# TYPE touchpoint_{name} ", text)
        self.assertEqual(self.world.admin("/api/v1/jobs")[0], 401)
        self.assertEqual(self.world.admin("/api/v1/jobs", token="wrong")[0], 401)
        self.assertEqual(json.loads(self.world.admin("/api/v1/jobs", token=ADMIN_TOKEN)[1]), {"jobs": [], "next": None})
        self.assertEqual(self.world.admin("/nothing")[0], 404)
        for method, path, status, field, value in (("HEAD", "/healthz", 200, "Content-Type", "application/json"),
                                                   ("POST", "/healthz", 405, "Allow", "GET, HEAD"),
                                                   ("GET", "/api/v1/jobs/1/approve", 405, "Allow", "POST"),
                                                   ("GET", "/api/v1/jobs", 401, "WWW-Authenticate", 'Bearer realm="touchpointd"')):
            door = http.client.HTTPConnection("127.0.0.1", self.world.admin_port, timeout=60)
            door.request(method, path)
            reply = door.getresponse()
            self.assertEqual((reply.status, reply.getheader(field)), (status, value), (method, path))
            door.close()


class Ending(unittest.TestCase):
    def test_sigterm_under_load_loses_nothing_and_ends_well(self):
        with World() as world:
            world.start()
            acked, stop = [], threading.Event()

            def load(base):
                context = ssl.create_default_context(cafile=str(world.ca))
                n = base
                while not stop.is_set():
                    try:
                        with socket.create_connection(("127.0.0.1", world.port), timeout=10) as raw, \
                                context.wrap_socket(raw, server_hostname="localhost") as tls:
                            while not stop.is_set():
                                body = message(notification(n, sfid("003", n), "Contact")).encode()
                                tls.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
                                            % (PATH.encode(), len(body), body))
                                reply = tls.recv(4096)
                                if not reply:
                                    break
                                if reply.startswith(b"HTTP/1.1 200"):
                                    acked.append(n)
                                n += 1
                    except OSError:
                        stop.wait(0.01)

            threads = [threading.Thread(target=load, args=(10000 * i + 1,)) for i in range(1, 5)]
            for t in threads:
                t.start()
            wait_for("some acknowledgements", lambda: len(acked) > 200)
            status = world.daemon.terminate()
            stop.set()
            for t in threads:
                t.join()
            self.assertEqual(status, 0, world.daemon.text()[-2000:])
            have = {r[0] for r in world.rows("SELECT notification_id FROM notification")}
            self.assertEqual([n for n in acked if sfid("04l", n) not in have], [])

    def test_a_second_daemon_on_the_same_file_is_refused(self):
        with World() as world:
            world.start()
            text = (world.folder / "touchpointd.yaml").read_text()
            other = world.folder / "other.yaml"
            other.write_text(text.replace(str(world.port), "0").replace(f"127.0.0.1:{world.admin_port}", "127.0.0.1:0"))
            done = subprocess.run([ROOT / "build" / FLAVOUR / "touchpointd", "--config", other], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)

    def test_check_says_where_the_configuration_is_wrong(self):
        with World() as world:
            world.start_org()
            path = world.write_config()
            daemon = ROOT / "build" / FLAVOUR / "touchpointd"
            good = subprocess.run([daemon, "--config", path, "--check"], capture_output=True, text=True)
            self.assertEqual(good.returncode, 0, good.stderr)
            self.assertIn(str(world.port), good.stdout)
            bad = world.folder / "bad.yaml"
            bad.write_text(path.read_text().replace('"login_url"', '"login_ulr"'))
            done = subprocess.run([daemon, "--config", bad, "--check"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"bad\.yaml:\d+: .*login_ulr")
            self.assertEqual(subprocess.run([daemon, "--nonsense"], capture_output=True).returncode, 2)


if __name__ == "__main__":
    runner.main()
