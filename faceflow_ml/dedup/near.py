"""Near-duplicates: close in pHash, then confirmed by aligned structural similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HASH_BITS = 64
HASH_RADIUS = 12
"""Differing pHash bits up to which two photos are compared."""
MIN_SSIM = 0.85
"""Mean SSIM of near-duplicates."""
MIN_LOCAL_SSIM = 0.70
"""SSIM that near-duplicates reach in all but LOCAL_SHARE of the picture."""
LOCAL_SHARE = 0.05
_BLOCK = 8_192  # hashes compared with all later ones at a time
_NUMPY_ROWS = 256
_COMPARE_SIZE = 64
_MIN_OVERLAP = 0.6
_MIN_CONTRAST = 3.0  # standard deviation in grey levels; a blank page is like any other


class HammingIndex:
    """Exact range search over 64-bit hashes."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._codes = np.ascontiguousarray(hashes, dtype=np.uint64).view(np.uint8).reshape(-1, 8)

    def pairs(self, radius: int) -> NDArray[np.int64]:
        """(k, 2) sorted index pairs, ``i < j``, that differ in at most ``radius`` bits."""
        # Linear in popcounts, of which a core does billions a second; no table of sub-hashes
        # betters that at a radius this wide. Each block is compared with what follows it only.
        near = _near_by_faiss if len(self._codes) > _BLOCK else _near_by_numpy
        found = [np.empty((0, 2), dtype=np.int64)]
        for start in range(0, len(self._codes), _BLOCK):
            rows, others = self._codes[start : start + _BLOCK], self._codes[start:]
            pairs = near(rows, others, radius)
            found.append(start + pairs[pairs[:, 0] < pairs[:, 1]])
        every = np.concatenate(found)
        return np.asarray(every[np.lexsort((every[:, 1], every[:, 0]))], dtype=np.int64)


def _near_by_faiss(
    rows: NDArray[np.uint8], others: NDArray[np.uint8], radius: int
) -> NDArray[np.int64]:
    import faiss

    index = faiss.IndexBinaryFlat(HASH_BITS)
    index.add(others)
    starts, _, near = index.range_search(rows, radius + 1)
    found_each = starts[1:].astype(np.int64) - starts[:-1].astype(np.int64)
    return np.stack([np.repeat(np.arange(len(rows)), found_each), near], axis=1).astype(np.int64)


def _near_by_numpy(
    rows: NDArray[np.uint8], others: NDArray[np.uint8], radius: int
) -> NDArray[np.int64]:
    """Slower a comparison, and done with an album before faiss is loaded."""
    left, right = (codes.view(np.uint64).ravel() for codes in (rows, others))
    found = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(left), _NUMPY_ROWS):
        differing = np.bitwise_count(left[start : start + _NUMPY_ROWS, None] ^ right)
        found.append(np.argwhere(differing <= radius) + np.array([start, 0]))
    return np.concatenate(found)


@dataclass(frozen=True)
class Similarity:
    """Structural similarity of two pictures, in [-1, 1]."""

    mean: float
    local: float
    """The SSIM exceeded in all but LOCAL_SHARE of the picture: low where a part differs."""

    @property
    def is_duplicate(self) -> bool:
        """Whether the pictures are versions of one photo."""
        return self.mean >= MIN_SSIM and self.local >= MIN_LOCAL_SSIM


def ssim_map(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """SSIM (Wang et al. 2004) around every pixel: 11x11 Gaussian window, sigma 1.5, range 255.

    >>> picture = np.random.default_rng(0).uniform(0, 255, (32, 32)).astype(np.float32)
    >>> round(float(ssim_map(picture, picture).mean()), 6)
    1.0
    """

    def smooth(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5), dtype=np.float32)

    mean_a, mean_b = smooth(a), smooth(b)
    var_a = smooth(a * a) - mean_a * mean_a
    var_b = smooth(b * b) - mean_b * mean_b
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    scale = (mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2)
    return np.asarray(likeness / scale, dtype=np.float32)


def compare(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Similarity:
    """Structural similarity after undoing a crop and a change of brightness or contrast.

    ``b`` is moved onto ``a`` by the affine map that correlates them best (ECC, Evangelidis and
    Psarakis 2008); their common rectangle is brought to one mean and contrast and compared at
    64x64, where compression and noise no longer show. Blank pictures are like none.

    Args:
        a: grey thumb, uint8.
        b: grey thumb of the same shape, uint8.
    """
    if min(a.std(), b.std()) < _MIN_CONTRAST:
        return Similarity(-1.0, -1.0)
    moved, overlap = _align(a, b)
    rows = np.flatnonzero(overlap.mean(axis=1) > 0.9)
    columns = np.flatnonzero(overlap.mean(axis=0) > 0.9)
    if min(len(rows) / a.shape[0], len(columns) / a.shape[1]) < _MIN_OVERLAP:
        return Similarity(-1.0, -1.0)
    common = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    similarity = ssim_map(_normalize(a[common]), _normalize(moved[common]))
    return Similarity(
        float(similarity.mean()), float(np.quantile(similarity, LOCAL_SHARE, method="lower"))
    )


def candidate_pairs(hashes: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Sorted index pairs of photos that may be near-duplicates, by their hashes."""
    return [(i, j) for i, j in HammingIndex(hashes).pairs(HASH_RADIUS).tolist()]


def near_pairs(
    hashes: NDArray[np.uint64], thumbs: Sequence[NDArray[np.uint8]]
) -> list[tuple[int, int]]:
    """Sorted index pairs of confirmed near-duplicates.

    Compares every candidate pair: quadratic in the versions of a photo. To choose what to keep,
    `keeper.assign_keepers` needs fewer.
    """
    return [
        (i, j) for i, j in candidate_pairs(hashes) if compare(thumbs[i], thumbs[j]).is_duplicate
    ]


def _align(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """``b`` warped onto ``a``, and where it covers it."""
    size = (a.shape[1], a.shape[0])
    template, picture = (cv2.GaussianBlur(x.astype(np.float32), (0, 0), 1.5) for x in (a, b))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)
    try:
        _, found = cv2.findTransformECC(
            template,
            picture,
            np.eye(2, 3, dtype=np.float32),
            cv2.MOTION_AFFINE,
            criteria,
            np.full_like(b, 255),
            5,
        )
    except cv2.error:  # no convergence, or a picture without structure: compare as they lie
        return b, np.ones(b.shape, dtype=bool)
    warp, flags = np.asarray(found), cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, warp, size, flags=cv2.INTER_LINEAR | flags)
    covered = cv2.warpAffine(np.ones_like(b), warp, size, flags=cv2.INTER_NEAREST | flags)
    return np.asarray(moved, dtype=np.uint8), covered > 0


def _normalize(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """64x64 float32 of mean 128 and standard deviation 50; flat pictures stay flat."""
    size = (_COMPARE_SIZE, _COMPARE_SIZE)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1.0) * 50 + 128)
