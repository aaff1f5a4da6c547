"""People decide, photos come, everything is grouped anew, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pile import Pile, new_album, open_pile

from api.domain import edits
from api.domain.decisions import HUMAN
from api.domain.log import loader, read_log
from api.domain.models import Face
from api.domain.people import recluster, refresh
from api.domain.projection import project
from api.domain.state import People
from api.errors import BadRequest


def _partition(people: People) -> dict[str, tuple[str | None, bool, frozenset[str]]]:
    return {
        people.persons[code].id: (
            people.persons[code].label,
            people.persons[code].hidden,
            frozenset(people.table.face_id(face) for face in people.members(code).tolist()),
        )
        for code in people.alive()
    }


class PeopleMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 99))
    def begin(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        services = open_pile(Path(self.folder.name))
        self.pile = Pile(services, new_album(services), people=4, noise=0.75, seed=seed)
        self.pile.photos(8)
        refresh(services, self.pile.album)
        self.services, self.album = services, self.pile.album

    def teardown(self) -> None:
        if hasattr(self, "pile"):
            self._undo_everything()
            self.services.table.close()
            self.folder.cleanup()

    def _undo_everything(self) -> None:
        """Leaves what the runs alone would have made of it."""
        while True:
            log = read_log(self.services, self.album)
            counting = [
                entry.id
                for entry in log
                if entry.kind in HUMAN and entry.kind != "undo" and entry.undone_by is None
            ]
            if not counting:
                break
            edits.undo(self.services, self.album, counting[-1])
        people = self.pile.now()
        assert all(
            not person.hidden and person.label is None
            for person in people.persons
            if people.sizes[people.code[person.id]]
        )
        assert not people.pinned.any()
        machine_only = [entry for entry in log if entry.kind not in HUMAN]
        alone = project(machine_only, loader(self.services, self.album))
        # Runs put faces into clusters that people made; those go to where the others went back.
        made = {e.data["new"] for e in log if e.kind == "split"}
        made |= {e.data["cluster"] for e in log if e.kind == "move"} - alone.code.keys()
        if not made:
            assert _partition(people) == _partition(alone)
        self.pile.check_rows()
        self.pile.check_photos()

    # Ids are new in every run: what is drawn is the place in the order in which faces came.

    def _faces(self, among: Iterable[str]) -> list[str]:
        chosen = set(among)
        return [face for face in self.pile.truth if face in chosen]

    def _clusters(self) -> list[str]:
        groups = self.pile.groups()
        place = {face: k for k, face in enumerate(self.pile.truth)}
        return sorted(groups, key=lambda cluster: min(place[face] for face in groups[cluster]))

    def _cluster(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self._clusters()))

    def _labels(self) -> set[str]:
        return {row.label for row in self.pile.cluster_rows().values() if row.label}

    @property
    def _anyone(self) -> bool:
        return len(self.pile.groups()) > 0

    @property
    def _several(self) -> bool:
        return len(self.pile.groups()) > 1

    @precondition(lambda self: self._anyone)
    @rule(data=st.data())
    def label(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(["Anna", "Bob", "Cem", None]))
        edits.label(self.services, self.album, self._cluster(data), name)

    @precondition(lambda self: self._several)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        clusters = st.sampled_from(self._clusters())
        chosen = data.draw(st.lists(clusters, min_size=2, max_size=3, unique=True))
        edits.merge(self.services, self.album, chosen)

    @precondition(lambda self: self._anyone)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        cluster = self._cluster(data)
        faces = st.sampled_from(self._faces(self.pile.groups()[cluster]))
        chosen = data.draw(st.lists(faces, min_size=1, max_size=3, unique=True))
        try:
            edits.split(self.services, self.album, cluster, chosen)
        except BadRequest:
            assert set(chosen) == self.pile.groups()[cluster]

    @precondition(lambda self: self._anyone)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        cluster = self._cluster(data)
        face = data.draw(st.sampled_from(self._faces(self.pile.groups()[cluster])))
        edits.reject(self.services, self.album, cluster, face)

    @rule(data=st.data(), new=st.booleans())
    def move(self, data: st.DataObject, new: bool) -> None:
        target = None if new or not self._anyone else self._cluster(data)
        face = data.draw(st.sampled_from(self._faces(self.pile.face_rows())))
        if face in self.pile.now().table.number:
            try:
                edits.move(self.services, self.album, [face], target)
            except BadRequest:
                assert face in self.pile.groups()[target or ""]

    @precondition(lambda self: self._anyone)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        cluster = self._cluster(data)
        face = data.draw(st.sampled_from(self._faces(self.pile.groups()[cluster])))
        edits.confirm(self.services, self.album, cluster, [face])

    @precondition(lambda self: self._anyone)
    @rule(data=st.data(), hidden=st.booleans())
    def hide(self, data: st.DataObject, hidden: bool) -> None:
        edits.hide(self.services, self.album, self._cluster(data), hidden=hidden)

    @precondition(lambda self: self._several)
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        clusters = st.sampled_from(self._clusters())
        first, second = data.draw(st.lists(clusters, min_size=2, max_size=2, unique=True))
        edits.dismiss(self.services, self.album, first, second)

    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        log = read_log(self.services, self.album)
        counting = [e.id for e in log if e.kind in HUMAN and e.undone_by is None]
        if counting:
            edits.undo(self.services, self.album, data.draw(st.sampled_from(counting)))

    @rule(count=st.integers(1, 3))
    def photos_come(self, count: int) -> None:
        labels = self._labels()
        self.pile.photos(count)
        refresh(self.services, self.album)
        assert labels <= self._labels()

    @rule()
    def group_anew(self) -> None:
        labels = self._labels()
        recluster(self.services, self.album)
        assert labels <= self._labels()

    @rule(data=st.data())
    def photo_goes(self, data: st.DataObject) -> None:
        face = data.draw(st.sampled_from(self._faces(self.pile.face_rows())))
        rows = list(self.services.faces.all(f"ALBUM#{self.album.id}"))
        photo = next(row.photo_id for row in rows if row.id == face)
        gone = [row.id for row in rows if row.photo_id == photo]
        if len(rows) > len(gone) and len(self.pile.groups()) > 2:
            edits.forget(self.services, self.album, gone)
            self.services.faces.delete([Face.key_of(self.album.id, each) for each in gone])

    @rule()
    def process_restarts(self) -> None:
        self.services.memory.clear()

    @invariant()
    def rows_are_what_the_log_says(self) -> None:
        if hasattr(self, "pile"):
            self.pile.check_rows()

    @invariant()
    def photos_hold_a_person_once(self) -> None:
        if hasattr(self, "pile"):
            self.pile.check_photos()


TestPeople = PeopleMachine.TestCase
TestPeople.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
