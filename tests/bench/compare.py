# SPDX-License-Identifier: Apache-2.0
"""scripts/bench-report --compare on planted reports: what is slower, what is spread, and what cannot be judged."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(sys.argv[1])
STEADY = {f"gemm/{i}/eigen/threads:2": [1.0, 1.0, 1.0] for i in range(8)}


def report(rows, in_turn=None):
    """A report of these seconds, a list of rounds for each row."""
    return {"context": {"measured_in_turn": in_turn} if in_turn else {},
            "benchmarks": [{"name": f"{name}/real_time", "run_type": "iteration", "real_time": 1e3 * t, "time_unit": "ms", "flop/s": 1 / t}
                           for name, seconds in rows.items() for t in seconds]}


class Compare(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def compare(self, old, new):
        """Exit status, what was printed and what was complained of."""
        paths = []
        for name, what in [("old", old), ("new", new)]:
            folder = pathlib.Path(self.scratch.name) / name
            folder.mkdir(exist_ok=True)
            (folder / "report.json").write_text(what if isinstance(what, str) else json.dumps(what))
            paths.append(folder)
        done = subprocess.run([sys.executable, SCRIPT, "--compare", *paths], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def test_equal_reports(self):
        status, out, _ = self.compare(report(STEADY), report(STEADY))
        self.assertEqual(status, 0, out)
        self.assertIn("geometric mean of 8 rows: 1.000", out)

    def test_ratio_is_of_rates(self):
        status, out, _ = self.compare(report(STEADY), report({name: [0.8] for name in STEADY}))
        self.assertEqual(status, 0, out)
        self.assertIn("geometric mean of 8 rows: 1.250", out)
        status, out, _ = self.compare(report({name: [0.8] for name in STEADY}), report(STEADY))
        self.assertEqual(status, 1, out)

    def test_all_a_little_slower(self):
        status, out, _ = self.compare(report(STEADY), report({name: [1.02, 1.02, 1.02] for name in STEADY}))
        self.assertEqual(status, 1, out)
        self.assertIn("slower beyond their spread: 0", out)

    def one_slower(self, before, after, in_turn=None):
        """All but one row a quarter faster."""
        faster = {name: [t / 1.25 for t in seconds] for name, seconds in STEADY.items()}
        return self.compare(report({**STEADY, "head/20M/eigen/threads:2": before}, in_turn), report({**faster, "head/20M/eigen/threads:2": after}, in_turn))

    def test_one_row_slower(self):
        status, out, _ = self.one_slower([1.0, 1.0, 1.0], [1.15, 1.15, 1.15])
        self.assertEqual(status, 1, out)
        self.assertRegex(out, r"head/20M/eigen/threads:2 +0\.870 +0\.000  slower")
        status, out, _ = self.one_slower([1.0, 1.0, 1.0], [1.08, 1.08, 1.08])
        self.assertEqual(status, 0, out)

    def test_within_its_spread(self):
        status, out, _ = self.one_slower([0.95, 1.0, 1.05], [1.1, 1.15, 1.2])
        self.assertEqual(status, 0, out)
        self.assertNotIn("  slower", out)

    def test_in_turn_the_rounds_are_compared(self):
        drift, slower = [1.0, 1.5, 2.0], [1.15, 1.15 * 1.5, 2.3]
        status, out, _ = self.one_slower(drift, slower)
        self.assertEqual(status, 0, out)
        status, out, _ = self.one_slower(drift, slower, "once")
        self.assertEqual(status, 1, out)

    def test_the_machine_is_not_judged(self):
        status, out, _ = self.compare(report({**STEADY, "limit/multiply-add/threads:2": [1.0]}), report({**STEADY, "limit/multiply-add/threads:2": [2.0]}))
        self.assertEqual(status, 0, out)
        self.assertIn("limits moved by a factor of 0.50", out)

    def test_rows_of_one_report_alone(self):
        status, out, _ = self.compare(report({**STEADY, "map/gone/eigen/threads:2": [1.0]}), report(STEADY))
        self.assertEqual(status, 0, out)
        self.assertIn("1 rows are in one of the reports alone and are not judged: map/gone", out)

    def test_what_cannot_be_judged(self):
        for old, complaint in [(report({"head/20M/eigen/threads:2": [1.0]}), "no row in common"), ("{", "is not a report"), ({"context": {}}, "is not a report")]:
            status, _, err = self.compare(old, report(STEADY))
            self.assertEqual(status, 2, err)
            self.assertIn(complaint, err)
            self.assertNotIn("Traceback", err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
