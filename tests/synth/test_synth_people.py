"""Fictional people: sampling, determinism, and how different they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from faceflow_ml.data.synth.casting import cast_photos, distinct_people, trait_vector
from faceflow_ml.data.synth.people import sample_appearance, sample_person


def test_equal_seeds_give_equal_people_and_appearances() -> None:
    first, second = sample_person(5), sample_person(np.random.default_rng(5))
    assert first == second
    assert hash(first) == hash(second)
    draws = [sample_appearance(first, np.random.default_rng(9)) for _ in range(2)]
    assert draws[0] == draws[1]
    assert sample_person(6) != first


def test_people_are_frozen_and_take_a_given_name() -> None:
    person = sample_person(1, "person-01")
    assert person.identity == "person-01"
    with pytest.raises(dataclasses.FrozenInstanceError):
        person.age = 3.0  # type: ignore[misc]


def test_traits_stay_in_their_ranges() -> None:
    for seed in range(200):
        person = sample_person(seed)
        assert 18 <= person.age <= 80
        assert all(0 <= c <= 1 for c in (*person.skin, *person.hair_color, *person.iris))
        assert 56 <= person.eye_distance <= 69
        assert 4 < person.eye_opening < 14
        assert person.upper_lip > 2
        assert person.femininity < 0.5 or person.beard == "none"


def test_appearance_pose_scales() -> None:
    person, rng = sample_person(3), np.random.default_rng(0)
    still = [sample_appearance(person, rng, pose=0.0) for _ in range(5)]
    assert all((a.yaw, a.pitch, a.roll) == (0, 0, 0) for a in still)
    yaws = [abs(sample_appearance(person, rng).yaw) for _ in range(200)]
    assert max(yaws) > 30
    with pytest.raises(ValueError, match="pose"):
        sample_appearance(person, rng, pose=-1.0)


def test_a_cast_differs_more_than_a_random_crowd_and_grows_at_its_end() -> None:
    def nearest(people: list) -> float:
        traits = [trait_vector(person) for person in people]
        return min(float(np.abs(a - b).mean()) for i, a in enumerate(traits) for b in traits[:i])

    cast = distinct_people(10, seed=4)
    crowd = [sample_person(np.random.default_rng([4, 1, k, 0])) for k in range(10)]
    assert nearest(cast) > nearest(crowd)
    assert distinct_people(4, seed=4) == cast[:4]
    assert [person.identity for person in cast[:2]] == ["person-01", "person-02"]


def test_everyone_gets_a_turn_in_front_of_the_camera() -> None:
    groups = cast_photos(6, 20, (1, 3), np.random.default_rng(0))
    assert all(1 <= len(group) <= 3 and len(set(group)) == len(group) for group in groups)
    counts = np.bincount(np.concatenate(groups), minlength=6)
    assert counts.min() >= counts.max() - 2
    assert all(len(group) == 2 for group in cast_photos(2, 5, (4, 9), np.random.default_rng(0)))
