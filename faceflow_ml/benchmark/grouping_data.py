"""Albums of fictional people as labelled vectors, for the comparison of groupings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.grouping import LabelledVectors
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.inference.alignment import align_faces
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.images import load_image

SYNTHETIC_ALBUMS = (
    AlbumSpec(people=8, photos=30, seed=101, width=480),
    AlbumSpec(people=20, photos=40, seed=102, width=480),
)


def embed_synthetic_album(embedder: FaceEmbedder, spec: AlbumSpec) -> LabelledVectors:
    """Render an album and embed all of its faces, aligned by their true landmarks."""
    vectors, people, photos = [], [], []
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        folder = Path(work) / "album"
        truth = write_album(folder, spec)
        for number, photo in enumerate(truth.photos):
            if not photo.faces:
                continue
            landmarks = np.array([face.landmarks for face in photo.faces], np.float32)
            crops = align_faces(load_image(folder / photo.path), landmarks)
            vectors.append(embedder.embed(crops))
            people += [face.identity for face in photo.faces]
            photos += [number] * len(photo.faces)
    _, labels = np.unique(people, return_inverse=True)
    return LabelledVectors(
        np.concatenate(vectors), labels.astype(np.int64), np.array(photos, np.int64)
    )
