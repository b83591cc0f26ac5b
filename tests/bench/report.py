# SPDX-License-Identifier: Apache-2.0
"""scripts/bench-report on a few rows: that all of its files are there and say what was measured."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(sys.argv[1])
PROGRAM = sys.argv[2] if len(sys.argv) > 2 else None
PRODUCT, NORM = "gemm/20M/query/forward/eigen", "rows/rms-norm/forward/eigen"


class Report(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name) / "report"

    def run_script(self, *options):
        return subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)

    def test_files(self):
        done = self.run_script(self.folder, "--program", PROGRAM, "--rounds", "1", "--min-time", "0.001", "--filter", f"^limit/(multiply-add|read)|{PRODUCT}|{NORM}|one-loss")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (self.folder / "report.md").read_text()
        for line in ("| multiply-adds, GFLOP/s |", "| read DRAM, GB/s |", "| gemm/20M/query/forward |", "| rows/rms-norm/forward |", "| one loss |"):
            self.assertIn(line, text)
        self.assertIn("multiply-adds", (self.folder / "roofline.svg").read_text())

    def test_in_turn_with_itself(self):
        done = self.run_script(self.folder, "--program", PROGRAM, "--against", PROGRAM, "--rounds", "2", "--min-time", "0.001", "--filter", f"{PRODUCT}|{NORM}")
        self.assertIn(done.returncode, (0, 1), done.stderr)  # which of the two is slower is not ours to say
        self.assertIn("geometric mean of 4 rows", done.stdout)
        for folder in (self.folder, self.folder / "before"):
            report = json.loads((folder / "report.json").read_text())
            rounds = [entry for entry in report["benchmarks"] if entry["name"].startswith(f"{PRODUCT}/threads:2")]
            self.assertEqual(len(rounds), 2)
            self.assertTrue(all(entry["flop/s"] > 0 and entry["byte/s"] > 0 for entry in rounds))

    def test_refusals(self):
        for options, complaint in [((), "give a folder"), ((self.folder, "--rounds", "0"), "give 1 or more"),
                                   ((self.folder, "--program", self.folder), "is not there"),
                                   ((self.folder, "--program", PROGRAM, "--filter", "no such row"), "no row matches")]:
            done = self.run_script(*options)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(complaint, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            self.assertFalse(self.folder.exists())


if __name__ == "__main__":
    if PROGRAM is None:
        print("skipped: Google Benchmark is not there, and so no bench/report")
    else:
        unittest.main(argv=sys.argv[:1])
