# SPDX-License-Identifier: Apache-2.0
"""A report for people: tables in Markdown, and the roofline."""
import re
import statistics
import subprocess

from rows import rows_of

LEVELS = ("L2", "DRAM")


class Limits:
    """What the machine can do on `threads` threads, in the report's best round: flop/s, byte/s of each level. And flop/s of the best product, a median."""

    def __init__(self, rows, threads):
        def rate(name, counter):
            row = rows.get(f"{name}/threads:{threads}")
            return max(row.counters.get(counter, [0])) if row else 0

        self.peak = rate("limit/multiply-add", "flop/s")
        self.bandwidth = {level: max(rate(f"limit/{way}/{level}", "byte/s") for way in ("read", "copy", "change")) for level in LEVELS}
        self.sgemm, self.sgemm_name = max((row.rate("flop/s"), name.rsplit("/", 1)[0]) for name, row in [*rows.items(), ("none/", NONE)]
                                          if name == "none/" or re.fullmatch(rf"(limit/sgemm|gemm/square)/.*threads:{threads}", name))

    def share(self, row):
        """Of the least time that the machine would need for the row's operations and bytes, and the time that it took; None without limits."""
        flops, bytes_ = row.rate("flop/s"), row.rate("byte/s")
        needed = [flops / self.peak] if self.peak else []
        needed += [bytes_ / self.bandwidth[row.level]] if self.bandwidth[row.level] else []
        return max(needed, default=None)


class _None:
    level = "DRAM"

    def rate(self, _):
        return 0


NONE = _None()


def rate_text(row):
    """GFLOP/s, or GB/s where operations are not counted."""
    flops = row.rate("flop/s")
    value = (flops or row.rate("byte/s")) / 1e9
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1), *("| " + " | ".join(line) + " |" for line in lines)])


def split(name):
    """(what and shape, backend, threads) of a row's name; None for rows of another form."""
    found = re.fullmatch(r"(.*)/([^/]+)/threads:(\d+)", name)
    return (found[1], found[2], int(found[3])) if found else None


def limits_table(rows, limits):
    lines = [["multiply-adds, GFLOP/s"] + [f"{limits[n].peak / 1e9:.0f}" for n in (1, 2)]]
    for level in LEVELS:
        for way in ("read", "copy", "change"):
            found = [rows.get(f"limit/{way}/{level}/threads:{n}") for n in (1, 2)]
            if all(found):
                lines.append([f"{way} {level}, GB/s"] + [f"{max(row.counters['byte/s']) / 1e9:.0f}" for row in found])
    lines.append(["best product of 2048³, GFLOP/s"] + [f"{limits[n].sgemm / 1e9:.0f} ({limits[n].sgemm_name.split('/')[-1]})" for n in (1, 2)])
    return table(["limit", "1 thread", "2 threads"], lines)


def primitives_table(rows, limits):
    """A line for each kind and shape, two columns for each backend: rate and share of the limit that is nearer."""
    known = [(*split(name), row) for name, row in rows.items() if split(name) and not name.startswith(("limit/", "scaling/", "step/"))]
    backends = list(dict.fromkeys(backend for _, backend, _, _ in known))
    cells = {(what, backend, threads): f"{rate_text(row)} · {limits[threads].share(row) or 0:.0%}" for what, backend, threads, row in known}
    lines = []
    for what in dict.fromkeys(what for what, _, _, _ in known):
        first = next(row for w, _, _, row in known if w == what)
        unit = "" if first.rate("flop/s") else ", GB/s"
        lines.append([what + unit] + [cells.get((what, backend, threads), "") for backend in backends for threads in (1, 2)])
    return table(["row, GFLOP/s · share"] + [f"{backend}, {threads}" for backend in backends for threads in (1, 2)], lines)


KINDS_OF_SHARES = {"gemm/20M/": "products, 20M shape", "gemm/135M/": "products, 135M shape", "map/": "elementwise", "rows/": "row programs",
                   "attention/": "attention", "head/": "head", "adamw/": "gradient's norm, AdamW"}


def shares_table(rows, limits):
    """Of each kind of row the median share, and the range where there are several."""
    known = [(*split(name), row) for name, row in rows.items() if split(name) and name.startswith(tuple(KINDS_OF_SHARES))]
    backends = list(dict.fromkeys(backend for _, backend, _, _ in known))
    lines = []
    for prefix, title in KINDS_OF_SHARES.items():
        cells = []
        for backend, threads in [(backend, threads) for backend in backends for threads in (1, 2)]:
            shares = [limits[threads].share(row) or 0 for what, by, n, row in known if what.startswith(prefix) and (by, n) == (backend, threads)]
            several = f" ({min(shares):.2f}-{max(shares):.2f})" if len(shares) > 1 else ""
            cells.append(f"{statistics.median(shares):.2f}{several}" if shares else "")
        if any(cells):
            lines.append([title, *cells])
    return table(["share of the limit, median (range)"] + [f"{backend}, {threads}" for backend in backends for threads in (1, 2)], lines)


def gains_of(rows, name):
    """How many times faster the row is on two threads than on one, of each round; nothing where it was not measured on both."""
    one, two = (rows.get(f"{name}/threads:{n}") for n in (1, 2))
    return [a / b for a, b in zip(one.seconds, two.seconds)] if one and two else []


def steps_table(rows, limits):
    """The last column: two threads over one, and that over the same of OpenBLAS's product, or else the backend's; medians of the rounds' ratios."""
    lines = []
    for name, row in rows.items():
        at = split(name)
        if not at or not name.startswith("step/"):
            continue
        what, backend, threads = at
        flops = row.rate("flop/s")
        gains = gains_of(rows, f"{what}/{backend}") if threads == 2 else []
        product = gains_of(rows, "limit/sgemm/openblas") or gains_of(rows, f"gemm/square/forward/{backend}")
        relative = [gain / of_product for gain, of_product in zip(gains, product)]
        lines.append([f"{what[5:]}, {backend}, {threads}", f"{row.time() * 1e3:.0f}", f"{row.rate('tokens') / row.time():.0f}", f"{flops / 1e9:.0f}",
                      f"{flops / limits[threads].peak:.2f}" if limits[threads].peak else "",
                      f"{flops / limits[threads].sgemm:.2f}" if limits[threads].sgemm else "",
                      f"{statistics.median(gains):.2f} · {statistics.median(relative):.2f}" if relative else ""])
    return table(["step of DPO, backend, threads", "ms", "tokens/s", "GFLOP/s", "of peak", "of the best product", "times 1 thread · of the product's"], lines)


def scaling_tables(rows):
    groups = {}
    for name, row in rows.items():
        found = re.fullmatch(r"scaling/([a-z]+):(\d+)(?:/([a-z-]+))?/([a-z]+)/threads:\d+", name)
        if found:
            groups.setdefault(found[1], {})[int(found[2]), found[3] if found[1] == "responses" else None] = row
    texts = []
    if "pairs" in groups:
        per_token = {pairs: row.time() / row.rate("tokens") for (pairs, _), row in groups["pairs"].items()}
        least = per_token[min(per_token)]
        texts.append(table(["pairs in a step", "tokens", "ms", "µs a token", "of the first"],
                           [[str(pairs), f"{row.rate('tokens'):.0f}", f"{row.time() * 1e3:.0f}", f"{per_token[pairs] * 1e6:.0f}", f"{per_token[pairs] / least:.2f}"]
                            for (pairs, _), row in groups["pairs"].items()]))
    if "responses" in groups:
        rows_of_k = groups["responses"]
        lines = []
        for count in dict.fromkeys(count for count, _ in rows_of_k):
            shared, apart = rows_of_k.get((count, "one-prompt")), rows_of_k.get((count, "apart"))
            if shared and apart:
                lines.append([str(count), f"{shared.rate('tokens'):.0f}, {shared.rate('rows'):.0f}", f"{shared.time() * 1e3:.0f}", f"{apart.time() * 1e3:.0f}",
                              f"{statistics.median(a / b for a, b in zip(shared.seconds, apart.seconds)):.2f}"])
        texts.append(table(["responses of 64 to a prompt of 384", "tokens, rows of the head", "one prompt, ms", "as many apart, ms", "ratio"], lines))
    if "vocabulary" in groups:
        texts.append(table(["vocabulary", "ms", "GFLOP/s", "resident, MB", "of it beyond weights, gradients, moments, MB"],
                           [[f"{words:,}", f"{row.time() * 1e3:.0f}", f"{row.rate('flop/s') / 1e9:.0f}", f"{row.rate('resident bytes') / 1e6:.0f}",
                             f"{row.rate('beyond weights, gradients, moments') / 1e6:.0f}"] for (words, _), row in groups["vocabulary"].items()]))
    if "width" in groups:
        texts.append(table(["width", "ms", "GFLOP/s"], [[str(width), f"{row.time() * 1e3:.0f}", f"{row.rate('flop/s') / 1e9:.0f}"]
                                                        for (width, _), row in groups["width"].items()]))
    return texts


def compile_table(rows):
    return table(["translation unit", "s"], [[name.split("/")[1].replace("-", " "), f"{row.time():.1f}"] for name, row in rows.items() if name.startswith("compile/")])


def text_of(report):
    """The report as Markdown; a table is left out where nothing of it was measured."""
    rows, context = rows_of(report), report["context"]
    limits = {n: Limits(rows, n) for n in (1, 2)}
    parts = ["# Benchmark report", f"{context.get('num_cpus', '?')} cores at {context.get('mhz_per_cpu', '?')} MHz, {context.get('date', '')}; medians of "
             f"{context.get('rounds', 1)} rounds, of limits the best. A share is of the nearer of two limits: multiply-adds, and the bandwidth of the memory that the operands lie in."]
    names = tuple(rows)
    for heading, prefixes, make in [("Limits", ("limit/",), lambda: [limits_table(rows, limits)]),
                                    ("Primitives and what is made of them", ("gemm/", "map/", "rows/", "attention/", "head/", "adamw/"),
                                     lambda: ["![Roofline](roofline.svg)", shares_table(rows, limits), primitives_table(rows, limits)]),
                                    ("A whole step", ("step/",), lambda: [steps_table(rows, limits)]),
                                    ("Scaling", ("scaling/",), lambda: scaling_tables(rows)),
                                    ("Compile time", ("compile/",), lambda: [compile_table(rows)])]:
        if any(name.startswith(prefixes) for name in names):
            parts += [f"## {heading}", *make()]
    return "\n\n".join(parts) + "\n"


KINDS = [("product, 20M shape", r"gemm/20M/", "#1b6ca8"), ("product, 135M shape", r"gemm/135M/", "#0b2f4a"), ("attention", r"attention/", "#c8553d"),
         ("head", r"head/", "#588b3a"), ("norms, rotary embedding, addition", r"rows/|map/add", "#8a5fa8"), ("AdamW", r"adamw/", "#b08900"),
         ("whole step", r"step/", "#d11141")]
MARKS = {"eigen": 7, "xtensor": 9, "thrust": 5}  # circle, triangle, square


def draw_roofline(report, path):
    """Rate over operations a byte, on two threads, under what the machine can do. Nothing is drawn where the limits were not measured."""
    rows = rows_of(report)
    limits = Limits(rows, 2)
    if not limits.peak or not all(limits.bandwidth.values()):
        return
    peak = limits.peak / 1e9
    l2, dram = (limits.bandwidth[level] / 1e9 for level in LEVELS)
    drawn = {name: row for name, row in rows.items()
             if name.endswith("/threads:2") and row.rate("flop/s") and any(re.match(pattern, name) for _, pattern, _ in KINDS)}
    least = min((row.rate("flop/s") / 1e9 for row in drawn.values()), default=1)
    script = [f"set terminal svg size 760,520 font 'sans,12' background 'white'\nset output '{path}'\nset logscale xy\nset xrange [0.06:600]\nset yrange [{least / 1.5}:{peak * 1.6}]",
              "set xlabel 'operations a byte that has to be read or written'\nset ylabel 'GFLOP/s, two threads'\nset key inside right bottom Left reverse opaque",
              "set format '%g'\nset xtics (0.1, 1, 10, 100)\nset ytics (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)\nset grid lc rgb '#e5e5e5'",
              f"set label 'multiply-adds: {peak:.0f}' at 500,{peak * 1.15} right tc rgb '#444444'",
              f"set label 'L2: {l2:.0f} GB/s' at {peak / 3 / l2 / 1.15},{peak / 3} right tc rgb '#444444'\nset label 'DRAM: {dram:.0f} GB/s' at {peak / 3 / dram * 1.15},{peak / 3} tc rgb '#444444'"]
    plots = [f"(x * {l2} < {peak} ? x * {l2} : {peak}) lc rgb '#444444' lw 2 notitle", f"(x * {dram} < {peak} ? x * {dram} : 1/0) lc rgb '#444444' lw 1.5 dt 2 notitle"]
    seen = []
    for title, pattern, colour in KINDS:
        for backend, mark in MARKS.items():
            points = [(row.rate("flop/s") / row.rate("byte/s"), row.rate("flop/s") / 1e9) for name, row in drawn.items()
                      if re.match(pattern, name) and f"/{backend}/" in name]
            if points:
                block = f"$points{len(plots)}"
                script.append(f"{block} << EOD\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nEOD")
                shown = "notitle" if title in seen else f"title '{title}'"
                seen.append(title)
                plots.append(f"{block} with points pt {mark} ps 0.7 lc rgb '{colour}' {shown}")
    plots += [f"1/0 with points pt {mark} ps 0.7 lc rgb '#444444' title '{backend}'" for backend, mark in MARKS.items()]
    script.append("set samples 600\nplot " + ", \\\n  ".join(plots))
    try:
        done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, capture_output=True)
    except FileNotFoundError:
        raise ValueError("gnuplot, which draws roofline.svg, is not there (Debian: gnuplot-nox)") from None
    if done.returncode != 0:
        raise ValueError(f"gnuplot did not draw roofline.svg: {done.stderr.strip()}")
