"""What a file of results holds, as its tables and its pictures read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
KEY = ("case", "n_samples", "n_features", "dtype", "contestant", "threads", "passes")
Record = dict[str, Any]
Runs = dict[int, float]  # seconds of a whole run of so many steps


def load(path: Path) -> Record:
    """Return a file of results."""
    result: Record = json.loads(path.read_text(encoding="utf-8"))
    return result


def newest(machine: str | None = None) -> Path:
    """Return the results of the highest version, of any machine or of one."""
    kept = sorted(RESULTS.glob("*.json"))
    if machine is not None:
        kept = [path for path in kept if path.stem.partition("-")[2] == machine]
    if not kept:
        raise SystemExit(f"there are no results of {machine or 'any machine'}")
    return max(
        kept,
        key=lambda path: [int(n) for n in path.name.split("-")[0].split(".")],
    )


def select(records: list[Record], **wanted: Any) -> list[Record]:
    """Return those that have all of some values."""
    return [r for r in records if all(r[name] == wanted[name] for name in wanted)]


def group(record: Record) -> tuple[Any, ...]:
    """Return what contestants on the same data have in common."""
    return tuple(record[name] for name in KEY[:4])


def per_pass(record: Record) -> float:
    """Return the seconds of one pass."""
    seconds: float = record["seconds"] / record["passes"]
    return seconds


def largest(records: list[Record]) -> list[Record]:
    """Return those of the most rows."""
    most = max((record["n_samples"] for record in records), default=0)
    return select(records, n_samples=most)


def size(n_samples: int, n_features: int) -> str:
    """Return the shape of X."""
    return f"{n_samples:,} x {n_features}".replace(",", " ")


def runs(records: list[Record]) -> dict[tuple[int, int], dict[str, list[Record]]]:
    """Return the records of whole runs, of every size and of every way in it."""
    found: dict[tuple[int, int], dict[str, list[Record]]] = {}
    for record in records:
        if record["case"].startswith("run of"):
            ways = found.setdefault((record["n_samples"], record["n_features"]), {})
            ways.setdefault(record["contestant"], []).append(record)
    return found


def n_steps(record: Record) -> int:
    """Return the steps of a whole run; a timed call may have made several of it."""
    return int(record["case"].split()[2])


def measured(records: list[Record]) -> Runs:
    """Return the times of the runs of one way."""
    return {n_steps(r): n_steps(r) * per_pass(r) for r in records}


def carried_on(times: Runs, steps: int) -> float:
    """Return the time of a run; a longer one than was timed is on the line of the last.

    Every step goes through all of the data, so it costs as much as the one before.
    """
    if steps in times:
        return times[steps]
    few, many = sorted(times)[-2:]
    per_step = (times[many] - times[few]) / (many - few)
    return times[many] + per_step * (steps - many)
