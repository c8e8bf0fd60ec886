"""The benchmarks run, and what judges and prints their figures is right."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("threadpoolctl")  # the benchmarks set the threads of BLAS by it
ROOT = Path(__file__).parents[1]
if not (ROOT / "bench").is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)


def load(name):
    """Import a script of the benchmarks."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"bench/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compare = load("compare")
report = load("report")


def test_smallest_size_of_every_benchmark():
    command = [sys.executable, "-m", "pytest", "bench", "--max-bytes=0", "--quiet"]
    command += ["--benchmark-disable", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


@pytest.mark.parametrize(
    ("base_ms", "head_ms", "verdict"),
    [
        (10, 10, "same"),
        (10, 11.4, "same"),  # more than 1 ms, but not more than 15 %
        (1, 1.9, "same"),  # more than 15 %, but not more than 1 ms
        (10, 11.6, "slower"),
        (11.6, 10, "faster"),
        (None, 10, "new"),
        (10, None, "gone"),
    ],
)
def test_verdict(base_ms, head_ms, verdict):
    base, head = (None if ms is None else ms / 1000 for ms in (base_ms, head_ms))
    assert compare.Row("case", base, head).verdict == verdict


def test_fastest_round_of_every_case():
    rounds = [{"a": 2.0, "b": 1.0}, {"a": 1.5, "c": 4.0}]
    assert compare.fastest(rounds) == {"a": 1.5, "b": 1.0, "c": 4.0}


@pytest.mark.parametrize(
    ("base", "head", "status", "line"),
    [
        ([10.0, 30.0], [30.0, 10.5], 0, "| a | 10.00 | 10.50 | 1.05 | same |"),
        ([10.0, 11.0], [13.0, 12.0], 1, "| a | 10.00 | 12.00 | 1.20 | slower |"),
        ([10.0, 11.0], [None, None], 1, "| a | 10.00 |  |  | gone |"),
        ([None, None], [2.0, 3.0], 0, "| a |  | 2.00 |  | new |"),
    ],
)
def test_comparison(base, head, status, line, monkeypatch, capsys):
    left = {"base": iter(base), "head": iter(head)}
    measured = []

    def measure(folder, max_bytes):
        measured.append((folder.name, max_bytes))
        milliseconds = next(left[folder.name])
        return {} if milliseconds is None else {"a": milliseconds / 1000}

    built = {}
    monkeypatch.setattr(compare, "measure", measure)
    monkeypatch.setattr(
        compare, "build", lambda commit, folder: built.update({folder.name: commit})
    )
    monkeypatch.setattr(sys, "argv", ["compare.py", "v1", "v2", "--max-bytes=5"])
    assert compare.main() == status
    assert capsys.readouterr().out.splitlines()[2:] == [line]
    assert built == {"base": "v1", "head": "v2"}
    assert measured == [(name, "5") for name in ("base", "head", "head", "base")]


def records(*seconds):
    """Return a run of gdfast, NumPy and the plain reading that took some seconds."""
    same = {"case": "step", "n_samples": 1000, "n_features": 8, "dtype": "float64"}
    same |= {"threads": 1, "passes": 10, "gb_per_s": 4.0}
    names = ("gdfast", "numpy", "read")
    return [
        same | {"contestant": name, "seconds": s}
        for name, s in zip(names, seconds, strict=True)
    ]


def test_ratios_are_taken_within_a_run():
    # The second run met a machine three times as slow; its ratios are as good.
    runs = [records(1.0, 2.0, 0.5), records(3.0, 6.0, 1.5), records(1.0, 4.0, 0.5)]
    gdfast, numpy, read = report.combine(runs)
    assert gdfast["seconds"] == 1.0
    assert numpy["seconds"] == 4.0
    assert numpy["times_gdfast"] == 2.0
    assert read["times_gdfast"] == 0.5


def test_table():
    lines = report.case_table("step", report.combine([records(0.02, 0.5, 0.01)]))
    assert lines.splitlines()[2] == ("| 1 000 x 8 | float64 | 2 ms | 4.0 | 50 % | 25 |")


@pytest.mark.parametrize(
    ("case", "seconds", "text"),
    [("step", 25.0, "2.5 s"), ("pizza", 0.0123, "12.3 ms"), ("step", 98e-5, "98 µs")],
)
def test_times(case, seconds, text):
    assert report.time({"case": case, "seconds": seconds, "passes": 10}) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.034, "0.034"), (1.0, "1.0"), (9.94, "9.9"), (9.96, "10")]
)
def test_factor(ratio, text):
    assert report.factor(ratio) == text


@pytest.mark.parametrize(
    "path", sorted(report.RESULTS.glob("*.json")), ids=lambda path: path.name
)
def test_kept_results_name_nobody(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    assert set(result) == {"version", "machine", "runs", "cases"}
    assert set(result["machine"]) == {
        *("cpu", "cores", "system", "python", "numpy", "blas", "compiler", "flags")
    }


def test_readme_shows_kept_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert any(report.table(path) in readme for path in report.RESULTS.glob("*.json"))
