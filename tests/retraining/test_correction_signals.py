"""From statements to identities, conflicts and hard pairs; from those to a training set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceEmbedder
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.errors import ConfigError, FaceFlowError
from pipelines.retraining.exchange import read_corrections
from pipelines.retraining.hard_pairs import embed_corrections, hard_pairs, threshold_of
from pipelines.retraining.signals import read_signals
from pipelines.retraining.training_set import build_training_set, evaluate_pairs

from .conftest import Cast, Export


def test_confirmed_and_merged_faces_become_one_identity(export: Export, tmp_path: Path) -> None:
    a, b = export.person(0, "p0"), export.person(1, "p1")
    export.say("confirm", "same", a[:2])
    export.say("merge", "same", a[2:4], a[:2])
    export.say("confirm", "same", b[:1])
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    members = {tuple(rows) for rows in signals.members().values()}
    assert members == {(0, 1, 2, 3), (6,)}
    assert signals.evidence[:6] == ("stated",) * 4 + (None,) * 2


def test_identities_do_not_cross_users(export: Export, tmp_path: Path) -> None:
    export.users["u2"] = True
    for user in ("u1", "u2"):
        export.say("confirm", "same", export.person(0, "same-id", user, face=None), user=user)
    # Ids of faces and persons coincide; users do not.
    for number, face in enumerate(export.faces):
        face["face"] = f"f{number % 6}"
    for statement in export.said:
        statement["first"] = [f"f{k}" for k in range(6)]
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert sorted(len(rows) for rows in signals.members().values()) == [6, 6]
    assert {name.split("-")[0] for name in signals.members()} == {"u1", "u2"}


def test_a_later_split_overrules_an_earlier_merge(export: Export, tmp_path: Path) -> None:
    a, b = export.person(0, "p0"), export.person(1, "p1")
    export.say("merge", "same", b, a)
    export.say("split", "same", b)
    export.say("split", "different", b, a)
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert sorted(map(len, signals.members().values())) == [6, 6]
    assert signals.conflicts == () and signals.superseded == 1
    (apart,) = signals.apart
    assert apart.first == tuple(range(6, 12)) and apart.second == tuple(range(6))


def test_a_contradiction_is_a_conflict_and_is_not_trained_on(
    export: Export, tmp_path: Path
) -> None:
    # One picture is in two albums: there one person, here said to be somebody else.
    a = export.person(0, "p0")
    b = export.person(0, "q0", album="other", face=None)
    for number, face in enumerate(export.faces[6:]):
        face["face"] = b[number] = f"b{number}"
    export.say("confirm", "same", a)
    export.say("confirm", "same", b, album="other")
    decision = export.say("dismiss", "different", a[:1], b)
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    (conflict,) = signals.conflicts
    assert (conflict.kind, conflict.faces, conflict.decision) == ("statement", (0,), decision)
    assert signals.identity[0] is None and signals.identity[1] is not None


def test_two_faces_of_one_photo_are_one_person_only_if_confirmed(
    export: Export, tmp_path: Path
) -> None:
    a = export.person(0, "p0", photo="mirror")
    export.say("merge", "same", a[1:], a[:1])
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert {conflict.kind for conflict in signals.conflicts} == {"photo"}
    assert signals.members() == {}
    for face in export.faces:
        face["confirmed"] = True
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert signals.conflicts == () and len(signals.members()) == 1


def test_linked_albums_join_persons_and_vouch_for_no_face(export: Export, tmp_path: Path) -> None:
    a, b = export.person(0, "p0"), export.person(1, "q0", album="other")
    export.say("confirm", "same", a[:2])
    export.say("confirm", "same", b[:3], album="other")
    export.say("linked", "same", b, a, album=None)
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert list(signals.members().values()) == [[0, 1, 6, 7, 8]]


def test_a_name_counts_only_for_sure_faces(export: Export, tmp_path: Path) -> None:
    a = export.person(0, "p0")
    for number, face in enumerate(export.faces):
        face["confidence"] = 0.99 if number < 4 else 0.5
    export.say("label", "same", a)
    signals = read_signals(read_corrections(export.write(tmp_path / "e")))
    assert signals.evidence == ("named",) * 4 + (None,) * 2


def test_without_consent_nothing_is_read(export: Export, tmp_path: Path) -> None:
    export.users["u2"] = False
    export.say("confirm", "same", export.person(0, "p0"))
    export.say("confirm", "same", export.person(1, "p1", "u2"), user="u2")
    folder = export.write(tmp_path / "e")
    corrections = read_corrections(folder)
    assert {face.user for face in corrections.faces} == {"u1"} and corrections.left_out == 6
    assert {one.user for one in corrections.statements} == {"u1"}
    erased = read_corrections(folder, leave_out=["u1"])
    assert erased.faces == () and erased.statements == () and len(erased.vectors) == 0


def test_an_altered_export_is_refused(export: Export, tmp_path: Path) -> None:
    export.say("confirm", "same", export.person(0, "p0"))
    folder = export.write(tmp_path / "e")
    with (folder / "decisions.jsonl").open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(FaceFlowError, match=r"decisions.jsonl is not as it was exported"):
        read_corrections(folder)
    with pytest.raises(FaceFlowError, match="no export"):
        read_corrections(tmp_path)


def test_a_picture_outside_the_export_is_refused(export: Export, tmp_path: Path) -> None:
    export.face(0, "p0", crop="../secret.webp")
    with pytest.raises(FaceFlowError, match="outside"):
        read_corrections(export.write(tmp_path / "e"))


def test_the_hardest_pairs_come_first(
    export: Export, cast: Cast, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    a, b = export.person(0, "p0"), export.person(1, "p1")
    export.say("confirm", "same", a)
    export.say("reject", "different", b[:1], a)
    corrections = read_corrections(export.write(tmp_path / "e"))
    vectors = embed_corrections(corrections, embedder)
    pairs = hard_pairs(read_signals(corrections), vectors, threshold_of(embedder))
    assert len(pairs) == 15 + 6
    assert [p.hardness for p in pairs] == sorted((p.hardness for p in pairs), reverse=True)
    for pair in pairs:
        assert pair.cosine == pytest.approx(cast.vectors[pair.a] @ cast.vectors[pair.b], abs=1e-5)
        assert pair.same == (pair.a < 6 and pair.b < 6)
        sign = -1 if pair.same else 1
        assert pair.hardness == pytest.approx(sign * (pair.cosine - threshold_of(embedder)))


def test_vectors_of_another_contract_are_made_anew(
    export: Export, cast: Cast, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    export.person(0, "p0")
    for face in export.faces[:3]:
        face["contract"] = "0" * 16
    folder = export.write(tmp_path / "e")
    np.save(folder / "vectors.npy", np.eye(512, dtype=np.float32)[:6])
    manifest = json.loads((folder / "corrections.json").read_text())
    import hashlib

    digest = hashlib.sha256((folder / "vectors.npy").read_bytes()).hexdigest()
    manifest["sha256"]["vectors.npy"] = digest
    (folder / "corrections.json").write_text(json.dumps(manifest))
    vectors = embed_corrections(read_corrections(folder), embedder)
    np.testing.assert_array_equal(vectors[3:], np.eye(512)[3:6])
    cosines = np.einsum("nd,nd->n", vectors[:3], cast.vectors[:3])
    assert (cosines > 0.9).all()  # WebP moves pixels a little


def test_the_training_set_is_what_train_reads(
    export: Export, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    for number in range(12):
        faces = export.person(number, f"p{number}")
        export.say("confirm", "same", faces)
        if number:
            export.say("reject", "different", [f"u1-f{6 * number - 6:03d}"], faces)
    lonely = export.face(0, "alone", face="x", photo="y", content="z")
    export.say("confirm", "same", [lonely])
    made = build_training_set(export.write(tmp_path / "e"), tmp_path / "set", embedder)
    assert made.identities["train"] + made.identities["val"] == 12
    assert made.too_few == 1 and made.conflicts == {}
    train, val = (read_identities(tmp_path / "set", split) for split in ("train", "val"))
    assert (len(train), len(val)) == (made.faces["train"], made.faces["val"])
    assert not {s.identity for s in train} & {s.identity for s in val}
    assert train[0].decode().shape == (112, 112, 3) and train[0].eye_px == 40.0
    metrics = evaluate_pairs(tmp_path / "set", embedder)
    assert metrics.pairs == made.pairs and 0.5 < metrics.auc <= 1
    # Again: the same files, in place of the first.
    before = {f.name: f.read_bytes() for f in (tmp_path / "set").iterdir()}
    build_training_set(tmp_path / "e", tmp_path / "set", embedder)
    assert {f.name: f.read_bytes() for f in (tmp_path / "set").iterdir()} == before


def test_nobody_elses_folder_is_replaced(
    export: Export, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    export.say("confirm", "same", export.person(0, "p0"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter").write_text("dear")
    with pytest.raises(ConfigError, match="not replaced"):
        build_training_set(export.write(tmp_path / "e"), tmp_path / "mine", embedder)
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["letter"]


def test_nothing_to_train_on_says_so(
    export: Export, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    export.say("confirm", "same", export.person(0, "p0")[:1])
    with pytest.raises(FaceFlowError, match="nothing to train on"):
        build_training_set(export.write(tmp_path / "e"), tmp_path / "set", embedder)
    assert not (tmp_path / "set").exists()
