"""Light on a mesh: sky and ground, one key light with a shadow map, skin's soft terminator."""

from __future__ import annotations

import numpy as np

from faceflow_ml.data.synth.people import Appearance
from faceflow_ml.data.synth.raster import (
    FAR,
    FloatArray,
    IntArray,
    cross,
    empty_buffers,
    rasterize,
    unit,
)

_SHADOW_SIZE = 128
_SHADOW_MM = 460.0
_TAPS = ((0.0, 0.0), (1.3, 0.5), (-0.5, 1.3), (-1.3, -0.5), (0.5, -1.3))
# Light scatters under skin: red reaches furthest round the terminator.
SKIN_WRAP = (0.34, 0.20, 0.15)
PLAIN_WRAP = (0.10, 0.10, 0.10)
LIGHT_SCALE = np.float32(1 / 16)  # the rasteriser interpolates values in [0, 1]


class ShadowMap:
    """What the key light sees of a person, to ask which points it reaches."""

    def __init__(self, light: tuple[float, float, float]) -> None:
        axis = unit(np.asarray(light, np.float32))
        side = unit(np.array((axis[2], 1e-5, 1e-5 - axis[0]), np.float32))
        up = cross(axis, side)
        scale = np.float32(_SHADOW_SIZE / _SHADOW_MM)
        self._matrix: FloatArray = np.stack([side * scale, -up * scale, -axis]).astype(np.float32)
        self._center: FloatArray = np.array((0.0, -25.0, -70.0), np.float32)
        # From so far away the rasteriser's perspective is nearly parallel, like the sun's.
        self._offset = np.array((_SHADOW_SIZE / 2, _SHADOW_SIZE / 2, 6000.0), np.float32)
        self._image, self._depth = empty_buffers((_SHADOW_SIZE, _SHADOW_SIZE))

    def _locate(self, vertices: FloatArray) -> FloatArray:
        return np.asarray((vertices - self._center) @ self._matrix.T + self._offset, np.float32)

    def add(self, vertices: FloatArray, triangles: IntArray) -> None:
        """Let triangles (T, 3) of vertices (V, 3) cast shadows."""
        points = self._locate(vertices)
        rasterize(points, triangles, points, self._image, self._depth)

    def visible(self, vertices: FloatArray, bias: float = 5.0) -> FloatArray:
        """How much (V,) of the light reaches vertices (V, 3), in [0, 1]."""
        points = self._locate(vertices)
        for border in (self._depth[0], self._depth[-1], self._depth[:, 0], self._depth[:, -1]):
            border.fill(FAR)  # beyond the map nothing is in shadow
        total = np.zeros(len(points), np.float32)
        limit = np.float32(_SHADOW_SIZE - 1)
        for dx, dy in _TAPS:
            column = np.clip(points[:, 0] + np.float32(dx), 0, limit).astype(np.int32)
            row = np.clip(points[:, 1] + np.float32(dy), 0, limit).astype(np.int32)
            behind = points[:, 2] - self._depth.ravel()[row * _SHADOW_SIZE + column]
            total += np.clip((np.float32(bias) - behind) * np.float32(0.25) + 1, 0, 1)
        return total / np.float32(len(_TAPS))


def light_vertices(
    vertices: FloatArray,
    normals: FloatArray,
    colors: FloatArray,
    gloss: FloatArray,
    visible: FloatArray,
    wrap: tuple[float, float, float],
    appearance: Appearance,
) -> FloatArray:
    """Light leaving each vertex towards the lens, (V, 3), times ``LIGHT_SCALE``.

    vertices (V, 3) in camera space; normals (V, 3) unit vectors; colors (V, 3) reflectance; gloss
    (V,); visible (V,) from the shadow map; wrap: how far light reaches past the terminator.
    """
    a = appearance
    key = unit(np.asarray(a.light_direction, np.float32))
    to_eye = unit(np.array((0, 0, a.distance), np.float32) - vertices)
    sky = np.asarray(a.sky, np.float32) * np.float32(a.ambient)
    ground = np.asarray(a.ground, np.float32) * np.float32(0.55 * a.ambient)
    up = np.float32(0.5) + np.float32(0.5) * normals[:, 1]
    # A weak fill from the lens keeps the shadow side readable, as in most photos of people.
    fill = np.float32(0.74) + np.float32(0.26) * np.clip(normals[:, 2], 0, 1)
    strength = np.float32(a.light_strength) * np.asarray(a.light_color, np.float32)
    facing = normals @ key
    halfway = unit(to_eye + key)
    shine = np.clip(np.einsum("ij,ij->i", normals, halfway), 0, 1)
    squared = shine * shine
    s4 = squared * squared
    s12 = s4 * s4 * s4
    spec = (np.float32(0.32) * s12 + np.float32(0.55) * (s12 * s12) ** 2) * gloss * visible
    rim = np.float32(1) - np.clip(np.einsum("ij,ij->i", normals, to_eye), 0, 1)
    rim = rim * rim * rim * gloss * np.float32(0.22)
    lit = np.empty_like(colors)
    for channel in range(3):
        w = np.float32(wrap[channel])
        diffuse = np.clip((facing + w) / (1 + w), 0, 1)
        reach = visible + w * (1 - visible) * visible
        light = (ground[channel] + up * (sky[channel] - ground[channel])) * fill
        light += strength[channel] * diffuse * reach
        lit[:, channel] = colors[:, channel] * light + spec * strength[channel] + rim * sky[channel]
    return np.asarray(np.clip(lit * LIGHT_SCALE, 0, 1), np.float32)
