"""Where the models fail: strata of real photos, fictional people, pictures and page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceflow_ml.benchmark.fairness import fairness_sections, measure_fairness
from faceflow_ml.benchmark.fictional import CONDITIONS, kinds_of, run_fictional
from faceflow_ml.benchmark.strata import (
    detection_strata,
    tilts,
    turns,
    verification_strata,
)
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.data.synth.casting import distinct_people
from faceflow_ml.evaluation.run_detection import run_detector
from faceflow_ml.evaluation.run_verification import IdentityRun, identity_metrics
from faceflow_ml.inference.detector import FaceDetector
from faceflow_ml.inference.types import Detections, FaceResult

FRONTAL = np.float32([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]])


def test_turn_and_tilt_do_not_depend_on_each_other() -> None:
    turned = FRONTAL.copy()
    turned[2, 0] += 12
    angle = np.radians(30)
    rotation = np.float32([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = np.stack([FRONTAL, turned, FRONTAL @ rotation, turned @ rotation])
    assert turns(points) == pytest.approx([0, 0.3, 0, 0.3], abs=1e-5)
    assert tilts(points) == pytest.approx([0, 0, 30, 30], abs=1e-3)
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    assert np.isnan(turns(unknown)).all() and np.isnan(tilts(unknown)).all()


def test_recall_by_source_and_size(toys: Any, toy_photos: Any) -> None:
    seen = toy_photos.sample(toy_photos.photo((4, 8), (14, 4)), [(4, 8), (14, 4)])
    blind = toy_photos.sample(toy_photos.photo((9, 7)), [(9, 7), (2, 2)])
    false = toy_photos.sample(toy_photos.photo((9, 7), (3, 3)), [(9, 7)])
    samples = [
        dataclasses.replace(sample, name=name)
        for sample, name in ((seen, "a/1"), (blind, "b/1"), (false, "b/2"))
    ]
    run = run_detector(FaceDetector(toys.detector), samples)
    strata = detection_strata(run)
    by_source = {s.name: s for s in strata if s.kind == "source"}
    assert (by_source["a"].faces, by_source["a"].found) == (2, 2)
    assert (by_source["b"].faces, by_source["b"].found) == (3, 2)
    assert (by_source["a"].false_positives, by_source["b"].false_positives) == (0, 0.5)
    sizes = {s.name: s for s in strata if s.kind == "size of the face"}
    assert (sizes["64 to 128 px"].faces, sizes["64 to 128 px"].found) == (5, 4)
    assert sum(s.faces for s in strata if s.kind == "turn of the head") == 5


def test_accepts_by_resolution() -> None:
    """Two people; faces of 10 pixels have useless vectors."""
    clear = np.eye(2, 512)[[0, 0, 0, 1, 1, 1]]
    poor = np.random.default_rng(0).normal(size=(6, 512))
    vectors = np.concatenate([clear, poor])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1] * 2)
    run = IdentityRun(vectors, np.ones(12, np.float32), labels, identity_metrics(vectors, labels))
    samples = [
        IdentitySample(b"", str(label), "s", str(k), eye_px=50.0 if k < 6 else 10.0)
        for k, label in enumerate(labels.tolist())
    ]
    strata = verification_strata(run, samples)
    eyes = {s.name: s for s in strata if s.kind != "source"}
    assert eyes["45 to 70 px"].true_accepts == 1.0
    assert eyes["45 to 70 px"].genuine_pairs == 6
    assert eyes["0 to 20 px"].true_accepts is not None
    assert eyes["0 to 20 px"].true_accepts < 0.5
    assert eyes["20 to 30 px"].true_accepts is None
    (source,) = (s for s in strata if s.kind == "source")
    assert source.genuine_pairs == 30 and source.impostor_pairs == 36


class Oracle:
    """Finds the face unless the photo is dark, and knows it by its colour in the middle."""

    def run(self, image: np.ndarray) -> FaceResult:
        grey = image.mean(axis=2)
        if grey[200:280, 200:280].mean() < 60:
            return FaceResult(
                _none(),
                np.zeros((0, 112, 112, 3), np.uint8),
                np.zeros((0, 512), np.float32),
                np.zeros(0, np.float32),
            )
        box = np.float32([[190, 180, 290, 300]])
        colour = image[225:255, 225:255].reshape(-1, 3).mean(axis=0)
        vector = np.zeros((1, 512), np.float32)
        vector[0, :3] = colour / np.linalg.norm(colour)
        return FaceResult(
            Detections(box, np.ones(1, np.float32), FRONTAL[None]),
            np.zeros((1, 112, 112, 3), np.uint8),
            vector,
            np.ones(1, np.float32),
        )


def _none() -> Detections:
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )


CHOSEN = tuple(c for c in CONDITIONS if c.name in ("a smile, nearly frontal", "dim light"))
CHOSEN += tuple(c for c in CONDITIONS if c.name == "24 pixels")


def test_people_in_conditions(tmp_path: Path) -> None:
    pipeline: Any = Oracle()
    run = run_fictional(pipeline, people=4, conditions=CHOSEN)
    strata = {(s.kind, s.name): s for s in run.strata}
    everyday = strata["condition", "a smile, nearly frontal"]
    assert (everyday.photos, everyday.found) == (4, 4)
    assert strata["condition", "dim light"].found < 4
    assert strata["condition", "24 pixels"].found == 0, "the box of the oracle is far larger"
    assert strata["condition", "24 pixels"].true_accepts is None
    for kind in ("skin", "age", "look"):
        assert sum(s.photos for (k, _), s in strata.items() if k == kind) == 12
    photo = run.photos[0]
    assert photo.image.shape == (480, 480, 3)
    assert (photo.box[:2] + photo.box[2:]) / 2 == pytest.approx([240, 240], abs=1)
    assert max(photo.box[2:] - photo.box[:2]) == pytest.approx(120, abs=1)

    fairness = measure_fairness(
        pipeline, (), (), pictures=tmp_path / "images", people=4, conditions=CHOSEN
    )
    page = "\n".join(fairness_sections(fairness, "images"))
    assert "| condition | dim light | 4 |" in page
    for name in fairness.pictures:
        assert f"](images/{name})" in page
        with Image.open(tmp_path / "images" / name) as picture:
            assert picture.width > 500
    assert "images/" not in "\n".join(fairness_sections(fairness, None))


def test_the_small_face_is_where_its_box_says() -> None:
    pipeline: Any = Oracle()
    run = run_fictional(pipeline, people=2, conditions=CHOSEN[-1:])
    photo = run.photos[0]
    assert max(photo.box[2:] - photo.box[:2]) == pytest.approx(24, abs=0.5)
    x1, y1, x2, y2 = photo.box.round().astype(int)
    face = photo.image[y1:y2, x1:x2].astype(int)
    assert np.abs(face - (158, 168, 178)).sum(axis=2).mean() > 60
    corner = photo.image[:100, :100].astype(int)
    assert np.abs(corner - (158, 168, 178)).sum(axis=2).mean() < 90


def test_every_kind_of_person_is_in_the_cast() -> None:
    kinds = [kinds_of(person) for person in distinct_people(32, 2024)]
    for kind, least in (("skin", 3), ("age", 3), ("look", 2)):
        counts = {name: sum(k[kind] == name for k in kinds) for name in {k[kind] for k in kinds}}
        assert len(counts) == least and min(counts.values()) >= 4, counts
