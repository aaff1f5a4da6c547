"""Eyes and lips painted on the skin texture for one expression."""

from __future__ import annotations

import math

import numpy as np

from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import Appearance
from faceflow_ml.data.synth.raster import Array, FloatArray
from faceflow_ml.data.synth.skin import LEFT, TOP, texture_axes, to_linear

_EDGE = 0.45  # mm over which painted edges fade


def paint_features(texture: FloatArray, head: Head, appearance: Appearance, density: float) -> None:
    """Paint eyes and mouth in this expression on a skin texture (H, W, 3), in place."""
    for side in (-1, 1):
        _paint_eye(texture, head, appearance, side, density)
    _paint_mouth(texture, head, appearance, density)


def _window(
    cx: float, cy: float, half_x: float, half_y: float, density: float
) -> tuple[tuple[slice, slice], FloatArray, FloatArray]:
    x, y = texture_axes(density)
    x0, x1 = int((cx - half_x - LEFT) * density), int((cx + half_x - LEFT) * density)
    y0, y1 = int((TOP - cy - half_y) * density), int((TOP - cy + half_y) * density)
    return (slice(y0, y1), slice(x0, x1)), x[:, x0:x1], y[y0:y1]


def _edge(value: Array, width: float = _EDGE) -> FloatArray:
    t = np.clip(value / (2 * width) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _mix(patch: FloatArray, color: Array, cover: Array) -> None:
    """Lay a colour over a patch (H, W, 3), where cover (H, W) says."""
    share = cover.astype(np.float32, copy=False)[..., None]
    patch += share * (color.astype(np.float32, copy=False) - patch)


def _paint_eye(
    texture: FloatArray, head: Head, appearance: Appearance, side: int, density: float
) -> None:
    p, a = head.person, appearance
    window, x, y = _window(side * head.eye_x, 1.0, 20, 12.5, density)
    patch = texture[window]
    cos, sin = math.cos(math.radians(p.eye_tilt)), math.sin(math.radians(p.eye_tilt))
    lx = (x - side * head.eye_x) * side  # outwards, towards the temple
    px = lx * cos + y * sin
    py = -lx * sin + y * cos
    half = p.eye_width / 2
    t = np.clip(px / half, -1, 1)
    arc = np.sqrt(np.maximum(1 - t**2, 0))
    wide_upper = p.eye_opening * 0.60 * arc**1.1 * (1 - 0.12 * t)
    lower = -p.eye_opening * 0.40 * arc**1.25 * (1 + 0.18 * t) + 0.10 * max(a.smile, 0) * (
        p.eye_opening * arc
    )
    upper = lower + (wide_upper - lower) * a.eyes_open
    beyond = _edge(half - np.abs(px), 0.6)
    inside = _edge(upper - py) * _edge(py - lower) * beyond
    skin = to_linear(p.skin)
    # Lid between lash line and crease; a single lid has no crease.
    crease_y = wide_upper + (1.0 + 2.6 * p.eye_crease) * np.sqrt(np.maximum(1.15 - t**2, 0))
    lid = _edge(crease_y - py, 1.0) * _edge(py - upper) * _edge(half * 1.08 - np.abs(px), 1.0)
    shadow = np.array(to_linear(p.lip_color)) * (0.5, 0.45, 0.5)
    _mix(patch, skin * (0.74, 0.64, 0.62), lid * 0.35)
    _mix(patch, shadow, lid * 0.55 * a.makeup)
    crease = np.exp(-(((py - crease_y) / 0.75) ** 2)) * _edge(half * 1.12 - np.abs(px), 1.6)
    _mix(patch, skin * (0.36, 0.26, 0.24), crease * (0.12 + 0.55 * p.eye_crease))
    # Eyeball
    white = np.array((0.62, 0.58, 0.55), np.float32) * (0.92 + 0.08 * (1 - skin.mean()))
    ball = np.empty_like(patch)
    ball[:] = white
    ball *= (1 - 0.30 * np.clip(np.abs(t) - 0.35, 0, 1))[..., None]
    _mix(ball, np.array((0.45, 0.16, 0.14), np.float32), _edge(-0.80 - t, 0.08) * 0.8)
    gx, gy = a.gaze[0] * side, a.gaze[1] + 0.9
    radius = 6.0
    r = np.hypot(px - gx, py - gy)
    phase = np.arctan2(py - gy, px - gx)
    iris = to_linear(p.iris)
    streaks = (
        1 + 0.16 * np.sin(phase * 17 + 2 * np.sin(phase * 5)) + 0.35 * np.clip((3.6 - r) / 2, 0, 1)
    )
    ring = 1 - 0.62 * _edge(r - radius + 1.1, 0.6)
    lower_glow = 1 + 0.35 * np.clip(-(py - gy) / radius, -0.6, 1)
    iris_color = iris * 1.25 * (streaks * ring * lower_glow)[..., None]
    disc = _edge(radius - r)
    _mix(ball, iris_color, disc)
    _mix(ball, np.array((0.006, 0.005, 0.005), np.float32), _edge(2.3 - r, 0.35))
    lid_shade = np.clip(1 - (upper - py) / 3.6, 0, 1)
    ball *= (1 - 0.60 * lid_shade)[..., None]
    glint_x, glint_y = gx + (1.9 if a.light_direction[0] * side > 0 else -1.9), gy + 2.0
    glint = _edge(1.15 - np.hypot(px - glint_x, py - glint_y), 0.4)
    glint += 0.25 * _edge(0.9 - np.hypot(px - gx + 1.5, py - gy + 2.6), 0.5)
    _mix(ball, np.array((1.5, 1.5, 1.5), np.float32), np.clip(glint, 0, 1) * (a.eyes_open > 0.4))
    _mix(patch, ball, inside)
    # Lash lines
    dark = np.array((0.012, 0.009, 0.008), np.float32)
    if max(p.hair_color) > 0.5 and a.makeup < 0.3:
        dark = dark + 0.25 * to_linear(p.brow_color)
    thick = 0.75 + 0.35 * p.femininity + 0.7 * a.makeup
    line = np.exp(-(((py - upper - 0.15) / thick) ** 2)) * _edge(half * 1.04 - np.abs(px), 0.9)
    _mix(patch, dark, np.clip(line * (0.75 + 0.25 * _edge(t + 0.3, 0.5)), 0, 1))
    wing = np.exp(-(((py - upper - 0.35 * (px - half * 0.8)) / 0.8) ** 2))
    wing = wing * _edge(px - half * 0.8, 0.8) * _edge(half * 1.2 - px, 0.8)
    _mix(patch, dark, wing * (0.35 * p.femininity + 0.5 * a.makeup))
    under = np.exp(-(((py - lower + 0.2) / 0.6) ** 2)) * _edge(half * 0.97 - np.abs(px), 0.8)
    _mix(patch, skin * (0.30, 0.18, 0.17), under * (0.45 + 0.3 * a.makeup))


def _paint_mouth(texture: FloatArray, head: Head, appearance: Appearance, density: float) -> None:
    p, a = head.person, appearance
    window, x, y = _window(0.0, head.mouth_y - 2, head.mouth_half + 7, 18, density)
    patch = texture[window]
    x, y = np.broadcast_arrays(x, y)
    dx, dy = head.mouth_shift(x, y, a)
    mx, my = x + dx, y + dy - head.mouth_y  # where this piece of skin is in this expression
    half = head.mouth_half + 3.6 * a.smile
    corner = 4.2 * a.smile - 0.5 * a.mouth_open
    t = np.clip(mx / half, -1, 1)
    arc = np.sqrt(np.maximum(1 - t**2, 0))
    bow = np.exp(-((t / 0.14) ** 2))
    seam = corner * t**2 - 0.5 * a.mouth_open * (1 - t**2) - 0.6 * bow * (a.mouth_open < 1)
    gap = a.mouth_open * 0.5 * arc**1.3
    thin = 1 - 0.18 * max(a.smile, 0)
    gap_top, gap_low = seam + gap, seam - gap
    peak = np.exp(-(((np.abs(t) - 0.20) / 0.22) ** 2))
    top = gap_top + p.upper_lip * thin * (0.80 * arc**1.5 + 0.24 * peak - 0.22 * bow)
    low = gap_low - p.lower_lip * thin * arc**1.25 * (0.98 + 0.04 * bow)
    beyond = _edge(half - np.abs(mx), 0.7)
    color = to_linear(p.lip_color)
    lipstick = (
        np.array((0.42, 0.035, 0.055), np.float32)
        if p.seed % 3
        else np.array((0.40, 0.10, 0.12), np.float32)
    )
    color = color + 0.62 * a.makeup * (lipstick * (0.5 + color.mean()) - color)
    creases = 1 + 0.05 * np.sin(mx * 2.6 + 0.4 * np.sin(my))
    upper = _edge(top - my, 0.6) * _edge(my - gap_top, 0.4) * beyond
    lower = _edge(my - low, 0.8) * _edge(gap_low - my, 0.4) * beyond
    _mix(patch, color * 0.74 * creases[..., None], upper * 0.88)
    middle = gap_low - 0.45 * p.lower_lip * arc
    shine = np.exp(-(((my - middle) / 2.0) ** 2) - ((t / 0.55) ** 2))
    lower_color = color * (creases * (0.98 + (0.30 + 0.3 * a.makeup) * shine))[..., None]
    _mix(patch, lower_color, lower * 0.88)
    inside = _edge(gap_top - my, 0.4) * _edge(my - gap_low, 0.4) * beyond * (a.mouth_open > 0.4)
    cavity = np.empty_like(patch)
    cavity[:] = (0.035, 0.010, 0.010)
    tongue = np.exp(-((t / 0.6) ** 2) - (((my - gap_low) / 4.0) ** 2))
    _mix(cavity, np.array((0.22, 0.06, 0.06), np.float32), tongue * 0.8)
    teeth_low = gap_top - np.minimum(0.78 * 2 * gap, 8.0)
    widths = np.abs(((mx / 7.2) % 1.0) - 0.5)
    tooth = (
        np.array((0.66, 0.62, 0.54), np.float32)
        * ((0.72 + 0.28 * _edge(0.47 - widths, 0.05)) * (1 - 0.55 * t**2))[..., None]
    )
    rows = _edge(my - teeth_low - 0.6 * np.abs(np.sin(np.pi * mx / 7.2)) * 0.4, 0.4)
    patch_teeth = rows * _edge(0.93 - np.abs(t), 0.06)
    _mix(cavity, tooth, patch_teeth)
    cavity *= (1 - 0.45 * np.clip(1 - (gap_top - my) / 2.2, 0, 1))[..., None]
    _mix(patch, cavity, inside)
    crack = np.exp(-(((my - seam) / (0.7 if a.mouth_open < 0.4 else 0.01)) ** 2))
    crack = np.nan_to_num(crack) * _edge(half * 1.02 - np.abs(mx), 0.8)
    _mix(patch, color * 0.10, crack * 0.85 * (a.mouth_open <= 0.4))
    nook = np.exp(-(((np.abs(mx) - half) / 2.0) ** 2) - ((my - corner) / 1.8) ** 2)
    _mix(patch, to_linear(p.skin) * (0.25, 0.15, 0.14), nook * 0.55)
    below = np.exp(-(((my - low + 3.2) / 2.6) ** 2)) * arc * beyond
    patch *= (1 - 0.16 * below)[..., None]
