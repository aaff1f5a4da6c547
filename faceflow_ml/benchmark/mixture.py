"""Vectors like those of a large album, with known people: long tails, strangers, look-alikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512
MEDIAN_FACES, SPREAD = 6.0, 1.0
"""Of the log-normal number of a person's faces."""
STRANGERS = 0.1
"""Share of the faces of people who are seen once."""
WITHIN = (6.0, 5.0)
"""Beta distribution of a face's squared cosine with its person's direction, in [0.2, 0.9]: faces of
one person have a cosine of 0.55 on average, poor ones far less."""
DECAY = 0.35
"""Deviations fall with this power of the dimension, as those of trained embedders do: strangers'
cosines spread twice as far as in a uniform space of 512 dimensions."""
THRESHOLD = 0.35
"""Cosine at which two faces are taken for one person: a false accept rate of about 1e-4."""
DAYS_EACH = 500.0
"""Mean faces of a day."""
PERSON_DAYS = 4
"""A person is seen on up to this many different days."""
_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Mixture:
    """Vectors (n, 512) float32 L2-normalised, the person of each, and the day it was seen."""

    vectors: NDArray[np.float32]
    people: NDArray[np.int64]
    days: NDArray[np.int64]


def draw_mixture(n: int, *, seed: int = 0) -> Mixture:
    """Draw ``n`` faces in random order; equal arguments give equal faces.

    Memory is that of the vectors, and little more.
    """
    rng = np.random.default_rng(seed)
    people = rng.permutation(_people(n, rng))
    centers = _directions(int(people.max()) + 1, rng)
    vectors = np.empty((n, DIMENSIONS), dtype=np.float32)
    for start in range(0, n, _ROWS):
        part = people[start : start + _ROWS]
        share = np.clip(rng.beta(*WITHIN, size=(len(part), 1)), 0.2, 0.9).astype(np.float32)
        rows = np.sqrt(share) * centers[part] + np.sqrt(1 - share) * _directions(len(part), rng)
        vectors[start : start + _ROWS] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    count = max(1, round(n / DAYS_EACH))
    seen = rng.integers(0, count, size=(len(centers), PERSON_DAYS))
    return Mixture(vectors, people, seen[people, rng.integers(0, PERSON_DAYS, size=n)])


def _people(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) people in order, numbered from 0; the last ones are strangers."""
    known = n - round(n * STRANGERS)
    # Enough draws: the mean of a person's faces is above the median.
    sizes = np.maximum(1, np.exp(rng.normal(np.log(MEDIAN_FACES), SPREAD, size=known)).astype(int))
    regulars = np.repeat(np.arange(len(sizes)), sizes)[:known]
    strangers = int(regulars[-1]) + 1 + np.arange(n - known) if known else np.arange(n)
    return np.concatenate([regulars, strangers]).astype(np.int64)


def _directions(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    scale = (1.0 + np.arange(DIMENSIONS, dtype=np.float32)) ** np.float32(-DECAY)
    found = np.empty((count, DIMENSIONS), dtype=np.float32)
    for start in range(0, count, _ROWS):
        rows = rng.standard_normal((min(_ROWS, count - start), DIMENSIONS), dtype=np.float32)
        rows *= scale
        found[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found
