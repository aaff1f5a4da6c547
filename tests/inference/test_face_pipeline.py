"""The pipeline is its parts, in order, for one photo or many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faceflow_ml
from faceflow_ml import FaceDetector, FaceEmbedder, FacePipeline, align_faces, load_image
from faceflow_ml.inference import detector as detector_module
from faceflow_ml.inference.types import Detections


@pytest.fixture(scope="module")
def pipeline(detector_onnx: bytes, embedder_onnx: bytes) -> FacePipeline:
    return FacePipeline(
        FaceDetector(detector_onnx, threads=1), FaceEmbedder(embedder_onnx, threads=1)
    )


def photo(*corners: tuple[int, int], seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(100, 140, (480, 640, 3), dtype=np.uint8)
    for x, y in corners:
        image[y : y + 32, x : x + 32] = (255, 0, 40)
    return image


def test_run_is_detect_align_embed(pipeline: FacePipeline) -> None:
    image = photo((128, 64), (320, 256))
    result = pipeline.run(image)
    faces = pipeline.detector.detect(image)
    assert len(result) == len(faces) == 2
    np.testing.assert_array_equal(result.detections.boxes, faces.boxes)
    np.testing.assert_array_equal(result.crops, align_faces(image, faces.landmarks))
    np.testing.assert_allclose(result.vectors, pipeline.embedder.embed(result.crops), atol=1e-6)
    assert result.quality.shape == (2,)
    assert ((result.quality >= 0) & (result.quality <= 1)).all()


def test_batch_gives_each_photo_its_own_faces(pipeline: FacePipeline) -> None:
    images = [
        photo((128, 64)),
        photo(),
        photo((320, 256), (64, 320), seed=1),
        photo((0, 0), seed=2),
    ]
    results = pipeline.run_batch(images, batch_size=3)
    assert [len(result) for result in results] == [1, 0, 2, 1]
    for image, result in zip(images, results, strict=True):
        alone = pipeline.run(image)
        np.testing.assert_array_equal(result.crops, alone.crops)
        np.testing.assert_allclose(result.vectors, alone.vectors, atol=1e-5)
        np.testing.assert_allclose(result.quality, alone.quality, atol=1e-5)
    assert results[1].vectors.shape == (0, 512)
    assert pipeline.run_batch([]) == []


def test_options_reach_the_detector(pipeline: FacePipeline) -> None:
    image = photo((128, 64), (320, 256))
    assert len(pipeline.run(image, max_faces=1)) == 1
    with pytest.raises(ValueError, match="score_threshold"):
        pipeline.run(image, score_threshold=2)


def test_a_face_that_cannot_be_aligned_is_left_out(
    pipeline: FacePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photo((128, 64))
    good = pipeline.detector.detect(image)
    both = Detections(
        np.concatenate([good.boxes, good.boxes]),
        np.concatenate([good.scores, good.scores]),
        np.concatenate([good.landmarks, np.full((1, 5, 2), 7, np.float32)]),
    )
    monkeypatch.setattr(detector_module.FaceDetector, "detect_batch", lambda *_, **__: [both])
    assert len(pipeline.run(image)) == 1


def test_a_real_photo_goes_through(pipeline: FacePipeline, shared_data: Path) -> None:
    path = next((shared_data / "album").glob("*.jpg"))
    image = load_image(path)
    result = pipeline.run(image, score_threshold=0.1)
    assert result.vectors.shape == (len(result), 512)


def test_the_api_needs_no_torch() -> None:
    code = (
        "import sys; from faceflow_ml import FaceDetector, FaceEmbedder, FacePipeline, "
        "align_faces, load_image; assert not {'torch', 'mlflow'} & sys.modules.keys()"
    )
    root = Path(faceflow_ml.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
