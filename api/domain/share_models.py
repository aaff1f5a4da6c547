"""Records of sharing."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from api.domain.models import Record
from api.repositories.table import Key

ClusterId = Annotated[str, Field(max_length=64)]


class MailState(StrEnum):
    """What became of the mail with the link."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """It could not be handed over so far. Its job tries again for a while; then people can."""
    BOUNCED = "bounced"
    """Refused for good: the address is wrong."""
    NONE = "none"
    """The owner wanted none."""


class ShareFilters(BaseModel):
    """Which photos of the chosen people a recipient gets; see `sharing.selection`."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )

    taken_from: date | None = None
    """Inclusive, by the camera's calendar; photos of no known time are left out."""
    taken_to: date | None = None
    """Inclusive."""
    min_pixels: int | None = Field(None, ge=1)
    """Least width times height."""
    min_face_pixels: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Least of the shorter side of a face for its person to count as appearing."""
    min_sharpness: float | None = Field(None, ge=0, allow_inf_nan=False)
    no_duplicates: bool = True
    """Of photos that are duplicates of each other, only one."""
    only_appearing: bool = True
    """Only photos where a chosen person appears; False: the whole album."""
    only_with: bool = False
    """Only photos where every named person is among the chosen."""
    all_of: bool = False
    """Only photos with all of the chosen people, not any of them."""
    exclude_clusters: tuple[ClusterId, ...] = Field((), max_length=1000)
    """No photo with one of these people."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.taken_from and self.taken_to and self.taken_from > self.taken_to:
            raise ValueError("takenFrom is after takenTo")
        return self


class Share(Record):
    """What one recipient may see. Knowing its ``id``, which is in the link, is the permission:
    it is 128 random bits, written as ULIDs are."""

    prefix = "SHARE#"

    id: str
    album_id: str
    user_id: str
    created_at: str
    email: str
    sender: str = ""
    """How the owner is called in the mail and on the recipient's page."""
    clusters: tuple[str, ...]
    filters: ShareFilters = ShareFilters()
    expires_at_iso: str | None = None
    secret: str
    """Signs what its recipient is given; changes with the password, so that old tokens end."""
    password_hash: str | None = None
    wrong_tries: int = 0
    """Passwords tried since the last right one."""
    locked_until: str | None = None
    """Until when no password is tried, ISO 8601 UTC."""
    allow_download: bool = True
    keep_metadata: bool = False
    """Leave place and other metadata in downloads."""
    live: bool = False
    """Do photos that come later join? If not, the photos are those of its making, which are kept
    as an object, see `objects.keys.share_contents`."""
    views: int = 0
    downloads: int = 0
    last_viewed_at: str | None = None
    revoked: bool = False
    mail_state: MailState = MailState.PENDING
    mail_error: str | None = None
    request: str | None = None
    """Signature of the request that made it, if that had an idempotency key; see `sharing.once`."""
    mail_round: int = 0
    """How often its link was sent on purpose; each round is a message of its own."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id)

    @staticmethod
    def key_of(album_id: str, share_id: str) -> Key:
        """Key of a share."""
        return Key(f"ALBUM#{album_id}", f"SHARE#{share_id}")

    def index_attributes(self) -> dict[str, str]:
        # GSI2 lists the shares whose mail is due, so that a crash forgets none.
        due = {"gsi2pk": "SHARE#MAIL", "gsi2sk": self.created_at}
        by_id = {"gsi1pk": f"SHARE#{self.id}", "gsi1sk": self.id}
        return by_id | due if self.mail_state is MailState.PENDING else by_id


class Archive(Record):
    """The ZIP of a share."""

    prefix = "ARCHIVE#"

    share_id: str
    album_id: str
    user_id: str
    fingerprint: str | None = None
    """Of the contents and names that it was built of; None before it is built."""
    sha256: str | None = None
    """Of the whole ZIP; its strong entity tag, too."""
    size: int = 0
    photos: int = 0
    built_at: str | None = None
    upload_id: str | None = None
    """Of the multipart upload that a build in progress writes."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.share_id)

    @staticmethod
    def key_of(album_id: str, share_id: str) -> Key:
        """Key of a share's archive."""
        return Key(f"ALBUM#{album_id}", f"ARCHIVE#{share_id}")
