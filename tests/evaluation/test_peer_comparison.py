"""The comparison with peers: fairness of boxes, jobs side by side, and bars."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from faceflow_ml.benchmark import bars
from faceflow_ml.benchmark.box_fit import fit_boxes
from faceflow_ml.benchmark.peer_grouping import compare_jobs, recipe_groups
from faceflow_ml.benchmark.peer_page import peer_sections
from faceflow_ml.benchmark.peer_run import PeerResults
from faceflow_ml.benchmark.peer_verification import compare_recognizers
from faceflow_ml.benchmark.peers.base import PeerFaces, PeerMissing, detections
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.album_truth import MainFaceTruth
from faceflow_ml.evaluation.detection import ImageTruth
from faceflow_ml.evaluation.pair_sources import Pair
from faceflow_ml.evaluation.run_clustering import run_clustering
from faceflow_ml.evaluation.run_verification import pair_metrics

needs_dlib = pytest.mark.skipif(
    not (find_spec("dlib") and find_spec("face_recognition_models")),
    reason="dlib-bin and face-recognition-models are not installed",
)


pytestmark = pytest.mark.usefixtures("importable")


def truth(*boxes: list[float]) -> ImageTruth:
    n = len(boxes)
    return ImageTruth(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full((n, 5, 2), np.nan, np.float32),
        np.zeros(n, bool),
    )


def test_a_box_convention_is_undone() -> None:
    rng = np.random.default_rng(0)
    found, true = [], []
    for _ in range(40):
        x, y = rng.uniform(0, 300, 2)
        side = rng.uniform(20, 80)
        true.append(truth([x, y, x + side, y + 1.2 * side]))
        tight = [x + 0.1 * side, y + 0.4 * side, x + 0.9 * side, y + 1.2 * side]
        found.append(detections([tight], [0.5]))
    fit = fit_boxes(found, true)
    assert fit.faces == 40
    assert (fit.scale_x, fit.scale_y) == pytest.approx((1.25, 1.5), rel=1e-4)
    for one, faces in zip(found, true, strict=True):
        assert fit.apply(one).boxes == pytest.approx(faces.boxes, abs=1e-2)


def test_too_few_faces_change_no_boxes() -> None:
    fit = fit_boxes([detections([[0, 0, 10, 10]], [1])] * 5, [truth([1, 1, 12, 12])] * 5)
    assert (fit.shift_x, fit.scale_x, fit.scale_y, fit.faces) == (0, 1, 1, 5)
    assert fit_boxes([detections([], [])], [truth()]).faces == 0


def test_a_missed_face_is_an_error_of_the_recognizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of one colour: the vector is the colour; black photos have no face."""

    class Colours:
        def __init__(self, _weights: Path | None) -> None: ...

        def faces(self, image: np.ndarray) -> PeerFaces:
            n = int(image.any())
            vector = image[0, 0].astype(np.float32) / np.linalg.norm(
                image[0, 0].astype(float) + 1e-9
            )
            boxes = [[4, 4, 28, 28]] * n
            return PeerFaces(detections(boxes, [1.0] * n), np.tile(vector, (n, 1)))

        def similarity(self, a: np.ndarray, b: np.ndarray) -> float:
            return float(a @ b)

    from faceflow_ml.benchmark import peer_verification
    from faceflow_ml.benchmark.peers.base import Peer

    monkeypatch.setattr(peer_verification, "PEERS", (Peer("colours", recognizer=Colours),))
    photos, pairs = {}, []
    for k in range(40):
        colour = [(250, 5, 5), (5, 250, 5)][k % 2]
        for side in "ab":
            image = np.full((32, 32, 3), colour, np.uint8)
            photos[f"{k}{side}"] = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
    for k in range(0, 40, 2):
        pairs += [Pair(f"{k}a", f"{k}b", same=True), Pair(f"{k}a", f"{k + 1}b", same=False)]
    own = pair_metrics(
        np.array([0.9, 0.1] * 20, np.float32),
        np.array([True, False] * 20),
        np.zeros(40, bool),
        photos=80,
        found=80,
    )
    result = compare_recognizers(pairs, photos, own)
    assert [row.name for row in result.results] == ["FaceFlow", "colours"]
    assert result.results[1].metrics.accuracy.value == 1.0
    photos["0a"] = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    metrics = compare_recognizers(pairs, photos, own).results[1].metrics
    assert metrics.missed_photos == 1
    assert metrics.accuracy.value == pytest.approx(1 - 2 / 40)


def test_the_recipe_is_read_as_the_command_writes() -> None:
    document = {
        "photos": [
            {"path": p, "width": 100, "height": 100, "boxes": [[30, 30, 70, 70]], "groups": [g]}
            for p, g in (("a.jpg", 0), ("b.jpg", 0), ("c.jpg", 1))
        ]
    }
    groups = recipe_groups(document)
    assert [photo.faces[0].person for photo in groups.photos] == ["p0", "p0", None]
    assert [(person.id, person.faces) for person in groups.people] == [("p0", 2)]
    truth = MainFaceTruth({"a.jpg": "x", "b.jpg": "x", "c.jpg": "y"})
    assert run_clustering(groups, truth).metrics.bcubed_f1 == 1.0


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """Two photos each of two fictional people."""
    from faceflow_ml.data.synth.people import Appearance, sample_person
    from faceflow_ml.data.synth.render import render_face

    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in (3, 8):
        for k, yaw in enumerate((0.0, 4.0)):
            image = render_face(sample_person(seed), Appearance(yaw=yaw), size=320).image
            cv2.imwrite(str(folder / f"{seed}-{k}.png"), image[:, :, ::-1])
    return folder


@needs_dlib
def test_the_recipe_runs_as_a_process(portraits: Path, tmp_path: Path) -> None:
    from faceflow_ml.benchmark.processes import run_module

    (portraits / "broken.jpg").write_bytes(b"not a photo")
    out = tmp_path / "recipe.json"
    cost = run_module(["faceflow_ml.benchmark.peers.recipe", str(portraits), str(out), "1"])
    document = json.loads(out.read_text())
    assert [photo["path"] for photo in document["photos"]] == [
        *("3-0.png", "3-1.png", "8-0.png", "8-1.png")
    ]
    groups = [photo["groups"] for photo in document["photos"]]
    # Photos of one person join; whether dlib parts two fictional ones is its own affair.
    assert all(len(found) == 1 for found in groups)
    assert groups[0] == groups[1] and groups[2] == groups[3]
    assert cost.seconds > 0 and len(document["worker_mib"]) == 1
    assert document["worker_mib"][0] > 50


def test_a_process_that_fails_says_why() -> None:
    from faceflow_ml.benchmark.processes import run_module

    with pytest.raises(FaceFlowError, match="no_such_module"):
        run_module(["no_such_module"])


def test_the_whole_job_beside_a_missing_peer(
    toys: Any, toy_photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    album = tmp_path / "album"
    album.mkdir()
    for name in ("a.png", "b.png"):
        (album / name).write_bytes(toy_photos.png(toy_photos.photo((8, 8))))
    result = compare_jobs(
        album,
        MainFaceTruth({"a.png": "x", "b.png": "x"}),
        name="two photos",
        detector=str(toys.detector),
        embedder=str(toys.embedder),
    )
    (own,) = result.results
    assert own.metrics is not None and own.metrics.labelled_faces == 2
    assert own.photos == 2 and own.peak_mib is not None and own.peak_mib > 50
    ((name, reason),) = result.missing
    assert "pip install --no-deps dlib-bin" in reason
    page = "\n".join(peer_sections(PeerResults(None, None, result)))
    assert f"Not measured: {name}" in page and "two photos" in page


def test_every_detector_is_measured_alike(
    toys: Any, toy_photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that draws the same boxes at half the size is as good once its boxes are fitted."""
    from faceflow_ml.benchmark import peer_detection
    from faceflow_ml.benchmark.peers.base import Peer

    class Tight:
        def __init__(self, _weights: Path | None) -> None:
            self._own = peer_detection.OwnDetector(str(toys.detector))

        def detect(self, image: np.ndarray) -> Any:
            found = self._own.detect(image)
            middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
            quarter = (found.boxes[:, 2:] - found.boxes[:, :2]) * 0.3
            boxes = np.concatenate([middle - quarter, middle + quarter], axis=1)
            return detections(boxes, found.scores)

    def absent(_weights: Path | None) -> Any:
        raise PeerMissing("not here; to install: pip install it")

    monkeypatch.setattr(peer_detection, "PEERS", (Peer("tight", Tight), Peer("absent", absent)))
    cells = [[(4, 8), (14, 4)], [(9, 7)], [(6, 6), (15, 9)]]
    samples = [toy_photos.sample(toy_photos.photo(*c), c) for c in cells]
    result = peer_detection.compare_detectors(samples, samples * 5, detector=str(toys.detector))
    own, tight = result.results
    assert own.average_precision == own.ap_as_drawn == 1.0
    assert tight.average_precision == 1.0
    assert tight.ap_as_drawn == 0.0 and tight.ap_loose == 1.0
    assert tight.landmark_error is None and own.landmark_error is not None
    assert result.missing == (("absent", "not here; to install: pip install it"),)
    assert result.faces == 5


def test_bars_against_the_best_peer() -> None:
    def detector(score: float) -> SimpleNamespace:
        return SimpleNamespace(average_precision=score)

    def job(speed: float, f1: float | None) -> SimpleNamespace:
        metrics = None if f1 is None else SimpleNamespace(bcubed_f1=f1)
        return SimpleNamespace(photos_per_second=speed, metrics=metrics)

    def against(detectors: list[SimpleNamespace], jobs: list[SimpleNamespace]) -> list[bool | None]:
        peers: Any = SimpleNamespace(
            detection=SimpleNamespace(results=detectors), grouping=SimpleNamespace(results=jobs)
        )
        return [bar.met for bar in bars._against(peers)]

    worse, better = detector(0.6), detector(0.9)
    assert against([detector(0.8), worse], [job(30, 0.9), job(5, 0.8)]) == [True, True, True]
    assert against([detector(0.8), worse, better], [job(20, 0.7), job(5, 0.8)]) == [False] * 3
    assert against([detector(0.8)], [job(20, 0.7)]) == []
    assert against([detector(0.8)], [job(20, None), job(2, None)]) == [True]
