"""This project beside the peers that are installed, in one run on the same photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.benchmark.peer_detection import DetectorTable, compare_detectors
from faceflow_ml.benchmark.peer_grouping import GroupingTable, compare_jobs
from faceflow_ml.benchmark.peer_verification import RecognizerTable, compare_recognizers
from faceflow_ml.evaluation.album_truth import TRUTH, read_album_truth
from faceflow_ml.evaluation.pair_sources import read_pair_photos, read_pairs
from faceflow_ml.evaluation.photo_sources import read_labelled_photos
from faceflow_ml.evaluation.run_verification import PairMetrics

FIT_PHOTOS = 150
"""Training photos on which the box convention of each detector is measured."""


@dataclass(frozen=True)
class PeerOptions:
    """weights: folder with the weights that peers' packages lack. photos: of the validation split
    that detectors are compared on, None for all."""

    weights: Path | None = None
    photos: int | None = None


@dataclass(frozen=True)
class PeerResults:
    """The comparisons; None where the data are not on this machine."""

    detection: DetectorTable | None
    recognition: RecognizerTable | None
    grouping: GroupingTable


def compare_with_peers(
    synthetic_album: Path,
    data: Path | None,
    own_pairs: PairMetrics | None,
    options: PeerOptions,
    *,
    detector: str | None = None,
    embedder: str | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> PeerResults:
    """Measure all peers that are here.

    Args:
        synthetic_album: grouped where ``data`` has no album.
        data: see `measure_quality`.
        own_pairs: this project's measures on ``lfw_dev``, None where that is not here.
        options: see `PeerOptions`.
        detector, embedder: as for ``from_pretrained``.
        say: told what is measured now.

    Raises:
        FaceFlowError: data or models are malformed, or a process fails.
    """
    album = synthetic_album if data is None else data / "album"
    has_truth = data is not None and (album / TRUTH).is_file()
    if not has_truth:
        album = synthetic_album
    say("Grouping as processes: this project and face_recognition's recipe")
    grouping = compare_jobs(
        album,
        read_album_truth(album / TRUTH),
        name="the album of real photos" if has_truth else "the synthetic album",
        detector=detector,
        embedder=embedder,
    )
    if data is None:
        return PeerResults(None, None, grouping)
    return PeerResults(
        _detection(data / "detection", options, detector, say),
        _recognition(data / "verification", own_pairs, options, say),
        grouping,
    )


def _detection(
    folder: Path, options: PeerOptions, detector: str | None, say: Callable[[str], None]
) -> DetectorTable | None:
    # Box conventions are measured on training photos: those of the validation split would be
    # tuned on what they are measured by.
    train, val = sorted(folder.glob("train-*.parquet")), folder / "val.parquet"
    if not (train and val.is_file()):
        return None
    return compare_detectors(
        read_labelled_photos(val)[: options.photos],
        read_labelled_photos(train[0])[:FIT_PHOTOS],
        detector=detector,
        weights=options.weights,
        say=say,
    )


def _recognition(
    folder: Path,
    own: PairMetrics | None,
    options: PeerOptions,
    say: Callable[[str], None],
) -> RecognizerTable | None:
    if own is None:
        return None
    pairs = read_pairs(folder / "lfw_dev_pairs.csv")
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    photos = read_pair_photos(folder / "lfw_dev.parquet", names)
    return compare_recognizers(pairs, photos, own, weights=options.weights, say=say)
