"""Suggestions: who may be one person; and the people of linked albums."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from api.deps import AlbumDep, ServicesDep, UserDep
from api.domain import gallery, suggestions
from api.domain.labels import linked_people
from api.domain.ledger import people_of
from api.domain.models import Album
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


def _view(services: Services, album: Album, suggestion: Suggestion) -> SuggestionView:
    other = album
    if suggestion.album_id != album.id:
        found = services.albums.get(Album.key_of(album.user_id, suggestion.album_id))
        other = found or album
    return SuggestionView(
        id=suggestion.id,
        kind=suggestion.kind,
        first=_cluster(services, album, suggestion.first),
        second=_cluster(services, other, suggestion.second),
        album_id=suggestion.album_id,
        name=suggestion.name,
        probability=suggestion.probability,
        saved=suggestion.saved,
    )


def _cluster(services: Services, album: Album, cluster: str) -> ClusterView:
    people = people_of(services, album)
    shown = gallery.show_cluster(people, people.code[cluster], FEW_FACES)
    return PeopleViews(services, album).cluster(shown)


@router.get("/albums/{id}/suggestions", operation_id="listSuggestions")
def list_suggestions(
    services: ServicesDep, album: AlbumDep, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> Suggestions:
    """Pairs that may be one person, those that save most work first."""
    found = suggestions.suggest(services, album)
    views = tuple(_view(services, album, suggestion) for suggestion in found[:limit])
    return Suggestions(suggestions=views, total=len(found))


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
