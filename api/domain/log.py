"""Reading an album's log, and the people at a point of it from the nearest point that is known."""

from __future__ import annotations

from api.domain import snapshots
from api.domain.models import Album, Decision, DecisionKind, Ledger
from api.domain.projection import LoadRun, advance, project
from api.domain.runs import MachineRun
from api.domain.state import People
from api.objects import keys
from api.objects.store import ObjectMissing
from api.services import Services


def read_log(services: Services, album: Album) -> list[Decision]:
    """The whole log, oldest entry first."""
    return list(services.decisions.all(f"ALBUM#{album.id}"))


def people_at_head(services: Services, album: Album, ledger: Ledger) -> People:
    """The people after the last entry, remembered from now on."""
    remembered = services.memory.of(album.id)
    load = loader(services, album)
    people = remembered.at(ledger.head)
    if people is not None:
        return people
    bases = remembered.newest_first()
    if ledger.snapshot is not None:
        snapshot = _read_snapshot(services, album, ledger.snapshot)
        bases += [] if snapshot is None else [snapshot]
    for base in bases:
        people = advance(base, _tail(services, album, base.head), load)
        if people is not None and people.head == ledger.head:
            remembered.add(base)
            break
    else:
        people = project(read_log(services, album), load)
    remembered.add(people)
    return people


def people_before(services: Services, album: Album, head: str | None) -> People:
    """The people as they were after an earlier entry; None: before the first."""
    known = services.memory.of(album.id).at(head)
    if known is not None:
        return known
    if head is None:
        return People.nobody()
    log = [entry for entry in read_log(services, album) if entry.id <= head]
    return project(log, loader(services, album))


def people_with(services: Services, album: Album, before: People, entry: Decision) -> People:
    """The people after one more entry, which is not in the log yet."""
    load = loader(services, album)
    if entry.kind != DecisionKind.UNDO:
        people = advance(before, [entry], load)
        if people is not None:
            return people
    # What was remembered before the entry that is taken back is a shorter way than the beginning.
    log = read_log(services, album)
    for base in services.memory.of(album.id).newest_first():
        tail = [past for past in log if base.head is None or past.id > base.head]
        people = advance(base, [*tail, entry], load)
        if people is not None:
            return people
    return project([*log, entry], load)


def _tail(services: Services, album: Album, after: str | None) -> list[Decision]:
    """The entries after one, oldest first."""
    tail: list[Decision] = []
    cursor: str | None = None
    while True:
        page = services.decisions.page(f"ALBUM#{album.id}", cursor=cursor, descending=True)
        for entry in page.records:
            if after is not None and entry.id <= after:
                return tail[::-1]
            tail.append(entry)
        if (cursor := page.cursor) is None:
            return tail[::-1]


def loader(services: Services, album: Album) -> LoadRun:
    """Reads the runs that entries refer to."""

    def load(entry_id: str) -> MachineRun:
        key = keys.run(album.user_id, album.id, entry_id)
        return MachineRun.from_bytes(services.objects.get(key))

    return load


def _read_snapshot(services: Services, album: Album, entry_id: str) -> People | None:
    try:
        data = services.objects.get(keys.snapshot(album.user_id, album.id, entry_id))
    except ObjectMissing:
        return None
    return snapshots.from_bytes(data)
