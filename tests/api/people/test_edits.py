from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from pile import Pile, VectorsOnly, new_album, open_pile

from api.domain import edits, suggestions
from api.domain.ledger import people_of, rebuild
from api.domain.memory import Memory
from api.domain.models import Face
from api.domain.people import leaves_alone, recluster, refresh, settle
from api.errors import BadRequest, Conflict, NotFound
from api.ids import new_id
from api.repositories.table import Delete, Update


def _restart(pile: Pile) -> Pile:
    """The same album in a process that remembers nothing."""
    return dataclasses.replace(pile, services=dataclasses.replace(pile.services, memory=Memory()))


def test_groups_are_the_people(pile: Pile) -> None:
    groups = pile.groups()
    assert len(groups) == 5
    for faces in groups.values():
        assert len({pile.truth[face] for face in faces}) == 1
    pile.check_rows()


def test_label_writes_no_face(pile: Pile) -> None:
    cluster = pile.of_person(0)
    outcome = edits.label(pile.services, pile.album, cluster, "  Anna ")
    assert len(outcome.changes.faces) == 0
    assert outcome.changes.clusters == (cluster,)
    assert pile.services.clusters.get(outcome_key(pile, cluster)).label == "Anna"
    pile.check_rows()


def outcome_key(pile: Pile, cluster: str):
    from api.domain.models import Cluster

    return Cluster.key_of(pile.album.id, cluster)


def test_merge_goes_into_the_first_and_keeps_a_name(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    edits.label(pile.services, pile.album, b, "Bob")
    before = pile.groups()
    edits.merge(pile.services, pile.album, [a, b])
    after = pile.groups()
    assert after[a] == before[a] | before[b]
    assert b not in after
    assert people_of(pile.services, pile.album).person_of(0) is not None
    assert pile.cluster_rows()[a].label == "Bob"
    pile.check_rows()


def test_undo_in_any_order(pile: Pile) -> None:
    a, b, c = (pile.of_person(k) for k in range(3))
    before = pile.groups()
    first = edits.merge(pile.services, pile.album, [a, b]).entry.id
    second = edits.merge(pile.services, pile.album, [c, a]).entry.id
    edits.undo(pile.services, pile.album, first)
    middle = pile.groups()
    assert middle[b] == before[b]
    assert middle[c] == before[c] | before[a]
    edits.undo(pile.services, pile.album, second)
    assert pile.groups() == before
    pile.check_rows()


def test_undo_of_an_undo_does_it_again(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    merged = edits.merge(pile.services, pile.album, [a, b]).entry.id
    after = pile.groups()
    undone = edits.undo(pile.services, pile.album, merged).entry.id
    with pytest.raises(Conflict):
        edits.undo(pile.services, pile.album, merged)
    edits.undo(pile.services, pile.album, undone)
    assert pile.groups() == after
    pile.check_rows()


def test_merge_is_undone_after_new_photos(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    merged = edits.merge(pile.services, pile.album, [a, b]).entry.id
    for person in (0, 0, 1, 1):
        pile.photo([person])
    recluster(pile.services, pile.album)
    assert {pile.truth[face] for face in pile.groups()[a]} == {0, 1}
    edits.undo(pile.services, pile.album, merged)
    groups = pile.groups()
    # Faces that came to the merged person go to the side that they look like.
    assert groups[a] == {face for face, who in pile.truth.items() if who == 0}
    assert groups[b] == {face for face, who in pile.truth.items() if who == 1}
    pile.check_rows()


def test_rejected_face_stays_out(pile: Pile) -> None:
    a = pile.of_person(0)
    face = min(pile.groups()[a])
    rejected = edits.reject(pile.services, pile.album, a, face).entry.id
    pile.photos(5)
    refresh(pile.services, pile.album)
    recluster(pile.services, pile.album)
    assert face not in pile.groups()[a]
    edits.undo(pile.services, pile.album, rejected)
    recluster(pile.services, pile.album)
    assert face in pile.groups()[a]
    pile.check_rows()


def test_split_stays_apart_and_undo_returns(pile: Pile) -> None:
    a = pile.of_person(0)
    before = pile.groups()
    some = sorted(before[a])[:3]
    outcome = edits.split(pile.services, pile.album, a, some)
    recluster(pile.services, pile.album)
    groups = pile.groups()
    (new,) = (cluster for cluster, faces in groups.items() if some[0] in faces)
    assert new != a
    assert set(some) <= groups[new]
    edits.undo(pile.services, pile.album, outcome.entry.id)
    recluster(pile.services, pile.album)
    assert pile.groups() == before
    pile.check_rows()


def test_move_to_somebody_new_and_confirm(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    one, two, *_ = sorted(pile.groups()[a])
    edits.move(pile.services, pile.album, [one], b)
    outcome = edits.move(pile.services, pile.album, [two], None)
    edits.confirm(pile.services, pile.album, b, [one])
    recluster(pile.services, pile.album)
    rows = pile.face_rows()
    assert rows[one] == (b, 1.0, True)
    (new,) = set(outcome.changes.clusters) - {a}
    assert rows[two] == (new, 1.0, True)
    pile.check_rows()


def test_undone_move_takes_along_who_joined(pile: Pile) -> None:
    a = pile.of_person(0)
    before = pile.groups()
    moved = edits.move(pile.services, pile.album, sorted(before[a])[:4], None)
    recluster(pile.services, pile.album)
    fresh = [face for _ in range(4) for face in pile.photo([0])]
    refresh(pile.services, pile.album)
    undone = edits.undo(pile.services, pile.album, moved.entry.id)
    groups = pile.groups()
    assert groups[a] == before[a] | set(fresh)
    assert not leaves_alone(undone)
    edits.undo(pile.services, pile.album, undone.entry.id)
    assert set(sorted(before[a])[:4]) <= pile.groups()[moved.people.persons[-1].id]
    pile.check_rows()


def test_faces_that_an_undo_leaves_alone_are_grouped_again(pile: Pile) -> None:
    a = pile.of_person(0)
    faces = sorted(pile.groups()[a])
    # Nobody's, so that after the undo there is no cluster that they came from.
    for face in faces:
        edits.reject(pile.services, pile.album, a, face)
    moved = edits.move(pile.services, pile.album, faces, None)
    fresh = [face for _ in range(5) for face in pile.photo([0])]
    refresh(pile.services, pile.album)
    new = moved.people.persons[-1].id
    assert set(fresh) <= pile.groups()[new]
    undone = edits.undo(pile.services, pile.album, moved.entry.id)
    assert leaves_alone(undone)
    assert all(pile.face_rows()[face][0] is None for face in fresh)
    settle(pile.services, pile.album, undone.entry.id)
    groups = [faces for faces in pile.groups().values() if set(fresh) & faces]
    assert len(groups) == 1
    assert set(fresh) <= groups[0]
    log = len(list(pile.services.decisions.all(f"ALBUM#{pile.album.id}")))
    settle(pile.services, pile.album, undone.entry.id)
    assert len(list(pile.services.decisions.all(f"ALBUM#{pile.album.id}"))) == log
    pile.check_rows()


def test_hidden_and_named_survive_and_follow(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    edits.label(pile.services, pile.album, a, "Anna")
    edits.hide(pile.services, pile.album, b, hidden=True)
    pile.photos(20)
    refresh(pile.services, pile.album)
    rows = pile.cluster_rows()
    assert rows[a].label == "Anna"
    assert rows[b].hidden
    assert pile.groups()[a] == {face for face, who in pile.truth.items() if who == 0}


def test_nonsense_is_refused_and_writes_nothing(pile: Pile) -> None:
    services, album = pile.services, pile.album
    a, b = pile.of_person(0), pile.of_person(1)
    face = min(pile.groups()[a])
    head = people_of(services, album).head
    with pytest.raises(NotFound):
        edits.label(services, album, new_id(), "x")
    with pytest.raises(BadRequest):
        edits.label(services, album, a, "x" * 101)
    with pytest.raises(BadRequest):
        edits.label(services, album, a, "a\x00b")
    with pytest.raises(BadRequest):
        edits.merge(services, album, [a, a])
    with pytest.raises(NotFound):
        edits.merge(services, album, [a, new_id()])
    with pytest.raises(BadRequest):
        edits.split(services, album, a, sorted(pile.groups()[a]))
    with pytest.raises(BadRequest):
        edits.split(services, album, b, [face])
    with pytest.raises(BadRequest):
        edits.reject(services, album, b, face)
    with pytest.raises(NotFound):
        edits.reject(services, album, a, new_id())
    with pytest.raises(NotFound):
        edits.undo(services, album, new_id())
    with pytest.raises(NotFound):
        edits.undo(services, album, people_of(services, album).head or "")
    assert people_of(services, album).head == head


def test_dropped_rows_come_back_from_the_log(pile: Pile) -> None:
    a, b = pile.of_person(0), pile.of_person(1)
    edits.label(pile.services, pile.album, a, "Anna")
    edits.merge(pile.services, pile.album, [a, b])
    clusters, people = pile.cluster_rows(), pile.face_rows()
    table = pile.services.table
    table.write_many([Delete(row.key()) for row in clusters.values()])
    faces = list(pile.services.faces.all(f"ALBUM#{pile.album.id}"))
    table.write_many([pile.services.faces.put(face) for face in faces])
    again = _restart(pile)
    rebuild(again.services, again.album)
    assert again.cluster_rows() == clusters
    assert again.face_rows() == people
    again.check_rows()


def test_forgotten_faces_leave(pile: Pile) -> None:
    a = pile.of_person(0)
    gone = sorted(pile.groups()[a])[:2]
    edits.forget(pile.services, pile.album, gone)
    edits.forget(pile.services, pile.album, gone)
    pile.services.faces.delete([Face.key_of(pile.album.id, face) for face in gone])
    recluster(pile.services, pile.album)
    assert not set(gone) & pile.groups()[a]
    assert len(pile.groups()[a]) == pile.cluster_rows()[a].size
    _restart(pile).check_rows()


def test_new_contract_regroups_and_keeps_names(pile: Pile) -> None:
    a = pile.of_person(0)
    edits.label(pile.services, pile.album, a, "Anna")
    faces = list(pile.services.faces.all(f"ALBUM#{pile.album.id}"))
    pile.services.table.write_many([Update(face.key(), {"contractId": "c2"}) for face in faces])
    switched = dataclasses.replace(pile.services, engine=VectorsOnly("c2"))
    refresh(switched, pile.album)
    people = people_of(switched, pile.album)
    assert people.contract == "c2"
    assert pile.cluster_rows()[a].label == "Anna"
    pile.check_rows()


def test_faces_of_another_contract_are_not_compared(pile: Pile) -> None:
    (strange,) = pile.photo([0], contract="c0")
    refresh(pile.services, pile.album)
    assert pile.face_rows()[strange] == (None, None, False)
    assert strange not in people_of(pile.services, pile.album).table.number


def test_concurrent_edits_all_count(pile: Pile) -> None:
    clusters = sorted(pile.groups())
    other = _restart(pile)
    names = [f"N{k}" for k in range(10)]

    def name(k: int) -> None:
        services = (pile if k % 2 else other).services
        edits.label(services, pile.album, clusters[k % len(clusters)], names[k])

    threads = [threading.Thread(target=name, args=(k,)) for k in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = list(pile.services.decisions.all(f"ALBUM#{pile.album.id}"))
    assert sorted(entry.data["name"] for entry in log if entry.kind == "label") == sorted(names)
    pile.check_rows()


def test_suggestions_find_the_other_half_and_learn(pile: Pile) -> None:
    services, album = pile.services, pile.album
    a = pile.of_person(0)
    some = sorted(pile.groups()[a])[:3]
    edits.label(services, album, a, "Anna")
    new = edits.split(services, album, a, some)
    best = suggestions.suggest(services, album)[0]
    (other,) = set(new.changes.clusters) - {a}
    assert (best.first, best.second, best.kind, best.name) == (a, other, "label", "Anna")
    declined = suggestions.answer(services, album, best.id, accept=False).entry.id
    assert best.id not in {s.id for s in suggestions.suggest(services, album)}
    recluster(services, album)
    assert best.id not in {s.id for s in suggestions.suggest(services, album)}
    edits.undo(services, album, declined)
    assert suggestions.suggest(services, album)[0].id == best.id
    suggestions.answer(services, album, best.id, accept=True)
    assert set(some) <= pile.groups()[a]
    assert not {s.id for s in suggestions.suggest(services, album)} & {best.id}


def test_suggestions_do_not_depend_on_what_is_remembered(pile: Pile) -> None:
    services, album = pile.services, pile.album
    a, b, c = (pile.of_person(k) for k in range(3))
    edits.split(services, album, a, sorted(pile.groups()[a])[:3])
    edits.merge(services, album, [b, c])
    known = suggestions.suggest(services, album)
    fresh = suggestions.suggest(_restart(pile).services, album)
    assert [(s.id, round(s.saved, 2)) for s in known] == [(s.id, round(s.saved, 2)) for s in fresh]
    assert known


def test_linked_albums_offer_names_by_consent(tmp_path: Path) -> None:
    services = open_pile(tmp_path)
    piles = [Pile(services, new_album(services, linked=True), seed=k) for k in range(2)]
    private = Pile(services, new_album(services), seed=5)
    for one in (*piles, private):
        one.photos(12)
        refresh(services, one.album)
    named, other = piles
    edits.label(services, named.album, named.of_person(0), "Anna")
    edits.label(services, private.album, private.of_person(1), "Secret")
    linked = [s for s in suggestions.suggest(services, other.album) if s.kind == "linked"]
    assert [(s.first, s.name, s.album_id) for s in linked] == [
        (other.of_person(0), "Anna", named.album.id)
    ]
    assert not [s for s in suggestions.suggest(services, private.album) if s.kind == "linked"]
    assert other.cluster_rows()[other.of_person(0)].label is None
    suggestions.answer(services, other.album, linked[0].id, accept=True)
    assert other.cluster_rows()[other.of_person(0)].label == "Anna"
