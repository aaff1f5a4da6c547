"""Grouping all faces of an album at once: `cluster_faces`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceflow_ml.clustering import communities
from faceflow_ml.clustering.constraints import Constraints, photo_codes, resolve_constraints
from faceflow_ml.clustering.density import density_clusters
from faceflow_ml.clustering.linkage import Groups, agglomerate
from faceflow_ml.clustering.neighbors import EXACT, SimilarPairs, similar_pairs
from faceflow_ml.clustering.reunite import reunite

Method = Literal["hdbscan", "agglomerative", "leiden", "infomap", "chinese_whispers", "dbscan"]
_COMMUNITIES: dict[str, Callable[[int, SimilarPairs, float], NDArray[np.int64]]] = {
    "leiden": communities.leiden,
    "infomap": communities.infomap,
    "chinese_whispers": communities.chinese_whispers,
    "dbscan": communities.dbscan,
}

THRESHOLD = 0.2
MIN_QUALITY = 0.25
SMALL_GROUP_MARGIN = 0.06
"""Added to the threshold between two single faces, less between groups: see `agglomerate`."""
COHESION = 0.7
"""See `agglomerate`."""
NEIGHBORS = 64
ALWAYS = -1.0
"""The threshold that joins whatever constraints allow: no mean cosine is below it by more than
rounding."""
NORM_TOLERANCE = 1e-2

_join = partial(agglomerate, small_margin=SMALL_GROUP_MARGIN, cohesion=COHESION)


def cluster_faces(
    vectors: ArrayLike,
    photo_ids: Sequence[Any] | NDArray[Any] | None = None,
    must_link: Iterable[Sequence[int]] = (),
    cannot_link: Iterable[Sequence[int]] = (),
    *,
    quality: ArrayLike | None = None,
    min_quality: float = MIN_QUALITY,
    method: Method = "hdbscan",
    threshold: float = THRESHOLD,
    min_cluster_size: int = 2,
) -> NDArray[np.int64]:
    """Group faces into people.

    1. Must-linked faces are contracted into units, which nothing below takes apart.
    2. Faces below ``min_quality`` found no group (unless must-linked); they may join one.
    3. ``hdbscan``: HDBSCAN* finds dense groups; inside each, constrained average linkage
       starts over from its units, which resolves two faces of one photo (the one closer to
       the rest stays) and splits a group that holds two people. Then, again by constrained
       average linkage, fragments of one person join and noise joins the closest group.
       ``agglomerative``: average linkage of everything, without the density step.
       ``leiden``, ``infomap`` (of the ``graph`` extra), ``chinese_whispers``, ``dbscan``: their
       communities stay as they are found, but for constraints, which take them apart by the
       same linkage; then poor faces join the closest group.
    4. Groups that only a few faces of the same photos keep apart join, without those faces.
    5. Groups below ``min_cluster_size`` dissolve, unless must-linked.

    The partition does not depend on the order of the input. Memory is O(n). The neighbour search
    is exact, and O(n^2), up to `EXACT` faces; beyond, it is approximate and close to linear.

    Args:
        vectors: (n, d) float, L2-normalised.
        photo_ids: n strings or n integers. Two faces of one photo never share a group, unless
            must-links join them. None: photos do not constrain.
        must_link: pairs of indices that share a group.
        cannot_link: pairs of indices that do not.
        quality: (n,) in [0, 1]; None: every face may found a group.
        min_quality: faces below it found no group.
        method: the first step, see above.
        threshold: the cosine similarity, in [-1, 1], at which two faces are as likely as not
            one person when both are equally probable: the equal-prior verification threshold
            of the embedder that made the vectors. Two large groups join at this mean
            similarity; single faces need a little more, see SMALL_GROUP_MARGIN.
        min_cluster_size: faces that make a group, at least 2.

    Returns:
        (n,) int64; 0 is the largest group, ties go to the one that comes first; -1: no group.

    Raises:
        ValueError: wrong shapes, vectors that are not finite and normalised, values out of
            range, or a cannot-link that contradicts must-links (the message names the pair).
    """
    problem = prepare(
        vectors,
        photo_ids,
        must_link,
        cannot_link,
        quality=quality,
        min_quality=min_quality,
        method=method,
        threshold=threshold,
        min_cluster_size=min_cluster_size,
    )
    if len(problem.order) == 0:
        return np.empty(0, dtype=np.int64)
    return problem.finish(group_units(problem.units, problem.founder, method, threshold))


@dataclass(frozen=True, eq=False)
class Problem:
    """Arguments of `cluster_faces`, checked, with faces in an order that depends on them alone.

    Equal similarities are then broken the same way, and sums rounded the same way, however the
    caller ordered the faces.
    """

    order: NDArray[np.int64]
    """(n,) the caller's position of each face."""
    constraints: Constraints
    units: Groups
    founder: NDArray[np.bool_]
    """(m,) units that may found a group."""
    method: Method
    threshold: float
    min_cluster_size: int

    def finish(self, people: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) labels in the caller's order, from the group of each unit (contiguous from 0)."""
        group = people[self.constraints.unit]
        kept = np.bincount(group) >= self.min_cluster_size
        kept[group[self.units.counts[self.constraints.unit] > 1]] = True  # a person said so
        labels = np.empty(len(self.order), dtype=np.int64)
        labels[self.order] = np.where(kept[group], group, -1)
        return _by_decreasing_size(labels)


class Options(TypedDict, total=False):
    """What `cluster_faces` may be told besides vectors, for functions that pass it on."""

    photo_ids: Sequence[Any] | NDArray[Any] | None
    must_link: Iterable[Sequence[int]]
    cannot_link: Iterable[Sequence[int]]
    quality: ArrayLike | None
    min_quality: float
    method: Method
    threshold: float
    min_cluster_size: int


def prepare(
    vectors: ArrayLike,
    photo_ids: Sequence[Any] | NDArray[Any] | None = None,
    must_link: Iterable[Sequence[int]] = (),
    cannot_link: Iterable[Sequence[int]] = (),
    *,
    quality: ArrayLike | None = None,
    min_quality: float = MIN_QUALITY,
    method: Method = "hdbscan",
    threshold: float = THRESHOLD,
    min_cluster_size: int = 2,
) -> Problem:
    """Check the arguments of `cluster_faces`, which describes them and what is raised."""
    faces = checked_vectors(vectors)
    n = len(faces)
    grades = _checked_quality(quality, n)
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {get_args(Method)}, got {method!r}")
    if not -1.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be a cosine similarity in [-1, 1], got {threshold}")
    if np.isnan(min_quality):
        raise ValueError(f"min_quality must be a number, got {min_quality}")
    if not isinstance(min_cluster_size, (int, np.integer)):
        raise ValueError(f"min_cluster_size must be a whole number, got {min_cluster_size!r}")
    if min_cluster_size < 2:
        raise ValueError(f"min_cluster_size must be at least 2, got {min_cluster_size}")
    photos = photo_codes(photo_ids, n)
    # Most photos have one face, which conflicts with none: they need not be kept track of.
    conflicting = np.where(np.bincount(photos, minlength=1)[photos] > 1, photos, -1)
    constraints = resolve_constraints(n, conflicting, must_link, cannot_link)
    order = _canonical_order(faces, grades, photos)
    constraints = constraints.take(order)
    units = Groups.of_units(faces[order], constraints)
    founder = units.counts > 1
    np.logical_or.at(founder, constraints.unit, grades[order] >= min_quality)
    return Problem(order, constraints, units, founder, method, threshold, min_cluster_size)


def group_units(
    units: Groups, founder: NDArray[np.bool_], method: Method, threshold: float
) -> NDArray[np.int64]:
    """(m,) group of each unit; units that no other joined are groups of one.

    Where the search is approximate it misses some of a face's neighbours. The centres of what was
    found are nearer to their people's other faces than any of these is, so that a second round,
    on far fewer vectors, finds most of the rest.
    """
    people = _group_once(units, founder, method, threshold)
    if len(units) > EXACT:
        groups = units.contract(people)
        grown = groups.counts > 1
        np.logical_or.at(grown, people, founder)
        people = _group_once(groups, grown, method, threshold)[people]
    return people


def _group_once(
    units: Groups, founder: NDArray[np.bool_], method: Method, threshold: float
) -> NDArray[np.int64]:
    # Density and linkage do not change by what is below the threshold; communities may.
    floor = -np.inf if method in _COMMUNITIES else threshold
    pairs = similar_pairs(units.directions(), NEIGHBORS, floor)
    near = pairs.above(threshold)
    if method == "agglomerative":
        people = _join(units, near, threshold, satellite=~founder)
    elif method in _COMMUNITIES:
        find = _COMMUNITIES[method]
        found = np.full(len(units), -1, dtype=np.int64)
        found[founder] = find(int(founder.sum()), pairs.among(founder), threshold)
        people = agglomerate(units, pairs.within(found), ALWAYS)
        return _join_groups(units, people, near.touching(~founder), threshold)
    else:
        dense = np.full(len(units), -1, dtype=np.int64)
        dense[founder] = density_clusters(int(founder.sum()), pairs.among(founder))
        seeds = _join(units, near.within(dense), threshold)
        people = _join_groups(units, seeds, near, threshold)
    people = reunite(units, people, near, threshold, cohesion=COHESION)
    return _join_groups(units, people, near, threshold)


def _join_groups(
    units: Groups, labels: NDArray[np.int64], near: SimilarPairs, threshold: float
) -> NDArray[np.int64]:
    """Join groups, and single faces to groups, but no single faces with each other."""
    groups = units.contract(labels)
    satellite = groups.counts < 2
    return _join(groups, near.between(labels), threshold, satellite=satellite)[labels]


def _by_decreasing_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber groups from 0 by size, ties by first member; -1 stays."""
    groups, first, count = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    number = np.full(int(labels.max()) + 2, -1, dtype=np.int64)  # the last slot serves -1
    number[groups[np.lexsort((first, -count))]] = np.arange(len(groups))
    return number[labels]


def _canonical_order(
    faces: NDArray[np.float32], grades: NDArray[np.float32], photos: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(n,) a permutation that sorts faces by content; only interchangeable faces tie."""
    if len(faces) == 0:
        return np.empty(0, dtype=np.int64)
    # The first numbers tell nearly all faces apart; whole rows are looked at where they do not.
    head = np.ascontiguousarray(faces[:, :2]).view(np.uint32)
    order = np.lexsort((head[:, -1], head[:, 0]))
    heads = head[order]
    starts = np.append(np.flatnonzero((heads[1:] != heads[:-1]).any(axis=1)) + 1, len(faces))
    begin = 0
    for end in starts.tolist():
        if end - begin > 1:
            tied = order[begin:end]
            order[begin:end] = tied[_content_order(faces[tied], grades[tied], photos[tied])]
        begin = end
    return order


def _content_order(
    faces: NDArray[np.float32], grades: NDArray[np.float32], photos: NDArray[np.int64]
) -> NDArray[np.int64]:
    rows = np.ascontiguousarray(
        np.hstack(
            [faces.view(np.uint8), grades[:, None].view(np.uint8), photos[:, None].view(np.uint8)]
        )
    )
    return np.argsort(rows.view(np.dtype((np.void, rows.shape[1]))).ravel(), kind="stable")


def checked_vectors(vectors: ArrayLike) -> NDArray[np.float32]:
    """(n, d) float32; ValueError unless finite and L2-normalised to NORM_TOLERANCE."""
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"vectors must be (n, d), got shape {array.shape}")
    if array.dtype.kind != "f":
        raise ValueError(f"vectors must be floating point, got dtype {array.dtype}")
    faces = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(faces).all():
        raise ValueError("vectors must be finite, got NaN or infinity")
    norms = np.sqrt(np.einsum("ij,ij->i", faces, faces))
    off = np.abs(norms - 1.0) > NORM_TOLERANCE
    if off.any():
        row = int(np.argmax(off))
        raise ValueError(f"vectors must be L2-normalised, row {row} has norm {norms[row]:.4g}")
    return faces


def _checked_quality(quality: ArrayLike | None, n: int) -> NDArray[np.float32]:
    if quality is None:
        return np.ones(n, dtype=np.float32)
    grades = np.ascontiguousarray(quality, dtype=np.float32)
    if grades.shape != (n,):
        raise ValueError(f"quality must have shape ({n},), got {grades.shape}")
    if not ((grades >= 0) & (grades <= 1)).all():
        raise ValueError("quality must be in [0, 1]")
    return grades
