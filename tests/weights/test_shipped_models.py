"""The shipped models do the main job: on fictional people, and on real photos where they are.

The floors lie a little below what `faceflow-ml bench` measured (the ceiling above), for samples
that are smaller.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceDetector, FaceEmbedder, FacePipeline
from faceflow_ml.album.group import group_album
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.data.synth.faces import aligned_faces
from faceflow_ml.evaluation.album_truth import TRUTH, read_album_truth
from faceflow_ml.evaluation.pair_sources import read_pair_photos, read_pairs
from faceflow_ml.evaluation.photo_sources import read_labelled_photos
from faceflow_ml.evaluation.run_clustering import AlbumMetrics, run_clustering
from faceflow_ml.evaluation.run_detection import run_detector
from faceflow_ml.evaluation.run_verification import run_pairs
from faceflow_ml.inference.pretrained import weights_dir

FICTIONAL_FLOOR = 0.9
DETECTION_FLOOR = 0.86
CALIBRATION_CEILING = 0.05
VERIFICATION_FLOOR = 0.935
ALBUM_FLOOR = 0.85


@pytest.fixture(scope="module")
def pipeline() -> FacePipeline:
    return FacePipeline.from_pretrained()


def _group(folder: Path, out: Path) -> AlbumMetrics:
    engine = FacePipeline.from_pretrained(threads=1)
    groups = group_album(folder, out, engine).groups
    return run_clustering(groups, read_album_truth(folder / TRUTH)).metrics


def test_files_are_small() -> None:
    sizes = [file.stat().st_size for file in weights_dir().glob("*.onnx")]
    assert len(sizes) == 5
    assert max(sizes) <= 25_000_000 and sum(sizes) <= 43_000_000


def test_both_precisions_of_the_embedder_put_faces_in_the_same_place(
    pipeline: FacePipeline,
) -> None:
    faces = np.stack([crop for crop, _ in aligned_faces(6, 2, seed=11)])
    quantized = pipeline.embedder.embed(faces)
    half = FaceEmbedder.from_pretrained("embedder-fp16", threads=1).embed(faces)
    assert (quantized * half).sum(axis=1).min() >= 0.98


def test_the_manifest_says_how_good_they_are_and_how_they_came_about() -> None:
    manifest = json.loads((weights_dir() / "manifest.json").read_text())
    for kind in ("detector", "refiner", "aligner", "embedder"):
        entry = manifest["models"][kind][manifest["default"][kind]]
        assert entry["metrics"] or kind == "refiner"  # its detector is measured with it
        assert entry["calibration"] or kind in ("refiner", "aligner")  # they have no thresholds
        assert entry["training"]["config"]["model"]["name"] == entry["architecture"]
    assert FaceDetector.from_pretrained().contract_id != FaceEmbedder.from_pretrained().contract_id


def test_fictional_people_are_found_and_told_apart(tmp_path: Path) -> None:
    # Another cast than the demo's, and than the one mixed into training.
    write_album(tmp_path / "photos", AlbumSpec(people=8, photos=40, seed=4321))
    metrics = _group(tmp_path / "photos", tmp_path / "out")
    assert metrics.missed_faces <= 0.05 * metrics.labelled_faces
    assert metrics.bcubed_f1 >= FICTIONAL_FLOOR


def test_real_faces_are_found(shared_data: Path, pipeline: FacePipeline) -> None:
    photos = read_labelled_photos(shared_data / "detection/val.parquet")[:200]
    metrics = run_detector(pipeline.detector, photos).metrics
    assert metrics.average_precision >= DETECTION_FLOOR
    assert metrics.reliability is not None
    assert metrics.reliability.calibration_error <= CALIBRATION_CEILING


def test_real_people_are_told_apart(shared_data: Path, pipeline: FacePipeline) -> None:
    folder = shared_data / "verification"
    pairs = read_pairs(folder / "lfw_dev_pairs.csv")[::4]
    names = {name for pair in pairs for name in (pair.a, pair.b)}
    photos = read_pair_photos(folder / "lfw_dev.parquet", names)
    metrics = run_pairs(pipeline, pairs, photos).metrics
    assert metrics.faces_missed <= 0.01
    assert metrics.accuracy.value >= VERIFICATION_FLOOR


def test_a_real_album_is_grouped(shared_data: Path, tmp_path: Path) -> None:
    assert _group(shared_data / "album", tmp_path / "out").bcubed_f1 >= ALBUM_FLOOR
