"""Glasses, hats, scarves and masks as meshes in head space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import Appearance, GlassesStyle
from faceflow_ml.data.synth.raster import (
    Array,
    FloatArray,
    IntArray,
    Mesh,
    cross,
    grid_normals,
    grid_triangles,
    join,
    unit,
)
from faceflow_ml.data.synth.skin import to_linear

# Half-width, half-height, corner exponent (2 is an ellipse) and frame radius, all mm but one.
_FRAMES: dict[GlassesStyle, tuple[float, float, float, float]] = {
    "round": (23.0, 21.5, 2.0, 1.0),
    "square": (26.5, 18.0, 4.5, 1.4),
    "rimless": (25.0, 16.0, 3.0, 0.55),
    "thick": (27.0, 20.0, 3.6, 2.7),
}
HAT_SCALE = 1.125


@dataclass(frozen=True)
class Lenses:
    """Glass in front of the eyes: vertices (V, 3), triangles (T, 3), tint and its opacity."""

    vertices: FloatArray
    triangles: IntArray
    color: FloatArray
    opacity: float


def glasses(head: Head, appearance: Appearance) -> tuple[Mesh, Lenses] | None:
    """Frame and lenses, or None when none are worn."""
    style = appearance.glasses
    if style == "none" and not appearance.sunglasses:
        return None
    half_x, half_y, power, radius = _FRAMES["square" if style == "none" else style]
    if appearance.sunglasses:
        half_x, half_y, radius = half_x + 1.5, half_y + 1.5, max(radius, 1.5)
    t = np.linspace(0, 2 * np.pi, 37, dtype=np.float32)
    ring_x = half_x * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power)
    ring_y = half_y * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power) - 2.0
    center_x = max(head.eye_x + 1.5, half_x + 9.0)
    bridge_z = float(head.surface(np.zeros(1, np.float32), np.full(1, 3.0, np.float32))[0, 2]) + 2.5
    color = to_linear((0.04, 0.04, 0.05) if appearance.sunglasses else head.person.glasses_color)
    tubes: list[Mesh] = []
    lenses: list[FloatArray] = []
    triangles: list[IntArray] = []
    for side in (-1, 1):
        x = side * center_x + ring_x
        z = np.maximum(bridge_z, 14.0) - 0.0045 * x**2
        ring = np.stack([x, ring_y, z], axis=-1).astype(np.float32)
        skin = head.surface(ring[:, 0], ring[:, 1])[:, 2]
        ring[:, 2] += max(float((skin - ring[:, 2]).max()) + 1.5, 0.0)
        ring = head.stretch(ring)
        tubes.append(_tube(ring, radius, color))
        hinge = ring[18 if side < 0 else 0] + np.array((0, 4.0, 0), np.float32)
        ear = np.array((side * 73.5 * (1 + 0.055 * head.person.head_width), 6.0, -88.0), np.float32)
        knee = np.array((ear[0], 6.0, -18.0), np.float32)
        tubes.append(
            _tube(
                np.stack(
                    [
                        hinge,
                        0.5 * (hinge + knee) + np.array((side * 2.0, 0, 6), np.float32),
                        knee,
                        ear,
                    ]
                ),
                max(radius, 0.9),
                color,
            )
        )
        middle = ring.mean(axis=0, keepdims=True)
        start = sum(len(v) for v in lenses)
        lenses.append(np.concatenate([ring, middle]))
        fan = np.arange(36, dtype=np.int32)
        triangles.append(
            np.stack([fan, fan + 1, np.full(36, 37, np.int32)], axis=-1) + np.int32(start)
        )
    inner = center_x - half_x
    arch = np.linspace(-1, 1, 7, dtype=np.float32)
    bridge = np.stack([arch * inner, 4.5 + 2.5 * (1 - arch**2), bridge_z + 1.5 * (1 - arch**2)], -1)
    tubes.append(_tube(head.stretch(bridge.astype(np.float32)), max(radius, 0.8), color))
    dark = appearance.sunglasses
    tint = np.array((0.012, 0.012, 0.014) if dark else (0.55, 0.60, 0.62), np.float32)
    glass = Lenses(np.concatenate(lenses), np.concatenate(triangles), tint, 0.90 if dark else 0.035)
    return join(tubes), glass


def _tube(path: FloatArray, radius: float, color: FloatArray) -> Mesh:
    sides = 6
    tangent = unit(np.gradient(path, axis=0).astype(np.float32))
    reference = np.array((0.05, 0.1, 1.0), np.float32)
    if abs(float(tangent[len(tangent) // 2] @ unit(reference))) > 0.85:
        reference = np.array((0.0, 1.0, 0.1), np.float32)
    a = unit(cross(tangent, np.broadcast_to(reference, tangent.shape)))
    b = cross(tangent, a)
    angle = np.linspace(0, 2 * np.pi, sides + 1, dtype=np.float32)[None, :, None]
    normals = np.cos(angle) * a[:, None] + np.sin(angle) * b[:, None]
    points = path[:, None] + normals * np.float32(radius)
    return _solid(points, normals, color, 0.5)


def _solid(points: Array, normals: Array, color: FloatArray, gloss: float) -> Mesh:
    rows, columns = points.shape[:2]
    colors = np.broadcast_to(color, points.shape).reshape(-1, 3).astype(np.float32)
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(rows, columns),
        normals.reshape(-1, 3).astype(np.float32),
        colors,
        np.full(rows * columns, gloss, np.float32),
    )


def headwear(appearance: Appearance, center: FloatArray, radii: FloatArray) -> Mesh | None:
    """A cap or a beanie over the skull's ellipsoid, or None."""
    if appearance.headwear == "none":
        return None
    beanie = appearance.headwear == "beanie"
    rows, columns = 16, 41
    azimuth = np.linspace(-np.pi, np.pi, columns, dtype=np.float32)[None]
    front = (1 + np.cos(azimuth)) / 2
    rim = (front * (27.0 if beanie else 38.0) + (1 - front) * (-4.0 if beanie else 8.0)) / radii[1]
    elevation = (
        np.arcsin(rim)
        + (np.pi / 2 - np.arcsin(rim)) * (np.linspace(1, 0, rows, dtype=np.float32)[:, None])
    )
    scale = HAT_SCALE + (0.03 if beanie else 0.0)
    tall = 1.06 if beanie else 0.97
    ribs = 1.2 * np.sin(azimuth * 46) * (elevation < np.arcsin(rim) + 0.35) if beanie else 0.0
    x = np.cos(elevation) * np.sin(azimuth) * (radii[0] * scale + ribs)
    z = np.cos(elevation) * np.cos(azimuth) * (radii[2] * scale * (1 + 0.05 * front) + ribs)
    y = np.sin(elevation) * radii[1] * scale * tall + 0 * azimuth
    points = (np.stack([x, y, z], axis=-1) + center).astype(np.float32)
    color = to_linear(appearance.headwear_color)
    dome = _solid(points, grid_normals(points), color, 0.05)
    fold = (
        1 - 0.35 * (np.sin(azimuth * 46) < -0.3)
        if beanie
        else 1 - 0.3 * (np.abs((azimuth / (np.pi / 3) + 0.5) % 1 - 0.5) < 0.02)
    )
    colors = dome.colors.reshape(rows, columns, 3) * (fold + 0 * elevation)[..., None]
    dome = Mesh(
        dome.vertices,
        dome.triangles,
        dome.normals,
        colors.reshape(-1, 3).astype(np.float32),
        dome.gloss,
    )
    if beanie:
        return dome
    a = np.linspace(-1.05, 1.05, 25, dtype=np.float32)[None]
    out = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    reach = 62.0 * np.cos(a * 1.35) ** 0.7
    bx = np.sin(a) * (radii[0] * scale * 0.97 + out * 10)
    bz = np.cos(a) * radii[2] * scale * 0.97 + out * reach
    by = 38.0 - 9.0 * out - 7.0 * (np.sin(a) ** 2) * (0.4 + out) + 0 * bx
    brim = (np.stack([bx, by, bz], axis=-1) + center).astype(np.float32)
    normals = unit(np.broadcast_to(np.array((0, 1.0, 0.25), np.float32), brim.shape))
    under = brim - np.array((0, 2.5, 0), np.float32)
    return join(
        [dome, _solid(brim, normals, color * 0.9, 0.05), _solid(under, -normals, color * 0.5, 0.0)]
    )


def scarf(appearance: Appearance) -> Mesh | None:
    """Two turns of cloth round the neck, or None."""
    if not appearance.scarf:
        return None
    rng = np.random.default_rng([appearance.seed, 41])
    angle = np.linspace(0, 4 * np.pi, 73, dtype=np.float32)
    wobble = rng.normal(0, 2.0, (3, 8))
    turns = np.arange(8)[:, None]
    waves = wobble @ np.sin((turns + 1) * angle / 2 + turns)
    path = np.stack(
        [np.sin(angle) * (76 + waves[0]), -118 - 26 * angle / (4 * np.pi) + waves[1] * 0.8,
         np.cos(angle) * (66 + waves[2]) - 92], axis=-1,
    ).astype(np.float32)  # fmt: skip
    mesh = _tube(path, 21.0, to_linear(appearance.scarf_color))
    weave = 0.82 + 0.30 * rng.random((len(mesh.colors), 1))
    gloss = np.zeros_like(mesh.gloss)
    return Mesh(
        mesh.vertices, mesh.triangles, mesh.normals, (mesh.colors * weave).astype(np.float32), gloss
    )


def face_mask(head: Head, appearance: Appearance) -> Mesh | None:
    """A surgical mask from the nose to under the chin, or None."""
    if not appearance.mask:
        return None
    rows, columns = 16, 33
    v = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    s = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    top = head.nose_y + 17 - 24 * np.abs(s) ** 1.5
    low = -113 + 34 * np.abs(s) ** 1.7
    y = top + v * (low - top)
    half = np.interp(y.ravel(), head.rows_y[::-1], head.x.max(axis=1)[::-1]).reshape(y.shape)
    x = s * np.minimum(half * 0.95, 62)
    flat = head.surface(x.ravel().astype(np.float32), y.ravel().astype(np.float32))[:, 2].reshape(
        y.shape
    )
    nose = head.surface(np.zeros(1, np.float32), np.full(1, head.nose_y, np.float32))[0, 2]
    tent = nose + 3 - 26 * np.abs(v - 0.22) - 0.021 * x**2
    z = np.maximum(flat + 2.5, tent)
    points = head.stretch(np.stack([x, y, z], axis=-1).astype(np.float32))
    pleats = 1 - 0.18 * (np.abs((v * 4) % 1 - 0.5) < 0.10) * (v > 0.15) * (v < 0.9)
    color = to_linear((0.55, 0.74, 0.82) if appearance.seed % 2 else (0.90, 0.90, 0.90))
    mesh = _solid(points, grid_normals(points), color, 0.02)
    colors = (mesh.colors.reshape(rows, columns, 3) * (pleats + 0 * s)[..., None]).reshape(-1, 3)
    sheet = Mesh(mesh.vertices, mesh.triangles, mesh.normals, colors.astype(np.float32), mesh.gloss)
    parts = [sheet]
    for side, column in ((-1, 0), (1, columns - 1)):
        ear = np.array((side * 74.0, -8.0, -88.0), np.float32)
        ends = (np.stack([points[row, column], ear]) for row in (1, rows - 2))
        parts += [_tube(path, 0.9, to_linear((0.9, 0.9, 0.9))) for path in ends]
    return join(parts)
