"""Peers: what is missing is said, and what each gives becomes detections and vectors."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from faceflow_ml.benchmark.peers import insightface
from faceflow_ml.benchmark.peers.base import PeerMissing
from faceflow_ml.benchmark.peers.opencv import HaarDetector, YunetDetector
from faceflow_ml.benchmark.peers.opencv4 import Opencv4Haar
from faceflow_ml.benchmark.peers.registry import PEERS

needs_dlib = pytest.mark.skipif(
    not (find_spec("dlib") and find_spec("face_recognition_models")),
    reason="dlib-bin and face-recognition-models are not installed",
)
needs_mtcnn = pytest.mark.skipif(
    not find_spec("facenet_pytorch"), reason="facenet-pytorch is not installed"
)


pytestmark = pytest.mark.usefixtures("importable")


def test_what_is_not_installed_is_said_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for package in ("dlib", "facenet_pytorch", "insightface", "insightface.app"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    monkeypatch.setattr(insightface, "HOME", tmp_path)
    reasons = {}
    for peer in PEERS:
        for opener in (peer.detector, peer.recognizer):
            if opener is not None:
                with pytest.raises(PeerMissing) as caught:
                    opener(None)
                reasons[peer.name] = str(caught.value)
    assert "pip install --no-deps dlib-bin" in reasons["dlib HOG + ResNet"]
    assert "pip install --no-deps facenet-pytorch" in reasons["facenet-pytorch MTCNN"]
    assert "yunet" in reasons["OpenCV YuNet"]
    assert "'opencv-python-headless<5'" in reasons["OpenCV Haar cascade"]
    assert "buffalo_l" in reasons["insightface"]


def test_insightface_is_never_asked_to_download(tmp_path: Path) -> None:
    (tmp_path / "models" / "buffalo_s").mkdir(parents=True)
    with pytest.raises(PeerMissing):
        insightface.find_pack(tmp_path)
    (tmp_path / "models" / "buffalo_s" / "det.onnx").write_bytes(b"x")
    assert insightface.find_pack(tmp_path) == (tmp_path, "buffalo_s")


def test_insightface_faces_are_read_as_its_package_gives_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models" / "buffalo_l").mkdir(parents=True)
    (tmp_path / "models" / "buffalo_l" / "det.onnx").write_bytes(b"x")
    asked: dict[str, Any] = {}

    class FaceAnalysis:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def prepare(self, **options: Any) -> None:
            asked.update(options)

        def get(self, image: np.ndarray) -> list[SimpleNamespace]:
            if not image.any():
                return []
            assert tuple(image[0, 0]) == (3, 2, 1), "BGR"
            return [
                SimpleNamespace(
                    bbox=np.array([1, 2, 3, 4]),
                    det_score=0.9,
                    kps=np.arange(10).reshape(5, 2),
                    normed_embedding=np.eye(1, 512)[0],
                )
            ]

    monkeypatch.setitem(sys.modules, "insightface", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "insightface.app", SimpleNamespace(FaceAnalysis=FaceAnalysis))
    image = np.full((8, 8, 3), (1, 2, 3), np.uint8)
    found = insightface.InsightfaceDetector(tmp_path).detect(image)
    assert found.boxes.tolist() == [[1, 2, 3, 4]] and found.landmarks.shape == (1, 5, 2)
    assert asked["det_thresh"] < 0.05 and asked["allowed_modules"] == ["detection"]
    recognizer = insightface.InsightfaceRecognizer(tmp_path)
    faces = recognizer.faces(image)
    assert recognizer.similarity(faces.vectors[0], faces.vectors[0]) == 1.0
    assert recognizer.faces(np.zeros_like(image)).vectors.shape == (0, 512)


def test_yunet_rows_become_detections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"x")
    rows = np.array([[10, 20, 30, 40, *range(10), 0.7]], np.float32)

    class Model:
        found: np.ndarray | None = rows

        def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802 - OpenCV's name
            assert size == (64, 48)

        def detect(self, _image: np.ndarray) -> tuple[int, np.ndarray | None]:
            return 1, self.found

    model = Model()
    monkeypatch.setattr(
        cv2, "FaceDetectorYN", SimpleNamespace(create=lambda *_a, **_k: model), raising=False
    )
    detector = YunetDetector(tmp_path)
    image = np.zeros((48, 64, 3), np.uint8)
    found = detector.detect(image)
    assert found.boxes.tolist() == [[10, 20, 40, 60]]
    assert found.scores.tolist() == pytest.approx([0.7])
    assert found.landmarks[0, 0].tolist() == [0, 1]
    model.found = None
    assert detector.detect(image).boxes.shape == (0, 4)


@pytest.mark.skipif(
    not hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has no cascades; 4 does"
)
def test_haar_cascade_finds_the_fictional_face(face: np.ndarray) -> None:
    assert len(HaarDetector().detect(face).boxes)


def test_photos_and_faces_pass_between_two_versions_of_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for OpenCV 4, whose cascade finds the bright part of a photo."""
    package = tmp_path / "opencv4" / "cv2"
    (package / "data").mkdir(parents=True)
    (package / "data" / "haarcascade_frontalface_default.xml").write_text("cascade")
    (package / "__init__.py").write_text(
        """
import numpy as np
COLOR_RGB2GRAY = 0
def setNumThreads(n): assert n == 1
def cvtColor(image, code): return image.mean(axis=2)
class CascadeClassifier:
    def __init__(self, file): assert open(file).read() == "cascade"
    def detectMultiScale3(self, grey, **options):
        y, x = np.nonzero(grey > 128)
        if len(x) == 0: return (), (), ()
        box = [x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min()]
        return np.array([box]), np.array([1]), np.array([2.5])
"""
    )
    detector = Opencv4Haar(tmp_path)
    image = np.zeros((40, 60, 3), np.uint8)
    assert detector.detect(image).boxes.shape == (0, 4)
    image[10:20, 30:45] = 255
    found = detector.detect(image)
    assert found.boxes.tolist() == [[30, 10, 45, 20]]
    assert found.scores.tolist() == [2.5]
    detector._process.kill()
    detector._process.wait()
    with pytest.raises(PeerMissing, match="does not run"):
        detector.detect(np.zeros((4000, 4000, 3), np.uint8))


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A portrait of a fictional person, (480, 480, 3) uint8 RGB, the box around (240, 220)."""
    from faceflow_ml.data.synth.people import sample_person
    from faceflow_ml.data.synth.render import render_face

    return render_face(sample_person(3), size=480).image


@needs_dlib
def test_dlib_finds_and_tells_apart(face: np.ndarray) -> None:
    from faceflow_ml.benchmark.peers.dlib import DlibDetector, DlibRecognizer

    found = DlibDetector().detect(face)
    best = found.boxes[int(found.scores.argmax())]
    assert best[0] < 240 < best[2] and best[1] < 240 < best[3]
    recognizer = DlibRecognizer()
    same = recognizer.faces(face)
    assert same.vectors.shape == (1, 128)
    flipped = recognizer.faces(np.ascontiguousarray(face[:, ::-1]))
    assert recognizer.similarity(same.vectors[0], same.vectors[0]) == 1.0
    assert 0.4 < recognizer.similarity(same.vectors[0], flipped.vectors[0]) < 1.0
    assert recognizer.faces(np.zeros_like(face)).vectors.shape == (0, 128)


@needs_mtcnn
def test_mtcnn_finds_the_face_with_landmarks_as_seen(face: np.ndarray) -> None:
    from faceflow_ml.benchmark.peers.mtcnn import MtcnnDetector

    detector = MtcnnDetector()
    found = detector.detect(face)
    best = int(found.scores.argmax())
    left, right, nose, mouth, _ = found.landmarks[best]
    assert left[0] < nose[0] < right[0] and nose[1] < mouth[1]
    assert len(detector.detect(np.zeros((64, 64, 3), np.uint8)).boxes) == 0
