"""Starts the world that the browser looks at: an org, a daemon with 100,000 failed messages, documents in quarantine."""
import os
import pathlib
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from harness import ADMIN_TOKEN, ORG_ID, World, wait_for  # noqa: E402

FAILED = 100_000


def fail_one(world):
    """A member whose touchpoint the org refuses: one message that failed as they do."""
    org = world.org
    org.fault("row_error", "collections_upsert", {"statusCode": "STRING_TOO_LONG", "message": "Email: data value too large", "fields": []}, count=-1)
    campaign = org.create("Campaign", {"Name": "Too long", "Type": "Trade Show", "Enable_Buyer_Touchpoints__c": "Include all Campaign Members"})[0]
    lead = org.create("Lead", {"LastName": "Long", "Company": "Example", "Email": "long@example.com"})[0]
    org.create("CampaignMember", {"CampaignId": campaign, "LeadId": lead, "Status": "Sent"})
    failed = "SELECT id FROM notification WHERE state = 3 AND code = 'STRING_TOO_LONG' AND notification_id LIKE '04l%'"
    row = wait_for("a message to fail", lambda: world.rows(failed))[0][0]
    org.flush()
    org.heal()
    return row


def multiply(world, row):
    """Copies of it until there are as many as a bad week leaves: the daemon would take too long to make them."""
    db = sqlite3.connect(world.folder / "queue.db")
    own = {"id": "NULL", "notification_id": "printf('04lFAIL%08dAAA', n)", "record_id": "printf('00vFAIL%08dAAA', n)",
           "received_at": "received_at - n * 1000", "settled_at": "settled_at - n * 1000"}
    names = [column[1] for column in db.execute("PRAGMA table_info(notification)")]
    with db:
        there = db.execute("SELECT count(*) FROM notification WHERE state = 3 AND code = 'STRING_TOO_LONG'").fetchone()[0]
        db.execute(
            f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) INSERT INTO notification ({', '.join(names)})"
            f" SELECT {', '.join(own.get(name, name) for name in names)} FROM numbers, notification WHERE id = ?", (FAILED - there, row))
        db.execute("UPDATE tally SET failed = failed + ?", (FAILED - there,))
    db.close()


def main():
    with World(worker={"threads": 2, "lease": "20s", "request_timeout": "10s", "echo": "2s", "reconcile": "off"}) as world:
        world.start()
        row = fail_one(world)
        world.daemon.terminate()
        multiply(world, row)
        world.start_daemon()
        world.checked()
        world.post("<order><b onclick='alert(1)'>not a message</b></order>")
        wait_for("the document to be kept", lambda: world.rows("SELECT 1 FROM quarantine"))
        env = {**os.environ, "PAGE": f"http://127.0.0.1:{world.admin_port}/", "TOKEN": ADMIN_TOKEN, "ORG": world.org.url, "ORG_ID": ORG_ID}
        return subprocess.run(["node", *sys.argv[1:]], env=env, check=False).returncode


sys.exit(main())
