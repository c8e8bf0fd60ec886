"""A report of a run: one HTML file with its model, data, table, pictures and advice.

The page needs nothing but itself: no script, no address, no file beside it. The same
run gives the same bytes. What comes from outside, as names of columns do, passes
through `html.escape` on its way into it, in `_text` alone.
"""

from __future__ import annotations

import html
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gdfast._files import atomic_write
from gdfast._validation import raise_nonfinite
from gdfast._version import __version__
from gdfast.csr import CSR
from gdfast.diagnosis import DIVERGED, advice, unevenness
from gdfast.finder import LearningRates, learning_rates
from gdfast.fit import Fit, figures
from gdfast.losses import LOSSES, Domain, Loss
from gdfast.plots import (
    fitted_line,
    learning_rate_regimes,
    loss_contours,
    loss_curve,
    new_axes,
    parameters,
)
from gdfast.plots.axes import shortened
from gdfast.plots.data import target_label
from gdfast.rates import is_exact, stable_rate
from gdfast.scaling import are_constant, column_ranges, column_scales
from gdfast.sums import Examples
from gdfast.threads import Team
from gdfast.training import checked_examples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_COLUMNS = 24  # of the data, and coefficients; the others are counted
SHOWN_OUTPUTS = 8
ENDS, BETWEEN = 6, 10  # rows of the table: at either end, and evenly between
LONG_RUN = 100  # iterations from which the picture has a logarithmic axis of them
GTOL = 1e-6  # what iterations are counted to, if the run had no gtol

# Of pictures on white; what has no colour there is black, and follows `fill` of STYLE.
PAGE_COLOURS = {
    "#000000": "currentColor",
    "#222222": "currentColor",
    "#ffffff": "var(--page)",
    "#0072b2": "var(--blue)",
}
PICTURE_INCHES = (5.2, 3.4)  # small, so that its text is large enough on a telephone
MOST_LETTERS = 34  # of a name in it
THIRD_INCHES = (4.2, 3.6)  # of one of three side by side
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1d2127; --soft: #596170;
  --line: #d9dde3; --panel: #f4f6f8; --blue: #0072b2;
  --good: #007a55; --fair: #8f5a00; --bad: #b3261e }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #15181c; --ink: #e6e8eb; --soft: #a3abb8; --line: #363c45;
    --panel: #1f242a; --blue: #46a5dc;
    --good: #4cc397; --fair: #e0a64a; --bad: #f2867f }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem clamp(1rem, 4vw, 2.5rem);
  background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--line) }
p, ul { margin: .5rem 0; max-width: 46rem }
caption, figcaption, footer { color: var(--soft); font-size: .9rem }
.verdict { border-left: .3rem solid var(--fair); background: var(--panel);
  padding: .6rem 1rem; margin: 1rem 0; max-width: none }
.verdict strong { color: var(--fair) }
.good { border-color: var(--good) } .good strong { color: var(--good) }
.bad { border-color: var(--bad) } .bad strong { color: var(--bad) }
.wide { overflow-x: auto; margin: .75rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
caption { text-align: left; padding-bottom: .4rem }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line);
  text-align: right; font-weight: normal; white-space: nowrap; vertical-align: top }
th:first-child { text-align: left }
thead th { color: var(--soft); font-size: .9rem; max-width: 14rem;
  white-space: normal; overflow-wrap: break-word; vertical-align: bottom }
tbody th { max-width: 22rem; white-space: normal; overflow-wrap: break-word }
.beside { display: grid; gap: 0 2rem; align-items: start }
.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
.three { grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)) }
figure { margin: .75rem 0; max-width: 34rem }
svg { display: block; width: 100%; height: auto; fill: currentColor }
svg * { stroke-linejoin: round; stroke-linecap: butt }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .75rem }
@media (max-width: 30rem) {
  table { font-size: .85rem } th, td { padding-right: .6rem }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt }
  .wide { overflow: visible }
  h2, caption { break-after: avoid } figure, tr, .verdict { break-inside: avoid }
}
"""


class Given(NamedTuple):
    """The data that a report is given.

    Parameters
    ----------
    X, y : array-like
        As they were passed.
    sample_weight : array-like or None
        That as well.
    examples : Examples
        The same, checked.
    loss : Loss
        What the run minimised the mean of.
    names : tuple of str
        Of the columns.
    target : str
        Name of what is predicted.
    """

    X: Any
    y: Any
    sample_weight: Any
    examples: Examples
    loss: Loss
    names: tuple[str, ...]
    target: str


def write(
    path: str | os.PathLike[str],
    fit: Fit,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    title: str | None = None,
    target: str | None = None,
    worded: Callable[[str], str] = str,
) -> None:
    """Write a report of a run, as `Fit.report`.

    Parameters
    ----------
    path : path-like
        The file.
    fit : Fit
        The run.
    X, y : array-like or None
        The data that it was made on.
    sample_weight : array-like or None
        Weights of the rows.
    title : str or None
        Heading of the page.
    target : str or None
        Name of what is predicted; None for that of `y`.
    worded : callable
        Takes text in which arguments of `train` may be named, and returns it for those
        who know them by other names.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If the data are no such, or not those of the run.
    """
    if (X is None) != (y is None):
        raise ValueError("X and y must be given together")
    if X is None and sample_weight is not None:
        raise ValueError("sample_weight must be given with X and y")
    given = None if X is None else _given(fit, X, y, sample_weight, target)
    with _plain_drawing():
        content = _page(fit, given, title or _title(given), worded).encode()
    with atomic_write(path) as file:
        file.write(content)


def _given(
    fit: Fit, X: object, y: object, sample_weight: object, target: str | None
) -> Given:
    """Return the data if they may be those that the fit was trained on."""
    loss = LOSSES[fit.loss_name](**fit.loss_params)
    outputs = len(fit.coef) if fit.coef.ndim == 2 else None
    try:
        examples, got, names = checked_examples(loss, X, y, sample_weight, outputs)
    except (TypeError, ValueError) as error:
        if not loss.has_labels or not str(error).startswith("y must"):
            raise
        raise type(error)(
            f"{error}. Of a classifier pass the numbers of the labels: "
            "numpy.searchsorted(classifier.classes_, y)"
        ) from error
    n_samples, n_features = examples.X.shape
    if n_features != fit.coef.shape[-1]:
        raise ValueError(
            f"X has {n_features} columns, but the model has {fit.coef.shape[-1]} "
            "coefficients"
        )
    if fit.n_samples not in (None, n_samples):
        raise ValueError(
            f"X has {n_samples:,} rows, but the model was trained on "
            f"{fit.n_samples:,}: pass the data of the training"
        )
    if got != outputs:
        raise ValueError(f"y has {got} outputs, but the model has one")
    if target is None:
        target = target_label(y)
    names = fit.feature_names or names or _numbered(n_features)
    return Given(X, y, sample_weight, examples, loss, names, target)


def _numbered(n_features: int) -> tuple[str, ...]:
    """Return the names of columns without names, as `print` of a fit has them."""
    return tuple(f"x{j + 1}" for j in range(n_features))


def _title(given: Given | None) -> str:
    """Return what to call a report."""
    if given is None or given.target == "y":
        return "Report of a linear model"
    return f"Report of a linear model of {given.target}"


def _page(
    fit: Fit, given: Given | None, title: str, worded: Callable[[str], str]
) -> str:
    """Return the whole page."""
    found, rates = None, ""
    if given is not None:
        found, rates = _rates(fit, given, worded)
    sections = [
        ("Advice", "" if given is None else _advice(fit, given, found, worded)),
        ("Model", _model(fit, given)),
        ("The run", _run(fit, given)),
        ("Data", "" if given is None else _data(given)),
        ("Learning rates", rates),
        ("Settings", _settings(fit, worded)),
    ]
    body = "".join(
        f"<section>\n<h2>{heading}</h2>\n{content}</section>\n"
        for heading, content in sections
        if content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_text(title)}</h1>\n"
        f"{_outcome(fit, given, worded)}{body}</main>\n"
        f"<footer>Written by gdfast {_text(__version__)}.</footer>\n</body>\n</html>\n"
    )


def _outcome(fit: Fit, given: Given | None, worded: Callable[[str], str]) -> str:
    """Return how the run ended, in words and in figures."""
    kind, word = "", "Not converged."
    if fit.converged:
        kind, word = "good", "Converged."
    elif _diverged(fit):
        kind, word = "bad", "No model to use:"
    rows = [*figures(fit), *_quality(fit, given)]
    if fit.n_samples is not None:
        rows.append(("rows trained on", f"{fit.n_samples:,}"))
    return (
        f'<p class="verdict {kind}"><strong>{word}</strong> '
        f"{_text(worded(fit.stop_reason))}</p>\n"
        + _table("The run in figures", (), [list(row) for row in rows])
    )


def _diverged(fit: Fit) -> bool:
    return fit.stop_reason.startswith(DIVERGED)


def _quality(fit: Fit, given: Given | None) -> list[tuple[str, str]]:
    """Return how well the model fits the data, where there is a common measure."""
    if given is None or _diverged(fit):
        return []
    targets, weight = given.examples.targets, given.examples.sample_weight
    predicted = fit.predict(given.X)
    if given.loss.has_labels and targets.ndim == 1:
        labels = predicted.argmax(axis=1) if predicted.ndim == 2 else predicted > 0
        if fit.coef.ndim == 1 and not _are_labels(targets):
            return []  # but probabilities
        right = np.average(labels == targets, weights=weight)
        return [("labels predicted right", f"{100 * right:.4g} %")]
    if given.loss.domain is not Domain.REAL or predicted.ndim == 2:
        return []
    mean = np.average(targets, weights=weight)
    spread = np.average((targets - mean) ** 2, weights=weight)
    if not spread:
        return []
    left = np.average((targets - predicted) ** 2, weights=weight)
    return [("R\N{SUPERSCRIPT TWO} on these data", f"{1 - left / spread:.6g}")]


def _are_labels(targets: NDArray[Any]) -> bool:
    return bool(np.isin(targets, (0, 1)).all())


def _model(fit: Fit, given: Given | None) -> str:
    """Return the coefficients, and the line of a single one."""
    n_features = fit.coef.shape[-1]
    names = fit.feature_names or (given and given.names) or _numbered(n_features)
    outputs = np.atleast_2d(fit.coef)[:SHOWN_OUTPUTS]
    head = ["column", "coefficient"]
    if fit.coef.ndim == 2:
        what = "output" if fit.n_classes is None else "class"
        head = ["column", *(f"{what} {k}" for k in range(len(outputs)))]
    shown = outputs.T[:SHOWN_COLUMNS]
    rows = [
        [name, *map(_number, row)]
        for name, row in zip(names[: len(shown)], shown, strict=True)
    ]
    if _has_intercept(fit):
        constants = np.atleast_1d(fit.intercept)[: len(outputs)]
        rows.append(["intercept", *map(_number, constants)])
    notes = [_meaning(fit)]
    if n_features > len(shown):
        more = _counted(n_features - len(shown), "more column")
        notes.append(f"{more} not shown.")
    if len(fit.coef) > len(outputs) and fit.coef.ndim == 2:
        more = _counted(len(fit.coef) - len(outputs), "more output")
        notes.append(f"{more} not shown.")
    zeros = int((fit.coef == 0).sum())
    if zeros and "l1" in fit.penalty:
        notes.append(f"{zeros:,} of {fit.coef.size:,} coefficients are 0.")
    content = f"<p>{_text(' '.join(notes))}</p>\n"
    parts = [_table("The coefficients", head, rows)]
    # Scores, of which labels are the signs, are no curve through the labels.
    scores = LOSSES[fit.loss_name].domain in (Domain.BINARY, Domain.CLASS)
    fitted = fit.coef.shape == (1,) and not scores and not _diverged(fit)
    if given is not None and fitted:
        line = fitted_line(fit, given.X, given.y, ax=_axes())
        line.set_ylabel(given.target, parse_math=False)
        label = f"{given.target} against {names[0]}, and the fitted line"
        parts.append(_picture(line, "line", label, "The data and the fitted line."))
    return content + _beside(parts)


def _meaning(fit: Fit) -> str:
    """Return what the coefficients are coefficients of."""
    unit = "Coefficients are in units of the target for each unit of their column"
    if fit.loss_name == "log_loss":
        unit = "Coefficients are those of the log-odds of the label 1"
    elif fit.loss_name == "poisson":
        unit = "Coefficients are those of the logarithm of the expected target"
    elif LOSSES[fit.loss_name].domain in (Domain.BINARY, Domain.CLASS):
        unit = "Coefficients are those of the scores, the largest of which is predicted"
        if fit.coef.ndim == 1:
            unit = "Coefficients are those of the score, which is above 0 for label 1"
    return unit + (
        ", though training saw standardised columns." if fit.standardized else "."
    )


def _run(fit: Fit, given: Given | None) -> str:
    """Return the way of the run, in pictures and as the table of iterations."""
    history = fit.history
    if history is None:
        return (
            "<p>This run kept no history (<code>history=False</code>), so there is "
            "neither a picture of its loss nor a table of its iterations.</p>\n"
        )
    before, losses = int(history["iteration"][0]) - 1, history["loss"]
    content = ""
    if before:
        content = (
            f"<p>It went on with a run of {_counted(before, 'iteration')}, which are "
            "not shown here.</p>\n"
        )
    label = (
        f"Loss against iteration: {_number(losses[0])} at the start, "
        f"{_number(losses[-1])} after {_counted(len(losses) - 1, 'iteration')}"
    )
    caption = (
        "The loss before the update of every iteration, as in the table; the last one "
        "is that of the model."
    )

    curve = loss_curve(fit, ax=_axes())
    pictures = [(curve, "loss", label, caption)]
    if "coef" in (history.array.dtype.names or ()):
        caption = "The parameters before the update of every iteration."
        ways = parameters(fit, ax=_axes())
        pictures.append((ways, "parameters", "Parameters against iteration", caption))
    if len(losses) > LONG_RUN and not before:
        for ax, *_ in pictures:
            ax.set_xscale("log")  # most happens early
    n_params = fit.coef.size + (np.size(fit.intercept) if _has_intercept(fit) else 0)
    if len(pictures) > 1 and n_params == 2 and given and not _lacks_weights(fit, given):
        pictures.append(
            (
                loss_contours(
                    *(fit, given.X, given.y),
                    sample_weight=given.sample_weight,
                    ax=_axes(),
                ),
                "contours",
                "Contours of the loss, and the way of the run over them",
                "The loss of every coefficient and intercept, and the way over it.",
            )
        )
    content += _beside([_picture(*picture) for picture in pictures])
    numbers = _some_rows(len(history))
    head, *rows = history.cells(numbers)
    title = "The iterations"
    if len(numbers) < len(history):
        title = f"{len(numbers)} of {len(history) - 1:,} iterations"
    return content + _table(title, head, rows)


def _some_rows(n_rows: int) -> NDArray[np.intp]:
    """Return the numbers of the rows to show: both ends, and some between."""
    if n_rows <= 2 * ENDS + BETWEEN:
        return np.arange(n_rows)
    between = np.linspace(ENDS - 1, n_rows - ENDS, BETWEEN + 2).round().astype(np.intp)
    first, last = np.arange(ENDS), np.arange(n_rows - ENDS, n_rows)
    return np.concatenate([first, between[1:-1], last])


def _data(given: Given) -> str:
    """Return the summary of the data."""
    examples = given.examples
    n_samples, n_features = examples.X.shape
    size = f"{_counted(n_samples, 'row')}, {_counted(n_features, 'column')}"
    parts = [f"{size}, no value missing."]
    if isinstance(examples.X, CSR):
        stored = examples.X.size
        share = 100 * stored / (n_samples * n_features)
        parts.append(f"Sparse: {stored:,} values are stored, {share:.3g} % of all.")
    weight = examples.sample_weight
    if weight is not None:
        parts.append(
            f"Weighted: means and deviations are those of the weighted rows; the "
            f"weights are {_number(weight.min())} to {_number(weight.max())} and add "
            f"up to {_number(weight.sum())}."
        )
    numbers = _statistics(examples)
    constant = [name for name, row in zip(given.names, numbers, strict=True) if row[4]]
    if constant:
        listed = ", ".join(constant[:SHOWN_OUTPUTS])
        if len(constant) > SHOWN_OUTPUTS:
            listed += f" and {len(constant) - SHOWN_OUTPUTS:,} more"
        parts.append(f"Constant, and so of no use beside an intercept: {listed}.")
    rows = [
        [name, *map(_number, row[:4])]
        for name, row in zip(given.names, numbers[:SHOWN_COLUMNS], strict=False)
    ]
    if n_features > SHOWN_COLUMNS:
        rows.append([f"{_counted(n_features - SHOWN_COLUMNS, 'more column')}"])
    targets = examples.targets
    if examples.n_classes is None and not _only_labels(given):
        columns = np.ascontiguousarray(targets).reshape(n_samples, -1)
        of_target = Examples(columns, columns[:, 0], weight)
        several = columns.shape[1] > 1
        for k, row in enumerate(_statistics(of_target)[:SHOWN_OUTPUTS]):
            name = f"{given.target} [{k}]" if several else given.target
            rows.append([f"{name} (target)", *map(_number, row[:4])])
    head = ["column", "least", "mean", "deviation", "largest"]
    content = f"<p>{_text(' '.join(parts))}</p>\n" + _table(
        "The columns of the data", head, rows
    )
    if examples.n_classes is not None or _only_labels(given):
        counts = np.bincount(targets.astype(np.intp), minlength=examples.n_classes or 2)
        classes = [
            [f"{given.target} = {k}", f"{count:,}", f"{100 * count / n_samples:.4g} %"]
            for k, count in enumerate(counts.tolist()[:SHOWN_COLUMNS])
        ]
        note = "The labels"
        if len(counts) > SHOWN_COLUMNS:
            note += f", the first {SHOWN_COLUMNS} of {len(counts):,}"
        content += _table(note, ["label", "rows", "share"], classes)
    return content


def _only_labels(given: Given) -> bool:
    """Whether the targets are the labels 0 and 1 of a loss of such."""
    targets = given.examples.targets
    return given.loss.has_labels and targets.ndim == 1 and _are_labels(targets)


def _statistics(examples: Examples) -> list[tuple[float, float, float, float, bool]]:
    """Return least value, mean, deviation, largest value of columns; if constant."""
    with Team(None) as team:
        low, high = column_ranges(examples, team)
        if not np.isfinite(low + high).all():
            raise_nonfinite(X=examples.X, y=examples.targets)
        mean, factor = column_scales(examples, True, team)
    constant = are_constant(low, high)
    deviation = np.where(constant, 0.0, 1 / factor)
    columns = (low, mean, deviation, high, constant)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _learning_rates(
    fit: Fit, given: Given, standardize: bool
) -> tuple[LearningRates | None, str]:
    """Return the learning rates that the data allow, or why there are none."""
    l1, l2 = fit.penalty.get("l1", 0.0), fit.penalty.get("l2", 0.0)
    try:
        found = learning_rates(
            *(given.X, given.y),
            loss=given.loss,
            penalty="elasticnet" if l1 and l2 else "l1" if l1 else "l2",
            alpha=l1 + l2,
            l1_ratio=l1 / (l1 + l2) if l1 else 0.0,
            gtol=fit.settings.get("gtol") or GTOL,
            fit_intercept=_has_intercept(fit),
            sample_weight=given.sample_weight,
            standardize=standardize,
        )
    except ValueError as error:  # a loss with a kink, or squares that overflow
        return None, str(error)
    if not found.max_stable < math.inf:
        return None, "the loss is the same whatever the parameters are"
    return found, ""


def _has_intercept(fit: Fit) -> bool:
    return bool(fit.settings.get("fit_intercept", np.any(fit.intercept)))


def _rates(
    fit: Fit, given: Given, worded: Callable[[str], str]
) -> tuple[LearningRates | None, str]:
    """Return the learning rates that the data allow, also as HTML."""
    if _lacks_weights(fit, given):
        return None, (
            "<p>None are given: the run was made with weights, which this report was "
            "not given.</p>\n"
        )
    found, why_not = _learning_rates(fit, given, fit.standardized)
    if found is None:
        return None, f"<p>None follow from the data: {_text(worded(why_not))}.</p>\n"
    columns = "standardised columns" if fit.standardized else "the columns as they are"
    if fit.method == "batches":
        columns = f"all rows of {columns}"
    exact = is_exact(given.loss, fit.penalty.get("l1", 0.0))
    text = (
        f"On {columns}, plain gradient descent "
        f"{'diverges above' if exact else 'cannot diverge below'} the learning rate "
        f"{found.max_stable:.6g}"
    )
    if found.best is not None:
        text += f", and its best constant one is {found.best:.6g}"
    head, *rows = found.cells()
    table = _table("What each update rule takes", head, rows)
    return found, (
        f"<p>{text}. {worded(found.curvatures())}</p>\n{table}{_regimes(fit, given)}"
    )


def _lacks_weights(fit: Fit, given: Given) -> bool:
    """Whether the run had weights that the report was not given."""
    had = fit.settings.get("sample_weight") or fit.settings.get("class_weight")
    return bool(had) and given.sample_weight is None


def _regimes(fit: Fit, given: Given) -> str:
    """Return what rates too small, right and too large do to the same data."""
    axes = learning_rate_regimes(
        *(fit, given.X, given.y),
        sample_weight=given.sample_weight,
        axes=[_axes(THIRD_INCHES) for _ in range(3)],
    )
    pictures = []
    for ax, name in zip(axes, ("too-small", "right", "too-large"), strict=True):
        regime, _, _ = ax.get_title().partition(":")
        label = f"Up to twenty steps of gradient descent at a rate that is {regime}"
        pictures.append(_picture(ax, name, label, f"{label}."))
    return _beside(pictures, "three")


def _advice(
    fit: Fit,
    given: Given,
    found: LearningRates | None,
    worded: Callable[[str], str],
) -> str:
    """Return what would make such a run better."""
    topics = {
        "Scaling": _on_scaling(fit, given, found),
        "Learning rate": _on_rate(fit, found),
        "Iterations": _on_iterations(fit, found),
    }
    items = "".join(
        f"<li><strong>{topic}.</strong> {_text(worded(text))}</li>\n"
        for topic, text in topics.items()
        if text
    )
    return f"<ul>\n{items}</ul>\n"


def _on_scaling(fit: Fit, given: Given, found: LearningRates | None) -> str:
    """Return whether other scales of the columns would help."""
    if fit.standardized:
        return "The columns were standardised for the training: nothing is left to do."
    uneven = unevenness(given.examples, _has_intercept(fit))
    helps = advice(uneven, 1.0, 0, None)
    if not helps:
        return "The columns are alike in size and spread; scaling would change little."
    sentence = f"Pass {helps[0]}."
    scaled, _ = _learning_rates(fit, given, True)
    if found is None or scaled is None or found.condition is None:
        return sentence
    return (
        f"{sentence} The condition falls from {found.condition:.4g} to "
        f"{scaled.condition:.4g}, and the iterations of gradient descent at its best "
        f"constant rate from {_best_of_gd(found)} to {_best_of_gd(scaled)}."
    )


def _best_of_gd(found: LearningRates) -> str:
    """Return the iterations at the rate `best`, which is the second one listed."""
    return found.cells()[2][-1]


def _on_rate(fit: Fit, found: LearningRates | None) -> str:
    """Return whether the learning rate was a good one; nothing if that is not known."""
    stable, asked = fit.max_stable_learning_rate, fit.settings.get("learning_rate")
    constant = fit.method != "batches" and asked != "backtracking"
    rule = None if fit.state is None else fit.state.optimizer
    if stable is None and found is not None and rule is not None and constant:
        has_one = rule.stability is not None
        stable = stable_rate(rule, found.largest_curvature) if has_one else None
    if stable is None or not stable < math.inf:
        return ""
    rate = f"{fit.learning_rate:.6g}"
    if isinstance(asked, str) and asked != "auto":
        rate = f"The last one, {rate},"
    if fit.learning_rate >= stable:
        return (
            f"{rate} is too large: pass one below {stable:.6g}, the largest stable "
            'one, or "auto".'
        )
    helps = advice(1.0, fit.learning_rate, 0, stable)
    if helps:
        return f"Pass {helps[0]}."
    return (
        f"{rate} is {100 * fit.learning_rate / stable:.3g} % of the largest stable "
        f"one, {stable:.6g}."
    )


def _on_iterations(fit: Fit, found: LearningRates | None) -> str:
    """Return whether more of them would help."""
    if fit.converged:
        return "The run ended by a rule of its own: no more are needed."
    if _diverged(fit):
        return "More of them lead further away, until rate or scale are others."
    sentence = f"The run made {fit.n_iter:,}, and no tolerance ended it."
    if found is None or found.condition is None:
        return sentence
    counted = {rate.optimizer.name: rate.n_iter for rate in reversed(found.rates)}
    plain, fast = (
        "too many" if n_iter is None else f"about {n_iter:,}"
        for n_iter in (counted["gd"], counted["accelerated"])
    )
    return (
        f"{sentence} From zeros to gtol={found.gtol:g}, gradient descent takes {plain} "
        f'at learning_rate="auto", and optimizer="accelerated" {fast}.'
    )


def _settings(fit: Fit, worded: Callable[[str], str]) -> str:
    """Return what the run was asked to do."""
    rows: list[tuple[str, str]] = [("loss", fit.loss_name)]
    rows += [(name, f"{value:g}") for name, value in fit.loss_params.items()]
    rows += [(f"penalty {name}", f"{by:g}") for name, by in fit.penalty.items()]
    if fit.state is not None:
        rows.append(("optimizer", str(fit.state.optimizer)))
    rows += [
        (name, _setting(value))
        for name, value in fit.settings.items()
        if value is not None and value is not False
    ]
    rows.append(("standardize", _setting(fit.standardized)))
    if fit.state is not None:
        sampling = fit.state.sampling._replace(start=None)._asdict()
        rows += [
            (name, _setting(value))
            for name, value in sampling.items()
            if value is not None
        ]
    rows.append(("steps made on", fit.method))
    cells = [[worded(name), value] for name, value in rows]
    return _table("Arguments of the training", ["argument", "value"], cells)


def _setting(value: object) -> str:
    """Return the value of an argument."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, whose first column names the rows; wide ones scroll."""
    lines = []
    if head:
        cells = "".join(f'<th scope="col">{_text(title)}</th>' for title in head)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for name, *values in rows:
        cells = "".join(f"<td>{_text(value)}</td>" for value in values)
        lines.append(f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>')
    lines.append("</tbody>")
    content = "\n".join(lines)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{_text(caption)}">'
        f"\n<table>\n<caption>{_text(caption)}</caption>\n{content}\n</table>\n</div>\n"
    )


def _beside(parts: Sequence[str], count: str = "two") -> str:
    """Return parts side by side where there is room, so many in a row."""
    return f'<div class="beside {count}">\n{"".join(parts)}</div>\n'


def _axes(inches: tuple[float, float] = PICTURE_INCHES) -> Axes:
    """Return axes for a picture of the page."""
    [ax] = new_axes()
    figure: Any = ax.figure
    figure.set_size_inches(inches)
    return ax


def _picture(ax: Axes, name: str, label: str, caption: str) -> str:
    """Return a picture as SVG within the page, in the colours of the page.

    Its ids get a name in front, as another picture may have the same.
    """
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    figure: Any = ax.figure
    for legend in figure.findobj(Legend):
        for text in legend.get_texts():
            text.set_fontsize("medium")  # small letters were for the whole name
    for text in figure.findobj(Text):
        text.set_text(shortened(text.get_text(), MOST_LETTERS))
    file = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    _, _, drawing = file.getvalue().partition("<svg")
    attributes, _, drawing = drawing.partition(">")
    view = re.search(r'viewBox="[^"]*"', attributes)
    assert view is not None
    drawing = re.sub(r"<!--.*?-->|<style.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", drawing)
    for colour, role in PAGE_COLOURS.items():
        drawing = drawing.replace(colour, role)
    return (
        f'<figure>\n<svg {view[0]} role="img" aria-label="{_text(label)}">{drawing}'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>\n"
    )


@contextmanager
def _plain_drawing() -> Iterator[None]:
    """Draw alike whatever styles are in use, and the same bytes for the same picture.

    Raises ImportError if there is no matplotlib.
    """
    try:
        import matplotlib
        import matplotlib.style
    except ImportError as error:
        raise ImportError(
            "a report has pictures, which need matplotlib: pip install 'gdfast[plot]'"
        ) from error
    with matplotlib.style.context(["default", {"svg.hashsalt": "gdfast"}]):
        yield


def _number(value: float) -> str:
    return f"{value:.10g}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _text(text: str) -> str:
    """Return text for a page, between tags or as the value of an attribute."""
    return html.escape(text)
