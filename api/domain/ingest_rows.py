"""Rows of an album that ingestion and de-duplication keep for themselves."""

from __future__ import annotations

from typing import Literal

from api.domain.models import Photo, Record
from api.repositories.table import Key


class Content(Record):
    """The first photo of an album with these bytes: later ones are its exact copies."""

    prefix = "SHA#"

    album_id: str
    sha256: str
    photo_id: str

    def key(self) -> Key:
        return self.key_of(self.album_id, self.sha256)

    @staticmethod
    def key_of(album_id: str, sha256: str) -> Key:
        """Key of a content."""
        return Key(f"ALBUM#{album_id}", f"SHA#{sha256}")


class Duplicate(Record):
    """A photo that another is kept in place of; says what the photo's ``duplicate_of`` says,
    in the order of the keepers."""

    prefix = "DUPLICATE#"

    album_id: str
    keeper: str
    photo_id: str
    kind: Literal["exact", "near"]

    def key(self) -> Key:
        return self.key_of(self.album_id, self.keeper, self.photo_id)

    @staticmethod
    def key_of(album_id: str, keeper: str, photo_id: str) -> Key:
        """Key of a duplicate."""
        return Key(f"ALBUM#{album_id}", f"DUPLICATE#{keeper}#{photo_id}")


class Pair(Record):
    """Two photos that were compared and look the same; kept in both orders."""

    prefix = "PAIR#"

    album_id: str
    photo_id: str
    other_id: str
    rejected: bool = False
    """A person says that they are not duplicates."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.photo_id, self.other_id)

    @staticmethod
    def key_of(album_id: str, photo_id: str, other_id: str) -> Key:
        """Key of a pair, one of its two."""
        return Key(f"ALBUM#{album_id}", f"PAIR#{photo_id}#{other_id}")


class HashBlock(Record):
    """Perceptual hashes of some hundred photos: the index of an album is a row of blocks, read in
    a few queries and extended at its end."""

    prefix = "PHASHES#"

    album_id: str
    number: int
    photo_ids: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    """Of the photo at the same place; 64 bits in hexadecimal."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.number)

    @staticmethod
    def key_of(album_id: str, number: int) -> Key:
        """Key of a block; numbers sort as text."""
        return Key(f"ALBUM#{album_id}", f"PHASHES#{number:06d}")


class Detection(Record):
    """Faces that were found in a photo and are not embedded yet."""

    prefix = "DETECTION#"

    album_id: str
    photo_id: str
    boxes: tuple[tuple[float, float, float, float], ...]
    """Pixels of the upright photo, as are the landmarks."""
    scores: tuple[float, ...]
    landmarks: tuple[tuple[tuple[float, float], ...], ...]
    quality: tuple[float, ...]

    def key(self) -> Key:
        return self.key_of(self.album_id, self.photo_id)

    @staticmethod
    def key_of(album_id: str, photo_id: str) -> Key:
        """Key of the detections of a photo."""
        return Key(f"ALBUM#{album_id}", f"DETECTION#{photo_id}")


class Fresh(Record):
    """A photo that is done, of which the rest of the album has not been told yet."""

    prefix = "FRESH#"

    album_id: str
    photo_id: str

    def key(self) -> Key:
        return self.key_of(self.album_id, self.photo_id)

    @staticmethod
    def key_of(album_id: str, photo_id: str) -> Key:
        """Key of the note about a photo."""
        return Key(f"ALBUM#{album_id}", f"FRESH#{photo_id}")


class Removed(Record):
    """A photo that was deleted and has left things behind that are to be cleared away."""

    prefix = "REMOVED#"

    album_id: str
    photo: Photo

    def key(self) -> Key:
        return self.key_of(self.album_id, self.photo.id)

    @staticmethod
    def key_of(album_id: str, photo_id: str) -> Key:
        """Key of what is left of a photo."""
        return Key(f"ALBUM#{album_id}", f"REMOVED#{photo_id}")
