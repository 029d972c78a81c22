"""What monitoring is given: the metrics as promtool reads them, the alert rules, the dashboard."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import runner  # noqa: E402
from harness import World, message, notification, sfid, wait_for  # noqa: E402

RULES = ROOT / "deploy" / "prometheus" / "touchpointd.rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "touchpointd.json"


def metrics():
    """name: kind, of every metric, histograms' parts included."""
    rows = re.findall(r'X\(METRIC_\w+, (\w+), "(\w+)"', (ROOT / "include" / "metrics.h").read_text().replace("\\\n", " "))
    names = {}
    for kind, name in rows:
        for part in ("_bucket", "_sum", "_count") if kind == "HISTOGRAM" else ("",):
            names["touchpoint_" + name + part] = kind
    return names


def promtool(*arguments, text=""):
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60)


class Metrics(unittest.TestCase):
    def test_promtool_reads_the_metrics_of_a_daemon_that_worked_and_finds_nothing_to_say(self):
        with World().start() as world:
            world.post(message(notification(1, sfid("701", 1), "Campaign", Name="One")))
            wait_for("the notification to be settled", lambda: world.metric("touchpoint_sync_seconds_count") >= 1)
            text = world.admin("/metrics")[1]
        text = text if isinstance(text, str) else text.decode()
        seen = set(re.findall(r"^# TYPE (\w+)", text, re.M))
        self.assertIn("touchpoint_check_failing", seen)
        checked = promtool("check", "metrics", text=text)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))


class Rules(unittest.TestCase):
    def test_the_rules_do_what_their_tests_say(self):
        for arguments in (("check", "rules", str(RULES)), ("test", "rules", str(ROOT / "tests" / "deploy" / "alerts.test.yaml"))):
            checked = promtool(*arguments)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_each_rule_is_tested_both_ways(self):
        tests = (ROOT / "tests" / "deploy" / "alerts.test.yaml").read_text()
        for name in re.findall(r"alert: (\w+)", RULES.read_text()):
            with self.subTest(name):
                self.assertRegex(tests, rf"alertname: {name}, exp_alerts: \[\]")
                self.assertRegex(tests, rf"alertname: {name}\n\s+exp_alerts:\n\s+- exp_labels")

    def test_rules_ask_for_metrics_that_there_are(self):
        asked = set(re.findall(r"touchpoint_\w+", RULES.read_text()))
        self.assertGreater(len(asked), 8)
        self.assertEqual(asked - metrics().keys(), set())


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.board = json.loads(DASHBOARD.read_text())

    def test_panels_ask_for_metrics_that_there_are_in_the_way_of_their_kind(self):
        known = metrics()
        for panel in self.board["panels"]:
            for target in panel["targets"]:
                for name in re.findall(r"touchpoint_\w+", target["expr"]):
                    with self.subTest(panel["title"], name=name):
                        self.assertIn(name, known)
                        if known[name] == "COUNTER":
                            self.assertRegex(target["expr"], r"\b(rate|increase)\(")

    def test_promtool_can_read_each_question(self):
        asked = [target["expr"].replace("$instance", ".*").replace("$org", ".*") for panel in self.board["panels"] for target in panel["targets"]]
        rules = [{"record": f"r{number}", "expr": expr} for number, expr in enumerate(asked)]
        with tempfile.NamedTemporaryFile("w", prefix="touchpointd-", suffix=".json") as file:
            json.dump({"groups": [{"name": "g", "rules": rules}]}, file)
            file.flush()
            checked = promtool("check", "rules", file.name)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn(f"{len(asked)} rules found", checked.stdout)

    def test_panels_lie_beside_each_other(self):
        taken = set()
        for panel in self.board["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        self.assertEqual(len({panel["id"] for panel in self.board["panels"]}), len(self.board["panels"]))


if __name__ == "__main__":
    runner.main()
