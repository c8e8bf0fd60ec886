"""The command line: what it prints, writes and returns, and how it fails."""

import csv
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gdfast
from gdfast import cli

DATA = Path(gdfast.__file__).parent / "data"
PIZZA, ADVERTISING = str(DATA / "pizza.txt"), str(DATA / "advertising.csv")
HOUSING = str(Path(__file__).parent / "data" / "housing.csv")
TRAIN_HOUSING = ["fit", HOUSING, "--target", "median_house_value"]
TRAIN_HOUSING += ["--drop", "ocean_proximity", "--drop-missing"]
RADIO = ["fit", ADVERTISING, "--target", "Sales", "--features", "Radio"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and pipes")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run every test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Return a function that runs the command and returns stdout and stderr."""

    def run(*argv, status=0):
        try:
            returned = cli.main([str(argument) for argument in argv])
        except SystemExit as exit:
            returned = exit.code
        out, err = capsys.readouterr()
        assert returned == status, err
        assert "Traceback" not in err
        return out, err

    return run


@pytest.fixture
def start(monkeypatch):
    """Return a function that starts the command as a process of its own."""
    processes = []
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # as a user has it

    def start(*argv, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "gdfast", *argv],
            stderr=options.pop("stderr", subprocess.PIPE),
            stdout=options.pop("stdout", subprocess.PIPE),
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def files():
    return sorted(os.listdir())


def rows_of(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, [[float(cell) for cell in row] for row in rows]


# ----------------------------------------------------------- numbers of the tutorials


def test_pizza_without_intercept(run):
    out, err = run(
        *["fit", PIZZA, "--target", "Pizzas", "--no-intercept", "--max-iter", 100],
        *["--learning-rate", 0.001, "--save", "model", "--history", "history.csv"],
    )
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == f"{PIZZA}: 30 rows, 1 feature"
    assert lines[-2:] == ["wrote model", "wrote history.csv"]
    fit = gdfast.load("model")
    assert fit.coef.tolist() == pytest.approx([1.8436928702], abs=5e-11)
    assert (fit.intercept, fit.n_iter) == (0.0, 100)
    assert fit.feature_names == ("Reservations",)
    assert "\n".join(lines[1:-2]).startswith(str(fit).removesuffix(fit.stop_reason))
    header, rows = rows_of("history.csv")
    assert header == ["iteration", "weight", "loss"]
    assert [row[0] for row in rows] == list(range(1, 102))
    losses = [rows[k][-1] for k in (0, 1, 2, 99)]
    expected = [812.8666666667, 304.3630879787, 143.5265791020, 69.1209628275]
    assert losses == pytest.approx(expected, abs=5e-11)
    assert rows[-1][1:] == [fit.coef[0], fit.loss]


def test_pizza_with_intercept(run):
    run(
        *["fit", PIZZA, "--target", "Pizzas", "--max-iter", 20_000],
        *["--learning-rate", 0.001, "--save", "model"],
    )
    fit = gdfast.load("model")
    assert fit.coef[0] == pytest.approx(1.0811301700, abs=5e-11)
    assert fit.intercept == pytest.approx(13.1722676564, abs=5e-11)


@pytest.mark.parametrize(
    ("n_updates", "weight", "bias", "loss"),
    [
        (1, 0.037063, 0.00140225, 197.2505),
        (11, 0.283065, 0.0116106, 74.6565),
        (40, 0.466139, 0.0249821, 43.2803),
    ],
)
def test_advertising(run, n_updates, weight, bias, loss):
    run(*RADIO, "--learning-rate", 5e-5, "--max-iter", n_updates, "--save", "model")
    fit = gdfast.load("model")
    assert fit.coef[0] == pytest.approx(weight, abs=5e-7)
    assert fit.intercept == pytest.approx(bias, abs=5e-8)
    assert fit.loss == pytest.approx(loss, abs=5e-5)


def test_housing_names_the_options_that_help(run):
    out, err = run("fit", HOUSING, "--target", "median_house_value", status=1)
    assert out == ""
    assert err == (
        f"gdfast: error: {HOUSING}: "
        "column 'total_bedrooms' has 207 empty cells, the first at line 292; "
        "column 'ocean_proximity' has text, 'NEAR BAY' at line 2; "
        "--drop ocean_proximity leaves the column out; "
        "--drop-missing leaves the rows with empty cells out\n"
    )


def test_housing_trains_with_these_options(run):
    out, err = run(*TRAIN_HOUSING, "--max-iter", 4000, "--save", "model")
    assert out.startswith(
        f"{HOUSING}: 20,433 rows (207 with empty cells dropped), 8 features\n"
    )
    table = gdfast.read_table(HOUSING, drop=["ocean_proximity"], drop_missing=True)
    X, y = table.values[:, :-1], table.values[:, -1]
    residual = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[1][0]
    assert gdfast.load("model").loss == pytest.approx(residual / len(y), rel=1e-5)


# --------------------------------------------------------------------- options of fit


@pytest.mark.parametrize(
    "options",
    [
        ["--features", "Radio,TV"],
        ["--features", "Radio", "--features", "TV"],
        ["--features", '"Radio", TV'],
        ["--features", "Newspaper,Radio,TV", "--drop", "Newspaper"],
    ],
)
def test_features_are_chosen_and_ordered(run, options):
    run("fit", ADVERTISING, "--target", "Sales", *options, "--save", "model")
    assert gdfast.load("model").feature_names == ("Radio", "TV")


def test_by_default_all_others_with_a_name_are_features(run):
    out, err = run("fit", ADVERTISING, "--target", "Radio", "--save", "model")
    assert gdfast.load("model").feature_names == ("TV", "Newspaper", "Sales")
    note = f"gdfast: note: {ADVERTISING}: left out for having no name: column 1\n"
    assert err == note


def test_a_name_with_a_comma_can_be_quoted_and_the_error_does_it(run, folder):
    (folder / "table.csv").write_text('"a, b",c,it\'s\nx,1,y\nx,2,y\n')
    _, err = run("fit", "table.csv", "--target", "c", status=1)
    options = """--drop '"a, b"' --drop 'it'"'"'s' leaves the columns out\n"""
    assert err.endswith(options)
    (folder / "table.csv").write_text('"a, b",c,it\'s\n1,1,y\n2,2,y\n')
    run("fit", "table.csv", "--target", "c", "--features", '"a, b"')
    run("fit", "table.csv", "--target", "c", "--drop", "it's")


def test_advice_on_very_many_columns_stays_short(run, folder):
    names = [f"c{j}" for j in range(5000)]
    rows = [",".join([*names, "y"]), "x," * 5000 + "1", "x," * 5000 + "2"]
    (folder / "wide.csv").write_text("\n".join(rows))
    _, err = run("fit", "wide.csv", "--target", "y", status=1)
    options = " ".join(f"--drop c{j}" for j in range(12))
    assert err.endswith(
        f"; {options} (and 4,988 more columns) leaves the columns out\n"
    )
    assert len(err) < 1500


def test_a_file_without_header(run, folder):
    (folder / "xy.txt").write_text("0 1\n1 3\n2 5\n")
    _, err = run(
        *["fit", "xy.txt", "--target", "2", "--gtol", "1e-12", "--save", "model"]
    )
    note = "gdfast: note: xy.txt: no header line; the columns are named 1 to 2\n"
    assert err == note
    fit = gdfast.load("model")
    assert (fit.coef[0], fit.intercept) == pytest.approx((2, 1), abs=1e-9)


@pytest.mark.parametrize(
    ("options", "standardize"),
    [
        ([], True),
        (["--learning-rate", "auto"], True),
        (["--learning-rate", "1e-6"], False),
        (["--no-standardize"], False),
        (["--learning-rate", "1e-6", "--standardize"], True),
    ],
)
def test_standardizing_is_on_unless_the_rate_was_chosen(run, options, standardize):
    run("fit", ADVERTISING, "--target", "Sales", *options, "--save", "model")
    table = gdfast.example_data("advertising")
    rate = float(options[1]) if "1e-6" in options else "auto"
    expected = gdfast.train(
        table.select(["TV", "Radio", "Newspaper"]),
        table["Sales"],
        learning_rate=rate,
        standardize=standardize,
    )
    fit = gdfast.load("model")
    assert fit.coef.tolist() == expected.coef.tolist()
    assert fit.intercept == expected.intercept


@pytest.mark.parametrize("tolerance", ["--gtol", "--xtol", "--ftol"])
def test_tolerances_end_a_run(run, tolerance):
    slow = ["--learning-rate", 0.0001, "--max-iter", 100_000]
    out, err = run(*RADIO, *slow, tolerance, 0.1)
    reason = out.splitlines()[-1]
    assert reason.startswith("Converged after ")
    assert f"{tolerance} 0.1" in reason
    assert err == ""


def test_loss(run):
    run(*RADIO, "--loss", "half_squared_error", "--max-iter", 3, "--save", "model")
    fit = gdfast.load("model")
    assert fit.loss_name == "half_squared_error"
    table = gdfast.example_data("advertising")
    mean_squared = np.mean((fit.predict(table["Radio"]) - table["Sales"]) ** 2)
    assert fit.loss == pytest.approx(mean_squared / 2, rel=1e-12)


def test_a_run_that_does_not_converge_says_so_once_in_the_summary(run):
    out, err = run(*RADIO, "--no-standardize", "--gtol", "1e-9", "--max-iter", 5)
    assert err == ""
    reason = out.splitlines()[-1]
    assert out.count("Stopped at --max-iter") == 1
    assert reason.startswith("Stopped at --max-iter after 5 iterations")
    assert "--gtol 1e-09" in reason
    assert "--standardize" in reason
    assert "standardize=True" not in reason


def test_a_tolerance_of_0_turns_its_rule_off(run):
    run(*RADIO, "--gtol", 0, "--xtol", 0.0, "--ftol", 0, "--max-iter", 9, "--save", "m")
    fit = gdfast.load("m")
    assert (fit.n_iter, fit.converged) == (9, False)


def test_a_table_of_one_row(run, folder):
    (folder / "row.csv").write_text("x,y\n1,2\n")
    out, _ = run("fit", "row.csv", "--target", "y")
    assert out.startswith("row.csv: 1 row, 1 feature\n")


@pytest.mark.parametrize("rate", [0.005, 1e150])
def test_a_run_that_diverges_leaves_its_history_and_no_model(run, rate):
    pytest.importorskip("matplotlib")
    out, err = run(
        *["fit", PIZZA, "--target", "Pizzas", "--learning-rate", rate],
        *["--save", "model", "--history", "history.csv", "--plot", "plot.png"],
        status=1,
    )
    assert out == "wrote history.csv\nwrote plot.png\n"
    assert err.startswith("gdfast: error: gradient descent diverged: ")
    assert err.count("\n") == 1
    assert f"--learning-rate {rate:g} is above" in err
    assert "0.0045551" in err
    assert files() == ["history.csv", "plot.png"]
    _, rows = rows_of("history.csv")
    assert rows[0][-1] == pytest.approx(812.8666666667)
    assert not rows[-1][-1] < rows[0][-1]
    png_size("plot.png")


def test_a_run_that_diverges_without_outputs_prints_only_the_error(run):
    out, err = run(*RADIO, "--learning-rate", 1, status=1)
    assert out == ""
    assert err.startswith("gdfast: error: gradient descent diverged: ")


full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")


@full_disk
def test_an_output_that_fails_loses_neither_summary_nor_the_others(run):
    plain, _ = run(*RADIO, "--max-iter", 9)
    out, err = run(
        *[*RADIO, "--max-iter", 9, "--save", "/dev/full", "--history", "history.csv"],
        status=1,
    )
    assert out == f"{plain}wrote history.csv\n"
    assert err == "gdfast: error: /dev/full: No space left on device\n"
    assert len(rows_of("history.csv")[1]) == 10


@full_disk
def test_every_failure_of_a_run_is_reported(run):
    diverging = [*RADIO, "--learning-rate", 1, "--history", "/dev/full"]
    out, err = run(*diverging, status=1)
    assert out == ""
    diverged, history = err.splitlines()
    assert diverged.startswith("gdfast: error: gradient descent diverged: ")
    assert history == "gdfast: error: /dev/full: No space left on device"


# --------------------------------------------------------------------------- pictures


def draw(run, *options):
    pytest.importorskip("matplotlib")
    return run(*options, "--max-iter", 50)


def png_size(path):
    content = Path(path).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB\x60\x82")
    return tuple(np.frombuffer(content[16:24], ">u4"))


def test_plot_of_a_single_feature_has_two_panels(run):
    draw(run, *RADIO, "--plot", "two.png")
    draw(run, "fit", ADVERTISING, "--target", "Sales", "--plot", "one.png")
    assert png_size("two.png")[0] > 1.5 * png_size("one.png")[0]


def test_plot_labels_the_axes(run):
    draw(run, *RADIO, "--plot", "plot.svg")
    content = Path("plot.svg").read_text()
    for label in ("Radio", "Sales", "iteration", "mean squared error"):
        assert f"<!-- {label} -->" in content


@pytest.mark.parametrize(("n_iter", "scale"), [(99, "linear"), (100, "log")])
def test_the_iteration_axis_of_a_long_run_is_logarithmic(
    run, monkeypatch, n_iter, scale
):
    plots = pytest.importorskip("gdfast.plots")
    pytest.importorskip("matplotlib")
    drawn = []

    def loss_curve(fit, ax, draw=plots.loss_curve):
        drawn.append(draw(fit, ax=ax))

    monkeypatch.setattr(plots, "loss_curve", loss_curve)
    run(*RADIO, "--max-iter", n_iter, "--plot", "plot.png")
    assert [ax.get_xscale() for ax in drawn] == [scale]


def test_plot_as_pdf(run):
    draw(run, *RADIO, "--plot", "plot.PDF")
    assert Path("plot.PDF").read_bytes().startswith(b"%PDF")


def test_without_matplotlib_plot_fails_before_the_training(run, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    monkeypatch.setattr(cli, "train", None)
    _, err = run(*RADIO, "--plot", "plot.png", status=1)
    need = "--plot needs matplotlib: pip install 'gdfast[plot]'\n"
    assert err == f"gdfast: error: {need}"
    assert files() == []


# ---------------------------------------------------------------------------- predict


@pytest.fixture
def model(run):
    """Return a model of Sales by TV and Radio, and the fit."""
    run(
        "fit", ADVERTISING, "--target", "Sales", "--features", "TV,Radio", "--save", "m"
    )
    return "m", gdfast.load("m")


def test_predict_prints_a_number_a_line(run, model):
    path, fit = model
    out, err = run("predict", path, ADVERTISING)
    table = gdfast.example_data("advertising")
    expected = fit.predict(table.select(["TV", "Radio"])).tolist()
    assert [float(line) for line in out.splitlines()] == expected
    assert err == ""


def test_predict_finds_columns_by_name(run, model, folder):
    (folder / "new.csv").write_text("x,Radio,note,TV\n,1.5,hello,20\n,0,,30\n")
    out, _ = run("predict", model[0], "new.csv")
    expected = model[1].predict(np.array([[20, 1.5], [30, 0]])).tolist()
    assert [float(line) for line in out.splitlines()] == expected


def test_predict_writes_a_file(run, model):
    printed, _ = run("predict", model[0], ADVERTISING)
    out, _ = run("predict", model[0], ADVERTISING, "--output", "out.csv")
    assert out == "wrote out.csv\n"
    assert Path("out.csv").read_text() == "prediction\n" + printed


def test_predict_with_a_model_of_an_array(run, folder):
    gdfast.train([[1.0, 0.0], [0.0, 1.0], [1, 1]], [1.0, 2.0, 4.0]).save("m")
    (folder / "new.txt").write_text("1 2\n3 4\n")
    out, err = run("predict", "m", "new.txt")
    assert len(out.splitlines()) == 2
    assert "no header line" in err
    _, err = run("predict", "m", ADVERTISING, status=1)
    assert "X has 4 columns, but the model has 2" in err


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("TV,radio\n1,2\n", "no column 'Radio', did you mean 'radio'? the columns are"),
        ("Radio\n2\n", "no column 'TV', the columns are 'Radio'"),
        ("TV,Radio\n1,2\n3,\n", "column 'Radio' has 1 empty cell, at line 3"),
        ("TV,Radio\n1,2\nx,3\n", "column 'TV' has 1 cell of text, 'x' at line 3"),
        ("TV,Radio\n", "no rows of data"),
        ("", "the file is empty"),
    ],
)
def test_predict_on_a_file_that_does_not_fit(run, model, folder, content, found):
    (folder / "new.csv").write_text(content)
    out, err = run("predict", model[0], "new.csv", "--output", "out.csv", status=1)
    assert out == ""
    assert err.startswith(f"gdfast: error: new.csv: {found}")
    assert "drop" not in err
    assert files() == ["m", "new.csv"]


def test_predict_with_a_damaged_model(run, model, folder):
    content = bytearray((folder / "m").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "m").write_bytes(content)
    _, err = run("predict", "m", ADVERTISING, status=1)
    assert err == "gdfast: error: 'm' is damaged: its checksum does not match\n"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (PIZZA, f"{PIZZA!r} is not a saved fit of gdfast"),
        ("missing", "missing: No such file or directory"),
        (".", ".: Is a directory"),
    ],
)
def test_predict_without_a_model(run, path, found):
    assert run("predict", path, PIZZA, status=1)[1] == f"gdfast: error: {found}\n"


def test_a_model_of_another_version_gives_a_plain_warning(run, model, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr("gdfast.fit.__version__", "99.0")
        model[1].save("m")
    out, err = run("predict", "m", ADVERTISING)
    assert len(out.splitlines()) == 200
    assert err.startswith("gdfast: warning: this fit was written by gdfast 99.0 and ")
    assert err.count("\n") == 1


# ------------------------------------------------------------------------------- demo

DEMO_ROWS = [
    (1, 0, 0, 303.7142857142857),
    (2, 1.1971714285714286, 0.34285714285714286, 170.84311819145813),
    (3, 2.050010195632653, 0.5926950048979592, 103.17402263230163),
    (4, 2.6571512956585512, 0.7761560852914671, 68.70278422397007),
    (5, 3.0889756945233557, 0.9122511317638123, 51.13435741865341),
    (6, 3.395703705731159, 1.0145452584284123, 42.172069065705266),
]


def check_demo(out):
    table = re.search(r"^ *iteration .*\n((?: +\d.*\n)+)", out, re.MULTILINE)[1]
    rows = [tuple(map(float, line.split())) for line in table.splitlines()]
    assert rows == [pytest.approx(row, abs=5.1e-11) for row in DEMO_ROWS]
    result = dict(re.findall(r"^(coef|intercept|loss).*  (\S+)$", out, re.MULTILINE))
    assert float(result["coef"]) == pytest.approx(-4.5691095, abs=1e-5)
    assert float(result["intercept"]) == pytest.approx(33.58512404, abs=3e-5)
    assert float(result["loss"]) == pytest.approx(1.46966948, abs=1e-8)
    assert re.search(r"^Converged after .* --gtol 1e-06", out, re.MULTILINE)


def test_demo(run, folder):
    pytest.importorskip("matplotlib")
    out, err = run("demo")
    check_demo(out)
    assert err == ""
    assert out.endswith("wrote gdfast-demo.png\n")
    width, height = png_size("gdfast-demo.png")
    assert width > 2 * height
    assert files() == ["gdfast-demo.png"]


def test_demo_in_another_folder(run, folder):
    pytest.importorskip("matplotlib")
    (folder / "pictures").mkdir()
    out, _ = run("demo", "--output-dir", "pictures")
    picture = os.path.join("pictures", "gdfast-demo.png")
    assert out.endswith(f"wrote {picture}\n")
    png_size(picture)
    _, err = run("demo", "--output-dir", "missing", status=1)
    missing = os.path.join("missing", "gdfast-demo.png")
    assert err == f"gdfast: error: {missing}: No such file or directory\n"


def test_demo_without_matplotlib(run, monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out, err = run("demo")
    check_demo(out)
    assert out.splitlines()[-1].startswith("no picture: ")
    assert "pip install 'gdfast[plot]'" in out.splitlines()[-1]
    assert err == ""
    assert files() == []


# ----------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
        (["fit"], "the following arguments are required: FILE, --target"),
        (["fit", PIZZA], "the following arguments are required: --target"),
        ([*RADIO, "--learning-rate", "0"], "must be a number above 0, got '0'"),
        ([*RADIO, "--learning-rate", "nan"], "must be a number above 0, got 'nan'"),
        ([*RADIO, "--learning-rate", "Auto"], "must be a number above 0, got 'Auto'"),
        ([*RADIO, "--gtol", "-1"], "must be 0 or a number above, got '-1'"),
        ([*RADIO, "--xtol", "inf"], "must be 0 or a number above, got 'inf'"),
        ([*RADIO, "--max-iter", "0"], "must be a whole number above 0, got '0'"),
        ([*RADIO, "--max-iter", "1.5"], "must be a whole number above 0, got '1.5'"),
        ([*RADIO, "--loss", "cauchy"], "invalid choice: 'cauchy'"),
        ([*RADIO, "--plot", "plot.jpg"], "must end in one of .png, .svg, .pdf"),
        (
            [*RADIO, "--features", "TV,,Radio"],
            "must be names between commas, got 'TV,,Radio'",
        ),
        ([*RADIO, "--features", ""], "must be names between commas, got ''"),
        ([*RADIO, "--features", '"TV'], "must be names between commas, got '\"TV'"),
        ([*RADIO, "--drop", "a\nb"], r"must be names between commas, got 'a\nb'"),
        ([*RADIO, "--features", "Sales"], "'Sales' is the target"),
        ([*RADIO, "--drop", "Sales"], "'Sales' is the target"),
        ([*RADIO, "--save", "a", "--history", "./a"], "./a is named twice"),
        ([*RADIO, "--save", ADVERTISING], f"{ADVERTISING} is named twice"),
        (["predict", "m", PIZZA, "--output", "m"], "m is named twice"),
        (["predict", "m", PIZZA, "--output", PIZZA], f"{PIZZA} is named twice"),
    ],
)
def test_wrong_usage(run, argv, found):
    out, err = run(*argv, status=2)
    assert out == ""
    assert err.startswith("usage: gdfast")
    assert re.match(rf"gdfast.*: error: .*{re.escape(found)}", err.splitlines()[-1])
    assert files() == []


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["fit", "none.csv", "--target", "y"], "none.csv: No such file or directory"),
        (["fit", ".", "--target", "y"], ".: Is a directory"),
        (
            ["fit", PIZZA, "--target", "pizzas"],
            f"{PIZZA}: no column 'pizzas', did you mean 'Pizzas'? "
            "the columns are 'Reservations', 'Pizzas'",
        ),
        (
            ["fit", PIZZA, "--target", "Pizzas", "--features", "Reservation"],
            f"{PIZZA}: no column 'Reservation', did you mean 'Reservations'? "
            "the columns are 'Reservations', 'Pizzas'",
        ),
        (
            ["fit", PIZZA, "--target", "Pizzas", "--drop", "Reservations"],
            f"{PIZZA}: no column is left to predict from",
        ),
        (
            ["fit", HOUSING, "--target", "ocean_proximity", "--features", "latitude"],
            f"{HOUSING}: column 'ocean_proximity' has text, 'NEAR BAY' at line 2",
        ),
    ],
)
def test_data_that_cannot_be_used(run, argv, found):
    out, err = run(*argv, status=1)
    assert (out, err) == ("", f"gdfast: error: {found}\n")


@pytest.mark.parametrize("option", ["--save", "--history", "--plot"])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing/out.png", "No such file or directory"),
        ("folder.png", "Is a directory"),
    ],
)
def test_output_that_cannot_be_written_is_found_before_the_training(
    run, monkeypatch, folder, option, name, found
):
    (folder / "folder.png").mkdir()
    monkeypatch.setattr(cli, "read_table", None)
    _, err = run(*RADIO, option, name, status=1)
    assert err == f"gdfast: error: {name}: {found}\n"
    assert files() == ["folder.png"]


def test_existing_output_survives_until_there_is_better(run, folder):
    (folder / "out").write_text("old")
    diverging = [*RADIO, "--learning-rate", "1", "--save", "out"]
    run(*diverging, status=1)
    assert (files(), (folder / "out").read_text()) == (["out"], "old")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "MemoryError"),
        (MemoryError("Unable to allocate 8 GiB"), "Unable to allocate 8 GiB"),
        (OSError("x.csv: changed while being read"), "x.csv: changed while being read"),
    ],
)
def test_other_failures_have_a_message_too(run, monkeypatch, error, message):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(cli, "train", fail)
    assert run(*RADIO, status=1) == ("", f"gdfast: error: {message}\n")


def test_version(run):
    assert run("--version")[0] == f"gdfast {gdfast.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fit"], ["predict"], ["demo"]])
def test_help(run, argv):
    out, err = run(*argv, "--help")
    assert out.startswith(f"usage: gdfast {' '.join(argv)}".rstrip())
    assert err == ""


# --------------------------------------------------------------- a process of its own


def test_the_process_returns_the_status(start):
    process = start("fit", PIZZA, "--target", "Pizzas")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"{PIZZA}: 30 rows, 1 feature\n")
    process = start("fit", PIZZA, "--target", "x")
    assert process.communicate(timeout=60)[1].startswith("gdfast: error: ")
    assert process.returncode == 1


def test_demo_needs_no_display_and_warns_of_nothing(start):
    pytest.importorskip("matplotlib")
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    process = start("demo", env=environment | {"PYTHONWARNINGS": "error"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    check_demo(out)
    png_size("gdfast-demo.png")


@posix
def test_a_reader_that_never_reads_is_no_failure_worth_a_word(start):
    process = start("fit", PIZZA, "--target", "Pizzas", "--save", "model")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    assert gdfast.load("model").n_iter == 1000


@posix
def test_a_reader_that_stops_early_is_no_failure_worth_a_word(start, folder):
    gdfast.train([[1.0], [2.0]], [1.0, 2.0]).save("m")
    (folder / "long.csv").write_text("x\n" + "1.5\n" * 200_000)
    process = start("predict", "m", "long.csv")
    assert process.stdout.readline().strip()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


@posix
def test_a_named_pipe_as_output_gets_the_predictions(start):
    gdfast.train([[1.0], [2.0]], [1.0, 2.0]).save("m")
    Path("data.csv").write_text("x\n1.5\n")
    os.mkfifo("pipe")
    process = start("predict", "m", "data.csv", "--output", "pipe")
    # A rehearsal would open the pipe and close it: to the reader, an empty file.
    assert re.fullmatch(r"prediction\n1\.5\d*\n", Path("pipe").read_text())
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "wrote pipe\n", "")


@posix
@pytest.mark.parametrize("redirected", [False, True])
def test_data_written_to_stdout_is_not_mixed_with_the_report(start, folder, redirected):
    argv = [*RADIO, "--max-iter", "9", "--history", "/dev/stdout"]
    if redirected:
        with open("out", "w") as file:
            process = start(*argv, stdout=file)
        err = process.communicate(timeout=60)[1]
        out = Path("out").read_text()
    else:
        out, err = start(*argv).communicate(timeout=60)
    header, *rows = out.splitlines()
    assert (header, len(rows)) == ("iteration,weight,bias,loss", 10)
    assert err.startswith(f"{ADVERTISING}: 200 rows, 1 feature\n")
    assert err.endswith("wrote /dev/stdout\n")


@posix
def test_ctrl_c_ends_a_long_run_with_a_line_and_leaves_no_file(start):
    os.mkfifo("pipe")
    argv = ["pipe" if argument == HOUSING else argument for argument in TRAIN_HOUSING]
    argv += ["--save", "model", "--history", "history.csv", "--max-iter", str(10**9)]
    process = start(*argv)
    with open("pipe", "wb") as pipe:  # waits until the process reads
        pipe.write(Path(HOUSING).read_bytes())
    time.sleep(2)  # long enough for a progress bar, which is for terminals only
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - asked < 2
    assert (process.returncode, out, err) == (130, "", "gdfast: interrupted\n")
    assert files() == ["pipe"]


def test_ctrl_c_while_the_command_is_loaded_ends_it_with_a_line(start):
    # The folder comes first on the path of `python -m`.
    Path("numpy.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    process = start("--version")
    assert process.communicate(timeout=60) == ("", "gdfast: interrupted\n")
    assert process.returncode == 130


@posix
def test_a_long_run_shows_its_progress_on_a_terminal(start):
    pytest.importorskip("tqdm")
    import pty
    import termios

    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(stderr, (24, 80))
    process = start(*TRAIN_HOUSING, "--max-iter", str(10**9), stderr=stderr)
    os.close(stderr)
    seen = b""
    while b"loss" not in seen and select.select([terminal], [], [], 30)[0]:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    assert re.search(rb"\d+/1000000000 .*loss", seen)
    assert process.poll() is None


# ---- options of training -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--penalty", "l1", "--alpha", "2"], {"penalty": "l1", "alpha": 2}),
        (
            ["--penalty", "elasticnet", "--alpha", "2", "--l1-ratio", "0.3"],
            {"penalty": "elasticnet", "alpha": 2, "l1_ratio": 0.3},
        ),
        (["--non-negative"], {"bounds": (0, np.inf)}),
        (["--optimizer", "nesterov"], {"optimizer": "nesterov"}),
        (["--learning-rate", "backtracking"], {"learning_rate": "backtracking"}),
        (["--max-seconds", "100"], {"max_seconds": 100}),
        (["--early-stopping"], {"early_stopping": True, "random_state": 0}),
        (
            ["--early-stopping", "--seed", "3"],
            {"early_stopping": True, "random_state": 3},
        ),
        (["--batch-size", "20"], {"batch_size": 20, "random_state": 0}),
        (["--batch-size", "20", "--seed", "3"], {"batch_size": 20, "random_state": 3}),
        (["--batch-size", "20", "--no-shuffle"], {"batch_size": 20, "shuffle": False}),
    ],
)
def test_options_are_those_of_train(run, arguments, options):
    run("fit", ADVERTISING, "--target", "Sales", *arguments, "--save", "m")
    table = gdfast.read_table(
        ADVERTISING, columns=["TV", "Radio", "Newspaper", "Sales"]
    )
    X, y = table.select(table.columns[:-1]), table["Sales"]
    fit = gdfast.train(X, y, standardize=True, **options)
    assert gdfast.load("m").coef.tobytes() == fit.coef.tobytes()
    run("fit", ADVERTISING, "--target", "Sales", "--save", "plain")
    changed = "max_seconds" not in options
    plain = gdfast.load("plain").coef.tobytes()
    assert (plain != fit.coef.tobytes()) == changed


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--penalty", "l3"], 2, "--penalty: invalid choice"),
        (["--alpha", "-1"], 2, "--alpha: must be 0 or a number above"),
        (["--l1-ratio", "2"], 1, "--l1-ratio must be from 0 to 1"),
        (["--optimizer", "sgd"], 2, "--optimizer: invalid choice"),
        (["--max-seconds", "0"], 2, "--max-seconds: must be a number above 0"),
        (["--batch-size", "0"], 2, "--batch-size: must be a whole number above 0"),
        (["--batch-size", "999"], 1, "--batch-size must be at least 1 and at most 200"),
        (["--batch-size", "9", "--gtol", "1"], 1, "--gtol must be None with --batch"),
        (["--seed", "-1"], 2, "--seed: must be 0 or a whole number above"),
        (
            ["--optimizer", "adam", "--learning-rate", "backtracking"],
            1,
            "not for 'squared_error' with 'adam'",
        ),
    ],
)
def test_wrong_options_of_training_are_named(run, arguments, status, message):
    _, err = run("fit", ADVERTISING, "--target", "Sales", *arguments, status=status)
    assert message in err
