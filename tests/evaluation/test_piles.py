"""Piles to tune and check groupings on."""

from __future__ import annotations

import numpy as np

from faceflow_ml.evaluation.piles import PEOPLE, draw_piles, split_people

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(70), 25))


def test_no_person_is_in_both_halves() -> None:
    first, second = split_people(LABELS, seed=3)
    assert len(np.unique(LABELS[first])) == len(np.unique(LABELS[second])) == 35
    assert not np.isin(LABELS[first], LABELS[second]).any()
    assert len(first) + len(second) == len(LABELS)
    assert not np.array_equal(first, split_people(LABELS, seed=4)[0])


def test_piles_are_albums_with_long_tails() -> None:
    piles = draw_piles(LABELS, 30, seed=1)
    people = [len(np.unique(LABELS[pile.faces])) for pile in piles]
    assert PEOPLE[0] <= min(people) < 10 and 40 < max(people) <= PEOPLE[1]
    shares = []
    for pile in piles:
        assert len(np.unique(pile.faces)) == len(pile.faces) == len(pile.photos)
        sizes = np.bincount(LABELS[pile.faces])
        shares.append(np.mean(sizes[sizes > 0] == 1))
        seats = np.column_stack([pile.photos, LABELS[pile.faces]])
        assert len(np.unique(seats, axis=0)) == len(seats), "nobody is twice in a photo"
    assert 0.02 < np.mean(shares) < 0.4, "some people are strangers"
    shared = [len(pile.photos) - len(np.unique(pile.photos)) for pile in piles]
    assert 0.15 < sum(shared) / sum(len(pile.photos) for pile in piles) < 0.3


def test_piles_repeat_by_seed() -> None:
    first, again, other = (draw_piles(LABELS, 2, seed=seed)[1] for seed in (5, 5, 6))
    assert np.array_equal(first.faces, again.faces)
    assert np.array_equal(first.photos, again.photos)
    assert not np.array_equal(first.faces, other.faces)
