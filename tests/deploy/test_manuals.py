"""The manual pages say what the programs do: every key with its default and range, every option, command and metric, and nothing else."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import runner  # noqa: E402

MAN = ROOT / "deploy" / "man"
FLAVOUR = ROOT / "build" / os.environ.get("TP_FLAVOUR", "release")
SECTIONS = {"raw_config": "", "raw_listen": "listen.", "raw_tls": "tls.", "raw_store": "store.", "raw_admin": "admin.", "raw_worker": "worker.",
            "raw_log": "log.", "raw_policy": "policy.", "raw_org": "orgs[].", "raw_auth": "orgs[].auth.", "config_channel": "channels[].",
            "config_rule": "rules[].", "config_group": "rules[].any[].", "config_condition": "rules[].any[].all[]."}
UNITS = {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "SECOND": 1000, "MINUTE": 60000, "HOUR": 3600000, "DAY": 86400000}
CONFIG = ROOT / "receiver" / "config"


def value(text):
    product = 1
    for factor in text.split("*"):
        factor = factor.strip()
        product *= UNITS.get(factor) or int(factor)
    return product


def spelled(setter, n):
    """The ways to write a bound."""
    if setter in ("set_duration", "set_reconcile"):
        return [f"{n // size}{name}" for name, size in (("ms", 1), ("s", 1000), ("m", 60000), ("h", 3600000), ("d", 86400000)) if n % size == 0]
    if setter == "set_size":
        return [str(n)] + [f"{n >> bits}{name}" for name, bits in (("KiB", 10), ("MiB", 20), ("GiB", 30)) if n % (1 << bits) == 0]
    return [str(n)]


def settings():
    """key: (setter, default or None, least, most, words) of every row of the settings table."""
    rows = {}
    text = (CONFIG / "settings.h").read_text().replace("\\\n", " ")
    for section, key, setter, default, least, most, words in re.findall(
            r'X\(\s*(raw_\w+),\s*(\w+),\s*[\w.]+,\s*(\w+),\s*(NULL|"[^"]*"),\s*([\w* ]+?),\s*([\w* ]+?),\s*(\w+)\)', text):
        rows[SECTIONS[section] + key] = (setter, None if default == "NULL" else default.strip('"'), value(least), value(most), words)
    return rows


def lists():
    """The keys of the schema that have no row in the table."""
    text = (CONFIG / "raw.c").read_text()
    keys = {SECTIONS[section] + key for section, key in re.findall(r"(?:LIST|TEXT)\((\w+), (\w+),", text) if section in SECTIONS}
    keys |= {"channels[].null_channel", "orgs[].schema"}
    return keys - {"orgs", "channels", "rules"}


def choices():
    text = (CONFIG / "convert.h").read_text() + "".join(f.read_text() for f in CONFIG.glob("convert*.c"))
    return {name: re.findall(r'"([^"]+)"', body) for name, body in re.findall(r"(WORDS_\w+)\[\]\s*=\s*\{([^}]*)\}", text, re.S)}


def manual():
    """key: (default as the manual shows it, what it says)."""
    entries, keys = {}, []
    for line in (MAN / "touchpointd.yaml.5.scd").read_text().splitlines():
        if line.startswith("*") and re.match(r"\*[\w\[\].]+\* (= |\(required)", line):
            keys = []
            for key, shown in re.findall(r"\*([\w\[\].]+)\* (= [^,]*|\(required\))", line):
                entries[key] = [shown.removeprefix("= ").replace(" †", ""), ""]
                keys.append(key)
            if "†" in line:
                entries[keys[0]].append("restart")
        elif line.startswith("\t"):
            for key in keys:
                entries[key][1] += " " + line.strip()
        elif line:
            keys = []
    return entries


class Configuration(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.settings, self.manual = settings(), manual()
        self.assertGreater(len(self.settings), 40)

    def test_every_key_is_in_the_manual_and_no_other(self):
        self.assertEqual(sorted(self.settings.keys() | lists()), sorted(self.manual))

    def test_defaults_are_the_programs(self):
        for key, (_, default, *_rest) in self.settings.items():
            with self.subTest(key):
                shown = self.manual[key][0].strip('"')
                self.assertEqual(shown, "(required)" if default is None else default)

    def test_ranges_are_the_programs(self):
        for key, (setter, _, least, most, words) in self.settings.items():
            said = re.findall(r"[\w.]+", self.manual[key][1])
            said = [word.rstrip(".") for word in said]
            for bound in (least, most) if most and setter != "set_api_version" else ():
                with self.subTest(key, bound=bound):
                    self.assertTrue(set(spelled(setter, bound)) & set(said), f"{spelled(setter, bound)} is not in: {self.manual[key][1]}")

    def test_choices_are_the_programs(self):
        known = choices()
        for key, (_, default, _, _, words) in self.settings.items():
            for word in known[words] if words != "NULL" and words != "WORDS_BOOL" else ():
                with self.subTest(key, word=word):
                    self.assertIn(word, self.manual[key][1])

    def test_what_wants_a_restart_is_marked(self):
        fixed = set(re.findall(r'\{"(\w+\.\w+)",', (ROOT / "receiver" / "reload.c").read_text()))
        self.assertGreater(len(fixed), 4)
        self.assertEqual(fixed, {key for key, entry in self.manual.items() if len(entry) > 2})

    def test_the_schemas_keys_are_all_there(self):
        text = (MAN / "touchpointd.yaml.5.scd").read_text().split("# SCHEMA KEYS")[1].split("\n# ")[0]
        keys = re.findall(r'X\(SCHEMA_\w+, "([\w.]+)"', (ROOT / "include" / "schema.h").read_text())
        self.assertGreater(len(keys), 20)
        self.assertEqual(sorted(keys), sorted(re.findall(r"\*([a-z_.]+)\*", text)))


class Programs(unittest.TestCase):
    def page(self, name):
        return (MAN / name).read_text()

    def says(self, program, *arguments):
        return subprocess.run([FLAVOUR / program, *arguments], capture_output=True, text=True, check=True).stdout

    def test_the_daemons_options_are_in_its_manual(self):
        for option in re.findall(r"^  (--\w+)", self.says("touchpointd", "--help"), re.M):
            with self.subTest(option):
                self.assertIn(f"*{option}*", self.page("touchpointd.8.scd"))

    def commands(self):
        return re.findall(r'^    \{"([a-z-]+)", "', (ROOT / "receiver" / "ctl" / "commands.c").read_text(), re.M)

    def test_every_command_of_touchpointctl_is_in_its_manual_and_no_other(self):
        page = self.page("touchpointctl.1.scd").split("# COMMANDS", 1)[1].split("# EXIT STATUS")[0]
        said = [name for line in page.splitlines() if line.startswith("*") for name in re.findall(r"(?:^|, )\*([a-z-]+)\*", line)]
        self.assertGreater(len(said), 20)
        self.assertEqual(sorted(self.commands()), sorted(said))
        options = set(re.findall(r"^  (--[\w-]+)", self.says("touchpointctl", "--help"), re.M))
        self.assertEqual([o for o in options if f"*{o}*" not in self.page("touchpointctl.1.scd")], [])

    def options(self, command):
        """What the program says it takes."""
        done = subprocess.run([FLAVOUR / "touchpointctl", command, "--no-such-option"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        taken = re.search(r"which takes(.*)", done.stderr)
        return taken.group(1).split() if taken else []

    def test_each_commands_options_are_in_the_manual_and_in_the_completion(self):
        page = self.page("touchpointctl.1.scd")
        script = (ROOT / "deploy" / "completion" / "touchpointctl.bash").read_text()
        offered = dict(re.findall(r"\[([a-z-]+)\]='([^']*)'", script))
        filters = re.search(r"^FILTER: .*", page, re.M).group()
        self.assertEqual(sorted(offered), sorted(self.commands()))
        for command in self.commands():
            with self.subTest(command):
                takes = self.options(command) if command not in ("status", "doctor", "reload", "check-config") else []
                self.assertEqual(sorted(offered[command].split()), sorted(takes))
                entry = re.search(rf"^(?:\*pause\*.*)?\*{command}\*.*", page, re.M).group()
                if "_FILTER_" in entry:
                    entry += filters
                self.assertEqual([o for o in takes if o != "--json" and f"*{o}*" not in entry], [])

    def test_the_completion_completes(self):
        rows = [("touchpointctl re", "reconcile reload replay resume"), ("touchpointctl --json me", "messages"), ("touchpointctl replay --s", "--since --state"),
                ("touchpointctl preview 701 --setting r", "responded"), ("touchpointctl --u", "--url"), ("touchpointctl jobs --state h", "held"),
                ("touchpointctl replay A", "ALL")]
        for line, want in rows:
            with self.subTest(line):
                words = line.split(" ")
                got = subprocess.run(
                    ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _touchpointctl; echo "${COMPREPLY[*]}"', "-",
                     ROOT / "deploy" / "completion" / "touchpointctl.bash", *words], capture_output=True, text=True, check=True)
                self.assertEqual(" ".join(sorted(got.stdout.split())), want, got.stderr)

    def test_every_metric_is_in_the_manual_and_no_other(self):
        names = re.findall(r'X\(METRIC_\w+, \w+, "(\w+)", "([\w,]*)"', (ROOT / "include" / "metrics.h").read_text().replace("\\\n", " "))
        text = self.page("touchpointd.8.scd").split("# METRICS")[1].split("\n# ")[0]
        said = re.findall(r"\*(\w+)\*(?:\{([\w,]+)\})?", text)
        self.assertEqual(sorted(names), sorted((name, labels) for name, labels in said if name not in ("ok", "failed")))

    def test_the_pages_are_well_formed(self):
        for source in sorted(MAN.glob("*.scd")):
            with self.subTest(source.name):
                page = subprocess.run(["scdoc"], input=source.read_bytes(), capture_output=True, check=True).stdout
                self.assertIn(b".SH NAME", page)
                shown = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-Kutf8"], input=page, capture_output=True, check=True)
                self.assertEqual(shown.stderr.decode(), "")


if __name__ == "__main__":
    runner.main()
