"""The report of a run: its content, its form, and how a browser shows it."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib.style

import gdfast
from gdfast import cli, plots
from gdfast.report import _axes, _picture
from gdfast.sklearn import GDClassifier

VOID = {"meta", "br", "hr", "img", "link", "input"}
posix = pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")


class Page(HTMLParser):
    """The parts of a page; fails where tags are not balanced or an id comes twice."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.text = [], set(), ""
        self.tables, self.pictures, self.attributes = {}, [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.note(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self.open, tag  # elsewhere a slash means nothing
        self.note(tag, dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def note(self, tag, attrs):
        self.attributes += attrs.items()
        if "id" in attrs:
            assert attrs["id"] not in self.ids
            self.ids.add(attrs["id"])
        if tag == "svg":
            assert attrs["role"] == "img"
            self.pictures.append(attrs["aria-label"])
        elif tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag == "th":
            assert attrs["scope"] in ("row", "col")
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if {"style", "svg"} & {*self.open}:
            return
        self.text += data
        if "caption" in self.open:
            self.tables[data] = self.rows
        elif self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data

    def table(self, caption):
        """Return the rows of a table as a dict by the cells of the first column."""
        return {row[0]: row[1:] for row in self.tables[caption]}


@pytest.fixture
def report(tmp_path):
    """Return a function that reports a run and returns the page."""

    def report(fit, *data, **options):
        fit.report(tmp_path / "report.html", *data, **options)
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return report


class Named:
    """The least that has the names of its columns."""

    def __init__(self, values, columns):
        self.values = np.asarray(values)
        self.columns = columns

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)


class Series(np.ndarray):
    """The least that has a name."""

    name = "miles & more"


def train(*data, **options):
    """Train without a word about convergence."""
    return gdfast.train(*data, **{"max_iter": 20, **options})


@pytest.fixture
def columns(rng):
    X = rng.normal(size=(50, 3)) * [1.0, 30.0, 0.0] + [5.0, 0.0, 4.0]
    return X, X @ [1.0, 0.5, 0.0] + rng.normal(size=50)


# ---- content ------------------------------------------------------------------------


def test_the_tutorial_s_numbers(report):
    mpg = gdfast.example_data("mpg")
    X, y = mpg.select(["pounds_1000"]), mpg["mpg"]
    fit = gdfast.train(X, y, learning_rate=0.01, max_iter=5, history="full")
    page = report(fit, X, y, title="Seven cars")
    assert page.text.lstrip().startswith("Seven cars")
    assert fit.stop_reason in page.text
    assert "diverges above the learning rate 0.0698201" in page.text
    assert "its best constant one is 0.069684." in page.text
    rows = page.table("The iterations")
    assert rows["iteration"] == ["weight", "bias", "loss"]
    assert rows["1"] == ["0.0000000000", "0.0000000000", "303.7142857143"]
    assert rows["2"] == ["1.1971714286", "0.3428571429", "170.8431181915"]
    assert rows["6"] == ["3.3957037057", "1.0145452584", "42.1720690657"]
    figures = page.table("The run in figures")
    assert figures["loss (squared_error)"] == ["42.17206907"]
    assert figures["learning rate"] == ["0.01 (stable below 0.0698201)"]
    assert figures["rows trained on"] == ["7"]
    residuals = mpg["mpg"] - fit.predict(X)
    squares = (residuals @ residuals) / (7 * mpg["mpg"].var())
    assert figures["R\u00b2 on these data"] == [f"{1 - squares:.6g}"]
    model = page.table("The coefficients")
    assert model["pounds_1000"] == ["3.395703706"]
    assert model["intercept"] == ["1.014545258"]
    data = page.table("The columns of the data")
    assert data["pounds_1000"] == ["2.37", "3.598571429", "0.6330747772", "4.42"]
    assert data["y (target)"] == ["14", "17.14285714", "3.136356914", "24"]
    assert "7 rows, 1 column, no value missing." in page.text
    settings = page.table("Arguments of the training")
    assert settings["learning_rate"] == ["0.01"]
    assert settings["max_iter"] == ["5"]
    assert settings["optimizer"] == ["GD()"]
    # What gradient descent takes on standardised columns: one step.
    assert "condition falls from 511.8 to 1, and the iterations" in page.text
    assert "0.01 is 14.3 % of the largest stable one, 0.0698201." in page.text
    assert page.pictures == [
        "y against pounds_1000, and the fitted line",
        "Loss against iteration: 303.7142857 at the start, 42.17206907 after 5 "
        "iterations",
        "Parameters against iteration",
        "Contours of the loss, and the way of the run over them",
        "Up to twenty steps of gradient descent at a rate that is too small",
        "Up to twenty steps of gradient descent at a rate that is right",
        "Up to twenty steps of gradient descent at a rate that is too large",
    ]


def test_rates_are_those_that_are_found_for_the_run(report, columns):
    X, y = columns[0][:, :1], columns[1]
    fit = train(X, y, penalty="l2", alpha=0.5, gtol=1e-3, max_iter=100_000)
    found = gdfast.learning_rates(X, y, penalty="l2", alpha=0.5, gtol=1e-3)
    page = report(fit, X, y)
    rows = page.tables["What each update rule takes"]
    assert rows == [list(row) for row in found.cells()]
    assert rows[1][-1] == f"{fit.n_iter:,}"
    assert "no more are needed" in page.text
    scaled = train(X, y, standardize=True)
    found = gdfast.learning_rates(X, y, standardize=True)
    page = report(scaled, X, y)
    assert f"the learning rate {found.max_stable:.6g}" in page.text
    assert "standardised columns, plain gradient descent" in page.text
    assert "nothing is left to do" in page.text


@pytest.mark.parametrize("kind", ["dense", "float32", "weighted", "sparse"])
def test_the_summary_is_that_of_numpy(kind, report, columns):
    X, y = columns
    X[::3, 1] = 0.0
    weight, given = None, X
    if kind == "float32":
        given = X = X.astype(np.float32)
    if kind == "weighted":
        weight = np.arange(50.0)
    if kind == "sparse":
        given = pytest.importorskip("scipy.sparse").csr_array(X)
    fit = train(given, y, sample_weight=weight)
    page = report(fit, given, y, sample_weight=weight)
    rows = page.table("The columns of the data")
    used = slice(1, None) if kind == "weighted" else slice(None)
    for name, column in [("x1", X[:, 0]), ("x2", X[:, 1]), ("y (target)", y)]:
        column = column.astype(np.float64)
        mean = np.average(column, weights=weight)
        deviation = np.average((column - mean) ** 2, weights=weight) ** 0.5
        expected = [column[used].min(), mean, deviation, column[used].max()]
        assert [float(cell) for cell in rows[name]] == pytest.approx(expected, rel=1e-9)
    assert rows["x3"] == ["4", "4", "0", "4"]
    assert "Constant, and so of no use beside an intercept: x3." in page.text
    assert ("Sparse: 133 values are stored, 88.7 %" in page.text) == (kind == "sparse")
    assert ("add up to 1225" in page.text) == (kind == "weighted")


def test_weights_that_it_is_not_given_are_missed(report, columns):
    X, y = columns
    X, weight = X[:, :1], np.arange(50.0)
    fit = train(X, y, sample_weight=weight, history="full")
    page = report(fit, X, y)
    assert "None are given: the run was made with weights" in page.text
    assert "Contours" not in " ".join(page.pictures)
    page = report(fit, X, y, sample_weight=weight)
    found = gdfast.learning_rates(X, y, sample_weight=weight)
    assert found.max_stable != gdfast.learning_rates(X, y).max_stable
    assert f"above the learning rate {found.max_stable:.6g}, and" in page.text
    assert "Contours" in " ".join(page.pictures)


def test_labels_are_counted(report, columns):
    X, _ = columns
    y = (X[:, 1] > 10).astype(float)
    fit = train(X, y, loss="log_loss")
    page = report(fit, X, y)
    right = np.mean((fit.predict(X) > 0) == y)
    shown = page.table("The run in figures")["labels predicted right"]
    assert shown == [f"{100 * right:.4g} %"]
    n_ones = int(y.sum())
    labels = page.table("The labels")
    assert labels["y = 1"] == [f"{n_ones}", f"{2 * n_ones} %"]
    assert labels["y = 0"] == [f"{50 - n_ones}", f"{100 - 2 * n_ones} %"]
    assert "log-odds of the label 1" in page.text
    assert "target" not in " ".join(page.table("The columns of the data"))


@pytest.mark.parametrize("loss", ["log_loss", "poisson", "hinge", "squared_error"])
def test_a_line_is_drawn_where_it_stands_for_the_targets(loss, report, columns):
    X, y = columns[0][:, :1], columns[1] > 0
    rate = 0.01 if loss in ("hinge", "poisson") else "auto"
    page = report(train(X, y, loss=loss, learning_rate=rate, history=False), X, y)
    assert (page.pictures[:1] == ["y against x1, and the fitted line"]) == (
        loss != "hinge"
    )


def test_probabilities_are_no_labels(report, columns):
    X, _ = columns
    page = report(
        train(X, np.linspace(0, 1, 50), loss="log_loss"), X, np.linspace(0, 1, 50)
    )
    assert "y (target)" in page.table("The columns of the data")
    assert "labels predicted right" not in page.text


@pytest.mark.parametrize("loss", ["multinomial", "log_loss"])
def test_classes(loss, report, columns):
    X, _ = columns
    y = np.arange(50) % 3
    fit = train(X, y, loss=loss)
    page = report(fit, X, y)
    model = page.table("The coefficients")
    assert model["column"] == ["class 0", "class 1", "class 2"]
    assert model["x2"] == [f"{value:.10g}" for value in fit.coef[:, 1]]
    assert model["intercept"] == [f"{value:.10g}" for value in fit.intercept]
    assert page.table("The labels")["y = 2"] == ["16", "32 %"]
    right = np.mean(fit.predict(X).argmax(axis=1) == y)
    shown = page.table("The run in figures")["labels predicted right"]
    assert shown == [f"{100 * right:.4g} %"]


def test_many_columns_and_outputs_are_counted(report, rng):
    X, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 10))
    page = report(train(X, y, history="full"), X, y)
    rows = page.tables["The coefficients"]
    assert len(rows) == 1 + 24 + 1
    assert rows[0][-1] == "output 7"
    assert "6 more columns not shown. 2 more outputs not shown." in page.text
    assert ["6 more columns"] in page.tables["The columns of the data"]
    assert page.tables["The iterations"][0][5] == "..."


@pytest.mark.parametrize("n", [1, 20, 21, 22, 23, 500])
def test_rows_of_the_table_begin_end_and_lie_between(n, report, columns):
    fit = train(*columns, max_iter=n)
    page = report(fit)
    [rows] = [rows for title, rows in page.tables.items() if "iterations" in title]
    numbers = [int(row[0]) for row in rows[1:]]
    assert numbers == sorted(set(numbers))
    assert numbers[:2] == [1, 2]
    assert numbers[-2:] == [n, n + 1]
    assert len(numbers) == min(n + 1, 22)
    if n == 500:
        assert numbers[:7] == [1, 2, 3, 4, 5, 6, 51]
        assert np.ptp(np.diff(numbers[5:17])) <= 1
        assert numbers[-6:] == [496, 497, 498, 499, 500, 501]


def test_a_run_that_diverged(report, mpg):
    X, y = mpg
    with pytest.raises(gdfast.DivergenceError) as raised:
        gdfast.train(X, y, learning_rate=1, history="full")
    page = report(raised.value.fit, X, y)
    assert f"No model to use: {raised.value}" in page.text
    assert "1 is too large: pass one below 0.0698201" in page.text
    assert "R\u00b2" not in page.text
    assert "0.069684" in page.text
    assert report(raised.value.fit).pictures[0].startswith("Loss against iteration")


@pytest.mark.parametrize("n_features", [1, 2])
def test_a_run_that_diverged_at_once(n_features, report, columns):
    X, y = columns[0][:, :n_features], columns[1]
    with pytest.raises(gdfast.DivergenceError) as raised:
        gdfast.train(X, y, learning_rate=1e300, history="full")
    page = report(raised.value.fit, X, y)
    assert len(page.pictures) == 5 + (n_features == 1)


def test_squares_that_overflow(report, columns):
    X, y = columns
    with pytest.raises(gdfast.DivergenceError) as raised:
        gdfast.train(X * 1e170, y, learning_rate=1.0)
    page = report(raised.value.fit, X * 1e170, y)
    assert "None follow from the data" in page.text


def test_a_loss_with_a_kink_has_no_rates(report, columns):
    X, y = columns
    fit = train(X, y > 0, loss="hinge", learning_rate=0.01)
    page = report(fit, X, y > 0)
    assert "None follow from the data: the loss 'hinge' has no" in page.text
    assert "Learning rate. " not in page.text


def test_data_that_are_zeros(report):
    X, y = np.zeros((5, 1)), np.arange(5.0)
    page = report(train(X, y, fit_intercept=False, history="full"), X, y)
    assert "None follow from the data: the loss is the same" in page.text
    assert "Learning rate. " not in page.text


def test_without_history(report, columns):
    page = report(train(*columns, history=False), *columns)
    assert "This run kept no history (history=False)" in page.text
    assert not any("Loss against" in picture for picture in page.pictures)
    assert report(train(*columns, history=False)).pictures == []


def test_a_run_that_went_on(report, columns):
    first = train(*columns)
    page = report(train(*columns, resume=first, max_iter=3), *columns)
    assert "It went on with a run of 20 iterations" in page.text
    assert page.tables["The iterations"][1][0] == "21"
    assert page.table("Arguments of the training")["resume"] == ["yes"]


def test_without_data_there_is_what_the_fit_keeps(report, columns, tmp_path):
    fit = train(*columns, batch_size=7, optimizer="adam", random_state=3)
    page = report(fit)
    assert set(page.tables) == {
        "The run in figures",
        "The coefficients",
        "The iterations",
        "Arguments of the training",
    }
    settings = page.table("Arguments of the training")
    assert settings["batch_size"] == ["7"]
    assert settings["shuffle"] == ["yes"]
    assert settings["optimizer"][0].startswith("Adam(")
    fit.save(tmp_path / "fit")
    before = (tmp_path / "report.html").read_bytes()
    report(gdfast.load(tmp_path / "fit"))
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_fit_of_an_old_version(report, columns):
    fit = train(*columns, penalty="l1", alpha=1000.0)
    state = fit.__getstate__()
    del state["settings"], state["n_samples"], state["state"]
    old = gdfast.Fit.__new__(gdfast.Fit)
    old.__setstate__(state)
    page = report(old, *columns)
    assert "of 3 coefficients are 0." in page.text
    assert "rows trained on" not in page.text
    assert page.table("Arguments of the training")["penalty l1"] == ["1000"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, :2], y), "X has 2 columns, but the model has 3"),
        (
            lambda X, y: (X[:49], y[:49]),
            "X has 49 rows, but the model was trained on 50",
        ),
        (lambda X, y: (X, y[:49]), "y has 49 values, but X has 50 rows"),
        (lambda X, y: (X, None), "X and y must be given together"),
        (lambda X, y: (None, y), "X and y must be given together"),
        (lambda X, y: (X, np.c_[y, y]), "y has 2 outputs, but the model has one"),
        (lambda X, y: (np.where(X == 4.0, np.nan, X), y), "X has a missing value"),
    ],
)
def test_data_that_cannot_be_those_of_the_run(change, message, columns, tmp_path):
    fit = train(*columns)
    with pytest.raises(ValueError, match=message):
        fit.report(tmp_path / "report.html", *change(*columns))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("names", [("ham", "spam"), (1, 2), ("a", "b", "c")])
def test_labels_of_a_classifier_are_said_to_need_numbers(names, rng, tmp_path):
    X, y = rng.normal(size=(60, 2)), np.repeat(names, 60 // len(names))
    classifier = GDClassifier(max_iter=200, gtol=0.01).fit(X, y)
    advised = r"numpy.searchsorted\(classifier.classes_, y\)"
    with pytest.raises((TypeError, ValueError), match=advised):
        classifier.fit_.report(tmp_path / "page", X, y)
    numbers = np.searchsorted(classifier.classes_, y)
    classifier.fit_.report(tmp_path / "page", X, numbers)
    with pytest.raises(TypeError, match="y must hold real numbers, got <U1 values$"):
        train(X, X[:, 0]).report(tmp_path / "page", X, np.repeat("a", 60))


def test_weights_without_data(columns, tmp_path):
    with pytest.raises(ValueError, match="sample_weight must be given with X and y"):
        train(*columns).report(tmp_path / "report.html", sample_weight=np.ones(50))


# ---- form ---------------------------------------------------------------------------


def test_names_are_text_whatever_they_are(report, columns, tmp_path):
    X, y = columns
    names = ("<script>alert(1)</script>", '"><img src=x onerror=y>', "$a$ -- & &lt;")
    given, target = Named(X, names), y.view(Series)
    fit = train(given, target, history="full")
    page = report(fit, given, target, title="</title><script>")
    text = (tmp_path / "report.html").read_text()
    assert not re.search(r"<script|<img|<!--", text)
    assert [*page.table("The coefficients")] == ["column", *names, "intercept"]
    assert "</title><script>" in page.text
    assert "miles & more (target)" in page.table("The columns of the data")
    single = Named(X[:, :1], names[:1])
    page = report(train(single, target), single, target)
    assert page.pictures[0] == f"miles & more against {names[0]}, and the fitted line"
    assert not re.search(r"<script|<img|<!--", (tmp_path / "report.html").read_text())
    assert page.text.lstrip().startswith("Report of a linear model of miles & more")


def test_nothing_comes_from_elsewhere(report, mpg, tmp_path):
    page = report(train(*mpg, history="full"), *mpg)
    text = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|@import|\bsrc=|<link|<script", text)
    addresses = re.findall(r"url\(([^)]*)\)", text)
    links = [value for name, value in page.attributes if name.endswith("href")]
    assert links
    assert addresses
    for address in addresses + links:
        assert address[0] == "#"
        assert address[1:] in page.ids
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert '<meta charset="utf-8">' in text
    assert not re.search("#000000|#ffffff", text.partition("</style>")[2])


def test_the_same_run_gives_the_same_bytes(mpg, tmp_path):
    train(*mpg, history="full").report(tmp_path / "one.html", *mpg)
    with matplotlib.style.context(["dark_background", {"svg.fonttype": "none"}]):
        train(*mpg, history="full").report(tmp_path / "two.html", *mpg)
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    one = (tmp_path / "one.html").read_bytes()
    assert (tmp_path / "two.html").read_bytes() == one
    code = """
import sys
import gdfast
mpg = gdfast.example_data("mpg")
mpg = mpg["pounds_1000"], mpg["mpg"]
gdfast.train(*mpg, max_iter=20, history="full").report(sys.argv[1], *mpg)
"""
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "three.html"],
        env={**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"},
        check=True,
    )
    assert (tmp_path / "three.html").read_bytes() == one


@posix
def test_a_full_disk_leaves_the_old_report(mpg, tmp_path):
    import resource

    fit, path = train(*mpg), tmp_path / "report.html"
    fit.report(path)  # fonts and all else that matplotlib keeps is written
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large.*report\.html"):
            fit.report(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["report.html"])


def test_data_are_not_written_to(columns, tmp_path):
    X, y = columns
    copies = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    train(X, y).report(tmp_path / "report.html", X, y)
    np.testing.assert_array_equal(X, copies[0])
    np.testing.assert_array_equal(y, copies[1])


def test_without_matplotlib(columns, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'gdfast\[plot\]'"):
        train(*columns).report(tmp_path / "report.html")
    assert os.listdir(tmp_path) == []


# ---- the command --------------------------------------------------------------------

PIZZA = str(gdfast.sources._DATA / "pizza.txt")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_command(folder, capsys):
    options = ["--target", "Pizzas", "--learning-rate", "0.001", "--max-iter", "20000"]
    assert cli.main(["report", PIZZA, *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[1:3] == [
        "coef Reservations     1.08113017",
        "intercept             13.17226766",
    ]
    assert out.endswith("\nwrote report.html\n")
    page = Page((folder / "report.html").read_text())
    assert page.text.lstrip().startswith("Pizzas in pizza.txt: a linear model")
    assert page.table("The coefficients")["Reservations"] == ["1.08113017"]
    rows = page.table("22 of 20,000 iterations")
    assert rows["1"] == ["0.0000000000", "0.0000000000", "812.8666666667"]
    assert "0.0045551" in page.text
    assert "Pizzas (target)" in page.table("The columns of the data")


def test_the_command_s_report_names_its_options(folder):
    options = ["--target", "Pizzas", "--learning-rate", "0.0001", "--max-iter", "5"]
    assert cli.main(["report", PIZZA, *options, "--gtol", "1e-6"]) == 0
    page = Page((folder / "report.html").read_text())
    assert "Stopped at --max-iter after 5" in page.text
    assert "Pass --standardize, as" in page.text
    assert "Pass a larger --learning-rate, as 0.0001" in page.text
    assert "at --learning-rate auto, and --optimizer accelerated about" in page.text
    settings = page.table("Arguments of the training")
    assert settings["--max-iter"] == ["5"]
    assert {"--loss", "--optimizer", "--standardize", "--gtol"} <= {*settings}
    for name in ("standardize=", "learning_rate", "max_iter", "optimizer=", "gtol="):
        assert name not in page.text


def test_a_report_on_a_loss_with_a_bound_says_what_is_known(report, rng):
    X = rng.normal(size=(50, 1))
    y = (X[:, 0] + rng.normal(size=50) > 0).astype(int)
    page = report(train(X, y, loss="log_loss"), X, y)
    assert "cannot diverge below the learning rate" in page.text


def test_command_on_a_run_that_diverges(folder, capsys):
    options = ["--target", "Pizzas", "--learning-rate", "0.005", "--output", "bad.html"]
    assert cli.main(["report", PIZZA, *options]) == 1
    out, err = capsys.readouterr()
    assert out == "wrote bad.html\n"
    assert err.startswith("gdfast: error: gradient descent diverged")
    page = Page((folder / "bad.html").read_text())
    assert page.table("The iterations")["3"][-1] == "1587.8389543973"


def test_command_with_other_outputs(folder):
    options = ["--target", "Pizzas", "--save", "model", "--history", "steps.csv"]
    assert cli.main(["report", PIZZA, *options, "--plot", "run.png"]) == 0
    assert sorted(os.listdir()) == ["model", "report.html", "run.png", "steps.csv"]
    with pytest.raises(SystemExit):
        cli.main(["report", PIZZA, *options, "--output", "model"])
    assert cli.main(["report", PIZZA, *options, "--output", "no/where.html"]) == 1


def test_command_without_matplotlib(folder, capsys, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["report", PIZZA, "--target", "Pizzas"]) == 1
    assert "a report needs matplotlib" in capsys.readouterr().err
    assert os.listdir() == []


# ---- in a browser -------------------------------------------------------------------

BROWSERS = ("chromium-headless-shell", "chrome-headless-shell", "chromium")
BROWSERS += ("chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
# Frames of the widths of a telephone and of a screen, each with the page itself.
WIDTHS = (400, 1280)
LOOK = """
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement
    const sizes = [...page.querySelectorAll("svg")].map(svg => {
      const box = svg.getBoundingClientRect()
      return [box.left, box.right, box.height]
    })
    return {
      width: root.clientWidth, needed: root.scrollWidth, sizes,
      title: page.title, font: frame.contentWindow.getComputedStyle(page.body).font,
      shapes: page.querySelectorAll("svg path, svg use").length,
      fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
    }
  })
  const result = document.createElement("pre")
  result.textContent = JSON.stringify(seen)
  document.body.append(result)
})
"""


def opened(pages, folder):
    """Return what a browser sees in pages, and what it logs."""
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(page)}"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    wrapper = folder / "frames.html"
    wrapper.write_text(
        '<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<body>{frames}<script>{LOOK}</script>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--dump-dom", "--enable-logging=stderr", "--hide-scrollbars"),
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seen = html.unescape(re.search("<pre>(.*?)</pre>", done.stdout, re.S)[1])
    logged = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(seen), logged


@pytest.mark.skipif(BROWSER is None, reason=f"needs one of {', '.join(BROWSERS)}")
def test_a_browser_shows_it(columns, mpg, tmp_path):
    X, y = columns
    names = (
        "a" * 70,
        "a long name of several words, as tables of surveys have them",
        "c",
    )
    runs = [
        (train(*mpg, history="full"), mpg),
        (train(Named(X, names), y, history="full"), (Named(X, names), y)),
        (train(X, np.c_[y, y, y, y, y, y, y, y, y], history="full"), ()),
    ]
    pages = []
    for fit, data in runs:
        fit.report(tmp_path / "report.html", *data, title="W" * 80)
        pages.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    seen, logged = opened(pages, tmp_path)
    assert logged == []
    assert len(seen) == len(pages) * len(WIDTHS)
    for k, frame in enumerate(seen):
        page, width = divmod(k, len(WIDTHS))
        assert frame["title"] == "W" * 80
        assert frame["width"] == WIDTHS[width]
        assert frame["needed"] <= frame["width"]
        assert len(frame["sizes"]) == len(Page(pages[page]).pictures) > 0
        for left, right, height in frame["sizes"]:
            assert 0 <= left < right <= frame["width"]
            assert right - left > 200
            assert 0.5 < height / (right - left) < 1.2
        assert frame["shapes"] > 50
        assert "system-ui" in frame["font"]
        assert frame["fetched"] == 0


@pytest.mark.skipif(BROWSER is None, reason=f"needs one of {', '.join(BROWSERS)}")
def test_the_browser_sees_what_is_wrong(tmp_path):
    wide = '<p style="width: 2000px">x<img src="http://localhost:1/y.png">'
    seen, logged = opened([f"{wide}<script>console.error('bad')</script>"], tmp_path)
    assert [frame["needed"] > frame["width"] for frame in seen] == [True, True]
    assert [frame["fetched"] for frame in seen] == [1, 1]
    assert any("bad" in line for line in logged)


def test_a_long_name_does_not_make_the_letters_of_a_legend_small():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a name " * 20: [1.0, 2.0, 4.0]})
    fit = gdfast.train(X, [1.0, 2.0, 3.0], history="full", max_iter=5)
    ax = plots.parameters(fit, ax=_axes())
    _picture(ax, "parameters", "", "")
    assert {text.get_fontsize() for text in ax.get_legend().get_texts()} == {10}
