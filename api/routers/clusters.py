"""People: who is in the album, their names, merging and splitting them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.deps import AlbumDep, ServicesDep, WorkflowDep
from api.domain import edits, gallery, labels
from api.domain.ledger import people_of
from api.domain.models import JobKind
from api.ids import ULID_PATTERN
from api.objects.signer import reading_ends
from api.routers.schemas.base import RequestBody, Schema
from api.routers.schemas.people import (
    FEW_FACES,
    ClusterPage,
    ClusterPath,
    ClusterView,
    CursorQuery,
    Edited,
    FacePage,
    LimitQuery,
    PeopleViews,
)

router = APIRouter(tags=["people"])

Id = Annotated[str, Field(pattern=ULID_PATTERN)]
FaceIds = Annotated[tuple[Id, ...], Field(min_length=1, max_length=1000)]


class LabelBody(RequestBody):
    """A person's name; null takes it away."""

    name: Annotated[str, Field(max_length=1000)] | None


class MergeBody(RequestBody):
    """Clusters that are one person, whose id and name are the first's."""

    clusters: Annotated[tuple[Id, ...], Field(min_length=2, max_length=1000)]


class FacesBody(RequestBody):
    """Faces of a person."""

    faces: FaceIds


class HideBody(RequestBody):
    """Hide, or show again."""

    hidden: bool = True


class ReclusterStarted(Schema):
    """The job that does it."""

    job_id: str


class LabelView(Schema):
    """A name that was given, in this album or in a linked one."""

    name: str
    cluster: str | None
    """The person of that name in this album."""
    albums: tuple[str, ...]
    """Ids of the linked albums with somebody of that name."""


class Labels(Schema):
    """Names that begin with what was asked for."""

    labels: tuple[LabelView, ...]


@router.get("/albums/{id}/clusters", operation_id="listClusters", response_model=ClusterPage)
def list_clusters(
    services: ServicesDep,
    album: AlbumDep,
    *,
    hidden: bool = False,
    faces: Annotated[int, Query(ge=0, le=100)] = FEW_FACES,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> Response:
    """The people of an album, the largest first; with ``hidden`` those who are hidden."""
    people = people_of(services, album)

    def make() -> bytes:
        page = gallery.list_clusters(people, hidden=hidden, faces=faces, limit=limit, cursor=cursor)
        views = PeopleViews(services, album)
        clusters = tuple(map(views.cluster, page.clusters))
        shown = ClusterPage(clusters=clusters, total=page.total, cursor=page.cursor)
        return shown.model_dump_json(by_alias=True).encode()

    # Everybody who opens an album asks for the same, and it is the same until somebody is renamed
    # or comes, or the URLs in it end.
    until = reading_ends(services.settings.view_url_seconds)
    key = (people.head, until, hidden, faces, limit, cursor)
    return Response(services.memory.of(album.id).page(key, make), media_type="application/json")


@router.post("/albums/{id}/clusters/recluster", status_code=202, operation_id="reclusterAlbum")
def recluster(workflow: WorkflowDep, album: AlbumDep) -> ReclusterStarted:
    """Group every face anew, in the background; names and decisions stay."""
    job = workflow.start(JobKind.RECLUSTER, album.user_id, album.id)
    return ReclusterStarted(job_id=job.id)


@router.post("/albums/{id}/clusters/merge", operation_id="mergeClusters")
def merge(services: ServicesDep, album: AlbumDep, body: MergeBody) -> Edited:
    """Make several clusters one person: the first."""
    return PeopleViews(services, album).edited(edits.merge(services, album, body.clusters))


@router.get("/albums/{id}/labels", operation_id="listLabels")
def list_labels(
    services: ServicesDep,
    album: AlbumDep,
    prefix: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Labels:
    """Names to choose from while typing one; those of this album first."""
    found = labels.complete(services, album, prefix, limit)
    return Labels(labels=tuple(map(LabelView.model_validate, found)))


@router.get("/albums/{id}/clusters/{cluster_id}", operation_id="getCluster")
def get_cluster(
    services: ServicesDep,
    album: AlbumDep,
    cluster_id: ClusterPath,
    faces: Annotated[int, Query(ge=0, le=100)] = FEW_FACES,
) -> ClusterView:
    """One person."""
    people = people_of(services, album)
    code = edits.code_of(people, cluster_id)
    return PeopleViews(services, album).cluster(gallery.show_cluster(people, code, faces))


@router.get("/albums/{id}/clusters/{cluster_id}/faces", operation_id="listClusterFaces")
def list_cluster_faces(
    services: ServicesDep,
    album: AlbumDep,
    cluster_id: ClusterPath,
    order: gallery.FaceOrder = "time",
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> FacePage:
    """A person's faces, in the order of their photos or the least certain first."""
    people = people_of(services, album)
    code = edits.code_of(people, cluster_id)
    page = gallery.list_faces(people, code, order=order, limit=limit, cursor=cursor)
    views = PeopleViews(services, album)
    return FacePage(faces=tuple(map(views.face, page.faces)), total=page.total, cursor=page.cursor)


@router.post("/albums/{id}/clusters/{cluster_id}/label", operation_id="labelCluster")
def label(
    services: ServicesDep, album: AlbumDep, cluster_id: ClusterPath, body: LabelBody
) -> Edited:
    """Name a person."""
    outcome = edits.label(services, album, cluster_id, body.name)
    return PeopleViews(services, album).edited(outcome)


@router.post("/albums/{id}/clusters/{cluster_id}/split", operation_id="splitCluster")
def split(
    services: ServicesDep, album: AlbumDep, cluster_id: ClusterPath, body: FacesBody
) -> Edited:
    """Make some of a person's faces a person of their own."""
    outcome = edits.split(services, album, cluster_id, body.faces)
    return PeopleViews(services, album).edited(outcome)


@router.post("/albums/{id}/clusters/{cluster_id}/confirm", operation_id="confirmFaces")
def confirm(
    services: ServicesDep, album: AlbumDep, cluster_id: ClusterPath, body: FacesBody
) -> Edited:
    """Say that some of a person's faces are this person."""
    outcome = edits.confirm(services, album, cluster_id, body.faces)
    return PeopleViews(services, album).edited(outcome)


@router.post("/albums/{id}/clusters/{cluster_id}/hide", operation_id="hideCluster")
def hide(services: ServicesDep, album: AlbumDep, cluster_id: ClusterPath, body: HideBody) -> Edited:
    """Hide a stranger, or show them again."""
    outcome = edits.hide(services, album, cluster_id, hidden=body.hidden)
    return PeopleViews(services, album).edited(outcome)
