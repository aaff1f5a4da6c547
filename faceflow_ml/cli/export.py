"""``faceflow-ml export``: a checkpoint as ONNX and TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from faceflow_ml.cli._common import emit_json, say
from faceflow_ml.cli._options import Json

if TYPE_CHECKING:
    from faceflow_ml.export.formats import Precision
    from faceflow_ml.models.registry import Kind

app = typer.Typer()

Checkpoints = Annotated[
    list[Path],
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="A checkpoint of faceflow-ml train, or exported ONNX (fp32, fp16) to convert; of "
        "several, by more of this option, the weights are averaged.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write into.")]
Name = Annotated[
    str | None, typer.Option("--name", help="Of the model; its architecture's by default.")
]
PrecisionOption = Annotated[
    Literal["fp32", "fp16", "int8"],
    typer.Option("--precision", help="fp32, fp16 (half the size) or int8 (integer arithmetic)."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="PATH", help="Photos to compare on; int8 needs them."),
]


@app.command(
    epilog="Example: faceflow-ml export detector --checkpoint runs/detector/best.ckpt --out weights"
)
def detector(
    checkpoints: Checkpoints,
    out: Out,
    name: Name = None,
    precision: PrecisionOption = "fp32",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export a face detector, and compare it with PyTorch."""
    _export("detector", checkpoints, out, name, precision, data, as_json)


@app.command(
    epilog="Example: faceflow-ml export embedder --checkpoint runs/embedder/best.ckpt --out weights"
)
def embedder(
    checkpoints: Checkpoints,
    out: Out,
    name: Name = None,
    precision: PrecisionOption = "fp32",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export a face embedder, and compare it with PyTorch."""
    _export("embedder", checkpoints, out, name, precision, data, as_json)


@app.command(
    epilog="Example: faceflow-ml export refiner --checkpoint runs/refiner/best.ckpt --out weights"
)
def refiner(
    checkpoints: Checkpoints,
    out: Out,
    name: Name = None,
    precision: PrecisionOption = "fp32",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export a refiner, and compare it with PyTorch.

    A detector that is exported into the same folder after it uses it.
    """
    _export("refiner", checkpoints, out, name, precision, data, as_json)


@app.command(
    epilog="Example: faceflow-ml export aligner --checkpoint runs/aligner/best.ckpt --out weights"
)
def aligner(
    checkpoints: Checkpoints,
    out: Out,
    name: Name = None,
    precision: PrecisionOption = "fp32",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export a face aligner, and compare it with PyTorch."""
    _export("aligner", checkpoints, out, name, precision, data, as_json)


def _export(
    kind: Kind,
    checkpoints: list[Path],
    out: Path,
    name: str | None,
    precision: Precision,
    data: Path | None,
    as_json: bool,
) -> None:
    from faceflow_ml.export.export import export_model

    first, *others = checkpoints
    result = export_model(
        kind, first, out, name=name, precision=precision, data=data, averaged_with=others
    )
    if as_json:
        emit_json(result)
        return
    say(f"{result.model} ({result.bytes / 1e6:.1f} MB), contract {result.contract_id}")
    for parity in result.parity:
        say(
            f"{parity.file}: over {parity.images} photos, scores differ by {parity.score:.2g}, "
            f"pixels by {parity.pixels:.2g}, cosine {parity.cosine:.6f}"
        )
