"""Rooms, streets, gardens and clutter behind people; some of it looks a little like faces."""

from __future__ import annotations

import cv2
import numpy as np

from faceflow_ml.data.synth.raster import FloatArray
from faceflow_ml.data.synth.skin import smooth_noise, to_linear

Color = tuple[float, float, float]
_LINEAR = to_linear(np.arange(256, dtype=np.float32) / 255)


def paint_background(rng: np.random.Generator, size: tuple[int, int]) -> FloatArray:
    """Linear light (H, W, 3) of a background without people."""
    height, width = size
    # Most backgrounds are a little out of focus: half the size is enough, and four times faster.
    shrink = 2 if min(size) > 200 and rng.random() < 0.75 else 1
    rows, columns = -(-height // shrink), -(-width // shrink)
    painters = (_room, _room, _outdoor, _street, _bokeh, _backdrop)
    canvas = painters[int(rng.integers(len(painters)))](rng, rows, columns)
    for _ in range(int(rng.integers(0, 7))):
        _clutter(canvas, rng)
    blur = float(rng.choice([0.0, 0.6, 1.5, 3.0])) * min(rows, columns) / 300
    if blur > 0.25:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.float32)
    pixels = np.clip(canvas * 255 + 0.5, 0, 255).astype(np.uint8)
    if shrink > 1:
        pixels = np.asarray(cv2.resize(pixels, (width, height)), np.uint8)
    return np.asarray(_LINEAR[pixels], np.float32)


def _color(rng: np.random.Generator, low: float = 0.08, high: float = 0.95) -> Color:
    base = rng.uniform(low, high)
    tint = rng.normal(0, 0.16 if rng.random() < 0.15 else 0.05, 3)
    r, g, b = np.clip(base + tint, 0.02, 0.98)
    return (float(r), float(g), float(b))


def _shade(color: Color, gain: float) -> Color:
    return (color[0] * gain, color[1] * gain, color[2] * gain)


def _gradient(rng: np.random.Generator, height: int, width: int, a: Color, b: Color) -> FloatArray:
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    t = np.clip(0.5 + np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y, 0, 1)
    first, second = np.array(a, np.float32), np.array(b, np.float32)
    return np.asarray(first + t[..., None] * (second - first), np.float32)


def _grain(canvas: FloatArray, rng: np.random.Generator, cell: float, amount: float) -> FloatArray:
    noise = smooth_noise(rng, canvas.shape[:2], max(cell, 2.0), 3)
    canvas *= (1 + np.float32(amount) * noise)[..., None]
    return np.clip(canvas, 0, 1, out=canvas)


def _room(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    wall = _color(rng, 0.35, 0.92)
    canvas = _gradient(rng, height, width, wall, _shade(wall, rng.uniform(0.65, 0.95)))
    if rng.random() < 0.3:
        period = max(int(width * rng.uniform(0.03, 0.12)), 3)
        canvas[:, (np.arange(width) // period) % 2 == 0] *= np.float32(rng.uniform(0.88, 0.97))
    floor = int(height * rng.uniform(0.7, 0.95))
    if rng.random() < 0.6:
        canvas[floor:] = _color(rng, 0.15, 0.5)
        canvas[floor : floor + max(height // 80, 1)] = _shade(wall, 0.55)
    for _ in range(int(rng.integers(1, 4))):
        x, y = int(rng.integers(width)), int(rng.integers(int(height * 0.6)))
        w, h = int(width * rng.uniform(0.10, 0.35)), int(height * rng.uniform(0.15, 0.45))
        kind = int(rng.integers(4))
        if kind == 0:
            _window(canvas, rng, x, y, w, h)
        elif kind == 1:
            _shelf(canvas, rng, x, y, w, h)
        elif kind == 2:
            _picture(canvas, rng, x, y, w, h)
        else:
            _lamp(canvas, rng, x, y, min(w, h))
    return _grain(canvas, rng, width / 6, 0.025)


def _window(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, w: int, h: int) -> None:
    sky = _color(rng, 0.75, 0.98)
    frame = _color(rng, 0.2, 0.9)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), sky, -1)
    cv2.rectangle(canvas, (x, y + h // 2), (x + w, y + h), _shade(sky, rng.uniform(0.5, 0.95)), -1)
    pen = max(w // 18, 1)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), frame, pen)
    cv2.line(canvas, (x + w // 2, y), (x + w // 2, y + h), frame, pen)
    if rng.random() < 0.5:
        cv2.line(canvas, (x, y + h // 2), (x + w, y + h // 2), frame, pen)


def _shelf(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, w: int, h: int) -> None:
    wood = (0.42, 0.30, 0.20) if rng.random() < 0.6 else _color(rng, 0.2, 0.9)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), _shade(wood, 0.45), -1)
    rows = int(rng.integers(2, 5))
    for row in range(rows):
        low = y + (row + 1) * h // rows
        left = x
        while left < x + w:
            thick = max(int(w * rng.uniform(0.03, 0.10)), 2)
            tall = int(h / rows * rng.uniform(0.45, 0.88))
            if rng.random() < 0.85:
                end = (min(left + thick - 1, x + w), low)
                cv2.rectangle(canvas, (left, low - tall), end, _color(rng, 0.1, 0.8), -1)
            left += thick
        cv2.line(canvas, (x, low), (x + w, low), wood, max(h // 40, 1))
    cv2.rectangle(canvas, (x, y), (x + w, y + h), wood, max(w // 30, 1))


def _picture(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, w: int, h: int) -> None:
    cv2.rectangle(canvas, (x, y), (x + w, y + h), _color(rng, 0.6, 0.95), -1)
    for _ in range(6):
        center = (x + int(rng.integers(max(w, 1))), y + int(rng.integers(max(h, 1))))
        axes = (max(int(w * rng.uniform(0.05, 0.2)), 1), max(int(h * rng.uniform(0.05, 0.2)), 1))
        cv2.ellipse(canvas, center, axes, float(rng.uniform(0, 180)), 0, 360, _color(rng), -1,
                    cv2.LINE_AA)  # fmt: skip
    cv2.rectangle(canvas, (x, y), (x + w, y + h), _color(rng, 0.05, 0.5), max(w // 14, 1))


def _lamp(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, r: int) -> None:
    glow = _gradient(rng, 1, 1, (1.0, 0.93, 0.75), (1.0, 0.9, 0.7))[0, 0]
    rows = np.arange(canvas.shape[0], dtype=np.float32)[:, None] - y
    columns = np.arange(canvas.shape[1], dtype=np.float32)[None] - x
    halo = np.exp(-(rows**2 + columns**2) / np.float32((1.6 * r + 1) ** 2)) * np.float32(0.5)
    canvas += halo[..., None] * (glow - canvas)
    shade = np.array([(x - r // 2, y + r // 4), (x + r // 2, y + r // 4), (x + r // 4, y - r // 3),
                      (x - r // 4, y - r // 3)], np.int32)  # fmt: skip
    cv2.fillPoly(canvas, [shade], (1.0, 0.95, 0.82), cv2.LINE_AA)
    cv2.line(canvas, (x, y + r // 4), (x, y + 3 * r), (0.2, 0.18, 0.16), max(r // 20, 1))


def _sky(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    dusk = rng.random() < 0.25
    top = np.array((0.42, 0.46, 0.66) if dusk else (0.45, 0.65, 0.90)) * rng.uniform(0.75, 1.05)
    haze = np.array((0.95, 0.76, 0.60) if dusk else (0.86, 0.90, 0.95))
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    canvas = np.repeat(top * (1 - t) + haze * t, width, axis=1).astype(np.float32)
    clouds = np.clip(smooth_noise(rng, (height, width), max(width / 4, 2), 4) * 0.25, 0, 0.8)
    canvas += clouds[..., None] * (np.float32(0.96) - canvas)
    return canvas


def _outdoor(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    canvas = _sky(rng, height, width)
    level = rng.uniform(0.25, 0.5)
    for depth in range(int(rng.integers(1, 4))):
        ridge = height * (level + 0.13 * depth) + (
            smooth_noise(rng, (1, width), max(width / 5, 2), 4)[0] * height * 0.035
        )
        haze = 0.5 / (1 + depth)
        base = np.array((0.20, 0.33, 0.14)) * rng.uniform(0.7, 1.3) * (1 - haze) + haze * 0.75
        texture = 1 + 0.20 * smooth_noise(rng, (height, width), max(width / 22, 2), 3)
        ground = (np.arange(height)[:, None] > ridge[None])[..., None]
        canvas = np.where(ground, base.astype(np.float32) * texture[..., None], canvas)
    path = height * rng.uniform(0.72, 0.95)
    if rng.random() < 0.5:
        canvas[int(path) :] = (
            canvas[int(path) :] * 0.25 + np.array((0.46, 0.42, 0.36), np.float32) * 0.75
        )
    return np.clip(canvas, 0, 1).astype(np.float32)


def _street(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    canvas = _sky(rng, height, width)
    x = 0
    while x < width:
        w = int(width * rng.uniform(0.15, 0.4)) + 2
        top = int(height * rng.uniform(-0.1, 0.35))
        wall = _color(rng, 0.25, 0.8)
        cv2.rectangle(canvas, (x, top), (x + w, height), wall, -1)
        step_x, step_y = max(int(w * rng.uniform(0.18, 0.33)), 4), max(int(height * 0.11), 4)
        glass = _color(rng, 0.08, 0.45)
        for wy in range(top + step_y // 2, int(height * 0.8), step_y):
            for wx in range(x + step_x // 3, x + w - step_x // 2, step_x):
                lit = _shade(glass, rng.uniform(0.7, 1.4))
                cv2.rectangle(canvas, (wx, wy), (wx + step_x // 2, wy + step_y * 3 // 5), lit, -1)
        x += w
    road = int(height * rng.uniform(0.75, 0.92))
    canvas[road:] = _color(rng, 0.25, 0.5)
    return _grain(canvas, rng, width / 10, 0.05)


def _bokeh(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    canvas = _gradient(rng, height, width, _color(rng, 0.05, 0.5), _color(rng, 0.05, 0.5))
    warm = rng.random() < 0.6
    for _ in range(int(rng.integers(8, 30))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        r = int(min(height, width) * rng.uniform(0.02, 0.10)) + 1
        y0, y1, x0, x1 = max(y - r - 2, 0), y + r + 2, max(x - r - 2, 0), x + r + 2
        patch = canvas[y0:y1, x0:x1]
        disc = np.zeros(patch.shape[:2], np.float32)
        cv2.circle(disc, (x - x0, y - y0), r, 1.0, -1, cv2.LINE_AA)
        light = np.array((1.0, 0.8, 0.5) if warm else _color(rng, 0.5, 1.0), np.float32)
        patch += disc[..., None] * np.float32(rng.uniform(0.15, 0.6)) * (light - patch)
    return canvas


def _backdrop(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    base = _color(rng, 0.12, 0.9)
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = base
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    canvas *= (1.08 - np.float32(rng.uniform(0.1, 0.45)) * (x**2 + y**2))[..., None]
    return _grain(canvas, rng, width / rng.uniform(3, 9), rng.uniform(0.02, 0.10))


def _clutter(canvas: FloatArray, rng: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    side = min(height, width)
    color = _color(rng)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    w, h = (int(side * v) + 2 for v in rng.uniform(0.04, 0.3, 2))
    kind = int(rng.integers(6))
    if kind == 0:
        cv2.rectangle(canvas, (x, y), (x + w, y + h), color, -1)
        cv2.rectangle(canvas, (x, y), (x + w, y + h), _shade(color, 0.5), max(side // 120, 1))
    elif kind == 1:
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, (x, y), (w // 2, h // 3), angle, 0, 360, color, -1, cv2.LINE_AA)
    elif kind == 2:
        cv2.line(canvas, (x, y), (x + w // 4, y + h * 2), color, max(side // 60, 1), cv2.LINE_AA)
    elif kind <= 4:
        _plant(canvas, rng, x, y, h)
    else:
        _false_face(canvas, rng, x, y, max(w // 2, 4))


def _plant(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, reach: int) -> None:
    green = (0.16 * rng.uniform(0.6, 1.8), 0.34 * rng.uniform(0.7, 1.3), 0.13)
    for _ in range(40):
        angle, length = rng.uniform(0, np.pi), reach * rng.uniform(0.3, 1.0)
        dx, dy = np.cos(angle) * length, -np.sin(angle) * length
        axes = (max(int(length / 3), 1), max(int(length / 11), 1))
        cv2.ellipse(canvas, (int(x + dx * 0.7), int(y + dy * 0.7)), axes,
                    float(-np.rad2deg(angle)), 0, 360, _shade(green, rng.uniform(0.6, 1.5)), -1,
                    cv2.LINE_AA)  # fmt: skip
    pot = max(reach // 4, 1)
    if rng.random() < 0.6:
        clay = _color(rng, 0.25, 0.7)
        cv2.rectangle(canvas, (x - pot, y - pot // 2), (x + pot, y + pot), clay, -1)


def _false_face(canvas: FloatArray, rng: np.random.Generator, x: int, y: int, r: int) -> None:
    """A clock, a socket, a doll-like sign: round, with dots where eyes could be."""
    base = rng.uniform(0.5, 0.95)
    fill = (float(base), float(base * 0.88), float(base * 0.75))
    dark = _shade(fill, 0.25)
    tall = int(r * rng.uniform(0.9, 1.3))
    cv2.ellipse(canvas, (x, y), (r, tall), 0, 0, 360, fill, -1, cv2.LINE_AA)
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.ellipse(canvas, (x, y), (r, tall), 0, 0, 360, dark, max(r // 8, 1), cv2.LINE_AA)
        for angle, length in ((rng.uniform(0, 6), 0.5), (rng.uniform(0, 6), 0.8)):
            tip = (int(x + np.cos(angle) * length * r), int(y + np.sin(angle) * length * r))
            cv2.line(canvas, (x, y), tip, dark, max(r // 10, 1), cv2.LINE_AA)
    elif kind == 1:
        for side in (-1, 1):
            eye = (x + side * r // 3, y - r // 6)
            cv2.circle(canvas, eye, max(r // 9, 1), dark, -1, cv2.LINE_AA)
    else:
        spot = (x + int(r * rng.uniform(-0.4, 0.4)), y)
        cv2.circle(canvas, spot, max(r // 4, 1), dark, -1, cv2.LINE_AA)
