"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = Path("../shared/data")
"""Where research photos are looked for."""

MODEL_HELP = (
    "A name, an .onnx file, a folder of weights or models:/name@alias; the shipped one by default."
)

Detector = Annotated[str | None, typer.Option("--detector", metavar="MODEL", help=MODEL_HELP)]
Embedder = Annotated[str | None, typer.Option("--embedder", metavar="MODEL", help=MODEL_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
MinScore = Annotated[
    float | None,
    typer.Option(
        "--min-score",
        min=0,
        max=1,
        help="Least score, the probability that it is a face; the detector's own by default.",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of a model; all cores by default.")
]
People = Annotated[
    Path,
    typer.Option(
        metavar="PATH",
        help="Aligned faces of people not trained on: Parquet, or a folder with one a person.",
    ),
]
Page = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write the results as Markdown here."),
]
ReportFolder = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write report.json here.")
]
