"""Compare the speed of two commits: ``python bench/compare.py BASE [HEAD]``.

Both are built from what git holds, each into a folder of its own, and measured in turn
by the benchmarks beside this file, with one thread in every pool. The fastest calls are
compared; the exit status is 1 when a case became slower by more than 15 % and by more
than 1 ms a call, or is gone. Needs the extra ``bench`` and pip's access to the build
requirements. Without HEAD the tracked files are measured as they are now.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = ("base", "head", "head", "base")  # what drifts evenly then hits both alike
MAX_SLOWDOWN = 1.15
MAX_SECONDS_MORE = 1e-3
ONE_THREAD = {
    f"{pool}_NUM_THREADS": "1" for pool in ("BLIS", "MKL", "OMP", "OPENBLAS")
} | {"VECLIB_MAXIMUM_THREADS": "1"}

Seconds = dict[str, float]  # of every case


class Row(NamedTuple):
    """One case of the comparison; None where a commit does not have it.

    Parameters
    ----------
    case : str
        Its name.
    base, head : float or None
        Seconds of the fastest call.
    """

    case: str
    base: float | None
    head: float | None

    @property
    def verdict(self) -> str:
        """Return one word on the head."""
        if self.base is None:
            return "new"
        if self.head is None:
            return "gone"
        few, many = sorted((self.base, self.head))
        if many <= MAX_SLOWDOWN * few or many - few <= MAX_SECONDS_MORE:
            return "same"
        return "slower" if self.head > self.base else "faster"

    def __str__(self) -> str:
        """Return the row of the table."""
        base, head = (
            "" if seconds is None else f"{1e3 * seconds:.2f}"
            for seconds in (self.base, self.head)
        )
        ratio = f"{self.head / self.base:.2f}" if self.base and self.head else ""
        return f"| {self.case} | {base} | {head} | {ratio} | {self.verdict} |"


def fastest(rounds: list[Seconds]) -> Seconds:
    """Return the least time of every case in some rounds."""
    cases = dict.fromkeys(case for found in rounds for case in found)
    return {
        case: min(found[case] for found in rounds if case in found) for case in cases
    }


def compare(base: Seconds, head: Seconds) -> list[Row]:
    """Return a row for every case that either has, in order."""
    return [Row(case, base.get(case), head.get(case)) for case in {**base, **head}]


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    title = "| case | base, ms | head, ms | head / base | |\n|---|--:|--:|--:|---|"
    return "\n".join([title, *map(str, rows)])


def read_report(path: Path) -> Seconds:
    """Return the fastest call of every case in a report of pytest-benchmark."""
    cases = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    return {case["name"]: case["stats"]["min"] for case in cases}


def snapshot() -> str:
    """Return a commit of the tracked files as they are, made without a trace."""
    command = ["git", "-C", str(ROOT), "stash", "create"]
    return subprocess.check_output(command, text=True).strip() or "HEAD"


def build(commit: str, folder: Path) -> None:
    """Build a commit and install it into a folder."""
    command = ["git", "-C", str(ROOT), "archive", "--format=zip", commit]
    archive = subprocess.check_output(command)
    with tempfile.TemporaryDirectory() as tree:
        zipfile.ZipFile(io.BytesIO(archive)).extractall(tree)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, f"--target={folder}", tree], check=True)


def measure(folder: Path, max_bytes: str) -> Seconds:
    """Run the benchmarks on what is installed in a folder."""
    python = [sys.executable, "-P"]  # nothing is imported from where we are
    env = os.environ | ONE_THREAD | {"PYTHONPATH": str(folder)}
    show = "import gdfast; print(gdfast.__file__)"
    found = subprocess.check_output([*python, "-c", show], env=env, text=True)
    if not Path(found.strip()).is_relative_to(folder):
        raise SystemExit(f"would measure {found.strip()} instead of the build")
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [*python, "-m", "pytest", "bench", "--quiet", "-k", "gdfast"]
    command += [f"--max-bytes={max_bytes}", f"--benchmark-json={report}"]
    run = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    if run.returncode:  # a commit may lack what a case needs; the others count
        print(run.stdout, run.stderr, file=sys.stderr)
    if not report.exists():
        raise SystemExit(2)
    return read_report(report)


def main() -> int:
    """Build, measure and compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("head", nargs="?", help="commit to judge")
    parser.add_argument("--max-bytes", default="1e8", help="as for the benchmarks")
    args = parser.parse_args()
    commits = {"base": args.base, "head": args.head or snapshot()}
    rounds: dict[str, list[Seconds]] = {name: [] for name in commits}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, commit in commits.items():
                build(commit, Path(folder, name))
        except subprocess.CalledProcessError as error:
            parser.error(f"{name} cannot be built: {error}")
        for name in ROUNDS:
            rounds[name].append(measure(Path(folder, name), args.max_bytes))
    rows = compare(fastest(rounds["base"]), fastest(rounds["head"]))
    print(table(rows))
    return int(any(row.verdict in ("slower", "gone") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
