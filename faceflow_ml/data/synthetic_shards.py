"""Fictional people as Parquet shards, in the columns of the real ones, for mixed-in training.

Rendering takes time, so that shards are kept, named by what they depend on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceflow_ml.data.parquet import encode_webp, write_shard
from faceflow_ml.data.synth.faces import aligned_faces
from faceflow_ml.data.synth.people import sample_person
from faceflow_ml.data.synth.scene import render_photo

_RENDERER = 1  # raise when the renderer changes, so that kept shards are made anew
_PEOPLE = 64  # fictional people who appear in detection photos
_LONGEST_SIDE = 480  # as in the real detection shards


def synthetic_identity_shard(people: int, faces: int, seed: int, root: Path) -> Path:
    """Return a shard of aligned faces, 112x112, rendering it if it is not in ``root`` yet.

    Args:
        people: number of fictional people; their identities begin with ``synthetic/``.
        faces: aligned faces of each.
        seed: of the people and their appearances.
        root: folder of kept shards.
    """
    file = root / f"synthetic-faces-{people}x{faces}-seed{seed}-v{_RENDERER}.parquet"
    if file.exists():
        return file
    rows: dict[str, list[object]] = {"image": [], "identity": [], "source": [], "name": []}
    for position, (crop, label) in enumerate(aligned_faces(people, faces, seed=seed)):
        rows["image"].append(encode_webp(crop))
        rows["identity"].append(f"synthetic/{seed}-{label}")
        rows["source"].append("synthetic")
        rows["name"].append(f"{seed}-{position}")
    return write_shard(file, rows)


def synthetic_photo_shard(photos: int, seed: int, root: Path) -> Path:
    """Return a shard of whole photos with boxes and landmarks, rendering it if need be.

    Args:
        photos: number of photos, of none to four people each.
        seed: of everything in them.
        root: folder of kept shards.
    """
    file = root / f"synthetic-photos-{photos}-seed{seed}-v{_RENDERER}.parquet"
    if file.exists():
        return file
    rng = np.random.default_rng(seed)
    cast = [sample_person(int(rng.integers(2**31))) for _ in range(_PEOPLE)]
    columns = ("image", "name", "width", "height", "boxes", "landmarks", "kind")
    rows: dict[str, list[object]] = {name: [] for name in columns}
    for position in range(photos):
        chosen = rng.choice(_PEOPLE, int(rng.integers(0, 5)), replace=False)
        size = (_LONGEST_SIDE, 360) if rng.random() < 0.6 else (360, _LONGEST_SIDE)
        photo = render_photo([cast[i] for i in chosen], rng, size=size)
        height, width = photo.image.shape[:2]
        rows["image"].append(encode_webp(photo.image))
        rows["name"].append(f"synthetic-{seed}-{position}")
        rows["width"].append(width)
        rows["height"].append(height)
        rows["boxes"].append(photo.boxes.tolist())
        rows["landmarks"].append(photo.landmarks.reshape(-1, 10).tolist())
        rows["kind"].append(["human"] * len(photo.boxes))
    return write_shard(file, rows)
