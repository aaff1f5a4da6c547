"""People, their faces, and what a decision did, as clients see them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from api.domain import gallery
from api.domain.gallery import ShownCluster, ShownFace
from api.domain.ledger import Outcome
from api.domain.models import Album
from api.ids import ULID_PATTERN
from api.objects import keys
from api.routers.schemas.base import Schema
from api.services import Services

CursorQuery = Annotated[str | None, Query(max_length=2000)]
LimitQuery = Annotated[int, Query(ge=1, le=500)]
ClusterPath = Annotated[str, Path(pattern=ULID_PATTERN)]
FacePath = Annotated[str, Path(pattern=ULID_PATTERN)]

FEW_FACES = 8


class PersonFace(Schema):
    """A face with a signed URL of its crop.

    ``confidence``: probability that it is the person it is shown with; ``confirmed``: somebody
    said so.
    """

    id: str
    photo_id: str
    cluster: str | None
    confidence: float | None
    confirmed: bool
    quality: float
    crop_url: str


class ClusterView(Schema):
    """A person: ``size`` faces in ``photos`` photos; ``faces`` are the best of them."""

    id: str
    label: str | None
    hidden: bool
    size: int
    photos: int
    confidence: float
    """Probability that its faces are this person."""
    cover_url: str
    cover: PersonFace
    created_at: str
    faces: tuple[PersonFace, ...]


class ClusterPage(Schema):
    """Part of the list of people, the largest first; ``total`` of all parts."""

    clusters: tuple[ClusterView, ...]
    total: int
    cursor: str | None


class FacePage(Schema):
    """Part of a list of faces; ``total`` of all parts."""

    faces: tuple[PersonFace, ...]
    total: int
    cursor: str | None


class Edited(Schema):
    """What a decision did: the people who changed, and those who are no longer there.

    ``decision`` is its id: give it to ``undo`` to take it back.
    """

    decision: str
    clusters: tuple[ClusterView, ...]
    removed: tuple[str, ...]


class PeopleViews:
    """Makes the views of an album's people."""

    def __init__(self, services: Services, album: Album) -> None:
        self._services = services
        self._album = album

    def crop_url(self, face_id: str) -> str:
        """A signed URL of a face's crop."""
        key = keys.crop(self._album.user_id, self._album.id, face_id)
        seconds = self._services.settings.view_url_seconds
        return self._services.signer.sign_get(key, seconds=seconds).url

    def face(self, face: ShownFace) -> PersonFace:
        """A face."""
        return PersonFace(
            id=face.id,
            photo_id=face.photo_id,
            cluster=face.cluster,
            confidence=face.confidence,
            confirmed=face.confirmed,
            quality=face.quality,
            crop_url=self.crop_url(face.id),
        )

    def cluster(self, cluster: ShownCluster) -> ClusterView:
        """A person."""
        cover = self.face(cluster.cover)
        return ClusterView(
            id=cluster.person.id,
            label=cluster.person.label,
            hidden=cluster.person.hidden,
            size=cluster.size,
            photos=cluster.photos,
            confidence=cluster.confidence,
            cover_url=cover.crop_url,
            cover=cover,
            created_at=cluster.person.created_at,
            faces=tuple(map(self.face, cluster.faces)),
        )

    def edited(self, outcome: Outcome) -> Edited:
        """What a decision did."""
        people = outcome.people
        codes = [people.code.get(cluster) for cluster in outcome.changes.clusters]
        alive = [code for code in codes if code is not None and people.sizes[code]]
        shown = {people.persons[code].id for code in alive}
        return Edited(
            decision=outcome.entry.id,
            clusters=tuple(
                self.cluster(gallery.show_cluster(people, code, FEW_FACES)) for code in alive
            ),
            removed=tuple(c for c in outcome.changes.clusters if c not in shown),
        )
