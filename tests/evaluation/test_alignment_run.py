"""The error of an aligner is what it leaves of disturbances that are known."""

from __future__ import annotations

import numpy as np
import pytest

from faceflow_ml.data.records import IdentitySample
from faceflow_ml.evaluation import run_alignment as measured
from faceflow_ml.evaluation.run_alignment import run_alignment
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE


class Knows:
    """Puts every face right, or as wrong as ``off`` says, in template pixels."""

    def __init__(self, off: float | None) -> None:
        self.off = off

    def correct_batch(self, images, landmarks):
        if self.off is None:
            return landmarks
        assert all(image.shape == (224, 224, 3) for image in images)
        right = ARCFACE_TEMPLATE[None] + 56 + np.array([self.off, 0.0])
        return [right.astype(np.float32) for _ in landmarks]


@pytest.fixture
def samples() -> list[IdentitySample]:
    face = np.zeros((112, 112, 3), np.uint8)
    return [sample_of(face) for _ in range(70)]


def sample_of(face: np.ndarray) -> IdentitySample:
    class Decoded:
        def decode(self) -> np.ndarray:
            return face

    return Decoded()  # type: ignore[return-value]


def test_what_is_left_is_measured(samples: list[IdentitySample]) -> None:
    done: list[int] = []
    found = run_alignment(Knows(3.0), samples, on_done=done.append)  # type: ignore[arg-type]
    assert done == [64, 6]
    assert found.faces == 70
    assert found.after.mean == pytest.approx(3.0, abs=1e-3)
    assert 2.0 < found.before.median < 6.0 < found.before.p95


def test_an_aligner_that_does_nothing_changes_nothing(samples: list[IdentitySample]) -> None:
    found = run_alignment(Knows(None), samples)  # type: ignore[arg-type]
    assert found.after == found.before
    again = run_alignment(Knows(None), samples, seed=1)  # type: ignore[arg-type]
    assert again.before != found.before


def test_a_face_is_in_the_middle_of_its_surroundings() -> None:
    face = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    assert (measured._surrounded(face)[56:168, 56:168] == face).all()


def test_no_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="no face"):
        run_alignment(Knows(0.0), [])  # type: ignore[arg-type]
