"""The aligner sees the right part of a face, and its corrections move landmarks as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceflow_ml.data.synth.faces import aligned_faces
from faceflow_ml.errors import WeightsError
from faceflow_ml.inference.aligner import VIEW_CENTRE, VIEW_HALF, FaceAligner
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE, align_faces, estimate_similarity
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.pretrained import from_bytes
from faceflow_ml.inference.types import VIEW_SIZE
from tests.inference.conftest import Graph, write_weights

CORRECTION = (0.08, -0.05, 0.03, -0.04)


def build_aligner(correction: tuple[float, ...] = CORRECTION) -> bytes:
    """Answers with ``correction`` times the mean of red / 255."""
    g = Graph()
    red, _, _ = g("Split", g.images("h"), axis=1, outputs=3)
    mean = g("Flatten", g("GlobalAveragePool", red), axis=1)
    g("MatMul", mean, g.const(np.array([correction]) / 255), name="corrections")
    return g.build({"corrections": ["n", len(correction)]})


def aligner(model: bytes) -> FaceAligner:
    return FaceAligner(from_bytes("aligner", model))


def landmarks(seed: int, scale: float = 1.5) -> np.ndarray:
    """A face somewhere in a photo, turned a little."""
    rng = np.random.default_rng(seed)
    angle = rng.normal(0, 0.2)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ARCFACE_TEMPLATE @ turn.T + rng.uniform(60, 120, 2) + rng.normal(0, 1.0, (5, 2))


RED = np.full((400, 400, 3), (255, 0, 0), np.uint8)


def test_the_correction_is_what_follows_on_the_template() -> None:
    face = landmarks(0)
    moved = aligner(build_aligner()).correct(RED, face[None])[0]
    before, after = (estimate_similarity(points, ARCFACE_TEMPLATE) for points in (face, moved))
    a, b, x, y = CORRECTION
    points = np.random.default_rng(1).uniform(50, 350, (9, 2))
    from_centre = points @ before[:, :2].T + before[:, 2] - VIEW_CENTRE
    expected = from_centre @ np.array([[1 + a, -b], [b, 1 + a]]).T
    expected += np.array(VIEW_CENTRE) + 2 * VIEW_HALF * np.array([x, y])
    assert_allclose(points @ after[:, :2].T + after[:, 2], expected, atol=1e-2)
    # A rigid move: what the landmarks say of each other stays.
    sides = [np.linalg.norm(p[:, None] - p[None], axis=2) for p in (face, moved)]
    assert_allclose(
        sides[1] / sides[0].max(), sides[0] / sides[0].max() / np.hypot(1 + a, b), atol=1e-3
    )


def test_faces_of_several_photos_are_corrected_each_in_its_own() -> None:
    model = aligner(build_aligner())
    black = np.zeros_like(RED)
    faces = [
        np.stack([landmarks(i) for i in range(k)]) if k else np.empty((0, 5, 2)) for k in (3, 0, 70)
    ]
    found = model.correct_batch([RED, RED, black], faces)
    assert [len(points) for points in found] == [3, 0, 70]
    assert all(points.dtype == np.float32 for points in found)
    assert_allclose(found[0][1], model.correct(RED, faces[0][1:2])[0], atol=1e-3)
    assert_allclose(found[2], faces[2], atol=1e-3)  # the toy sees nothing red there


def test_landmarks_that_fix_no_alignment_stay() -> None:
    bad = np.full((1, 5, 2), 50.0)
    both = np.concatenate([bad, landmarks(2)[None]])
    found = aligner(build_aligner()).correct(RED, both)
    assert_allclose(found[0], bad[0])
    assert np.abs(found[1] - both[1]).max() > 1


def test_the_view_is_the_middle_of_the_template() -> None:
    """A ramp over the template must arrive as that ramp, half-pixel conventions included."""
    seen: list[np.ndarray] = []
    model = aligner(build_aligner())
    model._session.run = lambda views: (seen.append(views), (np.zeros((1, 4), np.float32),))[1]  # type: ignore[method-assign]
    ramp = np.tile(np.arange(112, dtype=np.uint8), (112, 1))
    photo = np.stack([ramp, ramp.T, np.zeros_like(ramp)], axis=2)
    model.correct(photo, ARCFACE_TEMPLATE[None])
    (view,) = seen[0]
    step = 2 * VIEW_HALF / VIEW_SIZE
    inside = slice(4, -4)
    for channel, centre in enumerate(VIEW_CENTRE):
        wanted = centre - VIEW_HALF + (np.arange(VIEW_SIZE) + 0.5) * step
        line = view.mean(axis=channel)[:, channel]
        assert_allclose(line[inside], wanted[inside], atol=0.6)


def test_wild_answers_are_bounded() -> None:
    face = landmarks(3)
    moved = aligner(build_aligner((50.0, 50.0, 50.0, 50.0))).correct(RED, face[None])
    assert np.isfinite(moved).all()
    assert align_faces(RED, moved).shape == (1, 112, 112, 3)


def test_a_model_of_another_shape_is_refused() -> None:
    with pytest.raises(WeightsError, match="expected corrections"):
        aligner(build_aligner((0.1, 0.1, 0.1))).correct(RED, landmarks(0)[None])


def test_a_detector_uses_the_aligner_that_it_names(tmp_path: Path, detector_onnx: bytes) -> None:
    write_weights(tmp_path, detector_onnx, {"aligner": build_aligner()})
    photo = np.zeros((320, 320, 3), np.uint8)
    photo[128:160, 128:160] = (255, 0, 40)
    plain = FaceDetector(detector_onnx).detect(photo)
    detector = FaceDetector(tmp_path)
    found = detector.detect(photo)
    assert len(found) == len(plain) > 0
    assert_allclose(found.boxes, plain.boxes)
    assert detector.contract_id != FaceDetector(detector_onnx).contract_id
    expected = aligner(build_aligner()).correct(photo, plain.landmarks)
    assert_allclose(found.landmarks, expected, atol=1e-4)
    assert np.abs(found.landmarks - plain.landmarks).max() > 0.1


def test_a_detector_without_its_aligner_says_so(tmp_path: Path, detector_onnx: bytes) -> None:
    wanted = write_weights(tmp_path, detector_onnx, {"aligner": build_aligner()}, missing="aligner")
    with pytest.raises(WeightsError, match=wanted["aligner"]):
        FaceDetector(tmp_path)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    inner = np.s_[:, 12:100, 12:100]  # what both hold
    return float(np.abs(a[inner].astype(float) - b[inner]).mean())


def test_faces_of_one_photo_are_placed_alike() -> None:
    model = FaceAligner.default()
    faces = np.stack([face for face, _ in aligned_faces(6, 1)])
    moved = np.concatenate(
        [align_faces(face, (ARCFACE_TEMPLATE + (4.0, -3.0))[None]) for face in faces]
    )
    after = _difference(model.place(faces), model.place(moved))
    assert after < 0.5 * _difference(faces, moved)


def test_placing_is_correcting_and_cutting_out() -> None:
    """Away from the borders, and with colours that make the correction known."""
    model = aligner(build_aligner())
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    faces[..., 0] = 255
    template = ARCFACE_TEMPLATE[None].astype(np.float32)
    for face, placed in zip(faces, model.place(faces), strict=True):
        expected = align_faces(face, model.correct(face, template))[0]
        assert_allclose(placed[25:87, 25:87], expected[25:87, 25:87], atol=1)
    assert model.place(faces[:0]).shape == (0, 112, 112, 3)
    with pytest.raises(ValueError, match=r"expected crops \(n, 112, 112, 3\)"):
        model.place(faces[:, :64])
