"""Augmentation of photos for the detector: where faces are, and what the camera did to them.

Geometry (:class:`RandomView`) shows faces at many scales: crops by photo scale as in RetinaFace
(Deng et al., 2020) mixed with data-anchor-sampling, which aims one face at a drawn size
(PyramidBox, Tang et al., 2018). What happens to the pixels (colour, blur, JPEG, low resolution,
noise, occlusion) is Albumentations.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import cv2
import numpy as np

# Read by Albumentations when imported: without it, every worker process asks the network for news.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

from faceflow_ml.data.detection_geometry import (
    Colour,
    KeepRule,
    Window,
    crop_resize,
    flip,
    keep_faces,
    letterbox,
    rotate,
)
from faceflow_ml.data.records import Photo

_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)


@dataclass(frozen=True)
class ViewOptions:
    """How much the view of a photo varies.

    Args:
        crop: side of the square crop over the photo's short side, drawn log-uniformly. Above 1 the
            view reaches beyond the photo, so that faces become small.
        aimed: probability of aiming a face at a drawn size instead.
        face_side: bounds of that size over the side of the result, drawn log-uniformly.
        enlarge: a view is never enlarged by more than this.
        flip: probability of a mirror image.
        rotate: probability of a turn by up to ``degrees`` either way.
        keep: which faces still count.
    """

    crop: tuple[float, float] = (0.3, 1.6)
    aimed: float = 0.4
    face_side: tuple[float, float] = (0.04, 0.6)
    enlarge: float = 3.0
    flip: float = 0.5
    rotate: float = 0.15
    degrees: float = 20.0
    keep: KeepRule = field(default_factory=KeepRule)


class RandomView:
    """A random crop, turn and mirror image of a photo, resized to a given size."""

    def __init__(self, options: ViewOptions | None = None) -> None:
        self.options = options or ViewOptions()

    def __call__(self, photo: Photo, size: tuple[int, int], rng: np.random.Generator) -> Photo:
        """A view of ``photo``.

        Args:
            photo: the source; not changed.
            size: (width, height) of the view in pixels.
            rng: the only source of chance.

        Returns:
            The view, with faces clipped to it; those cut or too small are ignore regions.
        """
        options = self.options
        fill = _random_fill(rng)
        view = crop_resize(
            photo,
            self._window(photo, size, rng),
            size,
            fill=fill,
            interpolation=_random_interpolation(rng),
        )
        if rng.random() < options.rotate:
            view = rotate(view, rng.uniform(-options.degrees, options.degrees), fill=fill)
        if rng.random() < options.flip:
            view = flip(view)
        return Photo(view.image, keep_faces(view.faces, size, options.keep))

    def _window(self, photo: Photo, size: tuple[int, int], rng: np.random.Generator) -> Window:
        options = self.options
        height, width = photo.image.shape[:2]
        sure = np.flatnonzero(~photo.faces.ignore)
        face = photo.faces.boxes[rng.choice(sure)] if len(sure) else None
        longest = max(size)

        short = min(width, height)
        if face is not None and rng.random() < options.aimed:
            side = float(max(face[2] - face[0], face[3] - face[1]))
            crop = side / _log_uniform(rng, options.face_side)
        else:
            crop = short * _log_uniform(rng, options.crop)
        # Bounds: not blown up beyond recognition, nor a stamp in a sea of padding.
        crop = min(max(crop, longest / options.enlarge), options.crop[1] * max(width, height))
        window_width = max(1, round(crop * size[0] / longest))
        window_height = max(1, round(crop * size[1] / longest))

        if face is not None:
            low = (face[2] - window_width, face[3] - window_height)
            high = (face[0], face[1])
        else:
            low = high = (0.0, 0.0)
        x = _position(rng, width, window_width, float(low[0]), float(high[0]), face is not None)
        y = _position(rng, height, window_height, float(low[1]), float(high[1]), face is not None)
        return Window(x, y, window_width, window_height)


class PixelAugment:
    """Colour, grey, blur, JPEG, low resolution, noise; and things held in front of faces."""

    def __init__(self, strength: float = 1.0) -> None:
        """``strength`` scales every probability; 0 changes nothing.

        Raises:
            ValueError: ``strength`` is outside [0, 1].
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {strength}")
        self._occlusion_probability = 0.15 * strength
        self._pixels = A.Compose(
            [
                A.RandomBrightnessContrast((-0.35, 0.35), (-0.3, 0.3), p=0.5 * strength),
                A.RandomGamma((60, 160), p=0.2 * strength),
                A.HueSaturationValue(12, 45, 0, p=0.3 * strength),
                A.PlanckianJitter(p=0.1 * strength),
                A.ToGray(p=0.08 * strength),
                A.Downscale(
                    (0.3, 0.8),
                    interpolation_pair={
                        "downscale": cv2.INTER_AREA,
                        "upscale": cv2.INTER_LINEAR,
                    },
                    p=0.12 * strength,
                ),
                A.OneOf(
                    [
                        A.GaussianBlur((3, 7), (0.4, 1.8)),
                        A.MotionBlur((3, 7)),
                    ],
                    p=0.12 * strength,
                ),
                A.GaussNoise((0.01, 0.06), noise_scale_factor=0.5, p=0.1 * strength),
                A.ImageCompression(quality_range=(25, 90), p=0.3 * strength),
            ]
        )
        self._occlude = A.Compose(
            [
                A.ConstrainedCoarseDropout(
                    num_holes_range=(1, 1),
                    hole_height_range=(0.2, 0.5),
                    hole_width_range=(0.3, 0.9),
                    fill="random_uniform",
                    bbox_labels=[1],
                    p=1.0,
                )
            ],
            bbox_params=A.BboxParams(format="pascal_voc", label_fields=["labels"]),
        )

    def __call__(self, photo: Photo, rng: np.random.Generator) -> Photo:
        """The photo with other pixels and the same faces; all chance is from ``rng``.

        A covered face is still a face: its box and landmarks stay.
        """
        image = photo.image
        sure = photo.faces.boxes[~photo.faces.ignore]
        occluded = rng.random() < self._occlusion_probability
        python_random = random.Random(int(rng.integers(2**63)))
        if occluded and len(sure):
            self._occlude.set_random_state(rng, python_random)
            chosen = sure[rng.random(len(sure)) < 0.6]
            image = self._occlude(image=image, bboxes=chosen, labels=[1] * len(chosen))["image"]
        self._pixels.set_random_state(rng, python_random)
        return Photo(self._pixels(image=image)["image"], photo.faces)


class TrainTransform:
    """A random view of ``size`` x ``size`` pixels with augmented pixels."""

    def __init__(
        self, size: int, *, view: ViewOptions | None = None, pixel_strength: float = 1.0
    ) -> None:
        self.size = size
        self.view = RandomView(view)
        self.pixels = PixelAugment(pixel_strength)

    def __call__(self, photo: Photo, rng: np.random.Generator) -> Photo:
        """An augmented (size, size, 3) photo with its faces; all chance is from ``rng``."""
        return self.pixels(self.view(photo, (self.size, self.size), rng), rng)


class ValTransform:
    """The whole photo, scaled to fit ``size`` x ``size`` at the top left, the rest black."""

    def __init__(self, size: int, *, keep: KeepRule | None = None) -> None:
        self.size = size
        # Every marked face counts in validation, small ones too.
        self.keep = keep or KeepRule(side=0.0)

    def __call__(self, photo: Photo) -> Photo:
        """A (size, size, 3) photo with its faces."""
        view = letterbox(photo, self.size)
        return Photo(view.image, keep_faces(view.faces, (self.size, self.size), self.keep))


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _position(
    rng: np.random.Generator, available: int, length: int, low: float, high: float, has_face: bool
) -> int:
    """Where a window starts along one axis.

    Around the face where there is one, in nine of ten cases anywhere that shows it whole (or, when
    it is larger than the window, anywhere within it); preferably without padding.
    """
    inner_low, inner_high = min(0, available - length), max(0, available - length)
    if not has_face or rng.random() < 0.1:
        return int(rng.integers(inner_low, inner_high + 1))
    low, high = min(low, high), max(low, high)
    within_low, within_high = max(low, inner_low), min(high, inner_high)
    if within_low <= within_high:
        low, high = within_low, within_high
    return round(rng.uniform(low, high))


def _random_fill(rng: np.random.Generator) -> Colour:
    draw = rng.random()
    if draw < 0.5:
        return (0, 0, 0)  # what a detector's letterbox shows
    if draw < 0.75:
        return (114, 114, 114)
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return (red, green, blue)


def _random_interpolation(rng: np.random.Generator) -> int | None:
    """Mostly the right one; callers of the trained detector resize in every way there is."""
    if rng.random() < 0.6:
        return None
    return _INTERPOLATIONS[int(rng.integers(len(_INTERPOLATIONS)))]
