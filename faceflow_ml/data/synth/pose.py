"""A person put in front of the camera: geometry of the identity, bent and turned for one photo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from faceflow_ml.data.synth.accessories import (
    HAT_SCALE,
    Lenses,
    face_mask,
    glasses,
    headwear,
    scarf,
)
from faceflow_ml.data.synth.body import ear_mesh, paint_cloth, torso_mesh
from faceflow_ml.data.synth.features import paint_features
from faceflow_ml.data.synth.hair import (
    SKULL_CENTER,
    beard_ribbons,
    hair_ribbons,
    scalp_cover,
    skull_radii,
)
from faceflow_ml.data.synth.head import Head
from faceflow_ml.data.synth.people import Appearance, Person
from faceflow_ml.data.synth.raster import (
    FloatArray,
    IntArray,
    Mesh,
    Ribbons,
    grid_normals,
    grid_triangles,
    join,
    join_ribbons,
    rotate,
)
from faceflow_ml.data.synth.skin import (
    ATLAS_MM,
    cloth_uv,
    face_uv,
    paint_skin,
    to_linear,
)

_NECK = np.array((0.0, -45.0, -85.0), np.float32)  # the head turns about this point
_DENSITY, _LOW_DENSITY = 2.0, 1.25  # texture px/mm
_WAIST = np.array((0.0, -150.0, -100.0), np.float32)


@dataclass(frozen=True)
class Posed:
    """A person in camera space: the lens is at z = ``appearance.distance``, looking back.

    skin: head and torso, textured by ``atlas`` (H, W, 3) at ``skin_uv`` (V, 3; the third is
    unused), with a coarse copy ``skin_casters`` of its triangles for shadows; plain: everything
    without a texture; hair and beard as ribbons. five (5, 3) and outline (k, 3): the truth.
    """

    skin: Mesh
    skin_uv: FloatArray
    skin_casters: IntArray
    plain: Mesh
    hair: Ribbons | None
    lenses: Lenses | None
    atlas: FloatArray
    five: FloatArray
    outline: FloatArray
    appearance: Appearance

    def silhouette(self) -> FloatArray:
        """Points (n, 3) among which are the outermost of the person."""
        parts = [self.skin.vertices, self.plain.vertices]
        return np.concatenate(parts if self.hair is None else [*parts, self.hair.points])


@dataclass(frozen=True)
class _Model:
    """What stays the same in every picture of a person."""

    head: Head
    atlas: FloatArray
    strands: Ribbons | None
    ears: Mesh
    face_colors: FloatArray  # (R*C, 3) relative to the texture: scalp and hollows
    face_gloss: FloatArray
    face_uv: FloatArray
    radii: FloatArray
    outline: IntArray  # vertices of the grid that a face box encloses


@lru_cache(maxsize=48)
def _model(person: Person, low_detail: bool) -> _Model:
    head = Head(person, low_detail)
    cover = scalp_cover(head)
    hair = to_linear(person.hair_color) * 0.75 + 0.004
    if person.hair_style == "buzz":
        hair = hair * 0.8 + 0.12 * to_linear(person.skin)
    ratio = hair / to_linear(person.skin)
    ratio *= min(1.0, 9.0 / float(ratio.max()))  # brighter would leave the range of the light
    scalp = (1 + cover[..., None] * (ratio - 1)).reshape(-1, 3)
    gloss = (0.50 + 0.35 * np.exp(-((head.x / 16) ** 2)) * (head.y > -60)) * (1 - cover)
    strands = [
        part
        for part in (hair_ribbons(head, low_detail), beard_ribbons(head, low_detail))
        if part is not None
    ]
    density = _LOW_DENSITY if low_detail else _DENSITY
    skin = paint_skin(head, density)
    atlas = np.ones((skin.shape[0], round(ATLAS_MM[0] * density), 3), np.float32)
    atlas[:, : skin.shape[1]] = skin
    return _Model(
        head,
        atlas,
        join_ribbons(strands) if strands else None,
        ear_mesh(head),
        (scalp * _hollows(head)[:, None]).astype(np.float32),
        gloss.ravel().astype(np.float32),
        face_uv(head.x, head.y).reshape(-1, 2),
        skull_radii(head),
        head.outline(),
    )


def _hollows(head: Head) -> FloatArray:
    """Ambient light that hollows of the face keep, (R*C,) in [0, 1]."""
    ax = np.abs(head.x)
    socket = 0.24 * np.exp(-(((ax - head.eye_x + 4) / 15) ** 2) - ((head.y - 5) / 8) ** 2)
    side = 0.20 * np.exp(-(((ax - 11) / 6) ** 2) - ((head.y - 2) / 14) ** 2)
    nose = 0.22 * np.exp(-((ax / 15) ** 2) - ((head.y - head.nose_y + 13) / 5) ** 2)
    under = 0.35 * np.clip((-100 - head.y) / 16, 0, 1)
    return np.asarray((1 - socket) * (1 - side) * (1 - nose) * (1 - under), np.float32).ravel()


def rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Rotation (3, 3) of head space, degrees; signs as in ``Appearance``."""
    y, p, r = np.deg2rad([yaw, -pitch, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


@lru_cache(maxsize=16)
def _grid(rows: int, columns: int, step: int) -> IntArray:
    return grid_triangles(rows, columns, step)


def pose_person(
    person: Person, appearance: Appearance, low_detail: bool = False, bottom: float = -640.0
) -> Posed:
    """``person`` in camera space, textured for this appearance.

    ``low_detail`` halves the strands, for faces under about 100 px; the body ends at y =
    ``bottom`` mm.
    """
    model, a = _model(person, low_detail), appearance
    head = model.head
    turn = rotation(a.yaw, a.pitch, a.roll)

    def with_head(points: FloatArray) -> FloatArray:
        return rotate(points, turn, _NECK)

    points = head.stretch(head.express(np.stack([head.x, head.y, head.z], axis=-1), a))
    face = Mesh(
        with_head(points.reshape(-1, 3)),
        _grid(head.rows, head.columns, 1),
        rotate(grid_normals(points).reshape(-1, 3), turn),
        model.face_colors,
        model.face_gloss,
    )
    torso, torso_uv, follow, rows = torso_mesh(person, a, bottom)
    stand = rotation(a.body_yaw, 0.0, 0.25 * a.roll)
    standing = rotate(torso.vertices, stand, _WAIST)
    moved = standing + follow[:, None] * (with_head(torso.vertices) - standing)
    torso = Mesh(moved, torso.triangles, rotate(torso.normals, stand), torso.colors, torso.gloss)
    skin = join([face, torso])
    start = np.int32(len(face.vertices))
    columns = len(torso.vertices) // rows
    casters = np.concatenate([_grid(head.rows, head.columns, 2), _grid(rows, columns, 2) + start])
    uv = np.zeros((len(skin.vertices), 3), np.float32)
    uv[: len(face.vertices), :2] = model.face_uv
    uv[len(face.vertices) :, :2] = cloth_uv(torso_uv)

    rigid, lenses = [model.ears], None
    worn = glasses(head, a)
    if worn is not None:
        rigid.append(worn[0])
        lenses = Lenses(
            with_head(worn[1].vertices), worn[1].triangles, worn[1].color, worn[1].opacity
        )
    extras = (headwear(a, SKULL_CENTER, model.radii), face_mask(head, a))
    rigid += [extra for extra in extras if extra is not None]
    plain = join(rigid)
    plain = Mesh(
        with_head(plain.vertices),
        plain.triangles,
        rotate(plain.normals, turn),
        plain.colors,
        plain.gloss,
    )
    wrapped = scarf(a)
    if wrapped is not None:
        plain = join([plain, wrapped])
    atlas = model.atlas.copy()
    density = _LOW_DENSITY if low_detail else _DENSITY
    paint_features(atlas, head, a, density)
    cloth = paint_cloth(person, a, density)
    atlas[: cloth.shape[0], -cloth.shape[1] :] = cloth
    hair = None if model.strands is None else _turn_hair(model, a, turn)
    return Posed(
        skin, uv, casters, plain, hair, lenses, atlas,
        with_head(head.landmarks(a)), face.vertices[model.outline], a,
    )  # fmt: skip


def _turn_hair(model: _Model, appearance: Appearance, turn: FloatArray) -> Ribbons:
    strands = model.strands
    assert strands is not None
    points = strands.points
    if appearance.headwear != "none":  # what is under the hat lies flat
        q = (points - SKULL_CENTER) / model.radii
        r = np.sqrt((q**2).sum(axis=1)) + np.float32(1e-6)
        limit = np.float32(HAT_SCALE - 0.035)
        tight = np.where((points[:, 1] > 20) & (r > limit), limit / r, np.float32(1.0))
        points = SKULL_CENTER + q * tight[:, None] * model.radii
    return Ribbons(
        rotate(points, turn, _NECK),
        rotate(strands.offsets, turn),
        rotate(strands.normals, turn),
        strands.colors,
        strands.gloss,
        strands.triangles,
    )
