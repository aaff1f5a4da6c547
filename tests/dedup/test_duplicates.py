"""Groups of duplicates and their keepers."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceflow_ml.dedup.duplicates import DedupItem, DuplicateGroup, find_duplicates
from faceflow_ml.dedup.keeper import assign_keepers, rank
from faceflow_ml.dedup.near import Similarity, compare, near_pairs


def picture(seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).uniform(0, 255, (12, 16, 3)).astype(np.float32)
    return np.asarray(
        cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC).clip(0, 255), np.uint8
    )


def item(path: str, seed: int, sha: str | None = None, **changes: int) -> DedupItem:
    made = DedupItem.of_image(path, picture(seed), sha256=sha or path, size_bytes=1000)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_nothing_and_different_photos() -> None:
    assert find_duplicates([]) == []
    assert find_duplicates([item("a", 0), item("b", 1), item("c", 2)]) == []


def test_exact_copies() -> None:
    items = [item("b/x.jpg", 0, "same"), item("c.jpg", 1), item("a/x.jpg", 0, "same")]
    assert find_duplicates(items) == [DuplicateGroup("a/x.jpg", ("b/x.jpg",), "exact")]


def test_exact_and_near_of_one_keeper() -> None:
    items = [
        item("small", 0, "s", width=160, height=120),
        item("copy of small", 0, "s", width=160, height=120),
        item("big", 0, "b"),
        item("copy of big", 0, "b"),
        item("other", 1),
    ]
    expected = [
        DuplicateGroup("big", ("copy of big",), "exact"),
        DuplicateGroup("big", ("copy of small", "small"), "near"),
    ]
    assert find_duplicates(items) == expected
    assert find_duplicates(items[::-1]) == expected


def test_likeness_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # a is like b, b like c and c like d, but a is like neither c nor d.
    monkeypatch.setattr(
        "faceflow_ml.dedup.duplicates.candidate_pairs", lambda _hashes: [(0, 1), (1, 2), (2, 3)]
    )
    groups = find_duplicates([item(name, 0) for name in "abcd"])
    assert groups == [DuplicateGroup("a", ("b",), "near"), DuplicateGroup("c", ("d",), "near")]


def test_a_burst_costs_a_comparison_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40
    rng = np.random.default_rng(0)
    burst = []
    for number in range(count):
        noisy = picture(0) + rng.normal(0, 4, (240, 320, 3))
        image = np.asarray(noisy.clip(0, 255), np.uint8)
        name = f"{number:02d}"
        burst.append(DedupItem.of_image(name, image, sha256=name, size_bytes=1000))
    looks = 0

    def counted(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Similarity:
        nonlocal looks
        looks += 1
        return compare(a, b)

    monkeypatch.setattr("faceflow_ml.dedup.duplicates.compare", counted)
    groups = find_duplicates(burst)
    assert groups == [DuplicateGroup("00", tuple(f"{n:02d}" for n in range(1, count)), "near")]
    assert looks == count - 1


def test_keepers_are_those_of_all_pairs() -> None:
    # A slow pan: photos are versions of their neighbours only.
    wide = cv2.resize(picture(3), (640, 240))
    pan = [
        DedupItem.of_image(f"{k:02d}", wide[:, 5 * k : 5 * k + 320], sha256=str(k), size_bytes=9)
        for k in range(16)
    ]
    pairs = near_pairs(np.array([photo.phash for photo in pan]), [photo.thumb for photo in pan])
    expected = assign_keepers(len(pan), pairs)
    assert 1 < len(expected) < len(pan)
    found = find_duplicates(pan)
    assert {int(group.keep): [int(path) for path in group.drop] for group in found} == expected


def test_order_of_preference() -> None:
    base = {"width": 100, "height": 100, "faces": 1, "size_bytes": 10}
    ranked = [
        item("z", 0, **base | {"width": 200}),
        item("y", 0, **base | {"faces": 3}),
        item("x", 0, **base | {"size_bytes": 20}),
        item("a", 0, **base),
        item("b", 0, **base),
    ]
    assert rank(ranked[::-1]) == ranked


def test_bad_items() -> None:
    with pytest.raises(ValueError, match="own path"):
        find_duplicates([item("a", 0), item("a", 1)])
    with pytest.raises(ValueError, match=r"\(128, 128\) uint8"):
        replace(item("a", 0), thumb=np.zeros((64, 64), np.uint8))


def test_original_size_of_a_reduced_picture() -> None:
    made = DedupItem.of_image("a", picture(0), sha256="a", size_bytes=1, size=(3200, 2400))
    assert (made.width, made.height) == (3200, 2400)
