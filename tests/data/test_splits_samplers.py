"""Splits do not leak, samplers balance and resume, fingerprints follow content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.data.fingerprint import fingerprint_files, fingerprint_samples
from faceflow_ml.data.records import DetectionSample, Faces, IdentitySample
from faceflow_ml.data.samplers import EpochSampler, class_balanced_weights
from faceflow_ml.data.splits import near_duplicates, split_identities, split_photos
from faceflow_ml.errors import FaceFlowError

PARTS = {"train": 0.8, "val": 0.1, "test": 0.1}


def face(identity: str, name: str = "x") -> IdentitySample:
    return IdentitySample(b"face " + name.encode(), identity, "s", name)


def photo(name: str, content: bytes | None = None) -> DetectionSample:
    none = Faces.empty()
    return DetectionSample(
        content or name.encode(), none.boxes, none.landmarks, none.ignore, name, 10, 10
    )


# Splits


def test_no_person_is_in_two_splits_and_shares_are_met() -> None:
    samples = [face(f"s/{i}", f"{i}-{j}") for i in range(2000) for j in range(2)]
    parts = split_identities(samples, PARTS, seed=3)
    people = [{sample.identity for sample in part} for part in parts.values()]
    assert sum(map(len, people)) == len(set().union(*people)) == 2000
    assert sum(map(len, parts.values())) == 4000
    assert [len(p) / 2000 for p in people] == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    assert split_identities(samples, PARTS, seed=4) != parts


@settings(deadline=None, max_examples=30)
@given(st.sets(st.text(min_size=1), min_size=1, max_size=20), st.sets(st.text(), max_size=20))
def test_more_people_move_nobody(first: set[str], more: set[str]) -> None:
    def side(identities: set[str]) -> dict[str, str]:
        parts = split_identities([face(i) for i in sorted(identities)], PARTS)
        return {sample.identity: name for name, part in parts.items() for sample in part}

    before, after = side(first), side(first | more)
    assert {who: after[who] for who in first} == before


def test_one_person_under_two_labels_stays_together() -> None:
    samples = [face(f"{source}/{i}") for i in range(200) for source in ("celeba", "pins")]
    pairs = [(f"pins/{i}", f"celeba/{i}") for i in range(200)]
    for part in split_identities(samples, PARTS, same_person=pairs).values():
        assert set(Counter(s.identity.split("/")[1] for s in part).values()) <= {2}
    with pytest.raises(ValueError, match="'nobody' is in a pair but not among the samples"):
        split_identities(samples, PARTS, same_person=[("pins/1", "nobody")])


def test_copies_and_near_duplicates_of_a_photo_stay_together() -> None:
    samples = [photo(f"{i}-{copy}", f"{i // 2 * 2}".encode()) for i in range(200) for copy in "ab"]
    chain = [(f"{i}-a", f"{i + 4}-a") for i in range(0, 196, 4)]
    parts = split_photos(samples, PARTS, duplicates=chain)
    side = {sample.name: name for name, part in parts.items() for sample in part}
    assert len(side) == 400
    assert len({side[f"{i}-{copy}"] for i in range(0, 200, 4) for copy in "ab"}) == 1
    assert all(side[f"{i}-a"] == side[f"{i}-b"] == side[f"{i ^ 1}-b"] for i in range(200))
    assert len(set(side.values())) == 3


def test_near_duplicates_are_found() -> None:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(4):
        image = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (320, 240))
        for name, picture, quality in ((f"{i}", image, 95), (f"{i}-small", image[::2, ::2], 60)):
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            height, width = picture.shape[:2]
            none = Faces.empty()
            samples.append(
                DetectionSample(data, none.boxes, none.landmarks, none.ignore, name, width, height)
            )
    pairs = near_duplicates(samples)
    assert pairs == [(f"{i}", f"{i}-small") for i in range(4)]
    parts = split_photos(samples, {"train": 0.5, "val": 0.5}, duplicates=pairs)
    sides = [{sample.name[0] for sample in part} for part in parts.values()]
    assert not sides[0] & sides[1]


def test_bad_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split_identities([face("a")], {"train": 0.5})
    with pytest.raises(ValueError, match="sum to 1"):
        split_photos([photo("a")], {"train": 1.5, "val": -0.5})
    with pytest.raises(ValueError, match="different names"):
        split_photos([photo("a"), photo("a")], PARTS)


# Samplers


def positions(epoch: int, start: int = 0, **options: Any) -> list[int]:
    sampler = EpochSampler(103, lambda: (epoch, start), seed=1, **options)
    drawn = list(sampler)
    assert {of for of, _ in drawn} <= {epoch}
    assert len(sampler) == len(drawn) + start
    return [position for _, position in drawn]


def test_an_epoch_is_complete_and_shared_between_processes() -> None:
    assert sorted(positions(0)) == list(range(103))
    shares = [positions(0, rank=rank, world_size=4) for rank in range(4)]
    assert [len(share) for share in shares] == [25] * 4
    assert len(set().union(*shares)) == 100
    assert positions(0) == positions(0) != positions(1)


@pytest.mark.parametrize("weights", [None, np.arange(103.0)])
def test_an_epoch_resumes_where_it_stopped(weights: np.ndarray | None) -> None:
    whole = positions(4, weights=weights)
    for start in (0, 1, 60, 103):
        assert positions(4, start, weights=weights) == whole[start:]


def test_weighted_draws_follow_the_weights() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0] * 1000)
    sampler = EpochSampler(4000, lambda: (0, 0), seed=0, weights=weights)
    counts = Counter(i % 4 for _, i in sampler)
    assert set(counts) == {1, 2}
    assert counts[2] / counts[1] == pytest.approx(3, rel=0.15)


def test_balance_gives_identities_equal_turns() -> None:
    labels = np.array([0] * 1000 + [i for i in range(1, 101) for _ in range(5)])
    weights = class_balanced_weights(labels, 0.9999)
    sampler = EpochSampler(len(labels), lambda: (0, 0), seed=0, weights=weights)
    share = np.mean([labels[i] == 0 for _, i in sampler])
    assert share < 0.05  # it has two thirds of the faces


@pytest.mark.parametrize(
    ("length", "options", "message"),
    [
        (3, {"rank": 1}, "rank must be in"),
        (3, {"world_size": 4}, "3 samples are too few for 4"),
        (3, {"weights": np.ones(4)}, r"weights must be \(3,\), got \(4,\)"),
        (2, {"weights": np.array([1.0, -1.0])}, "not negative"),
        (2, {"weights": np.zeros(2)}, "not all zero"),
    ],
)
def test_bad_samplers_are_refused(length: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EpochSampler(length, lambda: (0, 0), seed=0, **options)


def test_class_balanced_weights() -> None:
    labels = ["common"] * 90 + ["rare"] * 10
    np.testing.assert_allclose(class_balanced_weights(labels, 0), np.ones(100))
    weights = class_balanced_weights(labels, 0.99)
    expected = (1 - 0.99**90) / (1 - 0.99**10)
    assert weights[-1] / weights[0] == pytest.approx(expected)
    assert weights.mean() == pytest.approx(1)
    with pytest.raises(ValueError, match="beta"):
        class_balanced_weights(labels, 1)


# Fingerprints


def test_fingerprint_of_files_follows_names_and_content(tmp_path: Path) -> None:
    for folder, order in (("one", "ab"), ("two", "ba")):
        for name in order:
            (tmp_path / folder / "sub").mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / "sub" / name).write_text(f"content of {name}")
    one, two = tmp_path / "one", tmp_path / "two"
    same = fingerprint_files([one])
    assert len(same) == 64
    assert fingerprint_files([two]) == same
    (two / "sub" / "b").write_text("content of B")
    changed = fingerprint_files([two])
    (two / "sub" / "b").write_text("content of b")
    (two / "sub" / "b").rename(two / "sub" / "c")
    assert len({same, changed, fingerprint_files([two])}) == 3
    with pytest.raises(FaceFlowError, match="missing: cannot be read"):
        fingerprint_files([tmp_path / "missing"])


def test_fingerprint_of_samples_follows_labels_and_not_order(tmp_path: Path) -> None:
    samples = [face("a", "1"), face("b", "2")]
    same = fingerprint_samples(samples)
    assert fingerprint_samples(samples[::-1]) == same
    assert fingerprint_samples([face("a", "1"), face("a", "2")]) != same
    on_disk = tmp_path / "1.jpg"
    on_disk.write_bytes(b"face 1")
    as_file = IdentitySample(on_disk, "a", "s", "1")
    assert fingerprint_samples([as_file, samples[1]]) == same
