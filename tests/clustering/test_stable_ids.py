"""Ids across re-clusterings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflow_ml.clustering.stable_ids import StableIds, format_id, match_groups, next_free_number


def test_first_run() -> None:
    assert match_groups({}, ["a", "b", "c"], np.array([0, -1, 1])) == StableIds(("p001", "p002"), 3)


def test_the_larger_part_of_a_split_keeps_the_id() -> None:
    old = dict.fromkeys("abcde", "p004")
    result = match_groups(old, list("abcde"), np.array([0, 0, 1, 1, 1]))
    assert result == StableIds(("p005", "p004"), 6)


def test_a_merge_keeps_the_id_of_the_larger_part() -> None:
    old = {"a": "p001", "b": "p002", "c": "p002"}
    assert match_groups(old, list("abc"), np.array([0, 0, 0])).ids == ("p002",)


def test_ids_of_vanished_groups_are_not_given_again() -> None:
    first = match_groups({}, ["a", "b"], np.array([0, 1]))
    assert first.ids == ("p001", "p002")
    second = match_groups({"a": "p001"}, ["a"], np.array([0]), next_number=first.next_number)
    third = match_groups(
        {"a": "p001"}, ["a", "z"], np.array([0, 1]), next_number=second.next_number
    )
    assert third.ids == ("p001", "p003")


def test_total_overlap_counts_not_the_greedy_choice() -> None:
    # Label 0 overlaps p001 by 3 and p002 by 2, label 1 overlaps p001 by 2 only.
    old = {"a": "p001", "b": "p001", "c": "p001", "d": "p002", "e": "p002"} | {
        "f": "p001",
        "g": "p001",
    }
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    assert match_groups(old, list("abcdefg"), labels).ids == ("p002", "p001")


def test_foreign_ids_are_kept() -> None:
    result = match_groups({"a": "grandma", "b": None}, ["a", "b"], np.array([0, 1]))
    assert result.ids == ("grandma", "p001")


@pytest.mark.parametrize(
    ("faces", "labels"),
    [(["a"], [0, 1]), (["a", "a"], [0, 1]), (["a", "b"], [0, 2]), (["a", "b"], [0, -2])],
)
def test_bad_input(faces: list[str], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"face_ids|labels"):
        match_groups({}, faces, np.array(labels))


def test_id_format() -> None:
    assert format_id(12) == "p012"
    assert next_free_number(["p1234", "p009", "px"]) == 1235


LABELS = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 3)), max_size=14)


@given(LABELS)
def test_matching_is_optimal_and_ids_are_unique(faces: list[tuple[int, int]]) -> None:
    raw_old = np.array([o for o, _ in faces], dtype=np.int64)
    raw_new = np.array([n for _, n in faces], dtype=np.int64)
    kept = np.unique(raw_new[raw_new >= 0])
    labels = np.array([int(np.searchsorted(kept, x)) if x >= 0 else -1 for x in raw_new])
    names = [str(i) for i in range(len(faces))]
    old = {
        face: format_id(o + 1) if o >= 0 else None
        for face, o in zip(names, raw_old.tolist(), strict=True)
    }
    result = match_groups(old, names, labels.astype(np.int64), next_number=6)

    assert len(result.ids) == len(kept) == len(set(result.ids))
    table = np.zeros((5, 5), dtype=int)
    for o, label in zip(raw_old, labels, strict=True):
        if o >= 0 and label >= 0:
            table[label, o] += 1
    kept_faces = sum(
        table[label, int(name[1:]) - 1]
        for label, name in enumerate(result.ids)
        if int(name[1:]) <= 5
    )
    assert kept_faces == max(
        sum(table[i, p] for i, p in enumerate(perm)) for perm in permutations(range(5))
    )
    for label, name in enumerate(result.ids):
        if int(name[1:]) <= 5:
            assert table[label, int(name[1:]) - 1] > 0
