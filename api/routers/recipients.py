"""Shares, for those who get them: no account, the link is enough, or the link and a password.

What a share shows of the album itself, thumbnails and faces, comes from routes that look at the
share each time: signed URLs of those objects would outlive it. Copies that are made for the share
go with it, so that theirs end when it does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Cookie, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from api.deps import IdPath, ServicesDep, WorkflowDep
from api.domain.models import Album, Photo
from api.domain.share_models import Share
from api.errors import Conflict, Forbidden, NotFound, Unauthorized
from api.ids import ULID_PATTERN
from api.objects import keys
from api.objects.disposition import disposition
from api.objects.store import ObjectMissing
from api.routers.ranges import byte_range, matches
from api.routers.schemas.shares import (
    ArchiveView,
    SharedAlbum,
    SharedPerson,
    SharedPhoto,
    Unlocked,
    UnlockRequest,
)
from api.sharing import archive, contents, media, passwords, shares, tokens
from api.sharing.names import safe_stem

router = APIRouter(tags=["recipients"])

_COOKIE = "faceflow_share"
_UNLOCK_SECONDS = 3600


def _opened(
    services: ServicesDep,
    id: IdPath,  # noqa: A002
    header: Annotated[str | None, Header(alias="X-Share-Token", max_length=200)] = None,
    cookie: Annotated[str | None, Cookie(alias=_COOKIE, max_length=200)] = None,
) -> tuple[Share, Album]:
    return shares.opened_share(services, id, header or cookie)


OpenedDep = Annotated[tuple[Share, Album], Depends(_opened)]


@router.get("/shares/{id}", operation_id="openShare")
def open_share(
    services: ServicesDep,
    opened: OpenedDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(pattern=ULID_PATTERN)] = None,
) -> SharedAlbum:
    """The share and part of its photos, in the order in which they were uploaded.

    401 with ``passwordRequired``: unlock it first. 410: it has expired or was revoked.
    """
    share, album = opened
    found = contents.contents_of(services, album, share)
    held = found.photo_ids
    if cursor is None:
        shares.count_view(services, share)
    later = held if cursor is None else tuple(photo for photo in held if photo > cursor)
    page = later[:limit]
    response.headers["Cache-Control"] = "private, no-store"
    photos = contents.shown_photos(services, album.id, page)
    token = tokens.issue(share, "photos", services.settings.view_url_seconds, steady=True)
    return SharedAlbum(
        id=share.id,
        album_name=album.name,
        sender=share.sender,
        created_at=share.created_at,
        expires_at=share.expires_at_iso,
        live=share.live,
        allow_download=share.allow_download,
        people=_people(services, share, found.people, token),
        count=len(held),
        photos=tuple(_photo(services, share, photo, token) for photo in photos),
        cursor=page[-1] if len(later) > limit else None,
    )


def _people(
    services: ServicesDep, share: Share, people: tuple[contents.ShownPerson, ...], token: str
) -> tuple[SharedPerson, ...]:
    base = _url(services, share)
    return tuple(
        SharedPerson(
            label=one.label,
            cover_url=f"{base}/people/{one.id}/cover?token={token}" if one.cover else None,
        )
        for one in people
    )


def _url(services: ServicesDep, share: Share) -> str:
    return f"{services.settings.public_url.rstrip('/')}/shares/{share.id}"


def _photo(services: ServicesDep, share: Share, photo: Photo, token: str) -> SharedPhoto:
    base = f"{_url(services, share)}/photos/{photo.id}"
    full = share.allow_download and not photo.original_purged
    return SharedPhoto(
        id=photo.id,
        filename=photo.filename,
        width=photo.width,
        height=photo.height,
        taken_at=photo.exif.taken_at if photo.exif is not None else None,
        blur=photo.blur,
        thumbnail_url=f"{base}/thumbnail?token={token}",
        view_url=f"{base}/view?token={token}",
        download_url=f"{base}/download?token={token}" if full else None,
    )


@router.post("/shares/{id}/unlock", operation_id="unlockShare")
def unlock_share(
    services: ServicesDep,
    id: IdPath,  # noqa: A002
    body: UnlockRequest,
    response: Response,
) -> Unlocked:
    """Give the password. 401: it is wrong; 429: too many were, try again after ``Retry-After``."""
    share, _ = shares.available_share(services, id)
    share = passwords.check_password(services, share, body.password)
    token = tokens.issue(share, "open", _UNLOCK_SECONDS)
    response.set_cookie(
        _COOKIE,
        token,
        max_age=_UNLOCK_SECONDS,
        path=f"/shares/{share.id}",
        secure=services.settings.public_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return Unlocked(token=token, expires_in=_UNLOCK_SECONDS)


Token = Annotated[str, Query(max_length=200)]
"""Comes with the URLs of the share's page."""


def _shown(
    services: ServicesDep,
    id: IdPath,  # noqa: A002
    token: Token,
) -> tuple[Share, Album]:
    share, album = shares.available_share(services, id)
    if not tokens.is_valid(share, "photos", token):
        raise Unauthorized("this link has ended; open the share again")
    return share, album


ShownDep = Annotated[tuple[Share, Album], Depends(_shown)]
"""A share whose page was opened a while ago."""


def _shared_photo(services: ServicesDep, shown: ShownDep, photo_id: IdPath) -> Photo:
    share, album = shown
    photo = None
    if photo_id in contents.contents_of(services, album, share).members:
        photo = services.photos.get(Photo.key_of(album.id, photo_id))
    if photo is None:
        raise NotFound("there is no such photo in this share")
    return photo


PhotoDep = Annotated[Photo, Depends(_shared_photo)]


# Without names, since a page of them is one look at the share, which is noted by itself.
@router.get("/shares/{id}/photos/{photo_id}/thumbnail", include_in_schema=False)
def read_thumbnail(services: ServicesDep, photo: PhotoDep, request: Request) -> Response:
    """The thumbnail of a photo of the share."""
    return _object(services, keys.thumbnail(photo.user_id, photo.album_id, photo.id), request)


@router.get("/shares/{id}/people/{cluster_id}/cover", include_in_schema=False)
def read_cover(
    services: ServicesDep, shown: ShownDep, cluster_id: IdPath, request: Request
) -> Response:
    """The face that stands for a person of the share, from a photo of the share."""
    share, album = shown
    for one in contents.contents_of(services, album, share).people:
        if one.id == cluster_id and one.cover is not None:
            return _object(services, keys.crop(album.user_id, album.id, one.cover), request)
    raise NotFound("there is no such person in this share")


def _object(services: ServicesDep, key: str, request: Request) -> Response:
    """A small object of the album; the browser asks each time whether it still may show it."""
    info = services.objects.head(key)
    if info is None:
        raise NotFound("there is no such picture")
    etag = f'"{info.etag}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    try:
        data = services.objects.get(key)
    except ObjectMissing:
        raise NotFound("there is no such picture") from None
    return Response(data, headers=headers, media_type=info.content_type)


@router.get(
    "/shares/{id}/photos/{photo_id}/{size}",
    status_code=307,
    response_class=RedirectResponse,
    operation_id="readSharedPhoto",
)
def read_photo(
    services: ServicesDep,
    shown: ShownDep,
    photo: PhotoDep,
    size: Literal["view", "download"],
    token: Token,
) -> RedirectResponse:
    """A photo of a share; ``token`` comes with the URLs of the share's page.

    ``view`` is for looking at, ``download`` in full size without metadata, unless the share keeps
    it. It is made when it is first asked for.
    """
    share, _ = shown
    headers = {"Cache-Control": "private, max-age=300"}
    filename = None
    if size == "view":
        key = media.view_object(services, share, photo)
        if key is None:
            url = f"{_url(services, share)}/photos/{photo.id}/thumbnail?token={token}"
            return RedirectResponse(url, headers=headers)
    elif share.allow_download:
        key = media.download_object(services, share, photo)
        filename = f"{safe_stem(photo.filename)}.{key.rpartition('.')[2]}"
        shares.count_download(services, share)
    else:
        raise Forbidden("the owner of this share allows no downloads")
    seconds = shares.seconds_left(share, services.settings.view_url_seconds)
    url = services.signer.sign_get(key, seconds=seconds, filename=filename).url
    return RedirectResponse(url, headers=headers)


def _archive_view(
    services: ServicesDep, share: Share, status: archive.ArchiveStatus
) -> ArchiveView:
    url = f"{_url(services, share)}/archive"
    return ArchiveView.model_validate({**vars(status), "url": url})


@router.post(
    "/shares/{id}/archive", status_code=202, operation_id="buildArchive", response_model=ArchiveView
)
def build_archive(services: ServicesDep, workflow: WorkflowDep, opened: OpenedDep) -> ArchiveView:
    """Build the ZIP of the share, or join the build; nothing to do if it is ready."""
    share, album = opened
    status = archive.request_archive(services, workflow, album, share)
    return _archive_view(services, share, status)


@router.get("/shares/{id}/archive/status", operation_id="getArchiveStatus")
def archive_status(services: ServicesDep, workflow: WorkflowDep, opened: OpenedDep) -> ArchiveView:
    """How the ZIP stands."""
    share, album = opened
    status = archive.archive_status(services, workflow, album, share)
    return _archive_view(services, share, status)


@router.head("/shares/{id}/archive", include_in_schema=False)
@router.get(
    "/shares/{id}/archive",
    operation_id="downloadArchive",
    response_class=Response,
    responses={
        200: {"description": "The ZIP.", "content": {"application/zip": {}}},
        202: {"description": "It is being built.", "model": ArchiveView},
        206: {"description": "A part of the ZIP.", "content": {"application/zip": {}}},
        304: {"description": "As it was."},
        416: {"description": "The range begins after the end."},
    },
)
def download_archive(
    services: ServicesDep, workflow: WorkflowDep, opened: OpenedDep, request: Request
) -> Response:
    """The ZIP, or a range of it; 202 while it is built, 404 if nobody has asked for it yet or its
    photos changed since."""
    share, album = opened
    status = archive.archive_status(services, workflow, album, share)
    if status.state is archive.ArchiveState.FAILED:
        raise Conflict(f"the archive could not be built: {status.error}")
    if status.state is archive.ArchiveState.BUILDING:
        view = _archive_view(services, share, status).model_dump(mode="json", by_alias=True)
        return JSONResponse(view, 202, {"Retry-After": "2", "Cache-Control": "no-store"})
    if status.state is archive.ArchiveState.NONE or status.size is None:
        raise NotFound("the archive is not built; ask for it by POST")
    etag = f'"{status.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(f"{safe_stem(album.name + '.zip', 'photos')}.zip"),
    }
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    start, end = byte_range(request.headers, etag, status.size)
    code = 200
    if (start, end) != (0, status.size):
        code = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{status.size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(None, code, headers, "application/zip")
    key = keys.archive(share.user_id, share.album_id, share.id)
    try:
        body = services.objects.stream(key, start, end - start)
    except ObjectMissing:
        raise NotFound("the archive is not built; ask for it by POST") from None
    if start == 0:
        shares.count_download(services, share)
    return StreamingResponse(body, code, headers, "application/zip")
