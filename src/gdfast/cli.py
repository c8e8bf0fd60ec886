"""The command ``gdfast``: train on a file, predict, and a demonstration."""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO

from numpy.typing import NDArray

from gdfast._files import atomic_write
from gdfast._version import __version__
from gdfast.delimited import TableError, no_column
from gdfast.fit import DivergenceError, Fit, load
from gdfast.losses import LOSSES, Loss
from gdfast.optimizers import OPTIMIZERS
from gdfast.penalties import PENALTIES
from gdfast.sources import Table, example_data, read_table
from gdfast.stopping import ConvergenceWarning
from gdfast.training import train

PICTURE_TYPES = (".png", ".svg", ".pdf")
LONG_RUN = 100  # iterations from which the picture has a logarithmic axis of them
DEMO_PICTURE = "gdfast-demo.png"
REPORT = "report.html"
LOSS_PARAMS = {
    "epsilon": "residual at which a huber or epsilon_insensitive loss changes its form "
    "(default: 0.1)",
    "quantile": "quantile that the quantile loss is for (default: 0.5)",
}
FAILURES = (ImportError, MemoryError, OSError, ValueError)  # not worth a traceback


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; by default those of the process.

    Returns
    -------
    int
        Exit status: 0 for success, 1 for bad data or a failed run, 141 if the
        reader of the output has gone.

    Raises
    ------
    SystemExit
        With status 2 for a wrong option, and 0 for ``--help`` and ``--version``.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _warnings_on_stderr():
            status: int = arguments.run(arguments)
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        # Python would try to write the rest at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except FAILURES as error:
        _print_error(error)
        return 1


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="gdfast", description="Train linear models by gradient descent."
    )
    parser.add_argument("--version", action="version", version=f"gdfast {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands.add_parser("fit", help="train a model on a file"))
    _add_report(commands.add_parser("report", help="the same, and write a report"))
    _add_predict(commands.add_parser("predict", help="predict with a saved model"))
    _add_demo(commands.add_parser("demo", help="train on example data, step by step"))
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a linear model on a text file: CSV with a header, or columns "
        "between white space with or without one (then they are named 1, 2, ...)."
    )
    parser.set_defaults(run=_fit, usage_error=parser.error, report=None)
    add = parser.add_argument
    add("file", metavar="FILE", help="the data")
    add("--target", required=True, metavar="COLUMN", help="column to predict")
    add(
        "--features",
        action="extend",
        type=_names,
        metavar="A,B",
        help="columns to predict from (default: all others that have a name)",
    )
    add(
        "--drop",
        action="extend",
        type=_names,
        default=[],
        metavar="A,B",
        help="columns to leave out",
    )
    add("--drop-missing", action="store_true", help="leave rows with empty cells out")
    add(
        "--loss",
        choices=LOSSES,
        default="squared_error",
        help="loss of one example; its mean is minimised (default: squared_error)",
    )
    for name, meaning in LOSS_PARAMS.items():
        add(f"--{name}", type=float, metavar="NUMBER", help=meaning)
    add("--penalty", choices=PENALTIES, help="add a penalty of the coefficients")
    add(
        "--alpha",
        type=_tolerance,
        default=0.0001,
        metavar="NUMBER",
        help="factor of the penalty (default: 0.0001)",
    )
    add(
        "--l1-ratio",
        type=_tolerance,
        default=0.15,
        metavar="NUMBER",
        help="share of l1 in elasticnet, from 0 to 1 (default: 0.15)",
    )
    add("--non-negative", action="store_true", help="allow no coefficient below 0")
    add(
        "--optimizer",
        choices=OPTIMIZERS,
        default="gd",
        help="update rule; accelerated needs the fewest iterations (default: gd)",
    )
    add(
        "--learning-rate",
        type=_rate,
        default="auto",
        metavar="auto|backtracking|NUMBER",
        help="factor of the gradient; auto (default) cannot diverge, but losses with a "
        "kink have none; backtracking tries rates",
    )
    add(
        "--batch-size",
        type=_count,
        metavar="N",
        help="make a step on every N rows; an iteration is then all of them (default: "
        "steps on all rows)",
    )
    add(
        "--shuffle",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw the order of the rows anew for every round of batches (default)",
    )
    add(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="what this order, and the rows held out, are drawn from (default: 0)",
    )
    add(
        "--max-iter",
        type=_count,
        default=1000,
        metavar="N",
        help="most iterations to make (default: 1000)",
    )
    add(
        "--max-seconds",
        type=_positive,
        metavar="NUMBER",
        help="make no more iterations after this time",
    )
    for name, quantity in (
        ("gtol", "no gradient component is as large as this"),
        ("xtol", "no parameter changes by as much as this"),
        ("ftol", "the loss changes by less than this fraction of it"),
    ):
        add(
            f"--{name}",
            type=_tolerance,
            metavar="NUMBER",
            help=f"stop when {quantity}; 0 for never",
        )
    add(
        "--early-stopping",
        action="store_true",
        help="hold a tenth of the rows out, and stop when their loss no longer falls",
    )
    add("--no-intercept", action="store_true", help="fit no constant term")
    add(
        "--standardize",
        action=argparse.BooleanOptionalAction,
        help="train on columns of mean 0 and deviation 1; coefficients keep the units "
        "of the file (default: if the learning rate is no number, since a number is "
        "meant for the columns as they are)",
    )
    add("--history", metavar="OUT.csv", help="write parameters and loss of every step")
    add(
        "--plot",
        type=_picture,
        metavar="OUT.png",
        help="draw the loss curve and, of a single feature, data and line",
    )
    add("--save", metavar="MODEL", help="save the model, for gdfast predict")


def _add_report(parser: argparse.ArgumentParser) -> None:
    _add_fit(parser)
    parser.description = (
        "Train as gdfast fit does, and write a page of HTML with the model, the data, "
        "the run, and what would make it better."
    )
    parser.add_argument(
        "--output",
        dest="report",
        default=REPORT,
        metavar="OUT.html",
        help=f"the report (default: {REPORT})",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print a prediction for every row of a file."
    parser.set_defaults(run=_predict, usage_error=parser.error)
    parser.add_argument("model", metavar="MODEL", help="as saved by gdfast fit")
    parser.add_argument(
        "file", metavar="FILE", help="data with the columns of the model, in any order"
    )
    parser.add_argument(
        "--output", metavar="OUT.csv", help="write a file instead of printing"
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fit miles per gallon to the weight of seven cars, print the first steps "
        f"and the result, and draw both into {DEMO_PICTURE}."
    )
    parser.set_defaults(run=_demo)
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for the picture (default: the current one)",
    )


def _fit(arguments: argparse.Namespace) -> int:
    """Train on a file."""
    outputs = [arguments.save, arguments.history, arguments.plot, arguments.report]
    loss = _loss(arguments)
    _check_outputs(arguments, [arguments.file], outputs)
    for option, path in (("--plot", arguments.plot), ("a report", arguments.report)):
        if path and not find_spec("matplotlib"):
            raise ImportError(f"{option} needs matplotlib: pip install 'gdfast[plot]'")
    report_to = _stream_beside(outputs)
    table = _read_examples(arguments)
    features = [name for name in table.columns if name != arguments.target]
    X, y = table.select(features), table[arguments.target]
    writers: list[tuple[str | None, Callable[[str], None]]] = []
    report: list[str] = []
    errors: list[Exception] = []
    try:
        fit = _train(arguments, loss, X, y)
    except DivergenceError as error:
        errors.append(error)
        fit, line = error.fit, None
    else:
        line = (X, y, arguments.target) if len(features) == 1 else None
        writers.append((arguments.save, fit.save))
        rows = _counted(len(table), "row")
        if table.n_dropped:
            rows += f" ({table.n_dropped:,} with empty cells dropped)"
        report.append(f"{arguments.file}: {rows}, {_counted(len(features), 'feature')}")
        report.append(_summary(fit))
    if fit.history:
        writers.append((arguments.history, fit.history.write_csv))
    writers.append((arguments.plot, lambda path: _draw(path, fit, line)))
    writers.append((arguments.report, lambda _: _write_report(arguments, fit, X, y)))
    # Files first: what is printed may go to a reader that stops early.
    for path, write in writers:
        if path is not None:
            try:
                write(path)
            except FAILURES as failure:
                errors.append(failure)
            else:
                report.append(f"wrote {path}")
    try:
        print(*report, sep="\n", end="\n" if report else "", file=report_to, flush=True)
    finally:
        for failed in errors:
            _print_error(failed)
    return 1 if errors else 0


def _loss(arguments: argparse.Namespace) -> Loss:
    """Return the loss with its parameter, or say which option is wrong."""
    usage_error: Callable[[str], NoReturn] = arguments.usage_error
    chosen = LOSSES[arguments.loss]
    given = {name: getattr(arguments, name) for name in LOSS_PARAMS}
    params = {name: value for name, value in given.items() if value is not None}
    for name in params:
        if name not in chosen().params:
            usage_error(f"--{name} is no option of the loss {chosen.name!r}")
    try:
        return chosen(**params)
    except ValueError as error:
        usage_error(f"--{error}")


def _train(arguments: argparse.Namespace, loss: Loss, X: Table, y: NDArray[Any]) -> Fit:
    """Train as the options say."""
    found = isinstance(arguments.learning_rate, str)
    return train(
        X,
        y,
        loss=loss,
        penalty=arguments.penalty,
        alpha=arguments.alpha,
        l1_ratio=arguments.l1_ratio,
        bounds=(0.0, math.inf) if arguments.non_negative else None,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        max_iter=arguments.max_iter,
        max_seconds=arguments.max_seconds,
        gtol=arguments.gtol,
        xtol=arguments.xtol,
        ftol=arguments.ftol,
        early_stopping=arguments.early_stopping,
        batch_size=arguments.batch_size,
        shuffle=arguments.shuffle,
        random_state=arguments.seed,
        fit_intercept=not arguments.no_intercept,
        standardize=found if arguments.standardize is None else arguments.standardize,
        history="full" if arguments.history or arguments.report else "loss",
        verbose=sys.stderr.isatty() and find_spec("tqdm") is not None,
    )


def _read_examples(arguments: argparse.Namespace) -> Table:
    """Read features and target, or say which option is wrong."""
    target, features = arguments.target, arguments.features
    if target in arguments.drop or target in (features or ()):
        arguments.usage_error(f"{target!r} is the target, neither feature nor dropped")
    try:
        table = read_table(
            arguments.file,
            columns=None if features is None else [*features, target],
            drop=arguments.drop,
            drop_missing=arguments.drop_missing,
        )
    except TableError as error:
        droppable = tuple(name for name in error.text_columns if name != target)
        raise TableError(error.problem, droppable, error.missing_columns) from error
    _print_notes(arguments.file, table)
    if target not in table.columns:
        raise TableError(f"{arguments.file}: {no_column(target, table.columns)}")
    if len(table.columns) < 2:
        raise TableError(f"{arguments.file}: no column is left to predict from")
    return table


def _print_notes(path: str, table: Table) -> None:
    for note in table.notes:
        print(f"gdfast: note: {path}: {note}", file=sys.stderr)


def _predict(arguments: argparse.Namespace) -> int:
    """Predict the rows of a file."""
    _check_outputs(arguments, [arguments.model, arguments.file], [arguments.output])
    report_to = _stream_beside([arguments.output])
    fit = load(arguments.model)
    try:
        table = read_table(arguments.file, columns=fit.feature_names)
    except TableError as error:
        # Neither rows nor columns can be dropped here: no advice.
        raise ValueError(error.problem) from error
    _print_notes(arguments.file, table)
    predicted = fit.predict(table)
    title, n_outputs = "prediction", 1
    if predicted.ndim == 2:
        n_outputs = predicted.shape[1]
        title = ",".join(f"prediction [{k}]" for k in range(n_outputs))
    rows = predicted.reshape(-1, n_outputs).tolist()
    predictions = "\n".join(",".join(map(repr, row)) for row in rows)
    if arguments.output:
        with atomic_write(arguments.output) as file:
            file.write(f"{title}\n{predictions}\n".encode())
        print(f"wrote {arguments.output}", file=report_to)
    else:
        print(predictions)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    """Train on the crash-course example."""
    picture = arguments.output_dir / DEMO_PICTURE
    _rehearse(picture)
    cars = example_data("mpg")
    X, y = cars.select(["pounds_1000"]), cars["mpg"]
    print("Weight of seven cars in thousands of pounds -> miles per gallon:")
    print("five steps at learning rate 0.01; the loss is the mean squared error.\n")
    print(train(X, y, learning_rate=0.01, max_iter=5, history="full").history)
    print("\nThe same run, until the gradient is below 1e-6:\n")
    fit = train(X, y, learning_rate=0.01, max_iter=100_000, gtol=1e-6)
    print(_summary(fit), end="\n\n")
    try:
        _draw(picture, fit, (X, y, "mpg"))
    except ImportError as error:
        print(f"no picture: {error}")
    else:
        print(f"wrote {picture}")
    return 0


def _draw(
    path: str | os.PathLike[str], fit: Fit, line: tuple[Table, NDArray[Any], str] | None
) -> None:
    """Save the loss curve, and beside it the line through X and y, named last."""
    from gdfast.plots import fitted_line, loss_curve, new_axes
    from gdfast.plots.axes import name_axis

    left, *right = new_axes(1 if line is None else 2)
    loss_curve(fit, ax=left)
    if fit.n_iter >= LONG_RUN:
        left.set_xscale("log")  # most happens early
    if line is not None:
        X, y, target = line
        fitted_line(fit, X, y, ax=right[0])
        name_axis(right[0].yaxis, target)
    figure: Any = left.figure
    with atomic_write(path) as file:
        figure.savefig(file, format=_suffix(path)[1:], dpi=150)


def _write_report(
    arguments: argparse.Namespace, fit: Fit, X: Table, y: NDArray[Any]
) -> None:
    """Write the report of a run."""
    from gdfast.report import write

    target, name = arguments.target, os.path.basename(arguments.file)
    title = f"{target} in {name}: a linear model"
    write(
        *(arguments.report, fit, X, y),
        title=title,
        target=target,
        worded=_in_options,
    )


def _summary(fit: Fit) -> str:
    """Return the summary of a fit, with options where it names arguments."""
    return str(fit).removesuffix(fit.stop_reason) + _in_options(fit.stop_reason)


def _in_options(text: str) -> str:
    """Replace the names of arguments of `train` by options of this command."""

    def option(match: re.Match[str]) -> str:
        name, given, word = match.groups()
        value = f" {word or ''}" if given not in ("", "=True") else ""
        return f"--{name.replace('_', '-')}{value}"

    return re.sub(
        r"\b(standardize|learning_rate|max_iter|max_seconds|alpha|l1_ratio|batch_size|"
        r"[gxf]tol|optimizer(?==)|\A(?:loss|optimizer|shuffle)\Z)"
        r'(=True|="(\w+)"|=|)',
        option,
        text,
    )


def _print_error(error: Exception) -> None:
    print(f"gdfast: error: {_message(error)}", file=sys.stderr)


def _message(error: Exception) -> str:
    """Return what to tell a user who does not read tracebacks."""
    if isinstance(error, TableError):
        return error.render(
            lambda names: " ".join(f"--drop {_quoted(name)}" for name in names),
            "--drop-missing",
        )
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror}"
    return _in_options(str(error)) or type(error).__name__


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Show warnings as a line each, without lines of Python source."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print(f"gdfast: warning: {_in_options(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)  # the summary says it
        warnings.showwarning = show
        yield


def _check_outputs(
    arguments: argparse.Namespace, inputs: Sequence[str], outputs: Sequence[str | None]
) -> None:
    """Refuse files that cannot be written now, not after hours of training."""
    taken = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        if path is not None:
            if os.path.realpath(path) in taken:
                arguments.usage_error(f"{path} is named twice: it would be overwritten")
            taken.add(os.path.realpath(path))
            _rehearse(path)


def _stream_beside(outputs: Sequence[str | None]) -> TextIO:
    """Return where to print beside outputs: stderr if one of them is stdout."""
    for path in outputs:
        with suppress(OSError):
            if path and os.path.samestat(os.stat(path), os.fstat(sys.stdout.fileno())):
                return sys.stderr
    return sys.stdout


class _Rehearsed(Exception):
    """Nothing was to be written."""


def _rehearse(path: str | os.PathLike[str]) -> None:
    """Raise the OSError that writing this file would raise.

    A pipe or device is left alone: opening a pipe waits for its reader, and closing
    it sends that one home.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        return
    with suppress(_Rehearsed), atomic_write(path):
        raise _Rehearsed


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _names(text: str) -> list[str]:
    """Split names at commas; one that has a comma itself may be quoted."""
    with suppress(csv.Error):
        cells = next(csv.reader([text], skipinitialspace=True, strict=True))
        names = [cell.strip() for cell in cells]
        if names and all(names):
            return names
    raise argparse.ArgumentTypeError(f"must be names between commas, got {text!r}")


def _quoted(name: str) -> str:
    """Quote a name for the shell, and for `_names`."""
    return shlex.quote(f'"{name}"' if "," in name else name)


def _positive(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if 0 < number < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")


def _tolerance(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if 0 <= number < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"must be 0 or a number above, got {text!r}")


def _rate(text: str) -> float | str:
    return text if text in ("auto", "backtracking") else _positive(text)


def _count(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")


def _seed(text: str) -> int:
    with suppress(ValueError):
        if int(text) >= 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be 0 or a whole number above, got {text!r}")


def _picture(text: str) -> str:
    if _suffix(text) not in PICTURE_TYPES:
        kinds = ", ".join(PICTURE_TYPES)
        raise argparse.ArgumentTypeError(f"must end in one of {kinds}, got {text!r}")
    return text


def _suffix(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(path)[1].lower()
