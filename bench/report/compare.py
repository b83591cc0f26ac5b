# SPDX-License-Identifier: Apache-2.0
"""Whether a report is slower than the one before."""
import math
import statistics

from rows import rows_of

SLOWER = 0.10  # by how much one row may be slower, beyond its spread

RULE = """A row's ratio is the rate of the new report over that of the old one, above 1 where the new one is faster. Of two reports that were measured in turn
(--against) it is the median of the ratios of the rounds, and its spread half the range of these; of others it is the ratio of the medians, and its spread is
half the range of the rounds relative to the median, of both reports, added up. The new report is slower if the geometric mean of the ratios, to two decimals,
is below 1.00, or if a row's ratio with its spread added is below 0.90. The machine's limits are printed and not judged."""


def half_range(values):
    return (max(values) - min(values)) / 2


def ratio(old, new, paired):
    """(new rate over old rate, spread) of one row."""
    if paired and len(old.seconds) == len(new.seconds):
        ratios = [before / after for before, after in zip(old.seconds, new.seconds)]
        return statistics.median(ratios), half_range(ratios)
    value = old.time() / new.time()
    return value, value * (half_range(old.seconds) / old.time() + half_range(new.seconds) / new.time())


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def compare(old, new):
    """(text, whether the new report is not slower). ValueError where the two have no row in common."""
    before, after = rows_of(old), rows_of(new)
    common = [name for name in before if name in after]
    pair = old["context"].get("measured_in_turn")
    ratios = {name: ratio(before[name], after[name], pair and pair == new["context"].get("measured_in_turn")) for name in common}
    judged = {name: value for name, value in ratios.items() if not name.startswith("limit/")}
    if not judged:
        raise ValueError("the reports have no row in common; measure the same rows in both (--filter)")
    slower = [name for name, (value, spread) in judged.items() if value + spread < 1 - SLOWER]
    mean = geometric_mean(value for value, _ in judged.values())

    lines = [f"{'row':64} {'new/old':>8} {'spread':>7}"]
    lines += [f"{name:64} {value:8.3f} {spread:7.3f}{'  slower' if name in slower else ''}" for name, (value, spread) in ratios.items()]
    missing = [name for name in before if name not in after] + [name for name in after if name not in before]
    if missing:
        lines.append(f"{len(missing)} rows are in one of the reports alone and are not judged: {', '.join(missing[:8])}{', …' if len(missing) > 8 else ''}")
    limits = [value for name, (value, _) in ratios.items() if name.startswith("limit/")]
    if limits:
        lines.append(f"the machine's limits moved by a factor of {geometric_mean(limits):.2f}")
    good = round(mean, 2) >= 1 and not slower
    lines.append(f"geometric mean of {len(judged)} rows: {mean:.3f}; rows more than {SLOWER:.0%} slower beyond their spread: {len(slower)}")
    lines.append("not slower" if good else "slower")
    return "\n".join(lines), good
