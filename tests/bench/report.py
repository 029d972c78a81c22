"""Turns what the bench measured into rows with their budgets, a table and a JSON file."""

import json
import os
import pathlib
import platform
import re
import sqlite3
import ssl
import statistics
import subprocess
import time

MIB = 1024 * 1024


def rate(sample):
    return sample["rate"]


def cpu(sample):
    return sample["cpu_us"]


def p99(sample):
    return sample["latency_us"]["p99"]


def p50(sample):
    return sample["p50_us"]


NAMES = {"nginx": "nginx static", "gsoap": "gSOAP peer", "disk": "one fdatasync"}


def row(measure, values, unit, must=None, aim=None, against="", yardstick=(), low_is_good=False):
    """`values` and `yardstick` by round. Must and aim speak of the ratio if there is a yardstick, else of the figure.

    The ratio is the median of the rounds' own ratios: what slows the machine for a while slows both sides of a round.
    """
    ratios = [ours / theirs for ours, theirs in zip(values, yardstick)]
    ours = statistics.median(values)
    judged = statistics.median(ratios) if ratios else ours
    verdict = ""
    if must is not None:
        def reaches(limit):
            return judged <= limit if low_is_good else judged >= limit
        verdict = "aim met" if reaches(aim) else "must met" if reaches(must) else "must missed"
    return {
        "measure": measure, "ours": ours, "unit": unit,
        "against": against, "yardstick": statistics.median(yardstick) if yardstick else None,
        "ratio": judged if ratios else None, "ratios": ratios,
        "must": must, "aim": aim, "low_is_good": low_is_good, "verdict": verdict,
    }


def versus(bench, measure, unit, case, server, figure, must=None, aim=None, scale=1, low_is_good=False):
    """A row that compares us with one server."""
    def values(name):
        return [scale * figure(sample) for sample in bench.samples[case, name]]
    return row(measure, values("touchpointd"), unit, must, aim, NAMES[server], values(server), low_is_good)


def speed_rows(bench):
    sync = [p50(sample) for sample in bench.samples["fdatasync", "disk"]]

    def latency(server):
        return [p99(sample) for sample in bench.samples["half", server]]
    return [
        versus(bench, "durable Acks, 1 a message, 64 connections", "/s", "single", "nginx", rate, 0.45, 0.7),
        versus(bench, "same", "/s", "single", "gsoap", rate, 3, 6),
        versus(bench, "durable notifications, 100 a message, 8 connections", "/s", "full", "gsoap", rate, 2, 4, 100),
        versus(bench, "full TLS handshakes, each with one message", "/s", "handshake", "nginx", rate, 0.8, 1),
        row("p99 of the latency at half of the load above",
            latency("touchpointd"), "µs", 8, 4, NAMES["disk"], sync, low_is_good=True),
        row("p99 of nginx's static Ack at that rate: the machine's own", latency("nginx"), "µs", against=NAMES["disk"], yardstick=sync),
        row("CPU a message at that rate", [cpu(sample) for sample in bench.samples["half", "touchpointd"]], "µs", against=NAMES["nginx"],
            yardstick=[cpu(sample) for sample in bench.samples["half", "nginx"]]),
    ]


def cpu_rows(bench):
    parse = [cpu(sample) for sample in bench.samples["parse 1", "touchpointd"]]
    used = [[cpu(sample) for sample in bench.samples["single", name]] for name in ("touchpointd", "nginx")]
    rest = [ours - tls - read for ours, tls, read in zip(*used, parse)]
    return [
        versus(bench, "CPU a message", "µs", "single", "nginx", cpu),
        versus(bench, "same", "µs", "single", "gsoap", cpu),
        row("CPU a message beyond TLS (nginx) and parse", rest, "µs", 20, 10, low_is_good=True),
        row("CPU a parse, 1 notification", parse, "µs"),
        row("CPU a parse, 100 notifications", [cpu(s) for s in bench.samples["parse 100", "touchpointd"]], "µs"),
        versus(bench, "CPU a message of 100", "µs", "full", "gsoap", cpu),
        versus(bench, "CPU a handshake with one message", "µs", "handshake", "nginx", cpu),
    ]


def size_rows(figures):
    memory = {name: [value / MIB] for name, value in figures["memory"].items()}
    queued = f"{figures['queued']:,} queued"
    return [
        row("resident memory, idle", memory["idle"], "MiB", 24, 12, low_is_good=True),
        row("resident memory, after the rounds", memory["after_load"], "MiB"),
        row(f"resident memory, {queued}", memory["queued"], "MiB", 64, 32, low_is_good=True),
        row(f"start to ready, {queued}", [figures["restart_seconds"]], "s", 2, 0.5, low_is_good=True),
        row("resident memory then, 4,096 open TLS connections", memory["connections"], "MiB", 160, 80,
            low_is_good=True),
    ]


def hostile_rows(figures):
    words = {("slow", "single"): "10,000 slow connections, kept alive", ("slow", "handshake"): "10,000 slow connections, new connections",
             ("handshakes", "single"): "1,000 connections a second begun from 4 addresses", ("oversized", "single"): "oversized requests",
             ("malformed", "single"): "malformed requests"}
    rows_ = []
    for kind, samples in figures["hostile"].items():
        rows_.append(row(f"share of the rate beside {words[kind]}", [sample["rate"] for sample in samples], "×", 0.8, 0.95))
        # the peers, which run elsewhere in earnest, take some of the cores; no measure of its own, but it tells whose loss it is
        rows_.append(row("  of what the cores that those leave would give", [sample["rate"] / (1 - sample["peers"]) for sample in samples], "×"))
    return rows_


def allocation_rows(figures):
    return [row(f"allocations a message, {what}", [figures["allocations"][case]], "")
            for case, what in (("single", "1 notification"), ("full", "100 notifications"))]


def rows(bench, figures):
    return speed_rows(bench) + cpu_rows(bench) + hostile_rows(figures) + allocation_rows(figures) + size_rows(figures)


def number(value, unit=""):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{unit}" if unit in ("", "/s") else f"{value:,.{digits}f} {unit}"


def limit(r, name):
    if r[name] is None:
        return ""
    unit = "×" if r["ratio"] is not None else r["unit"]
    return f"{'≤' if r['low_is_good'] else '≥'} {r[name]:g} {unit}"


def spread(r):
    return f"{min(r['ratios']):.2f}–{max(r['ratios']):.2f}" if len(r["ratios"]) > 1 else ""


def table(all_rows):
    head = ("measure", "ours", "yardstick", "", "ratio", "of rounds", "must", "aim", "")
    lines = [head] + [
        (r["measure"], number(r["ours"], r["unit"]), r["against"], number(r["yardstick"], r["unit"]),
         f"{r['ratio']:.2f} ×" if r["ratio"] is not None else "", spread(r), limit(r, "must"), limit(r, "aim"),
         r["verdict"])
        for r in all_rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    to_the_right = {1, 3, 4, 5}
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.rjust(width) if i in to_the_right else cell.ljust(width)
                  for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines
    )


def first_match(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def machine(folder):
    return {
        "cpu": first_match(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB,
        "kernel": platform.release(),
        "file_system": output("stat", "-f", "-c", "%T", str(folder)),
        "load_average": os.getloadavg(),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "nginx": first_match(r"nginx/(\S+)", output("nginx", "-v")),
        "gsoap": first_match(r"(\d+\.\d+\.\d+)", output("soapcpp2", "-V")),
    }


def write_json(folder, bench, figures, all_rows, rounds, seconds):
    """The file's name is the time; returns it."""
    samples = {}
    for (case, server), results in bench.samples.items():
        samples.setdefault(case, {})[server] = results
    if "hostile" in figures:  # JSON's names are texts
        figures = {**figures, "hostile": {f"{kind} {case}": shares for (kind, case), shares in figures["hostile"].items()}}
    now = time.gmtime()
    document = {
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "machine": machine(bench.folder),
        "rounds": rounds, "seconds": seconds,
        "rows": all_rows, "samples": samples, "figures": figures, "problems": bench.problems,
    }
    file = folder / time.strftime("%Y-%m-%dT%H%M%SZ.json", now)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return file
