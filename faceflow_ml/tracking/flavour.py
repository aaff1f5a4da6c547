"""An MLflow flavour that finds and embeds faces: a weights folder behind ``mlflow.pyfunc``.

A saved model holds the ONNX files and a ``manifest.json`` as `faceflow_ml.inference.pretrained`
reads them. ``mlflow.pyfunc.load_model`` gives a model that takes encoded photos and returns a row
a face; ``FaceDetector.from_pretrained("models:/name@alias")`` reads the same files. Neither needs
more than the base install and MLflow.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import faceflow_ml
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.companions import copy_companions
from faceflow_ml.inference.images import load_image
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.pretrained import (
    MANIFEST_NAME,
    Kind,
    Manifest,
    read_manifest,
    resolve,
)
from faceflow_ml.inference.types import ImageArray

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

Reference = str | PathLike[str] | None

WEIGHTS = "weights"
"""Name of the weights folder in a saved model."""

COLUMNS = ("photo", "box", "score", "landmarks", "quality", "embedding")


class PhotoModel:
    """What ``mlflow.pyfunc.load_model`` wraps: photos in, a row a face out."""

    def __init__(self, pipeline: FacePipeline) -> None:
        self.pipeline = pipeline

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Find, align and embed the faces of encoded photos.

        Args:
            model_input: a column ``image`` with the bytes of image files.
            params: ``score_threshold`` in (0, 1], 0 for the detector's own; ``max_faces`` of a
                photo, 0 for all.

        Returns:
            A row a face, the surest of each photo first: ``photo`` (row of the input), ``box``
            (x1, y1, x2, y2 pixels), ``score`` in [0, 1], ``landmarks`` (5, 2) pixels, ``quality``
            in [0, 1], ``embedding`` (512,) of length 1. A photo without faces has no row.

        Raises:
            ImageError: one of the photos cannot be read.
        """
        import pandas as pd

        given = dict(params or {})
        images = [load_image(bytes(data)) for data in model_input["image"]]
        results = self.pipeline.run_batch(
            images,
            score_threshold=given.get("score_threshold") or None,
            max_faces=given.get("max_faces") or None,
        )
        rows = [
            (
                photo,
                result.detections.boxes[k].tolist(),
                float(result.detections.scores[k]),
                result.detections.landmarks[k].tolist(),
                float(result.quality[k]),
                result.vectors[k].tolist(),
            )
            for photo, result in enumerate(results)
            for k in range(len(result))
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def _load_pyfunc(path: str) -> PhotoModel:
    """MLflow's hook: the model of a saved model's data folder; the default one of a kind that the
    folder lacks."""
    own = dict.fromkeys(read_manifest(Path(path)).default, Path(path))
    return PhotoModel(
        FacePipeline.from_pretrained(detector=own.get("detector"), embedder=own.get("embedder"))
    )


def signature() -> ModelSignature:
    """Of every model of this flavour."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import (
        Array,
        ColSpec,
        DataType,
        ParamSchema,
        ParamSpec,
        Schema,
    )

    numbers = Array(DataType.double)
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(
            [
                ColSpec(DataType.long, "photo"),
                ColSpec(numbers, "box"),
                ColSpec(DataType.double, "score"),
                ColSpec(Array(numbers), "landmarks"),
                ColSpec(DataType.double, "quality"),
                ColSpec(numbers, "embedding"),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("score_threshold", DataType.double, 0.0),
                ParamSpec("max_faces", DataType.long, 0),
            ]
        ),
    )


def save_model(
    path: str | PathLike[str],
    *,
    detector: Reference = None,
    embedder: Reference = None,
    example: ImageArray | None = None,
) -> None:
    """Save the pair of models as an MLflow model in the folder ``path``, which must not exist.

    Args:
        detector, embedder: as for ``FaceDetector.from_pretrained``; None for the shipped one.
        example: (H, W, 3) uint8 RGB photo to show what the model takes; None: one of a fictional
            person.

    Raises:
        WeightsError: there is no such model.
    """
    with _weights_folder(detector, embedder) as folder:
        save_weights(path, folder, example=example)


def save_weights(
    path: str | PathLike[str], folder: Path, *, example: ImageArray | None = None
) -> None:
    """Save a weights folder as it is as an MLflow model in the folder ``path``, which must not
    exist.

    One with a single kind of model finds and embeds faces too: the default one of the other kind,
    where it is loaded, completes it.

    Args:
        folder: with ``manifest.json``.
        example: see `save_model`.

    Raises:
        WeightsError: the folder has no manifest.
    """
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(path, **_arguments(folder, example))


def log_model(
    *,
    name: str = "faceflow",
    detector: Reference = None,
    embedder: Reference = None,
    registered_model_name: str | None = None,
    alias: str | None = None,
    example: ImageArray | None = None,
) -> ModelInfo:
    """Log the pair of models to the active run, or a new one, and register it if asked.

    Args:
        name: of the logged model within the run.
        detector, embedder, example: as in `save_model`.
        registered_model_name: register a new version of this model.
        alias: let it point at the new version; needs ``registered_model_name``.

    Raises:
        WeightsError: there is no such model.
        ValueError: an alias without a registered model.
    """
    import mlflow

    if alias is not None and registered_model_name is None:
        raise ValueError("an alias is of a registered model; give registered_model_name")
    with _weights_folder(detector, embedder) as folder:
        info: ModelInfo = mlflow.pyfunc.log_model(
            name=name, registered_model_name=registered_model_name, **_arguments(folder, example)
        )
    if alias is not None and registered_model_name is not None:
        mlflow.MlflowClient().set_registered_model_alias(
            registered_model_name, alias, str(info.registered_model_version)
        )
    return info


def _arguments(folder: Path, example: ImageArray | None) -> dict[str, Any]:
    manifest = read_manifest(folder)
    return {
        "loader_module": __name__,
        "data_path": str(folder),
        "signature": signature(),
        "input_example": _example_frame(example),
        # Read at loading: without them MLflow would run the model to see what it imports.
        "pip_requirements": [f"faceflow-ml=={faceflow_ml.__version__}", "mlflow-skinny", "pandas"],
        "metadata": {
            f"{kind}_contract_id": manifest.models[kind][name].contract_id
            for kind, name in manifest.default.items()
        },
    }


def _example_frame(example: ImageArray | None) -> pd.DataFrame:
    import pandas as pd

    image = _fictional_photo() if example is None else example
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return pd.DataFrame({"image": [data.tobytes()]})


def _fictional_photo() -> ImageArray:
    from faceflow_ml.data.synth.people import sample_person
    from faceflow_ml.data.synth.scene import render_photo

    rng = np.random.default_rng(0)
    return render_photo([sample_person(0)], rng, size=(320, 240)).image


@contextmanager
def _weights_folder(detector: Reference, embedder: Reference) -> Iterator[Path]:
    """A folder with one detector and one embedder, as a manifest lists them."""
    references: dict[Kind, Reference] = {"detector": detector, "embedder": embedder}
    with tempfile.TemporaryDirectory(prefix="faceflow-model-") as temporary:
        folder = Path(temporary) / WEIGHTS
        folder.mkdir()
        models: dict[Kind, dict[str, Any]] = {}
        for kind, reference in references.items():
            weights = resolve(kind, reference)
            assert isinstance(weights.model, Path)  # bytes come from nowhere but a caller's memory
            file = f"{kind}.onnx"
            shutil.copyfile(weights.model, folder / file)
            listed = _listed(kind, weights.model, weights.name)
            models[kind] = {
                kind: {
                    **listed,
                    "file": file,
                    "sha256": weights.sha256,
                    "contract_id": weights.contract_id,
                    "preprocessing": dict(weights.preprocessing),
                    "calibration": dict(weights.calibration),
                }
            }
            if kind == "detector":
                models |= copy_companions(weights, folder)
        manifest = Manifest.model_validate(
            {
                "version": 1,
                "models": models,
                "default": {kind: next(iter(named)) for kind, named in models.items()},
            }
        )
        atomic_write_text(folder / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
        yield folder


def _listed(kind: Kind, file: Path, name: str) -> dict[str, Any]:
    """What the manifest beside the weights says of how they were made and how good they are."""
    if (file.parent / MANIFEST_NAME).is_file():
        entry = read_manifest(file.parent).models.get(kind, {}).get(name)
        if entry is not None and entry.file == file.name:
            return entry.model_dump(include={"architecture", "metrics", "training"})
    return {"architecture": "unknown"}
