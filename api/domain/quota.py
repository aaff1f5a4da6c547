"""How much a user keeps, counted with every write that changes it, and the limits on it.

The user's total decides; what each album has of it lets an album's deletion give all of it back.
"""

from __future__ import annotations

from contextlib import suppress

from api.domain.models import Record
from api.errors import TooLarge
from api.repositories.records import Repository
from api.repositories.table import ConditionFailed, Delete, Expect, Key, Update, Write
from api.services import Services


class Usage(Record):
    """Photos and bytes of originals that were announced, of an album or, in total, of a user."""

    prefix = "USAGE#"

    user_id: str
    album_id: str = ""
    """Empty: the total."""
    photos: int = 0
    bytes: int = 0

    def key(self) -> Key:
        return self.key_of(self.user_id, self.album_id)

    @staticmethod
    def key_of(user_id: str, album_id: str = "") -> Key:
        """Key of an album's part, or of the total."""
        return Key(f"USER#{user_id}", f"USAGE#{album_id}")


def read(services: Services, user_id: str, album_id: str = "") -> Usage:
    """What a user keeps, in all or in one album."""
    found = Repository(services.table, Usage).get(Usage.key_of(user_id, album_id))
    return found or Usage(user_id=user_id, album_id=album_id)


def reserve(services: Services, user_id: str, album_id: str, size: int) -> list[Write]:
    """The writes that go with a new photo of ``size`` bytes; see `transact`."""
    settings = services.settings
    room = {"photos": settings.quota_photos - 1, "bytes": settings.quota_bytes - size}
    return _change(user_id, album_id, 1, size, Expect(at_most=room))


def release(user_id: str, album_id: str, size: int) -> list[Write]:
    """The writes that go with a photo's removal."""
    return _change(user_id, album_id, -1, -size, Expect())


def transact(services: Services, user_id: str, writes: list[Write]) -> None:
    """A transaction with the writes of `reserve` in it.

    Raises:
        TooLarge: the user keeps as much as is allowed.
        ConditionFailed: another of the items is not as expected.
    """
    try:
        services.table.transact(writes)
    except ConditionFailed as error:
        if error.key != Usage.key_of(user_id):
            raise
        usage, settings = read(services, user_id), services.settings
        raise TooLarge(
            f"you keep {usage.photos:,} photos with {usage.bytes:,} bytes; allowed are"
            f" {settings.quota_photos:,} with {settings.quota_bytes:,}",
            quotaPhotos=settings.quota_photos,
            quotaBytes=settings.quota_bytes,
        ) from error


def release_album(services: Services, user_id: str, album_id: str) -> None:
    """Give back what an album had; may be repeated."""
    while True:
        part = Repository(services.table, Usage).get(Usage.key_of(user_id, album_id))
        if part is None:
            return
        same = Expect(True, {"photos": part.photos, "bytes": part.bytes})
        add = {"photos": -part.photos, "bytes": -part.bytes}
        with suppress(ConditionFailed):
            writes: list[Write] = [
                Delete(part.key(), same),
                Update(Usage.key_of(user_id), add=add),
            ]
            services.table.transact(writes)


def _change(user_id: str, album_id: str, photos: int, size: int, expect: Expect) -> list[Write]:
    add = {"photos": photos, "bytes": size}
    return [
        Update(Usage.key_of(user_id), {"userId": user_id}, add, expect),
        Update(Usage.key_of(user_id, album_id), {"userId": user_id, "albumId": album_id}, add),
    ]
