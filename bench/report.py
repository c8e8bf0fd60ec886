"""Measure, keep the figures, and show them as README.md does.

``python bench/report.py measure`` runs the benchmarks several times and writes medians
to ``bench/results/<version>-<machine>.json``: of the fastest calls of every run, as
other work on the machine can only make a call slower. ``python bench/report.py table``
prints such a file as Markdown, without a name the newest. Needs the extra ``bench``.
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
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

import gdfast
from gdfast import _kernel

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
Record = dict[str, Any]
KEY = ("case", "n_samples", "n_features", "dtype", "contestant", "threads", "passes")
SMALL = ("pizza", "one step")  # cases whose times are shown beside the ratios
TITLES = {
    "step": "One step (loss, gradient, update)",
    "train": "`train`, a step",
    "pizza": "`train`, 20 000 steps on the pizza data",
    "one step": "`train`, a call with one step on the pizza data",
    "numpy": "NumPy",
    "twin": "NumPy twin",
    "tutorial": "tutorial's loop",
    "tutorial_without_loss": "the same without losses",
}


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


def describe_machine(info: Record) -> Record:
    """Return what of pytest-benchmark's description matters and names nobody."""
    [blas] = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return {
        "cpu": info["cpu"]["brand_raw"],
        "cores": info["cpu"]["count"],
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['internal_api']} {blas['version']} {blas['architecture']}",
        "compiler": compiler(),
        "flags": flags(),
    }


def run_once(max_bytes: str) -> tuple[Record, list[Record]]:
    """Run the benchmarks; return the machine and a record of every case."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [sys.executable, "-m", "pytest", "bench", "--quiet"]
        command += ["--benchmark-quiet", f"--benchmark-json={path}"]
        command += [f"--max-bytes={max_bytes}"]
        subprocess.run(command, cwd=ROOT, check=True)
        report = json.loads(path.read_text(encoding="utf-8"))
    records = [
        case["extra_info"] | {"seconds": case["stats"]["min"]}
        for case in report["benchmarks"]
    ]
    return report["machine_info"], records


def combine(runs: list[list[Record]]) -> list[Record]:
    """Return the medians over runs; ratios are taken within a run before.

    ``times_gdfast`` is the time of a contestant over that of gdfast on the same data.
    """
    for run in runs:
        ours = {group(r): r["seconds"] for r in run if r["contestant"] == "gdfast"}
        for record in run:
            record["times_gdfast"] = record["seconds"] / ours[group(record)]
    return [median_record(same) for same in zip(*runs, strict=True)]


def median_record(same: tuple[Record, ...]) -> Record:
    """Return one record for those of several runs, with figures of four digits."""
    record = {name: same[0][name] for name in KEY}
    for name in ("seconds", "gb_per_s", "times_gdfast"):
        record[name] = float(f"{median(found[name] for found in same):.4g}")
    if "loss" in same[0]:
        record["loss"] = float(f"{same[0]['loss']:.10g}")
    return record


def group(record: Record) -> tuple[Any, ...]:
    """Return what contestants on the same data have in common."""
    return tuple(record[name] for name in KEY[:4])


def measure(runs: int, max_bytes: str) -> Path:
    """Run the benchmarks several times and write the medians to a file."""
    results = [run_once(max_bytes) for _ in range(runs)]
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


def time(record: Record) -> str:
    """Return the time of one pass, or of the whole run on the pizza data."""
    seconds = record["seconds"] / (1 if record["case"] == "pizza" else record["passes"])
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def factor(times_gdfast: float) -> str:
    """Return a ratio to read, of two digits or more."""
    if times_gdfast >= 9.95:
        return f"{times_gdfast:.0f}"
    return f"{times_gdfast:#.2g}"


def title(record: Record) -> str:
    """Return the head of a contestant's column."""
    contestant: str = record["contestant"]
    name = TITLES.get(contestant, contestant)
    return f"{name}, {record['threads']} threads" if record["threads"] > 1 else name


def case_table(case: str, records: list[Record]) -> str:
    """Return the figures of one case as Markdown: a row for every set of data."""
    groups: dict[tuple[Any, ...], dict[str, Record]] = {}
    for record in records:
        if record["case"] == case:
            groups.setdefault(group(record), {})[title(record)] = record
    names = list(next(iter(groups.values())))
    others = [name for name in names if name not in ("gdfast", "read")]
    reading = ["GB/s", "of reading"] if "read" in names else []
    titles = [TITLES[case], "", "gdfast", *reading, *others]
    lines = [titles, ["---", "---", *["--:"] * (len(titles) - 2)]]
    for found in groups.values():
        ours = found["gdfast"]
        rows = f"{ours['n_samples']:,}".replace(",", " ")
        line = [f"{rows} x {ours['n_features']}", ours["dtype"], time(ours)]
        if reading:
            share = found["read"]["times_gdfast"]
            line += [f"{ours['gb_per_s']:.1f}", f"{100 * share:.0f} %"]
        for name in others:
            times = factor(found[name]["times_gdfast"])
            small = case in SMALL
            line.append(f"{time(found[name])} ({times})" if small else times)
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table(path: Path) -> str:
    """Return a file of results as Markdown."""
    result = json.loads(path.read_text(encoding="utf-8"))
    cases = dict.fromkeys(record["case"] for record in result["cases"])
    source = (
        "gdfast {version}, median of {runs} runs on {cpu} ({cores} cores, {system}); "
        "Python {python}, NumPy {numpy} ({blas}), kernel by {compiler} with `{flags}`."
    )
    tables = [case_table(case, result["cases"]) for case in cases]
    return "\n\n".join([*tables, source.format(**result | result["machine"])])


def newest() -> Path:
    """Return the results of the highest version."""
    return max(
        sorted(RESULTS.glob("*.json")),
        key=lambda path: [int(n) for n in path.name.split("-")[0].split(".")],
    )


def main() -> None:
    """Measure or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("measure", help="write a file of results")
    command.add_argument("--runs", type=int, default=5, help="default: %(default)s")
    command.add_argument("--max-bytes", default="1e9", help="as for the benchmarks")
    command = commands.add_parser("table", help="print a file of results")
    command.add_argument("file", type=Path, nargs="?", help="default: the newest")
    args = parser.parse_args()
    if args.command == "measure":
        print(measure(args.runs, args.max_bytes).relative_to(ROOT))
    else:
        print(table(args.file or newest()))


if __name__ == "__main__":
    main()
