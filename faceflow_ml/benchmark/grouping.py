"""Ways to group, compared on the same vectors: each at the threshold that suits it best.

Thresholds are tuned on piles of one half of the people and checked on piles of the other, then the
halves change places; what is reported comes from the checks alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.batch import Method, cluster_faces
from faceflow_ml.clustering.expansion import expand
from faceflow_ml.evaluation.clustering import evaluate_clustering
from faceflow_ml.evaluation.piles import Pile, draw_piles, split_people
from faceflow_ml.evaluation.verification import all_pair_scores

TUNING_PILES, CHECK_PILES = 12, 30
"""Piles of each half."""
FAR_RANGE = (1e-1, 1e-4)
TRIALS = 11
"""Thresholds are tried in equal steps between those of the two false accept rates: the same for
all, from where half of an album would be joined to where hardly anything is."""

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
Grouping = Callable[[Vectors, Labels, float], Labels]


@dataclass(frozen=True)
class Candidate:
    """A way to group: vectors, photos and a cosine similarity to labels."""

    name: str
    group: Grouping


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over piles."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(float(np.mean(values)), float(np.std(values)))


@dataclass(frozen=True)
class CandidateResult:
    """How a candidate did on the piles that its threshold was not tuned on.

    thresholds: of the two halves. edits: joins and splits a hundred faces. gain: BCubed F less
    that of the first candidate, pile by pile, with the standard error of the mean.
    """

    name: str
    thresholds: tuple[float, float]
    bcubed_f1: Spread
    pairwise_f1: Spread
    edits: Spread
    gain: float
    gain_error: float
    synthetic_bcubed_f1: float | None
    milliseconds: float


@dataclass(frozen=True)
class LabelledVectors:
    """Embedded faces, who they are, and their photos."""

    vectors: Vectors
    labels: Labels
    photos: Labels


@dataclass(frozen=True)
class GroupingComparison:
    """All candidates; those whose packages are not installed by name."""

    faces: int
    people: int
    piles: int
    pile_faces: tuple[int, int]
    results: tuple[CandidateResult, ...]
    missing: tuple[str, ...]


def _grouped(vectors: Vectors, photos: Labels, threshold: float, *, method: Method) -> Labels:
    return cluster_faces(vectors, photos, method=method, threshold=threshold)


def _expanded(vectors: Vectors, photos: Labels, threshold: float, *, method: Method) -> Labels:
    return cluster_faces(expand(vectors, photos), photos, method=method, threshold=threshold)


CANDIDATES = (
    Candidate("HDBSCAN, then constrained average linkage", partial(_grouped, method="hdbscan")),
    Candidate("constrained average linkage", partial(_grouped, method="agglomerative")),
    Candidate("HDBSCAN on expanded vectors", partial(_expanded, method="hdbscan")),
    Candidate("average linkage on expanded vectors", partial(_expanded, method="agglomerative")),
    Candidate("FAISS kNN graph, Leiden", partial(_grouped, method="leiden")),
    Candidate("FAISS kNN graph, Infomap", partial(_grouped, method="infomap")),
    Candidate("Chinese whispers", partial(_grouped, method="chinese_whispers")),
    Candidate("DBSCAN", partial(_grouped, method="dbscan")),
)


def compare_groupings(
    vectors: Vectors,
    labels: Labels,
    *,
    synthetic: Sequence[LabelledVectors] = (),
    candidates: Sequence[Candidate] = CANDIDATES,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> GroupingComparison:
    """Compare candidates on piles of labelled faces.

    Args:
        vectors: (n, d) float32, L2-normalised, of people that were not trained on.
        labels: (n,) who each face is.
        synthetic: whole albums of fictional people, grouped at the mean of the two thresholds.
        candidates: the first is what the others are held against.
        seed: of the halves and the piles.
        say: told what is measured now.

    Raises:
        ValueError: fewer than four people, or no two faces of one.
    """
    if len(np.unique(labels)) < 4:
        raise ValueError(f"expected faces of at least 4 people, got {len(np.unique(labels))}")
    halves = [
        _Half(vectors[part], labels[part], seed + k)
        for k, part in enumerate(split_people(labels, seed=seed))
    ]
    results: list[CandidateResult] = []
    missing: list[str] = []
    baseline: NDArray[np.float64] | None = None
    for candidate in candidates:
        say(f"Grouping piles: {candidate.name}")
        try:
            thresholds = (halves[1].best(candidate), halves[0].best(candidate))
        except ModuleNotFoundError:
            missing.append(candidate.name)
            continue
        started = time.perf_counter()
        checks = np.concatenate(
            [half.check(candidate, t) for half, t in zip(halves, thresholds, strict=True)]
        )
        seconds = time.perf_counter() - started
        baseline = checks[:, 0] if baseline is None else baseline
        gains = checks[:, 0] - baseline
        results.append(
            CandidateResult(
                name=candidate.name,
                thresholds=thresholds,
                bcubed_f1=Spread.of(checks[:, 0].tolist()),
                pairwise_f1=Spread.of(checks[:, 1].tolist()),
                edits=Spread.of(checks[:, 2].tolist()),
                gain=float(gains.mean()),
                gain_error=float(gains.std() / np.sqrt(len(gains))),
                synthetic_bcubed_f1=_on_albums(candidate, synthetic, sum(thresholds) / 2),
                milliseconds=1000 * seconds / len(checks),
            )
        )
    sizes = [len(pile.faces) for half in halves for pile in half.checks]
    return GroupingComparison(
        faces=len(labels),
        people=len(np.unique(labels)),
        piles=len(sizes),
        pile_faces=(min(sizes), max(sizes)),
        results=tuple(results),
        missing=tuple(missing),
    )


class _Half:
    """The faces of half of the people, with piles to tune on and others to check on."""

    def __init__(self, vectors: Vectors, labels: Labels, seed: int) -> None:
        self._vectors, self._labels = vectors, labels
        piles = draw_piles(labels, TUNING_PILES + CHECK_PILES, seed=seed)
        self._tuning, self.checks = piles[:TUNING_PILES], piles[TUNING_PILES:]
        scores, same = all_pair_scores(vectors, labels)
        low, high = np.quantile(scores[~same], [1 - far for far in FAR_RANGE])
        self._thresholds = np.linspace(low, high, TRIALS).round(4).tolist()

    def best(self, candidate: Candidate) -> float:
        """The threshold of the highest mean BCubed F on the tuning piles."""
        means = [
            np.mean([self._measure(candidate, pile, threshold)[0] for pile in self._tuning])
            for threshold in self._thresholds
        ]
        return float(self._thresholds[int(np.argmax(means))])

    def check(self, candidate: Candidate, threshold: float) -> NDArray[np.float64]:
        """(piles, 3) BCubed F, pairwise F, edits a hundred faces."""
        return np.array([self._measure(candidate, pile, threshold) for pile in self.checks])

    def _measure(
        self, candidate: Candidate, pile: Pile, threshold: float
    ) -> tuple[float, float, float]:
        found = candidate.group(self._vectors[pile.faces], pile.photos, threshold)
        scores = evaluate_clustering(found, self._labels[pile.faces])
        edits = 100 * scores.edits.corrections / len(found)
        return scores.bcubed.f1, scores.pairwise.f1, edits


def _on_albums(
    candidate: Candidate, albums: Sequence[LabelledVectors], threshold: float
) -> float | None:
    values = [
        evaluate_clustering(
            candidate.group(album.vectors, album.photos, threshold), album.labels
        ).bcubed.f1
        for album in albums
    ]
    return float(np.mean(values)) if values else None
