"""Where the models fail by what can be set exactly: fictional people in one condition at a time.

The same people in every condition, so that conditions differ in nothing but themselves; and
people whose skin, age and look are known, which real photos here have no labels of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.synth.camera import degrade
from faceflow_ml.data.synth.casting import distinct_people
from faceflow_ml.data.synth.people import Appearance, Person
from faceflow_ml.data.synth.render import render_face
from faceflow_ml.evaluation.run_clustering import MATCH_IOU
from faceflow_ml.inference.boxes import iou_matrix
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.types import FloatArray, ImageArray

PEOPLE, SEED = 32, 2024
FALSE_ACCEPTS = 1e-2
"""Over all pairs of two people and all conditions, at the threshold that is used for all."""
_SIDE = 480
_PORTRAIT = 320
_FACE = 120  # pixels of a face where its size is not the condition
_WALL = (158, 168, 178)  # the background of portraits

_Picture = Callable[[ImageArray], ImageArray]


@dataclass(frozen=True)
class Condition:
    """How a person is seen: changes to the appearance, and to the picture."""

    name: str
    appearance: Appearance
    face_px: int = _FACE
    alter: _Picture = lambda image: image


def _blur(image: ImageArray) -> ImageArray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 4.0), np.uint8)


_EVERYDAY = Appearance(yaw=8.0, pitch=-3.0, smile=0.5)
CONDITIONS = (
    Condition("a smile, nearly frontal", _EVERYDAY),
    Condition("turned by 30 degrees", replace(_EVERYDAY, yaw=30.0)),
    Condition("turned by 45 degrees", replace(_EVERYDAY, yaw=-45.0)),
    Condition("turned by 58 degrees", replace(_EVERYDAY, yaw=58.0)),
    Condition("looking down by 22 degrees", replace(_EVERYDAY, pitch=-22.0)),
    Condition("tilted by 30 degrees", replace(_EVERYDAY, roll=30.0)),
    Condition("face mask", replace(_EVERYDAY, mask=True)),
    Condition("sunglasses", replace(_EVERYDAY, sunglasses=True, glasses="square")),
    Condition("cap", replace(_EVERYDAY, headwear="cap")),
    Condition("dim light", replace(_EVERYDAY, ambient=0.08, light_strength=0.2)),
    Condition(
        "light from the side",
        replace(_EVERYDAY, ambient=0.15, light_direction=(-0.98, 0.1, 0.15), light_strength=1.1),
    ),
    Condition("out of focus", _EVERYDAY, alter=_blur),
    Condition("48 pixels", _EVERYDAY, face_px=48),
    Condition("32 pixels", _EVERYDAY, face_px=32),
    Condition("24 pixels", _EVERYDAY, face_px=24),
    Condition("16 pixels", _EVERYDAY, face_px=16),
)


@dataclass(frozen=True)
class FictionalStratum:
    """Photos of one kind: how many, in how many the face is found, and of those the share that is
    taken for the person, and for each of the others; None where no face was found."""

    kind: str
    name: str
    photos: int
    found: int
    true_accepts: float | None
    false_accepts: float | None


@dataclass(frozen=True, eq=False)
class FictionalPhoto:
    """A photo, the box of its one face, and what the models made of it (None: not found)."""

    image: ImageArray
    box: FloatArray
    person: int
    condition: int
    vector: FloatArray | None


@dataclass(frozen=True, eq=False)
class FictionalRun:
    """All photos, each person's frontal reference, and the strata.

    similarity: (photos, people) cosine with the references; NaN where the face was not found.
    """

    people: Sequence[Person]
    photos: Sequence[FictionalPhoto]
    references: Sequence[ImageArray]
    similarity: NDArray[np.float64]
    threshold: float
    strata: tuple[FictionalStratum, ...]


def run_fictional(
    pipeline: FacePipeline,
    *,
    people: int = PEOPLE,
    conditions: Sequence[Condition] = CONDITIONS,
    say: Callable[[str], None] = lambda _line: None,
) -> FictionalRun:
    """Render the people in each condition, find and compare them.

    Args:
        pipeline: the models, at their own thresholds.
        people: how many, 2 at least.
        conditions: how each is seen.
        say: told what is measured now.
    """
    say(f"Rendering {people} fictional people in {len(conditions)} conditions")
    cast = distinct_people(people, SEED)
    plain = Condition("reference", Appearance())
    references, own = [], np.full((people, 512), np.nan)
    photos: list[FictionalPhoto] = []
    for number, person in enumerate(cast):
        image, box = _photograph(person, plain, [SEED, number, 0])
        references.append(image)
        vector = _find(pipeline, image, box)
        if vector is not None:
            own[number] = vector
        for k, condition in enumerate(conditions):
            image, box = _photograph(person, condition, [SEED, number, k + 1])
            found = _find(pipeline, image, box)
            photos.append(FictionalPhoto(image, box, number, k, found))
    missing = np.full(512, np.nan)
    vectors = np.array([missing if p.vector is None else p.vector for p in photos])
    similarity = vectors @ own.T
    person_of = np.array([photo.person for photo in photos])
    threshold = _threshold(similarity, person_of)
    return FictionalRun(
        cast,
        photos,
        references,
        similarity,
        threshold,
        _strata(cast, photos, conditions, similarity, threshold),
    )


def kinds_of(person: Person) -> dict[str, str]:
    """The groups that a person is in, as they would be perceived.

    Skin by relative luminance (ITU-R BT.709) of its colour, on which cameras and models depend.
    """
    red, green, blue = (float(value) ** 2.2 for value in person.skin)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return {
        "skin": "dark" if light < 0.18 else "medium" if light < 0.42 else "light",
        "age": "18 to 35" if person.age < 35 else "35 to 55" if person.age < 55 else "55 to 80",
        "look": "feminine" if person.femininity > 0.5 else "masculine",
        "facial hair": "none" if person.beard == "none" else "some",
    }


def _photograph(
    person: Person, condition: Condition, seed: Sequence[int]
) -> tuple[ImageArray, FloatArray]:
    """A photo (480, 480, 3) with the face in the middle, and its box."""
    rng = np.random.default_rng(seed)
    shown = render_face(person, condition.appearance, _PORTRAIT)
    scale = condition.face_px / float((shown.box[2:] - shown.box[:2]).max())
    middle = (shown.box[:2] + shown.box[2:]) / 2
    shift = _SIDE / 2 - scale * middle
    # Reduced by averaging first: a warp alone would alias.
    small = max(1, round(_PORTRAIT * scale))
    portrait = shown.image
    if scale < 1:
        reduced = cv2.resize(portrait, (small, small), interpolation=cv2.INTER_AREA)
        portrait = np.asarray(reduced, np.uint8)
    factor = scale * _PORTRAIT / portrait.shape[0]
    matrix = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
    photo = cv2.warpAffine(
        portrait, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=_WALL
    )
    image = degrade(condition.alter(np.asarray(photo, np.uint8)), rng, 0.5)
    return image, (shown.box * scale + np.tile(shift, 2)).astype(np.float32)


def _find(pipeline: FacePipeline, image: ImageArray, box: FloatArray) -> FloatArray | None:
    """The vector of the face that is at ``box``; None where none was found there."""
    result = pipeline.run(image)
    overlap = iou_matrix(result.detections.boxes, box[None])[:, 0]
    if not len(overlap) or overlap.max() < MATCH_IOU:
        return None
    return np.asarray(result.vectors[int(overlap.argmax())])


def _threshold(similarity: NDArray[np.float64], person_of: NDArray[np.int64]) -> float:
    others = np.arange(similarity.shape[1]) != person_of[:, None]
    scores = similarity[others]
    scores = scores[np.isfinite(scores)]
    return float(np.quantile(scores, 1 - FALSE_ACCEPTS)) if len(scores) else 1.0


def _strata(
    cast: Sequence[Person],
    photos: Sequence[FictionalPhoto],
    conditions: Sequence[Condition],
    similarity: NDArray[np.float64],
    threshold: float,
) -> tuple[FictionalStratum, ...]:
    labels: dict[str, NDArray[np.str_]] = {
        "condition": np.array([conditions[photo.condition].name for photo in photos])
    }
    kinds = [kinds_of(person) for person in cast]
    for kind in kinds[0]:
        labels[kind] = np.array([kinds[photo.person][kind] for photo in photos])
    found = np.array([photo.vector is not None for photo in photos])
    own = np.arange(len(cast)) == np.array([photo.person for photo in photos])[:, None]
    known = np.isfinite(similarity)
    accepted = known & (np.nan_to_num(similarity, nan=-1.0) >= threshold)
    strata = []
    for kind, names in labels.items():
        # Conditions in their own order, groups by name.
        wanted = [c.name for c in conditions] if kind == "condition" else sorted(set(names))
        for name in wanted:
            rows = (names == name)[:, None]
            genuine, impostor = accepted[rows & own & known], accepted[rows & ~own & known]
            strata.append(
                FictionalStratum(
                    kind=kind,
                    name=name,
                    photos=int(rows.sum()),
                    found=int((rows[:, 0] & found).sum()),
                    true_accepts=float(genuine.mean()) if len(genuine) else None,
                    false_accepts=float(impostor.mean()) if len(impostor) else None,
                )
            )
    return tuple(strata)
