"""Readers of face boxes: WIDER FACE text, COCO JSON, Pascal VOC XML.

Each returns the records that detection shards give. Boxes are clipped to the photo; what is marked
invalid, crowd or difficult becomes an ignore region. Errors name the file, and the line or entry.
"""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faceflow_ml.data.records import DetectionSample
from faceflow_ml.errors import FaceFlowError, ImageError
from faceflow_ml.inference.images import exif_orientation

_ROTATING_ORIENTATIONS = frozenset({5, 6, 7, 8})
_UNKNOWN_LANDMARKS = (math.nan,) * 10

Path_ = str | PathLike[str]


class _Builder:
    """Gathers the faces of one photo."""

    def __init__(self, name: str, image: Path, width: int, height: int) -> None:
        self.name, self.image, self.width, self.height = name, image, width, height
        self._boxes: list[Sequence[float]] = []
        self._landmarks: list[Sequence[float]] = []
        self._ignore: list[bool] = []

    def add(
        self,
        box: Sequence[float],
        ignore: bool,
        landmarks: Sequence[float] = _UNKNOWN_LANDMARKS,
    ) -> None:
        """Add a face unless nothing of its box lies in the photo."""
        x1, x2 = (min(max(value, 0.0), self.width) for value in (box[0], box[2]))
        y1, y2 = (min(max(value, 0.0), self.height) for value in (box[1], box[3]))
        if x2 > x1 and y2 > y1:
            self._boxes.append((x1, y1, x2, y2))
            self._landmarks.append(landmarks)
            self._ignore.append(ignore)

    def sample(self) -> DetectionSample:
        n = len(self._boxes)
        return DetectionSample(
            image=self.image,
            boxes=np.array(self._boxes, np.float32).reshape(n, 4),
            landmarks=np.array(self._landmarks, np.float32).reshape(n, 5, 2),
            ignore=np.array(self._ignore, np.bool_),
            name=self.name,
            width=self.width,
            height=self.height,
        )


def read_wider_face(annotations: Path_, images: Path_) -> list[DetectionSample]:
    """WIDER FACE text, as in ``wider_face_train_bbx_gt.txt`` (Yang et al., 2016).

    A path, the number of faces, and for each ``x y w h`` with, optionally, six attributes: blur,
    expression, illumination, invalid, occlusion, pose. An invalid face is an ignore region. Photos
    without faces have the number 0 and, in the original files, one line of zeros.

    Args:
        annotations: the text file.
        images: folder that its paths are relative to.

    Raises:
        FaceFlowError: a file is missing, or a line is not as above.
    """
    file = Path(annotations)
    lines = _text(file).splitlines()
    samples: list[DetectionSample] = []
    at = 0
    while at < len(lines):
        name = lines[at].strip()
        at += 1
        if not name:
            continue
        if at >= len(lines) or not lines[at].strip().isdecimal():
            got = repr(lines[at]) if at < len(lines) else "the end of the file"
            raise FaceFlowError(f"{file} line {at + 1}: expected a number of faces, got {got}")
        count = int(lines[at])
        at += 1
        builder = _photo(Path(images, name), name, f"{file} line {at - 1}")
        for _ in range(count):
            if at >= len(lines):
                raise FaceFlowError(f"{file}: ends before the {count} faces of {name}")
            values = _numbers(lines[at].split(), f"{file} line {at + 1}")
            at += 1
            if len(values) not in (4, 10):
                raise FaceFlowError(
                    f"{file} line {at}: expected 4 or 10 numbers, got {lines[at - 1]!r}"
                )
            x, y, width, height = values[:4]
            invalid = len(values) == 10 and values[7] != 0
            builder.add((x, y, x + width, y + height), invalid)
        if count == 0 and at < len(lines) and lines[at].split() in (["0"] * 4, ["0"] * 10):
            at += 1
        samples.append(builder.sample())
    return _some(samples, file)


def read_coco(
    annotations: Path_, images: Path_, *, categories: Collection[str] | None = None
) -> list[DetectionSample]:
    """COCO JSON (Lin et al., 2014): ``images``, ``annotations``, ``categories``.

    ``bbox`` is ``[x, y, width, height]``; ``iscrowd`` makes an ignore region; ``keypoints``, where
    there, are five ``x, y, visibility`` in the order of our landmarks, unknown at visibility 0.
    An empty list is none.

    Args:
        annotations: the JSON file.
        images: folder that ``file_name`` is relative to.
        categories: names of the categories that are faces; None takes all.

    Raises:
        FaceFlowError: a file is missing, or an entry is not as above.
    """
    file = Path(annotations)
    try:
        document = json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise FaceFlowError(f"{file} line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise FaceFlowError(f"{file}: expected an object with images and annotations")
    wanted = _coco_categories(document, categories, file)

    builders: dict[Any, _Builder] = {}
    for i, entry in enumerate(_coco_list(document, "images", file)):
        where = f"{file} images[{i}]"
        name = str(_field(entry, "file_name", where))
        identifier = _coco_id(entry, "id", where)
        if identifier in builders:
            raise FaceFlowError(f"{where}: id {identifier!r} is used twice")
        builders[identifier] = _photo(
            Path(images, name), name, where, entry.get("width"), entry.get("height")
        )
    for i, entry in enumerate(_coco_list(document, "annotations", file)):
        where = f"{file} annotations[{i}]"
        builder = builders.get(_coco_id(entry, "image_id", where))
        if builder is None:
            raise FaceFlowError(f"{where}: image_id {entry['image_id']!r} is not among the images")
        if wanted is not None and _coco_id(entry, "category_id", where) not in wanted:
            continue
        box = _numbers(_field(entry, "bbox", where), f"{where} bbox", 4)
        x, y, width, height = box
        builder.add(
            (x, y, x + width, y + height),
            bool(entry.get("iscrowd", 0)),
            _coco_landmarks(entry.get("keypoints"), where),
        )
    return _some([builder.sample() for builder in builders.values()], file)


def read_voc(
    annotations: Path_, images: Path_, *, classes: Collection[str] | None = None
) -> list[DetectionSample]:
    """A folder of Pascal VOC XML files (Everingham et al., 2010), one a photo.

    ``bndbox`` is taken as it is, in pixels; ``difficult`` makes an ignore region. An object may
    have ``landmarks`` (or ``lm``) with ``x1 y1 ... x5 y5`` in our order; a point that is absent or
    negative is unknown.

    Args:
        annotations: folder of XML files.
        images: folder that ``filename`` is relative to.
        classes: ``name`` of the objects that are faces; None takes all.

    Raises:
        FaceFlowError: a file is missing, or an element is not as above.
    """
    folder = Path(annotations)
    if not folder.is_dir():
        raise FaceFlowError(f"{folder}: no such folder")
    return _some(
        [_read_voc_file(file, Path(images), classes) for file in sorted(folder.glob("*.xml"))],
        folder,
    )


def _read_voc_file(file: Path, images: Path, classes: Collection[str] | None) -> DetectionSample:
    try:
        root = ElementTree.fromstring(_text(file))
    except ElementTree.ParseError as error:
        raise FaceFlowError(f"{file} line {error.position[0]}: not XML: {error}") from error
    name = _voc_text(root, "filename", str(file))
    size = root.find("size")
    sides = [None, None] if size is None else [size.findtext("width"), size.findtext("height")]
    builder = _photo(images / name, name, str(file), *sides)
    for i, element in enumerate(root.iterfind("object")):
        where = f"{file} object {i + 1}"
        if classes is not None and _voc_text(element, "name", where) not in classes:
            continue
        corners = [_voc_text(element, f"bndbox/{key}", where) for key in _VOC_CORNERS]
        difficult = (element.findtext("difficult") or "0").strip() not in ("", "0")
        builder.add(_numbers(corners, where), difficult, _voc_landmarks(element, where))
    return builder.sample()


_VOC_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _voc_text(element: ElementTree.Element, path: str, where: str) -> str:
    text = element.findtext(path)
    if text is None or not text.strip():
        raise FaceFlowError(f"{where}: <{path}> is missing")
    return text.strip()


def _voc_landmarks(element: ElementTree.Element, where: str) -> Sequence[float]:
    points = element.find("landmarks")
    if points is None:
        points = element.find("lm")
    if points is None:
        return _UNKNOWN_LANDMARKS
    values: list[float] = []
    for i in range(1, 6):
        x, y = points.findtext(f"x{i}"), points.findtext(f"y{i}")
        known = _numbers([x, y], f"{where} landmarks", 2) if x and y else [-1.0, -1.0]
        values += known if min(known) >= 0 else [math.nan, math.nan]
    return values


def _coco_categories(
    document: dict[str, Any], categories: Collection[str] | None, file: Path
) -> set[Any] | None:
    if categories is None:
        return None
    entries = _coco_list(document, "categories", file)
    unknown = set(categories) - {str(entry.get("name")) for entry in entries}
    if unknown:
        names = ", ".join(str(entry.get("name")) for entry in entries)
        raise FaceFlowError(f"{file}: no category {sorted(unknown)[0]!r}; it has {names}")
    return {
        _coco_id(entry, "id", f"{file} categories[{i}]")
        for i, entry in enumerate(entries)
        if str(entry.get("name")) in categories
    }


def _coco_id(entry: dict[str, Any], key: str, where: str) -> Any:
    identifier = _field(entry, key, where)
    if isinstance(identifier, (list, dict)):
        raise FaceFlowError(f"{where}: {key!r} must be a number or text, got {identifier!r}")
    return identifier


def _coco_list(document: dict[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    entries = document.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FaceFlowError(f"{file}: {key!r} must be a list of objects")
    return entries


def _coco_landmarks(keypoints: Any, where: str) -> Sequence[float]:
    if keypoints is None or keypoints == []:
        return _UNKNOWN_LANDMARKS
    values = _numbers(keypoints, f"{where} keypoints", 15)
    return [
        coordinate
        for x, y, visibility in zip(values[0::3], values[1::3], values[2::3], strict=True)
        for coordinate in ((x, y) if visibility > 0 else (math.nan, math.nan))
    ]


def _photo(
    path: Path, name: str, where: str, width: object = None, height: object = None
) -> _Builder:
    """A builder of the size annotated, or else of the photo's own."""
    if not path.is_file():
        raise FaceFlowError(f"{where}: there is no photo {path}")
    sides = _numbers([width or 0, height or 0], f"{where} size", 2)
    # Some tools write a size of 0 for one they do not know.
    known = min(sides) > 0
    return _Builder(name, path, *((int(sides[0]), int(sides[1])) if known else _image_size(path)))


def _image_size(path: Path) -> tuple[int, int]:
    """Width and height as shown, from the header alone."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = exif_orientation(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: cannot be read as an image: {error}") from error
    return (height, width) if orientation in _ROTATING_ORIENTATIONS else (width, height)


def _field(entry: dict[str, Any], key: str, where: str) -> Any:
    if key not in entry:
        raise FaceFlowError(f"{where}: {key!r} is missing")
    return entry[key]


def _numbers(values: Iterable[Any], where: str, count: int | None = None) -> list[float]:
    """Finite numbers, ``count`` of them."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise FaceFlowError(f"{where}: expected numbers, got {values!r}") from error
    if count is not None and len(numbers) != count:
        raise FaceFlowError(f"{where}: expected {count} numbers, got {len(numbers)}")
    if not all(map(math.isfinite, numbers)):
        raise FaceFlowError(f"{where}: expected finite numbers, got {values!r}")
    return numbers


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FaceFlowError(f"{file}: cannot be read: {error}") from error


def _some(samples: list[DetectionSample], source: Path) -> list[DetectionSample]:
    if not samples:
        raise FaceFlowError(f"{source}: describes no photos")
    return samples
