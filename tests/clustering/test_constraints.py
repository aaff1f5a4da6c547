"""Must-link and cannot-link closure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflow_ml.clustering.constraints import UnionFind, photo_codes, resolve_constraints

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15)


@given(PAIRS)
def test_union_find_is_reachability(pairs: list[tuple[int, int]]) -> None:
    sets = UnionFind(10)
    reach = np.eye(10, dtype=bool)
    for i, j in pairs:
        sets.union(i, j)
        reach[i, j] = reach[j, i] = True
    for _ in range(4):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    labels = sets.labels()
    assert np.array_equal(labels[:, None] == labels, reach)


@given(PAIRS)
def test_labels_are_numbered_by_first_member(pairs: list[tuple[int, int]]) -> None:
    sets = UnionFind(10)
    for i, j in pairs:
        sets.union(i, j)
    labels = sets.labels().tolist()
    assert list(dict.fromkeys(labels)) == list(range(max(labels) + 1))


def test_cannot_links_are_lifted_to_units() -> None:
    photos = np.array([7, 8, 7, 9])
    constraints = resolve_constraints(4, photos, must_link=[(0, 1)], cannot_link=[(1, 3)])
    assert constraints.unit.tolist() == [0, 0, 1, 2]
    assert constraints.photos == (frozenset({7, 8}), frozenset({7}), frozenset({9}))
    assert constraints.forbidden == (frozenset({2}), frozenset(), frozenset({0}))


def test_contradiction_through_closure_names_the_pair() -> None:
    with pytest.raises(ValueError, match=r"\(4, 0\) contradicts"):
        resolve_constraints(5, must_link=[(0, 2), (2, 4)], cannot_link=[(1, 3), (4, 0)])


def test_a_face_cannot_be_separated_from_itself() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1\) contradicts"):
        resolve_constraints(2, cannot_link=[(1, 1)])


@pytest.mark.parametrize("pair", [(0, 3), (-1, 0), (0,), (0, 1, 2), (0.5, 1), 3])
def test_malformed_pairs(pair: object) -> None:
    with pytest.raises(ValueError, match="must_link"):
        resolve_constraints(3, must_link=[pair])  # type: ignore[list-item]


@given(PAIRS, PAIRS, st.permutations(range(10)))
def test_taking_another_order_keeps_the_constraints(
    must: list[tuple[int, int]], cannot: list[tuple[int, int]], order: list[int]
) -> None:
    photos = np.arange(10) % 4
    try:
        before = resolve_constraints(10, photos, must, cannot)
    except ValueError:
        return
    rank = np.argsort(order)
    moved = [[(int(rank[i]), int(rank[j])) for i, j in pairs] for pairs in (must, cannot)]
    assert before.take(np.array(order)) == _same(resolve_constraints(10, photos[order], *moved))


def _same(constraints: object) -> object:
    """An object equal to constraints of equal content: dataclass equality trips on arrays."""

    class Equal:
        def __eq__(self, other: object) -> bool:
            return (
                other.unit.tolist() == constraints.unit.tolist()  # type: ignore[attr-defined]
                and other.photos == constraints.photos  # type: ignore[attr-defined]
                and other.forbidden == constraints.forbidden  # type: ignore[attr-defined]
            )

    return Equal()


def test_photo_codes() -> None:
    assert photo_codes(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    assert len(set(photo_codes(None, 3).tolist())) == 3
    with pytest.raises(ValueError, match="one id for each of 3"):
        photo_codes(["a"], 3)
    with pytest.raises(ValueError, match="strings or all integers"):
        photo_codes([None, "a"], 2)
