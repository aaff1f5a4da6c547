"""Who is with whom in an album."""

from __future__ import annotations

from collections import defaultdict

from api.domain.ledger import people_of
from api.domain.models import Album
from api.services import Services


def groups_of(services: Services, album: Album) -> dict[str | None, set[str]]:
    """Ids of each person's faces that have rows; None: of nobody's."""
    people = people_of(services, album)
    groups: defaultdict[str | None, set[str]] = defaultdict(set)
    for face in services.faces.all(f"ALBUM#{album.id}"):
        number = people.table.number.get(face.id)
        person = None if number is None else people.person_of(number)
        groups[None if person is None else person.id].add(face.id)
    return dict(groups)
