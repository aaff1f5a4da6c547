"""Clustering metrics against scikit-learn, brute force and their definitions."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import v_measure_score
from sklearn.metrics.cluster import pair_confusion_matrix

from faceflow_ml.evaluation.clustering import (
    UserEdits,
    bcubed,
    evaluate_clustering,
    pairwise,
    purity,
    user_edits,
    v_measure,
)

FACES = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=25)


def split(faces: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([a for a, _ in faces]), np.array([b for _, b in faces])


def alone(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """-1 as labels of their own."""
    return np.where(labels < 0, 1000 + np.arange(len(labels)), labels)


@given(FACES)
def test_against_scikit_learn(faces: list[tuple[int, int]]) -> None:
    labels, truth = split(faces)
    expected = v_measure_score(alone(truth), alone(labels))
    assert v_measure(labels, truth) == pytest.approx(expected, abs=1e-9)

    (_, wrong), (missed, right) = pair_confusion_matrix(alone(truth), alone(labels))
    result = pairwise(labels, truth)
    assert result.precision == pytest.approx(right / (right + wrong) if right + wrong else 1)
    assert result.recall == pytest.approx(right / (right + missed) if right + missed else 1)


@given(FACES)
def test_bcubed_and_purity_by_definition(faces: list[tuple[int, int]]) -> None:
    labels, truth = split(faces)
    group, person = alone(labels), alone(truth)
    same_group, same_person = group[:, None] == group, person[:, None] == person
    both = (same_group & same_person).sum(axis=1)
    result = bcubed(labels, truth)
    assert result.precision == pytest.approx((both / same_group.sum(axis=1)).mean())
    assert result.recall == pytest.approx((both / same_person.sum(axis=1)).mean())
    largest = sum(np.bincount(person[group == g]).max() for g in np.unique(group))
    assert purity(labels, truth) == pytest.approx(largest / len(faces))


@given(FACES, st.randoms(use_true_random=False))
def test_order_and_names_do_not_matter(faces: list[tuple[int, int]], random: object) -> None:
    labels, truth = split(faces)
    order = list(range(len(faces)))
    random.shuffle(order)  # type: ignore[attr-defined]
    renamed = np.where(labels < 0, -1, 7 * ((labels + 3) % 5))
    a = evaluate_clustering(labels, truth)
    b = evaluate_clustering(renamed[order], truth[order])
    assert a.edits == b.edits and (a.groups, a.unassigned) == (b.groups, b.unassigned)
    for measure in ("bcubed", "pairwise"):
        assert getattr(a, measure).precision == pytest.approx(getattr(b, measure).precision)
        assert getattr(a, measure).recall == pytest.approx(getattr(b, measure).recall)
    assert (a.purity, a.v_measure) == pytest.approx((b.purity, b.v_measure))


@given(FACES)
def test_ranges(faces: list[tuple[int, int]]) -> None:
    scores = evaluate_clustering(*split(faces))
    for value in (
        scores.purity,
        scores.v_measure,
        *(getattr(m, f) for m in (scores.bcubed, scores.pairwise) for f in _FIELDS),
    ):
        assert 0 <= value <= 1 + 1e-12
    assert min(scores.edits.joins, scores.edits.splits, scores.edits.names) >= 0


_FIELDS = ("precision", "recall", "f1")


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=25))
def test_the_truth_is_perfect(people: list[int]) -> None:
    truth = np.array(people)
    scores = evaluate_clustering(truth, truth)
    assert scores.bcubed.f1 == scores.pairwise.f1 == pytest.approx(1)
    assert scores.purity == scores.v_measure == pytest.approx(1)
    assert scores.edits.corrections == 0
    assert scores.edits.total == sum(people.count(k) >= 2 for k in range(5))


@given(FACES)
def test_corrections_are_zero_only_for_the_truth(faces: list[tuple[int, int]]) -> None:
    labels, truth = split(faces)
    group, person = alone(labels), alone(truth)
    right = np.array_equal(group[:, None] == group, person[:, None] == person)
    assert (user_edits(labels, truth).corrections == 0) == right


def test_edits_by_example() -> None:
    assert user_edits([0, 0, 1, 1], [5, 5, 5, 5]) == UserEdits(joins=1, splits=0, names=1)
    assert user_edits([0, 0, 0, 0], [5, 5, 6, 6]) == UserEdits(joins=0, splits=1, names=2)
    # Two people in one group and one alone in another: both can keep a home, one join each way.
    assert user_edits([0, 0, 1, 1], [5, 6, 5, 6]) == UserEdits(joins=2, splits=0, names=2)
    assert user_edits([-1, -1, -1], [5, 5, 6]) == UserEdits(joins=1, splits=0, names=1)
    assert UserEdits(joins=2, splits=1, names=4).total == 7


State = frozenset[frozenset[int]]


def _fewest_operations(start: State, goal: State, person: list[int]) -> int:
    """Breadth-first search over groupings: move one person's faces of a group, or merge."""

    def following(state: State) -> set[State]:
        result = set()
        for group in state:
            rest = state - {group}
            for who in {person[f] for f in group}:
                piece = frozenset(f for f in group if person[f] == who)
                left = frozenset({group - piece} - {frozenset()})
                result.add(rest | left | {piece})
                result |= {(rest - {other}) | left | {other | piece} for other in rest}
        return result

    seen, queue = {start}, deque([(start, 0)])
    while queue:
        state, steps = queue.popleft()
        if state == goal:
            return steps
        for other in following(state) - seen:
            seen.add(other)
            queue.append((other, steps + 1))
    raise AssertionError("unreachable")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))
def test_edits_are_the_fewest_possible(faces: list[tuple[int, int]]) -> None:
    labels, truth = split(faces)

    def groups(values: NDArray[np.int64]) -> State:
        return frozenset(frozenset(np.flatnonzero(values == v).tolist()) for v in set(values))

    expected = _fewest_operations(groups(labels), groups(truth), truth.tolist())
    assert user_edits(labels, truth).corrections == expected


def test_no_faces() -> None:
    scores = evaluate_clustering(np.empty(0, np.int64), np.empty(0, np.int64))
    assert scores.bcubed.f1 == scores.pairwise.f1 == scores.purity == scores.v_measure == 1
    assert scores.edits.total == 0 and scores.faces == 0


@pytest.mark.parametrize(
    ("labels", "truth", "message"),
    [
        ([0, 1], [0], "shapes"),
        ([[0, 1]], [[0, 1]], "shapes"),
        ([0.0], [0], "labels must be integers"),
        ([0], [-2], "truth must be -1 or more"),
    ],
)
def test_bad_input(labels: list[int], truth: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_clustering(labels, truth)
