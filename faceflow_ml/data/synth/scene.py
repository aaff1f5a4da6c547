"""Whole photos of several people with exact boxes, landmarks and identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.synth.background import paint_background
from faceflow_ml.data.synth.camera import degrade
from faceflow_ml.data.synth.people import Person, sample_appearance, share_light
from faceflow_ml.data.synth.pose import Posed, pose_person
from faceflow_ml.data.synth.raster import FloatArray, Image8
from faceflow_ml.data.synth.render import PersonRenderer, face_truth, project, to_srgb8

_SIZES = ((720, 540), (720, 480), (540, 720), (720, 405), (640, 640), (480, 720))
FACE_MM = 175.0  # forehead to chin


@dataclass(frozen=True)
class SyntheticPhoto:
    """A photo and its truth.

    image (H, W, 3) uint8 RGB; boxes (n, 4) float32 xyxy px; landmarks (n, 5, 2) float32 px as seen
    in the image (left eye, right eye, nose tip, left and right mouth corner); identities (n,).
    """

    image: Image8
    boxes: FloatArray
    landmarks: FloatArray
    identities: tuple[str, ...]


def render_photo(
    people: Sequence[Person],
    rng: np.random.Generator,
    size: tuple[int, int] | None = None,
    strength: float = 1.0,
    pose: float = 1.0,
) -> SyntheticPhoto:
    """A photo of ``people`` (may be empty), ``size`` (width, height) px drawn if None.

    ``strength`` scales the camera's noise, blur and JPEG marks, ``pose`` how far heads turn.
    A face mostly hidden behind someone, or outside the picture, is not labelled.
    """
    width, height = size if size is not None else _SIZES[int(rng.integers(len(_SIZES)))]
    if width < 64 or height < 64:
        raise ValueError(f"size must be at least 64 x 64 px, got {width} x {height}")
    canvas = paint_background(rng, (height, width))
    owner = np.full((height, width), -1, np.int16)
    light = sample_appearance(people[0], rng) if people else None
    places = _places(len(people), width, height, rng)
    order = np.argsort([scale for _, _, scale in places])
    truths: list[tuple[int, FloatArray, FloatArray]] = []
    for index in order:
        person = people[int(index)]
        appearance = sample_appearance(person, rng, pose)
        if light is not None:
            appearance = share_light(appearance, light)
        x, y, scale = places[int(index)]
        floor = -(height - y) / scale - 60.0
        posed = pose_person(person, appearance, low_detail=scale < 0.75, bottom=floor)
        view = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        _composite(canvas, owner, int(index), posed, view)
        truths.append((int(index), *face_truth(posed, view)))
    kept = [truth for truth in truths if _is_visible(truth, owner)]
    kept.sort(key=lambda truth: float(truth[1][0]))
    image = degrade(to_srgb8(canvas), rng, strength)
    limit = np.array((width, height, width, height), np.float32)
    boxes = np.array([np.clip(box, 0, limit) for _, box, _ in kept], np.float32).reshape(-1, 4)
    landmarks = np.array([five for _, _, five in kept], np.float32).reshape(-1, 5, 2)
    return SyntheticPhoto(image, boxes, landmarks, tuple(people[i].identity for i, _, _ in kept))


def _places(
    count: int, width: int, height: int, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Where each face goes: x, y of the point between the eyes, and px per mm."""
    if count == 0:
        return []
    shares = rng.uniform(0.75, 1.25, count)
    edges = np.concatenate([[0], np.cumsum(shares / shares.sum())]) * width
    line = rng.uniform(0.28, 0.48) * height
    tallest = height * (0.46 if count == 1 else 0.36)
    group = rng.uniform(0.55, 1.0)
    places = []
    for slot in range(count):
        room = edges[slot + 1] - edges[slot]
        face = min(tallest, room * 0.95) * group * rng.uniform(0.8, 1.05)
        if rng.random() < 0.12:
            face *= 0.6
        face = max(face, 20.0)
        slack = max(room - face * 0.95, 0) / 2
        x = (edges[slot] + edges[slot + 1]) / 2 + rng.uniform(-1, 1) * slack
        y = float(np.clip(line + rng.normal(0, 0.16) * face, 0.55 * face, height - 0.75 * face))
        places.append((float(x), y, float(face / FACE_MM)))
    rng.shuffle(places)
    return places


def _composite(
    canvas: FloatArray, owner: NDArray[np.int16], index: int, posed: Posed, view: FloatArray
) -> None:
    height, width = owner.shape
    pixels = project(posed.silhouette(), posed.appearance.distance, view)[:, :2]
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, (width, height))
    if np.any(high - low < 2):
        return
    x, y = (int(v) for v in low)
    right, bottom = (int(v) for v in high)
    # The head gets several samples a pixel; chest and below, where detail is soft, one.
    neck = posed.five.mean(axis=0, keepdims=True) - np.array((0, 110, 0), np.float32)
    split = project(neck.astype(np.float32), posed.appearance.distance, view)[0, 1]
    split = int(np.clip(split, y, bottom))
    scale = float(np.hypot(view[0, 0], view[1, 0]))
    renderer = PersonRenderer(posed)
    for top, end, samples in ((y, split, 2.0 if scale < 0.9 else 1.5), (split, bottom, 1.0)):
        if end - top < 2:
            continue
        local = view.copy()
        local[:, 2] -= (x, top)
        color, cover = renderer.draw(local, (end - top, right - x), samples)
        region = canvas[top:end, x:right]
        region *= (1 - cover)[..., None]
        region += color
        owner[top:end, x:right][cover > 0.5] = index


def _is_visible(truth: tuple[int, FloatArray, FloatArray], owner: NDArray[np.int16]) -> bool:
    index, box, _ = truth
    height, width = owner.shape
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    seen = owner[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)] == index
    return float(seen.sum()) > 0.45 * max((x2 - x1) * (y2 - y1), 1)
