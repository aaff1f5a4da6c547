"""Piles of faces drawn from labelled ones: albums to tune and to compare groupings on.

Real albums have long tails: some people are in many photos, most in a few, strangers in one. The
people are dealt to two halves, so that what was tuned on one is checked on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PEOPLE = (5, 60)
"""Fewest and most people in a pile, as far as there are so many; drawn log-uniformly."""
TYPICAL_FACES = (2.0, 4.0, 8.0)
"""The median faces of a person, by turns."""
SPREAD = 0.9
"""Standard deviation of the logarithm of a person's faces: half of the people have between about
half and twice the median, one in a hundred eight times it."""
COMPANY = 0.25
"""The share of faces that are in the photo of another person."""


@dataclass(frozen=True)
class Pile:
    """Faces of one imagined album, in random order."""

    faces: NDArray[np.intp]
    """(n,) positions among all faces, each once."""
    photos: NDArray[np.int64]
    """(n,) the photo of each: two faces of one photo are two people."""


def split_people(labels: NDArray[np.int64], *, seed: int = 0) -> tuple[NDArray[np.intp], ...]:
    """Positions of the faces of one half of the people, and of the other half."""
    people = np.random.default_rng(seed).permutation(np.unique(labels))
    middle = len(people) // 2
    return tuple(
        np.flatnonzero(np.isin(labels, half)) for half in (people[:middle], people[middle:])
    )


def draw_piles(labels: NDArray[np.int64], count: int, *, seed: int = 0) -> tuple[Pile, ...]:
    """Draw ``count`` piles from faces with ``(n,)`` labels; equal arguments give equal piles."""
    rng = np.random.default_rng(seed)
    return tuple(_draw(labels, TYPICAL_FACES[k % len(TYPICAL_FACES)], rng) for k in range(count))


def _draw(labels: NDArray[np.int64], typical: float, rng: np.random.Generator) -> Pile:
    everyone = np.unique(labels)
    wanted = round(float(np.exp(rng.uniform(*np.log(PEOPLE)))))
    chosen = []
    for person in rng.permutation(everyone)[:wanted]:
        faces = np.flatnonzero(labels == person)
        size = max(1, round(typical * float(np.exp(SPREAD * rng.normal()))))
        chosen.append(rng.choice(faces, min(size, len(faces)), replace=False))
    faces = rng.permutation(np.concatenate(chosen))
    photos = np.arange(len(faces))
    people_in: list[set[int]] = [{person} for person in labels[faces].tolist()]
    for i in range(1, len(faces)):
        photo, person = int(photos[i - 1]), int(labels[faces[i]])
        if rng.random() < COMPANY and person not in people_in[photo]:
            photos[i] = photo
            people_in[photo].add(person)
    return Pile(faces, rng.permutation(len(faces))[photos])
