"""How good the models are, on the research photos where they are there, and on fictional people."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.album.group import group_album
from faceflow_ml.benchmark.strata import (
    DetectionStratum,
    VerificationStratum,
    detection_strata,
    verification_strata,
)
from faceflow_ml.evaluation.album_truth import TRUTH, read_album_truth
from faceflow_ml.evaluation.photo_sources import read_aligned_faces, read_labelled_photos
from faceflow_ml.evaluation.run_clustering import AlbumMetrics, run_clustering
from faceflow_ml.evaluation.run_detection import DetectorMetrics, run_detector
from faceflow_ml.evaluation.run_verification import (
    IdentityMetrics,
    PairMetrics,
    read_pair_photos,
    read_pairs,
    run_identities,
    run_pairs,
)
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pipeline import FacePipeline

Say = Callable[[str], None]


@dataclass(frozen=True)
class Quality:
    """What `measure_quality` could measure; None where the data are not on this machine."""

    synthetic_album: AlbumMetrics
    detection: DetectorMetrics | None
    pairs: PairMetrics | None
    identities: IdentityMetrics | None
    album: AlbumMetrics | None
    detection_strata: tuple[DetectionStratum, ...] = ()
    verification_strata: tuple[VerificationStratum, ...] = ()


def measure_quality(
    synthetic_album: Path,
    data: Path | None,
    *,
    detector: str | None = None,
    embedder: str | None = None,
    say: Say = lambda _line: None,
) -> Quality:
    """Measure on a synthetic album, and on the parts of ``data`` that are there.

    Args:
        synthetic_album: written by `faceflow_ml.data.synth.album.write_album`.
        data: a folder with ``detection``, ``verification``, ``identities`` and ``album``.
        detector, embedder: as for ``from_pretrained``.
        say: told what is measured now.

    Raises:
        FaceFlowError: data or models are malformed.
    """
    say("Grouping the synthetic album")
    single = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
    synthetic = _album(single, synthetic_album)
    detection = pairs = identities = album = None
    found_strata: tuple[DetectionStratum, ...] = ()
    pair_strata: tuple[VerificationStratum, ...] = ()
    if data is not None:
        pipeline = FacePipeline(
            FaceDetector.from_pretrained(detector), FaceEmbedder.from_pretrained(embedder)
        )
        detection, found_strata = _detection(pipeline, data / "detection" / "val.parquet", say)
        pairs = _pairs(pipeline, data / "verification", say)
        identities, pair_strata = _identities(pipeline, data / "identities" / "val.parquet", say)
        if (data / "album" / TRUTH).is_file():
            say("Grouping the album")
            album = _album(single, data / "album")
    return Quality(synthetic, detection, pairs, identities, album, found_strata, pair_strata)


def _album(engine: FacePipeline, folder: Path) -> AlbumMetrics:
    truth = read_album_truth(folder / TRUTH)
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        groups = group_album(folder, work, engine).groups
    return run_clustering(groups, truth).metrics


def _detection(
    pipeline: FacePipeline, file: Path, say: Say
) -> tuple[DetectorMetrics | None, tuple[DetectionStratum, ...]]:
    if not file.is_file():
        return None, ()
    say("Detecting in the validation photos")
    run = run_detector(pipeline.detector, read_labelled_photos(file))
    return run.metrics, detection_strata(run)


def _pairs(pipeline: FacePipeline, folder: Path, say: Say) -> PairMetrics | None:
    listed, photos = folder / "lfw_dev_pairs.csv", folder / "lfw_dev.parquet"
    if not (listed.is_file() and photos.is_file()):
        return None
    say("Verifying pairs of photos")
    pairs = read_pairs(listed)
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    return run_pairs(pipeline, pairs, read_pair_photos(photos, names)).metrics


def _identities(
    pipeline: FacePipeline, file: Path, say: Say
) -> tuple[IdentityMetrics | None, tuple[VerificationStratum, ...]]:
    if not file.is_file():
        return None, ()
    say("Verifying pairs of aligned faces")
    samples = read_aligned_faces(file)
    run = run_identities(pipeline.embedder, samples)
    return run.metrics, verification_strata(run, samples)
