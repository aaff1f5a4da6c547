"""A labelled album on disk: photos of fictional people, duplicates and broken files on request."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from faceflow_ml.data.synth.casting import cast_photos, distinct_people
from faceflow_ml.data.synth.raster import Array, Image8
from faceflow_ml.data.synth.scene import SyntheticPhoto, render_photo
from faceflow_ml.errors import ConfigError, FaceFlowError

LABELS, TRUTH = "labels.json", "truth.csv"
_VERSION = 1
_QUALITY = 92
_SHAPES = ((4, 3), (3, 2), (3, 4), (16, 9), (1, 1), (2, 3))
Progress = Callable[[int, int], None]
_Broken = tuple[str, Callable[[bytes], bytes]]


@dataclass(frozen=True)
class AlbumSpec:
    """What an album holds.

    people and photos >= 1; faces_per_photo (fewest, most) with 1 <= fewest <= most <= people where
    there are that many; duplicates (the same bytes under another name), near_duplicates
    (recompressed, resized, cropped or brightened) and broken (files that are no image) come on
    top of ``photos``; width: longest side in px.
    """

    people: int = 8
    photos: int = 60
    seed: int = 0
    faces_per_photo: tuple[int, int] = (1, 4)
    duplicates: int = 0
    near_duplicates: int = 0
    broken: int = 0
    width: int = 720

    def __post_init__(self) -> None:
        low, high = self.faces_per_photo
        if self.people < 1 or self.photos < 1:
            raise ConfigError(
                f"people and photos must be at least 1, got {self.people} and {self.photos}"
            )
        if not 1 <= low <= high:
            raise ConfigError(f"faces_per_photo must be (fewest, most) >= 1, got {low}, {high}")
        if min(self.duplicates, self.near_duplicates, self.broken) < 0:
            raise ConfigError("duplicates, near_duplicates and broken must not be negative")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be in [0, 2**63), got {self.seed}")
        if not 160 <= self.width <= 4096:
            raise ConfigError(f"width must be in [160, 4096] px, got {self.width}")


@dataclass(frozen=True)
class LabelledFace:
    """One face: box xyxy px, five landmarks px as seen in the image, and who it is."""

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    identity: str


@dataclass(frozen=True)
class LabelledPhoto:
    """One readable photo of the album; path is relative to the album's folder."""

    path: str
    width: int
    height: int
    faces: tuple[LabelledFace, ...]


@dataclass(frozen=True)
class DuplicateTruth:
    """Photos ``drop`` made from ``keep``: the same bytes ("exact"), or altered ("near")."""

    keep: str
    drop: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class AlbumTruth:
    """Everything an album's labels say."""

    spec: AlbumSpec
    photos: tuple[LabelledPhoto, ...]
    duplicates: tuple[DuplicateTruth, ...]
    broken: tuple[str, ...]

    def to_json(self) -> str:
        """The content of labels.json."""
        document = {"version": _VERSION, **asdict(self)}
        return json.dumps(document, indent=1) + "\n"

    def to_csv(self) -> str:
        """The content of truth.csv: a row a face."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["photo", "identity", "x1", "y1", "x2", "y2"])
        for photo in self.photos:
            for face in photo.faces:
                writer.writerow([photo.path, face.identity, *(f"{v:.2f}" for v in face.box)])
        return buffer.getvalue()


def write_album(
    out: Path, spec: AlbumSpec, on_progress: Progress | None = None, *, force: bool = False
) -> AlbumTruth:
    """Render an album into the folder ``out`` and return its truth.

    Everything is rendered into a temporary folder beside ``out``, which then takes its place: an
    interrupted run leaves nothing half-written. ``out`` may be absent, empty or an earlier album
    without foreign files; anything else needs ``force``. ``on_progress(done, total)`` is called
    after each file.

    Raises ConfigError when ``out`` holds something else, FaceFlowError when it cannot be written.
    """
    out = Path(out).resolve()
    _refuse(out, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise FaceFlowError(f"cannot write beside {out}: {error.strerror or error}") from error
    try:
        truth = _render_all(work, spec, on_progress or _ignore)
        (work / LABELS).write_text(truth.to_json(), encoding="utf-8")
        (work / TRUTH).write_text(truth.to_csv(), encoding="utf-8")
        work.chmod(0o755)
        _swap(work, out)
    except OSError as error:
        raise FaceFlowError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return truth


def read_album(folder: Path) -> AlbumTruth:
    """The truth of an album written before; raises FaceFlowError when there is none."""
    try:
        document = json.loads((Path(folder) / LABELS).read_text(encoding="utf-8"))
        values = {field.name: document["spec"][field.name] for field in fields(AlbumSpec)}
        values["faces_per_photo"] = tuple(values["faces_per_photo"])
        photos = tuple(
            LabelledPhoto(
                p["path"],
                p["width"],
                p["height"],
                tuple(
                    LabelledFace(
                        tuple(f["box"]), tuple(tuple(q) for q in f["landmarks"]), f["identity"]
                    )
                    for f in p["faces"]
                ),
            )
            for p in document["photos"]
        )
        duplicates = tuple(
            DuplicateTruth(d["keep"], tuple(d["drop"]), d["kind"]) for d in document["duplicates"]
        )
        return AlbumTruth(AlbumSpec(**values), photos, duplicates, tuple(document["broken"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FaceFlowError(f"{folder} holds no readable {LABELS}: {error}") from error


def _ignore(_done: int, _total: int) -> None:
    pass


def _refuse(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out} is a file, not a folder")
    if Path.cwd().is_relative_to(out) or Path.home().resolve().is_relative_to(out):
        raise ConfigError(f"{out} holds the working or the home folder; it is not replaced")
    present = {entry.name for entry in out.iterdir()}
    if force or not present:
        return
    try:
        truth = read_album(out)
    except FaceFlowError:
        raise ConfigError(
            f"{out} is not empty and is no album of this tool; --force replaces it"
        ) from None
    own = {LABELS, TRUTH, *truth.broken, *(photo.path for photo in truth.photos)}
    if present - own:
        raise ConfigError(
            f"{out} also holds {min(present - own)}, which is no part of the album;"
            " --force replaces everything"
        )


def _swap(work: Path, out: Path) -> None:
    if not out.exists():
        work.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    kept = old / out.name
    try:
        out.rename(kept)
        work.rename(out)
    except OSError as error:
        try:
            if kept.exists():
                kept.rename(out)
        except OSError:
            raise FaceFlowError(
                f"cannot write {out}: {error.strerror or error}; what was there is in {kept}"
            ) from error
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _render_all(work: Path, spec: AlbumSpec, on_progress: Progress) -> AlbumTruth:
    people = distinct_people(spec.people, spec.seed)
    rng = np.random.default_rng([spec.seed, 2])
    total = spec.photos + spec.duplicates + spec.near_duplicates + spec.broken
    photos: list[LabelledPhoto] = []
    for index, group in enumerate(cast_photos(spec.people, spec.photos, spec.faces_per_photo, rng)):
        shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
        size = tuple(round(spec.width * side / max(shape)) for side in shape)
        photo_rng = np.random.default_rng([spec.seed, 3, index])
        photo = render_photo([people[k] for k in group], photo_rng, (size[0], size[1]), 0.7, 0.85)
        name = f"IMG_{index + 1:04d}.jpg"
        (work / name).write_bytes(_jpeg(photo.image, _QUALITY))
        photos.append(_label(name, photo))
        on_progress(len(photos), total)
    rendered = tuple(photos)
    duplicates: list[DuplicateTruth] = []
    chosen = rng.permutation(spec.photos)
    extra = spec.duplicates + spec.near_duplicates
    drops: dict[tuple[str, str], list[str]] = {}
    for number in range(extra):
        source = rendered[int(chosen[number % spec.photos])]
        original = (work / source.path).read_bytes()
        exact = number < spec.duplicates
        stem = Path(source.path).stem
        name = f"{stem}_copy{number + 1}.jpg" if exact else f"{stem}_edit{number + 1}.jpg"
        if exact:
            (work / name).write_bytes(original)
            photos.append(LabelledPhoto(name, source.width, source.height, source.faces))
        else:
            data, copy = _near_duplicate(original, source, name, number, rng)
            (work / name).write_bytes(data)
            photos.append(copy)
        drops.setdefault((source.path, "exact" if exact else "near"), []).append(name)
        on_progress(len(photos), total)
    for (keep, kind), names in drops.items():
        duplicates.append(DuplicateTruth(keep, tuple(names), kind))
    broken = []
    for number in range(spec.broken):
        suffix, ruin = _BROKEN[number % len(_BROKEN)]
        name = f"broken_{number + 1:02d}{suffix}"
        (work / name).write_bytes(ruin((work / rendered[number % spec.photos].path).read_bytes()))
        broken.append(name)
        on_progress(len(photos) + len(broken), total)
    photos.sort(key=lambda photo: photo.path)
    return AlbumTruth(spec, tuple(photos), tuple(duplicates), tuple(broken))


def _label(name: str, photo: SyntheticPhoto) -> LabelledPhoto:
    height, width = photo.image.shape[:2]
    faces = tuple(
        _face(box, landmarks, identity)
        for box, landmarks, identity in zip(
            photo.boxes, photo.landmarks, photo.identities, strict=True
        )
    )
    return LabelledPhoto(name, width, height, faces)


def _face(box: Array, landmarks: Array, who: str) -> LabelledFace:
    x1, y1, x2, y2 = (round(float(v), 2) for v in box)
    points = tuple((round(float(x), 2), round(float(y), 2)) for x, y in landmarks)
    return LabelledFace((x1, y1, x2, y2), points, who)


def _near_duplicate(
    original: bytes, source: LabelledPhoto, name: str, number: int, rng: np.random.Generator
) -> tuple[bytes, LabelledPhoto]:
    decoded = cv2.imdecode(np.frombuffer(original, np.uint8), cv2.IMREAD_COLOR_RGB)
    image = np.asarray(decoded, np.uint8)
    height, width = image.shape[:2]
    scale, shift = 1.0, np.zeros(2)
    quality = _QUALITY
    kind = number % 4
    if kind == 0:
        quality = int(rng.integers(55, 75))
    elif kind == 1:
        scale = float(rng.uniform(0.55, 0.85))
        size = (round(width * scale), round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    elif kind == 2:
        margin = int(min(width, height) * rng.uniform(0.01, 0.02)) + 1
        image = image[margin : height - margin, margin : width - margin]
        shift = np.array((-margin, -margin), np.float64)
    else:
        gain, offset = rng.uniform(0.9, 1.12), rng.uniform(-8, 8)
        image = np.clip(image.astype(np.float32) * gain + offset, 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    limit = np.array((width, height, width, height), np.float64)
    faces = tuple(
        _face(
            np.clip(np.array(face.box) * scale + np.tile(shift, 2), 0, limit),
            np.array(face.landmarks) * scale + shift,
            face.identity,
        )
        for face in source.faces
    )
    return _jpeg(image, quality), LabelledPhoto(name, width, height, faces)


def _jpeg(image: Image8, quality: int) -> bytes:
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise FaceFlowError("the photo could not be encoded as JPEG")
    return bytes(data.tobytes())


_BROKEN: tuple[_Broken, ...] = (
    (".jpg", lambda jpeg: jpeg[: len(jpeg) // 2]),  # an interrupted transfer
    (".jpeg", lambda _: b""),
    (".jpg", lambda _: b"This is a note that somebody named like a photo.\n"),
    (".png", lambda _: bytes(512)),
)
