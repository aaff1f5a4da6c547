import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from faceflow_ml.cli import app
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.label_cleaning import apply_labels, clean_labels, write_labels
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError


def around(*centres: NDArray[np.float32], faces: int = 6, noise: float = 0.03) -> NDArray:
    rng = np.random.default_rng(3)
    vectors = np.concatenate([c + noise * rng.normal(size=(faces, len(c))) for c in centres])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def people() -> NDArray[np.float32]:
    """Six people who are nothing alike."""
    return np.eye(32, dtype=np.float32)[:6]


def test_one_person_under_two_labels_of_two_sets_gets_one(people: NDArray[np.float32]) -> None:
    # Trained to tell the two labels apart: near, but far from the same.
    apart = people[0] + 0.5 * people[5]
    vectors = around(*people[:5], apart / np.linalg.norm(apart), people[4] * -1)
    identities = np.repeat(["a/0", "a/1", "a/2", "a/3", "a/4", "b/x", "b/y"], 6).tolist()
    sources = ["a"] * 30 + ["b"] * 12

    cleaned = clean_labels(vectors, identities, sources)

    assert [(merge.identity, merge.into) for merge in cleaned.merges] == [("b/x", "a/0")]
    assert cleaned.identities[30] == "a/0" and cleaned.identities[36] == "b/y"
    assert cleaned.merges[0].cosine > 0.8 > cleaned.merges[0].next_cosine
    assert cleaned.dropped == 0


def _turned(people: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    """The first person, on the way to the last."""
    return np.cos(angle) * people[0] + np.sin(angle) * people[5]


def test_a_person_of_three_sets_gets_one_label(people: NDArray[np.float32]) -> None:
    # a is like b and b like c, but a is too far from c.
    a, b, c = (_turned(people, angle) for angle in (0, 0.7, 1.4))
    vectors = around(c, *people[1:5], b, people[1] * -1, people[2] * -1, a)
    identities = ["c/x", "c/1", "c/2", "c/3", "c/4", "b/x", "b/1", "b/2", "a/x"]
    sources = [identity[0] for identity in identities]
    cleaned = clean_labels(
        vectors, np.repeat(identities, 6).tolist(), np.repeat(sources, 6).tolist()
    )
    merged = {merge.identity: merge.into for merge in cleaned.merges}
    assert merged == {"b/x": "c/x", "a/x": "c/x"}
    assert {cleaned.identities[i] for i in (0, 30, 48)} == {"c/x"}


def test_two_labels_of_a_set_are_not_joined_by_way_of_another(
    people: NDArray[np.float32],
) -> None:
    # a/y is like c/x, and so is b/x, which a/x is like.
    y, c, b, x = (_turned(people, angle) for angle in (-0.5, 0, 0.6, 1.3))
    vectors = around(c, *people[1:5], b, people[1] * -1, people[2] * -1, x, y)
    identities = ["c/x", "c/1", "c/2", "c/3", "c/4", "b/x", "b/1", "b/2", "a/x", "a/y"]
    sources = [identity[0] for identity in identities]
    cleaned = clean_labels(
        vectors, np.repeat(identities, 6).tolist(), np.repeat(sources, 6).tolist()
    )
    merged = {merge.identity: merge.into for merge in cleaned.merges}
    assert merged == {"a/y": "c/x", "b/x": "c/x"}


def test_labels_of_sets_that_share_labels_are_different_people(people: NDArray[np.float32]) -> None:
    vectors = around(people[0], people[1], people[2], people[1])
    identities = np.repeat(["0", "1", "2", "1b"], 6).tolist()
    sources = ["a"] * 18 + ["b"] * 6
    assert len(clean_labels(vectors, identities, sources).merges) == 1
    sources[0] = "b"  # now both sets hold label 0, so they name people alike
    assert clean_labels(vectors, identities, sources).merges == ()


def test_two_look_alikes_are_not_merged(people: NDArray[np.float32]) -> None:
    alike = people[0] + 0.3 * people[5]
    vectors = around(people[0], alike / np.linalg.norm(alike), people[2], people[0] * 1.0)
    identities = np.repeat(["a/0", "a/1", "a/2", "b/x"], 6).tolist()
    assert clean_labels(vectors, identities, ["a"] * 18 + ["b"] * 6).merges == ()


def test_a_face_unlike_its_label_is_left_out(people: NDArray[np.float32]) -> None:
    vectors = around(people[0], people[1])
    vectors[2] = people[4]
    cleaned = clean_labels(vectors, ["0"] * 6 + ["1"] * 6, ["a"] * 12)
    assert [i for i, name in enumerate(cleaned.identities) if name is None] == [2]
    assert cleaned.dropped == 1


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="1 vectors, 2 labels"):
        clean_labels(np.ones((1, 4), np.float32), ["a", "b"], ["s", "s"])


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    for person in "ab":
        (folder / person).mkdir(parents=True)
        for i in range(2):
            value = 60 * i + (30 if person == "a" else 0)
            cv2.imwrite(str(folder / person / f"{i}.png"), np.full((112, 112, 3), value, np.uint8))
    return folder


def test_written_labels_reach_the_reader(faces: Path, tmp_path: Path) -> None:
    samples = read_identities(faces, "train")
    file = tmp_path / "labels.csv"
    write_labels(file, samples, ["a", None, "a", "b"])
    read = read_identities(faces, "train", labels=file)
    assert [sample.identity for sample in read] == ["a", "a", "b"]
    assert [sample.name for sample in read] == [samples[i].name for i in (0, 2, 3)]


@pytest.mark.parametrize("text", ["", "name,identity\nx,y\n", "sha256,identity\nonly one\n"])
def test_other_files_are_refused(faces: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(FaceFlowError, match=r"labels\.csv"):
        read_identities(faces, "train", labels=file)


def test_labels_of_other_data_are_refused(faces: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    samples = read_identities(faces, "train")
    write_labels(file, samples[:1], ["a"])
    with pytest.raises(FaceFlowError, match="names none of the 3 faces"):
        apply_labels(samples[1:], file)


def test_images_that_the_file_does_not_name_keep_their_label(faces: Path, tmp_path: Path) -> None:
    samples: list[IdentitySample] = read_identities(faces, "train")
    file = tmp_path / "labels.csv"
    write_labels(file, samples[:1], ["z"])
    read = [sample.identity for sample in apply_labels(samples, file)]
    assert read == ["z", *(sample.identity for sample in samples[1:])]


def test_the_command_writes_labels_for_training(faces: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    arguments = ["data", "clean", str(faces), "--out", str(file), "--json", "--threads", "1"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert (report["faces"], report["identities"], report["dropped"]) == (4, 2, 0)
    assert report["merges"] == []  # one set
    assert len(read_identities(faces, "train", labels=file)) == 4
