"""Refused documents: a copy is kept without session ids, within bounds, and nobody waits for it."""
import threading
import time
import unittest

import runner
from harness import ORG_ID, World, message, notification, sfid, wait_for

SECRET = "AQ8AQ.SecretOfTheSession_x.1"
SESSION = f"00D000000000001!{SECRET}"
COLUMNS = "at, org, peer, reason, message, size, kept, body"


def sample(number=1):
    return message(notification(number, sfid("701", number), "Campaign")).replace(
        '<SessionId xsi:nil="true"/>', f"<SessionId>{SESSION}</SessionId>")


def total(world, result):
    return world.metric("touchpoint_quarantined_total", result=result)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(store={"quarantine_max": "1MiB"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.world.stop()


class Quarantine(Case):
    def refuse(self, body):
        """Posts it, is refused, and gives what was kept."""
        kept = total(self.world, "kept")
        self.assertEqual(self.world.post(body)[0], 400)
        wait_for("the copy to be kept", lambda: total(self.world, "kept") == kept + 1)
        row = self.world.rows(f"SELECT {COLUMNS} FROM quarantine ORDER BY id DESC LIMIT 1")[0]
        return dict(zip(COLUMNS.split(", "), row))

    def test_a_copy_is_kept_with_what_is_known_of_it(self):
        body = sample().replace("<Notification>", "\n\n<Notice>")
        start = time.time() * 1000
        kept = self.refuse(body)
        self.assertEqual(kept["body"].decode(), body.replace(SESSION, "x" * len(SESSION)))
        self.assertEqual((kept["org"], kept["peer"], kept["size"], kept["kept"]), (ORG_ID, "127.0.0.1", len(body), len(body)))
        self.assertRegex(kept["message"], r"^line 3: .*\(" + kept["reason"] + r"\)$")
        self.assertLess(abs(kept["at"] - start), 60000)

    def test_no_session_id_is_in_it_however_broken_the_document_is(self):
        whole = sample()
        cut = whole.index(SECRET) + 10
        for body in (whole[:cut], whole.replace("</soapenv:Body>", "</x>"), whole.replace("SessionId>", "a:SessionId>"),
                     whole.replace("</SessionId>", ""), whole.replace("<SessionId>", "<SessionId"), whole.replace("SessionId", "Session_Id", 1),
                     whole.replace("<", "&lt;").replace(">", "&gt;"), whole.replace("<Notification>", "<Notification"),
                     f"SessionId={SESSION}", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY s "x">]>' + whole,
                     f"<SessionId><![CDATA[{SESSION}]]></SessionId>", "\ufeff" + whole.replace("</", "<")):
            with self.subTest(body[:60]):
                kept = self.refuse(body)
                self.assertNotIn(SECRET[:8].encode(), kept["body"])
                self.assertEqual(kept["size"], len(body.encode()))
        wide = self.refuse(whole.encode("utf-16"))["body"]
        self.assertEqual(set(wide), {ord("x")})
        for file in self.world.folder.rglob("*"):
            if file.is_file():
                self.assertNotIn(SECRET[:8].encode(), file.read_bytes(), file)

    def test_what_names_no_organisation_and_what_is_empty_is_kept_too(self):
        self.assertEqual(self.refuse("hello")["org"], "")
        self.assertEqual(self.refuse("<OrganizationId>0123456789012345678901</OrganizationId>")["org"], "")
        self.assertEqual(self.refuse(f"<OrganizationId>{ORG_ID[:15]}</OrganizationId>")["org"], ORG_ID)
        self.assertEqual(self.refuse("")["size"], 0)

    def test_messages_that_can_be_read_are_not_kept(self):
        before = total(self.world, "kept") + total(self.world, "dropped")
        self.assertEqual(self.world.post(sample(700))[0], 200)
        self.assertEqual(self.world.post(message(notification(701, sfid("701", 1), "Campaign"), org=sfid("00D", 4711)))[0], 403)
        self.assertEqual(self.world.post(sample(702), path="/else")[0], 404)
        self.refuse("x")  # comes after them
        self.assertEqual(total(self.world, "kept") + total(self.world, "dropped"), before + 1)

    def test_the_quarantine_stays_within_its_bytes_and_large_ones_are_cut(self):
        for i in range(8):
            kept = self.refuse(f"<a{i}>" + "y" * 600000)
            self.assertEqual((kept["size"], kept["kept"], len(kept["body"])), (600004, 256 << 10, 256 << 10))
            self.assertTrue(kept["body"].startswith(f"<a{i}>".encode()))
        self.assertLessEqual(self.world.rows("SELECT sum(length(body)) FROM quarantine")[0][0], 1 << 20)
        self.assertGreaterEqual(self.world.rows("SELECT count(*) FROM quarantine")[0][0], 3)


class Flood(Case):
    def test_a_flood_of_them_does_not_hold_up_messages(self):
        before = total(self.world, "kept") + total(self.world, "dropped")
        sent, stop, started = [0] * 4, threading.Event(), time.monotonic()

        def flood(k):
            while not stop.is_set():
                self.world.post(b"<a>" + b"y" * 300000)
                sent[k] += 1

        threads = [threading.Thread(target=flood, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_for("the flood", lambda: sum(sent) > 40)
            for number in range(800, 830):
                self.assertEqual(self.world.post(sample(number))[0], 200)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        wait_for("each to be kept or dropped", lambda: total(self.world, "kept") + total(self.world, "dropped") == before + sum(sent))
        burst, pace, each = 4 << 20, 1 << 20, (256 + 16) << 10
        self.assertLessEqual(total(self.world, "kept") * each, burst + pace * (time.monotonic() - started) + each)
        self.assertEqual(len(self.world.rows("SELECT 1 FROM notification WHERE notification_id BETWEEN ? AND ?", sfid("04l", 800), sfid("04l", 829))), 30)


class Off(unittest.TestCase):
    def test_with_a_bound_of_zero_none_is_kept(self):
        with World(store={"quarantine_max": 0}) as world:
            world.start()
            self.assertEqual(world.post("x")[0], 400)
            self.assertEqual(world.post(sample())[0], 200)
            self.assertEqual(world.rows("SELECT count(*) FROM quarantine"), [(0,)])
            self.assertEqual(total(world, "kept") + total(world, "dropped"), 0)


if __name__ == "__main__":
    runner.main()
