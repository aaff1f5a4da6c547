"""Names: completing one while it is typed, and the people of that name in linked albums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api.domain.decisions import name_key
from api.domain.ledger import people_of
from api.domain.models import Album, Cluster
from api.services import Services


@dataclass(frozen=True)
class KnownName:
    """A name: the person of this album who has it, and ids of linked albums where somebody does."""

    name: str
    cluster: str | None
    albums: tuple[str, ...]


@dataclass(frozen=True)
class Appearance:
    """Somebody's cluster in an album."""

    album: Album
    cluster: Cluster


@dataclass(frozen=True)
class LinkedPerson:
    """Everyone of one name in a user's linked albums: by the user's consent, one person."""

    name: str
    appearances: tuple[Appearance, ...]


def linked_albums(services: Services, user_id: str) -> list[Album]:
    """The user's albums whose people may be recognised in each other."""
    return [album for album in services.albums.all(f"USER#{user_id}") if album.linked]


def others_linked(services: Services, album: Album) -> list[Album]:
    """The linked albums besides this one; none unless it is linked itself."""
    if not album.linked:
        return []
    return [other for other in linked_albums(services, album.user_id) if other.id != album.id]


def named(services: Services, album: Album) -> Iterator[Cluster]:
    """The people of an album who have a name and are not hidden."""
    for cluster in services.clusters.all(f"ALBUM#{album.id}"):
        if cluster.label is not None and not cluster.hidden:
            yield cluster


def complete(services: Services, album: Album, prefix: str, limit: int) -> list[KnownName]:
    """Names of which a word begins with ``prefix``: those of the album first, then alphabetical."""
    people = people_of(services, album)
    found: dict[str, KnownName] = {}
    for code in people.alive():
        person = people.persons[code]
        if person.label is not None and _matches(person.label, prefix):
            found.setdefault(name_key(person.label), KnownName(person.label, person.id, ()))
    for other in others_linked(services, album):
        for cluster in named(services, other):
            if cluster.label is None or not _matches(cluster.label, prefix):
                continue
            key = name_key(cluster.label)
            known = found.get(key) or KnownName(cluster.label, None, ())
            if other.id not in known.albums:
                found[key] = KnownName(known.name, known.cluster, (*known.albums, other.id))
    ranked = sorted(found.items(), key=lambda item: (item[1].cluster is None, item[0]))
    return [name for _, name in ranked[:limit]]


def _matches(name: str, prefix: str) -> bool:
    key, start = name_key(name), name_key(prefix).strip()
    return key.startswith(start) or any(word.startswith(start) for word in key.split())


def linked_people(services: Services, user_id: str) -> list[LinkedPerson]:
    """Named people across the user's linked albums, by name."""
    found: dict[str, list[Appearance]] = {}
    for album in linked_albums(services, user_id):
        for cluster in named(services, album):
            if cluster.label is not None:
                found.setdefault(name_key(cluster.label), []).append(Appearance(album, cluster))
    people = []
    for key in sorted(found):
        largest = max(found[key], key=lambda seen: (seen.cluster.size, seen.cluster.id))
        people.append(LinkedPerson(largest.cluster.label or key, tuple(found[key])))
    return people
