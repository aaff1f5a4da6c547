"""Albums: make, change, and take away with everything in them."""

from __future__ import annotations

from dataclasses import replace

from api.domain import quota
from api.domain.models import Album, JobKind
from api.errors import NotFound
from api.ids import new_id, now
from api.objects import keys
from api.repositories.table import PRESENT, ConditionFailed
from api.services import Services
from api.sharing.notify import forget_shares
from api.workflow.context import JobContext
from api.workflow.workflow import Workflow


def create(
    services: Services, user_id: str, name: str, *, keep_originals: bool, linked: bool
) -> Album:
    """A new, empty album."""
    album = Album(
        id=new_id(),
        user_id=user_id,
        name=name,
        created_at=now(),
        keep_originals=keep_originals,
        linked=linked,
    )
    services.albums.create(album)
    return album


def change(
    services: Services,
    workflow: Workflow,
    album: Album,
    *,
    name: str | None,
    keep_originals: bool | None,
    linked: bool | None,
) -> Album:
    """Change what is given; originals that are not to be kept go in the background.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    wanted = {"name": name, "keep_originals": keep_originals, "linked": linked}
    changes = {key: value for key, value in wanted.items() if value is not None}
    write, changed = services.albums.change(album, PRESENT, **changes)
    try:
        services.table.write(replace(write, add={"version": 1}))
    except ConditionFailed as error:
        raise NotFound("there is no such album") from error
    if album.keep_originals and not changed.keep_originals:
        workflow.start(JobKind.PURGE, album.user_id, album.id)
    return changed.model_copy(update={"version": album.version + 1})


def delete(services: Services, workflow: Workflow, album: Album) -> None:
    """Take the album away: at once from sight, its rows and objects in the background."""
    # The job first: after a crash between the two it removes the row itself.
    workflow.start(JobKind.DELETE_ALBUM, album.user_id, "", album.id)
    services.albums.delete([album.key()])


def delete_everything(context: JobContext) -> None:
    """The job of an album's deletion; may be repeated."""
    services, job = context.services, context.job
    album_id = job.subject
    services.albums.delete([Album.key_of(job.user_id, album_id)])
    # A job that is going could write to the album after it has been emptied.
    context.workflow.cancel(album_id)
    forget_shares(services, album_id)
    # Rows before objects: an upload that comes in now sees that it is not wanted.
    services.table.delete_partition(f"ALBUM#{album_id}")
    services.objects.delete_prefix(keys.album_prefix(job.user_id, album_id))
    quota.release_album(services, job.user_id, album_id)
