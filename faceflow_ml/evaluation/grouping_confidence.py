"""Fit the confidence of groups on piles of labelled faces, and measure how true it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.clustering.batch import cluster_faces
from faceflow_ml.clustering.confidence import (
    ConfidenceModel,
    FloatArray,
    gather_evidence,
    probability,
)
from faceflow_ml.evaluation.logistic import fit_logistic
from faceflow_ml.evaluation.piles import Pile, draw_piles, split_people
from faceflow_ml.evaluation.reliability import Reliability, reliability

PILES = 40


@dataclass(frozen=True)
class Outcomes:
    """What the groups of some piles looked like, and what was true of them.

    members (f, 4) and groups (k, 5): see `faceflow_ml.clustering.confidence.Evidence`.
    right (f,): the face is the person whom most faces of its group are. pure (k,): the group holds
    one person only.
    """

    members: FloatArray
    right: NDArray[np.bool_]
    groups: FloatArray
    pure: NDArray[np.bool_]


@dataclass(frozen=True)
class ConfidenceQuality:
    """Of groups and of the faces in them, on people that the weights were not fitted on."""

    groups: Reliability
    members: Reliability


def measure_confidence(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], threshold: float, *, seed: int = 0
) -> ConfidenceQuality:
    """Fit on piles of one half of the people, predict those of the other, and the reverse."""
    outcomes = [
        group_piles(
            vectors[part], labels[part], draw_piles(labels[part], PILES, seed=seed), threshold
        )
        for part in split_people(labels, seed=seed)
    ]
    groups, pure, members, right = [], [], [], []
    for fitted, held_out in (outcomes, outcomes[::-1]):
        model = fit_confidence(fitted)
        groups.append(probability(held_out.groups, model.group_weights()))
        members.append(probability(held_out.members, model.member_weights()))
        pure.append(held_out.pure)
        right.append(held_out.right)
    return ConfidenceQuality(
        reliability(np.concatenate(groups), np.concatenate(pure)),
        reliability(np.concatenate(members), np.concatenate(right)),
    )


def group_piles(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    piles: Sequence[Pile],
    threshold: float,
) -> Outcomes:
    """Group piles as an album is grouped, and compare with the truth."""
    parts = []
    for pile in piles:
        found = cluster_faces(vectors[pile.faces], pile.photos, threshold=threshold)
        evidence = gather_evidence(vectors[pile.faces], found)
        group = found[evidence.faces]
        _, person = np.unique(labels[pile.faces][evidence.faces], return_inverse=True)
        table = np.zeros((len(evidence.groups), int(person.max(initial=-1)) + 1), dtype=np.int64)
        np.add.at(table, (group, person), 1)
        most = table.max(axis=1, initial=0)
        parts.append(
            Outcomes(
                members=evidence.members,
                # Of equally many, each is right: who the group is of is then open.
                right=table[group, person] == most[group],
                groups=evidence.groups,
                pure=most == table.sum(axis=1),
            )
        )
    return Outcomes(
        np.concatenate([part.members for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.groups for part in parts]),
        np.concatenate([part.pure for part in parts]),
    )


def fit_confidence(outcomes: Outcomes) -> ConfidenceModel:
    """Two logistic regressions, of `Outcomes.right` and of `Outcomes.pure`."""
    weights = np.concatenate(
        [
            fit_logistic(outcomes.members, outcomes.right),
            fit_logistic(outcomes.groups, outcomes.pure),
        ]
    )
    return ConfidenceModel(*weights.round(4).tolist())
