"""Suggestions: who may be one person; and the people of linked albums."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from api.deps import AlbumDep, ServicesDep, UserDep
from api.domain import gallery, suggestions
from api.domain.labels import linked_people
from api.domain.ledger import people_of
from api.domain.models import Album
from api.domain.state import People
from api.domain.suggestions import Suggestion
from api.ids import ULID_PATTERN
from api.routers.schemas.base import RequestBody, Schema
from api.routers.schemas.people import FEW_FACES, ClusterView, Edited, PeopleViews
from api.services import Services

router = APIRouter(tags=["suggestions"])


class SuggestionView(Schema):
    """Two who may be one person, with several faces of both.

    ``kind``: ``merge``: two of this album; ``label``: the first has a name that the second would
    get; ``linked``: the second is of the linked album ``albumId``, and the first would get its
    name. ``saved``: edits that accepting it is expected to save, by which suggestions are sorted.
    """

    id: str
    kind: Literal["merge", "label", "linked"]
    first: ClusterView
    second: ClusterView
    album_id: str
    name: str | None
    probability: float
    saved: float


class Suggestions(Schema):
    """The most useful first."""

    suggestions: tuple[SuggestionView, ...]
    total: int


class Answer(RequestBody):
    """One person, or not."""

    accept: bool


class AppearanceView(Schema):
    """A person in one album."""

    album_id: str
    album_name: str
    cluster: str
    size: int
    photos: int
    cover_url: str | None


class PersonView(Schema):
    """Everyone of one name in the caller's linked albums."""

    name: str
    size: int
    albums: tuple[AppearanceView, ...]


class PeopleList(Schema):
    """Named people across linked albums, by name."""

    people: tuple[PersonView, ...]


class _Views:
    """Makes the views of suggestions; reads each album's people once."""

    def __init__(self, services: Services, album: Album) -> None:
        self._services = services
        self._album = album
        self._known: dict[str, tuple[Album, People]] = {}

    def suggestion(self, suggestion: Suggestion) -> SuggestionView | None:
        """None: one of the two has gone since."""
        first = self._cluster(self._album.id, suggestion.first)
        second = self._cluster(suggestion.album_id, suggestion.second)
        if first is None or second is None:
            return None
        return SuggestionView(
            id=suggestion.id,
            kind=suggestion.kind,
            first=first,
            second=second,
            album_id=suggestion.album_id,
            name=suggestion.name,
            probability=suggestion.probability,
            saved=suggestion.saved,
        )

    def _cluster(self, album_id: str, cluster: str) -> ClusterView | None:
        if album_id not in self._known:
            found: Album | None = self._album
            if album_id != self._album.id:
                found = self._services.albums.get(Album.key_of(self._album.user_id, album_id))
            if found is None:
                return None
            self._known[album_id] = found, people_of(self._services, found)
        album, people = self._known[album_id]
        code = people.code.get(cluster)
        if code is None or not people.sizes[code]:
            return None
        shown = gallery.show_cluster(people, code, FEW_FACES)
        return PeopleViews(self._services, album).cluster(shown)


@router.get("/albums/{id}/suggestions", operation_id="listSuggestions")
def list_suggestions(
    services: ServicesDep, album: AlbumDep, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> Suggestions:
    """Pairs that may be one person, those that save most work first."""
    found = suggestions.suggest(services, album)
    views = [*map(_Views(services, album).suggestion, found[:limit])]
    return Suggestions(
        suggestions=tuple(view for view in views if view is not None), total=len(found)
    )


@router.post("/albums/{id}/suggestions/{suggestion_id}", operation_id="answerSuggestion")
def answer_suggestion(
    services: ServicesDep,
    album: AlbumDep,
    suggestion_id: Annotated[str, Path(pattern=ULID_PATTERN)],
    body: Answer,
) -> Edited:
    """Accept a suggestion, or decline it for good."""
    outcome = suggestions.answer(services, album, suggestion_id, accept=body.accept)
    return PeopleViews(services, album).edited(outcome)


@router.get("/people", operation_id="listPeople")
def list_people(services: ServicesDep, user: UserDep) -> PeopleList:
    """Named people across the caller's linked albums."""
    views = []
    for person in linked_people(services, user.id):
        seen = tuple(
            AppearanceView(
                album_id=album.id,
                album_name=album.name,
                cluster=cluster.id,
                size=cluster.size,
                photos=cluster.photos,
                cover_url=(
                    None
                    if cluster.cover is None
                    else PeopleViews(services, album).crop_url(cluster.cover)
                ),
            )
            for album, cluster in ((a.album, a.cluster) for a in person.appearances)
        )
        size = sum(view.size for view in seen)
        views.append(PersonView(name=person.name, size=size, albums=seen))
    return PeopleList(people=tuple(views))
