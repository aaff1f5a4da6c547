"""A person's skin, brows and stubble as a planar texture over canonical face coordinates."""

from __future__ import annotations

import cv2
import numpy as np

from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import BeardStyle
from faceflow_ml.data.synth.raster import Array, FloatArray

LEFT, TOP = -88.0, 118.0  # canonical x and y (mm) of the texture's upper left corner
FACE_MM = (176, 240)  # width and height of the face in the atlas
ATLAS_MM = (240, 240)  # the face, then neck and cloth at the right
CLOTH_MM = (ATLAS_MM[0] - FACE_MM[0], 96)


def to_linear(srgb: object) -> FloatArray:
    """Linear light of sRGB in [0, 1] (a 2.2 power: fast, and the inverse of ``to_srgb8``)."""
    return np.asarray(np.power(np.clip(np.asarray(srgb, np.float32), 0, 1), 2.2), np.float32)


def cloth_uv(uv: FloatArray) -> FloatArray:
    """Atlas coordinates (V, 2) of cloth texture coordinates (V, 2) in [0, 1]."""
    u = (FACE_MM[0] + 1 + uv[:, 0] * (CLOTH_MM[0] - 2)) / ATLAS_MM[0]
    v = (0.5 + uv[:, 1] * (CLOTH_MM[1] - 1)) / ATLAS_MM[1]
    return np.stack([u, v], axis=-1).astype(np.float32)


def face_uv(x: FloatArray, y: FloatArray) -> FloatArray:
    """Atlas coordinates (..., 2) of canonical face positions."""
    u = np.clip(x - LEFT, 1, FACE_MM[0] - 2) / ATLAS_MM[0]
    v = np.clip(TOP - y, 1, FACE_MM[1] - 2) / ATLAS_MM[1]
    return np.stack([u, v], axis=-1).astype(np.float32)


def texture_axes(density: float) -> tuple[FloatArray, FloatArray]:
    """Canonical x (1, W) and y (H, 1) of the face texture's pixel centres, ``density`` px/mm."""
    width, height = (round(length * density) for length in FACE_MM)
    x = LEFT + (np.arange(width, dtype=np.float32) + 0.5) / density
    y = TOP - (np.arange(height, dtype=np.float32) + 0.5) / density
    return x[None, :], y[:, None]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 1
) -> FloatArray:
    """Smooth noise (H, W) of about unit deviation whose features are ``cell`` pixels wide."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        small = rng.standard_normal(
            (int(shape[0] / size) + 3, int(shape[1] / size) + 3), dtype=np.float32
        )
        total += cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC) * 0.7**octave
    return total


def _spot(x: FloatArray, y: FloatArray, cx: float, cy: float, sx: float, sy: float) -> FloatArray:
    horizontal = np.exp(-(((x - cx) / sx) ** 2))
    return np.asarray(horizontal * np.exp(-(((y - cy) / sy) ** 2)), np.float32)


def paint_skin(head: Head, density: float) -> FloatArray:
    """Linear reflectance (H, W, 3) of bare skin with brows, moles, wrinkles and stubble.

    The texture has ``density`` px/mm; the larger one has more of the same strokes' detail.
    """
    p = head.person
    rng = np.random.default_rng([p.seed, 11])
    x, y = texture_axes(density)
    ax = np.abs(x)
    shape = (y.shape[0], x.shape[1])
    age = float(np.clip((p.age - 25) / 50, 0, 1))
    texture = np.empty((*shape, 3), np.float32)
    texture[:] = to_linear(p.skin)
    fine = smooth_noise(rng, shape, 1.1 * density) * (0.014 + 0.012 * age)
    blotch = smooth_noise(rng, shape, 13 * density, 3) * (0.018 + 0.014 * age)
    texture *= (1 + fine + blotch)[..., None]
    red = (
        0.55 * _spot(ax, y, 40, -36, 19, 17)
        + 0.50 * _spot(ax, y, 0, head.nose_y, 13, 10)
        + 0.22 * _spot(ax, y, 0, -105, 18, 12)
        + 0.30 * _spot(ax, y, 80, -20, 18, 30)
    ) * (0.35 + 0.65 * p.ruddiness)
    texture *= 1 - red[..., None] * np.array((0.06, 0.26, 0.24), np.float32)
    eye_shade = _spot(ax, y, head.eye_x, -1, 17, 10) * (0.16 + 0.10 * p.eye_depth)
    bags = _spot(ax, y, head.eye_x - 3, -11.5, 12, 4.5) * (0.10 + 0.16 * age)
    nostril_x = head.nose_half * 0.42
    under_nose = 0.30 * _spot(ax, y, 0, head.nose_y - 11, head.nose_half * 0.9, 4.5)
    shade = eye_shade + bags + under_nose
    texture *= 1 - shade[..., None] * np.array((0.85, 1.0, 0.95), np.float32)
    _wrinkles(texture, head, age, rng, density)
    nostril = np.clip(
        1.35
        * np.exp(
            -(np.abs((ax - nostril_x - 0.4 * (y - head.nose_y + 8)) / 3.9) ** 2.6)
            - np.abs((y - head.nose_y + 7.4 - 0.25 * (ax - nostril_x)) / 1.9) ** 2.6
        ),
        0,
        1,
    ) * (0.62 + 0.1 * p.nose_tip)
    texture *= 1 - nostril[..., None] * np.array((0.80, 0.90, 0.90), np.float32)
    wing_line = (
        0.22
        * np.exp(-(((ax - head.nose_half - 0.6 + 0.05 * (y - head.nose_y + 5) ** 2) / 1.5) ** 2))
        * (np.abs(y - head.nose_y + 4) < 7)
    )
    wing_line = cv2.GaussianBlur(wing_line.astype(np.float32), (0, 0), 0.7 * density)
    texture *= 1 - wing_line[..., None]
    if p.freckles > 0:
        _freckles(texture, head, rng, density)
    for mole_x, mole_y, radius in p.moles:
        spot = np.clip(1.6 * _spot(x, y, mole_x, mole_y, radius, radius), 0, 1)[..., None]
        texture += spot * 0.75 * (to_linear(p.skin) * (0.22, 0.13, 0.10) - texture)
    _stubble(texture, head, rng, density)
    _brows(texture, head, rng, density)
    return texture


def _wrinkles(
    texture: FloatArray, head: Head, age: float, rng: np.random.Generator, density: float
) -> None:
    mask = np.zeros(texture.shape[:2], np.uint8)

    def stroke(points: np.ndarray, strength: float, width: float = 0.5) -> None:
        pixels = np.stack([(points[:, 0] - LEFT), (TOP - points[:, 1])], axis=-1) * density
        line = np.round(pixels * 16).astype(np.int32)
        pen = max(round(width * density), 1)
        strength *= min(width * density / pen, 1.0)
        cv2.polylines(mask, [line], False, int(255 * strength), pen, cv2.LINE_AA, 4)

    t = np.linspace(0, 1, 12)
    for side in (-1, 1):
        fold_x = side * (head.nose_half + 3 + 15 * t**0.8)
        fold_y = head.nose_y - 1 - 32 * t
        stroke(np.stack([fold_x, fold_y], -1), 0.20 + 0.6 * age, 1.5)
        for k in range(3):
            reach = 8 + rng.uniform(0, 5)
            crow_x = side * (head.eye_x + head.person.eye_width / 2 + 4 + reach * t)
            crow_y = (k - 1) * (2 + 4 * t) - 1
            stroke(np.stack([crow_x, crow_y + 0 * t], -1), 0.65 * max(age - 0.25, 0), 1.0)
        bag_x = side * (head.eye_x - 13 + 24 * t)
        stroke(np.stack([bag_x, -12 - 3.5 * np.sin(np.pi * t)], -1), 0.15 + 0.5 * age, 1.0)
    for k in range(3):
        span = rng.uniform(26, 40)
        line_x = np.linspace(-span, span, 12) + rng.uniform(-4, 4)
        line_y = 38 + 10 * k + rng.uniform(-1.5, 1.5) + 2 * np.cos(line_x / 14 + rng.uniform(0, 6))
        stroke(np.stack([line_x, line_y], -1), 0.75 * max(age - 0.2, 0), 1.0)
    for side in (-1, 1):
        frown = np.stack([np.full(12, side * 6.0) + side * 1.5 * t, 14 + 10 * t], -1)
        stroke(frown, 0.45 * max(age - 0.2, 0), 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.8 * density).astype(np.float32) / 255
    texture *= 1 - (0.62 * soft)[..., None] * np.array((0.9, 1.0, 1.0), np.float32)


def _freckles(texture: FloatArray, head: Head, rng: np.random.Generator, density: float) -> None:
    mask = np.zeros(texture.shape[:2], np.uint8)
    count = int(260 * head.person.freckles)
    spots_x = rng.normal(0, 26, count)
    spots_y = rng.normal(-24, 15, count)
    for fx, fy, r in zip(spots_x, spots_y, rng.uniform(0.4, 1.1, count), strict=True):
        center = (int((fx - LEFT) * density * 16), int((TOP - fy) * density * 16))
        cv2.circle(mask, center, int(r * density * 16), int(rng.integers(90, 220)), -1,
                   cv2.LINE_AA, 4)  # fmt: skip
    soft = cv2.GaussianBlur(mask, (0, 0), 0.4 * density).astype(np.float32)[..., None] / 255
    texture *= 1 - soft * np.array((0.30, 0.48, 0.55), np.float32)


def beard_mask(
    head: Head, x: FloatArray, y: FloatArray, style: BeardStyle | None = None
) -> FloatArray:
    """Where a beard (this person's, or of another style) grows, in [0, 1], at canonical x, y."""
    p, my = head.person, head.mouth_y
    ax = np.abs(x)

    def ramp(value: Array) -> FloatArray:
        return np.asarray(np.clip(value, 0, 1), np.float32)

    lip_gap = np.hypot(ax / (head.mouth_half + 2.0), (y - my) / (p.upper_lip + 2.5)) - 1
    off_lips = ramp(lip_gap * 5)
    moustache = (
        ramp((my + 15.5 - y) / 3) * ramp((y - my + 2.0 - 0.4 * np.maximum(ax - 22, 0)) / 3 + 0.6)
        * ramp((head.mouth_half + 7 - ax) / 5) * ramp((y - my + 10) / 4)
    )  # fmt: skip
    chin = ramp((my - 9 - y) / 4) * ramp((27 - ax) / 6)
    sides = ramp((ax - head.mouth_half - 3) / 4) * ramp((27 - ax) / 4) * ramp((my + 3 - y) / 4)
    goatee = np.maximum(chin, sides)
    cheek_line = my + 10 + 0.010 * (ax - 20) ** 2 + np.maximum(ax - 55, 0) * 2.6
    jaw = ramp((cheek_line - y) / 6) * ramp((ax - head.mouth_half - 1) / 6)
    full = np.maximum(np.maximum(jaw, goatee), moustache)
    parts = {
        "moustache": moustache,
        "goatee": np.maximum(goatee, moustache),
        "none": np.zeros_like(full),
    }
    return np.asarray(parts.get(style or p.beard, full) * off_lips, np.float32)


def _stubble(texture: FloatArray, head: Head, rng: np.random.Generator, density: float) -> None:
    p = head.person
    x, y = texture_axes(density)
    strength = {"none": 0.0, "stubble": 0.52, "short": 0.72}.get(p.beard, 0.75)
    mask = beard_mask(head, x, y) * strength
    if p.beard in ("none", "moustache", "goatee") and p.femininity < 0.5:
        mask = np.maximum(mask, beard_mask(head, x, y, "full") * 0.14)
    if not mask.any():
        return
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5 * density), np.float32)
    grain = np.clip(1 + 0.35 * smooth_noise(rng, mask.shape, max(0.65 * density, 1.0)), 0, 1.6)
    cover = np.clip(mask * grain, 0, 0.95)[..., None]
    texture += cover * (to_linear(p.beard_color) * 0.9 + 0.02 - texture)


def _brows(texture: FloatArray, head: Head, rng: np.random.Generator, density: float) -> None:
    p = head.person
    scale = 2
    height, width = round(45 * density), texture.shape[1]
    top_y = head.brow_y + 24
    mask = np.zeros((height * scale, width * scale), np.uint8)
    thick = 3.6 + 1.9 * p.brow_thickness
    inner = head.eye_x - 20.5 + 2.5 * p.brow_gap
    length = 41.0
    count = int(110 + 45 * p.brow_thickness)
    pen = max(round(density * scale * 0.5), 1)
    tone = int(200 * min(density * scale * 0.5 / pen, 1.0))
    for side in (-1, 1):
        t = np.sort(rng.random(count))
        across = rng.uniform(-1, 1, count)
        arch = (3.2 + 3.0 * p.brow_arch) * np.sin(np.pi * t**1.25)
        local = thick * (0.72 + 0.5 * np.sin(np.pi * t**0.8)) * np.clip(1.25 * (1 - t) + 0.25, 0, 1)
        root_x = inner + length * t
        root_y = (
            head.brow_y
            - 0.6
            + arch
            - 4.2 * t
            + 0.20 * p.eye_tilt * (t - 0.4)
            + (across * local * 0.5)
        )
        angle = np.deg2rad(np.interp(t, [0, 0.25, 1], [72, 32, -14])) + rng.normal(0, 0.15, count)
        hair = rng.uniform(3.5, 6.0, count)
        tip_x, tip_y = root_x + hair * np.cos(angle), root_y + hair * np.sin(angle) * 0.75
        for x0, y0, x1, y1 in zip(root_x, root_y, tip_x, tip_y, strict=True):
            ends = [
                (int((side * cx - LEFT) * density * scale * 16),
                 int((top_y - cy) * density * scale * 16))
                for cx, cy in ((x0, y0), (x1, y1))
            ]  # fmt: skip
            cv2.line(mask, ends[0], ends[1], tone, pen, cv2.LINE_AA, 4)
    soft = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    cover = (
        cv2.GaussianBlur(soft, (0, 0), 0.45 * density).astype(np.float32)[..., None] / 255 * 0.95
    )
    start = int((TOP - top_y) * density)
    band = texture[start : start + height]
    band += cover * (to_linear(p.brow_color) - band)
