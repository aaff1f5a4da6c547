"""Confidence intervals where pairs share faces: people, not pairs, are resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.evaluation.verification import Interval, all_pair_scores, tar_at_far

_HEADROOM = 8
"""How many times the false accept rate asked for of the highest impostor scores is kept: more
than a resampling ever needs."""


def tar_interval_over_identities(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    far: float,
    *,
    samples: int = 200,
    seed: int = 0,
) -> Interval:
    """`tar_at_far` over all pairs, with a 95% bootstrap interval over people.

    All pairs of a few thousand faces are millions, but they are not independent: an interval over
    pairs would be far too narrow. See `tar_over_resampled_people`.

    Args:
        vectors: (n, d) L2-normalised.
        labels: (n,) who each face is.
        far: false accept rate, in (0, 1).

    Raises:
        ValueError: there are no two faces of one person, or only one person.
    """
    value = tar_at_far(*all_pair_scores(vectors, labels), far)
    values = tar_over_resampled_people(vectors, labels, far, samples=samples, seed=seed)
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    return Interval(value, float(low), float(high))


def tar_over_resampled_people(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    far: float,
    *,
    samples: int = 200,
    seed: int = 0,
) -> NDArray[np.float64]:
    """`tar_at_far` in each of ``samples`` bootstrap samples of the people, ``(samples,)``.

    People are drawn with replacement, each with all their faces; someone drawn twice counts twice,
    and a pair of two people the product of their counts. Equal seeds draw equal people, whatever
    the vectors: two embedders compared sample by sample are compared in pairs. NaN where nobody
    who was drawn has two faces.

    Args and errors are those of `tar_interval_over_identities`.
    """
    scores, same = all_pair_scores(vectors, labels)
    if not same.any() or same.all():
        raise ValueError("verification needs pairs of the same person and of different people")
    people, identity = np.unique(labels, return_inverse=True)
    first, second = np.triu_indices(len(vectors), 1)

    genuine = np.flatnonzero(same)
    genuine = genuine[np.argsort(-scores[genuine], kind="stable")]
    impostor = np.flatnonzero(~same)
    kept = min(len(impostor), int(np.ceil(_HEADROOM * far * len(impostor))) + 100)
    head = np.argpartition(-scores[impostor], kept - 1)[:kept]
    impostor = impostor[head]
    impostor = impostor[np.argsort(-scores[impostor], kind="stable")]
    owner = identity[first[genuine]]
    left, right = identity[first[impostor]], identity[second[impostor]]
    genuine_scores, impostor_scores = scores[genuine], scores[impostor]

    faces = np.bincount(identity)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        count = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
        weight = count * faces
        pairs = (weight.sum() ** 2 - (weight**2).sum()) / 2
        accepted = np.cumsum(count[left] * count[right])
        beyond = np.flatnonzero(accepted > far * pairs)
        # Accept strictly above the first impostor that is one too many.
        limit = impostor_scores[beyond[0]] if len(beyond) else impostor_scores[-1]
        total = count[owner].sum()
        accepted_genuine = count[owner][genuine_scores > limit].sum()
        values.append(accepted_genuine / total if total else np.nan)
    return np.array(values, np.float64)
