"""Pages of photos as JSON, put together from pieces that are remembered.

A page is hundreds of photos, and everybody who opens an album asks for the same ones; most of a
page's time would go into reading, checking and writing what was shown before. A piece is found by
all that it is made of: the text of the row, and the moment when its URLs end. So it is never out of
date, whoever writes. Who the faces are is put in each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from pydantic_core import to_json

from api.domain.models import Photo
from api.domain.photos import PhotoWithFaces, Who
from api.domain.recent import PhotoPiece
from api.objects.signer import reading_ends
from api.repositories.records import Reader
from api.repositories.stored import StoredItem
from api.repositories.table import Item
from api.routers.schemas.photos import FaceView, photo_view
from api.services import Services

_NO_FACES = b"]}"
_NOBODY = b'"cluster":null,"confidence":null}'
_OVERHEAD = 600
"""Bytes of the objects around a piece."""


def photo_pieces(services: Services) -> Reader[PhotoPiece]:
    """Reads photos as pieces of a page."""
    until = reading_ends(services.settings.view_url_seconds)
    recent = services.memory.photo_pieces

    def make(item: Item) -> PhotoPiece:
        if not isinstance(item, StoredItem):
            return _piece(services, Photo.from_item(item), until)
        piece = recent.get(item.text)
        if piece is None or piece.until != until:
            piece = _piece(services, Photo.from_item(item), until)
            recent.keep(item.text, piece, sys.getsizeof(item.text) + _size(piece))
        return piece

    return Reader(services.table, Photo.prefix, make)


def page_json(pieces: Sequence[PhotoPiece], who: Iterable[Who], cursor: str | None) -> bytes:
    """The JSON of `PhotoPage`.

    Args:
        who: the faces of all pieces are, in their order.
    """
    faces = iter(who)
    photos = b",".join(
        piece.start
        + b",".join(start + _who_json(next(faces)) for start in piece.face_starts)
        + _NO_FACES
        for piece in pieces
    )
    return b'{"photos":[%b],"cursor":%b}' % (photos, to_json(cursor))


def _piece(services: Services, photo: Photo, until: int) -> PhotoPiece:
    view = photo_view(services, PhotoWithFaces(photo, ()))
    faces = [
        FaceView(id=face.id, box=face.box, score=face.score, cluster=None, confidence=None)
        for face in photo.faces
    ]
    return PhotoPiece(
        until=until,
        status=photo.status,
        duplicate_of=photo.duplicate_of,
        start=view.model_dump_json(by_alias=True).encode().removesuffix(_NO_FACES),
        faces=tuple(face.id for face in photo.faces),
        face_starts=tuple(
            face.model_dump_json(by_alias=True).encode().removesuffix(_NOBODY) for face in faces
        ),
    )


def _who_json(who: Who) -> bytes:
    cluster, confidence = who
    if cluster is None:
        return _NOBODY
    return b'"cluster":%b,"confidence":%b}' % (to_json(cluster), to_json(confidence))


def _size(piece: PhotoPiece) -> int:
    parts = (piece.start, *piece.faces, *piece.face_starts)
    return _OVERHEAD + sum(map(sys.getsizeof, parts))
