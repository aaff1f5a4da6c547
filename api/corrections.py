"""``python -m api export-corrections``: corrections as training data, of users who consent.

The format is that of docs/retraining.md: ``corrections.json``, ``faces.jsonl``, ``vectors.npy``,
``decisions.jsonl`` and ``crops/ALBUM/FACE.webp``. An export is whole: it takes the place of an
earlier one, so that who was erased, or does not consent any more, is in none.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
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
from api.ids import derived_id, now
from api.objects import keys
from api.objects.store import ObjectMissing
from api.services import Services
from api.workflow import analysis
from faceflow_ml.errors import ImageError
from faceflow_ml.files import atomic_folder, atomic_write_text
from faceflow_ml.inference.alignment import align_faces
from faceflow_ml.inference.images import load_image

FORMAT, VERSION = "faceflow-corrections", 1
MANIFEST = "corrections.json"
_WEBP_QUALITY = 95

_NO_VECTORS: NDArray[np.float32] = np.zeros((0, DIMENSIONS), np.float32)
_FaceRow = tuple[dict[str, Any], bytes, NDArray[np.float32]]
"""Line of faces.jsonl, aligned crop as WebP, vector (512,)."""


@dataclass
class Exported:
    """How much was written; ``faces_left_out``: their photos' pixels are gone."""

    users: int = 0
    albums: int = 0
    faces: int = 0
    statements: int = 0
    faces_left_out: int = 0


def export_corrections(services: Services, out: Path) -> Exported:
    """Write the corrections of every user who consents into the folder ``out``.

    Users appear under pseudonyms, people without their names.

    Raises:
        ConfigError: ``out`` holds something else than an earlier export.
    """
    with atomic_folder(out, MANIFEST) as work:
        return _Writer(services, work).write()


class _Writer:
    def __init__(self, services: Services, folder: Path) -> None:
        self._services = services
        self._folder = folder
        self._done = Exported()
        self._vectors: list[NDArray[np.float32]] = []

    def write(self) -> Exported:
        users = []
        with (
            open(self._folder / "faces.jsonl", "w", encoding="utf-8") as faces,
            open(self._folder / "decisions.jsonl", "w", encoding="utf-8") as decisions,
        ):
            for user_id in consent.users(self._services):
                rows, said = self._of_user(user_id)
                # Consent may have been withdrawn, or the account closed, while this was read.
                if not consent.is_given(self._services, user_id):
                    continue
                user = _pseudonym(self._services, user_id)
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
        np.save(self._folder / "vectors.npy", stacked.astype(np.float32))
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "createdAt": now(),
            "users": sorted(users),
            **{name: count for name, count in asdict(self._done).items() if name != "users"},
            "sha256": {
                name: hashlib.sha256((self._folder / name).read_bytes()).hexdigest()
                for name in ("faces.jsonl", "vectors.npy", "decisions.jsonl")
            },
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
        rows = []
        for album in albums.values():
            found = list(self._faces(album, people[album.id], wanted))
            self._done.albums += bool(found)
            rows += found
        there = {row["face"] for row, _, _ in rows}
        self._done.faces_left_out += len(wanted - there)
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
            pixels = None if photo is None else self._pixels(photo)
            if photo is None or pixels is None:
                continue
            key = keys.vectors(album.user_id, album.id, photo_id)
            vectors = _NO_VECTORS if switching else read_vectors(self._services, key)
            scale = pixels.shape[1] / (photo.width or pixels.shape[1])
            for face in faces:
                landmarks = np.array(face.landmarks, np.float32)
                crop = align_faces(pixels, landmarks[None] * scale)[0]
                row = _row(
                    album, photo, face, people, float(np.hypot(*(landmarks[1] - landmarks[0])))
                )
                row["resolution"] = round(min(1.0, scale), 4)
                none = np.zeros(DIMENSIONS, np.float32)
                yield row, _webp(crop), vectors[face.row] if face.row < len(vectors) else none

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


def _row(album: Album, photo: Photo, face: Face, people: People, eyes: float) -> dict[str, Any]:
    number = people.table.number.get(face.id)
    person = None if number is None else people.person_of(number)
    place = ",".join([photo.sha256 or photo.id, *(str(round(value)) for value in face.box)])
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
        "eyePx": round(eyes, 2),
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


def _pseudonym(services: Services, user_id: str) -> str:
    return services.keyring.sign("corrections-export", user_id)[:16]


def _webp(crop: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])[1].tobytes()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":")) + "\n"
