"""Faces in other shapes: smooth, aligned, one for all photos of a person, and another person."""

from __future__ import annotations

import numpy as np
import pytest

from faceflow_ml.data.face_shapes import (
    FaceShape,
    ReshapedFaces,
    shape_map,
    shape_maps,
)
from faceflow_ml.data.identities import IdentityCache
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE
from faceflow_ml.inference.embedder import FaceEmbedder

PEOPLE, FACES = 12, 4  # of the fixture `twelve_people`


def test_nothing_folds() -> None:
    """Neighbours stay neighbours, in their order, and each pixel comes from one place."""
    for shape in shape_maps(112):
        across, down = np.diff(shape, axis=1)[:-1], np.diff(shape, axis=0)[:, :-1]
        turned = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
        assert turned.min() > 0


def test_both_sides_of_a_face_are_drawn_alike() -> None:
    points = np.array([[50.0, 40.0], [30.0, 52.0], [44.0, 95.0]])
    mirrored = points * (-1, 1) + (112, 0)
    for seed in range(20):
        shape = FaceShape(seed)
        np.testing.assert_allclose(
            shape.source(mirrored), shape.source(points) * (-1, 1) + (112, 0)
        )


@pytest.mark.parametrize("size", [64, 112])
def test_drawn_faces_are_aligned_again(size: int) -> None:
    """What the landmarks lie on in the drawn face is on the whole where it was."""
    for seed in range(20):
        shape = shape_map(size, FaceShape(seed)) * (112 / size)
        place = [np.abs(shape - point).sum(axis=2).argmin() for point in ARCFACE_TEMPLATE]
        drawn = np.stack(np.divmod(place, size), axis=1)[:, ::-1] * (112 / size)
        assert np.linalg.norm((drawn - ARCFACE_TEMPLATE).mean(axis=0)) < 112 / size


def test_shapes_differ() -> None:
    moved = np.array([shape - shape_maps(112)[0] for shape in shape_maps(112)[1:]])
    assert np.linalg.norm(moved, axis=3).mean(axis=(1, 2)).min() > 1


def test_everybody_is_there_in_every_shape(twelve_people: IdentityCache) -> None:
    reshaped = ReshapedFaces(twelve_people, 2)
    assert len(reshaped) == 3 * len(twelve_people)
    assert len(set(reshaped.names)) == len(reshaped.names) == 3 * PEOPLE
    assert np.bincount(reshaped.labels).tolist() == [FACES] * 3 * PEOPLE
    np.testing.assert_array_equal(reshaped.images[5], twelve_people.images[5])
    for position in (5 + len(twelve_people), 5 + 2 * len(twelve_people)):
        base, version = reshaped.names[reshaped.labels[position]].rsplit("~", 1)
        assert base == twelve_people.names[twelve_people.labels[5]]
        assert int(version) == position // len(twelve_people)


def test_a_name_decides_on_the_shape(twelve_people: IdentityCache) -> None:
    """In another selection of people everybody has the same shapes: classes can be carried over."""
    reshaped = ReshapedFaces(twelve_people, 1)
    name = reshaped.names[reshaped.labels[-1]]
    assert (reshaped.images[-1] != twelve_people.images[-1]).any()
    fewer = IdentityCache(twelve_people.folder)
    fewer.labels, fewer.names = np.zeros_like(twelve_people.labels), [name.removesuffix("~1")]
    np.testing.assert_array_equal(ReshapedFaces(fewer, 1).images[-1], reshaped.images[-1])


def test_the_same_shape_makes_the_same_other_person(twelve_people: IdentityCache) -> None:
    reshaped = ReshapedFaces(twelve_people, 1)
    every = reshaped.images[range(len(reshaped))]
    vectors = FaceEmbedder.from_pretrained().embed(every)
    similar = vectors @ vectors.T
    others = ~np.eye(len(every), dtype=bool)
    own = reshaped.labels[:, None] == reshaped.labels
    origin = (reshaped.labels[:, None] - reshaped.labels) == PEOPLE
    assert similar[own & others].mean() > similar[origin].mean() + 0.1
