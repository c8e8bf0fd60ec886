"""Measure, keep the figures, and show them in README.md and in the documents.

``python bench/report.py measure`` runs the benchmarks several times and writes medians
to ``bench/results/<version>-<machine>.json``: of the fastest calls of every run, as
other work on the machine can only make a call slower. The other commands show such a
file, without a name the newest: ``table`` prints it as Markdown, ``fill`` puts its
tables between their marks in `PAGES` (where a mark names a machine, those of its own
newest file), ``pictures`` draws it into ``docs/images``. Needs the extra ``bench``, and
for the pictures ``plot``.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import re
import subprocess
import sys
import tempfile
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from records import (
    KEY,
    RESULTS,
    Record,
    carried_on,
    group,
    largest,
    load,
    measured,
    n_steps,
    newest,
    per_pass,
    runs,
    select,
    size,
)
from threadpoolctl import threadpool_info

import gdfast
from gdfast import _kernel

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "from-loop-to-kernel.md",
    ROOT / "docs" / "from-scikit-learn.md",
    ROOT / "docs" / "ten-million-rows.md",
)
SMALL = ("pizza", "one step")  # cases whose times are shown beside the ratios
PIZZA_STEPS = 20_000
SHOWN_VALUES = 100_000  # in the tables of other cases; less is for the pictures
TITLES = {
    "step": "One step (loss, gradient, update)",
    "log_loss step": "One step with log_loss",
    "train": "`train`, a step",
    "pizza": "`train`, 20 000 steps on the pizza data",
    "one step": "`train`, a call with one step on the pizza data",
}
NAMES = {
    "numpy": "NumPy",
    "torch": "PyTorch",
    "gdfast_auto": "gdfast, rate found",
    "twin": "NumPy twin",
    "tutorial": "tutorial's loop",
    "tutorial_without_loss": "the same without losses",
}
WALK = {
    "by_examples": "a loop over the examples",
    "by_arrays": "whole arrays",
    "by_products": "products of matrices",
    "by_blocks": "blocks of rows",
    "kernel": "a compiled kernel",
    "vectors": "vectors",
    "threads": "threads",
    "moments": "moments, a step of 1000",
    "read": "reading alone",
}
# Tables of gdfast against scikit-learn: their heads, and what their rows are called.
DROP_INS = {
    "Dense rows, three epochs": {"SGDRegressor": "`SGDRegressor.fit`"},
    "Sparse rows": {
        "SGDClassifier sparse l2": '`SGDClassifier.fit`, `penalty="l2"`, three epochs',
        "SGDClassifier sparse l1": 'the same with `penalty="l1"`',
        "SGDClassifier sparse 20 classes": "the same for 20 classes, one epoch",
        "SGDClassifier sparse 20 classes as they lie": (
            "the same with `shuffle=False`, three epochs"
        ),
        "GDClassifier sparse 20 classes in batches": (
            "the same by `GDClassifier`, batches of 32, three epochs"
        ),
        "GDClassifier sparse 20 classes": "the same by `GDClassifier`, three passes",
    },
    "Few rows": {
        "SGDRegressor.fit few rows": "`SGDRegressor.fit`, 26 epochs",
        "SGDRegressor.fit few rows once": "the same, one epoch",
        "SGDClassifier.fit few rows": "`SGDClassifier.fit`, 8 epochs",
        "SGDClassifier.fit few rows once": "the same, one epoch",
        "SGDRegressor.partial_fit few rows": "`SGDRegressor.partial_fit`",
        "SGDClassifier.partial_fit few rows": "`SGDClassifier.partial_fit`",
        "SGDRegressor.predict few rows": "`SGDRegressor.predict`",
        "SGDClassifier.predict few rows": "`SGDClassifier.predict`",
    },
}
SOLVERS = {
    "Whole fits": {
        "logistic l2": "logistic regression with `l2`",
        "ridge": "ridge",
        "lasso": "lasso",
        "elastic net": "elastic net",
        "huber": "Huber's loss",
    }
}
LARGE = {"n_samples": 10**7, "n_features": 8}  # of docs/ten-million-rows.md
NOT_MEASURED = "Not measured yet: `python bench/report.py measure`, then `fill`."


def compiler() -> str:
    """Return the compiler that the kernel itself says it was built with."""
    found = re.search(
        rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+",
        Path(_kernel.__file__).read_bytes(),
    )
    return re.sub(r":? \([^)]*\)", "", found[0].decode()) if found else "unknown"


def flags() -> str:
    """Return the flags that setup.py builds a fast kernel with."""
    [table] = (
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLAGS"
    )
    code = compile(ast.Expression(table), "setup.py", "eval")
    return " ".join(eval(code, {"SLOW": False})["unix"])


def installed(module: str, package: str = "") -> str | None:
    """Return the version of the package of a module, if there is one."""
    if not find_spec(module):
        return None
    return metadata.version(package or module).partition("+")[0]


def describe_machine(info: Record) -> Record:
    """Return what of pytest-benchmark's description matters and names nobody."""
    [blas] = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return {
        "cpu": info["cpu"]["brand_raw"],
        "cores": info["cpu"]["count"],
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": installed("torch"),
        "scikit-learn": installed("sklearn", "scikit-learn"),
        "blas": f"{blas['internal_api']} {blas['version']} {blas['architecture']}",
        "compiler": compiler(),
        "flags": flags(),
    }


def run_once(files: list[str], max_bytes: str) -> tuple[Record, list[Record]]:
    """Run benchmarks; return the machine and a record of every case."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [sys.executable, "-m", "pytest", *files, "--quiet"]
        command += ["--benchmark-quiet", f"--benchmark-json={path}"]
        command += [f"--max-bytes={max_bytes}"]
        subprocess.run(command, cwd=ROOT, check=True)
        report = json.loads(path.read_text(encoding="utf-8"))
    records = [
        case["extra_info"] | {"seconds": case["stats"]["min"]}
        for case in report["benchmarks"]
    ]
    return report["machine_info"], records


def combine(results: list[list[Record]]) -> list[Record]:
    """Return the medians over runs; ratios are taken within a run before.

    ``times_gdfast`` is the time of a pass over that of gdfast on the same data, with as
    many threads or the next fewer that it was measured with.
    """
    for records in results:
        ours = select(records, contestant="gdfast")
        for record in records:
            same = [r for r in ours if group(r) == group(record)]
            if gdfast := with_threads(same, record["threads"]):
                record["times_gdfast"] = per_pass(record) / per_pass(gdfast)
    return [median_record(same) for same in zip(*results, strict=True)]


def with_threads(records: list[Record], threads: int) -> Record | None:
    """Return the record of the most threads up to some."""
    fitting = [record for record in records if record["threads"] <= threads]
    return max(fitting, key=lambda record: record["threads"], default=None)


def median_record(same: tuple[Record, ...]) -> Record:
    """Return one record for those of several runs, with figures of four digits."""
    first = same[0]
    record = {name: first[name] for name in KEY}
    for name in ("seconds", "gb_per_s", "times_gdfast"):
        if name in first:
            record[name] = float(f"{median(found[name] for found in same):.4g}")
    if "loss" in first:
        record["loss"] = float(f"{first['loss']:.10g}")
    if "method" in first:
        record["method"] = first["method"]
    return record


def measure(files: list[str], runs: int, max_bytes: str) -> Path:
    """Run benchmarks several times and write the medians to a file."""
    results = [run_once(files, max_bytes) for _ in range(runs)]
    machine = describe_machine(results[0][0])
    head = {"version": gdfast.__version__, "machine": machine, "runs": runs}
    lines = [json.dumps(record) for record in combine([run for _, run in results])]
    text = json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n  '
    text += ",\n  ".join(lines) + "\n ]\n}\n"
    words = re.sub(r"\(.*?\)", "", f"{machine['cpu']} {machine['cores']} cores")
    name = "-".join(re.findall(r"[a-z0-9]+", words.lower()))
    path = RESULTS / f"{gdfast.__version__}-{name}.json"
    path.write_text(text, encoding="utf-8")
    return path


def time(seconds: float) -> str:
    """Return a time of three digits."""
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def shown_time(record: Record) -> str:
    """Return the time of one pass, or of the whole run on the pizza data."""
    return time(per_pass(record) * (PIZZA_STEPS if record["case"] == "pizza" else 1))


def factor(ratio: float) -> str:
    """Return a ratio to read, of two digits or more."""
    if ratio >= 9.95:
        return f"{ratio:.0f}"
    return f"{ratio:#.2g}"


def markdown(heads: list[str], rows: list[list[str]], n_left: int) -> str:
    """Return a table whose first columns are aligned to the left."""
    rule = ["---"] * n_left + ["--:"] * (len(heads) - n_left)
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *rows])


def case_table(case: str, records: list[Record]) -> str:
    """Return the figures of one case: a row for every set of data and of threads."""
    records = select(records, case=case)
    gdfast = select(records, contestant="gdfast")
    lines: dict[tuple[Any, ...], dict[str, Record]] = {}
    for record in records:
        line = lines.setdefault((group(record), record["threads"]), {})
        line[record["contestant"]] = record
    names = list(dict.fromkeys(record["contestant"] for record in records))
    others = [name for name in names if name not in ("gdfast", "read")]
    reading = "read" in names
    threaded = any(record["threads"] > 1 for record in records)
    heads = [TITLES[case], "", *["threads"] * threaded, "gdfast"]
    heads += ["GB/s", "of reading"] * reading
    heads += [NAMES.get(name, name) for name in others]
    rows = []
    for (same, threads), found in lines.items():
        ours = with_threads([r for r in gdfast if group(r) == same], threads)
        row = [size(*same[1:3]), same[3], *[str(threads)] * threaded, shown_time(ours)]
        if reading:
            read = found.get("read")
            row.append(f"{ours['gb_per_s']:.1f}")
            row.append(f"{100 * read['times_gdfast']:.0f} %" if read else "")
        for name in others:
            cell = factor(found[name]["times_gdfast"]) if name in found else ""
            small = case in SMALL
            row.append(f"{shown_time(found[name])} ({cell})" if small else cell)
        rows.append(row)
    return markdown(heads, rows, 2)


def table(result: Record) -> str:
    """Return the contestants' tables, and what they were measured on."""
    shown = [
        record
        for record in result["cases"]
        if record["case"] in SMALL
        or record["n_samples"] * record["n_features"] >= SHOWN_VALUES
    ]
    cases = [case for case in TITLES if select(shown, case=case)]
    return "\n\n".join([*(case_table(case, shown) for case in cases), source(result)])


def source(result: Record) -> str:
    """Return what was measured, and on which machine."""
    machine = result["machine"]
    others = "".join(
        f" {name} {version},"
        for name, version in (
            ("PyTorch", machine.get("torch")),
            ("scikit-learn", machine.get("scikit-learn")),
        )
        if version
    )
    runs = f"median of {result['runs']} runs" if result["runs"] > 1 else "one run"
    return (
        f"gdfast {result['version']}, {runs} on "
        f"{machine['cpu']} ({machine['cores']} cores, {machine['system']}); Python "
        f"{machine['python']}, NumPy {machine['numpy']} ({machine['blas']}),{others} "
        f"kernel by {machine['compiler']} with `{machine['flags']}`."
    )


def walk_table(result: Record) -> str:
    """Return the steps of the walk, each with the time that it saved."""
    records = largest(select(result["cases"], case="walk"))
    if not records:
        return NOT_MEASURED
    shape = size(records[0]["n_samples"], records[0]["n_features"])
    heads = [f"A step on {shape}", "threads", "takes", "times the loop"]
    heads += ["times the row above", "GB/s"]
    first = above = per_pass(records[0])
    rows = []
    for record in records:
        seconds, way = per_pass(record), record["contestant"]
        row = [WALK[way], str(record["threads"]), time(seconds)]
        row += ["" if way == "read" else factor(t / seconds) for t in (first, above)]
        row.append("" if way == "moments" else f"{record['gb_per_s']:.2g}")
        rows.append(row)
        above = seconds
    return f"{markdown(heads, rows, 1)}\n\n{source(result)}"


def runs_table(result: Record) -> str:
    """Return how long whole runs took by which method, and which was chosen."""
    rows = []
    for shape, ways in runs(result["cases"]).items():
        times = {way: measured(records) for way, records in ways.items()}
        for record in ways["gdfast"]:
            steps = n_steps(record)
            by = {way: carried_on(times[way], steps) for way in times}
            cells = {
                way: time(by[way]) if steps in times[way] else f"~ {time(by[way])}"
                for way in times
            }
            best = min(by[way] for way in ("passes", "moments") if way in by)
            lost = f"{100 * max(0.0, by['gdfast'] / best - 1):.0f} %"
            row = [cells.get(way, "") for way in ("passes", "moments", "numpy")]
            rows.append([size(*shape), str(steps), *row, record["method"], lost])
    heads = ["A run of `train`", "steps", "passes", "moments", "NumPy"]
    heads += ["chosen", "lost"]
    return markdown(heads, rows, 1) if rows else NOT_MEASURED


def large_table(result: Record) -> str:
    """Return what steps and runs of `train` take on ten million rows."""
    records = select(result["cases"], **LARGE)
    rows = []
    for ours in select(records, case="train", contestant="gdfast"):
        same = {name: ours[name] for name in ("dtype", "threads")}
        [numpy] = select(records, case="train", contestant="numpy", **same)
        cells = [time(per_pass(record)) for record in (ours, numpy)]
        rows.append(["a step by passes", ours["dtype"], str(ours["threads"]), *cells])
    for ways in runs(records).values():
        by_numpy = measured(ways["numpy"])
        for record in ways["gdfast"]:
            steps = n_steps(record)
            name = f"a run of {steps} steps by {record['method']}"
            cells = [time(measured([record])[steps]), time(carried_on(by_numpy, steps))]
            cells[1] = cells[1] if steps in by_numpy else f"~ {cells[1]}"
            rows.append([name, record["dtype"], str(record["threads"]), *cells])
    heads = [f"`train` on {size(*LARGE.values())}", "", "threads", "gdfast", "NumPy"]
    table = markdown(heads, rows, 2)
    return f"{table}\n\n{source(result)}" if rows else NOT_MEASURED


def rivals_table(head: str, names: dict[str, str], result: Record) -> str:
    """Return the times of whole calls, gdfast's and those of its fastest rival."""
    rows = []
    for case, name in names.items():
        records = select(result["cases"], case=case)
        for ours in select(records, contestant="gdfast"):
            same = (*group(ours), ours["threads"])
            rival = min(
                (r for r in records if (*group(r), r["threads"]) == same and r != ours),
                key=lambda record: record["seconds"],
            )
            solver = rival["contestant"]
            row = [name + (f", {same[-1]} threads" if same[-1] > 1 else "")]
            row += [size(*same[1:3]), same[3], time(ours["seconds"])]
            row.append(time(rival["seconds"]))
            row[-1] += f" ({solver})" if solver != "scikit-learn" else ""
            rows.append([*row, factor(rival["times_gdfast"])])
    heads = [head, "", "", "gdfast", "scikit-learn", "ratio"]
    return markdown(heads, rows, 3) if rows else ""


def rivals_tables(tables: dict[str, dict[str, str]], result: Record) -> str:
    """Return the tables that have rows, and what they were measured on."""
    each = (rivals_table(head, names, result) for head, names in tables.items())
    shown = [table for table in each if table]
    return "\n\n".join([*shown, source(result)]) if shown else NOT_MEASURED


TABLES = {
    "contestants": table,
    "walk": walk_table,
    "runs": runs_table,
    "large": large_table,
    "drop_ins": partial(rivals_tables, DROP_INS),
    "solvers": partial(rivals_tables, SOLVERS),
}


def fill(page: str, result: Record) -> str:
    """Return a page with the tables between their marks.

    One that the result has no rows for stays; one whose mark names a machine has the
    newest results of that.
    """

    def replace(found: re.Match[str]) -> str:
        start, name, machine, before, end = found.groups()
        table = TABLES[name](load(newest(machine)) if machine else result)
        if table == NOT_MEASURED:
            table = before.strip() or table
        return f"{start}\n\n{table}\n\n{end}"

    marks = r"(<!-- table: (\w+)(?: of ([\w-]+))? -->)\n(.*?)(<!-- end -->)"
    return re.sub(marks, replace, page, flags=re.DOTALL)


def main() -> None:
    """Measure or show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("measure", help="write a file of results")
    command.add_argument("files", nargs="*", help="benchmarks (default: all)")
    command.add_argument("--runs", type=int, default=5, help="default: %(default)s")
    command.add_argument("--max-bytes", default="2e9", help="as for the benchmarks")
    for name, help in (
        ("table", "print a file of results"),
        ("fill", "put it into README.md and the documents"),
        ("pictures", "draw it into docs/images"),
    ):
        command = commands.add_parser(name, help=help)
        command.add_argument("file", type=Path, nargs="?", help="default: the newest")
    args = parser.parse_args()
    if args.command == "measure":
        path = measure(args.files or ["bench"], args.runs, args.max_bytes)
        print(path.relative_to(ROOT))
        return
    result = load(args.file or newest())
    if args.command == "table":
        print("\n\n".join(show(result) for show in TABLES.values()))
    elif args.command == "fill":
        for path in PAGES:
            page = path.read_text(encoding="utf-8")
            path.write_text(fill(page, result), encoding="utf-8")
    else:
        from pictures import draw_all  # matplotlib is no part of the extra

        draw_all(result)


if __name__ == "__main__":
    main()
