"""One trial of the ablations: train it, measure it, keep the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from faceflow_ml.data.detection_dataset import DetectionDataset, collate
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.evaluation.detection import ImageDetections, ImageTruth, match_detections
from faceflow_ml.evaluation.reports import DataUsed, Environment, environment, now
from faceflow_ml.evaluation.run_detection import SCORE_FLOOR, DetectorMetrics, detector_metrics
from faceflow_ml.export.graphs import load_graph
from faceflow_ml.files import atomic_write_bytes
from faceflow_ml.inference.detector import DEFAULT_SCORE_THRESHOLD, NMS_IOU
from faceflow_ml.inference.nms import nms
from faceflow_ml.training.ablations.plan import Trial
from faceflow_ml.training.tracking import RUN_ID_FILE
from faceflow_ml.training.trainer import train

RESULT = "result.json"
_BATCH = 16


@dataclass(frozen=True)
class TrialResult:
    """What a trial gave.

    key: of the trial. measured: the photos. parameters: of the network. mlflow_run: None where
    nothing was tracked.
    """

    variant: str
    seed: int
    key: str
    created: str
    environment: Environment
    measured: DataUsed
    steps: int
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
    trained = train(trial.config)
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
        architecture=config["model"]["name"],
        parameters=sum(parameter.numel() for parameter in graph.parameters()),
        metrics=measure(graph, samples, trial.config.data.val_size),
        mlflow_run=memory.read_text(encoding="utf-8").strip() if memory.is_file() else None,
    )
    atomic_write_bytes(trial.folder / RESULT, _RESULT.dump_json(result, indent=2))
    return result


@torch.inference_mode()
def measure(graph: nn.Module, samples: Sequence[DetectionSample], side: int) -> DetectorMetrics:
    """What a detector finds by itself in photos letterboxed to ``side``, as validation while
    training sees them: exporting it first would take as long as a short training does.

    graph: of a detector, see `export.graphs.DetectorGraph`.
    """
    photos = DetectionDataset(samples, side, train=False)
    found: list[ImageDetections] = []
    truth: list[ImageTruth] = []
    for start in range(0, len(photos), _BATCH):
        batch = [photos[i] for i in range(start, min(start + _BATCH, len(photos)))]
        images, targets = collate(batch)
        outputs = (output.numpy() for output in graph(images.permute(0, 2, 3, 1)))
        for scores, boxes, points, target in zip(*outputs, targets, strict=True):
            kept = np.flatnonzero(scores > SCORE_FLOOR)
            kept = kept[nms(boxes[kept], scores[kept], NMS_IOU)]
            landmarks = points[kept].reshape(-1, 5, 2)
            found.append(ImageDetections(boxes[kept], scores[kept], landmarks))
            unknown = ~target.landmark_valid[..., None]
            known = target.landmarks.masked_fill(unknown, torch.nan).numpy()
            truth.append(ImageTruth(target.boxes.numpy(), known, target.ignore.numpy()))
    matched = match_detections(found, truth)
    return detector_metrics(matched, found, truth, score_threshold=DEFAULT_SCORE_THRESHOLD)


def draw_photos(samples: Sequence[DetectionSample], count: int | None) -> list[DetectionSample]:
    """``count`` of the photos, drawn at random and always the same; all, if there are fewer."""
    if count is None or count >= len(samples):
        return list(samples)
    chosen = np.random.default_rng(0).choice(len(samples), count, replace=False)
    return [samples[i] for i in sorted(chosen.tolist())]
