"""Turns what the bench measured into rows with their budgets, a table and build/bench.json."""

import json
import os
import pathlib
import platform
import re
import sqlite3
import ssl
import subprocess
import time

MIB = 1024 * 1024


def rate(sample):
    return sample["rate"]


def cpu(sample):
    return sample["cpu_us"]


def p99(sample):
    return sample["latency_us"]["p99"]


def row(measure, ours, unit, must=None, aim=None, against="", yardstick=None, low_is_good=False, judged=None):
    """`judged` is what must and aim speak of: the ratio to the yardstick, or the figure itself."""
    if judged is None:
        judged = ours / yardstick if yardstick else ours
    verdict = ""
    if must is not None:
        def reaches(limit):
            return judged <= limit if low_is_good else judged >= limit
        verdict = "aim met" if reaches(aim) else "must met" if reaches(must) else "must missed"
    return {
        "measure": measure, "ours": ours, "unit": unit, "against": against, "yardstick": yardstick,
        "ratio": ours / yardstick if yardstick else None, "must": must, "aim": aim, "low_is_good": low_is_good,
        "verdict": verdict,
    }


def speed_rows(bench):
    single = {name: bench.median("single", name, rate) for name in ("nginx", "gsoap", "touchpointd")}
    full = {name: 100 * bench.median("full", name, rate) for name in ("gsoap", "touchpointd")}
    shake = {name: bench.median("handshake", name, rate) for name in ("nginx", "touchpointd")}
    half = bench.median("half", "touchpointd", p99)
    sync = bench.median("fdatasync", "disk", lambda sample: sample["p50_us"])
    return [
        row("durable Acks, 1 a message, 64 connections", single["touchpointd"], "/s", 0.45, 0.7,
            "nginx static", single["nginx"]),
        row("same", single["touchpointd"], "/s", 3, 6, "gSOAP peer", single["gsoap"]),
        row("durable notifications, 100 a message, 8 connections", full["touchpointd"], "/s", 2, 4,
            "gSOAP peer", full["gsoap"]),
        row("full TLS handshakes, each with one message", shake["touchpointd"], "/s", 0.8, 1, "nginx", shake["nginx"]),
        row("p99 of the latency at half of the load above", half, "µs", 8, 4, "one fdatasync", sync, low_is_good=True),
    ]


def cpu_rows(bench, parse):
    used = {name: bench.median("single", name, cpu) for name in ("nginx", "gsoap", "touchpointd")}
    shake = {name: bench.median("handshake", name, cpu) for name in ("nginx", "touchpointd")}
    full = {name: bench.median("full", name, cpu) for name in ("gsoap", "touchpointd")}
    rest = used["touchpointd"] - used["nginx"] - parse[1]["cpu_us"]
    return [
        row("CPU a message", used["touchpointd"], "µs", against="nginx static", yardstick=used["nginx"]),
        row("same", used["touchpointd"], "µs", against="gSOAP peer", yardstick=used["gsoap"]),
        row("CPU a message beyond TLS (nginx) and parse", rest, "µs", 20, 10, low_is_good=True),
        row("CPU a parse, 1 notification", parse[1]["cpu_us"], "µs"),
        row("CPU a message of 100", full["touchpointd"], "µs", against="gSOAP peer", yardstick=full["gsoap"]),
        row("CPU a handshake with one message", shake["touchpointd"], "µs", against="nginx", yardstick=shake["nginx"]),
    ]


def size_rows(figures):
    memory = {name: value / MIB for name, value in figures["memory"].items()}
    queued = figures["queued"]
    return [
        row("resident memory, idle", memory["idle"], "MiB", 24, 12, low_is_good=True),
        row("resident memory, after the load", memory["after_load"], "MiB"),
        row("resident memory, 4096 open TLS connections", memory["connections"], "MiB", 160, 80, low_is_good=True),
        row(f"resident memory, {queued:,} queued", memory["queued"], "MiB", 64, 32, low_is_good=True),
        row(f"start to ready with {queued:,} queued", figures["restart_seconds"], "s", 2, 0.5, low_is_good=True),
    ]


def rows(bench, figures):
    return speed_rows(bench) + cpu_rows(bench, figures["parse"]) + size_rows(figures)


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


def table(all_rows):
    head = ("measure", "ours", "yardstick", "", "ratio", "must", "aim", "")
    lines = [head] + [
        (r["measure"], number(r["ours"], r["unit"]), r["against"], number(r["yardstick"], r["unit"]),
         f"{r['ratio']:.2f} ×" if r["ratio"] is not None else "", limit(r, "must"), limit(r, "aim"), r["verdict"])
        for r in all_rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    to_the_right = {1, 3, 4}
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


def write_json(file, bench, figures, all_rows, rounds, seconds):
    samples = {}
    for (case, server), results in bench.samples.items():
        samples.setdefault(case, {})[server] = results
    document = {
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(bench.folder),
        "rounds": rounds, "seconds": seconds,
        "rows": all_rows, "samples": samples, "figures": figures, "problems": bench.problems,
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
