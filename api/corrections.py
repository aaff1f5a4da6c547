"""Corrections as training data, of users who consent: ``python -m api export-corrections``, and
what `workflow.publication` publishes.

The format is that of docs/retraining.md: ``corrections.json``, ``faces.jsonl``, ``vectors.npy``,
``decisions.jsonl`` and ``crops/ALBUM/FACE.webp``. An export is whole: it takes the place of an
earlier one, so that who was erased, or does not consent any more, is in none.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from api.domain import consent
from api.domain.decisions import name_key
from api.domain.ledger import people_of
from api.domain.log import loader, read_log
from api.domain.models import Album, Face, Photo
from api.domain.state import People
from api.domain.statements import Statement, statements
from api.domain.vectors import DIMENSIONS, read_vectors
from api.earlier_export import DECISIONS, FACES, MANIFEST, VECTORS, Crop, EarlierExport
from api.ids import derived_id, now
from api.objects import keys
from api.objects.store import ObjectMissing
from api.published import pseudonyms
from api.services import Services
from api.workflow import analysis
from faceflow_ml.errors import ImageError
from faceflow_ml.files import atomic_folder, atomic_write_text
from faceflow_ml.inference.alignment import align_faces
from faceflow_ml.inference.images import load_image

FORMAT, VERSION = "faceflow-corrections", 1
_WEBP_QUALITY = 95

_NO_VECTORS: NDArray[np.float32] = np.zeros((0, DIMENSIONS), np.float32)
_FaceRow = tuple[dict[str, Any], bytes, NDArray[np.float32]]
"""Line of faces.jsonl, aligned crop as WebP, vector (512,)."""


@dataclass
class Exported:
    """How much was written.

    faces_left_out: faces whose photos' pixels are gone. faces_waiting: those that there was no time
        to cut out.
    """

    users: int = 0
    albums: int = 0
    faces: int = 0
    statements: int = 0
    faces_left_out: int = 0
    faces_waiting: int = 0


def export_corrections(services: Services, out: Path) -> Exported:
    """Write the corrections of every user who consents into the folder ``out``.

    Users appear under pseudonyms, people without their names.

    Raises:
        ConfigError: ``out`` holds something else than an earlier export.
    """
    with atomic_folder(out, MANIFEST) as work:
        return CorrectionsWriter(services, work).write(consent.users(services))


class CorrectionsWriter:
    """Writes an export into an empty folder.

    Args:
        earlier: what this has of a face is not made again.
        seconds: to spend on cutting faces out of photos, of one photo at least.
        tick: called before each photo is opened; may raise.

    Attributes:
        cut: faces that were cut out, and not taken from the earlier export.
        sha256: of the files of the export, by their names.
    """

    def __init__(
        self,
        services: Services,
        folder: Path,
        *,
        earlier: EarlierExport | None = None,
        seconds: float = math.inf,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._services = services
        self._folder = folder
        self._earlier = earlier
        self._seconds = seconds
        self._tick = tick
        self._spent = 0.0
        self._done = Exported()
        self._vectors: list[NDArray[np.float32]] = []
        self.cut = 0
        self.sha256: dict[str, str] = {}

    def write(self, user_ids: Iterable[str]) -> Exported:
        """Write what these users say, as far as they consent."""
        users = []
        with (
            open(self._folder / FACES, "w", encoding="utf-8") as faces,
            open(self._folder / DECISIONS, "w", encoding="utf-8") as decisions,
        ):
            for user_id in user_ids:
                rows, said = self._of_user(user_id)
                # Consent may have been withdrawn, or the account closed, while this was read.
                if not consent.is_given(self._services, user_id):
                    continue
                user = pseudonyms(self._services.keyring, user_id)[0]
                users.append(user)
                for row, crop, vector in rows:
                    self._keep(row, crop, vector)
                    faces.write(_line({"user": user, "consent": True, **row}))
                for statement in said:
                    decisions.write(_line({"user": user, **statement}))
                self._done.faces += len(rows)
                self._done.statements += len(said)
        self._done.users = len(users)
        stacked = np.stack(self._vectors) if self._vectors else np.zeros((0, DIMENSIONS))
        np.save(self._folder / VECTORS, stacked.astype(np.float32))
        self.sha256 = {
            name: hashlib.sha256((self._folder / name).read_bytes()).hexdigest()
            for name in (FACES, VECTORS, DECISIONS)
        }
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "createdAt": now(),
            "users": sorted(users),
            **{name: count for name, count in asdict(self._done).items() if name != "users"},
            "sha256": self.sha256,
        }
        atomic_write_text(self._folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        return self._done

    def _keep(self, row: dict[str, Any], crop: bytes, vector: NDArray[np.float32]) -> None:
        file = self._folder / row["crop"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(crop)
        self._vectors.append(vector)

    def _of_user(self, user_id: str) -> tuple[list[_FaceRow], list[dict[str, Any]]]:
        services = self._services
        albums = {album.id: album for album in services.albums.all(f"USER#{user_id}")}
        people = {album.id: people_of(services, album) for album in albums.values()}
        said: list[tuple[str, Statement]] = []
        for album in albums.values():
            others = (found for other, found in people.items() if other != album.id)
            log = read_log(services, album)
            said += [(album.id, one) for one in statements(log, loader(services, album), others)]
        said += [("", one) for one in _linked(albums.values(), people)]
        wanted = {face for _, one in said for face in (*one.first, *one.second)}
        waited = self._done.faces_waiting
        rows = []
        for album in albums.values():
            found = list(self._faces(album, people[album.id], wanted))
            self._done.albums += bool(found)
            rows += found
        there = {row["face"] for row, _, _ in rows}
        waiting = self._done.faces_waiting - waited
        self._done.faces_left_out += len(wanted - there) - waiting
        return rows, [line for album, one in said if (line := _said(album, one, there))]

    def _faces(self, album: Album, people: People, wanted: set[str]) -> Iterator[_FaceRow]:
        by_photo: dict[str, list[Face]] = defaultdict(list)
        for face in self._services.faces.all(f"ALBUM#{album.id}"):
            if face.id in wanted:
                by_photo[face.photo_id].append(face)
        # While an album is given other vectors, rows may lag behind a photo's vectors: rather none
        # than those of the wrong contract. Retraining makes what is missing from the crops.
        waiting = self._services.objects.list_objects(keys.reembedding(album.user_id, album.id))
        switching = next(iter(waiting), None) is not None
        for photo_id, faces in by_photo.items():
            photo = self._services.photos.get(Photo.key_of(album.id, photo_id))
            if photo is None:
                continue
            self._tick()
            rows = [_row(album, photo, face, people) for face in faces]
            crops = self._crops(photo, faces, rows)
            vectors = self._vectors_of(photo, faces, rows, switching=switching)
            for row, crop, vector in zip(rows, crops, vectors, strict=True):
                if crop is not None:
                    row["resolution"] = crop.resolution
                    yield row, crop.webp, vector

    def _crops(
        self, photo: Photo, faces: Sequence[Face], rows: Sequence[dict[str, Any]]
    ) -> list[Crop | None]:
        """Aligned faces: those of the earlier export, the others cut out if there is time."""
        found = [self._earlier.crop(row) if self._earlier else None for row in rows]
        if None not in found:
            return found
        if self.cut and self._spent >= self._seconds:
            self._done.faces_waiting += found.count(None)
            return found
        began = time.monotonic()
        pixels = self._pixels(photo)
        if pixels is None:
            return found
        scale = pixels.shape[1] / (photo.width or pixels.shape[1])
        for k, face in enumerate(faces):
            if found[k] is None:
                landmarks = np.array(face.landmarks, np.float32)[None] * scale
                webp = _webp(align_faces(pixels, landmarks)[0])
                found[k] = Crop(webp, round(min(1.0, scale), 4))
                self.cut += 1
        self._spent += time.monotonic() - began
        return found

    def _vectors_of(
        self,
        photo: Photo,
        faces: Sequence[Face],
        rows: Sequence[dict[str, Any]],
        *,
        switching: bool,
    ) -> list[NDArray[np.float32]]:
        """(512,) of each face; zeros for none."""
        earlier = [self._earlier.vector(row) if self._earlier else None for row in rows]
        kept = [vector for vector in earlier if vector is not None]
        if switching or len(kept) == len(rows):
            own = _NO_VECTORS
        else:
            key = keys.vectors(photo.user_id, photo.album_id, photo.id)
            own = read_vectors(self._services, key)
        none = np.zeros(DIMENSIONS, np.float32)
        return [
            vector if vector is not None else own[face.row] if face.row < len(own) else none
            for face, vector in zip(faces, earlier, strict=True)
        ]

    def _pixels(self, photo: Photo) -> NDArray[np.uint8] | None:
        """The original as it was analysed; the thumbnail in its place if it is gone."""
        objects = self._services.objects
        try:
            if not photo.original_purged:
                data = objects.get(photo.object_key)
                return analysis.decode(data, self._services.settings.max_photo_bytes).pixels
        except (ObjectMissing, ImageError):
            pass
        try:
            return load_image(objects.get(keys.thumbnail(photo.user_id, photo.album_id, photo.id)))
        except (ObjectMissing, ImageError):
            return None


def _row(album: Album, photo: Photo, face: Face, people: People) -> dict[str, Any]:
    """A line of faces.jsonl, without what is known of the crop only."""
    number = people.table.number.get(face.id)
    person = None if number is None else people.person_of(number)
    place = ",".join([photo.sha256 or photo.id, *(str(round(value)) for value in face.box)])
    left, right = np.array(face.landmarks[:2], np.float32)
    return {
        "face": face.id,
        "album": album.id,
        "photo": photo.id,
        # One picture in two albums has two ids, but one content.
        "content": hashlib.sha256(place.encode()).hexdigest()[:16],
        "person": None if person is None else person.id,
        "confirmed": number is not None and bool(people.confirmed[number]),
        "confidence": 0.0 if number is None else round(float(people.confidence[number]), 4),
        "contract": face.contract_id,
        "score": round(face.score, 4),
        "quality": round(face.quality, 4),
        "eyePx": round(float(np.hypot(*(right - left))), 2),
        "crop": f"crops/{album.id}/{face.id}.webp",
    }


def _linked(albums: Iterable[Album], people: dict[str, People]) -> Iterator[Statement]:
    """One name in two linked albums: by the user's consent one person."""
    named: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for album in albums:
        found = people[album.id]
        for code in found.alive() if album.linked else []:
            person = found.persons[code]
            if person.label is not None and not person.hidden:
                faces = tuple(found.table.face_id(int(face)) for face in found.members(code))
                named[name_key(person.label)].append(faces)
    for groups in named.values():
        for other in groups[1:]:
            key = derived_id("linked", groups[0][0], other[0])
            yield Statement(key, "", "linked", "same", other, groups[0])


def _said(album: str, one: Statement, there: set[str]) -> dict[str, Any] | None:
    """A line about faces that are in the export; None if it says nothing of them."""
    first = [face for face in one.first if face in there]
    second = [face for face in one.second if face in there]
    if not first or (one.relation == "different" and not second):
        return None
    return {
        "decision": one.decision,
        "album": album or None,
        "at": one.at or None,
        "kind": one.kind,
        "relation": one.relation,
        "first": first,
        "second": second,
    }


def _webp(crop: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])[1].tobytes()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":")) + "\n"
