"""An album with real photos, whose people are known from given vectors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from api.domain.ledger import people_of
from api.domain.models import Album, Exif, Face, FaceBox, Photo, PhotoStatus
from api.domain.people import refresh
from api.ids import derived_id, new_id, now
from api.objects import keys
from api.services import Services

CONTRACT = "c1"


class VectorsOnly:
    """A face engine for albums whose vectors are there already."""

    threshold = 0.35
    confidence = None
    contract_id = CONTRACT

    def detect(self, image: object) -> None:
        raise AssertionError("faces are known")

    def embed(self, crops: object) -> None:
        raise AssertionError("vectors are known")


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """A small photo, different for each seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=90, **options)
    return out.getvalue()


@dataclass
class Booth:
    """Adds photos to an album."""

    services: Services
    album: Album
    people: int = 3
    seen: list[tuple[str, int]] = field(default_factory=list)
    """Photo and person of every face."""

    def __post_init__(self) -> None:
        centers = np.random.default_rng(99).normal(size=(self.people, 512))
        self.centers = centers / np.linalg.norm(centers, axis=1, keepdims=True)
        self.rng = np.random.default_rng(5)

    @classmethod
    def open(cls, services: Services, user: str = "alice") -> Booth:
        album = Album(id=new_id(), user_id=user, name="Garden party", created_at=now())
        services.albums.create(album)
        return cls(services, album)

    def photo(
        self,
        who: Sequence[int] = (),
        *,
        data: bytes | None = None,
        filename: str = "photo.jpg",
        taken_at: str | None = None,
        **changes: object,
    ) -> str:
        """One more photo, of these people; returns its id."""
        photo_id = new_id()
        album = self.album
        data = data if data is not None else jpeg(len(self.seen))
        moment = now()
        key = keys.original(album.user_id, album.id, moment, photo_id, "jpg")
        self.services.objects.put(key, data, "image/jpeg")
        thumbnail = keys.thumbnail(album.user_id, album.id, photo_id)
        self.services.objects.put(thumbnail, jpeg(1, (16, 12)), "image/jpeg")
        faces = []
        for row in range(len(who)):
            box = (1.0, 1.0, 21.0, 31.0)
            faces.append(FaceBox(id=derived_id(photo_id, str(row)), box=box, score=0.9))
        photo = Photo(
            id=photo_id,
            album_id=album.id,
            user_id=album.user_id,
            status=PhotoStatus.DONE,
            filename=filename,
            content_type="image/jpeg",
            size=len(data),
            created_at=moment,
            object_key=key,
            width=64,
            height=48,
            sharpness=10.0,
            exif=Exif(taken_at=taken_at),
            faces=tuple(faces),
        )
        self.services.photos.create(Photo.model_validate(photo.model_dump() | changes))
        self._faces(photo_id, who, faces)
        return photo_id

    def _faces(self, photo_id: str, who: Sequence[int], faces: list[FaceBox]) -> None:
        if not who:
            return
        noise = 0.3 * self.rng.normal(size=(len(who), 512)) / np.sqrt(512)
        vectors = self.centers[list(who)] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        buffer = io.BytesIO()
        np.save(buffer, vectors.astype(np.float32))
        key = keys.vectors(self.album.user_id, self.album.id, photo_id)
        self.services.objects.put(key, buffer.getvalue(), "application/x-npy")
        for row, (person, box) in enumerate(zip(who, faces, strict=True)):
            self.seen.append((photo_id, person))
            self.services.faces.create(
                Face(
                    id=box.id,
                    album_id=self.album.id,
                    user_id=self.album.user_id,
                    photo_id=photo_id,
                    created_at=now(),
                    box=box.box,
                    score=box.score,
                    landmarks=((5.0, 5.0),) * 5,
                    quality=0.9,
                    row=row,
                    contract_id=CONTRACT,
                )
            )

    def group(self) -> None:
        """Who is who, from the vectors."""
        refresh(self.services, self.current())

    def current(self) -> Album:
        album = self.services.albums.get(self.album.key())
        assert album is not None
        return album

    def cluster(self, person: int) -> str:
        """The cluster of a person's first face."""
        people = people_of(self.services, self.current())
        photo_id = next(photo for photo, who in self.seen if who == person)
        row = [who for photo, who in self.seen if photo == photo_id].index(person)
        found = people.person_of(people.table.number[derived_id(photo_id, str(row))])
        assert found is not None
        return found.id

    def with_person(self, person: int) -> list[str]:
        """Photos of a person, by truth."""
        return sorted({photo for photo, who in self.seen if who == person})
