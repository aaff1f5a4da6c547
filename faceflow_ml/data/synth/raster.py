"""Triangle meshes and their projection to pixels through OpenCV's software rasteriser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Image8 = NDArray[np.uint8]
Array = NDArray[np.floating[Any]]  # either width, where the result is narrowed again

FAR = 1.0e5  # depth of an empty pixel, mm
_NEAR = 1.0
_IDENTITY = np.eye(4, dtype=np.float64)


def _settings(culling: int) -> cv2.TriangleRasterizeSettings:
    shaded = cv2.TriangleRasterizeSettings().setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    return shaded.setCullingMode(culling)


_BOTH_SIDES = _settings(cv2.RASTERIZE_CULLING_NONE)
_FRONT_ONLY = _settings(cv2.RASTERIZE_CULLING_CW)


@dataclass(frozen=True)
class Mesh:
    """Triangles with what shading needs at their corners.

    vertices (V, 3) mm; triangles (T, 3) vertex indices, counter-clockwise seen from outside;
    normals (V, 3) unit length; colors (V, 3) linear reflectance; gloss (V,) strength of the
    highlight.
    """

    vertices: FloatArray
    triangles: IntArray
    normals: FloatArray
    colors: FloatArray
    gloss: FloatArray


@dataclass(frozen=True)
class Ribbons:
    """Strands of hair: thin strips that are shaded along their middle line.

    points, offsets, normals, colors (M, 3): the middle line, the half-width across it, and its
    shading; gloss (M,). triangles index the 2 M border vertices of ``ribbon_vertices``.
    """

    points: FloatArray
    offsets: FloatArray
    normals: FloatArray
    colors: FloatArray
    gloss: FloatArray
    triangles: IntArray


def ribbon_vertices(points: FloatArray, offsets: FloatArray) -> FloatArray:
    """Border vertices (2 M, 3) of ribbons; those of point i are 2 i and 2 i + 1."""
    return np.stack([points - offsets, points + offsets], axis=1).reshape(-1, 3)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh from many; vertices keep their order, mesh by mesh."""
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        _join_triangles([m.triangles for m in meshes], [len(m.vertices) for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.colors for m in meshes]),
        np.concatenate([m.gloss for m in meshes]),
    )


def join_ribbons(parts: Sequence[Ribbons]) -> Ribbons:
    """All strands of the parts together."""
    return Ribbons(
        np.concatenate([r.points for r in parts]),
        np.concatenate([r.offsets for r in parts]),
        np.concatenate([r.normals for r in parts]),
        np.concatenate([r.colors for r in parts]),
        np.concatenate([r.gloss for r in parts]),
        _join_triangles([r.triangles for r in parts], [2 * len(r.points) for r in parts]),
    )


def _join_triangles(triangles: list[IntArray], counts: list[int]) -> IntArray:
    starts = np.cumsum([0, *counts[:-1]]).astype(np.int32)
    return np.concatenate([t + s for t, s in zip(triangles, starts, strict=True)])


def grid_triangles(rows: int, columns: int, step: int = 1) -> IntArray:
    """Triangles (T, 3) of a grid of vertices stored row by row, seen from the front.

    ``step`` leaves out rows and columns in between, for a coarser copy of the same surface.
    """
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)[::step, ::step]
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    first = np.stack([a, c, b], axis=-1).reshape(-1, 3)
    second = np.stack([b, c, d], axis=-1).reshape(-1, 3)
    return np.concatenate([first, second])


def grid_normals(points: FloatArray) -> FloatArray:
    """Unit normals (R, C, 3) of a grid of points whose rows go down and columns to the right."""
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    across[:, 0] = points[:, 1] - points[:, 0]
    across[:, -1] = points[:, -1] - points[:, -2]
    down = np.empty_like(points)
    down[1:-1] = points[2:] - points[:-2]
    down[0] = points[1] - points[0]
    down[-1] = points[-1] - points[-2]
    return unit(cross(down, across))


def cross(a: Array, b: Array) -> FloatArray:
    """Cross product over the last axis (plain arithmetic: np.cross is several times slower)."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    product = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
    return product.astype(np.float32, copy=False)


def unit(vectors: Array) -> FloatArray:
    """Vectors scaled to length one over the last axis; zero stays near zero."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors)) + np.float32(1e-6)
    return np.asarray(vectors / length[..., None], dtype=np.float32)


def rotate(points: FloatArray, matrix: FloatArray, pivot: FloatArray | None = None) -> FloatArray:
    """Points (V, 3) turned by a rotation (3, 3) about a pivot (3,), the origin if None."""
    if pivot is None:
        return np.asarray(points @ matrix.T, np.float32)
    return np.asarray((points - pivot) @ matrix.T + pivot, np.float32)


def rasterize(
    points: FloatArray,
    triangles: IntArray,
    attributes: FloatArray,
    image: FloatArray,
    depth: FloatArray,
    *,
    front_only: bool = False,
) -> None:
    """Draw triangles into ``image`` (H, W, 3) where they are nearer than ``depth`` (H, W).

    points (V, 3): pixel x, pixel y (pixel centres at +0.5) and distance along the view axis in
    mm; attributes (V, 3) in [0, 1], interpolated with the right perspective; both buffers are
    contiguous float32 and change in place (``FAR`` is an empty depth). ``front_only`` skips
    triangles seen from behind.
    """
    height, width = depth.shape
    half = np.float32(height / 2)
    camera = np.empty_like(points)
    camera[:, 0] = (points[:, 0] - np.float32(width / 2)) / half * points[:, 2]
    # The rasteriser's image is flipped: its y axis points up, rows are written from the top.
    camera[:, 1] = (half - points[:, 1]) / half * points[:, 2]
    camera[:, 2] = -points[:, 2]
    settings = _FRONT_ONLY if front_only else _BOTH_SIDES
    cv2.triangleRasterize(
        camera, triangles, attributes, image, depth, _IDENTITY, np.pi / 2, _NEAR, FAR, settings
    )


def empty_buffers(size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """A black image (H, W, 3) and an empty depth (H, W)."""
    return np.zeros((*size, 3), np.float32), np.full(size, FAR, np.float32)
