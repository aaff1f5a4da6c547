"""Erasing an account: every row and object of a user, with shares, mails and published corrections.

The account is closed first, so that nothing new comes; then its jobs are ended, its rows removed,
then its objects: whoever still writes an object finds that its row is gone and removes it again.
Then the account that its owner signs in with goes, where that is ours to remove.
What is needed to go on after a crash goes last, in one transaction with the receipt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from api.domain.models import Album, Cluster, Face, Job, JobKind, Photo, Record
from api.domain.receipts import Erased, Receipt
from api.domain.share_models import Share
from api.errors import Conflict
from api.ids import is_id, now
from api.objects import keys
from api.objects.store import ObjectInfo
from api.published import pseudonyms
from api.repositories.records import Repository
from api.repositories.table import PRESENT, Check, ConditionFailed, Delete, Index, Key, Put
from api.services import Services
from api.sharing.notify import forget_shares
from api.workflow.context import JobContext, RetryLater
from api.workflow.slots import Slot
from api.workflow.workflow import Workflow

_SWEEPS = 20
_PAUSE_SECONDS = 0.2


class Closed(Record):
    """Marks an account that is being erased."""

    prefix = "CLOSED"

    user_id: str
    receipt_id: str

    def key(self) -> Key:
        return self.key_of(self.user_id)

    @staticmethod
    def key_of(user_id: str) -> Key:
        """Key of the mark."""
        return Key(f"USER#{user_id}", "CLOSED")


def check_open(services: Services, user_id: str) -> None:
    """Refuse work for an account that is being erased.

    Raises:
        Conflict: it is.
    """
    if services.table.get(Closed.key_of(user_id)) is not None:
        raise Conflict("the account is being erased")


def request(services: Services, workflow: Workflow, user_id: str) -> Job:
    """Close the account and begin to erase it, or join the job that does."""
    job = workflow.start(JobKind.ERASE, user_id, "")
    # The job closes the account too, but perhaps not at once.
    with suppress(ConditionFailed):
        _close(services, job)
    return job


def erase(context: JobContext) -> None:
    """The handler of the job; may be repeated after a crash at any moment.

    Raises:
        RetryLater: something still writes to the account.
    """
    services, job = context.services, context.job
    _close(services, job)
    receipt = _begin_receipt(services, job)
    kept = {job.key(), Slot.of(job), Closed.key_of(job.user_id)}
    context.workflow.cancel("", job.user_id, but=job.id)
    clean = 0
    for sweep in range(_SWEEPS):
        context.progress(min(sweep, 1), 2, "erasing")
        # Requests that began before the account was closed may have written meanwhile.
        clean = 0 if _sweep(context, kept) else clean + 1
        if clean == 2:
            break
        time.sleep(_PAUSE_SECONDS if sweep else 0)
    else:
        raise RetryLater("something still writes to the account")
    if services.accounts is not None:
        services.accounts.remove(job.user_id)
    services.memory.clear()
    done = receipt.signed(services.keyring, now())
    services.table.transact(
        [Put(done.key(), done.to_item()), *(Delete(key) for key in sorted(kept))]
    )


def _close(services: Services, job: Job) -> None:
    """Close the account, as long as the job is there: after its end nobody would open it again."""
    mark = Closed(user_id=job.user_id, receipt_id=job.id)
    services.table.transact([Put(mark.key(), mark.to_item()), Check(job.key(), PRESENT)])


def _begin_receipt(services: Services, job: Job) -> Receipt:
    """The receipt with what there is before anything is removed; the same after a crash."""
    receipts = Repository(services.table, Receipt)
    found = receipts.get(Receipt.key_of(job.id))
    if found is not None:
        return found
    # Of erasings that were given up after failures: this one takes their place.
    given_up = [row.id for row in services.jobs.all(f"USER#{job.user_id}") if row.id != job.id]
    receipts.delete(map(Receipt.key_of, given_up))
    receipt = Receipt(id=job.id, requested_at=job.created_at, erased=_count(services, job.user_id))
    receipts.save(receipt)
    return receipt


def _sweep(context: JobContext, kept: set[Key]) -> int:
    """Remove what there is but for ``kept``, and return how much it was."""
    services, user_id = context.services, context.job.user_id
    removed = 0
    for album_id in albums_of(services, user_id):
        services.albums.delete([Album.key_of(user_id, album_id)])
        context.workflow.cancel(album_id)
        removed += forget_shares(services, album_id)
        removed += services.table.delete_partition(f"ALBUM#{album_id}")
        context.checkpoint()
    account = [Key(f"USER#{user_id}", sk) for sk in services.table.sort_keys(f"USER#{user_id}")]
    rows = [key for key in account if key not in kept]
    services.table.write_many([Delete(key) for key in rows])
    removed += services.objects.delete_prefix(keys.user_prefix(user_id))
    if services.published is not None:
        removed += services.published.remove(pseudonyms(services.keyring, user_id))
    return removed + len(rows)


def albums_of(services: Services, user_id: str) -> list[str]:
    """Ids of all albums of which anything is left, also of those that are going away."""
    found = {album.id for album in services.albums.all(f"USER#{user_id}")}
    found |= {
        job.subject
        for job in services.jobs.all(f"USER#{user_id}")
        if job.kind is JobKind.DELETE_ALBUM
    }
    found |= {
        photo.album_id for photo in services.photos.index_all(Index.GSI2, f"USER#{user_id}#PHOTO")
    }
    prefix = keys.user_prefix(user_id)
    for info in services.objects.list_objects(prefix):
        found.add(info.key.removeprefix(prefix).partition("/")[0])
    return sorted(album_id for album_id in found if is_id(album_id))


def _objects(services: Services, user_id: str) -> Iterator[ObjectInfo]:
    yield from services.objects.list_objects(keys.user_prefix(user_id))
    if services.published is not None:
        yield from services.published.archives(pseudonyms(services.keyring, user_id))


def _count(services: Services, user_id: str) -> Erased:
    albums = albums_of(services, user_id)
    kinds: dict[str, int] = dict.fromkeys(
        (kind.prefix for kind in (Photo, Face, Cluster, Share)), 0
    )
    rows = sum(1 for _ in services.table.sort_keys(f"USER#{user_id}"))
    for album_id in albums:
        for sk in services.table.sort_keys(f"ALBUM#{album_id}"):
            rows += 1
            prefix = f"{sk.partition('#')[0]}#"
            if prefix in kinds:
                kinds[prefix] += 1
    objects = size = 0
    for info in _objects(services, user_id):
        objects, size = objects + 1, size + info.size
    return Erased(
        albums=len(albums),
        photos=kinds[Photo.prefix],
        faces=kinds[Face.prefix],
        clusters=kinds[Cluster.prefix],
        shares=kinds[Share.prefix],
        rows=rows,
        objects=objects,
        bytes=size,
    )
