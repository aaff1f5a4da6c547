"""Faces put together from two people: the same part of the same other one in every photo."""

from __future__ import annotations

import numpy as np
import pytest

from faceflow_ml.data.face_parts import PARTS, CombinedFaces, part_masks
from faceflow_ml.data.identities import IdentityCache
from faceflow_ml.inference.embedder import FaceEmbedder

PEOPLE, FACES = 12, 4  # of the fixture `twelve_people`


@pytest.fixture(scope="module")
def combined(twelve_people: IdentityCache) -> CombinedFaces:
    return CombinedFaces(twelve_people, 2)


def test_parts_cover_a_face_in_part() -> None:
    for mask in part_masks():
        assert mask.max() > 0.95
        assert mask.min() < 0.05
        assert 0.1 < mask.mean() < 0.5
        np.testing.assert_allclose(mask[:, 1:], mask[:, :0:-1], atol=1e-5)  # about column 56


def test_everybody_is_there_as_they_are_and_put_together(
    twelve_people: IdentityCache, combined: CombinedFaces
) -> None:
    assert len(combined) == 3 * len(twelve_people)
    assert len(set(combined.names)) == len(combined.names) == 3 * PEOPLE
    assert np.bincount(combined.labels).tolist() == [FACES] * 3 * PEOPLE
    np.testing.assert_array_equal(combined.images[5], twelve_people.images[5])
    every = combined.images[range(len(combined))]
    assert every.shape == (len(combined), 112, 112, 3)
    assert every.dtype == np.uint8


def test_what_is_outside_of_the_part_stays(
    twelve_people: IdentityCache, combined: CombinedFaces
) -> None:
    for position in range(len(twelve_people), len(combined)):
        name = combined.names[combined.labels[position]]
        own, rest = name.split("+", 1)
        other, part = rest.rsplit("~", 1)[0].rsplit("/", 1)
        assert own in twelve_people.names
        assert other in set(twelve_people.names) - {own}
        photos = twelve_people.images[twelve_people.labels == twelve_people.names.index(own)]
        outside = part_masks()[PARTS.index(part)] < 1e-3
        changed = np.abs(photos.astype(int) - combined.images[position])
        same = changed[:, outside].max(axis=(1, 2)) <= 1
        assert same.sum() == 1  # a photo of that person's, with something of its own inside
        assert changed[same][:, ~outside].max() > 20


def test_the_same_part_makes_the_same_other_person(
    twelve_people: IdentityCache, combined: CombinedFaces
) -> None:
    every = combined.images[range(len(combined))]
    vectors = FaceEmbedder.from_pretrained().embed(every)
    similar = vectors @ vectors.T
    # Other photos of the same person, and those of the person who gave all but the part.
    own = combined.labels[:, None] == combined.labels
    given = combined.labels[:, None] % PEOPLE == combined.labels[None]
    for photo in range(len(twelve_people)):
        own[photo :: len(twelve_people), photo :: len(twelve_people)] = False
        given[photo :: len(twelve_people), photo] = False
    third = slice(len(twelve_people), None)
    assert similar[third][own[third]].mean() > similar[third][given[third]].mean() + 0.05


def test_people_of_few_photos_are_left_alone(twelve_people: IdentityCache) -> None:
    """Of a person of two photos a third would have two: they and who is alone stay as they are."""
    some = IdentityCache(twelve_people.folder)
    some.labels = np.array([0, 0, 1] + [2] * (len(twelve_people) - 3))
    some.names = ["a", "b", "c"]
    assert CombinedFaces(some, 1).names == some.names
    some.labels = np.array([0, 0, 1] + [2] * 3 + [3] * (len(twelve_people) - 6))
    some.names = ["a", "b", "c", "d"]
    names = CombinedFaces(some, 1).names
    assert [name.split("/")[0] for name in names] == ["a", "b", "c", "d", "c+d", "d+c"]
