"""The simulation's curve as JSON, a plot, and a page for the documentation."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from faceflow_ml.files import atomic_write_text
from pipelines.retraining.plots import plot_curve
from pipelines.retraining.simulation import Curve, table

PLOT = "label_efficiency.png"
COMMAND = "faceflow-ml retrain simulate"


def draw_curve(curve: Curve, file: Path) -> None:
    """Plot edits per new photo against corrections."""
    points = curve.points
    plot_curve(
        file,
        [point.corrections for point in points],
        [point.mean for point in points],
        [point.half_width for point in points],
        [[point.edits[k] for point in points] for k in range(len(curve.spec.seeds))],
        xlabel="corrections of the album",
        ylabel="edits per new photo",
        title="What corrections save on the photos that come after",
    )


def write_json(curve: Curve, file: Path) -> None:
    """Write the numbers."""
    points = [
        {**asdict(point), "mean": point.mean, "half_width": point.half_width}
        for point in curve.points
    ]
    document = {
        "spec": asdict(curve.spec),
        "embedder": curve.embedder,
        "threshold": curve.threshold,
        "points": points,
        "fall": curve.fall,
    }
    atomic_write_text(file, json.dumps(document, indent=2) + "\n")


def write_page(curve: Curve, file: Path, plot: Path) -> None:
    """Write the page of the documentation; ``plot`` is drawn beside it."""
    draw_curve(curve, plot)
    spec = curve.spec
    low, high = spec.faces_per_photo
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table(curve))
    picture = Path(os.path.relpath(plot.resolve(), file.resolve().parent)).as_posix()
    atomic_write_text(
        file,
        f"""# Label efficiency

Written by `{COMMAND}`; do not edit.

An album of {spec.photos} photos of {spec.people} fictional people ({low} to {high} in a photo) is
grouped by embedder `{curve.embedder}`. Somebody who knows everyone makes the k corrections that put
most faces right; then {spec.new_photos} photos that were not there before are assigned. Counted are
the edits that the new faces still need: one for the faces that a person has in one wrong group,
one for each face of somebody known that was left alone. {len(spec.seeds)} albums; ± is the 95%
interval of their mean.

![Edits per new photo against corrections]({picture})

| corrections (k) | made on average | edits per new photo | saved |
|---|---|---|---|
{rows}

"Made" is less than k where an album had nothing left to correct. The {spec.corrections[-1]} most
useful corrections save {curve.fall:.0%} of the edits of later photos. People make corrections in
the order in which they see mistakes, not in the most useful one: read the curve as the best case.
""",
    )
