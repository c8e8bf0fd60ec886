"""The rows of a run: their numbers, the printed table, the CSV file."""

import csv
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gdfast
from gdfast import History

# The crash-course example at a learning rate of 0.01: iteration, weight, bias, MSE.
MISSION_A = np.array(
    [
        [1, 0, 0, 303.7142857142857],
        [2, 1.1971714285714286, 0.34285714285714286, 170.84311819145813],
        [3, 2.050010195632653, 0.5926950048979592, 103.17402263230163],
        [4, 2.6571512956585512, 0.7761560852914671, 68.70278422397007],
        [5, 3.0889756945233557, 0.9122511317638123, 51.13435741865341],
        [6, 3.395703705731159, 1.0145452584284123, 42.172069065705266],
    ]
)
PRINTED_A = """\
iteration        weight          bias            loss
        1  0.0000000000  0.0000000000  303.7142857143
        2  1.1971714286  0.3428571429  170.8431181915
        3  2.0500101956  0.5926950049  103.1740226323
        4  2.6571512957  0.7761560853   68.7027842240
        5  3.0889756945  0.9122511318   51.1343574187
        6  3.3957037057  1.0145452584   42.1720690657"""


@pytest.fixture
def history(mpg):
    return gdfast.train(*mpg, learning_rate=0.01, max_iter=5, history="full").history


def run_of(n_features, n_rows=3, names=None, intercept=True):
    """Return a history of small whole numbers."""
    rows = np.arange(n_rows * n_features, dtype=float).reshape(n_rows, n_features)
    column = np.arange(n_rows, dtype=float)
    return History.from_rows(
        100 - column, rows, 0.5 + column if intercept else None, names
    )


def descend(X, y, rate, n_iter, params, weight=None):
    """Return the rows of the tutorials' loop: parameters, then the loss, before each.

    The last of `params` is the intercept; the mean is weighted.
    """
    weight = np.ones(len(y)) if weight is None else weight
    A = np.column_stack([X, np.ones(len(y))])
    rows = []
    for _ in range(n_iter + 1):
        residual = A @ params - y
        loss = weight @ residual**2 / weight.sum()
        rows.append([*params, loss])
        params = params - rate * 2 * A.T @ (weight * residual) / weight.sum()
    return np.array(rows)


# ---- rows -------------------------------------------------------------------------


def test_mission_a(history):
    assert len(history) == 6
    assert history["iteration"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(history["coef"][:, 0], MISSION_A[:, 1], rtol=1e-12)
    np.testing.assert_allclose(history["intercept"], MISSION_A[:, 2], rtol=1e-12)
    np.testing.assert_allclose(history["loss"], MISSION_A[:, 3], rtol=1e-12)


def test_the_array_of_a_full_history(history):
    assert history.array.shape == (6,)
    assert history.array.dtype == np.dtype(
        [
            ("iteration", np.int64),
            ("coef", np.float64, (1,)),
            ("intercept", np.float64),
            ("loss", np.float64),
        ]
    )
    for name in history.array.dtype.names:
        assert history[name].tolist() == history.array[name].tolist()


@pytest.mark.parametrize(
    ("options", "fields", "columns"),
    [
        ({"history": "loss"}, ("iteration", "loss"), ("iteration", "loss")),
        (
            {"history": "full"},
            ("iteration", "coef", "intercept", "loss"),
            ("iteration", "weight", "bias", "loss"),
        ),
        (
            {"history": "full", "fit_intercept": False},
            ("iteration", "coef", "loss"),
            ("iteration", "weight", "loss"),
        ),
        (
            {"fit_intercept": False},
            ("iteration", "loss"),
            ("iteration", "loss"),
        ),
    ],
)
def test_columns_are_those_that_were_kept(mpg, options, fields, columns):
    found = gdfast.train(*mpg, max_iter=3, **options).history
    assert found.array.dtype.names == fields
    assert found.columns == columns


def test_the_default_keeps_the_same_losses_and_false_keeps_nothing(mpg, history):
    options = {"learning_rate": 0.01, "max_iter": 5}
    default = gdfast.train(*mpg, **options).history
    assert default["loss"].tobytes() == history["loss"].tobytes()
    assert gdfast.train(*mpg, **options, history=False).history is None


@pytest.mark.parametrize("max_iter", [1, 2, 100, 5000])
@pytest.mark.parametrize("options", [{}, {"gtol": 1e-2}, {"xtol": 1e-4, "ftol": 1e-3}])
@pytest.mark.filterwarnings("ignore::gdfast.ConvergenceWarning")
def test_the_last_row_is_the_fit(mpg, max_iter, options):
    fit = gdfast.train(
        *mpg, learning_rate=0.03, max_iter=max_iter, history="full", **options
    )
    last = fit.history.array[-1]
    assert len(fit.history) == fit.n_iter + 1
    assert last["iteration"] == fit.n_iter + 1
    assert last["coef"].tobytes() == fit.coef.tobytes()
    assert last["intercept"] == fit.intercept
    assert last["loss"] == fit.loss


def test_a_run_that_diverged_keeps_its_rows(mpg):
    with pytest.raises(gdfast.DivergenceError) as raised:
        gdfast.train(*mpg, learning_rate=1.0, history="full")
    found = raised.value.fit.history
    assert found["loss"][:3] == pytest.approx([303.7142857, 206854.8, 1.58e8], rel=1e-2)
    assert found["coef"][1, 0] == pytest.approx(119.71714285714286, rel=1e-12)
    assert len(found) == raised.value.fit.n_iter + 1


def test_every_row_is_a_plain_loop(rng):
    X = rng.standard_normal((40, 3))
    y, weight = rng.standard_normal(40), rng.random(40)
    start = rng.standard_normal(4)
    fit = gdfast.train(
        X,
        y,
        learning_rate=0.1,
        max_iter=50,
        coef_init=start[:3],
        intercept_init=start[3],
        sample_weight=weight,
        history="full",
    )
    rows = descend(X, y, 0.1, 50, start, weight)
    np.testing.assert_allclose(fit.history["coef"], rows[:, :3], rtol=1e-11)
    np.testing.assert_allclose(fit.history["intercept"], rows[:, 3], rtol=1e-11)
    np.testing.assert_allclose(fit.history["loss"], rows[:, 4], rtol=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_standardized_run_is_a_plain_loop_in_other_units(rng, weighted):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    X = rng.standard_normal((60, 3)) * [1, 50, 0.01] + [3, -1000, 0.5]
    y = X @ [2.0, 0.1, 30.0] + rng.standard_normal(60)
    weight = rng.random(60) if weighted else np.ones(60)
    coef, intercept = np.array([1.0, -0.2, 40.0]), 9.0
    fit = gdfast.train(
        X,
        y,
        learning_rate=0.1,
        max_iter=50,
        standardize=True,
        coef_init=coef,
        intercept_init=intercept,
        sample_weight=weight if weighted else None,
        history="full",
    )
    scaler = preprocessing.StandardScaler().fit(X, sample_weight=weight)
    start = np.append(coef * scaler.scale_, intercept + coef @ scaler.mean_)
    rows = descend(scaler.transform(X), y, 0.1, 50, start, weight)
    coefs = rows[:, :3] / scaler.scale_
    intercepts = rows[:, 3] - coefs @ scaler.mean_
    np.testing.assert_allclose(fit.history["coef"], coefs, rtol=1e-9)
    # The intercept is a difference of numbers near 200 that passes through zero.
    np.testing.assert_allclose(fit.history["intercept"], intercepts, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fit.history["loss"], rows[:, 4], rtol=1e-9)
    # The parameters of a row give its loss: they are in the units of X.
    for row in fit.history.array[::10]:
        loss = gdfast.loss(X, y, row["coef"], row["intercept"], sample_weight=weight)
        assert loss == pytest.approx(row["loss"], rel=1e-9)


def test_a_standardized_run_without_intercept_divides_by_the_root_mean_square(rng):
    X = rng.standard_normal((60, 2)) * [1, 50] + [3, -100]
    y = rng.standard_normal(60)
    fit = gdfast.train(
        X,
        y,
        learning_rate=0.1,
        max_iter=20,
        standardize=True,
        fit_intercept=False,
        history="full",
    )
    scale = np.sqrt((X**2).mean(axis=0))
    params = np.zeros(2)
    for row in fit.history.array:
        residual = X / scale @ params - y
        np.testing.assert_allclose(row["coef"], params / scale, rtol=1e-11, atol=1e-15)
        assert row["loss"] == pytest.approx(np.mean(residual**2), rel=1e-12)
        params = params - 0.1 * 2 * (X / scale).T @ residual / len(y)


def test_a_missing_column_is_named(mpg):
    short = gdfast.train(*mpg, max_iter=1).history
    with pytest.raises(KeyError, match=r"coef.*full"):
        short["coef"]
    with pytest.raises(KeyError, match="weight"):
        gdfast.train(*mpg, max_iter=1, history="full").history["weight"]


# ---- the printed table ------------------------------------------------------------


def test_mission_a_printed(history):
    assert str(history) == PRINTED_A
    assert repr(history) == PRINTED_A


def test_losses_alone_printed(mpg):
    found = gdfast.train(*mpg, learning_rate=0.01, max_iter=2).history
    assert str(found) == (
        "iteration            loss\n"
        "        1  303.7142857143\n"
        "        2  170.8431181915\n"
        "        3  103.1740226323"
    )


def test_several_weights_are_numbered_or_named():
    assert run_of(2).columns == ("iteration", "weight 1", "weight 2", "bias", "loss")
    named = run_of(2, names=("TV", "a long name of a column"), intercept=False)
    assert named.columns == ("iteration", "TV", "a long name of a column", "loss")
    assert str(named) == (
        "iteration            TV  a long name of a column            loss\n"
        "        1  0.0000000000             1.0000000000  100.0000000000\n"
        "        2  2.0000000000             3.0000000000   99.0000000000\n"
        "        3  4.0000000000             5.0000000000   98.0000000000"
    )


def test_one_feature_is_called_weight_as_in_the_tutorials():
    assert run_of(1, names=("pounds",)).columns == (
        "iteration",
        "weight",
        "bias",
        "loss",
    )


@pytest.mark.parametrize("n_rows", [19, 20, 21, 22, 1000])
def test_the_middle_of_a_long_table_is_left_out(n_rows):
    lines = str(run_of(1, n_rows)).splitlines()
    numbers = [line.split()[0] for line in lines[1:]]
    if n_rows <= 20:
        assert numbers == [str(k) for k in range(1, n_rows + 1)]
        return
    first = [str(k) for k in range(1, 11)]
    last = [str(k) for k in range(n_rows - 9, n_rows + 1)]
    assert numbers == [*first, "...", *last]
    # The last line is the last row with its own numbers.
    assert float(lines[-1].split()[1]) == n_rows - 1


@pytest.mark.parametrize("n_features", [7, 8, 300])
def test_the_middle_of_a_wide_table_is_left_out(n_features):
    lines = [line.split("  ") for line in str(run_of(n_features)).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    if n_features == 7:  # with iteration, bias and loss ten
        assert len(cells[0]) == 10
        assert "..." not in cells[0]
        return
    assert [len(line) for line in cells] == [11] * 4
    assert cells[0][:5] == ["iteration", *(f"weight {k}" for k in (1, 2, 3, 4))]
    assert cells[0][5] == "..."
    last = [f"weight {k}" for k in (n_features - 2, n_features - 1, n_features)]
    assert cells[0][6:] == [*last, "bias", "loss"]
    assert float(cells[1][8]) == n_features - 1
    assert float(cells[2][9]) == 1.5


@pytest.mark.parametrize("n_rows", [1, 2, 21])
@pytest.mark.parametrize("n_features", [1, 3, 40])
def test_every_line_is_as_long_as_the_others(n_rows, n_features):
    rows = run_of(n_features, n_rows)
    rows.array["coef"] *= -1e3
    lengths = {len(line) for line in str(rows).splitlines() if line.strip() != "..."}
    assert len(lengths) == 1


@settings(deadline=None)
@given(
    st.lists(
        st.floats(-1e308, 1e308) | st.sampled_from([np.inf, -np.inf, np.nan]),
        min_size=1,
        max_size=5,
    )
)
def test_every_number_can_be_read_in_the_table(losses):
    # To the ten decimals shown, or ten digits after the first.
    text = str(History.from_rows(np.array(losses)))
    found = np.array([float(line.split()[1]) for line in text.splitlines()[1:]])
    largest = np.abs([value for value in losses if np.isfinite(value)] or [0]).max()
    tolerance = 1e-10 if 1e-4 < largest < 1e8 else 1e-10 * np.abs(losses)
    same = (found == losses) | (np.isnan(found) & np.isnan(losses))
    with np.errstate(invalid="ignore"):
        assert (same | (np.abs(found - losses) <= tolerance)).all()


# ---- the file ---------------------------------------------------------------------


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        titles, *rows = csv.reader(file)
    return tuple(titles), rows


@pytest.mark.parametrize("names", [None, ("a", "b"), ('x, "y"', "ü\nz")])
@pytest.mark.parametrize("intercept", [False, True])
def test_all_digits_are_in_the_file(tmp_path, rng, names, intercept):
    column = rng.standard_normal(30) * 10.0 ** rng.integers(-300, 300, 30)
    rows = rng.standard_normal((30, 2)) * 10.0 ** rng.integers(-300, 300, (30, 2))
    found = History.from_rows(column, rows, column / 3 if intercept else None, names)
    found.write_csv(tmp_path / "rows.csv")
    titles, lines = read(tmp_path / "rows.csv")
    assert titles == found.columns
    assert [int(line[0]) for line in lines] == list(range(1, 31))
    numbers = np.array([line[1:] for line in lines], dtype=float)
    expected = [rows, column[:, None] / 3, column[:, None]]
    assert (
        numbers.tolist() == np.hstack(expected if intercept else expected[::2]).tolist()
    )


def test_the_file_of_mission_a(history, tmp_path):
    history.write_csv(str(tmp_path / "rows.csv"))
    text = (tmp_path / "rows.csv").read_bytes().decode()
    lines = text.split("\n")
    assert lines[0] == "iteration,weight,bias,loss"
    assert lines[1] == "1,0.0,0.0,303.7142857142857"
    assert len(lines) == 8
    assert lines[-1] == ""
    numbers = np.loadtxt(tmp_path / "rows.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(numbers, MISSION_A, rtol=1e-12)


def test_a_long_history_is_written_whole(tmp_path):
    run_of(12, 1000).write_csv(tmp_path / "rows.csv")
    titles, lines = read(tmp_path / "rows.csv")
    assert len(titles) == 15
    assert [int(line[0]) for line in lines] == list(range(1, 1001))
    assert {len(line) for line in lines} == {15}


def test_infinities_are_written(tmp_path):
    losses = np.array([1.0, np.inf, np.nan])
    History.from_rows(losses).write_csv(tmp_path / "rows.csv")
    _, lines = read(tmp_path / "rows.csv")
    np.testing.assert_array_equal([float(line[1]) for line in lines], losses)


def test_read_table_reads_the_file(history, tmp_path):
    history.write_csv(tmp_path / "rows.csv")
    table = gdfast.read_table(tmp_path / "rows.csv")
    assert table.columns == history.columns
    assert table["loss"].tobytes() == history["loss"].tobytes()


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_that_cannot_be_written_is_named(history, tmp_path):
    with pytest.raises(OSError, match="missing"):
        history.write_csv(tmp_path / "missing" / "rows.csv")
    path = tmp_path / "folder.csv"
    path.mkdir()
    with pytest.raises(OSError, match=r"folder\.csv"):
        history.write_csv(path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


# ---- many histories ---------------------------------------------------------------


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 30),
    st.integers(1, 15),
    st.booleans(),
    st.sampled_from(["loss", "full"]),
)
def test_any_run_prints_and_writes(tmp_path, n_iter, n_features, intercept, kind):
    X = np.linspace(-1, 1, 20 * n_features).reshape(20, n_features)
    fit = gdfast.train(
        X, X[:, 0], max_iter=n_iter, fit_intercept=intercept, history=kind
    )
    lines = str(fit.history).splitlines()
    assert len(lines) == 1 + min(n_iter + 1, 21)
    fit.history.write_csv(tmp_path / "rows.csv")
    titles, rows = read(tmp_path / "rows.csv")
    assert titles == fit.history.columns
    assert len(rows) == n_iter + 1
    assert [float(row[-1]) for row in rows] == fit.history["loss"].tolist()


def test_rows_one_by_one_and_as_an_array(mpg):
    history = gdfast.train(*mpg, learning_rate=0.01, max_iter=5, history="full").history
    assert [row["loss"] for row in history] == history["loss"].tolist()
    assert np.asarray(history).dtype == history.array.dtype
    assert np.array(history).tobytes() == history.array.tobytes()
