"""Ears, neck, shoulders and cloth: what surrounds the face of a portrait."""

from __future__ import annotations

import numpy as np

from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import Appearance, Person
from faceflow_ml.data.synth.raster import (
    Array,
    FloatArray,
    Mesh,
    grid_normals,
    grid_triangles,
    join,
    unit,
)
from faceflow_ml.data.synth.skin import CLOTH_MM, smooth_noise, to_linear

# Body below the chin: height y, half-width, front z, back z, widest z.
_TORSO = np.array(
    [
        (-58, 58, -36, -142, -88), (-90, 56, -42, -146, -92), (-118, 56, -46, -150, -97),
        (-136, 60, -47, -156, -100), (-147, 76, -46, -162, -101), (-157, 108, -42, -168, -101),
        (-168, 143, -35, -174, -101), (-182, 174, -26, -180, -102), (-202, 197, -14, -186, -102),
        (-235, 211, -3, -190, -100), (-300, 219, 6, -190, -98), (-420, 221, 5, -188, -98),
        (-600, 196, 0, -185, -98), (-760, 206, 0, -190, -98), (-1150, 190, -10, -180, -98),
        (-1700, 160, -20, -175, -98),
    ],
    dtype=np.float32,
)  # fmt: skip
_COLUMNS = 45
_SPAN_X, _TOP_Y, _SPAN_Y = 235.0, -55.0, 600.0


def ear_mesh(head: Head) -> Mesh:
    """Both ears: cupped discs with a raised rim."""
    rows, columns = 9, 20
    r = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    a = np.linspace(0, 2 * np.pi, columns, dtype=np.float32)[None, :]
    size = 1 + 0.12 * head.person.ear_size
    up = np.cos(a) * r
    fore = np.sin(a) * r
    high = 30.0 * size * up - 3 * (up < 0) * up
    deep = (15.5 + 3.5 * up) * size * fore * (1 - 0.18 * (up < -0.3))
    relief = 5.5 * np.exp(-(((r - 0.86) / 0.16) ** 2)) - 3.5 * np.exp(-((r / 0.55) ** 2))
    relief = relief * (1 - 0.5 * (up < -0.55)) - 5 * np.clip(fore, 0, 1) ** 2 * (r > 0.7)
    half = float(np.interp(-12, head.rows_y[::-1], head.x.max(axis=1)[::-1]))
    tilt = np.deg2rad(24.0)
    out = 0.35 * (deep.max() - deep) + relief + 2.0
    skin = to_linear(head.person.skin) * (1.0, 0.84, 0.80)
    meshes = []
    for side in (-1, 1):
        x = side * (half - 3.5 + out * np.cos(tilt) + (9 - deep) * 0.18)
        points = np.stack(
            np.broadcast_arrays(x, high - 12.0 - 0.15 * deep, deep - 92.0), axis=-1
        ).astype(np.float32)
        normals = grid_normals(points)
        normals *= np.sign(normals[..., :1] * side + 1e-3)  # outwards on both sides
        normals = unit(normals + np.array((0.8 * side, 0.0, 0.35), np.float32))
        shade = (0.66 + 0.34 * np.clip(relief / 3 + 0.6, 0, 1)) * np.ones_like(x)
        meshes.append(
            Mesh(
                head.stretch(points).reshape(-1, 3),
                grid_triangles(rows, columns),
                normals.reshape(-1, 3),
                (shade[..., None] * skin).reshape(-1, 3).astype(np.float32),
                np.full(rows * columns, 0.25 * float(skin.mean()), np.float32),
            )
        )
    return join(meshes)


def torso_mesh(
    person: Person, appearance: Appearance, bottom: float
) -> tuple[Mesh, FloatArray, FloatArray, int]:
    """Neck, torso and, for people far away, legs, down to y = ``bottom`` mm.

    Returns the mesh, its cloth texture coordinates (V, 2) in [0, 1], how much (V,) each vertex
    follows the head's rotation, and the number of rows.
    """
    p = person
    rows_y = np.concatenate(
        [
            np.linspace(-58, -136, 14),
            np.linspace(-141, -210, 17),
            [-225, -245, -270, -310, -380, -480, -600, -680, -684, -900, -1250, -1700],
        ]
    )
    shown = int((rows_y >= min(bottom, -150)).sum()) + 1  # one row more reaches past the bottom
    rows_y = rows_y[:shown].astype(np.float32)
    y = rows_y[:, None]
    knots = _TORSO[::-1]
    half, front, back, wide = (
        np.interp(rows_y, knots[:, 0], knots[:, k])[:, None] for k in range(1, 5)
    )
    theta = np.linspace(-np.pi, np.pi, _COLUMNS, dtype=np.float32)[None]
    chest = np.clip((-y - 136) / 60, 0, 1)
    half = half * (1 + (0.09 * p.build - 0.05 * p.femininity) * chest)
    half = half * (1 + (0.06 * p.build - 0.10 * p.femininity) * (1 - chest))
    s, c = np.sin(theta), np.cos(theta)
    z = wide + np.where(c > 0, front - wide, wide - back) * np.sign(c) * np.abs(c) ** 0.8
    x = half * np.sign(s) * np.abs(s) ** 0.9
    bust = 24 * p.femininity * np.exp(-(((np.abs(x) - 68) / 42) ** 2) - ((y + 310) / 55) ** 2)
    z = z + bust * np.clip(c, 0, 1)
    tendons = 3.5 * np.exp(-(((np.abs(x) - 14 - 0.28 * (y + 140)) / 7) ** 2)) * (y > -142)
    z = z + tendons * np.clip(c, 0, 1) * np.clip((-y - 85) / 30, 0, 1)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float32)
    normals = grid_normals(points)
    follow = np.clip((points[..., 1] + 150) / 75, 0, 1)
    follow = follow * follow * (3 - 2 * follow)
    shade = 1 - 0.42 * np.exp(-(((points[..., 1] + 76) / 34) ** 2)) * np.clip(c + 0.2, 0, 1)
    colors = np.repeat(shade[..., None], 3, axis=-1)
    legs = to_linear(np.array(appearance.top_accent) * 0.5 + 0.05) / to_linear(appearance.top_color)
    gap = 1 - 0.5 * np.exp(-((points[..., :1] / 14) ** 2))
    colors = np.where(points[..., 1:2] < -682, legs * gap, colors)
    u = 0.5 + 0.5 * _squeeze(points[..., 0] / _SPAN_X)
    v = _squeeze((_TOP_Y - points[..., 1]) / _SPAN_Y)
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    mesh = Mesh(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(len(rows_y), _COLUMNS),
        normals.reshape(-1, 3),
        colors.reshape(-1, 3).astype(np.float32),
        np.where(points[..., 1] > -140, 0.3, 0.0).ravel().astype(np.float32),
    )
    return mesh, uv, follow.ravel().astype(np.float32), len(rows_y)


def _squeeze(t: Array) -> FloatArray:
    """Texture position of a share of the span: finer near the neck."""
    return np.asarray(np.sign(t) * np.abs(np.clip(t, -1, 1)) ** 0.6, np.float32)


def paint_cloth(person: Person, appearance: Appearance, density: float) -> FloatArray:
    """Linear reflectance (H, W, 3): neck and chest, and the top from its collar down."""
    a = appearance
    rng = np.random.default_rng([a.seed, 31])
    width, height = (round(length * density) for length in CLOTH_MM)
    shape = (height, width)
    s = np.linspace(-1, 1, width, dtype=np.float32)[None]
    x = np.sign(s) * np.abs(s) ** (1 / 0.6) * _SPAN_X
    y = _TOP_Y - np.linspace(0, 1, height, dtype=np.float32)[:, None] ** (1 / 0.6) * _SPAN_Y
    ax = np.abs(x)
    accent = to_linear(a.top_accent)
    cloth = np.empty((*shape, 3), np.float32)
    cloth[:] = to_linear(a.top_color)
    period = float(rng.uniform(22, 60))
    if a.top_pattern == 1:
        bars = _ramp(np.abs((y / period) % 1 - 0.5) * period - period * 0.18, 3)
        cloth += (bars + 0 * x)[..., None] * (accent - cloth)
    elif a.top_pattern == 2:
        check = sum((np.abs((t / period) % 1 - 0.5) > 0.28).astype(np.float32) for t in (x, y))
        cloth += 0.45 * np.asarray(check)[..., None] * (accent - cloth)
    collar = float(rng.uniform(9, 34))
    edge = -139 - collar * np.exp(-((ax / 48.0) ** 2))
    if a.top_pattern == 3:
        edge = np.minimum(edge, -133 - 1.5 * np.maximum(52 - ax, 0))
        lapel = _ramp(30 - np.abs(edge - y - 30 - 0.2 * ax), 4) * (ax < 72)
        cloth += lapel[..., None] * 0.8 * (accent - cloth)
        cloth *= 1 - 0.35 * (_ramp(1.5 - ax, 2) * (y < edge))[..., None]
    folds = 1 + 0.06 * smooth_noise(rng, shape, 17 * density, 2)
    arms = 1 - 0.42 * np.exp(-(((ax - 158 + 0.04 * (y + 300)) / 7) ** 2)) * _ramp(-230 - y, 40)
    cloth *= (folds * arms)[..., None]
    cloth *= 1 + 0.04 * rng.standard_normal(shape, dtype=np.float32)[..., None]
    skin = to_linear(person.skin) * (1 + 0.02 * smooth_noise(rng, shape, 6 * density))[..., None]
    notch = np.exp(-((ax / 9) ** 2) - ((y + 143) / 9) ** 2)
    bones = np.exp(-(((y + 146 - 0.07 * ax) / 5) ** 2)) * _ramp(ax - 14, 10)
    skin = skin * (1 - 0.22 * notch - 0.12 * bones)[..., None]
    covered = _ramp(edge - y, 1.6)[..., None]
    rim = np.exp(-(((edge - y - 5) / 4.5) ** 2))[..., None] if a.top_pattern != 3 else 0.0
    near = np.exp(-(np.clip(y - edge, 0, None) / 5.0))[..., None]
    skin = skin * (1 - 0.45 * near)
    cloth = cloth * (1 - 0.22 * rim)
    return np.asarray(np.clip(skin + covered * (cloth - skin), 0.002, 1), np.float32)


def _ramp(value: Array, width: float) -> FloatArray:
    return np.asarray(np.clip(value / width + 0.5, 0, 1), np.float32)
