"""Content hashes of photos: SHA-256 of the bytes, pHash of what they show."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

THUMB_SIZE = 128
_DCT_SIZE = 32
_HASH_SIZE = 8
_FLAT = 1e-2  # DCT coefficients below this are rounding, not content


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file, read in pieces; OSError when it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def grey_thumb(image: NDArray[np.uint8], size: int = THUMB_SIZE) -> NDArray[np.uint8]:
    """A (size, size) uint8 grey version of an (H, W, 3) uint8 RGB image, stretched to fit.

    >>> grey_thumb(np.full((50, 80, 3), 200, np.uint8), 2).tolist()
    [[200, 200], [200, 200]]
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected an (H, W, 3) uint8 RGB image, got {image.shape} {image.dtype}")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # before: one channel to average, not three
    return np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def phash64(image: NDArray[np.uint8]) -> np.uint64:
    """64-bit DCT perceptual hash (Zauner 2010).

    The image is reduced to 32x32 grey, by way of its thumb; a bit is set for each of the 8x8
    lowest-frequency DCT coefficients, the constant row and column left out, that is above their
    median. Resizing, recompression and brightness change few bits; different photos differ in
    about 32.

    Args:
        image: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: not such an image.

    >>> ramp = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 256, 3))
    >>> int(hamming(phash64(ramp), phash64(ramp[::2, ::2])))
    0
    """
    return phash_of_thumb(grey_thumb(image))


def phash_of_thumb(thumb: NDArray[np.uint8]) -> np.uint64:
    """`phash64` of the image that `grey_thumb` made ``thumb`` (128, 128) uint8 of."""
    small = cv2.resize(thumb, (_DCT_SIZE, _DCT_SIZE), interpolation=cv2.INTER_AREA)
    spectrum = cv2.dct(small.astype(np.float32))
    low = spectrum[1 : _HASH_SIZE + 1, 1 : _HASH_SIZE + 1].ravel()
    low = np.where(np.abs(low) < _FLAT, 0.0, low)
    # np.median imports numpy.ma, which takes a tenth of a second.
    middle = np.sort(low)[low.size // 2 - 1 : low.size // 2 + 1].sum() / 2
    bits = np.packbits(low > middle, bitorder="little")
    return np.uint64(int.from_bytes(bits.tobytes(), "little"))


def hamming(a: np.uint64 | NDArray[np.uint64], b: np.uint64 | NDArray[np.uint64]) -> Any:
    """The number of differing bits, 0..64, elementwise.

    >>> int(hamming(np.uint64(0b1011), np.uint64(0b0001)))
    2
    """
    return np.bitwise_count(np.bitwise_xor(a, b))
