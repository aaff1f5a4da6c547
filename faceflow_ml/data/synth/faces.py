"""The training feed: aligned faces of many fictional identities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from faceflow_ml.data.synth.background import paint_background
from faceflow_ml.data.synth.camera import degrade
from faceflow_ml.data.synth.people import (
    Appearance,
    Person,
    sample_appearance,
    sample_person,
)
from faceflow_ml.data.synth.pose import pose_person
from faceflow_ml.data.synth.raster import FloatArray, Image8
from faceflow_ml.data.synth.render import PersonRenderer, project, to_srgb8

# Where ArcFace's 112 x 112 crops have the landmarks: eyes, nose tip, mouth corners.
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
     (70.7299, 92.2041)], dtype=np.float32,
)  # fmt: skip


def similarity(source: FloatArray, target: FloatArray) -> FloatArray:
    """Least-squares similarity (2, 3) that maps points (n, 2) to points (n, 2) (Umeyama 1991)."""
    ms, mt = source.mean(axis=0), target.mean(axis=0)
    s, t = source - ms, target - mt
    norm = float((s**2).sum())
    a = float((s * t).sum()) / norm
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / norm
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, mt - linear @ ms]).astype(np.float32)


def render_aligned_face(
    person: Person,
    rng: np.random.Generator,
    size: int = 112,
    appearance: Appearance | None = None,
    landmark_noise: float = 0.012,
) -> Image8:
    """One face (size, size, 3) uint8 RGB, aligned to the ArcFace template.

    The appearance is drawn from ``rng`` unless given; ``landmark_noise`` is the deviation of the
    landmarks as a share of the crop, as a detector would make, and the picture has a camera's
    noise, blur and JPEG marks.
    """
    if size < 32:
        raise ValueError(f"size must be at least 32 px, got {size}")
    chosen = appearance if appearance is not None else sample_appearance(person, rng)
    posed = pose_person(person, chosen, low_detail=size <= 160, bottom=-230.0)
    plane = project(posed.five, chosen.distance, np.eye(2, 3, dtype=np.float32))[:, :2]
    target = TEMPLATE * (size / 112.0)
    target = target + rng.normal(0, landmark_noise * size, target.shape).astype(np.float32)
    view = similarity(plane, target)
    color, cover = PersonRenderer(posed).draw(view, (size, size), 1.5)
    color += (1 - cover)[..., None] * paint_background(rng, (size, size))
    return degrade(to_srgb8(color), rng)


def aligned_faces(
    identities: int, images: int, seed: int = 0, size: int = 112
) -> Iterator[tuple[Image8, int]]:
    """Faces and labels 0..identities-1, ``images`` of each person in turn."""
    if identities < 1 or images < 1:
        raise ValueError(f"identities and images must be >= 1, got {identities} and {images}")
    for label in range(identities):
        person = sample_person(np.random.default_rng([seed, label]))
        rng = np.random.default_rng([seed, label, 1])
        for _ in range(images):
            yield render_aligned_face(person, rng, size), label
