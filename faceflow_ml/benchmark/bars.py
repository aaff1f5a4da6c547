"""The bars that a release is held to, and whether they are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceflow_ml.benchmark.peer_run import PeerResults
from faceflow_ml.benchmark.quality import Quality
from faceflow_ml.benchmark.stages import ModelTimes
from faceflow_ml.benchmark.throughput import Throughput

Unit = Literal["", "%", "ms", "photos/s", "times"]


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


def bars(
    models: ModelTimes, throughput: Throughput, quality: Quality, peers: PeerResults | None
) -> tuple[Bar, ...]:
    """All bars with what was measured; those against peers only where peers were."""
    detection, pairs, album = quality.detection, quality.pairs, quality.album
    return (
        _floor("detection AP@0.5", detection.average_precision if detection else None, 0.92),
        _floor(
            "detection recall at one false positive an image",
            detection.recall_at_1_fp_per_image if detection else None,
            0.90,
        ),
        _floor(
            "detection recall at one false positive in ten images",
            detection.recall_at_0_1_fp_per_image if detection else None,
            0.95,
        ),
        Bar(
            "landmark error, median, of the eye distance",
            detection.landmark_error_median if detection else None,
            0.05,
            at_least=False,
            unit="%",
        ),
        _floor("lfw_dev accuracy", pairs.accuracy.value if pairs else None, 0.97),
        Bar(
            "lfw_dev faces missed",
            pairs.faces_missed if pairs else None,
            0.005,
            at_least=False,
            unit="%",
        ),
        _floor("album BCubed F", album.bcubed_f1 if album else None, 0.90),
        _floor("synthetic album BCubed F", quality.synthetic_album.bcubed_f1, 0.95),
        Bar("detector at 640x480", models.detector.median_ms, 12, at_least=False, unit="ms"),
        Bar("embedder, a face", models.embedder.median_ms, 25, at_least=False, unit="ms"),
        Bar("group", throughput.photos_per_second, 30, at_least=True, unit="photos/s"),
        *(_against(peers) if peers else ()),
    )


def _against(peers: PeerResults) -> tuple[Bar, ...]:
    """This project less, or over, the best of the peers."""
    found: list[Bar] = []
    if peers.detection is not None and len(peers.detection.results) > 1:
        own, *others = (row.average_precision for row in peers.detection.results)
        found.append(_floor("detection AP@0.5, more than the best peer's", own - max(others), 0.0))
    if len(peers.grouping.results) > 1:
        job, *jobs = peers.grouping.results
        scores = [row.metrics.bcubed_f1 for row in jobs if row.metrics is not None]
        if job.metrics is not None and scores:
            gain = job.metrics.bcubed_f1 - max(scores)
            found.append(_floor("BCubed F, more than the recipe's", gain, 0.0))
        speed = job.photos_per_second / max(row.photos_per_second for row in jobs)
        found.append(Bar("group, against the recipe", speed, 5, at_least=True, unit="times"))
    return tuple(found)


def _floor(name: str, value: float | None, limit: float) -> Bar:
    return Bar(name, value, limit, at_least=True, unit="")
