"""Uploads that are not complete, on every home."""

from __future__ import annotations

import pytest

from api.domain import uploads
from api.domain.models import Photo, PhotoStatus
from api.ids import new_id
from tests.api.contract.conftest import Home

ALBUM = new_id()


def _announced(number: int, *, in_parts: bool) -> Photo:
    photo_id = new_id()
    return Photo(
        id=photo_id,
        album_id=ALBUM,
        user_id="alice",
        status=PhotoStatus.UPLOADING,
        filename=f"{number}.jpg",
        content_type="image/jpeg",
        size=10,
        created_at=f"2026-01-01T00:00:{number:02d}.000000Z",
        object_key=f"tenant/alice/{ALBUM}/2026/01/01/{photo_id}.jpg",
        upload_id=f"u{number}" if in_parts else None,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_every_upload_in_parts_is_found_once(
    home: Home, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(uploads, "_LOOK", 4)
    monkeypatch.setattr(uploads, "_LOOKS", 2)
    photos = [_announced(number, in_parts=number in (0, 20, 21, 22, 29)) for number in range(30)]
    home.table.write_many([home.services.photos.put(photo) for photo in photos])
    names: list[str] = []
    cursor = None
    for _ in range(12):
        page = uploads.unfinished(home.services, ALBUM, limit=limit, cursor=cursor)
        assert len(page.records) <= limit
        names += [photo.filename for photo in page.records]
        if (cursor := page.cursor) is None:
            break
    assert cursor is None
    assert names == ["29.jpg", "22.jpg", "21.jpg", "20.jpg", "0.jpg"]
