"""From a posed person to pixels: camera, light, rasterise, downsample."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceflow_ml.data.synth.people import Appearance, Person
from faceflow_ml.data.synth.pose import Posed, pose_person
from faceflow_ml.data.synth.raster import (
    FAR,
    FloatArray,
    Image8,
    empty_buffers,
    rasterize,
    ribbon_vertices,
)
from faceflow_ml.data.synth.shading import (
    LIGHT_SCALE,
    PLAIN_WRAP,
    SKIN_WRAP,
    ShadowMap,
    light_vertices,
)
from faceflow_ml.data.synth.skin import to_linear

_BRIGHTEST = 1.6  # linear light kept above white, for the roll-off of highlights


@dataclass(frozen=True)
class RenderedFace:
    """One face and its exact truth.

    image (H, W, 3) uint8 RGB; alpha (H, W) uint8 coverage of the person; box (4,) float32 xyxy
    and landmarks (5, 2) float32 in pixels, landmarks as seen in the image, left eye first.
    """

    image: Image8
    alpha: Image8
    box: FloatArray
    landmarks: FloatArray


def project(points: FloatArray, distance: float, view: FloatArray) -> FloatArray:
    """Camera space (n, 3) to pixel x, pixel y and depth (n, 3).

    view (2, 3) is the affine map from the plane through the face, in mm with y down, to pixels.
    """
    depth = np.float32(distance) - points[:, 2]
    scale = np.float32(distance) / depth
    x, y = points[:, 0] * scale, -points[:, 1] * scale
    result = np.empty((len(points), 3), np.float32)
    result[:, 0] = view[0, 0] * x + view[0, 1] * y + view[0, 2]
    result[:, 1] = view[1, 0] * x + view[1, 1] * y + view[1, 2]
    result[:, 2] = depth
    return result


class PersonRenderer:
    """A posed person, lit once, to be drawn in one or more windows."""

    def __init__(self, posed: Posed) -> None:
        self._posed = posed
        a, skin, plain, hair = posed.appearance, posed.skin, posed.plain, posed.hair
        shadow = ShadowMap(a.light_direction)
        shadow.add(skin.vertices, posed.skin_casters)
        shadow.add(plain.vertices, plain.triangles)
        if hair is not None:
            self._strands = ribbon_vertices(hair.points, hair.offsets)
            shadow.add(self._strands, hair.triangles[: len(hair.triangles) // 2])
            reach = shadow.visible(hair.points, bias=9.0)
            light = light_vertices(
                hair.points, hair.normals, hair.colors, hair.gloss, reach, PLAIN_WRAP, a
            )
            self._hair_light = np.repeat(light, 2, axis=0)
        reach = shadow.visible(skin.vertices)
        self._skin_light = light_vertices(
            skin.vertices, skin.normals, skin.colors, skin.gloss, reach, SKIN_WRAP, a
        )
        reach = shadow.visible(plain.vertices)
        self._plain_light = light_vertices(
            plain.vertices, plain.normals, plain.colors, plain.gloss, reach, PLAIN_WRAP, a
        )

    def draw(
        self, view: FloatArray, size: tuple[int, int], supersample: float = 2.0
    ) -> tuple[FloatArray, FloatArray]:
        """Linear light (H, W, 3), premultiplied, and coverage (H, W) in [0, 1].

        view (2, 3) as in ``project``; each pixel averages about ``supersample`` squared samples.
        """
        posed = self._posed
        distance = posed.appearance.distance
        height, width = (round(length * supersample) for length in size)
        view = view.astype(np.float32).copy()
        view[0] *= width / size[1]
        view[1] *= height / size[0]
        image, depth = empty_buffers((height, width))
        skin = posed.skin
        pixels = project(skin.vertices, distance, view)
        where = np.zeros_like(image)
        rasterize(pixels, skin.triangles, posed.skin_uv, where, depth.copy(), front_only=True)
        rasterize(pixels, skin.triangles, self._skin_light, image, depth, front_only=True)
        texel = cv2.remap(
            posed.atlas,
            where[..., 0] * np.float32(posed.atlas.shape[1]) - np.float32(0.5),
            where[..., 1] * np.float32(posed.atlas.shape[0]) - np.float32(0.5),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        image *= texel
        pixels = project(posed.plain.vertices, distance, view)
        rasterize(pixels, posed.plain.triangles, self._plain_light, image, depth)
        if posed.hair is not None:
            pixels = project(self._strands, distance, view)
            rasterize(pixels, posed.hair.triangles, self._hair_light, image, depth)
        if posed.lenses is not None:
            glass = posed.lenses
            mark, near = np.zeros_like(image), depth.copy()
            pixels = project(glass.vertices, distance, view)
            rasterize(pixels, glass.triangles, np.ones_like(pixels), mark, near)
            share = (near < depth).astype(np.float32)[..., None] * np.float32(glass.opacity)
            image += share * (glass.color * LIGHT_SCALE - image)
            depth = near
        cover = (depth < FAR).astype(np.float32)
        np.minimum(image, np.float32(_BRIGHTEST * LIGHT_SCALE), out=image)
        if supersample != 1.0:
            color = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(cover, size[::-1], interpolation=cv2.INTER_AREA)
        else:  # single samples leave stairs at the outline
            color = cv2.GaussianBlur(image, (3, 3), 0.7)
            alpha = cv2.GaussianBlur(cover, (3, 3), 0.7)
        return np.asarray(color / LIGHT_SCALE, np.float32), np.asarray(alpha, np.float32)


def _display_table() -> Image8:
    linear = np.linspace(0, _BRIGHTEST, 4096)
    # Highlights roll off instead of clipping.
    soft = np.clip(linear / (1 + 0.18 * linear**2), 0, 1)
    return (soft ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


_DISPLAY = _display_table()


def to_srgb8(linear: FloatArray) -> Image8:
    """uint8 sRGB (H, W, 3) of linear light."""
    index = np.clip(linear * np.float32(4095 / _BRIGHTEST), 0, 4095).astype(np.uint16)
    return np.asarray(_DISPLAY[index], np.uint8)


def face_truth(posed: Posed, view: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Box (4,) and landmarks (5, 2) of a posed person in pixels."""
    distance = posed.appearance.distance
    five = project(posed.five, distance, view)[:, :2]
    outline = project(posed.outline, distance, view)[:, :2]
    box = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
    return box.astype(np.float32), five.astype(np.float32)


def render_face(
    person: Person,
    appearance: Appearance | None = None,
    size: int = 256,
    background: tuple[float, float, float] = (0.62, 0.66, 0.70),
) -> RenderedFace:
    """A square portrait of ``size`` px over a plain background (sRGB in [0, 1])."""
    if size < 16:
        raise ValueError(f"size must be at least 16 px, got {size}")
    posed = pose_person(person, appearance or Appearance())
    scale = size / 330.0
    view = np.array([[scale, 0, size / 2], [0, scale, size * 0.46]], np.float32)
    color, cover = PersonRenderer(posed).draw(view, (size, size))
    color += (1 - cover)[..., None] * to_linear(background)
    box, landmarks = face_truth(posed, view)
    return RenderedFace(to_srgb8(color), (cover * 255).astype(np.uint8), box, landmarks)
