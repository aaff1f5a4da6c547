"""One trial of the ablations: train it, measure it, keep the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from faceflow_ml.benchmark.ablations import Losses, Trial
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.evaluation.reports import DataUsed, Environment, environment, now
from faceflow_ml.evaluation.run_detection import DetectorMetrics, run_detector
from faceflow_ml.export.graphs import load_graph
from faceflow_ml.files import atomic_write_bytes
from faceflow_ml.inference.detector import DEFAULT_SCORE_THRESHOLD, FaceDetector
from faceflow_ml.inference.pretrained import DetectorPreprocessing
from faceflow_ml.inference.session import Session
from faceflow_ml.losses.box import giou_loss
from faceflow_ml.losses.focal import focal_loss
from faceflow_ml.training import detector as detector_training
from faceflow_ml.training.tracking import RUN_ID_FILE
from faceflow_ml.training.trainer import train

RESULT = "result.json"


@dataclass(frozen=True)
class TrialResult:
    """What a trial gave.

    key: of the trial. measured: the photos. seconds: of training, since it last started.
    parameters: of the network. mlflow_run: None where nothing was tracked.
    """

    variant: str
    seed: int
    key: str
    created: str
    environment: Environment
    measured: DataUsed
    steps: int
    seconds: float
    architecture: str
    parameters: int
    metrics: DetectorMetrics
    mlflow_run: str | None


_RESULT = TypeAdapter(TrialResult)


def read_result(trial: Trial, measured: DataUsed) -> TrialResult | None:
    """The result of a finished trial; None if there is none on these photos."""
    try:
        result = _RESULT.validate_json((trial.folder / RESULT).read_bytes())
    except (FileNotFoundError, ValidationError):  # of an older version: measured again
        return None
    return result if (result.key, result.measured) == (trial.key, measured) else None


def run_trial(trial: Trial, samples: Sequence[DetectionSample], measured: DataUsed) -> TrialResult:
    """Train, or go on with what a killed process left, and measure.

    The weights measured are those that inference would use: the average where there is one. The
    detector is measured alone, without a refiner and an aligner, on photos of ``data.val_size``.

    Raises:
        FaceFlowError: the data are missing or malformed, or the loss became NaN.
    """
    torch.compiler.reset()  # lest the limit of recompilations be reached over many trials
    started = time.monotonic()
    with trained_with(trial.losses):
        trained = train(trial.config)
    seconds = time.monotonic() - started
    graph, config = load_graph("detector", trained.best_checkpoint)
    memory = trial.folder / RUN_ID_FILE
    result = TrialResult(
        variant=trial.variant,
        seed=trial.seed,
        key=trial.key,
        created=now(),
        environment=environment(),
        measured=measured,
        steps=trained.steps,
        seconds=round(seconds, 1),
        architecture=config["model"]["name"],
        parameters=sum(parameter.numel() for parameter in graph.parameters()),
        metrics=run_detector(_GraphDetector(graph, trial.config.data.val_size), samples).metrics,
        mlflow_run=memory.read_text(encoding="utf-8").strip() if memory.is_file() else None,
    )
    atomic_write_bytes(trial.folder / RESULT, _RESULT.dump_json(result, indent=2))
    return result


class _GraphSession(Session):
    """An export graph that PyTorch runs."""

    def __init__(self, graph: nn.Module) -> None:
        self._graph = graph

    @torch.inference_mode()
    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return tuple(output.numpy() for output in self._graph(torch.from_numpy(images)))


class _GraphDetector(FaceDetector):
    """The detector that an export would be, alone, without exporting: that takes as long as a
    short training does, and is checked elsewhere to change nothing.

    side: the longest side of a photo is brought to it.
    """

    def __init__(self, graph: nn.Module, side: int) -> None:
        self._preprocessing = DetectorPreprocessing(max_side=side, min_side=side)
        self._session = _GraphSession(graph)
        self._refiner = None
        self._aligner = None
        self._score_threshold = DEFAULT_SCORE_THRESHOLD


@contextmanager
def trained_with(losses: Losses) -> Iterator[None]:
    """Inside the block detectors are trained with these losses.

    The trainer has one function a term and no switch for others, which only this comparison needs.
    """
    chosen: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
    if losses.box == "giou":
        chosen["diou_loss"] = giou_loss
    if losses.score == "focal":
        chosen["quality_focal_loss"] = _focal
    usual = {name: getattr(detector_training, name) for name in chosen}
    for name, function in chosen.items():
        setattr(detector_training, name, function)
    try:
        yield
    finally:
        for name, function in usual.items():
            setattr(detector_training, name, function)


def _focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Focal loss towards 1, wherever a point answers for a face, however well its box fits."""
    return focal_loss(logits, (quality > 0).to(logits.dtype))


def draw_photos(samples: Sequence[DetectionSample], count: int | None) -> list[DetectionSample]:
    """``count`` of the photos, drawn at random and always the same; all, if there are fewer."""
    if count is None or count >= len(samples):
        return list(samples)
    chosen = np.random.default_rng(0).choice(len(samples), count, replace=False)
    return [samples[i] for i in sorted(chosen.tolist())]
