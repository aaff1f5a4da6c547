"""Plots of the reports as PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faceflow_ml.files import atomic_path

BLUE, RED, GREY = "#2a6f97", "#c8553d", "0.55"
_COLUMNS = 3


@contextmanager
def _panels(file: Path, count: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    """Axes in a grid; the file is written when the block ends."""
    columns = 2 if count == 4 else min(_COLUMNS, count)  # rather two full rows than one and a bit
    rows = -(-count // columns)
    # A figure of its own, not pyplot's: no global state, and no display is looked for.
    figure = Figure((size[0] * columns, size[1] * rows), dpi=110, layout="constrained")
    axes = [figure.add_subplot(rows, columns, k + 1) for k in range(count)]
    for one in axes:
        one.grid(alpha=0.25)
        one.spines[["top", "right"]].set_visible(False)
    yield axes
    with atomic_path(file) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def plot_distributions(
    file: Path,
    pairs: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    captions: Mapping[str, str],
    names: tuple[str, str],
) -> None:
    """Two densities a panel, by the name of what is shown; a caption with a "!" is set in red."""
    with _panels(file, len(pairs), (3.9, 2.9)) as panels:
        for axes, (name, (first, second)) in zip(panels, pairs.items(), strict=True):
            both = np.concatenate([first, second])
            low, high = np.percentile(both, [0.2, 99.8])
            bins = np.linspace(low, max(high, low + 1e-6), 41).tolist()
            for values, label, color in ((first, names[0], BLUE), (second, names[1], RED)):
                axes.hist(values, bins, color=color, alpha=0.55, density=True, label=label)
            caption = captions.get(name, "")
            color = "#a3301a" if "!" in caption else "0.3"
            axes.set_title(f"{name}\n{caption.replace('!', '')}", fontsize=9, color=color)
            axes.set_yticks([])
        panels[0].legend(fontsize=8, edgecolor="none", framealpha=0.8)


def plot_bars(
    file: Path,
    names: Sequence[str],
    values: Sequence[float],
    *,
    limit: float,
    xlabel: str,
    title: str,
) -> None:
    """Horizontal bars; those over ``limit`` in red."""
    with _panels(file, 1, (7.2, 0.9 + 0.32 * len(names))) as (axes,):
        colors = [RED if value > limit else BLUE for value in values]
        axes.barh(range(len(names)), values, color=colors, height=0.62)
        axes.axvline(limit, color="0.2", lw=1.2, ls="--")
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel(xlabel)
        axes.set_title(title, fontsize=11)
        axes.grid(False, axis="y")


def plot_histogram_row(
    file: Path,
    panels: Sequence[tuple[str, str, NDArray[np.floating], float | None]],
) -> None:
    """A histogram a panel: title, label of the axis, values, and a line to compare with.

    A panel without values is left out.
    """
    panels = [panel for panel in panels if len(panel[2])]
    with _panels(file, len(panels), (3.9, 2.9)) as drawn:
        for axes, (title, label, values, line) in zip(drawn, panels, strict=True):
            axes.hist(values, min(40, max(5, len(np.unique(values)))), color=BLUE, alpha=0.8)
            if line is not None:
                axes.axvline(line, color=RED, lw=1.3, ls="--")
            axes.set_title(title, fontsize=10)
            axes.set_xlabel(label)
            axes.set_ylabel("faces" if "identit" not in title else "identities")


def plot_curve(
    file: Path,
    x: Sequence[float],
    mean: Sequence[float],
    half_width: Sequence[float],
    each: Sequence[Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
) -> None:
    """A mean with its interval, and the runs that it is of, thin."""
    with _panels(file, 1, (6.8, 4.4)) as (axes,):
        for run in each:
            axes.plot(x, run, color=GREY, lw=0.8, alpha=0.6)
        middle, width = np.array(mean), np.array(half_width)
        axes.fill_between(x, middle - width, middle + width, color=BLUE, alpha=0.2, lw=0)
        axes.plot(x, middle, "o-", color=BLUE, lw=2, label="mean and 95% interval")
        axes.plot([], [], color=GREY, lw=0.8, label="each album")
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=(min(x), max(x)))
        axes.set_ylim(bottom=0)
        axes.legend(edgecolor="none", framealpha=0.85)
