"""Shares, for the owner of the album."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query

from api.deps import AlbumDep, IdPath, OwnerDep, ServicesDep, UserDep, WorkflowDep
from api.domain.share_models import Share
from api.objects import keys
from api.routers.schemas.shares import (
    NewShares,
    PreviewPhoto,
    PreviewRequest,
    ShareChange,
    SharePage,
    SharePreview,
    SharesMade,
    ShareView,
)
from api.sharing import notify, shares
from api.sharing.once import Once

router = APIRouter(tags=["shares"])


def _view(services: ServicesDep, share: Share) -> ShareView:
    return ShareView(
        id=share.id,
        album_id=share.album_id,
        link=notify.share_link(services.settings, share.id),
        email=share.email,
        clusters=share.clusters,
        filters=share.filters,
        created_at=share.created_at,
        expires_at=share.expires_at_iso,
        has_password=share.password_hash is not None,
        allow_download=share.allow_download,
        keep_metadata=share.keep_metadata,
        live=share.live,
        revoked=share.revoked,
        expired=shares.has_expired(share),
        views=share.views,
        downloads=share.downloads,
        last_viewed_at=share.last_viewed_at,
        mail_state=share.mail_state,
        mail_error=share.mail_error,
    )


@router.post("/albums/{id}/share", status_code=201, operation_id="createShares")
def create_shares(
    services: ServicesDep,
    workflow: WorkflowDep,
    user: OwnerDep,
    album: AlbumDep,
    body: NewShares,
    key: Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,255}$")] = None,
) -> SharesMade:
    """Make a share for each recipient and mail them their links.

    A request with an ``Idempotency-Key`` may be sent again if its answer was lost: the shares that
    it made are the answer, and no mail is sent twice. 422: the key came with another request.
    """
    made = shares.create_shares(
        services,
        workflow,
        album,
        user.email or user.id,
        [shares.Recipient(one.email, one.clusters) for one in body.recipients],
        shares.ShareOptions(
            filters=body.filters,
            expires_at=body.expires_at,
            password=body.password,
            live=body.live,
            allow_download=body.allow_download,
            keep_metadata=body.keep_metadata,
            send_mail=body.send_mail,
        ),
        None if key is None else Once(key, body.model_dump_json()),
    )
    return SharesMade(shares=tuple(_view(services, share) for share in made))


@router.post("/albums/{id}/share/preview", operation_id="previewShare")
def preview_share(services: ServicesDep, album: AlbumDep, body: PreviewRequest) -> SharePreview:
    """What a share would hold, without making it."""
    found = shares.preview(services, album, body.clusters, body.filters)
    seconds = services.settings.view_url_seconds
    sample = []
    for photo in found.sample:
        key = keys.thumbnail(album.user_id, album.id, photo.id)
        url = services.signer.sign_get(key, seconds=seconds).url
        sample.append(PreviewPhoto(id=photo.id, thumbnail_url=url))
    return SharePreview(count=found.count, sample=tuple(sample))


@router.get("/albums/{id}/shares", operation_id="listShares")
def list_shares(
    services: ServicesDep,
    album: AlbumDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> SharePage:
    """The shares of an album, revoked ones too."""
    found, following = shares.list_shares(services, album, limit=limit, cursor=cursor)
    return SharePage(shares=tuple(_view(services, share) for share in found), cursor=following)


@router.patch("/shares/{id}", operation_id="changeShare")
def change_share(
    services: ServicesDep,
    user: UserDep,
    id: IdPath,  # noqa: A002
    body: ShareChange,
) -> ShareView:
    """Change a share. Unless it is live, its photos are chosen anew if people or filters change."""
    share, album = shares.owned_share(services, user.id, id)
    values = {name: getattr(body, name) for name in body.model_fields_set}
    given = {
        name: value
        for name, value in values.items()
        if value is not None or name in ("expires_at", "password")
    }
    changes = shares.ShareChanges(given=frozenset(given), **given)
    return _view(services, shares.change_share(services, album, share, changes))


@router.delete("/shares/{id}", status_code=204, operation_id="revokeShare")
def revoke_share(services: ServicesDep, user: UserDep, id: IdPath) -> None:  # noqa: A002
    """Revoke a share: its link, archive and copies end at once."""
    share, album = shares.owned_share(services, user.id, id)
    shares.revoke_share(services, album, share)


@router.post("/shares/{id}/resend", status_code=202, operation_id="resendShare")
def resend_share(
    services: ServicesDep,
    workflow: WorkflowDep,
    user: UserDep,
    id: IdPath,  # noqa: A002
) -> ShareView:
    """Mail the link once more, after a bounce say."""
    share, _ = shares.owned_share(services, user.id, id)
    return _view(services, notify.send_again(services, workflow, share))
