"""Faces: correcting who one is, and those of nobody."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.deps import AlbumDep, ServicesDep
from api.domain import edits, gallery
from api.domain.ledger import people_of
from api.ids import ULID_PATTERN
from api.routers.schemas.base import RequestBody
from api.routers.schemas.people import (
    CursorQuery,
    Edited,
    FacePage,
    FacePath,
    LimitQuery,
    PeopleViews,
)

router = APIRouter(tags=["faces"])

Id = Annotated[str, Field(pattern=ULID_PATTERN)]


class RejectBody(RequestBody):
    """The person that the face is not."""

    cluster: Id


class MoveBody(RequestBody):
    """The person that the face is; null: somebody new."""

    cluster: Id | None


class MoveFacesBody(RequestBody):
    """Faces, and the person that they are; null: somebody new."""

    faces: Annotated[tuple[Id, ...], Field(min_length=1, max_length=1000)]
    cluster: Id | None


@router.get("/albums/{id}/faces/unassigned", operation_id="listUnassignedFaces")
def list_unassigned(
    services: ServicesDep, album: AlbumDep, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> FacePage:
    """Faces of nobody, in the order of their photos."""
    people = people_of(services, album)
    page = gallery.list_faces(people, None, order="time", limit=limit, cursor=cursor)
    views = PeopleViews(services, album)
    return FacePage(faces=tuple(map(views.face, page.faces)), total=page.total, cursor=page.cursor)


@router.post("/albums/{id}/faces/move", operation_id="moveFaces")
def move_faces(services: ServicesDep, album: AlbumDep, body: MoveFacesBody) -> Edited:
    """Say who several faces are."""
    outcome = edits.move(services, album, body.faces, body.cluster)
    return PeopleViews(services, album).edited(outcome)


@router.post("/albums/{id}/faces/{face_id}/move", operation_id="moveFace")
def move_face(services: ServicesDep, album: AlbumDep, face_id: FacePath, body: MoveBody) -> Edited:
    """Say who a face is."""
    outcome = edits.move(services, album, [face_id], body.cluster)
    return PeopleViews(services, album).edited(outcome)


@router.post("/albums/{id}/faces/{face_id}/reject", operation_id="rejectFace")
def reject_face(
    services: ServicesDep, album: AlbumDep, face_id: FacePath, body: RejectBody
) -> Edited:
    """Not this person."""
    outcome = edits.reject(services, album, body.cluster, face_id)
    return PeopleViews(services, album).edited(outcome)
