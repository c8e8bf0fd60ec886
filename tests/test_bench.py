"""The benchmarks run, and what judges and prints their figures is right."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("threadpoolctl")  # the benchmarks set the threads of BLAS by it
ROOT = Path(__file__).parents[1]
if not (ROOT / "bench").is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)


with pytest.MonkeyPatch.context() as patch:  # as python bench/report.py finds them
    patch.syspath_prepend(ROOT / "bench")
    compare, records, report = map(
        importlib.import_module, ("compare", "records", "report")
    )


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


def run(*seconds, threads=1):
    """Return a run of gdfast, NumPy and the plain reading that took some seconds."""
    same = {"case": "step", "n_samples": 100_000, "n_features": 8, "dtype": "float64"}
    same |= {"threads": threads, "passes": 10, "gb_per_s": 4.0}
    names = ("gdfast", "numpy", "read")
    return [
        same | {"contestant": name, "seconds": s}
        for name, s in zip(names, seconds, strict=True)
        if s is not None
    ]


def walk(**seconds):
    """Return a run of the walk's ways that took some seconds, on two sizes of data."""
    same = {"case": "walk", "n_features": 8, "dtype": "float64", "threads": 1}
    return [
        same
        | {"n_samples": n, "contestant": way, "seconds": s, "passes": 1}
        | {"gb_per_s": 4.0}
        for n in (1000, 10**6)
        for way, s in seconds.items()
    ]


def whole_run(way, n_steps, seconds, **more):
    same = {"n_samples": 1000, "n_features": 32, "dtype": "float64", "threads": 1}
    same |= {"case": f"run of {n_steps} steps", "contestant": way, "passes": n_steps}
    return same | {"seconds": seconds, "gb_per_s": 4.0} | more


def result(cases):
    names = ("cpu", "system", "python", "numpy", "blas", "compiler", "flags")
    machine = dict.fromkeys(names, "?") | {
        "cores": 2,
        "torch": None,
        "scikit-learn": "1.2.3",
    }
    return {"version": "1.0", "machine": machine, "runs": 1, "cases": cases}


@pytest.mark.parametrize(
    "path", sorted(records.RESULTS.glob("*.json")), ids=lambda p: p.stem
)
def test_every_case_of_the_drop_ins_has_a_row(path):
    rivals = records.select(records.load(path)["cases"], contestant="scikit-learn")
    named = {case for table in report.DROP_INS.values() for case in table}
    assert {record["case"] for record in rivals} <= named


def test_ratios_are_taken_within_a_run():
    # The second run met a machine three times as slow; its ratios are as good.
    runs = [run(1.0, 2.0, 0.5), run(3.0, 6.0, 1.5), run(1.0, 4.0, 0.5)]
    gdfast, numpy, read = report.combine(runs)
    assert gdfast["seconds"] == 1.0
    assert numpy["seconds"] == 4.0
    assert numpy["times_gdfast"] == 2.0
    assert read["times_gdfast"] == 0.5


def test_ratios_are_those_of_a_pass():
    [gdfast, numpy, _] = cases = run(1.0, 2.0, 0.5)
    gdfast["passes"] = 100
    report.combine([cases])
    assert numpy["times_gdfast"] == 20


def test_ratios_are_taken_at_the_same_number_of_threads():
    one, two = run(1.0, 2.0, 0.5), run(0.5, 1.5, 0.25, threads=2)
    assert report.combine([one + two])[4]["times_gdfast"] == 3.0
    alone = run(None, 1.5, 0.25, threads=2)  # gdfast has one thread only
    assert report.combine([one + alone])[3]["times_gdfast"] == 1.5


def test_table():
    cases = report.combine([run(0.02, 0.5, 0.01)])
    assert report.case_table("step", cases).splitlines()[2:] == [
        "| 100 000 x 8 | float64 | 2 ms | 4.0 | 50 % | 25 |"
    ]
    cases = report.combine([run(0.02, 0.5, 0.01) + run(0.01, 0.4, None, threads=2)])
    assert report.case_table("step", cases).splitlines()[2:] == [
        "| 100 000 x 8 | float64 | 1 | 2 ms | 4.0 | 50 % | 25 |",
        "| 100 000 x 8 | float64 | 2 | 1 ms | 4.0 |  | 40 |",
    ]


def test_walk_table():
    cases = walk(by_examples=2.0, by_arrays=0.4, kernel=0.002, moments=1e-6, read=1e-3)
    assert report.walk_table(result(cases)).splitlines()[:7] == [
        "| A step on 1 000 000 x 8 | threads | takes | times the loop "
        "| times the row above | GB/s |",
        "| --- | --: | --: | --: | --: | --: |",
        "| a loop over the examples | 1 | 2 s | 1.0 | 1.0 | 4 |",
        "| whole arrays | 1 | 400 ms | 5.0 | 5.0 | 4 |",
        "| a compiled kernel | 1 | 2 ms | 1000 | 200 | 4 |",
        "| moments, a step of 1000 | 1 | 1 µs | 2000000 | 2000 |  |",
        "| reading alone | 1 | 1 ms |  |  | 4 |",
    ]


def test_table_of_runs_judges_the_choice():
    cases = [
        whole_run("passes", 2, 2.0),
        whole_run("passes", 10, 6.0),
        whole_run("moments", 100, 3.0),
        whole_run("gdfast", 100, 51.0, method="passes"),
    ]
    assert report.runs_table(result(cases)).splitlines()[2:] == [
        "| 1 000 x 32 | 100 | ~ 51 s | 3 s |  | passes | 1600 % |"
    ]


def test_table_of_the_large_data():
    large = {"n_samples": 10**7, "n_features": 8}
    by_numpy = [
        run | large for run in (whole_run("numpy", 2, 2.0), whole_run("numpy", 10, 6.0))
    ]
    moments = whole_run("gdfast", 100, 3.0, method="moments")
    steps = [
        {
            **moments,
            "case": "train",
            "contestant": name,
            "passes": 2,
            "seconds": seconds,
        }
        for name, seconds in (("gdfast", 4.0), ("numpy", 10.0), ("twin", 20.0))
    ]
    cases = [case | large for case in (*by_numpy, moments, *steps)]
    small = whole_run("gdfast", 100, 1.0, method="moments")
    table = report.large_table(result([*cases, small])).splitlines()
    assert table[2:5] == [
        "| a step by passes | float64 | 1 | 2 s | 5 s |",
        "| a run of 100 steps by moments | float64 | 1 | 3 s | ~ 51 s |",
        "",
    ]
    assert report.large_table(result([small])) == report.NOT_MEASURED


def rivals(case, n_samples, threads=1, **seconds):
    same = {"case": case, "n_samples": n_samples, "n_features": 5, "dtype": "float64"}
    same |= {"threads": threads, "passes": 3, "gb_per_s": 4.0}
    return [
        same | {"contestant": name.replace("_", "-"), "seconds": s}
        for name, s in seconds.items()
    ]


def test_tables_against_scikit_learn():
    cases = rivals("ridge", 100, gdfast=2.0, saga=50.0, cholesky=9.0)
    cases += rivals("lasso", 100, threads=2, gdfast=0.004, scikit_learn=0.01)
    cases += rivals("SGDRegressor", 1000, gdfast=1.0, scikit_learn=4.0)
    cases += rivals("SGDRegressor", 2000, gdfast=2.0, scikit_learn=9.0)
    cases += run(0.02, 0.5, 0.01)  # and what these tables do not show
    shown = result(report.combine([cases]))
    solvers = report.TABLES["solvers"](shown).splitlines()
    assert solvers[:5] == [
        "| Whole fits |  |  | gdfast | scikit-learn | ratio |",
        "| --- | --- | --- | --: | --: | --: |",
        "| ridge | 100 x 5 | float64 | 2 s | 9 s (cholesky) | 4.5 |",
        "| lasso, 2 threads | 100 x 5 | float64 | 4 ms | 10 ms | 2.5 |",
        "",
    ]
    assert "scikit-learn 1.2.3" in solvers[5]
    assert report.TABLES["drop_ins"](shown).splitlines()[2:5] == [
        "| `SGDRegressor.fit` | 1 000 x 5 | float64 | 1 s | 4 s | 4.0 |",
        "| `SGDRegressor.fit` | 2 000 x 5 | float64 | 2 s | 9 s | 4.5 |",
        "",
    ]
    assert report.TABLES["drop_ins"](result([])) == report.NOT_MEASURED


def test_longer_runs_are_carried_on_in_a_straight_line():
    assert records.carried_on({2: 3.0, 10: 7.0}, 10) == 7.0
    assert records.carried_on({2: 3.0, 10: 7.0}, 100) == 52.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (98e-6, "98 µs")]
)
def test_times(seconds, text):
    assert report.time(seconds) == text


def test_pizza_is_timed_whole():
    cases = {"case": "pizza", "passes": 40_000, "seconds": 0.02}
    assert report.shown_time(cases) == "10 ms"


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.034, "0.034"), (1.0, "1.0"), (9.94, "9.9"), (9.96, "10")]
)
def test_factor(ratio, text):
    assert report.factor(ratio) == text


def test_tables_are_filled_between_their_marks():
    page = "a\n<!-- table: walk -->\n{}\n<!-- end -->\nb\n"
    for before, expected in (("", report.NOT_MEASURED), ("old\n", "old")):
        filled = report.fill(page.format(before), result([]))
        assert filled == page.format(f"\n{expected}\n")
        assert report.fill(filled, result([])) == filled


def test_a_table_may_be_of_a_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    kept = ("0.9-a-cpu", 9), ("0.10-a-cpu", 2), ("1.0-not-a-cpu", 3), ("1.0-other", 4)
    for name, seconds in kept:
        shown = result(report.combine([run(1e-3, 1e-3 * seconds, 1e-3)]))
        (tmp_path / f"{name}.json").write_text(json.dumps(shown))
    page = "<!-- table: contestants of {} -->\n<!-- end -->"
    assert "2.0" in report.fill(page.format("a-cpu"), result([]))
    assert records.newest().stem == "1.0-not-a-cpu"
    with pytest.raises(SystemExit, match="no results of b-cpu"):
        report.fill(page.format("b-cpu"), result([]))


@pytest.mark.parametrize(
    "path", sorted(report.RESULTS.glob("*.json")), ids=lambda path: path.name
)
def test_kept_results_name_nobody(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    assert set(found) == {"version", "machine", "runs", "cases"}
    assert set(found["machine"]) | {"torch", "scikit-learn"} == {
        *("cpu", "cores", "system", "python", "numpy", "torch", "scikit-learn"),
        *("blas", "compiler", "flags"),
    }


@pytest.mark.parametrize("page", report.PAGES, ids=lambda path: path.name)
def test_pages_show_kept_results(page):
    text = page.read_text(encoding="utf-8")
    kept = map(records.load, report.RESULTS.glob("*.json"))
    assert any(report.fill(text, result) == text for result in kept)
    assert "<!-- table: " in text


def test_pictures_are_drawn_from_results_alone(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(ROOT / "bench")
    pictures = importlib.import_module("pictures")
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    steps = report.combine([run(1e-3, 2e-3, 1e-3) + run(5e-4, 2e-3, 5e-4, threads=2)])
    steps += [
        record | {"n_samples": 10**7, "n_features": d}
        for record in steps
        for d in (8, 32)
    ]
    runs = [whole_run("gdfast", n, 1.0, method="moments") for n in (2, 10, 100, 1000)]
    runs += [whole_run("numpy", n, n / 4) for n in (2, 10)]
    pictures.draw_all(result(steps + runs))
    assert {path.name for path in tmp_path.iterdir()} == {"roofline.png", "scaling.png"}


def test_labels_are_spread_as_little_as_needed():
    pytest.importorskip("matplotlib")
    pictures = sys.modules["pictures"]
    assert pictures.spread([0.0, 1.0], 0.5) == [0.0, 1.0]
    assert pictures.spread([0.0, 0.0, 2.0], 1.0) == [-0.5, 0.5, 2.0]
