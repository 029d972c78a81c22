"""Starts the world that the browser looks at: an org, a daemon with 100,000 failed messages, documents in quarantine."""
import os
import pathlib
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from harness import ADMIN_TOKEN, ORG_ID, World, wait_for  # noqa: E402

FAILED = 100_000


def fill(world):
    """As many failed messages as a bad week leaves: only the daemon could make them, and it would take too long."""
    db = sqlite3.connect(world.folder / "queue.db")
    now = int(time.time() * 1000)
    rows = (
        (
            ORG_ID, f"04lFAIL{n:08}AAA", f"00vFAIL{n:08}AAA", "701FAIL00000000AAA", n, now - n * 1000, now - n * 1000,
            "STRING_TOO_LONG", "the org refused the touchpoint: Email is too long (80)",
        )
        for n in range(1, FAILED + 1)
    )
    with db:
        db.executemany(
            "INSERT INTO notification (org, notification_id, record_id, key, seq, received_at, settled_at, code, message, subject_id, kind, object,"
            " state, background, due_at, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', 1, 'CampaignMember', 3, 0, 0, 3)", rows)
        db.execute("UPDATE meta SET value = MAX(value, ?) WHERE name = 'seq'", (FAILED + 1,))
        db.execute("INSERT INTO tally VALUES (?, 0, 0, 0, ?) ON CONFLICT (org) DO UPDATE SET failed = failed + excluded.failed", (ORG_ID, FAILED))
    db.close()


def main():
    with World(worker={"threads": 2, "lease": "20s", "request_timeout": "10s", "echo": "2s", "reconcile": "off"}) as world:
        world.start()
        world.daemon.terminate()
        fill(world)
        world.start_daemon()
        world.checked()
        world.post("<order><b onclick='alert(1)'>not a message</b></order>")
        wait_for("the document to be kept", lambda: world.rows("SELECT 1 FROM quarantine"))
        env = {**os.environ, "PAGE": f"http://127.0.0.1:{world.admin_port}/", "TOKEN": ADMIN_TOKEN, "ORG": world.org.url, "ORG_ID": ORG_ID}
        return subprocess.run(["node", *sys.argv[1:]], env=env, check=False).returncode


sys.exit(main())
