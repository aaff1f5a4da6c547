"""A user's data, to take away: every row as JSON, with links to the objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.domain.ledger import people_of
from api.domain.models import Photo
from api.domain.rows import shown_confidence
from api.domain.state import People
from api.ids import now
from api.objects import keys
from api.repositories.table import query_all
from api.services import Services

_SECRET = {"passwordHash", "secret", "owner", "leaseUntil"}
"""Never leave the table: they are the service's, not the user's."""
_INDEXES = {"gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"}


def export(services: Services, user_id: str) -> Iterator[str]:
    """One JSON document in pieces: ``{"user", "exportedAt", "account": [rows], "albums": [{"id",
    "rows"}]}``. Photos have ``links`` to their files, good for as long as links to view are; faces
    the ``cluster`` that they are shown with, null for nobody's."""
    yield f'{{"user":{json.dumps(user_id)},"exportedAt":{json.dumps(now())},"account":['
    yield from _rows(services, f"USER#{user_id}", People.nobody())
    yield '],"albums":['
    for number, album in enumerate(services.albums.all(f"USER#{user_id}")):
        yield f'{"," if number else ""}{{"id":{json.dumps(album.id)},"rows":['
        yield from _rows(services, f"ALBUM#{album.id}", people_of(services, album))
        yield "]}"
    yield "]}"


def _rows(services: Services, pk: str, people: People) -> Iterator[str]:
    separator = ""
    for item in query_all(services.table, pk):
        row = {name: value for name, value in item.items() if name not in _SECRET | _INDEXES}
        if "objectKey" in item:
            row["links"] = _links(services, item)
        if "landmarks" in item:
            row |= _who(people, item["id"])
        yield separator + json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        separator = ","


def _who(people: People, face_id: str) -> dict[str, Any]:
    number = people.table.number.get(face_id)
    person = None if number is None else people.person_of(number)
    if number is None or person is None:
        return {"cluster": None, "confidence": None, "confirmed": False}
    return {
        "cluster": person.id,
        "confidence": shown_confidence(people, number),
        "confirmed": bool(people.confirmed[number]),
    }


def _links(services: Services, item: Mapping[str, Any]) -> dict[str, str]:
    photo = Photo.from_item(item)
    seconds = services.settings.view_url_seconds
    thumbnail = keys.thumbnail(photo.user_id, photo.album_id, photo.id)
    links = {"thumbnail": services.signer.sign_get(thumbnail, seconds=seconds).url}
    if not photo.original_purged:
        signed = services.signer.sign_get(
            photo.object_key, seconds=seconds, filename=photo.filename
        )
        links["original"] = signed.url
    return links
