"""Lay out data for training and evaluation, checked and fingerprinted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from faceflow_ml.cli._common import say
from faceflow_ml.data.fingerprint import fingerprint_files
from faceflow_ml.data.parquet import read_detection_shards, read_identity_shards, shard_files
from faceflow_ml.data.synthetic_shards import synthetic_identity_shard, synthetic_photo_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_path, atomic_write_text
from faceflow_ml.inference.pretrained import Kind
from pipelines.kinds import KINDS

SOURCES = {"detector": "detection", "embedder": "identities"}
SPLITS = ("train", "val")
_VAL_SEED = 1_000_003  # held-out fictional people are others than those of training


def prepare_data(data: Path, out: Path) -> None:
    """Check ``data/detection`` and ``data/identities`` (Parquet shards of ``train`` and ``val``)
    and copy each split to ``out/<kind>_<split>``.

    ``out/report/data.json`` gets counts and the fingerprint of everything.

    Raises:
        FaceFlowError: shards are missing or malformed, photos or people are in both splits.
    """
    for kind in KINDS:
        for split in SPLITS:
            for file in shard_files(data / SOURCES[kind], split):
                copy_file(file, out / f"{kind}_{split}" / file.name)
    _report(out)


def render_data(out: Path, *, photos: int, people: int, faces: int, seed: int) -> None:
    """Render fictional people in place of data: the same layout and report as `prepare_data`.

    photos: with boxes, of each split. people, faces: aligned faces of each split's people.
    """
    for split in SPLITS:
        part = seed if split == "train" else seed + _VAL_SEED
        photo_folder, face_folder = out / f"detector_{split}", out / f"embedder_{split}"
        synthetic_photo_shard(photos, part, photo_folder).rename(photo_folder / f"{split}.parquet")
        shard = synthetic_identity_shard(people, faces, part, face_folder)
        shard.rename(face_folder / f"{split}.parquet")
        say(f"Rendered {photos} photos and {people} people to {split} on")
    _report(out)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file in one step."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _report(out: Path) -> None:
    counts: dict[str, dict[str, int]] = {}
    names: dict[tuple[Kind, str], set[str]] = {}
    for split in SPLITS:
        photos = read_detection_shards(out / f"detector_{split}", split)
        faces = read_identity_shards(out / f"embedder_{split}", split)
        people = {face.identity for face in faces}
        boxes = sum(int((~photo.ignore).sum()) for photo in photos)
        if not photos or not boxes:
            raise FaceFlowError(f"no photos with faces to {split} the detector on")
        if len(people) < 2 or len(people) == len(faces):
            raise FaceFlowError(f"too few people or faces to {split} the embedder on")
        names["detector", split] = {photo.name for photo in photos}
        names["embedder", split] = people
        counts[split] = {
            "photos": len(photos),
            "boxes": boxes,
            "people": len(people),
            "faces": len(faces),
        }
    for kind in KINDS:
        both = names[kind, "train"] & names[kind, "val"]
        if both:
            what = "photos" if kind == "detector" else "people"
            raise FaceFlowError(
                f"{len(both)} {what} are in train and val of {SOURCES[kind]}, such as {min(both)}: "
                "what is measured must be held out"
            )
    report: dict[str, Any] = {
        "fingerprint": fingerprint_files(
            out / f"{kind}_{split}" for kind in KINDS for split in SPLITS
        ),
        **counts,
    }
    atomic_write_text(out / "report/data.json", json.dumps(report, indent=2) + "\n")
    say(f"Data: {json.dumps(report)}")
