"""Detectors compared: the same photos, the same measures, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.box_fit import BoxFit, fit_boxes
from faceflow_ml.benchmark.peers.base import PeerDetector, PeerMissing
from faceflow_ml.benchmark.peers.registry import PEERS
from faceflow_ml.benchmark.timing import Timing, summarise, time_call
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.data.synth.people import sample_person
from faceflow_ml.data.synth.scene import render_photo
from faceflow_ml.evaluation.detection import (
    ImageDetections,
    ImageTruth,
    MatchedDetections,
    average_precision,
    match_detections,
    median_landmark_error,
    recall_at_false_positives,
    score_at_false_positives,
)
from faceflow_ml.evaluation.run_detection import SCORE_FLOOR
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.threads import one_opencv_thread
from faceflow_ml.inference.types import ImageArray

IOU, LOOSE_IOU = 0.5, 0.3
TIMED_SIZE = (640, 480)


@dataclass(frozen=True)
class DetectorComparison:
    """One detector on the photos.

    box_fit: see `BoxFit`; measures without another name are taken after it.
    ap_as_drawn: AP at IoU 0.5 of the boxes as the detector draws them. ap_loose: of the same
        boxes at IoU 0.3.
    landmark_error: median over found faces, in eye distances; None without landmarks.
    at_640x480: milliseconds for a photo of that size with three faces; per_photo: for those
        that were evaluated. Both on one thread.
    """

    name: str
    box_fit: BoxFit
    average_precision: float
    ap_as_drawn: float
    ap_loose: float
    recall_at_1_fp_per_image: float
    recall_at_0_1_fp_per_image: float
    landmark_error: float | None
    at_640x480: Timing
    per_photo: Timing


@dataclass(frozen=True)
class DetectorTable:
    """All detectors that are here, this project's first; ``missing``: the others, and why."""

    photos: int
    faces: int
    fit_photos: int
    results: tuple[DetectorComparison, ...]
    missing: tuple[tuple[str, str], ...]


class OwnDetector:
    """This project's detector as one of the peers."""

    def __init__(self, detector: str | None) -> None:
        # Peers' scores are their networks', too; calibration keeps their order.
        self._detector = FaceDetector.from_pretrained(detector, threads=1).uncalibrated()

    def detect(self, image: ImageArray) -> ImageDetections:
        faces = self._detector.detect(image, score_threshold=SCORE_FLOOR)
        return ImageDetections(faces.boxes, faces.scores, faces.landmarks)


def compare_detectors(
    samples: Sequence[DetectionSample],
    fit_samples: Sequence[DetectionSample],
    *,
    detector: str | None = None,
    weights: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> DetectorTable:
    """Run every detector that is here over the photos.

    Args:
        samples: the photos to measure on.
        fit_samples: others, on which each detector's box convention is measured.
        detector: as for ``from_pretrained``.
        weights: folder with the weights that peers' packages lack.
        say: told what is measured now.

    Raises:
        ImageError: a photo cannot be read.
    """
    openers: list[tuple[str, Callable[[], PeerDetector]]] = [
        ("FaceFlow", lambda: OwnDetector(detector))
    ]
    for peer in PEERS:
        if peer.detector is not None:
            # Bound now: the loop's variable would be the last peer by the time it is called.
            openers.append((peer.name, lambda make=peer.detector: make(weights)))  # type: ignore[misc]
    results, missing = [], []
    with one_opencv_thread(), one_torch_thread():
        for name, open_peer in openers:
            try:
                opened = open_peer()
                say(f"Detecting in {len(samples)} photos: {name}")
                results.append(_measure(name, opened, samples, fit_samples))
            except PeerMissing as reason:
                missing.append((name, str(reason)))
    return DetectorTable(
        photos=len(samples),
        faces=sum(int((~sample.ignore).sum()) for sample in samples),
        fit_photos=len(fit_samples),
        results=tuple(results),
        missing=tuple(missing),
    )


def _measure(
    name: str,
    detector: PeerDetector,
    samples: Sequence[DetectionSample],
    fit_samples: Sequence[DetectionSample],
) -> DetectorComparison:
    fit = fit_boxes(_run(detector, fit_samples)[0], [_truth(sample) for sample in fit_samples])
    found, milliseconds = _run(detector, samples)
    truth = [_truth(sample) for sample in samples]
    fitted = match_detections([fit.apply(f) for f in found], truth, iou_threshold=IOU)
    images = len(samples)
    drawn = match_detections(found, truth, iou_threshold=IOU)
    loose = match_detections(found, truth, iou_threshold=LOOSE_IOU)
    timed = timed_photo()
    return DetectorComparison(
        name=name,
        box_fit=fit,
        average_precision=average_precision(fitted),
        ap_as_drawn=average_precision(drawn),
        ap_loose=average_precision(loose),
        recall_at_1_fp_per_image=recall_at_false_positives(fitted, images),
        recall_at_0_1_fp_per_image=recall_at_false_positives(fitted, images / 10),
        landmark_error=_landmark_error(fitted),
        at_640x480=time_call(lambda: detector.detect(timed), runs=10, warm_up=2),
        per_photo=summarise(milliseconds),
    )


def _run(
    detector: PeerDetector, samples: Sequence[DetectionSample]
) -> tuple[list[ImageDetections], list[float]]:
    found, milliseconds = [], []
    for sample in samples:
        image = sample.decode()
        started = time.perf_counter()
        found.append(detector.detect(image))
        milliseconds.append((time.perf_counter() - started) * 1000)
    return found, milliseconds


def _truth(sample: DetectionSample) -> ImageTruth:
    return ImageTruth(sample.boxes, sample.landmarks, sample.ignore)


def _landmark_error(matched: MatchedDetections) -> float | None:
    one_per_image = score_at_false_positives(matched, matched.image_count)
    error = median_landmark_error(matched, min_score=one_per_image)
    return error if np.isfinite(error) else None


def timed_photo() -> ImageArray:
    """A photo of `TIMED_SIZE` with three faces of fictional people, the same each time."""
    rng = np.random.default_rng(0)
    return render_photo([sample_person(rng) for _ in range(3)], rng, TIMED_SIZE).image


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """PyTorch, which some peers run on, computes on one thread inside the block."""
    try:
        import torch
    except ImportError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
