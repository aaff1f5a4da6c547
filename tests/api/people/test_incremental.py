"""Photos that come to a large album: only they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pile import Pile, new_album, open_pile

from api.domain import edits, people
from api.domain.centers import centers_of
from api.domain.certainty import default_model, face_confidence
from api.domain.people import refresh
from api.domain.vectors import Vectors


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pile:
    """An album that was grouped, and counts as large from now on."""
    services = open_pile(tmp_path)
    pile = Pile(services, new_album(services), people=5)
    pile.photos(30)
    refresh(services, pile.album)
    monkeypatch.setattr(people, "SMALL", 0)
    monkeypatch.setattr(people, "GROWTH", 10.0)

    def unread(*_: object) -> None:
        raise AssertionError("every vector is read")

    monkeypatch.setattr(Vectors, "all", unread)
    return pile


def _check_centers(pile: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of the clusters is what their faces say."""
    monkeypatch.undo()
    now = pile.now()
    vectors = Vectors(pile.services, pile.album, "c1").all(now)
    wanted = np.zeros((len(now.persons), vectors.shape[1]), np.float32)
    member = now.mode >= 0
    np.add.at(wanted, now.mode[member], vectors[member])
    assert np.allclose(centers_of(pile.services, pile.album, now).sums, wanted, atol=1e-2)
    pile.services.memory.clear()
    assert np.allclose(centers_of(pile.services, pile.album, pile.now()).sums, wanted, atol=1e-2)


def test_new_faces_join_and_found_people(large: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = large.groups()
    fresh = [face for person in (0, 1, 2, 3, 4) for face in large.photo([person])]
    stranger = np.random.default_rng(5).normal(size=512)
    large.centers[0] = stranger / np.linalg.norm(stranger)
    unknown = [face for _ in range(4) for face in large.photo([0])]
    refresh(large.services, large.album)
    groups = large.groups()
    owner = {face: cluster for cluster, faces in groups.items() for face in faces}
    for face in fresh:
        friends = groups[owner[face]] - {face}
        assert {large.truth[friend] for friend in friends} == {large.truth[face]}
        assert friends & before[owner[face]]
    assert len({owner[face] for face in unknown}) == 1
    assert owner[unknown[0]] not in before
    large.check_rows()
    large.check_photos()

    # As sure as if everybody had been looked at.
    monkeypatch.undo()
    now = large.now()
    vectors = Vectors(large.services, large.album, "c1").all(now)
    names = [None if (p := now.person_of(k)) is None else p.id for k in range(len(now.table))]
    sure = face_confidence(vectors, names, default_model(0.35))
    for face in fresh + unknown:
        k = now.table.number[face]
        assert float(now.confidence[k]) == pytest.approx(float(sure[k]), abs=2e-3)
    _check_centers(large, monkeypatch)


def test_between_decisions_the_centers_follow(large: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = (large.of_person(k) for k in range(3))
    edits.merge(large.services, large.album, [a, b])
    large.photos(3)
    refresh(large.services, large.album)
    edits.split(large.services, large.album, c, sorted(large.groups()[c])[:3])
    large.photos(3)
    refresh(large.services, large.album)
    assert {large.truth[face] for face in large.groups()[a]} == {0, 1}
    large.check_rows()
    _check_centers(large, monkeypatch)
