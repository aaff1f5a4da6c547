"""Hair and beards as ribbons of strands grown from the scalp and combed by style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import Person, Rgb
from faceflow_ml.data.synth.raster import (
    Array,
    FloatArray,
    IntArray,
    Ribbons,
    cross,
    join_ribbons,
    unit,
)
from faceflow_ml.data.synth.skin import beard_mask, to_linear

SKULL_CENTER = np.array((0.0, 18.0, -82.0), np.float32)
# Hairline of an average head: degrees from the nose round the head, and its height (mm).
_HAIRLINE = (
    (0, 22, 42, 54, 63, 72, 82, 90, 103, 114, 135, 180),
    (66, 67, 61, 47, 22, 2, -14, 2, 2, -34, -62, -66),
)


@dataclass(frozen=True)
class _Style:
    length: float  # mm
    lift: float  # how steeply strands leave the scalp
    gravity: float
    comb: str  # "crown", "part", "back", "up", "none"
    volume: float  # mm over the skull
    curl: float = 0.0  # mm
    wave: float = 60.0  # mm, one turn of a curl
    count: int = 950
    width: float = 2.7
    steps: int = 8
    cling: float = 1.0  # how closely strands follow the skull


_STYLES = {
    "buzz": _Style(6, 0.9, 0.0, "crown", 3, count=900, width=1.6, steps=3),
    "short": _Style(34, 0.6, 0.15, "crown", 12, steps=5),
    "quiff": _Style(44, 1.1, 0.1, "up", 19, steps=6, cling=0.4),
    "side_part": _Style(66, 0.3, 0.35, "part", 15, steps=7),
    "receding": _Style(20, 0.45, 0.25, "crown", 6, steps=5, count=700),
    "curly": _Style(75, 1.0, 0.35, "crown", 24, 7, 26, steps=13, count=650, width=3.6, cling=0.8),
    "afro": _Style(34, 0.6, 0.0, "ball", 46, 5, 15, steps=8, count=1500, width=3.8, cling=0.0),
    "bob": _Style(185, 0.3, 1.0, "part", 17, steps=12, count=850, width=3.4),
    "long": _Style(330, 0.3, 1.0, "part", 16, steps=14, count=900, width=3.6),
    "wavy": _Style(290, 0.3, 1.0, "part", 20, 7, 62, steps=17, count=850, width=3.8),
    "ponytail": _Style(190, 0.2, 0.0, "back", 6, steps=11, count=800, width=2.8),
    "bun": _Style(190, 0.2, 0.0, "back", 6, steps=11, count=800, width=2.8),
}
_LOW_DETAIL = 0.5  # share of the strands kept for small faces; those left are wider


def scalp_cover(head: Head) -> FloatArray:
    """How much hair (R, C) covers the head's grid, 0..1, with a soft hairline."""
    p = head.person
    if p.hair_style == "bald":
        return np.zeros_like(head.x)
    degrees = np.rad2deg(np.abs(head.theta))
    line = np.interp(degrees, *_HAIRLINE) + 4.0 * p.hairline * (degrees < 60)
    if p.hair_style == "receding":
        line = line + np.interp(degrees, [0, 30, 55, 75, 180], [34, 40, 40, 4, 0])
    edge = 7.0 if p.hair_style != "buzz" else 9.0
    return np.asarray(np.clip((head.y - line[None]) / edge + 0.5, 0, 1), np.float32)


def hair_ribbons(head: Head, low_detail: bool) -> Ribbons | None:
    """The hair in head space, or None for the bald."""
    p = head.person
    style = _STYLES.get(p.hair_style)
    if style is None:
        return None
    rng = np.random.default_rng([p.seed, 21])
    keep = _LOW_DETAIL if low_detail else 1.0
    count = int(style.count * keep)
    roots, outward = _scatter(head, scalp_cover(head) * _area(head), count, rng)
    radii = skull_radii(head)
    if style.comb == "ball":
        roots = roots + outward * (style.volume * rng.random((count, 1)) ** 0.6).astype(np.float32)
    strands = _grow(p, style, roots, outward, radii, rng)
    width = style.width / keep**0.8 * rng.uniform(0.7, 1.3, count).astype(np.float32)
    parts: list[tuple[FloatArray, FloatArray]] = [(strands, width)]
    if p.fringe and p.hair_style in ("bob", "long", "wavy", "ponytail", "bun", "side_part"):
        parts.append(_fringe(head, radii, rng))
    if p.hair_style == "ponytail":
        parts.append(_tail(p, rng))
    if p.hair_style == "bun":
        parts.append(_bun(rng))
    return join_ribbons([_ribbons(points, w, p.hair_color, rng) for points, w in parts])


def beard_ribbons(head: Head, low_detail: bool) -> Ribbons | None:
    """Strands of a beard that has length, or None."""
    p = head.person
    length = {"moustache": 8.5, "goatee": 10.0, "short": 6.0, "full": 17.0}.get(p.beard)
    if length is None:
        return None
    rng = np.random.default_rng([p.seed, 22])
    weight = beard_mask(head, head.x, head.y) * _area(head) * (np.abs(head.theta) < 1.6)
    keep = _LOW_DETAIL if low_detail else 1.0
    count = int((480 if p.beard in ("moustache", "goatee") else 1100) * keep)
    roots, outward = _scatter(head, weight, count, rng)
    down = np.array((0.0, -1.0, 0.12), np.float32)
    aside = np.sign(roots[:, :1]) * np.array((0.35, 0.0, 0.0), np.float32)
    aside *= (roots[:, 1:2] > head.mouth_y - 2) * 2.2
    direction = unit(outward * 0.5 + down + aside + rng.normal(0, 0.2, roots.shape))
    reach = (
        length
        * rng.uniform(0.5, 1.1, len(roots))
        * (1 + 0.5 * np.clip((-roots[:, 1] - 90) / 25, 0, 1))
    )
    t = np.linspace(0, 1, 4, dtype=np.float32)[None, :, None]
    points = roots[:, None] + direction[:, None] * t * reach[:, None, None]
    points[..., 2] -= (t[..., 0] ** 2) * reach[:, None] * 0.22
    width = np.full(len(roots), 1.3 / keep**0.8, np.float32)
    return _ribbons(points.astype(np.float32), width, p.beard_color, rng)


def skull_radii(head: Head) -> FloatArray:
    """Half-axes (3,) of the ellipsoid round ``SKULL_CENTER`` that hair and hats lie on."""
    p = head.person
    top = float(head.stretch(np.array([[0, 113, -80]], np.float32))[0, 1]) - SKULL_CENTER[1]
    return np.array((75.5 * (1 + 0.055 * p.head_width), top, 93.0), np.float32)


def _area(head: Head) -> FloatArray:
    points = np.stack([head.x, head.y, head.z], axis=-1)
    down = np.linalg.norm(np.gradient(points, axis=0), axis=-1)
    across = np.linalg.norm(np.gradient(points, axis=1), axis=-1)
    return np.asarray(down * across, np.float32)


def _scatter(
    head: Head, weight: FloatArray, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Random surface points (count, 3) by weight, stretched, and their outward directions."""
    odds = np.cumsum(weight.ravel().astype(np.float64))
    chosen = np.searchsorted(odds, rng.random(count) * odds[-1])
    row, column = np.unravel_index(np.minimum(chosen, weight.size - 1), weight.shape)
    points = head.stretch(np.stack([head.x, head.y, head.z], axis=-1))
    other_row = np.minimum(row + 1, head.rows - 1)
    other_column = np.minimum(column + 1, head.columns - 1)
    a, b = rng.random((2, count, 1), dtype=np.float32)
    base = points[row, column]
    root = base + a * (points[other_row, column] - base) + b * (points[row, other_column] - base)
    outward = unit((root - SKULL_CENTER) / skull_radii(head) ** 2)
    return root.astype(np.float32), outward


def _comb(style: _Style, p: Person, points: FloatArray) -> FloatArray:
    if style.comb == "crown":
        away = points - np.array((12.0 * np.sign(p.hair_part + 0.1), 108.0, -118.0), np.float32)
        return unit(away * np.array((1.0, 0.6, 1.0), np.float32))
    if style.comb == "part":
        side = np.tanh((points[:, 0] - 38.0 * p.hair_part) / 7.0)
        back = np.where(points[:, 2] > -60, -0.25, -0.35)
        return unit(np.stack([side * 1.3, 0.1 + 0 * side, back], axis=-1).astype(np.float32))
    if style.comb == "back":
        return unit(np.array((0.0, 38.0, -192.0), np.float32) - points)
    if style.comb == "ball":
        whirl = points - SKULL_CENTER
        swirl = np.stack(
            [
                np.sin(whirl[:, 1] * 0.9 + whirl[:, 2]),
                np.sin(whirl[:, 0] * 1.1),
                np.sin(whirl[:, 0] + whirl[:, 1] * 0.7),
            ],
            -1,
        )
        return unit(swirl.astype(np.float32)) * np.float32(0.8)
    if style.comb == "up":
        front = np.clip((points[:, 2] + 95) / 80, 0, 1)
        lean = 0.5 * p.hair_part * front
        return unit(
            np.stack([lean, 0.8 * front - 0.5 * (1 - front), -0.85 + 0 * front], -1).astype(
                np.float32
            )
        )
    return np.zeros_like(points)


def _grow(
    p: Person, style: _Style, roots: FloatArray, outward: FloatArray, radii: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Strands (N, K, 3) from roots (N, 3), kept out of the skull, the face and the shoulders."""
    count, steps = len(roots), style.steps
    reach = style.length * rng.uniform(0.82, 1.08, count) * (1 + 0.15 * p.hair_volume)
    stride = (reach / (steps - 1)).astype(np.float32)[:, None]
    layer = (style.volume * (1 + 0.4 * p.hair_volume)) * rng.random(count) ** 0.7 + 2.0
    limit = 1 + (layer / 85.0).astype(np.float32)
    jitter = rng.normal(0, 0.16, roots.shape).astype(np.float32)
    direction = unit(outward * style.lift + _comb(style, p, roots) + jitter)
    points = np.empty((count, steps, 3), np.float32)
    points[:, 0] = roots - outward * 1.0
    current = roots.copy()
    pull = np.array((0.0, -1.0, 0.0), np.float32) * style.gravity
    half_face = 72.0 * (1 + 0.05 * p.head_width)
    for step in range(1, steps):
        settle = np.float32(min(step / 4.0, 1.0))
        below = np.clip((30 - current[:, 1:2]) / 40, 0, 1)
        comb = _comb(style, p, current) * (1 - below * min(style.gravity, 1.0))
        direction = unit(
            direction + 0.8 * comb + settle * pull * (0.3 + 1.6 * below) + 0.12 * jitter
        )
        current = current + direction * stride
        rise = np.float32(min(0.3 + step / 4.0, 1.0))
        current = _keep_out(current, 1 + (limit - 1) * rise, radii, style.cling)
        if style.length > 100 and style.comb == "part":
            current = _drape(current, half_face, layer)
        points[:, step] = current
    if style.curl:
        points += _curls(points, outward, style, p, rng)
    return points


def _keep_out(points: FloatArray, limit: FloatArray, radii: FloatArray, cling: float) -> FloatArray:
    """Points moved out of the skull, and towards each strand's own layer over it."""
    q = (points - SKULL_CENTER) / radii
    # Below the skull's widest part hair hangs straight instead of following it inwards.
    q_low = q * np.array((1.0, 0.0, 1.0), np.float32)
    hang = np.clip(-q[:, 1:2] * 3.0, 0, 1)
    result = points
    for part, share in ((q, 1 - hang), (q_low, hang)):
        r = np.sqrt((part**2).sum(axis=1)) + np.float32(1e-3)
        wanted = np.where(r < limit, limit, r + cling * (limit - r))
        result = result + share * part * (wanted / r - 1)[:, None] * radii
    return np.asarray(result, np.float32)


def _drape(points: FloatArray, half_face: float, layer: Array) -> FloatArray:
    """Long hair frames the face instead of crossing it, and lies over the shoulders."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    low = np.clip((46 - y) / 30, 0, 1)
    side = np.where(x >= 0, 1.0, -1.0)
    edge = (
        half_face * np.interp(y, [-150, -110, -60, 0, 40], [0.80, 0.84, 0.93, 1.0, 0.98])
        + 0.5 * layer
    )
    in_front = z > -95
    push = np.maximum(np.abs(x), low * edge)
    points[:, 0] = np.where(in_front, side * push, x)
    points[:, 2] = np.where(in_front & (y < 40), np.minimum(z, -32.0 + 0.4 * layer), z)
    shoulder = np.interp(y, [-330, -220, -180, -150, -120], [22, 8, -12, -40, -75])
    over = in_front & (y < -120)
    points[:, 2] = np.where(over, np.maximum(points[:, 2], shoulder + 0.5 * layer), points[:, 2])
    return points


def _curls(
    points: FloatArray, outward: FloatArray, style: _Style, p: Person, rng: np.random.Generator
) -> FloatArray:
    count, steps = points.shape[:2]
    turn = 2 * np.pi * style.length / style.wave
    # Locks of wavy hair wave together; curls turn each on its own.
    spread = 0.9 if p.hair_style == "wavy" else 2 * np.pi
    start: Array = rng.random((count, 1)) * spread
    phase = start + np.linspace(0, turn, steps)[None]
    side = unit(cross(outward, np.broadcast_to(np.array((0, 1, 0.2), np.float32), outward.shape)))
    swell = np.full(steps, style.curl, np.float32) * np.clip(np.arange(steps) * 2.2 / steps, 0, 1)
    wave = (
        np.cos(phase)[..., None] * side[:, None] + np.sin(phase)[..., None] * outward[:, None] * 0.7
    )
    return np.asarray(swell[None, :, None] * wave, np.float32)


def _fringe(
    head: Head, radii: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    count, steps = 210, 7
    x0 = rng.uniform(-54, 54, count)
    start_y = 92 + 12 * rng.random(count) - 0.010 * x0**2
    end_y = head.brow_y + 10 + 5 * rng.random(count) - 0.007 * x0**2
    t = np.linspace(0, 1, steps)[None]
    sweep = 9.0 * head.person.hair_part
    x = x0[:, None] * (0.82 + 0.30 * t) + sweep * t**1.5 * 2
    y = start_y[:, None] + (end_y - start_y)[:, None] * t
    up = head.stretch(np.stack([x, y, 0 * x], axis=-1).astype(np.float32))[..., 1]
    qx, qy = x / radii[0], (up - SKULL_CENTER[1]) / radii[1]
    depth = np.sqrt(np.maximum(1 - qx**2 - qy**2, 0.02))
    lift = (5.0 + 5.0 * rng.random(count))[:, None] * np.sin(np.pi * (0.25 + 0.6 * t))
    z = SKULL_CENTER[2] + depth * radii[2] + 4.0 + lift
    return np.stack([x, up, z], axis=-1).astype(np.float32), np.full(count, 3.0, np.float32)


def _tail(p: Person, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    count, steps = 170, 12
    t = np.linspace(0, 1, steps, dtype=np.float32)[None, :, None]
    spread = rng.normal(0, 1, (count, 1, 3)).astype(np.float32) * (7 + 14 * np.sin(np.pi * t))
    x = 26 * np.sign(p.hair_part + 0.05) * t
    path = np.concatenate(
        [
            x,
            38 + 30 * np.sin(np.pi * t * 0.8) - 230 * t**1.4,
            -192 - 34 * np.sin(np.pi * t) + 30 * t,
        ],
        axis=-1,
    )
    return (path + spread).astype(np.float32), np.full(count, 3.4, np.float32)


def _bun(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    count, steps = 150, 12
    axis = unit(rng.normal(0, 1, (count, 3)).astype(np.float32))
    other = unit(cross(axis, np.broadcast_to(np.array((0.3, 1.0, 0.2), np.float32), axis.shape)))
    third = cross(axis, other)
    angle = np.linspace(0, np.pi * 1.3, steps, dtype=np.float32)[None, :, None]
    ring = np.cos(angle) * other[:, None] + np.sin(angle) * third[:, None]
    center = np.array((0.0, 118.0, -128.0), np.float32)
    return (center + ring * 31.0).astype(np.float32), np.full(count, 4.0, np.float32)


def _ribbons(
    points: FloatArray, width: FloatArray, color: Rgb, rng: np.random.Generator
) -> Ribbons:
    """Strips along strands (N, K, 3) that lie flat on the head, darker at the root."""
    count, steps = points.shape[:2]
    tangent = unit(np.gradient(points, axis=1).astype(np.float32))
    outward = unit((points - SKULL_CENTER) * np.array((1.0, 0.55, 1.0), np.float32))
    across = unit(cross(tangent, outward))
    t = np.linspace(0, 1, steps, dtype=np.float32)
    taper = np.clip(np.minimum(0.55 + 2 * t, 3.6 * (1.04 - t)), 0.08, 1)
    offset = across * (0.5 * width[:, None] * taper[None])[..., None]
    tilt = rng.normal(0, 0.32, (count, 1, 1)).astype(np.float32)
    along = np.einsum("nki,nki->nk", tangent, outward)[..., None]
    lean = unit(outward - tangent * along * 0.7)
    normal = unit(
        lean + across * tilt + tangent * rng.normal(0, 0.1, (count, 1, 1)).astype(np.float32)
    )
    base = to_linear(color)
    shade = np.exp(rng.normal(0, 0.26, (count, 1))) * (0.60 + 0.48 * t[None])
    tint = 1 + rng.normal(0, 0.04, (count, 1, 3))
    colors = np.clip(base * (shade[..., None] * tint) + 0.003, 0, 1).astype(np.float32)
    index = np.arange(count * steps * 2, dtype=np.int32).reshape(count, steps, 2)
    a, b, c, d = index[:, :-1, 0], index[:, :-1, 1], index[:, 1:, 0], index[:, 1:, 1]
    # Strand by strand, so that every second triangle pair leaves an even half for the shadow.
    triangles: IntArray = np.stack([a, b, c, b, d, c], axis=-1).reshape(-1, 3)
    total = count * steps
    return Ribbons(
        points.reshape(total, 3).astype(np.float32),
        offset.reshape(total, 3).astype(np.float32),
        normal.reshape(total, 3),
        colors.reshape(total, 3),
        np.full(total, 0.16 * max(float(base.max()), 0.12) + 0.02, np.float32),
        triangles,
    )
