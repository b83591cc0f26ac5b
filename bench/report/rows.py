# SPDX-License-Identifier: Apache-2.0
"""A report as it lies in a file: Google Benchmark's JSON, in whose `benchmarks` every row stands once a round."""
import json
import re
import statistics

SCALE = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}


class Row:
    """One benchmark: the seconds of an iteration and the counters, a value for each round."""

    def __init__(self):
        self.seconds, self.counters, self.level = [], {}, "DRAM"

    def add(self, entry):
        self.seconds.append(entry["real_time"] * SCALE[entry["time_unit"]])
        self.level = entry.get("label", self.level)
        for name, value in entry.items():
            if name in ("flop/s", "byte/s", "tokens", "rows", "resident bytes", "beyond weights, gradients, moments"):
                self.counters.setdefault(name, []).append(value)

    def time(self):
        return statistics.median(self.seconds)

    def rate(self, counter):
        """The median of a counter over the rounds; 0 where the row does not state it."""
        return statistics.median(self.counters.get(counter, [0]))


def name_of(entry):
    """Without what says how it was measured."""
    return re.sub(r"/(iterations:\d+|min_time:[\d.]+|real_time)", "", entry["name"])


def rows_of(report):
    """Rows by name, in the order of the file."""
    rows = {}
    for entry in report["benchmarks"]:
        if entry.get("run_type", "iteration") == "iteration" and not entry.get("error_occurred"):
            rows.setdefault(name_of(entry), Row()).add(entry)
    return rows


def read(path):
    """The report in a file or in a folder that scripts/bench-report wrote. ValueError says what is wrong with it."""
    if path.is_dir():
        path = path / "report.json"
    try:
        report = json.loads(path.read_text())
        rows_of(report)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is not a report of scripts/bench-report ({problem}); give the folder or the report.json that it wrote") from problem
    return report
