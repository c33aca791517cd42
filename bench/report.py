# SPDX-License-Identifier: GPL-2.0-or-later
"""The values that were measured, and the tables and the document made of them."""

import json
import os
import platform
import re
import statistics
import sys

from machines import Failed, output_of
from workloads import PARTS, TITLES


class Results:
    """Values by part, row and unit; then by machine and round."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.rows = {}
        self.failures = []

    def add(self, part, row, unit, machine, number, value):
        values = self.rows.setdefault((part, row, unit), {})
        values.setdefault(machine, [None] * self.rounds)[number] = value

    def ratios(self, key, a, b):
        """a to b, of the rounds that have both."""
        values = self.rows[key]
        return [x / y for x, y in zip(values.get(a, []), values.get(b, [])) if x and y]

    def sort(self):
        """Rows as the parts name them, whatever was measured first."""
        order = [(part, work) for part, p in PARTS.items() for work in p.works]
        self.rows = dict(sorted(self.rows.items(), key=lambda row:
                                order.index(row[0][:2]) if row[0][:2] in order else -1))

    def add_means(self):
        """The geometric mean of a part that wants it, of the rounds that have all its works."""
        for name, part in PARTS.items():
            rows = [self.rows.get((name, work, "ns"), {}) for work in part.works]
            for machine in part.machines if part.mean else []:
                for n in range(self.rounds):
                    values = [row[machine][n] for row in rows if machine in row]
                    if len(values) == len(rows) and all(values):
                        self.add(name, part.mean, "ns", machine, n,
                                 statistics.geometric_mean(values))


def number(value):
    """Three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def duration(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{number(ns / size)} {unit}"
    return f"{number(ns)} ns"


def median(values, unit):
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    return (duration if unit == "ns" else number)(statistics.median(values))


def ratio(values):
    if not values:
        return "-"
    low, high = number(min(values)), number(max(values))
    spread = f" ({low}–{high})" if len(values) > 1 else ""
    return number(statistics.median(values)) + spread


def table(results, name):
    part = PARTS[name]
    machines = [m for m in part.machines
                if any(key[0] == name and m in values for key, values in results.rows.items())]
    pairs = [(a, b) for a, b in part.pairs if a in machines and b in machines]
    lines = [[""] + [TITLES[m] for m in machines] + [f"{TITLES[a]}:{TITLES[b]}" for a, b in pairs]]
    for key, values in results.rows.items():
        if key[0] == name:
            lines.append([part.works.get(key[1], key[1])] +
                         [median(values.get(m, []), key[2]) for m in machines] +
                         [ratio(results.ratios(key, a, b)) for a, b in pairs])
    if len(lines) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["  ".join([line[0].ljust(widths[0])] +
                      [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])])
            for line in lines]
    return "\n".join([f"{name}: {part.title}"] + text) + "\n"


def host():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return {"cpu": model.group(1) if model else platform.processor(),
            "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release()}


def commit():
    try:
        return output_of(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe",
                          "--always", "--dirty"]).strip()
    except Failed:
        return None


def document(bench, load):
    """Everything measured, for --json."""
    rows = []
    for key, values in bench.results.rows.items():
        part, name, unit = key
        ratios = {f"{a}/{b}": bench.results.ratios(key, a, b) for a, b in PARTS[part].pairs}
        rows.append({"part": part, "name": name, "title": PARTS[part].works.get(name, name),
                     "unit": unit, "values": values,
                     "ratios": {pair: found for pair, found in ratios.items() if found}})
    return {"host": dict(host(), load_before=load, load_after=os.getloadavg()[0]),
            "commit": commit(), "versions": bench.versions, "engine": bench.a.engine,
            "rounds": bench.a.rounds, "append": bench.a.append, "rows": rows,
            "failures": bench.results.failures}


def report(bench, load):
    h = host()
    bench.results.sort()
    bench.results.add_means()
    print(f"\n{h['cpu']}, {h['cpus']} CPUs; load before the start: {load:.1f}")
    for name, version in bench.versions.items():
        print(f"{name}: {version}")
    print(f"Medians of {bench.a.rounds} round(s); CPU time is the host's. Ratios are taken within "
          "a round: median (lowest–highest).\n")
    for name in PARTS:
        text = table(bench.results, name)
        if text:
            print(text)
    if load > 0.5:
        print("The host was busy: the times are too long, and the ratios uncertain.")
    if bench.a.json:
        with open(bench.a.json, "w", encoding="utf-8") as f:
            json.dump(document(bench, load), f, indent=1, ensure_ascii=False)
            f.write("\n")
    for failure in bench.results.failures:
        print(f"failed: {failure}", file=sys.stderr)
