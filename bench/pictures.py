"""Two pictures of a file of results: ``python bench/report.py pictures``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from records import Record, carried_on, largest, measured, per_pass, runs, select, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
STYLES: dict[str, dict[str, Any]] = {
    "gdfast": {"color": "#0072B2", "marker": "o", "zorder": 3},
    "NumPy": {"color": "#D55E00", "marker": "s"},
    "PyTorch": {"color": "#009E73", "marker": "^"},
    "reading": {"color": "0.45", "linestyle": (0, (4, 2))},
    "moments": {"color": "#0072B2", "marker": "o", "zorder": 3},
    "passes": {"color": "#CC79A7", "marker": "D"},
}
DOTTED = {"linestyle": ":", "marker": "", "linewidth": 1.5}
CONTESTANTS = {"gdfast": "gdfast", "numpy": "NumPy", "torch": "PyTorch"}
MEMORY_BYTES = 64e6  # what is smaller may be read from a cache
STEP_FEATURES = 8
RUN_FEATURES = 32


def draw_all(result: Record) -> None:
    """Draw both pictures, the same bytes every time, for a width of 640 pixels."""
    for name, figure in (("roofline", roofline(result)), ("scaling", scaling(result))):
        path = IMAGES / f"{name}.png"
        figure.savefig(path, dpi=150, metadata={"Software": None})


def roofline(result: Record) -> Figure:
    """Draw the bytes read a second against the number of features."""
    steps = select(result["cases"], case="step")
    steps = [record for record in steps if n_bytes(record) >= MEMORY_BYTES]
    all_threads = sorted({record["threads"] for record in steps})
    dtypes = list(dict.fromkeys(record["dtype"] for record in steps))
    figure, grid = panels(len(all_threads), len(dtypes), 2.4)
    top = max(record["gb_per_s"] for record in steps)
    for row, threads in zip(grid, all_threads, strict=True):
        for ax, dtype in zip(row, dtypes, strict=True):
            ends = {}
            for contestant, name in (CONTESTANTS | {"read": "reading"}).items():
                same = select(
                    steps, contestant=contestant, threads=threads, dtype=dtype
                )
                widths = sorted({record["n_features"] for record in same})
                points = [
                    (d, largest(select(same, n_features=d))[0]["gb_per_s"])
                    for d in widths
                ]
                if points:
                    ends[name] = line(ax, points, name)
            title(ax, f"{dtype}, {counted(threads)}")
            ax.set_ylim(0, 1.08 * top)
            logarithmic(ax, "x", [1, 8, 32, 128, 512, 4096])
            label_ends(ax, ends)
        row[0].set_ylabel("GB/s of X and y")
    for ax in grid[-1]:
        ax.set_xlabel("features")
    caption(
        figure, result, "One step on data of 64 MB and more, which come from memory."
    )
    return figure


def scaling(result: Record) -> Figure:
    """Draw the time of a step against the data, and of a run against its steps."""
    figure, [[left, right]] = panels(1, 2, 3.2)
    cores = result["machine"]["cores"]
    draw_steps(left, result["cases"], cores)
    draw_runs(right, result["cases"])
    caption(
        figure,
        result,
        f"Left: dotted, {cores} threads. Right: one thread; dotted, carried on.",
    )
    return figure


def draw_steps(ax: Axes, cases: list[Record], cores: int) -> None:
    """Draw the time of a step, divided by the data, against the data."""
    steps = select(cases, case="step", dtype="float64", n_features=STEP_FEATURES)
    ends = {}
    for contestant, name in CONTESTANTS.items():
        for threads in (cores, 1):
            points = [
                (n_values(record), 1e9 * per_pass(record) / n_values(record))
                for record in select(steps, contestant=contestant, threads=threads)
            ]
            if points and threads == 1:
                ends[name] = line(ax, sorted(points), name)
            elif points:
                line(ax, sorted(points), name, **DOTTED)
    title(ax, f"A step on {STEP_FEATURES} features, float64")
    ax.set_xlabel("values in X")
    ax.set_ylabel("ns per value")
    decades = range(2, 1 + int(np.log10(max(map(n_values, steps), default=100)) + 0.5))
    logarithmic(ax, "x", [10**k for k in decades], "$10^{{{:.0f}}}$", np.log10)
    logarithmic(ax, "y")
    label_ends(ax, ends)


def draw_runs(ax: Axes, cases: list[Record]) -> None:
    """Draw the time of whole runs, passes and moments, against their steps."""
    sizes = runs(cases)
    shape = max((s for s in sizes if s[1] == RUN_FEATURES), default=max(sizes))
    ends = {}
    for way, name in (("numpy", "NumPy"), ("passes", "passes"), ("moments", "moments")):
        times = measured(sizes[shape].get(way, []))
        if times:
            steps = sorted(measured(sizes[shape]["gdfast"]))
            points = [(n, carried_on(times, n)) for n in steps]
            ends[name] = line(ax, points, name, **DOTTED)
            line(ax, sorted(times.items()), name)
    title(ax, f"A run on {size(*shape)}, float64")
    ax.set_xlabel("steps")
    ax.set_ylabel("seconds")
    logarithmic(ax, "x", [2, 10, 100, 1000])
    logarithmic(ax, "y")
    label_ends(ax, ends)


def panels(
    n_rows: int, n_columns: int, height: float
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of styled panels, each as many inches high."""
    figure = Figure(figsize=(6.4, n_rows * height + 0.5), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).tolist()
    for ax in (ax for row in grid for ax in row):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.5", alpha=0.25, linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, grid


def line(
    ax: Axes, points: list[tuple[float, float]], name: str, **options: Any
) -> tuple[float, float]:
    """Draw a contestant's line and return its end."""
    style = {"linewidth": 2, "markersize": 5} | STYLES[name] | options
    ax.plot(*zip(*points, strict=True), **style)
    return points[-1]


def title(ax: Axes, text: str) -> None:
    """Write what a panel shows above it."""
    ax.set_title(text, fontsize=10, loc="left")


def logarithmic(
    ax: Axes,
    name: str,
    ticks: list[float] | None = None,
    label: str = "{:g}",
    value: Callable[[float], float] = float,
) -> None:
    """Make the axis x or y logarithmic, with some ticks or one a decade."""
    ax.set(**{f"{name}scale": "log"})
    axis = {"x": ax.xaxis, "y": ax.yaxis}[name]
    if ticks:
        axis.set_ticks(ticks)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda tick, _: label.format(value(tick)))


def label_ends(ax: Axes, ends: dict[str, tuple[float, float]]) -> None:
    """Write the names beside the ends of their lines, none upon another."""
    first, last = ax.dataLim.intervalx
    ax.set_xlim(first / 1.5, last * (last / first) ** 0.4)  # room for them
    to_axes = ax.transData + ax.transAxes.inverted()
    places = {name: to_axes.transform(end) for name, end in ends.items()}
    names = sorted(places, key=lambda name: places[name][1])
    heights = spread([places[name][1] for name in names], 15 / ax.bbox.height)
    for name, height in zip(names, heights, strict=True):
        ax.text(
            places[name][0] + 0.03,
            height,
            name,
            transform=ax.transAxes,
            color=STYLES[name]["color"],
            fontsize=9,
            verticalalignment="center",
        )


def spread(heights: list[float], gap: float) -> list[float]:
    """Move rising heights as little as needed for a gap between any two."""
    steps = gap * np.arange(len(heights))
    level = np.array(heights) - steps
    # The nearest rising sequence in the least squares: means of what is out of order.
    pools: list[list[float]] = []
    for value in level:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    return list(np.repeat([np.mean(p) for p in pools], [len(p) for p in pools]) + steps)


def caption(figure: Figure, result: Record, text: str) -> None:
    """Write what was measured on which machine below the panels."""
    machine = result["machine"]
    versions = [f"gdfast {result['version']}", f"NumPy {machine['numpy']}"]
    if machine.get("torch"):
        versions.append(f"PyTorch {machine['torch']}")
    figure.supxlabel(
        f"{text}\n{machine['cpu']}, {machine['cores']} cores; {', '.join(versions)}",
        fontsize=8,
        color="0.35",
    )


def n_values(record: Record) -> int:
    """Return the values of X."""
    return int(record["n_samples"] * record["n_features"])


def n_bytes(record: Record) -> float:
    """Return the bytes of X and y."""
    return float(np.dtype(record["dtype"]).itemsize) * (
        n_values(record) + record["n_samples"]
    )


def counted(threads: int) -> str:
    """Return a number of threads in words."""
    return "one thread" if threads == 1 else f"{threads} threads"
