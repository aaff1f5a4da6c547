"""The bars that a release is held to, and whether they are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceflow_ml.benchmark.quality import Quality
from faceflow_ml.benchmark.stages import ModelTimes
from faceflow_ml.benchmark.throughput import Throughput

Unit = Literal["", "%", "ms", "photos/s"]


@dataclass(frozen=True)
class Bar:
    """One bar. ``at_least``: the value must reach the limit; else it must not pass it.

    value: None where it could not be measured here.
    """

    name: str
    value: float | None
    limit: float
    at_least: bool
    unit: Unit

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where it was not measured.

        >>> Bar("detector", 31.0, 30.0, at_least=False, unit="ms").met
        False
        """
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def bars(models: ModelTimes, throughput: Throughput, quality: Quality) -> tuple[Bar, ...]:
    """All bars with what was measured; the limits are those of the project's first weights."""
    detection, pairs, album = quality.detection, quality.pairs, quality.album
    return (
        _floor("detection AP@0.5", detection.average_precision if detection else None, 0.85),
        _floor(
            "detection recall at one false positive an image",
            detection.recall_at_1_fp_per_image if detection else None,
            0.90,
        ),
        Bar(
            "landmark error, median, of the eye distance",
            detection.landmark_error_median if detection else None,
            0.05,
            at_least=False,
            unit="%",
        ),
        _floor("lfw_dev accuracy", pairs.accuracy.value if pairs else None, 0.945),
        Bar(
            "lfw_dev faces missed",
            pairs.faces_missed if pairs else None,
            0.005,
            at_least=False,
            unit="%",
        ),
        _floor("album BCubed F", album.bcubed_f1 if album else None, 0.75),
        _floor("synthetic album BCubed F", quality.synthetic_album.bcubed_f1, 0.95),
        Bar("detector at 640x480", models.detector.median_ms, 30, at_least=False, unit="ms"),
        Bar("embedder, a face", models.embedder.median_ms, 25, at_least=False, unit="ms"),
        Bar("group", throughput.photos_per_second, 8, at_least=True, unit="photos/s"),
    )


def _floor(name: str, value: float | None, limit: float) -> Bar:
    return Bar(name, value, limit, at_least=True, unit="")
