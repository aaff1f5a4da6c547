"""Shapes of shares, for owners and for recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.domain.share_models import ClusterId, MailState, ShareFilters
from api.routers.schemas.base import RequestBody, Schema
from api.sharing.archive import ArchiveState

Password = Annotated[str, Field(min_length=4, max_length=256)]
Clusters = Annotated[tuple[ClusterId, ...], Field(max_length=1000)]


class NewRecipient(RequestBody):
    """Somebody who gets a share."""

    email: str = Field(max_length=320, json_schema_extra={"format": "email"})
    clusters: Clusters = ()
    """The people whose photos they get; none only if ``filters.onlyAppearing`` is false."""


class NewShares(RequestBody):
    """A share for each of the recipients."""

    recipients: tuple[NewRecipient, ...] = Field(min_length=1, max_length=99)
    filters: ShareFilters = ShareFilters()
    expires_at: datetime | None = None
    """Without a zone: UTC."""
    password: Password | None = None
    live: bool = False
    """Photos that come later join by themselves."""
    allow_download: bool = True
    keep_metadata: bool = False
    """Leave place, time and other metadata in downloads."""
    send_mail: bool = True


class ShareChange(RequestBody):
    """What to change of a share; what is absent stays; ``expiresAt`` or ``password`` null ends
    the expiry or takes the password away."""

    clusters: Clusters | None = None
    filters: ShareFilters | None = None
    expires_at: datetime | None = None
    password: Password | None = None
    live: bool | None = None
    allow_download: bool | None = None
    keep_metadata: bool | None = None


class ShareView(Schema):
    """A share, for its owner."""

    id: str
    album_id: str
    link: str
    email: str
    clusters: tuple[str, ...]
    filters: ShareFilters
    created_at: str
    expires_at: str | None
    has_password: bool
    allow_download: bool
    keep_metadata: bool
    live: bool
    revoked: bool
    expired: bool
    views: int
    downloads: int
    last_viewed_at: str | None
    mail_state: MailState
    mail_error: str | None


class SharesMade(Schema):
    """The shares of a request, in the order of its recipients."""

    shares: tuple[ShareView, ...]


class SharePage(Schema):
    """Part of a list of shares."""

    shares: tuple[ShareView, ...]
    cursor: str | None


class PreviewRequest(RequestBody):
    """What to try out."""

    clusters: Clusters = ()
    filters: ShareFilters = ShareFilters()


class PreviewPhoto(Schema):
    """A photo of a preview."""

    id: str
    thumbnail_url: str


class SharePreview(Schema):
    """How many photos a share would hold, and some of them."""

    count: int
    sample: tuple[PreviewPhoto, ...]


class SharedPhoto(Schema):
    """A photo, for a recipient. The URLs end after some time: ask for the page again."""

    id: str
    filename: str
    width: int | None
    height: int | None
    taken_at: str | None
    blur: str | None
    thumbnail_url: str
    view_url: str
    download_url: str | None
    """None: the owner allows no downloads, or the original is not kept."""


class SharedPerson(Schema):
    """A person that the share is about."""

    label: str | None
    cover_url: str | None
    """Of a face in a photo of the share; None: there is none."""


class SharedAlbum(Schema):
    """What a recipient sees, and part of its photos."""

    id: str
    album_name: str
    sender: str
    created_at: str
    expires_at: str | None
    live: bool
    allow_download: bool
    people: tuple[SharedPerson, ...]
    count: int
    photos: tuple[SharedPhoto, ...]
    cursor: str | None


class UnlockRequest(RequestBody):
    """The password of a share."""

    password: str = Field(max_length=1024)


class Unlocked(Schema):
    """A token for the header ``X-Share-Token``; browsers get it as a cookie, too."""

    token: str
    expires_in: int
    """Seconds."""


class ArchiveView(Schema):
    """How the ZIP of a share stands; ``progress`` from 0 to 1."""

    state: ArchiveState
    progress: float
    photos: int
    size: int | None
    sha256: str | None
    error: str | None
    url: str
    """Where it is downloaded once it is ready."""
