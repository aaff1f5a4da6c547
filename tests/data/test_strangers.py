import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from faceflow_ml.cli import app
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.strangers import different_people
from faceflow_ml.data.synth.album import AlbumSpec, write_album

NOBODY = np.zeros((0, 64), np.float32)


def units(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_one_face_of_each_person_is_kept_whichever_block_it_is_in() -> None:
    people = units(700, 1)  # more than are compared at once
    again = people + 0.02 * units(700, 2)
    faces = np.concatenate([people, again / np.linalg.norm(again, axis=1, keepdims=True)])
    assert different_people(faces, NOBODY, 0.9).tolist() == list(range(700))
    order = np.random.default_rng(3).permutation(len(faces))
    kept = order[different_people(faces[order], NOBODY, 0.9)] % 700
    assert sorted(kept.tolist()) == list(range(700))


def test_known_people_are_no_strangers() -> None:
    people = units(6, 1)
    assert different_people(people, people[2:4], 0.9).tolist() == [0, 1, 4, 5]
    assert different_people(people, people, 0.9).tolist() == []


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers") / "album"
    write_album(folder, AlbumSpec(people=3, photos=6, seed=4, faces_per_photo=(1, 2), width=480))
    return folder


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", "strangers", *map(str, words), "--threads", "1"])


def test_the_command_adds_people_to_a_training_set(album: Path, tmp_path: Path) -> None:
    shard = tmp_path / "strangers.parquet"
    result = run(album, "--out", shard, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["photos"] == 6
    assert 3 <= report["strangers"] < report["faces"]

    read = read_identities(album_faces(tmp_path, shard), "train", strangers=shard)
    strangers = [sample for sample in read if sample.source == "strangers"]
    assert len(strangers) == len({sample.identity for sample in strangers}) == report["strangers"]
    assert strangers[0].decode().shape == (112, 112, 3)
    assert strangers[0].eye_px >= 10 and strangers[0].det_score >= 0.6

    # They are known people now.
    known = tmp_path / "known"
    known.mkdir()
    shard.rename(known / "train.parquet")
    again = run(album, "--known", known, "--out", tmp_path / "none.parquet")
    assert again.exit_code == 1
    assert "no stranger among" in again.output
    assert not (tmp_path / "none.parquet").exists()


def album_faces(folder: Path, shard: Path) -> Path:
    """A folder with one known person, who is one of the strangers."""
    person = folder / "people" / "someone"
    person.mkdir(parents=True)
    face = read_identities(shard, "train")[0]
    assert isinstance(face.image, bytes)
    (person / "face.webp").write_bytes(face.image)
    return person.parent


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, "--out", tmp_path / "strangers.parquet")
    assert result.exit_code != 0
    assert not (tmp_path / "strangers.parquet").exists()
