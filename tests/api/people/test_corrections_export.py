"""Corrections leave the application as statements about faces, of those who consent."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pile import Pile, new_album, open_pile
from typer.testing import CliRunner

from api.__main__ import app
from api.corrections import export_corrections
from api.domain import consent, edits, erase
from api.domain.log import loader, read_log
from api.domain.models import Face, Job, JobKind, Photo, PhotoStatus
from api.domain.people import refresh
from api.domain.statements import Statement, statements
from api.errors import Conflict
from api.ids import new_id, now
from api.objects import keys
from faceflow_ml.errors import ConfigError
from faceflow_ml.inference.alignment import ARCFACE_TEMPLATE


def with_pixels(pile: Pile) -> None:
    """Give the pile's photos pixels, and its faces a place in them."""
    album, services = pile.album, pile.services
    points = tuple((float(x) + 20, float(y) + 10) for x, y in ARCFACE_TEMPLATE)
    for face in list(services.faces.all(f"ALBUM#{album.id}")):
        services.faces.save(face.model_copy(update={"landmarks": points}))
        picture = np.random.default_rng(len(face.photo_id)).integers(
            0, 255, (160, 160, 3), np.uint8
        )
        key = f"tenant/{album.user_id}/{album.id}/{face.photo_id}.png"
        services.objects.put(key, cv2.imencode(".png", picture)[1].tobytes(), "image/png")
        services.photos.save(
            Photo(
                id=face.photo_id,
                album_id=album.id,
                user_id=album.user_id,
                status=PhotoStatus.DONE,
                filename="a.png",
                content_type="image/png",
                size=1,
                created_at=now(),
                object_key=key,
                width=160,
                height=160,
                sha256="0" * 64,
            )
        )


def said(pile: Pile) -> list[Statement]:
    log = read_log(pile.services, pile.album)
    return list(statements(log, loader(pile.services, pile.album)))


def people_of_size(pile: Pile) -> list[str]:
    """Ids of clusters, the largest first."""
    people = pile.now()
    codes = sorted(people.alive(), key=lambda code: -people.sizes[code])
    return [people.persons[code].id for code in codes]


def faces_of(pile: Pile, cluster: str) -> list[str]:
    people = pile.now()
    return [people.table.face_id(int(face)) for face in people.members(people.code[cluster])]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_kind_of_decision_says_who_is_who(pile: Pile) -> None:
    a, b, c, *_ = people_of_size(pile)
    of_a, of_b, of_c = (faces_of(pile, one) for one in (a, b, c))
    edits.reject(pile.services, pile.album, a, of_a[0])
    edits.split(pile.services, pile.album, b, of_b[:2])
    edits.confirm(pile.services, pile.album, c, of_c[:2])
    edits.merge(pile.services, pile.album, [a, c])
    rejected, split_same, split_apart, confirmed, merged = said(pile)
    assert (rejected.relation, rejected.first) == ("different", (of_a[0],))
    assert set(rejected.second) == set(of_a[1:])
    assert (split_same.relation, set(split_same.first)) == ("same", set(of_b[:2]))
    assert (split_apart.relation, set(split_apart.second)) == ("different", set(of_b[2:]))
    assert (confirmed.kind, set(confirmed.first)) == ("confirm", set(of_c[:2]))
    assert merged.relation == "same"
    assert set(merged.first) == set(of_c) and set(merged.second) == set(of_a[1:])


def test_moving_says_both_who_it_is_and_who_it_is_not(pile: Pile) -> None:
    a, b, *_ = people_of_size(pile)
    of_a, of_b = faces_of(pile, a), faces_of(pile, b)
    edits.move(pile.services, pile.album, [of_b[0]], a)
    same, different = said(pile)
    assert same.relation == "same" and set(same.second) == set(of_a)
    assert different.relation == "different" and set(different.second) == set(of_b[1:])


def test_what_was_undone_says_nothing_until_it_is_redone(pile: Pile) -> None:
    a, *_ = people_of_size(pile)
    entry = edits.reject(pile.services, pile.album, a, faces_of(pile, a)[0]).entry
    undo = edits.undo(pile.services, pile.album, entry.id).entry
    assert said(pile) == []
    edits.undo(pile.services, pile.album, undo.id)
    assert [one.decision for one in said(pile)] == [entry.id]


def test_strangers_and_removed_photos_say_nothing(pile: Pile) -> None:
    a, b, *_ = people_of_size(pile)
    of_a = faces_of(pile, a)
    edits.confirm(pile.services, pile.album, a, of_a[:3])
    edits.confirm(pile.services, pile.album, b, faces_of(pile, b))
    edits.hide(pile.services, pile.album, b, hidden=True)
    edits.forget(pile.services, pile.album, [of_a[0]])
    (only,) = said(pile)
    assert set(only.first) == set(of_a[1:3])


def test_only_those_who_consent_are_exported(pile: Pile, tmp_path: Path) -> None:
    other = Pile(pile.services, new_album(pile.services, user="bob"), seed=1)
    other.photos(6)
    refresh(other.services, other.album)
    for one in (pile, other):
        with_pixels(one)
        a = people_of_size(one)[0]
        edits.label(one.services, one.album, a, "Zoe Secret")
        edits.confirm(one.services, one.album, a, faces_of(one, a))
    out = tmp_path / "export"
    assert export_corrections(pile.services, out).users == 0
    assert lines(out / "faces.jsonl") == [] and np.load(out / "vectors.npy").shape == (0, 512)

    consent.give(pile.services, "ann")
    done = export_corrections(pile.services, out)
    rows = lines(out / "faces.jsonl")
    assert done.users == 1 and done.faces == len(rows) == len(
        faces_of(pile, people_of_size(pile)[0])
    )
    assert {row["album"] for row in rows} == {pile.album.id}
    everything = "".join(file.read_text() for file in out.glob("*.json*"))
    assert "ann" not in everything and "Zoe" not in everything and "bob" not in everything
    crop = cv2.imread(str(out / rows[0]["crop"]))
    assert crop is not None and crop.shape == (112, 112, 3)
    kept = np.load(io.BytesIO((out / "vectors.npy").read_bytes()))
    row = next(iter(pile.services.faces.get_many([Face.key_of(pile.album.id, rows[0]["face"])])))
    assert row is not None
    own = pile.services.objects.get(f"tenant/ann/{pile.album.id}/{row.photo_id}.npy")
    np.testing.assert_array_equal(kept[0], np.load(io.BytesIO(own))[row.row])

    consent.give(pile.services, "bob")
    consent.withdraw(pile.services, "ann")
    export_corrections(pile.services, out)
    assert {row["album"] for row in lines(out / "faces.jsonl")} == {other.album.id}
    assert not (out / "crops" / pile.album.id).exists()


def test_while_vectors_are_replaced_none_are_exported(pile: Pile, tmp_path: Path) -> None:
    with_pixels(pile)
    a = people_of_size(pile)[0]
    edits.confirm(pile.services, pile.album, a, faces_of(pile, a))
    consent.give(pile.services, "ann")
    key = keys.reembedded("ann", pile.album.id, "c2", "photo")
    pile.services.objects.put(key, b"", "application/x-npy")
    export_corrections(pile.services, tmp_path / "out")
    vectors = np.load(tmp_path / "out" / "vectors.npy")
    assert len(vectors) > 0 and not vectors.any()
    pile.services.objects.delete([key])
    export_corrections(pile.services, tmp_path / "out")
    assert np.load(tmp_path / "out" / "vectors.npy").any(axis=1).all()


def test_an_account_that_is_being_erased_is_in_no_export(pile: Pile, tmp_path: Path) -> None:
    with_pixels(pile)
    a = people_of_size(pile)[0]
    edits.confirm(pile.services, pile.album, a, faces_of(pile, a))
    consent.give(pile.services, "ann")
    job = Job(
        id=new_id(),
        kind=JobKind.ERASE,
        user_id="ann",
        album_id="",
        created_at=now(),
        updated_at=now(),
    )
    pile.services.jobs.create(job)
    erase._close(pile.services, job)
    assert export_corrections(pile.services, tmp_path / "out").users == 0
    with pytest.raises(Conflict):
        consent.give(pile.services, "ann")


def test_one_name_in_linked_albums_is_one_person(tmp_path: Path) -> None:
    services = open_pile(tmp_path / "data")
    piles = [Pile(services, new_album(services, linked=True), seed=seed) for seed in (0, 1)]
    named = []
    for one in piles:
        one.photos(8)
        refresh(services, one.album)
        with_pixels(one)
        cluster = people_of_size(one)[0]
        edits.label(services, one.album, cluster, "Ada")
        named.append(set(faces_of(one, cluster)))
    consent.give(services, "ann")
    export_corrections(services, tmp_path / "out")
    (linked,) = [row for row in lines(tmp_path / "out/decisions.jsonl") if row["kind"] == "linked"]
    assert linked["relation"] == "same"
    assert {frozenset(linked["first"]), frozenset(linked["second"])} == set(map(frozenset, named))


def test_a_folder_of_something_else_is_not_replaced(pile: Pile, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="something else"):
        export_corrections(pile.services, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_the_commands(pile: Pile, tmp_path: Path) -> None:
    with_pixels(pile)
    a = people_of_size(pile)[0]
    edits.confirm(pile.services, pile.album, a, faces_of(pile, a))
    api = [sys.executable, "-m", "api"]
    data = ["--data", str(tmp_path)]
    out = tmp_path / "out"
    subprocess.run([*api, "consent", "ann", *data], check=True, timeout=180)
    done = subprocess.run(
        [*api, "export-corrections", *data, "--out", str(out), "--json"],
        check=True,
        timeout=180,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["users"] == 1
    assert len(lines(out / "faces.jsonl")) == json.loads(done.stdout)["faces"] > 0
    bad = subprocess.run(
        [*api, "export-corrections", "--data", str(tmp_path / "none"), "--out", str(out)],
        check=False,
        timeout=180,
    )
    assert bad.returncode == 2


def test_on_aws_the_commands_look_for_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "prod")
    monkeypatch.setenv("FACEFLOW_SIGNING_KEYS", "k" * 32)
    monkeypatch.setenv("FACEFLOW_JWT_ISSUER", "https://issuer.example")
    ended = CliRunner().invoke(app, ["export-corrections", "--out", str(tmp_path / "out")])
    assert ended.exit_code == 2
    assert "AWS has to be described" in ended.stderr
