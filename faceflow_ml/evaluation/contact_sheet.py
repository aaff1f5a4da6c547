"""Many small pictures with captions on one sheet, to look at the worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceflow_ml.files import atomic_path
from faceflow_ml.inference.types import FloatArray, ImageArray

_CAPTION = 18
_GAP = 6
_VIEW = 192  # pixels of a view of a photo's part
_RED, _GREEN = (255, 80, 60), (80, 220, 120)


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture (h, w, 3) uint8 RGB and one short line below it."""

    image: ImageArray
    caption: str


def write_contact_sheet(
    file: Path,
    sections: Sequence[tuple[str, Sequence[Tile]]],
    *,
    size: tuple[int, int] = (144, 144),
    columns: int = 8,
) -> None:
    """Write a JPEG or PNG, by the file's suffix, with the tiles of each section under its title.

    size: width and height of a tile in pixels; pictures keep their shape.
    """
    font = ImageFont.load_default(13)
    width, height = size
    step_x, step_y = width + _GAP, height + _CAPTION + _GAP
    rows = [-(-len(tiles) // columns) for _, tiles in sections]
    title = _CAPTION + _GAP
    total = sum(title + count * step_y for count in rows) + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, total), (24, 24, 27))
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for (name, tiles), count in zip(sections, rows, strict=True):
        draw.text((_GAP, top), f"{name}: {len(tiles) or 'none'}", (240, 240, 240), font)
        top += title
        for number, tile in enumerate(tiles):
            x = _GAP + number % columns * step_x
            y = top + number // columns * step_y
            picture = _fit(tile.image, size)
            sheet.paste(picture, (x + (width - picture.width) // 2, y))
            caption = _shortened(tile.caption, font, width)
            draw.text((x, y + height + 1), caption, (190, 190, 195), font)
        top += count * step_y
    with atomic_path(file) as temporary:
        sheet.save(temporary)


def _shortened(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The caption, or as much of it as fits above the next one, with an ellipsis."""
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "…") > width:
        caption = caption[:-1]
    return caption.rstrip() + "…"


def around_box(
    image: ImageArray,
    box: tuple[float, float, float, float],
    *,
    context: float = 0.5,
    color: tuple[int, int, int] = _RED,
) -> ImageArray:
    """The surroundings of a box, drawn into them; square, black beyond the photo.

    context: how much to show around it, in lengths of its longest side.
    """
    return _surroundings(image, np.array(box, np.float32).reshape(2, 2), context, color, None)


def around_landmarks(image: ImageArray, landmarks: FloatArray) -> ImageArray:
    """The surroundings of (5, 2) landmarks, with a dot on each."""
    corners = np.stack([landmarks.min(axis=0), landmarks.max(axis=0)])
    return _surroundings(image, corners, 0.8, None, landmarks)


def _surroundings(
    image: ImageArray,
    corners: FloatArray,
    context: float,
    color: tuple[int, int, int] | None,
    dots: FloatArray | None,
) -> ImageArray:
    side = max(float((corners[1] - corners[0]).max()) * (1 + 2 * context), 16.0)
    origin = corners.mean(axis=0) - side / 2
    # Pillow crops beyond the borders, and fills with black there.
    x, y = (int(value) for value in origin.round())
    region = (x, y, x + round(side), y + round(side))
    view = Image.fromarray(image).crop(region).resize((_VIEW, _VIEW), Image.Resampling.LANCZOS)
    scale = _VIEW / side
    draw = ImageDraw.Draw(view)
    if color is not None:
        draw.rectangle(((corners - origin) * scale).ravel().tolist(), outline=color, width=2)
    for x, y in () if dots is None else ((dots - origin) * scale).tolist():
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_GREEN)
    return np.array(view)


def _fit(image: ImageArray, size: tuple[int, int]) -> Image.Image:
    picture = Image.fromarray(image)
    factor = min(size[0] / picture.width, size[1] / picture.height)
    fitted = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(fitted, Image.Resampling.LANCZOS)
