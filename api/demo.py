"""A folder of photos as an album of the account ``demo``, for a first look."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from api.domain import albums, uploads
from api.domain.models import Album, JobKind, PhotoStatus
from api.domain.uploads import EXTENSIONS, Announcement
from api.services import Services
from api.workflow.workflow import Workflow

USER = "demo"
_NAME = "Demo"


def add_demo_album(services: Services, workflow: Workflow, folder: Path) -> Album:
    """Put the photos of ``folder`` into the album and process them; once.

    After a crash in between it goes on where it was: a photo that is there is not sent again.
    """
    found = (album for album in services.albums.all(f"USER#{USER}") if album.name == _NAME)
    album = next(found, None)
    if album is None:
        album = albums.create(services, USER, _NAME, keep_originals=True, linked=False)
    elif workflow.latest(JobKind.INGEST, album.id) is not None:
        return album
    photos = services.photos.all(f"ALBUM#{album.id}")
    there = {photo.filename for photo in photos if photo.status is not PhotoStatus.UPLOADING}
    for path in sorted(folder.iterdir()):
        content_type = mimetypes.guess_type(path.name)[0]
        if content_type not in EXTENSIONS or path.name in there:
            continue
        size = path.stat().st_size
        photo = uploads.announce(
            services, album, Announcement(path.name, content_type, size, None), multipart=False
        )
        services.objects.put_file(photo.object_key, path, content_type)
        uploads.settle(services, photo)
    workflow.start(JobKind.INGEST, USER, album.id)
    return album
