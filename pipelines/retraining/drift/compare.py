"""Comparing what comes in with the baseline; thresholds by a bootstrap of the baseline.

How far apart two samples of the same distribution lie by chance depends on their size, and on how
many people they are of: faces of one person are alike. So the baseline is cut in two at random,
whole people at a time; as many people as the current faces are of, with about as many faces each,
are drawn from one half and compared with the other (a block bootstrap, m out of n without
replacement). Drift is what so rarely comes of chance, and is not too small to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from faceflow_ml.errors import FaceFlowError
from pipelines.retraining.drift.observations import (
    Features,
    Observations,
    TooFewError,
    features,
)
from pipelines.retraining.drift.statistics import (
    bin_edges,
    gaussian_kernel,
    kolmogorov_smirnov,
    population_stability_index,
    shares,
    squared_mmd,
)

Statistic = Literal["psi", "ks", "mmd"]
_KERNEL_POINTS = 300


class DriftConfig(BaseModel):
    """How drift is told.

    false_alarms: how often there is one anyway, over all statistics together.
    least_psi, least_ks: below it a difference does not matter, however certain it is.
    samples: of the bootstrap.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_alarms: float = Field(0.05, gt=0, lt=0.5)
    least_psi: float = Field(0.1, ge=0)
    least_ks: float = Field(0.1, ge=0, le=1)
    samples: int = Field(200, ge=20)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class Test:
    """One statistic of one feature; drifted if the value is over the threshold."""

    feature: str
    statistic: Statistic
    value: float
    threshold: float

    @property
    def drifted(self) -> bool:
        """Is it over the threshold?"""
        return self.value > self.threshold


@dataclass(frozen=True, eq=False)
class Drift:
    """The result. baseline and current are what was compared, for plots."""

    tests: tuple[Test, ...]
    baseline: Features
    current: Features
    faces: tuple[int, int]
    people: tuple[int, int]

    @property
    def drifted(self) -> bool:
        """Did anything drift?"""
        return any(test.drifted for test in self.tests)


def compare(baseline: Observations, current: Observations, config: DriftConfig) -> Drift:
    """Compare two sets of faces.

    Raises:
        TooFewError: the baseline is of too few people.
        FaceFlowError: they are of two embedders, whose vectors and norms do not compare.
    """
    if baseline.contract != current.contract:
        raise FaceFlowError(
            f"the baseline is of embedder {baseline.contract}, these faces of {current.contract}: "
            "make the baseline anew with the embedder of today"
        )
    reference = features(baseline)
    now = features(current, reference.center)
    values = _distances(reference, now) | {
        ("embedding", "mmd"): _Kernel(baseline, current, config.seed).observed()
    }
    null = _null(baseline, current, config)
    # Bonferroni, since one of many statistics is over its threshold sooner or later.
    level = 1 - config.false_alarms / max(1, len(values))
    floors: dict[Statistic, float] = {"psi": config.least_psi, "ks": config.least_ks, "mmd": 0.0}
    tests = []
    for (feature, statistic), value in values.items():
        drawn = null.get((feature, statistic), [])
        if drawn:
            chance = float(np.quantile(drawn, level))
            tests.append(Test(feature, statistic, value, max(chance, floors[statistic])))
    return Drift(
        tuple(tests),
        reference,
        now,
        (len(baseline), len(current)),
        (_people(baseline), _people(current)),
    )


_Key = tuple[str, Statistic]


def _people(seen: Observations) -> int:
    return len(np.unique(seen.blocks))


def _distances(reference: Features, other: Features) -> dict[_Key, float]:
    found: dict[_Key, float] = {}
    for name, values in reference.values.items():
        if name in other.values:
            edges = bin_edges(values)
            expected, actual = shares(values, edges), shares(other.values[name], edges)
            found[name, "psi"] = population_stability_index(expected, actual)
            found[name, "ks"] = kolmogorov_smirnov(values, other.values[name])
    return found


class _Kernel:
    """MMD of vectors, over points drawn once: the kernel is what takes time."""

    def __init__(self, first: Observations, second: Observations, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        rows = [_drawn(seen, _KERNEL_POINTS, rng) for seen in (first, second)]
        points = np.concatenate([first.vectors[rows[0]], second.vectors[rows[1]]])
        self._kernel = gaussian_kernel(points, points)
        self._first = np.arange(len(rows[0]))
        self._second = np.arange(len(rows[0]), len(points))

    def observed(self) -> float:
        """Between the two."""
        return squared_mmd(self._kernel, self._first, self._second)


def _drawn(seen: Observations, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    rows = np.arange(len(seen))
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _null(
    baseline: Observations, current: Observations, config: DriftConfig
) -> dict[_Key, list[float]]:
    """Distances that come of chance alone."""
    rng = np.random.default_rng([config.seed, 2])
    people = [np.flatnonzero(baseline.blocks == block) for block in np.unique(baseline.blocks)]
    if len(people) < 4:
        raise TooFewError(
            f"the baseline is of {len(people)} people: too few to tell drift from chance"
        )
    found: dict[_Key, list[float]] = {}
    for _ in range(config.samples):
        order = rng.permutation(len(people))
        half = len(people) // 2
        kept = baseline.take(np.concatenate([people[k] for k in order[:half]]))
        drawn = baseline.take(_draw([people[k] for k in order[half:]], current, rng))
        reference = features(kept)
        values = _distances(reference, features(drawn, reference.center))
        values["embedding", "mmd"] = _Kernel(kept, drawn, config.seed).observed()
        for key, value in values.items():
            found.setdefault(key, []).append(value)
    return found


def _draw(
    people: list[NDArray[np.intp]], current: Observations, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of as many people as the current faces are of, with as many faces each, as far as there
    are: fewer make the thresholds higher, never lower."""
    count = _people(current)
    each = -(-len(current) // count)
    return np.concatenate([rng.permutation(rows)[:each] for rows in people[:count]])
