"""Content and perceptual hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceflow_ml.dedup.hashing import grey_thumb, hamming, phash64, sha256_file


def scene(seed: int, height: int = 300, width: int = 400) -> NDArray[np.uint8]:
    """A picture of random shapes over a gradient."""
    rng = np.random.default_rng(seed)
    ramp = rng.uniform(0, 255, (3, 3, 3)).astype(np.float32)
    image = cv2.resize(ramp, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    for _ in range(25):
        center = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (int(rng.uniform(5, width / 5)), int(rng.uniform(5, height / 5)))
        color = tuple(rng.uniform(0, 255, 3).tolist())
        cv2.ellipse(image, center, axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
    return np.asarray(image, dtype=np.uint8)


def test_sha256_of_a_large_file(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(3_000_001)
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()
    with pytest.raises(FileNotFoundError):
        sha256_file(tmp_path / "none")


def test_phash_bits_are_the_low_frequencies_in_order() -> None:
    # One cosine along each axis: the only large coefficient is (vertical 2, horizontal 3).
    y, x = np.mgrid[:32, :32]
    wave = np.cos(np.pi * (2 * y + 1) * 2 / 64) * np.cos(np.pi * (2 * x + 1) * 3 / 64)
    image = np.repeat((128 + 100 * wave)[..., None], 3, axis=2).astype(np.uint8)
    value = int(phash64(image))
    assert value >> (8 * (2 - 1) + (3 - 1)) & 1
    inverted = int(phash64(255 - image))
    assert not inverted >> (8 * (2 - 1) + (3 - 1)) & 1


@pytest.mark.parametrize("seed", range(5))
def test_phash_survives_resizing_brightness_and_compression(seed: int) -> None:
    image = scene(seed)
    small = cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    bright = np.clip(image.astype(int) + 20, 0, 255).astype(np.uint8)
    for other in (small, cv2.imdecode(jpeg, cv2.IMREAD_COLOR), bright):
        assert hamming(phash64(image), phash64(np.asarray(other, np.uint8))) <= 8


def test_phash_of_different_pictures_differs() -> None:
    hashes = np.array([phash64(scene(seed)) for seed in range(40)])
    distance = hamming(hashes[:, None], hashes)[np.triu_indices(40, 1)]
    assert distance.min() > 12
    assert 26 < distance.mean() < 38


def test_phash_of_blank_pictures_is_zero() -> None:
    assert phash64(np.full((50, 70, 3), 93, np.uint8)) == 0


def test_phash_type() -> None:
    assert isinstance(phash64(scene(0)), np.uint64)
    assert hamming(np.uint64(0), np.uint64(2**64 - 1)) == 64


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (0, 10, 3)])
def test_bad_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        phash64(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="uint8 RGB"):
        grey_thumb(np.zeros((10, 10, 3), np.float32))  # type: ignore[arg-type]
