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
from api.domain.photos import PhotoFace, Who
from api.domain.recent import PhotoPiece
from api.objects.signer import reading_ends
from api.repositories.records import Reader
from api.repositories.stored import StoredItem
from api.repositories.table import Item
from api.routers.schemas.photos import photo_values
from api.services import Services

_NOBODY = b'"cluster":null,"confidence":null}'
"""How a face of nobody ends. No text of a photo has it inside: JSON escapes quotation marks."""
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
            size = sys.getsizeof(item.text) + sum(map(len, piece.parts)) + _OVERHEAD
            recent.keep(item.text, piece, size + 100 * len(piece.faces))
        return piece

    return Reader(services.table, Photo.prefix, make)


def page_json(pieces: Sequence[PhotoPiece], who: Iterable[Who], cursor: str | None) -> bytes:
    """The JSON of `PhotoPage`.

    Args:
        who: the faces of all pieces are, in their order.
    """
    faces = iter(who)
    text: list[bytes] = []
    for piece in pieces:
        first, *others = piece.parts
        text += (b",", first)
        for part in others:
            text += (_who_json(next(faces)), part)
    return b'{"photos":[%b],"cursor":%b}' % (b"".join(text[1:]), to_json(cursor))


def _piece(services: Services, photo: Photo, until: int) -> PhotoPiece:
    values = photo_values(services, photo, [PhotoFace(face, None, None) for face in photo.faces])
    return PhotoPiece(
        until=until,
        status=photo.status,
        duplicate_of=photo.duplicate_of,
        faces=tuple(face.id for face in photo.faces),
        parts=tuple(to_json(values).split(_NOBODY)),
    )


def _who_json(who: Who) -> bytes:
    cluster, confidence = who
    if cluster is None:
        return _NOBODY
    return b'"cluster":%b,"confidence":%b}' % (to_json(cluster), to_json(confidence))
