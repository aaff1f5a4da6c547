"""The head as a surface: anatomy by profiles and relief, expression by displacement.

Head space is in mm: x to image right, y up, z to the viewer; the origin lies between the pupils.
A horizontal section at height y is a superellipse with half-width W(y), front zf(y), back zb(y) and
its widest place zm(y); brows, sockets, nose, lips, cheeks and chin are relief along z.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from faceflow_ml.data.synth.people import Appearance, Person
from faceflow_ml.data.synth.raster import FloatArray, IntArray

# Height y, half-width W, front zf, back zb, widest zm of an average adult head.
_SECTIONS = np.array(
    [
        (113, 2, -78, -84, -80), (111, 22, -55, -102, -80), (106, 39, -34, -122, -82),
        (96, 55, -14, -142, -84), (80, 66, -1, -158, -87), (60, 72, 6, -170, -90),
        (40, 74.5, 8, -176, -92), (20, 74.5, 7.5, -178, -92), (0, 72.5, 5, -175, -88),
        (-20, 70, 4, -168, -80), (-40, 66.5, 4, -158, -74), (-60, 61, 4, -146, -70),
        (-75, 55, 4, -128, -64), (-88, 47.5, 4, -98, -54), (-98, 39, 4, -70, -43),
        (-106, 30, 3, -50, -33), (-112, 20, -1, -34, -22), (-116, 10, -7, -22, -15),
        (-118, 1, -13, -15, -14),
    ],
    dtype=np.float64,
)  # fmt: skip
_TOP, _BOTTOM = 113.0, -118.0
_TABLE_Y = np.linspace(_BOTTOM, _TOP, 463)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    column = values.reshape(-1, 1)
    return cv2.GaussianBlur(column, (1, 0), sigmaX=1, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE
                            ).ravel() if sigma > 0 else values  # fmt: skip


class Head:
    """One person's head: surface grid, relief and the places of its features.

    ``rows`` x ``columns`` is the grid; ``x``/``y``/``z`` (R, C) its neutral, canonical positions
    (before ``stretch``, which fits the lengths of forehead and chin).
    """

    def __init__(self, person: Person, low_detail: bool = False) -> None:
        self.person = person
        p = person
        self.eye_x = p.eye_distance / 2
        self.nose_y = -38.5 - 3.5 * p.nose_length
        self.nose_half = 16.0 + 3.2 * p.nose_width
        self.mouth_y = -71.5 - 1.6 * p.mouth_height - 1.5 * p.nose_length
        self.mouth_half = p.mouth_width / 2
        self.brow_y = 20.0 + 3.0 * p.brow_height
        table = np.stack(
            [_smooth(np.interp(_TABLE_Y, _SECTIONS[::-1, 0], _SECTIONS[::-1, k]), 5.0)
             for k in range(1, 5)]
        )  # fmt: skip
        y = _TABLE_Y
        width = 1 + 0.055 * p.head_width
        jaw = _bump(y, -82, 24) * 0.13 * p.jaw_width
        cheek = _bump(y, -22, 22) * 0.045 * p.cheekbones + _bump(y, -55, 20) * (
            0.06 * p.cheek_fullness
        )
        chin = _bump(y, -108, 9) * 0.22 * p.chin_width
        temple = _bump(y, 50, 30) * 0.04 * p.forehead
        table[0] *= width * (1 + jaw + cheek + chin + temple)
        table[0][y < -113] *= np.clip((y[y < -113] + 118.5) / 5.5, 0.02, 1)
        self._table = table.astype(np.float32)
        theta, self.rows_y = _grid_axes(low_detail)
        self.columns = len(theta)
        self.rows = len(self.rows_y)
        half, front, back, wide = (column[:, None] for column in self._sections(self.rows_y))
        s, c = np.sin(theta)[None], np.cos(theta)[None]
        self.x = np.asarray(half * s, np.float32)
        self.y = np.broadcast_to(self.rows_y[:, None], self.x.shape).astype(np.float32)
        depth = np.where(c >= 0, front - wide, wide - back)
        bulge = np.where(c >= 0, _superellipse(s), np.abs(c))
        facing = np.clip(c * 3.0, 0, 1)
        z = wide + np.sign(c) * depth * bulge
        self.z = np.asarray(z + facing * self.relief(self.x, self.y), np.float32)
        self.front = np.asarray(facing, np.float32)
        self.theta = theta

    def _sections(self, y: np.ndarray) -> FloatArray:
        return np.stack([np.interp(y, _TABLE_Y, column) for column in self._table]).astype(
            np.float32
        )

    def relief(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far the face stands out along z (mm) at canonical x, y."""
        p = self.person
        ax = np.abs(x)
        ex = (ax - self.eye_x) / 15.0
        socket = -(6.5 + 2.5 * p.eye_depth) * np.exp(-(ex**2) - ((y - 2) / 10.5) ** 2)
        ball = 4.6 * np.exp(-(((ax - self.eye_x) / 10.5) ** 2) - ((y + 0.5) / 7.5) ** 2)
        ridge = (2.5 - 1.8 * p.femininity + 1.2 * p.eye_depth) * np.exp(
            -(((ax - 24) / 22) ** 2) - ((y - self.brow_y + 2) / 7) ** 2
        )
        result = socket + ball + ridge + self._nose(x, y)
        my = self.mouth_y
        muzzle = 6.5 * np.exp(-((ax / 30) ** 2) - ((y - my) / 19) ** 2)
        curve = np.exp(-((ax / (self.mouth_half * 0.75)) ** 2))
        upper, lower = p.upper_lip, p.lower_lip
        lips = (
            (0.42 * upper + 0.5) * curve * np.exp(-(((y - my - 0.5 * upper) / (0.6 * upper)) ** 2))
        )
        lips += (
            (0.38 * lower + 0.5) * curve * np.exp(-(((y - my + 0.5 * lower) / (0.6 * lower)) ** 2))
        )
        seam = -2.2 * np.exp(-((ax / self.mouth_half) ** 4) - ((y - my) / 1.8) ** 2)
        corner = -2.0 * np.exp(-(((ax - self.mouth_half) / 5) ** 2) - ((y - my) / 5) ** 2)
        philtrum = -0.9 * np.exp(-((x / 3.0) ** 2) - ((y - my - 13) / 6) ** 2)
        sulcus = -3.0 * np.exp(-((ax / 20) ** 2) - ((y - my + lower + 7) / 5) ** 2)
        chin = (5.5 + 3.5 * p.chin_depth) * np.exp(
            -((ax / (16 + 5 * p.chin_width)) ** 2) - ((y + 103) / 11) ** 2
        )
        cheek = (4.5 + 3.5 * p.cheekbones) * np.exp(-(((ax - 46) / 17) ** 2) - ((y + 24) / 17) ** 2)
        hollow = (-2.0 + 3.5 * p.cheek_fullness) * np.exp(
            -(((ax - 44) / 16) ** 2) - ((y + 62) / 18) ** 2
        )
        fold_x = 20 + (self.nose_y - 2 - y) * 0.32
        fold = -(0.6 + 1.4 * max(p.age - 30, 0) / 50) * np.exp(
            -(((ax - fold_x) / 4.0) ** 2) - ((y - self.nose_y + 18) / 13) ** 2
        )
        return np.asarray(
            result
            + muzzle
            + lips
            + seam
            + corner
            + philtrum
            + sulcus
            + chin
            + cheek
            + hollow
            + fold
        )

    def _nose(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        p, tip = self.person, self.nose_y
        base = tip - 9.5 + 2.0 * p.nose_tip
        height = 29.0 + 2.5 * p.nose_length + 1.5 * p.nose_bridge
        knots_y = [
            tip - 19,
            base - 2,
            base + 2.0,
            tip - 2.5,
            tip + 1.5,
            tip + 7,
            -14.0,
            2.0,
            12.0,
            24.0,
        ]
        bridge = 8.5 + 3.5 * p.nose_bridge
        mid = 0.55 * height + 1.0 + 2.6 * p.nose_hump + 2.0 * p.nose_bridge
        knots_h = [0, 4.0, 0.55 * height, 0.95 * height, height, 0.90 * height, mid, bridge, 6.0, 0]
        profile = np.interp(_TABLE_Y, knots_y, knots_h)
        h = np.interp(y, _TABLE_Y, _smooth(profile, 3.2))
        knots_w = [14, 13, 11.5, 10.5, 10.0, 9.5, 8.6, 8.6, 10.5, 14]
        w = np.interp(y, knots_y, knots_w) * (1 + 0.13 * p.nose_width)
        body = h * np.exp(-(np.abs(x / w) ** 2.0))
        wing_x = self.nose_half - 5.5
        wings = 8.5 * np.exp(-(((np.abs(x) - wing_x) / 5.2) ** 2) - ((y - tip + 4.0) / 5.8) ** 2)
        return np.asarray(body + wings)

    def surface(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Points (n, 3) of the neutral, canonical front surface at x, y (n,)."""
        half, front, _, wide = self._sections(y)
        z = wide + (front - wide) * _superellipse(np.clip(x / half, -0.999, 0.999))
        return np.stack([x, y, z + self.relief(x, y)], axis=-1).astype(np.float32)

    def stretch(self, points: FloatArray) -> FloatArray:
        """Canonical points (..., 3) with this person's lengths of forehead, face and chin."""
        p, result = self.person, points.copy()
        y = points[..., 1]
        up, down = 1 + 0.07 * p.forehead, 1 + 0.10 * p.chin_length
        upper = np.where(y > 25, 25 + (y - 25) * up, y)
        y2 = np.where(y < self.mouth_y, self.mouth_y + (y - self.mouth_y) * down, upper)
        result[..., 1] = y2 * (1 + 0.045 * p.head_length)
        return result

    def express(self, points: FloatArray, appearance: Appearance) -> FloatArray:
        """Canonical points (..., 3) moved by smile, jaw and brows."""
        dx, dy = self.mouth_shift(points[..., 0], points[..., 1], appearance)
        z = points[..., 2]
        facing = np.clip((z + 75) / 55, 0, 1)
        ax = np.abs(points[..., 0])
        y = points[..., 1]
        smile = max(appearance.smile, 0.0)
        cheeks = smile * np.exp(-(((ax - 42) / 15) ** 2) - ((y + 36) / 14) ** 2)
        brow = appearance.brow_raise * 3.0 * np.exp(-(((y - 24) / 16) ** 2)) * (y > -4)
        corner = np.exp(-(((ax - self.mouth_half) / 12) ** 2) - ((y - self.mouth_y) / 12) ** 2)
        moved = points.copy()
        moved[..., 0] += dx * facing
        moved[..., 1] += (dy + 2.0 * cheeks + brow) * facing
        moved[..., 2] += (3.4 * cheeks - 2.5 * smile * corner) * facing
        return moved

    def mouth_shift(
        self, x: np.ndarray, y: np.ndarray, appearance: Appearance
    ) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (dx, dy) in mm of the surface round the mouth."""
        ax = np.abs(x)
        corner = np.exp(-(((ax - self.mouth_half) / 14) ** 2) - ((y - self.mouth_y) / 15) ** 2)
        smile = appearance.smile
        dx = np.sign(x) * corner * 3.6 * smile
        dy = corner * 4.2 * smile
        jaw = 1 / (1 + np.exp(np.clip((y - self.mouth_y) / 1.6, -30, 30)))
        return dx, dy - appearance.mouth_open * jaw

    def landmarks(self, appearance: Appearance) -> FloatArray:
        """Image-left eye, right eye, nose tip and mouth corners (5, 3) for one expression."""
        x = np.array([-self.eye_x, self.eye_x, 0, -self.mouth_half, self.mouth_half], np.float32)
        y = np.array([0, 0, self.nose_y + 3.0, self.mouth_y, self.mouth_y], np.float32)
        return self.stretch(self.express(self.surface(x, y), appearance))

    def outline(self) -> IntArray:
        """Indices of the grid's vertices that a face box encloses: hairline to chin, ear to ear."""
        inside = (np.abs(self.theta) < np.deg2rad(88))[None] & (self.y < 73)
        return np.flatnonzero(inside)[::2].astype(np.int32)


@lru_cache(maxsize=2)
def _grid_axes(low_detail: bool) -> tuple[FloatArray, FloatArray]:
    t = np.linspace(-1, 1, 47 if low_detail else 73)
    front = (0.62 * t + 0.38 * t**3) * np.pi / 2
    back = np.linspace(np.pi / 2, np.pi, 8 if low_detail else 12)[1:]
    theta = np.concatenate([-back[::-1], front, back]).astype(np.float32)
    crown = np.array([113, 112.4, 111, 109, 106, 102, 97, 91, 84, 77, 70, 63, 56, 50])
    middle = np.linspace(45, -112, 52 if low_detail else 84)
    chin = np.array([-114, -116, -117.4, -118])
    return theta, np.concatenate([crown[:: 2 if low_detail else 1], middle, chin]).astype(
        np.float32
    )


def _superellipse(s: np.ndarray) -> np.ndarray:
    return np.asarray((1 - np.abs(s) ** 2.35) ** (1 / 2.35))


def _bump(y: np.ndarray, center: float, sigma: float) -> np.ndarray:
    return np.asarray(np.exp(-(((y - center) / sigma) ** 2)))
