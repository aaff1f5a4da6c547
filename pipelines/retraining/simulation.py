"""How much corrections help, by simulation: edits per new photo after k corrections.

Fictional people look alike often enough that grouping them goes wrong. An album is grouped; an
oracle who knows everyone makes the k corrections that put most faces right; then photos that were
not there before are assigned as the application assigns them. Counted is what the oracle would
still have to edit among the new faces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.clustering.incremental import GroupState, IncrementalAssigner
from faceflow_ml.data.synth.casting import cast_photos
from faceflow_ml.data.synth.faces import render_aligned_face
from faceflow_ml.data.synth.people import sample_person
from faceflow_ml.errors import ConfigError
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.hard_pairs import threshold_of

_NOBODY = -1


@dataclass(frozen=True)
class SimulationSpec:
    """What is simulated, once a seed.

    people: in the album. photos, new_photos: before and after the corrections.
    faces_per_photo: fewest and most. corrections: the k of the curve, rising.
    """

    people: int = 30
    photos: int = 90
    new_photos: int = 60
    faces_per_photo: tuple[int, int] = (1, 3)
    corrections: tuple[int, ...] = (0, 2, 5, 10, 20, 30, 40, 60)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        low, high = self.faces_per_photo
        if min(self.people, self.photos, self.new_photos) < 1 or not 1 <= low <= high:
            raise ConfigError("people, photos and faces per photo must be at least 1")
        if not self.seeds or not self.corrections:
            raise ConfigError("give at least one seed and one number of corrections")
        if sorted(set(self.corrections)) != list(self.corrections) or self.corrections[0] != 0:
            raise ConfigError("corrections must rise from 0: what nobody corrects is the baseline")


@dataclass(frozen=True, eq=False)
class Scene:
    """The faces of one seed: (n, 512) vectors, and of each its photo, person, and if it is new."""

    vectors: NDArray[np.float32]
    photo: NDArray[np.int64]
    person: NDArray[np.int64]
    new: NDArray[np.bool_]


@dataclass(frozen=True)
class Point:
    """One k, over all seeds.

    corrections: k. made: corrections that were there to be made, the mean. edits: per new photo,
    each seed's.
    """

    corrections: int
    made: float
    edits: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Edits per new photo."""
        return float(np.mean(self.edits))

    @property
    def half_width(self) -> float:
        """Of the 95% interval of the mean over seeds (Student's t); 0 of a single one."""
        n = len(self.edits)
        if n < 2:
            return 0.0
        return float(student.ppf(0.975, n - 1) * np.std(self.edits, ddof=1) / np.sqrt(n))


@dataclass(frozen=True)
class Curve:
    """A simulation's result."""

    spec: SimulationSpec
    embedder: str
    points: tuple[Point, ...]
    threshold: float = field(default=0.0)

    @property
    def fall(self) -> float:
        """Share of the edits per new photo that the most corrections save."""
        first = self.points[0].mean
        return 0.0 if first == 0 else 1 - self.points[-1].mean / first


def simulate(spec: SimulationSpec, embedder: FaceEmbedder) -> Curve:
    """Run every seed and collect the curve."""
    threshold = threshold_of(embedder)
    edits: dict[int, list[float]] = defaultdict(list)
    made: dict[int, list[int]] = defaultdict(list)
    for seed in spec.seeds:
        scene = render_scene(spec, seed, embedder)
        old = ~scene.new
        groups = cluster_faces(scene.vectors[old], scene.photo[old], threshold=threshold)
        count = 0
        for k in spec.corrections:
            while count < k and correct(groups, scene.person[old]):
                count += 1
            made[k].append(count)
            labels = assign_new(scene, groups, threshold)
            edits[k].append(edits_needed(labels, scene.person, scene.new) / spec.new_photos)
    points = tuple(Point(k, float(np.mean(made[k])), tuple(edits[k])) for k in spec.corrections)
    return Curve(spec, embedder.contract_id, points, threshold)


def render_scene(spec: SimulationSpec, seed: int, embedder: FaceEmbedder) -> Scene:
    """Render and embed the faces of an album and of photos that come later."""
    rng = np.random.default_rng([seed, 11])
    people = [sample_person(np.random.default_rng([seed, 12, k])) for k in range(spec.people)]
    cast = cast_photos(spec.people, spec.photos + spec.new_photos, spec.faces_per_photo, rng)
    faces = [(photo, who) for photo, group in enumerate(cast) for who in group]
    crops = np.stack([render_aligned_face(people[who], rng) for _, who in faces])
    photo, person = (np.array(column, np.int64) for column in zip(*faces, strict=True))
    return Scene(embedder.embed(crops), photo, person, photo >= spec.photos)


def assign_new(scene: Scene, groups: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """(n,) groups of all faces: those of the old are given, the new join as in the application."""
    names = [None if group == _NOBODY else f"g{group:06d}" for group in groups.tolist()]
    old, new = scene.vectors[~scene.new], scene.vectors[scene.new]
    assigner = IncrementalAssigner(GroupState.of_faces(old, names), threshold)
    joined = assigner.assign(new, scene.photo[scene.new])
    everyone = np.array([name or "" for name in (*names, *joined)])
    _, labels = np.unique(everyone, return_inverse=True)
    labels = np.where(everyone == "", _NOBODY, labels).astype(np.int64)
    result = np.empty(len(labels), np.int64)
    result[~scene.new], result[scene.new] = labels[: len(old)], labels[len(old) :]
    return result


def homes(groups: NDArray[np.int64], person: NDArray[np.int64]) -> dict[int, int]:
    """The group that is each person: of those in which they are the most, the one with most of
    their faces. Who is nowhere the most has none."""
    counts = _counts(groups, person)
    owner: dict[int, tuple[int, int]] = {}
    for (group, who), count in sorted(counts.items()):
        if count > owner.get(group, (0, 0))[0]:
            owner[group] = (count, who)
    best: dict[int, tuple[int, int]] = {}
    for group, (count, who) in sorted(owner.items()):
        if count > best.get(who, (0, 0))[0]:
            best[who] = (count, group)
    return {who: group for who, (_, group) in best.items()}


def _counts(groups: NDArray[np.int64], person: NDArray[np.int64]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for group, who in zip(groups.tolist(), person.tolist(), strict=True):
        if group != _NOBODY:
            counts[group, who] += 1
    return dict(counts)


def correct(groups: NDArray[np.int64], person: NDArray[np.int64]) -> bool:
    """Make the one correction that puts most faces right, in place.

    A correction moves the faces that one person has in a wrong group to where they belong: a
    merge if that is the whole group, a split if they have no group of their own yet.

    Returns:
        False if everything is right already.
    """
    home = homes(groups, person)
    wrong = {
        key: count for key, count in _counts(groups, person).items() if home.get(key[1]) != key[0]
    }
    alone = [
        (_NOBODY, who)
        for who in sorted(set(person[groups == _NOBODY].tolist()))
        if who in home or int(np.sum(person[groups == _NOBODY] == who)) > 1
    ]
    for _, who in alone:
        # Faces of nobody are put with their person one after the other.
        wrong[_NOBODY, who] = 1
    if not wrong:
        return False
    group, who = max(wrong, key=lambda key: (wrong[key], key))
    faces = np.flatnonzero((groups == group) & (person == who))
    if group == _NOBODY and who in home:
        faces = faces[:1]
    groups[faces] = home.get(who, int(groups.max()) + 1)
    return True


def edits_needed(
    groups: NDArray[np.int64], person: NDArray[np.int64], new: NDArray[np.bool_]
) -> int:
    """Edits that put the new faces right: one for the new faces that a person has in one wrong
    group, one for each face of nobody whose person is known.

    >>> groups, person = np.array([0, 0, 1, 0, 0]), np.array([0, 0, 1, 1, 1])
    >>> edits_needed(groups, person, np.array([False, False, False, True, True]))
    1
    """
    home = homes(groups, person)
    rows = np.flatnonzero(new)
    wrong = {
        (int(groups[row]), int(person[row]))
        for row in rows
        if groups[row] != _NOBODY and home.get(int(person[row])) != groups[row]
    }
    alone = sum(groups[row] == _NOBODY and int(person[row]) in home for row in rows)
    return len(wrong) + int(alone)


def table(curve: Curve) -> list[Sequence[str]]:
    """Rows of the curve for a report: k, edits per new photo, what is saved."""
    first = curve.points[0].mean
    return [
        (
            str(point.corrections),
            f"{point.made:.1f}",
            f"{point.mean:.3f} ± {point.half_width:.3f}",
            "0%" if first == 0 else f"{1 - point.mean / first:.0%}",
        )
        for point in curve.points
    ]
