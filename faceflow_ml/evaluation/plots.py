"""Curves and histograms as PNG files. Needs matplotlib, of the ``train`` extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.detection import PrCurve
from faceflow_ml.evaluation.rejection import RejectCurve
from faceflow_ml.evaluation.verification import RocCurve
from faceflow_ml.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from faceflow_ml.evaluation.reliability import Reliability

_RIGHT, _WRONG = "#2a6f97", "#c8553d"
_MAX_POINTS = 4000


def require_plots() -> None:
    """Fail before the work, not after it.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib  # noqa: F401


def plot_precision_recall(
    file: Path, curve: PrCurve, average_precision: float, points: Mapping[str, tuple[float, float]]
) -> None:
    """Precision against recall.

    points: (recall, precision) to mark, by what they are.
    """
    with _axes(file) as axes:
        keep = _thin(len(curve.recall))
        axes.plot(curve.recall[keep], curve.precision[keep], color=_RIGHT, lw=1.8)
        for (name, (recall, precision)), marker in zip(points.items(), "osD^", strict=False):
            axes.plot(recall, precision, marker, color=_WRONG, label=f"{name}: recall {recall:.3f}")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.005), ylim=(0, 1.005))
        axes.set_title(f"Detection at IoU 0.5, AP {average_precision:.3f}")
        if points:
            axes.legend(loc="lower left", frameon=False)


def plot_recall_by_false_positives(file: Path, hits: NDArray[np.bool_], faces: int) -> None:
    """Recall against the number of false positives over all photos, as FDDB shows it.

    hits: (n,) of the detections by falling score.
    """
    with _axes(file) as axes:
        false = np.cumsum(~hits)
        recall = np.cumsum(hits) / max(1, faces)
        keep = _thin(len(false))
        axes.plot(false[keep], recall[keep], color=_RIGHT, lw=1.8)
        for count in (100, 500, 1000):
            axes.axvline(count, color="0.8", lw=0.8, zorder=0)
        axes.set(xlabel="false positives", ylabel="recall", ylim=(0, 1.005))
        axes.set_xscale("symlog", linthresh=10)
        axes.set_xlim(left=0)
        axes.set_title("Recall at false positives")


def plot_histograms(
    file: Path,
    right: NDArray[np.floating],
    wrong: NDArray[np.floating],
    *,
    names: tuple[str, str],
    xlabel: str,
    title: str,
    thresholds: Mapping[str, float],
    log: bool = False,
) -> None:
    """Two distributions, each with area 1 (or, with ``log``, as counts), and lines to compare."""
    both = np.concatenate([right, wrong])
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
    bins = np.linspace(low, max(high, low + 1e-6), 61).tolist()
    with _axes(file) as axes:
        for values, name, color in ((right, names[0], _RIGHT), (wrong, names[1], _WRONG)):
            if len(values):
                label = f"{name} ({len(values):,})"
                axes.hist(values, bins, color=color, alpha=0.6, density=not log, label=label)
        for (name, value), style in zip(thresholds.items(), ("--", ":", "-."), strict=False):
            axes.axvline(value, color="0.2", lw=1.2, ls=style, label=f"{name} {value:.3f}")
        axes.set(xlabel=xlabel, ylabel="count" if log else "density", title=title)
        if log:
            axes.set_yscale("log")
        axes.legend(edgecolor="none", framealpha=0.85)


def plot_roc(file: Path, curves: Mapping[str, RocCurve]) -> None:
    """True accept rate against false accept rate, logarithmic, a curve a set of pairs."""
    with _axes(file) as axes:
        lowest = 1e-1
        for (name, curve), color in zip(curves.items(), (_RIGHT, _WRONG, "0.3"), strict=False):
            shown = curve.false_accept > 0
            if shown.any():
                lowest = min(lowest, float(curve.false_accept[shown].min()))
            keep = _thin(int(shown.sum()))
            far, tar = curve.false_accept[shown][keep], curve.true_accept[shown][keep]
            axes.plot(far, tar, color=color, lw=1.8, label=f"{name}, AUC {curve.auc:.4f}")
        axes.set_xscale("log")
        axes.set(xlabel="false accept rate", ylabel="true accept rate", xlim=(lowest, 1))
        axes.set_ylim(0, 1.005)
        axes.set_title("Verification")
        axes.legend(loc="best", edgecolor="none", framealpha=0.85)


def plot_error_versus_reject(file: Path, curves: Mapping[str, RejectCurve]) -> None:
    """False non-match rate against the share of pairs rejected, a curve a set, the ideal dashed."""
    with _axes(file) as axes:
        for (name, curve), color in zip(curves.items(), (_RIGHT, _WRONG, "0.3"), strict=False):
            label = f"{name}, FAR {curve.far:g}"
            if curve.saving is not None:
                label += f": {curve.saving:.0%} of the ideal saving"
            axes.plot(curve.shares, curve.errors, color=color, lw=1.8, label=label)
            axes.plot(curve.shares, curve.ideal, color=color, lw=1.2, ls="--")
        axes.plot([], [], color="0.3", lw=1.2, ls="--", label="ideal: errors are rejected first")
        axes.set(xlabel="share of pairs rejected, lowest quality first")
        axes.set(ylabel="false non-match rate of the others", title="Error versus reject")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(loc="best", edgecolor="none", framealpha=0.85)


def plot_reliability(
    file: Path,
    curves: Mapping[str, Reliability],
    *,
    title: str = "Reliability of the confidence, people not fitted on",
) -> None:
    """The share that came true against the probability that was said: a reliability diagram.

    Areas of the points grow with the number of predictions; bars are Wilson's 95% intervals, as if
    predictions were independent of each other.
    """
    from scipy.stats import binomtest

    with _axes(file) as axes:
        axes.plot([0, 1], [0, 1], color="0.7", lw=1, ls="--")
        for (name, curve), color in zip(curves.items(), (_RIGHT, _WRONG, "0.3"), strict=False):
            predicted = [b.predicted for b in curve.bins]
            observed = [b.observed for b in curve.bins]
            counts = np.array([b.count for b in curve.bins])
            label = f"{name}, calibration error {curve.calibration_error:.3f}"
            axes.plot(predicted, observed, color=color, lw=1.4, label=label)
            axes.scatter(predicted, observed, 20 + 180 * counts / counts.max(), color, alpha=0.6)
            intervals = [
                binomtest(round(b.observed * b.count), b.count).proportion_ci(method="wilson")
                for b in curve.bins
            ]
            low, high = [i.low for i in intervals], [i.high for i in intervals]
            axes.vlines(predicted, low, high, color, lw=1, alpha=0.6)
        axes.set(xlabel="confidence", ylabel="share that is right, and its 95% interval")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(title)
        axes.legend(loc="lower right", edgecolor="none", framealpha=0.85)


@contextmanager
def _axes(file: Path) -> Iterator[Axes]:
    """Axes to draw on; the file is written when the block ends."""
    # Figures of their own, not pyplot's: no global state, and no display is looked for.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    yield axes
    with atomic_path(file) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def _thin(count: int) -> NDArray[np.intp]:
    """Positions to draw: all of a short curve; of a long one, some, with the last.

    They lie denser at the start, where a logarithmic axis shows each."""
    if count <= _MAX_POINTS:
        return np.arange(count)
    spread = np.geomspace(1, count, _MAX_POINTS).astype(np.intp) - 1
    even = np.linspace(0, count - 1, _MAX_POINTS).astype(np.intp)
    return np.unique(np.concatenate([spread, even]))
