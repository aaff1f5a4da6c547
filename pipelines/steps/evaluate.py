"""Measure a trained model and its champion on the same held-out data, and say what came of it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.cli._common import say
from faceflow_ml.errors import FaceFlowError, WeightsError
from faceflow_ml.evaluation.photo_sources import read_aligned_faces, read_labelled_photos
from faceflow_ml.evaluation.reports import plain, update_manifest
from faceflow_ml.evaluation.resampling import tar_over_resampled_people
from faceflow_ml.evaluation.run_detection import DetectorRun, run_detector
from faceflow_ml.evaluation.run_verification import IdentityRun, run_identities
from faceflow_ml.evaluation.verification import all_pair_scores
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.aligner import FaceAligner
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pretrained import MANIFEST_NAME, Kind, read_manifest
from pipelines.archives import MODEL_ARCHIVE, pack, unpack_model
from pipelines.statistics import (
    Difference,
    average_precision_over_resampled_images,
    mcnemar,
    paired_difference,
)
from pipelines.steps.calibration import calibrate, metrics_in_use

EVALUATION = "evaluation.json"
_FAR = 1e-3
_SECTION = {"detector": "detection", "embedder": "identities"}
_HEADLINE = {"detector": "average precision", "embedder": "true accept rate at FAR 1e-3"}
_REFUSED = -1.0  # below every minimum: a metric that is no number passes no gate


@dataclass(frozen=True)
class Measured:
    """A model's metrics on data, and what a paired comparison needs.

    headline: the metric that decides, in [0, 1], or NaN. resampled: the same in bootstrap samples
    that are equal for all models on equal data. right: whether each case was answered rightly.
    problem: why there is no number. run: what the metrics are of.
    """

    contract_id: str
    headline: float
    metrics: Any = None
    resampled: NDArray[np.float64] | None = None
    right: NDArray[np.bool_] | None = None
    problem: str | None = None
    run: DetectorRun | IdentityRun | None = None
    calibration: Mapping[str, float] = field(default_factory=dict)


def evaluate_model(
    kind: Kind, model: Path, champion: Path, data: Path, report: Path, out: Path
) -> None:
    """Write ``report/evaluation.json`` and ``out/model.tar.gz``, the model as it is deployed.

    Args:
        kind: of the model.
        model: folder with the ``model.tar.gz`` of a training job.
        champion: folder with that of the champion, or without any.
        data: Parquet shards of ``val``.
        report: folder; ``gate`` in the report is what the pipeline decides by.
        out: folder.

    Raises:
        FaceFlowError: an archive or the data cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
        folder = unpack_model(model, Path(work) / "challenger")
        if folder is None:
            raise FaceFlowError(f"{model} holds no {MODEL_ARCHIVE}")
        measure = _measure_detector if kind == "detector" else _measure_embedder
        say(f"Measuring the {kind} on {data}")
        challenger = _calibrated(measure(folder, data))
        rival_folder = unpack_model(champion, Path(work) / "champion")
        rival = None
        if rival_folder is not None:
            say("Measuring the champion on the same data")
            rival = measure(rival_folder, data)
        document = make_report(kind, challenger, rival)
        if math.isfinite(challenger.headline):
            update_manifest(
                kind,
                challenger.contract_id,
                metrics={_SECTION[kind]: plain(challenger.metrics)},
                calibration=challenger.calibration,
                folder=folder,
            )
        # All that the manifest lists: a detector comes with its companions.
        listed = read_manifest(folder).models.values()
        names = [MANIFEST_NAME, *(entry.file for named in listed for entry in named.values())]
        pack(folder, out / MODEL_ARCHIVE, names)
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        atomic_write_text(report / EVALUATION, text + "\n")
        say(document["gate"]["summary"])


def _calibrated(measured: Measured) -> Measured:
    """With the thresholds that it is to be used by."""
    if measured.run is None or not math.isfinite(measured.headline):
        return measured
    numbers = calibrate(measured.run)
    say(f"Calibrated: {json.dumps(numbers)}" if numbers else "Too little data to calibrate on")
    metrics = metrics_in_use(measured.run, numbers)
    return replace(measured, metrics=metrics, calibration=numbers)


def make_report(kind: Kind, challenger: Measured, champion: Measured | None) -> dict[str, Any]:
    """The evaluation report; numbers that are not finite are null in it.

    ``gate.metric`` is the headline metric, or -1 where that is no number; ``gate.loss`` is how much
    worse than the champion the model may plausibly be, 0 where there is no champion.
    """
    difference, p_value = _compare(challenger, champion)
    finite = math.isfinite(challenger.headline)
    gate = {
        "metric": challenger.headline if finite else _REFUSED,
        "loss": 1.0 if not finite else difference.loss if difference else 0.0,
        "summary": _summary(kind, challenger, champion, difference, p_value),
    }
    return {
        "kind": kind,
        "contract_id": challenger.contract_id,
        "headline": _HEADLINE[kind],
        "metrics": _finite(plain(challenger.metrics)),
        "calibration": dict(challenger.calibration),
        "champion": None
        if champion is None
        else {
            "contract_id": champion.contract_id,
            "metrics": _finite(plain(champion.metrics)),
            "difference": _finite(plain(difference)),
            "mcnemar_p": p_value,
        },
        "gate": gate,
        "model_card": json.dumps(_model_card(kind, challenger, gate), ensure_ascii=True),
    }


def _compare(
    challenger: Measured, champion: Measured | None
) -> tuple[Difference | None, float | None]:
    if champion is None or not math.isfinite(champion.headline):
        return None, None  # whoever gives no numbers is no champion to be measured against
    if challenger.resampled is None or champion.resampled is None:
        return Difference(math.nan, math.nan, math.nan), None
    value = challenger.headline - champion.headline
    difference = paired_difference(value, challenger.resampled, champion.resampled)
    assert challenger.right is not None
    assert champion.right is not None
    return difference, mcnemar(challenger.right, champion.right)


def _summary(
    kind: Kind,
    challenger: Measured,
    champion: Measured | None,
    difference: Difference | None,
    p_value: float | None,
) -> str:
    if not math.isfinite(challenger.headline):
        return f"{_HEADLINE[kind]} is not a number ({challenger.problem or 'no reason given'})."
    text = f"{_HEADLINE[kind]} {challenger.headline:.4f}"
    if champion is None:
        return f"{text}, no champion."
    if difference is None:
        return f"{text}, the champion gives no number."
    return (
        f"{text}, champion {champion.headline:.4f}, difference {difference.value:+.4f} "
        f"(at least {difference.low:+.4f}, at most {difference.high:+.4f}, paired bootstrap; "
        f"McNemar p {p_value:.3g}), loss {difference.loss:.4f}."
    )


def _model_card(kind: Kind, challenger: Measured, gate: dict[str, Any]) -> dict[str, Any]:
    """The part of SageMaker's model card schema that a model package takes."""
    return {
        "model_overview": {"model_creator": "FaceFlow pipeline"},
        "intended_uses": {
            "purpose_of_model": "Groups the photos of one album by the people in them.",
            "intended_uses": f"The {kind} of FaceFlow, on photos of people who agreed.",
            "factors_affecting_model_efficiency": "Small, turned, covered or blurred faces.",
            "risk_rating": "Medium",
            "explanations_for_risk_rating": "Vectors of faces are biometric data.",
        },
        "evaluation_details": [
            {
                "name": "held-out data",
                "evaluation_observation": gate["summary"],
                "metric_groups": [
                    {
                        "name": kind,
                        "metric_data": [
                            {
                                "name": _HEADLINE[kind],
                                "type": "number",
                                "value": gate["metric"],
                            },
                            {
                                "name": "loss against the champion",
                                "type": "number",
                                "value": gate["loss"],
                            },
                        ],
                    }
                ],
            }
        ],
        "additional_information": {
            "ethical_considerations": "Not for identifying people who did not agree to it.",
            "custom_details": {"contract_id": challenger.contract_id, "kind": kind},
        },
    }


def _measure_detector(folder: Path, data: Path) -> Measured:
    model = FaceDetector.from_pretrained(folder)
    samples = read_labelled_photos(data)

    def measure() -> Measured:
        run = run_detector(model, samples)
        faces = np.array([int((~truth.ignore).sum()) for truth in run.truth], np.int64)
        return Measured(
            model.contract_id,
            run.metrics.average_precision,
            run.metrics,
            average_precision_over_resampled_images(run.matched, faces),
            _photos_right(run, faces),
            run=run,
        )

    return _or_problem(model.contract_id, measure)


def _photos_right(run: DetectorRun, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each photo is all right at the detector's own threshold for one false positive a
    photo: every face found, nothing else."""
    matched = run.matched
    kept = matched.scores >= run.metrics.score_at_1_fp_per_image
    hits = np.bincount(matched.images[kept & matched.hits], minlength=matched.image_count)
    false = np.bincount(matched.images[kept & ~matched.hits], minlength=matched.image_count)
    return np.asarray((hits == faces) & (false == 0), np.bool_)


def _measure_embedder(folder: Path, data: Path) -> Measured:
    model = FaceEmbedder.from_pretrained(folder)
    samples = read_aligned_faces(data)

    def measure() -> Measured:
        run = run_identities(model, samples, aligner=FaceAligner.default())
        return Measured(
            model.contract_id,
            run.metrics.tar_at_far_1e_3.value,
            run.metrics,
            tar_over_resampled_people(run.vectors, run.labels, _FAR),
            _pairs_right(run),
            run=run,
        )

    return _or_problem(model.contract_id, measure)


def _pairs_right(run: IdentityRun) -> NDArray[np.bool_]:
    scores, same = all_pair_scores(run.vectors, run.labels)
    return np.asarray((scores >= run.metrics.threshold_at_far_1e_3) == same, np.bool_)


def _or_problem(contract_id: str, measure: Callable[[], Measured]) -> Measured:
    """A model whose answers cannot be measured, since they are no numbers, has no metric."""
    try:
        return measure()
    except (ValueError, WeightsError) as error:
        return Measured(contract_id, math.nan, problem=str(error))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
