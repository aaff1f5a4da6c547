"""Archives of single users are read as the one export that they make together."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceEmbedder
from faceflow_ml.errors import FaceFlowError
from pipelines.retraining.drift.observations import observe
from pipelines.retraining.exchange import read_corrections
from pipelines.retraining.gate import check_gate
from pipelines.retraining.place import read_place
from pipelines.retraining.sources import OLDEST

from .conftest import Cast, Export

Publish = Callable[..., Path]


@pytest.fixture
def publish(cast: Cast, embedder: FaceEmbedder, tmp_path: Path) -> Publish:
    """Writes archives of users, each of two people, as the application does."""

    def write(
        *users: str, folder: str = "place/export", age: timedelta = timedelta(hours=3)
    ) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for user in users:
            export = one_of(user, cast, embedder)
            made = export.write(tmp_path / f"made-{user}")
            with tarfile.open(place / f"{user}.tar", "w") as out:
                for file in sorted(made.rglob("*")):
                    out.add(file, file.relative_to(made).as_posix(), recursive=False)
        at = (datetime.now(UTC) - age).isoformat()
        mark = {"format": "faceflow-published-corrections", "version": 1, "at": at}
        (place / "published.json").write_text(json.dumps(mark))
        return place

    return write


def one_of(user: str, cast: Cast, embedder: FaceEmbedder) -> Export:
    export = Export(cast, embedder.contract_id, users={user: True})
    number = int(user[1:])
    for k in (0, 1):
        export.say("confirm", "same", export.person(2 * number + k, f"p{k}", user), user=user)
    for said in export.said:
        said["decision"] = f"{user}-{said['decision']}"
    return export


def test_archives_are_read_as_one_export(
    publish: Publish, cast: Cast, embedder: FaceEmbedder, tmp_path: Path
) -> None:
    found = read_corrections(publish("u2", "u1"))
    folders = [
        read_corrections(one_of(user, cast, embedder).write(tmp_path / user))
        for user in ("u1", "u2")
    ]
    assert found.faces == folders[0].faces + folders[1].faces
    assert found.statements == folders[0].statements + folders[1].statements
    np.testing.assert_array_equal(found.vectors, np.concatenate([f.vectors for f in folders]))
    crops = [one.crop_bytes(k) for one in folders for k in range(len(one.faces))]
    assert [found.crop_bytes(k) for k in range(len(found.faces))] == crops
    assert len(crops) == 24 and found.left_out == 0
    left = read_corrections(found.folder, leave_out={"u1"})
    assert {face.user for face in left.faces} == {"u2"} and left.left_out == 12


def test_gate_and_drift_take_them_too(publish: Publish, embedder: FaceEmbedder) -> None:
    place = publish("u1", "u2", "u3")
    gate = check_gate(place, needed=6)
    assert (gate.train, gate.corrections, gate.identities) == (1, 6, 6)
    assert len(observe(place, embedder)) == 36


def test_nobody_is_no_error_and_changes_change_the_fingerprint(publish: Publish) -> None:
    place = publish()
    assert check_gate(place, needed=1).reason == "skipped: 0 new corrections, 1 are needed"
    seen = [read_place(place.parent).fingerprint]
    publish("u1", "u2")
    seen.append(read_place(place.parent).fingerprint)
    publish()  # looked through again: the same
    assert read_place(place.parent).fingerprint == seen[-1]
    (place / "u2.tar").unlink()
    seen.append(read_place(place.parent).fingerprint)
    assert len(set(seen)) == 3
    assert {face.user for face in read_corrections(place).faces} == {"u1"}


def test_what_nobody_looked_after_is_refused(publish: Publish) -> None:
    publish("u1", age=OLDEST - timedelta(hours=1))
    place = publish(age=OLDEST + timedelta(hours=1))
    with pytest.raises(FaceFlowError, match="who still consents, more than 3 days ago"):
        read_corrections(place)


def test_damaged_archives_are_refused(publish: Publish) -> None:
    place = publish("u1")
    whole = (place / "u1.tar").read_bytes()
    (place / "u2.tar").write_bytes(whole)
    with pytest.raises(FaceFlowError, match="it is of u1"):
        read_corrections(place)
    (place / "u2.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(FaceFlowError, match="no archive of corrections"):
        read_corrections(place)
    (place / "u2.tar").unlink()
    (place / "u1.tar").write_bytes(whole.replace(b'"confirm"', b'"dismiss"'))
    with pytest.raises(FaceFlowError, match="is not as it was exported"):
        read_corrections(place)
    with tarfile.open(place / "u1.tar", "w") as out:
        out.addfile(tarfile.TarInfo("crops"))
    with pytest.raises(FaceFlowError, match=r"no corrections\.json"):
        read_corrections(place)
    (place / "u1.tar").unlink()
    (place / "published.json").unlink()
    with pytest.raises(FaceFlowError, match="no export of corrections"):
        read_corrections(place)
