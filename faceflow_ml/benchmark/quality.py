"""How good the models are, on the research photos where they are there, and on fictional people."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from faceflow_ml.album.group import group_album
from faceflow_ml.benchmark.strata import (
    DetectionStratum,
    VerificationStratum,
    detection_strata,
    verification_strata,
)
from faceflow_ml.evaluation.album_truth import TRUTH, MainFaceTruth, read_album_truth
from faceflow_ml.evaluation.pair_sources import read_pair_photos, read_pairs, read_people
from faceflow_ml.evaluation.photo_sources import read_aligned_faces, read_labelled_photos
from faceflow_ml.evaluation.rejection import RejectCurve
from faceflow_ml.evaluation.run_clustering import AlbumMetrics, run_clustering
from faceflow_ml.evaluation.run_detection import DetectorMetrics, run_detector
from faceflow_ml.evaluation.run_verification import (
    IdentityMetrics,
    PairMetrics,
    embed_main_faces,
    reject_all_pairs,
    run_identities,
    run_pairs,
)
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.pipeline import FacePipeline

PAIRS_CURVE, ALBUM_CURVE = "lfw_dev", "album"
REJECT_PICTURE = "error_versus_reject.png"
# The album has a thirtieth of the impostor pairs of lfw_dev: too few for a rarer false accept.
_PAIRS_FAR, _ALBUM_FAR = 1e-3, 1e-2

Say = Callable[[str], None]


@dataclass(frozen=True)
class Quality:
    """What `measure_quality` could measure; None where the data are not on this machine.

    *_rejection: over all pairs of main faces. pictures: names of the files that were written.
    """

    synthetic_album: AlbumMetrics
    detection: DetectorMetrics | None
    pairs: PairMetrics | None
    identities: IdentityMetrics | None
    album: AlbumMetrics | None
    detection_strata: tuple[DetectionStratum, ...] = ()
    verification_strata: tuple[VerificationStratum, ...] = ()
    pairs_rejection: RejectCurve | None = None
    album_rejection: RejectCurve | None = None
    pictures: tuple[str, ...] = ()


def measure_quality(
    synthetic_album: Path,
    data: Path | None,
    *,
    detector: str | None = None,
    embedder: str | None = None,
    pictures: Path | None = None,
    say: Say = lambda _line: None,
) -> Quality:
    """Measure on a synthetic album, and on the parts of ``data`` that are there.

    Args:
        synthetic_album: written by `faceflow_ml.data.synth.album.write_album`.
        data: a folder with ``detection``, ``verification``, ``identities`` and ``album``.
        detector, embedder: as for ``from_pretrained``.
        pictures: folder for curves, drawn where matplotlib is installed; None writes none.
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
    pairs_rejection = album_rejection = None
    if data is not None:
        pipeline = FacePipeline(
            FaceDetector.from_pretrained(detector), FaceEmbedder.from_pretrained(embedder)
        )
        detection, found_strata = _detection(pipeline, data / "detection" / "val.parquet", say)
        pairs, pairs_rejection = _pairs(pipeline, data / "verification", say)
        identities, pair_strata = _identities(pipeline, data / "identities" / "val.parquet", say)
        if (data / "album" / TRUTH).is_file():
            say("Grouping the album")
            album = _album(single, data / "album")
            album_rejection = _album_rejection(pipeline, data / "album", say)
    curves = {PAIRS_CURVE: pairs_rejection, ALBUM_CURVE: album_rejection}
    return Quality(
        synthetic,
        detection,
        pairs,
        identities,
        album,
        found_strata,
        pair_strata,
        pairs_rejection,
        album_rejection,
        _draw({name: curve for name, curve in curves.items() if curve is not None}, pictures),
    )


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


def _pairs(
    pipeline: FacePipeline, folder: Path, say: Say
) -> tuple[PairMetrics | None, RejectCurve | None]:
    listed, photos = folder / "lfw_dev_pairs.csv", folder / "lfw_dev.parquet"
    if not (listed.is_file() and photos.is_file()):
        return None, None
    say("Verifying pairs of photos")
    pairs = read_pairs(listed)
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    run = run_pairs(pipeline, pairs, read_pair_photos(photos, names))
    return run.metrics, reject_all_pairs(run.faces, read_people(photos), _PAIRS_FAR)


def _album_rejection(pipeline: FacePipeline, folder: Path, say: Say) -> RejectCurve | None:
    truth = read_album_truth(folder / TRUTH)
    if not isinstance(truth, MainFaceTruth):
        return None
    say("Verifying pairs of the album's main faces")
    # Again: the groups keep neither vectors nor quality.
    faces = embed_main_faces(pipeline, {photo: folder / photo for photo in truth.photos})
    return reject_all_pairs(faces, truth.person_of, _ALBUM_FAR)


def _draw(curves: Mapping[str, RejectCurve], pictures: Path | None) -> tuple[str, ...]:
    if not curves or pictures is None or find_spec("matplotlib") is None:
        return ()
    from faceflow_ml.evaluation.plots import plot_error_versus_reject

    plot_error_versus_reject(pictures / REJECT_PICTURE, curves)
    return (REJECT_PICTURE,)


def _identities(
    pipeline: FacePipeline, file: Path, say: Say
) -> tuple[IdentityMetrics | None, tuple[VerificationStratum, ...]]:
    if not file.is_file():
        return None, ()
    say("Verifying pairs of aligned faces")
    samples = read_aligned_faces(file)
    run = run_identities(pipeline.embedder, samples, aligner=pipeline.detector.aligner)
    return run.metrics, verification_strata(run, samples)
