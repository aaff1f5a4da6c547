"""Who a fictional person is (``Person``) and how they look in one photo (``Appearance``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[float, float, float]  # sRGB in [0, 1]
HairStyle = Literal[
    "bald", "buzz", "short", "quiff", "side_part", "curly", "afro", "bob", "long", "wavy",
    "ponytail", "bun", "receding",
]  # fmt: skip
BeardStyle = Literal["none", "stubble", "moustache", "goatee", "short", "full"]
GlassesStyle = Literal["none", "round", "square", "rimless", "thick"]
HeadwearStyle = Literal["none", "cap", "beanie"]

_LONG_STYLES: tuple[HairStyle, ...] = ("bob", "long", "wavy", "ponytail", "bun", "curly", "afro")
_SHORT_STYLES: tuple[HairStyle, ...] = (
    "bald", "buzz", "short", "quiff", "side_part", "curly", "afro", "receding",
)  # fmt: skip

# Skin from light to dark, sRGB; tones between are interpolated.
_SKIN = np.array(
    [
        (0.960, 0.800, 0.725), (0.925, 0.735, 0.635), (0.870, 0.665, 0.535), (0.790, 0.570, 0.430),
        (0.670, 0.455, 0.325), (0.530, 0.345, 0.240), (0.410, 0.262, 0.185), (0.325, 0.208, 0.152),
    ]
)  # fmt: skip
_HAIR_DARK: tuple[Rgb, ...] = ((0.06, 0.05, 0.05), (0.11, 0.075, 0.06), (0.17, 0.11, 0.075))
_HAIR_BROWN: tuple[Rgb, ...] = ((0.24, 0.15, 0.09), (0.34, 0.215, 0.125), (0.43, 0.29, 0.18))
_HAIR_LIGHT: tuple[Rgb, ...] = (
    (0.78, 0.62, 0.38), (0.66, 0.49, 0.28), (0.86, 0.75, 0.55), (0.55, 0.24, 0.10),
    (0.68, 0.33, 0.13),
)  # fmt: skip
_HAIR_GREY: tuple[Rgb, ...] = ((0.50, 0.49, 0.48), (0.68, 0.67, 0.66), (0.84, 0.83, 0.81))
_HAIR_DYED: tuple[Rgb, ...] = ((0.45, 0.08, 0.12), (0.16, 0.22, 0.45), (0.62, 0.26, 0.42))
_IRIS_DARK: tuple[Rgb, ...] = ((0.16, 0.09, 0.05), (0.24, 0.14, 0.07), (0.33, 0.20, 0.10))
_IRIS_LIGHT: tuple[Rgb, ...] = (
    (0.36, 0.50, 0.66), (0.47, 0.60, 0.70), (0.40, 0.47, 0.28), (0.45, 0.36, 0.18),
    (0.50, 0.54, 0.54),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """The lasting traits of a fictional person; equal seeds give equal people.

    Fields without a unit are deviations in [-1, 1] around an average adult; lengths are mm.
    """

    identity: str
    seed: int
    age: float  # years
    femininity: float  # 0..1: moves jaw, brows, lips and the choice of hair and beard
    skin: Rgb
    skin_warmth: float
    ruddiness: float  # 0..1
    freckles: float  # 0..1
    moles: tuple[tuple[float, float, float], ...]  # x, y (mm from between the eyes), radius
    hair_color: Rgb
    hair_style: HairStyle
    hair_volume: float
    hair_part: float  # where the hair parts, -1 image left .. 1 image right
    hairline: float
    fringe: bool
    brow_color: Rgb
    brow_thickness: float
    brow_arch: float
    brow_height: float
    brow_gap: float
    iris: Rgb
    eye_distance: float  # mm between the pupils
    eye_width: float  # mm between the corners
    eye_opening: float  # mm between the lids
    eye_tilt: float  # degrees, outer corner up is positive
    eye_crease: float  # 0 (single lid) .. 1
    eye_depth: float
    head_width: float
    head_length: float
    forehead: float
    cheekbones: float
    cheek_fullness: float
    jaw_width: float
    chin_width: float
    chin_length: float
    chin_depth: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    nose_tip: float
    nose_hump: float
    mouth_width: float  # mm
    mouth_height: float
    upper_lip: float  # mm
    lower_lip: float  # mm
    lip_color: Rgb
    ear_size: float
    beard: BeardStyle
    beard_color: Rgb
    glasses: GlassesStyle
    glasses_color: Rgb
    glasses_habit: float  # probability of wearing them in a photo
    hat_habit: float
    build: float  # body width


@dataclass(frozen=True)
class Appearance:
    """One moment of a person: pose, expression, clothing and the light that falls on them.

    Angles are degrees. Yaw turns the face to image right, pitch looks up, roll is clockwise in
    the image. Direction vectors point from the face to the light: x right, y up, z to the viewer.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    body_yaw: float = 0.0
    smile: float = 0.0  # -0.3 (down-turned) .. 1
    mouth_open: float = 0.0  # mm
    eyes_open: float = 1.0  # 0 closed .. 1.15 wide
    brow_raise: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)  # mm of iris shift
    makeup: float = 0.0
    glasses: GlassesStyle = "none"
    sunglasses: bool = False
    headwear: HeadwearStyle = "none"
    headwear_color: Rgb = (0.3, 0.3, 0.35)
    mask: bool = False
    scarf: bool = False
    scarf_color: Rgb = (0.5, 0.2, 0.2)
    top_color: Rgb = (0.3, 0.35, 0.45)
    top_accent: Rgb = (0.8, 0.8, 0.8)
    top_pattern: int = 0  # 0 plain, 1 stripes, 2 check, 3 collar and placket
    light_direction: tuple[float, float, float] = (-0.4, 0.6, 0.7)
    light_color: Rgb = (1.0, 0.97, 0.92)
    light_strength: float = 0.8
    ambient: float = 0.5
    sky: Rgb = (0.95, 0.98, 1.0)
    ground: Rgb = (0.85, 0.78, 0.72)
    distance: float = 1100.0  # mm from the lens
    seed: int = 0


def sample_person(rng: np.random.Generator | int, identity: str | None = None) -> Person:
    """Draw a person; an integer is a seed. ``identity`` defaults to a name made from the draw."""
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(rng)
    seed = int(rng.integers(2**31))
    person_id = identity if identity is not None else f"person-{seed:08x}"

    def spread() -> float:
        # A bowl-shaped law: fewer average faces than nature, so that people differ clearly.
        return float(np.sin(np.pi * (rng.random() - 0.5)) * 0.75 + rng.uniform(-0.25, 0.25))

    def pick(options: tuple[Rgb, ...]) -> Rgb:
        r, g, b = options[int(rng.integers(len(options)))]
        gain = float(rng.uniform(0.9, 1.12))
        return (min(r * gain, 1.0), min(g * gain, 1.0), min(b * gain, 1.0))

    femininity = float(np.clip(rng.beta(0.45, 0.45), 0.0, 1.0))
    woman = femininity > 0.5
    age = float(rng.choice([rng.uniform(18, 35), rng.uniform(30, 55), rng.uniform(50, 80)],
                           p=[0.45, 0.33, 0.22]))  # fmt: skip
    tone = float(rng.random())
    skin = _interpolate_skin(tone, rng)
    hair_color, iris = _sample_colors(tone, age, woman, rng, pick)
    styles = _LONG_STYLES if woman else _SHORT_STYLES
    if rng.random() < 0.12:
        styles = ("short", "bob", "wavy", "long", "bun") if woman else ("long", "bob", "ponytail")
    weights = np.ones(len(styles))
    for index, style in enumerate(styles):
        if style == "afro":
            weights[index] = 1.6 if tone > 0.6 else 0.15
        if style == "receding":
            weights[index] = 2.0 if age > 45 else 0.2
        if style in ("long", "wavy") and woman:
            weights[index] = 1.7
    hair_style = styles[int(rng.choice(len(styles), p=weights / weights.sum()))]
    beards: tuple[BeardStyle, ...] = ("none", "stubble", "moustache", "goatee", "short", "full")
    beard_odds = [1, 0, 0, 0, 0, 0] if woman else [0.40, 0.17, 0.08, 0.10, 0.14, 0.11]
    beard = beards[int(rng.choice(6, p=beard_odds))]
    hair_lum = 0.75 if hair_color[0] > 0.5 else 0.9
    brow_color = _rgb(np.array(hair_color) * hair_lum * 0.8)
    if hair_color in _HAIR_DYED or (hair_color[0] > 0.8 and rng.random() < 0.4):
        brow_color = _HAIR_BROWN[0]
    moles = tuple(
        (float(rng.uniform(-48, 48)), float(rng.uniform(-88, 30)), float(rng.uniform(0.8, 2.0)))
        for _ in range(int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])))
    )
    styles_glasses: tuple[GlassesStyle, ...] = ("round", "square", "rimless", "thick")
    frame_colors: tuple[Rgb, ...] = (
        (0.05, 0.05, 0.06), (0.25, 0.14, 0.08), (0.55, 0.50, 0.42), (0.45, 0.08, 0.10),
        (0.12, 0.18, 0.35),
    )  # fmt: skip
    wears = rng.random() < (0.22 if age < 45 else 0.42)
    lip_tint = 0.55 + 0.25 * femininity
    lips = np.array(skin) * (0.80, 0.60, 0.60) * (1 - lip_tint * 0.3) + np.array(
        (0.72, 0.30, 0.30)
    ) * (lip_tint * 0.3)
    sign = 2.0 * femininity - 1.0
    return Person(
        identity=person_id,
        seed=seed,
        age=age,
        femininity=femininity,
        skin=skin,
        skin_warmth=spread(),
        ruddiness=float(rng.uniform(0.1, 1.0)) * (1.0 - 0.6 * tone),
        freckles=float(rng.uniform(0.4, 1.0)) if tone < 0.45 and rng.random() < 0.3 else 0.0,
        moles=moles,
        hair_color=hair_color,
        hair_style=hair_style,
        hair_volume=spread(),
        hair_part=float(rng.choice([-0.6, -0.35, 0.0, 0.35, 0.6])),
        hairline=spread(),
        fringe=bool(rng.random() < (0.38 if woman else 0.2)),
        brow_color=brow_color,
        brow_thickness=float(np.clip(spread() * 0.8 - 0.35 * sign, -1, 1)),
        brow_arch=float(np.clip(spread() * 0.8 + 0.3 * sign, -1, 1)),
        brow_height=float(np.clip(spread() * 0.8 + 0.25 * sign, -1, 1)),
        brow_gap=spread(),
        iris=iris,
        eye_distance=62.5 + 4.5 * spread(),
        eye_width=29.5 + 2.6 * spread(),
        eye_opening=9.7 + 1.7 * spread() + 0.5 * sign,
        eye_tilt=3.5 + 5.0 * spread(),
        eye_crease=float(rng.choice([0.0, 0.5, 1.0], p=[0.25, 0.25, 0.5])),
        eye_depth=spread(),
        head_width=float(np.clip(spread() - 0.25 * sign, -1, 1)),
        head_length=float(np.clip(spread() - 0.2 * sign, -1, 1)),
        forehead=spread(),
        cheekbones=spread(),
        cheek_fullness=spread(),
        jaw_width=float(np.clip(spread() * 0.8 - 0.4 * sign, -1, 1)),
        chin_width=float(np.clip(spread() * 0.8 - 0.35 * sign, -1, 1)),
        chin_length=float(np.clip(spread() - 0.2 * sign, -1, 1)),
        chin_depth=spread(),
        nose_length=spread(),
        nose_width=float(np.clip(spread() * 0.7 - 0.25 * sign + 0.35 * (tone - 0.4), -1, 1)),
        nose_bridge=float(np.clip(spread() * 0.8 - 0.3 * (tone - 0.4), -1, 1)),
        nose_tip=spread(),
        nose_hump=float(np.clip(spread() - 0.3 * sign, -1, 1)),
        mouth_width=51.0 + 5.5 * spread() - 1.0 * sign,
        mouth_height=spread(),
        upper_lip=6.4 + 2.0 * spread() + 0.8 * sign + 1.6 * (tone - 0.4),
        lower_lip=8.6 + 2.2 * spread() + 0.8 * sign + 1.4 * (tone - 0.4),
        lip_color=(float(lips[0]), float(lips[1]), float(lips[2])),
        ear_size=spread(),
        beard=beard,
        beard_color=_rgb(np.array(hair_color) * 0.85),
        glasses=styles_glasses[int(rng.integers(4))] if wears else "none",
        glasses_color=frame_colors[int(rng.integers(len(frame_colors)))],
        glasses_habit=float(rng.choice([0.75, 0.9, 1.0])) if wears else 0.0,
        hat_habit=float(rng.choice([0.0, 0.08, 0.3], p=[0.6, 0.3, 0.1])),
        build=float(np.clip(spread() - 0.45 * sign, -1, 1)),
    )


def sample_appearance(person: Person, rng: np.random.Generator, pose: float = 1.0) -> Appearance:
    """Draw a moment of ``person``; ``pose`` scales how far the head turns (1: album photos)."""
    if pose < 0:
        raise ValueError(f"pose must be >= 0, got {pose}")
    wide = rng.random() < 0.2
    yaw = float(np.clip(rng.normal(0, 27.0 if wide else 14.0), -58, 58)) * pose
    smiles = rng.random() < 0.55
    opened = rng.random() < (0.45 if smiles else 0.15)
    eyes = 1.0 + 0.12 * rng.standard_normal() if rng.random() < 0.9 else rng.uniform(0.12, 0.6)
    glasses = person.glasses if rng.random() < person.glasses_habit else "none"
    headwear: HeadwearStyle = "none"
    if rng.random() < person.hat_habit:
        headwear = "beanie" if rng.random() < 0.33 else "cap"
    angle, height = rng.uniform(-1.2, 1.2), rng.uniform(0.15, 1.1)
    direction = np.array([np.sin(angle), height, np.cos(angle)])
    direction /= np.linalg.norm(direction)
    warmth = rng.uniform(-1, 1)
    cloth = rng.random((4, 3)) * rng.uniform(0.25, 0.95, (4, 1)) + 0.04
    dyed = rng.uniform(0.15, 0.8, (4, 1))  # most cloth is far from pure colours
    cloth = cloth.mean(axis=1, keepdims=True) * (1 - dyed) + cloth * dyed
    return Appearance(
        yaw=yaw,
        pitch=float(np.clip(rng.normal(-1, 8.0), -26, 24)) * pose,
        roll=float(np.clip(rng.normal(0, 7.0), -25, 25)) * pose,
        body_yaw=0.4 * yaw + float(rng.normal(0, 8.0)),
        smile=float(rng.uniform(0.3, 1.0)) if smiles else float(rng.uniform(-0.25, 0.25)),
        mouth_open=float(rng.uniform(2.0, 10.0)) if opened else 0.0,
        eyes_open=float(np.clip(eyes, 0.0, 1.15)),
        brow_raise=float(np.clip(rng.normal(0, 0.4), -0.8, 1.2)),
        gaze=(float(rng.normal(0, 1.2)), float(rng.normal(0, 0.5))),
        makeup=float(person.femininity > 0.5)
        * float(rng.random() < 0.6)
        * float(rng.uniform(0.3, 1)),
        glasses=glasses,
        sunglasses=bool(rng.random() < 0.035),
        headwear=headwear,
        headwear_color=_rgb(cloth[2]),
        mask=bool(rng.random() < 0.02),
        scarf=bool(rng.random() < 0.07),
        scarf_color=_rgb(cloth[3]),
        top_color=_rgb(cloth[0]),
        top_accent=_rgb(cloth[1]),
        top_pattern=int(rng.choice(4, p=[0.5, 0.17, 0.13, 0.2])),
        light_direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        light_color=(1.0 + 0.06 * warmth, 0.97, 0.95 - 0.09 * warmth),
        light_strength=float(rng.uniform(0.5, 1.15)),
        ambient=float(rng.uniform(0.38, 0.66)),
        distance=float(rng.uniform(700, 2200)),
        seed=int(rng.integers(2**31)),
    )


def share_light(appearance: Appearance, other: Appearance) -> Appearance:
    """``appearance`` under the light of ``other``: people in one photo stand in one light."""
    return replace(
        appearance,
        light_direction=other.light_direction,
        light_color=other.light_color,
        light_strength=other.light_strength,
        ambient=other.ambient,
        sky=other.sky,
        ground=other.ground,
    )


def _rgb(values: NDArray[np.float64]) -> Rgb:
    return (float(values[0]), float(values[1]), float(values[2]))


def _interpolate_skin(tone: float, rng: np.random.Generator) -> Rgb:
    position = tone * (len(_SKIN) - 1)
    low = min(int(position), len(_SKIN) - 2)
    color = _SKIN[low] + (position - low) * (_SKIN[low + 1] - _SKIN[low])
    undertone = rng.uniform(-1, 1)
    return _rgb(np.clip(color * (1 + 0.02 * undertone, 1, 1 - 0.05 * undertone), 0, 1))


def _sample_colors(
    tone: float,
    age: float,
    woman: bool,
    rng: np.random.Generator,
    pick: Callable[[tuple[Rgb, ...]], Rgb],
) -> tuple[Rgb, Rgb]:
    draw = rng.random()
    if age > 52 and rng.random() < (0.45 if woman else 0.75):
        hair = pick(_HAIR_GREY)
    elif woman and draw < 0.05:
        hair = _HAIR_DYED[int(rng.integers(len(_HAIR_DYED)))]
    elif tone > 0.55:
        hair = pick(_HAIR_DARK)
    elif tone > 0.3:
        hair = pick(_HAIR_DARK if draw < 0.6 else _HAIR_BROWN)
    else:
        hair = pick((_HAIR_DARK, _HAIR_BROWN, _HAIR_LIGHT)[int(rng.choice(3, p=[0.2, 0.35, 0.45]))])
    light_eyes = tone < 0.35 and rng.random() < 0.65
    return hair, pick(_IRIS_LIGHT if light_eyes else _IRIS_DARK)
