"""Corrections are published as users consent: whole, once, and gone when consent is."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pile import Pile, new_album
from test_corrections_export import faces_of, people_of_size, with_pixels

from api.corrections import export_corrections
from api.domain import consent, edits, erase, receipts
from api.domain.models import Job, JobKind, JobState, Photo
from api.domain.people import refresh
from api.handlers import job_handlers
from api.ids import new_id, now
from api.keyring import Keyring
from api.main import create_app
from api.objects.file_store import FileObjectStore
from api.published import Published, pseudonyms
from api.services import Services
from api.workflow import publication
from api.workflow.context import JobContext, JobInterrupted
from api.workflow.publication import publish, request_publication, start_publication
from api.workflow.runner import LocalWorkflow
from pipelines.retraining.exchange import Corrections, read_corrections


class ByHand:
    """A workflow whose jobs wait for the test to work on them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.started: list[Job] = []

    def start(self, kind: JobKind, user_id: str, album_id: str, subject: str = "") -> Job:
        moment = now()
        job = Job(
            id=new_id(),
            kind=kind,
            user_id=user_id,
            album_id=album_id,
            subject=subject,
            created_at=moment,
            updated_at=moment,
        )
        self.services.jobs.create(job)
        self.started.append(job)
        return job


class Place:
    """A place of corrections, and users who correct."""

    def __init__(self, pile: Pile, folder: Path) -> None:
        self.store = FileObjectStore(folder)
        self.export = folder / "objects/corrections/export"
        self.place = Published(self.store, "corrections/export/")
        self.place.mark(now())
        self.services = replace(pile.services, published=self.place)
        self.by_hand = ByHand(self.services)
        self.piles = {"ann": pile}

    def also(self, user: str) -> Pile:
        """Another user with an album."""
        made = Pile(self.services, new_album(self.services, user=user), seed=len(self.piles))
        made.photos(6)
        refresh(made.services, made.album)
        self.piles[user] = made
        return made

    def correct(self, *users: str) -> None:
        """Each confirms a group, and consents."""
        for user in users:
            pile = self.piles[user]
            with_pixels(pile)
            cluster = people_of_size(pile)[0]
            edits.confirm(pile.services, pile.album, cluster, faces_of(pile, cluster))
            consent.give(self.services, user)

    def name(self, user: str) -> str:
        return pseudonyms(self.services.keyring, user)[0]

    def there(self) -> set[str]:
        """Names of the archives."""
        return {file.stem for file in self.export.glob("*.tar")}

    def job(self, user: str) -> JobContext:
        """A job of a user."""
        job = self.by_hand.start(JobKind.PUBLISH, user, "")
        return JobContext(self.services, self.by_hand, job)  # type: ignore[arg-type]

    def publish(self, user: str) -> None:
        publish(self.job(user))

    def night(self) -> None:
        """What the schedule starts, to its end."""
        self.by_hand.started.clear()
        start_publication(self.services, self.by_hand)  # type: ignore[arg-type]
        for job in self.by_hand.started:
            publish(JobContext(self.services, self.by_hand, job))  # type: ignore[arg-type]

    @contextmanager
    def working(self) -> Iterator[LocalWorkflow]:
        """The application's own workflow works for the length of the block."""
        workflow = LocalWorkflow(self.services, job_handlers())
        workflow.resume()
        try:
            yield workflow
        finally:
            workflow.stop(5)


@pytest.fixture
def place(pile: Pile, tmp_path: Path) -> Place:
    made = Place(pile, tmp_path / "place")
    made.also("bob")
    return made


def read(place: Place) -> Corrections:
    return read_corrections(place.export)


def same(found: Corrections, wanted: Corrections) -> None:
    """The same faces, pictures, vectors and statements, in whatever order."""
    assert sorted(found.faces, key=str) == sorted(wanted.faces, key=str)
    assert sorted(found.statements, key=str) == sorted(wanted.statements, key=str)
    for left, right in ((found, wanted), (wanted, found)):
        where = {(face.user, face.face): k for k, face in enumerate(right.faces)}
        rows = [where[face.user, face.face] for face in left.faces]
        np.testing.assert_array_equal(left.vectors, right.vectors[rows])
        assert [left.crop_bytes(k) for k in range(len(rows))] == [*map(right.crop_bytes, rows)]


def test_what_is_published_is_the_export(place: Place, tmp_path: Path) -> None:
    place.also("cas")
    place.correct("ann", "bob", "cas")
    consent.withdraw(place.services, "cas")
    place.night()
    export_corrections(place.services, tmp_path / "whole")
    found = read(place)
    assert {face.user for face in found.faces} == {place.name("ann"), place.name("bob")}
    assert found.vectors.any(axis=1).all()
    same(found, read_corrections(tmp_path / "whole"))
    everything = b"".join(file.read_bytes() for file in place.export.iterdir())
    assert not any(user.encode() in everything for user in ("ann", "bob", "cas"))


def test_what_is_there_is_not_made_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.correct("ann")
    place.publish("ann")
    stored: list[str] = []
    put_file = place.store.put_file
    monkeypatch.setattr(
        place.store, "put_file", lambda key, *rest: (stored.append(key), put_file(key, *rest))[1]
    )
    opened: list[str] = []
    objects, get = place.services.objects, place.services.objects.get
    monkeypatch.setattr(objects, "get", lambda key: (opened.append(key), get(key))[1])

    place.publish("ann")
    photos = [key for key in opened if key.endswith((".png", ".npy"))]
    assert stored == [] and photos == []

    pile = place.piles["ann"]
    second = people_of_size(pile)[1]
    known = {face.face for face in read(place).faces}
    edits.confirm(pile.services, pile.album, second, faces_of(pile, second))
    place.publish("ann")
    found = read(place)
    more = {face.photo for face in found.faces if face.face not in known}
    photos = [Path(key).stem for key in opened if key.endswith(".png")]
    assert len(stored) == 1 and more and sorted(photos) == sorted(more)
    same_as_new(place, found)


def same_as_new(place: Place, found: Corrections) -> None:
    """Nothing of an earlier archive is in it that a new one would not have."""
    place.place.remove(place.there())
    place.night()
    same(found, read(place))


def test_vectors_of_another_contract_are_read_anew(place: Place) -> None:
    place.correct("ann")
    place.publish("ann")
    pile = place.piles["ann"]
    changed = {}
    for face in list(place.services.faces.all(f"ALBUM#{pile.album.id}")):
        key = f"tenant/ann/{pile.album.id}/{face.photo_id}.npy"
        vectors = np.load(io.BytesIO(place.services.objects.get(key)))
        if face.photo_id not in changed:
            changed[face.photo_id] = buffer = io.BytesIO()
            np.save(buffer, -vectors)
            place.services.objects.put(key, buffer.getvalue(), "application/x-npy")
        place.services.faces.save(face.model_copy(update={"contract_id": "c2"}))
    place.publish("ann")
    same_as_new(place, read(place))
    assert {face.contract for face in read(place).faces} == {"c2"}


def test_a_photo_that_is_deleted_leaves_the_archive(place: Place) -> None:
    place.correct("ann")
    place.publish("ann")
    gone = read(place).faces[0]
    place.services.photos.delete([Photo.key_of(gone.album, gone.photo)])
    place.publish("ann")
    assert gone.face not in {face.face for face in read(place).faces}
    with tarfile.open(place.export / f"{place.name('ann')}.tar") as archive:
        assert gone.crop not in archive.getnames()


def test_consent_that_is_withdrawn_takes_the_archive_away(place: Place) -> None:
    place.correct("ann", "bob")
    place.night()
    assert place.there() == {place.name("ann"), place.name("bob")}
    with place.working() as workflow:
        client = TestClient(create_app(services=place.services, workflow=workflow))
        token = client.post("/auth/dev-token", json={"user": "ann"}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.put("/me/consent", json={"training": False}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert workflow.idle(60)
        assert place.there() == {place.name("bob")}
        assert {face.user for face in read(place).faces} == {place.name("bob")}
        assert client.put("/me/consent", json={"training": True}, headers=headers).is_success
        assert workflow.idle(60)
    assert place.there() == {place.name("ann"), place.name("bob")}


def jobs_of(place: Place, user: str) -> list[Any]:
    return [job for job in place.services.jobs.all(f"USER#{user}") if job.kind is JobKind.PUBLISH]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_withdraws_meanwhile_is_not_published(
    place: Place, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    place.correct("ann")
    put_file = place.store.put_file

    def put(*given: Any) -> Any:
        if moment == "before":
            consent.withdraw(place.services, "ann")
        stored = put_file(*given)
        if moment == "after":
            consent.withdraw(place.services, "ann")
        return stored

    monkeypatch.setattr(place.store, "put_file", put)
    place.publish("ann")
    assert place.there() == set()


class Killed(BaseException):
    """The process is no more."""


def test_killed_before_any_write_it_is_one_or_the_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.correct("ann", "bob")
    place.night()
    before = read(place)
    pile = place.piles["ann"]
    second = people_of_size(pile)[1]
    edits.confirm(pile.services, pile.album, second, faces_of(pile, second))
    consent.withdraw(place.services, "bob")
    kept = {file.name: file.read_bytes() for file in place.export.iterdir()}
    seen: list[int] = []
    for kill in range(1, 99):
        for name, content in kept.items():
            (place.export / name).write_bytes(content)
        with monkeypatch.context() as patch:
            left = kill

            def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
                def counted(*given: Any) -> Any:
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise Killed
                    return call(*given)

                return counted

            for name in ("put", "put_file", "delete_prefix"):
                patch.setattr(place.store, name, deadly(getattr(place.store, name)))
            try:
                place.night()
                break
            except Killed:
                found = read(place)
                assert {f.user for f in found.faces} <= {f.user for f in before.faces}
                seen.append(len(found.faces))
        place.night()
        assert place.there() == {place.name("ann")}
        same_as_new(place, read(place))
    assert len(set(seen)) > 1 and kill > 3


def test_many_faces_are_published_bit_by_bit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round for each photo; the time of the invocation is up after some."""
    place.correct("ann")
    monkeypatch.setattr(publication, "_CUT_SECONDS", 0.0)
    put_file, sizes = place.store.put_file, []
    for _ in range(3):
        context, rounds = place.job("ann"), count(1)

        def put(*given: Any, context: JobContext = context, rounds: Any = rounds) -> Any:
            if next(rounds) == 2:
                context._deadline = 0.0
            return put_file(*given)

        monkeypatch.setattr(place.store, "put_file", put)
        with pytest.raises(JobInterrupted):
            publish(context)
        sizes.append(len(read(place).faces))
    assert sizes == sorted(set(sizes)) and sizes[0] >= 2
    place.publish("ann")
    found = read(place)
    assert len(found.faces) > sizes[-1]
    with tarfile.open(place.export / f"{place.name('ann')}.tar") as archive:
        manifest = json.load(archive.extractfile("corrections.json"))  # type: ignore[arg-type]
    assert manifest["faces_waiting"] == 0 and manifest["faces"] == len(found.faces)
    same_as_new(place, found)


def test_the_night_takes_out_what_should_not_be_there(place: Place) -> None:
    place.correct("ann", "bob")
    place.night()
    consent.withdraw(place.services, "bob")  # and nobody was told
    (place.export / "crops").mkdir()
    (place.export / "crops" / "a.webp").write_bytes(b"of an export by hand")
    (place.export / "faces.jsonl").write_bytes(b"")
    (place.export / "published.json").unlink()
    place.night()
    assert {file.name for file in place.export.iterdir() if file.name != "crops"} == {
        f"{place.name('ann')}.tar",
        "published.json",
    }
    assert not list(place.export.glob("crops/*"))


def test_another_signing_key_makes_all_names_anew(place: Place) -> None:
    place.correct("ann")
    place.night()
    old = place.name("ann")
    place.services = replace(place.services, keyring=Keyring([b"n" * 32, b"o" * 32]))
    place.night()
    assert place.there() == {place.name("ann")} and place.name("ann") != old


def test_erasing_an_account_takes_its_archive_away(place: Place) -> None:
    place.correct("ann", "bob")
    place.night()
    archive = place.export / f"{place.name('ann')}.tar"
    size, objects = archive.stat().st_size, place.services.objects
    originals = len(list(objects.list_objects("tenant/ann/")))
    # Its name is of a key that signs no more.
    keys = [b"n" * 32, *place.services.keyring._keys]
    place.services = replace(place.services, keyring=Keyring(keys))
    with place.working() as workflow:
        job = erase.request(place.services, workflow, "ann")
        assert workflow.idle(60)
    receipt = receipts.read(place.services, job.id)
    assert receipt is not None and receipt.state == "done"
    assert receipt.erased.objects == originals + 1 and receipt.erased.bytes > size
    assert place.there() == {pseudonyms(place.services.keyring, "bob")[1]}


def test_only_the_last_job_is_kept(place: Place) -> None:
    place.correct("ann")
    with place.working() as workflow:
        for _ in range(3):
            request_publication(place.services, workflow, "ann")
            assert workflow.idle(60)
    (job,) = jobs_of(place, "ann")
    assert job.state is JobState.DONE


def test_without_a_place_nothing_is_started(pile: Pile) -> None:
    by_hand = ByHand(pile.services)
    consent.give(pile.services, "ann")
    request_publication(pile.services, by_hand, "ann")  # type: ignore[arg-type]
    start_publication(pile.services, by_hand)  # type: ignore[arg-type]
    assert by_hand.started == []
