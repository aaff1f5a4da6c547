"""Splits that do not leak: a person, or a photo and its near-duplicates, is on one side only.

The side is decided by a hash of the group's key. Adding people or photos therefore moves none of
those that were there; shares are met on average rather than exactly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from faceflow_ml.data.fingerprint import image_digest
from faceflow_ml.data.records import DetectionSample, IdentitySample
from faceflow_ml.dedup.hashing import grey_thumb, phash_of_thumb
from faceflow_ml.dedup.near import near_pairs


def assign(key: str, fractions: Mapping[str, float], seed: int = 0) -> str:
    """The split of one key.

    Args:
        key: what is kept together: an identity, say.
        fractions: share of each split, in an order that matters; they sum to 1.
        seed: another seed gives another split.

    Raises:
        ValueError: fractions are negative or do not sum to 1.
    """
    if any(share < 0 for share in fractions.values()) or not math.isclose(
        math.fsum(fractions.values()), 1, abs_tol=1e-6
    ):
        raise ValueError(f"fractions must be shares that sum to 1, got {dict(fractions)}")
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    draw = int.from_bytes(digest[:8]) / 2**64
    name = ""
    for name, share in fractions.items():  # noqa: B007
        draw -= share
        if draw < 0:
            break
    return name


def split_identities(
    samples: Sequence[IdentitySample],
    fractions: Mapping[str, float],
    *,
    seed: int = 0,
    same_person: Iterable[tuple[str, str]] = (),
) -> dict[str, list[IdentitySample]]:
    """Faces by split, no person in two.

    Args:
        samples: faces with identities.
        fractions: share of people of each split.
        seed: another seed gives another split.
        same_person: pairs of identities that are one person under two labels.

    Returns:
        For each name of ``fractions`` its faces, in the order of ``samples``.

    Raises:
        ValueError: fractions are negative or do not sum to 1, or a pair names an unknown identity.
    """
    identities = sorted({sample.identity for sample in samples})
    groups = _groups(identities, same_person)
    side = {who: assign(groups[who], fractions, seed) for who in identities}
    result: dict[str, list[IdentitySample]] = {name: [] for name in fractions}
    for sample in samples:
        result[side[sample.identity]].append(sample)
    return result


def split_photos(
    samples: Sequence[DetectionSample],
    fractions: Mapping[str, float],
    *,
    seed: int = 0,
    duplicates: Iterable[tuple[str, str]] = (),
) -> dict[str, list[DetectionSample]]:
    """Photos by split; files of the same content, and near-duplicates, stay together.

    Args:
        samples: photos; names are unique.
        fractions: share of photos of each split.
        seed: another seed gives another split.
        duplicates: pairs of names of photos that show nearly the same; see
            :func:`near_duplicates`.

    Returns:
        For each name of ``fractions`` its photos, in the order of ``samples``.

    Raises:
        ValueError: fractions are negative or do not sum to 1, names repeat, or a pair names an
            unknown photo.
        FaceFlowError: an image file cannot be read.
    """
    names = [sample.name for sample in samples]
    if len(set(names)) != len(names):
        raise ValueError("photos must have different names to be split")
    first_with: dict[str, str] = {}
    copies = [
        (first_with.setdefault(image_digest(sample)[1], sample.name), sample.name)
        for sample in samples
    ]
    groups = _groups(names, [*copies, *duplicates])
    result: dict[str, list[DetectionSample]] = {name: [] for name in fractions}
    for sample in samples:
        result[assign(groups[sample.name], fractions, seed)].append(sample)
    return result


def near_duplicates(samples: Sequence[DetectionSample]) -> list[tuple[str, str]]:
    """Pairs of names of photos that show nearly the same: for :func:`split_photos`.

    Candidates of close perceptual hashes are confirmed by structural similarity, as in
    ``faceflow-ml dedupe``.

    Raises:
        ImageError: a photo cannot be decoded.
    """
    hashes = np.zeros(len(samples), np.uint64)
    thumbs = []
    for i, sample in enumerate(samples):
        thumbs.append(grey_thumb(sample.decode()))
        hashes[i] = phash_of_thumb(thumbs[-1])
    return [(samples[i].name, samples[j].name) for i, j in near_pairs(hashes, thumbs)]


def _groups(keys: Sequence[str], same: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The smallest key of each key's connected component (union-find)."""
    parent = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for left, right in same:
        for key in (left, right):
            if key not in parent:
                raise ValueError(f"{key!r} is in a pair but not among the samples")
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return {key: root(key) for key in keys}
