"""Which pictures count as versions of one photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceflow_ml import load_image
from faceflow_ml.dedup.hashing import grey_thumb, hamming, phash64
from faceflow_ml.dedup.near import HammingIndex, compare, near_pairs, ssim_map

Image = NDArray[np.uint8]


def scene(seed: int) -> Image:
    """A picture of random shapes over a gradient, with some texture."""
    rng = np.random.default_rng(seed)
    ramp = rng.uniform(0, 255, (3, 3, 3)).astype(np.float32)
    image = cv2.resize(ramp, (640, 480), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        center = (int(rng.uniform(0, 640)), int(rng.uniform(0, 480)))
        axes = (int(rng.uniform(5, 90)), int(rng.uniform(5, 90)))
        color = tuple(rng.uniform(0, 255, 3).tolist())
        cv2.ellipse(image, center, axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
    image += rng.normal(0, 6, image.shape).astype(np.float32)
    return np.asarray(image.clip(0, 255), dtype=np.uint8)


def recompressed(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 35])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def resized(image: Image) -> Image:
    return np.asarray(cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA))


def brighter(image: Image) -> Image:
    return np.clip(image * 1.15 + 10, 0, 255).astype(np.uint8)


def cropped(image: Image) -> Image:
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[height // 40 :, : -width // 30])


def someone_moved(image: Image) -> Image:
    """The same scene, but what is in its middle, a quarter of its height wide, is elsewhere."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot(y - height / 2, x - width / 2) / (height / 4)
    shift = 0.1 * height * np.exp(-(radius**4)).astype(np.float32)
    return np.asarray(cv2.remap(image, x + shift, y - shift / 2, cv2.INTER_LINEAR))


def found(a: Image, b: Image) -> bool:
    hashes = np.array([phash64(a), phash64(b)])
    return near_pairs(hashes, [grey_thumb(a), grey_thumb(b)]) == [(0, 1)]


@pytest.mark.parametrize("change", [recompressed, resized, brighter, cropped])
def test_versions_of_a_photo_are_found(change: Callable[[Image], Image]) -> None:
    photos = [scene(seed) for seed in range(12)]
    assert sum(found(photo, change(photo)) for photo in photos) >= 10


def test_a_burst_is_not_a_pile_of_duplicates() -> None:
    photos = [scene(seed) for seed in range(12)]
    moved = [someone_moved(photo) for photo in photos]
    assert not any(found(a, b) for a, b in zip(photos, moved, strict=True))
    close = [int(hamming(phash64(a), phash64(b))) for a, b in zip(photos, moved, strict=True)]
    assert min(close) <= 12, "the hash alone would call some of them duplicates"


def test_different_photos_are_not_near() -> None:
    photos = [scene(seed) for seed in range(12)]
    thumbs = [grey_thumb(photo) for photo in photos]
    for i, a in enumerate(thumbs):
        for b in thumbs[:i]:
            assert not compare(a, b).is_duplicate


def test_blank_pages_are_not_duplicates() -> None:
    black, white = np.zeros((90, 60, 3), np.uint8), np.full((90, 60, 3), 255, np.uint8)
    assert phash64(black) == phash64(white)
    assert not found(black, white)


def test_real_photos_have_no_false_duplicates(shared_data: Path) -> None:
    paths = sorted((shared_data / "album").glob("*.jpg"))
    photos = [load_image(path, max_side=256) for path in paths]
    pairs = near_pairs(np.array([phash64(p) for p in photos]), [grey_thumb(p) for p in photos])
    # Looked at: two photos were published twice, one of them with another crop.
    assert {(paths[i].stem, paths[j].stem) for i, j in pairs} == {
        ("030507", "079260"),
        ("062533", "069061"),
    }


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
    st.lists(st.integers(0, 63), max_size=6),
    st.integers(0, 20),
)
def test_hamming_index_is_exact(values: list[int], flips: list[int], radius: int) -> None:
    close = [value ^ (1 << flip) for value in values[:5] for flip in flips]
    hashes = np.array(values + close, dtype=np.uint64)
    i, j = np.triu_indices(len(hashes), 1)
    near = hamming(hashes[i], hashes[j]) <= radius
    assert HammingIndex(hashes).pairs(radius).tolist() == np.stack([i, j], 1)[near].tolist()


def test_ssim_against_its_formula() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 255, (2, 11, 11)).astype(np.float32)
    window = cv2.getGaussianKernel(11, 1.5, cv2.CV_64F)
    weight = window @ window.T
    mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
    var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
    covariance = (weight * (a - mean_a) * (b - mean_b)).sum()
    c1, c2 = 6.5025, 58.5225
    expected = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    assert ssim_map(a, b)[5, 5] == pytest.approx(expected, abs=1e-4)
