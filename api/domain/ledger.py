"""The log of an album's decisions, and the rows that follow it.

Appending an entry and, if they fit in one transaction, writing the rows it changes is one step.
Otherwise the entry comes first and the rows follow; the ledger says how far they are, so that
whoever comes after a crash finishes the work. Entries have one order: each is appended to the head
that its writer has seen, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from api import events
from api.domain import snapshots
from api.domain.decisions import Entry, decision_of, standing
from api.domain.log import loader, people_at_head, people_before, people_with, read_log
from api.domain.models import Album, Decision, Face, Ledger
from api.domain.projection import project
from api.domain.rows import (
    Difference,
    RowWrite,
    counts_write,
    difference,
    row_writes,
)
from api.domain.runs import MachineRun
from api.domain.state import People
from api.errors import Conflict, NotFound
from api.ids import next_id, now
from api.objects import keys
from api.repositories.records import Repository
from api.repositories.table import (
    ABSENT,
    PRESENT,
    TRANSACTION_LIMIT,
    Check,
    ConditionFailed,
    Delete,
    Expect,
    Update,
    Write,
)
from api.services import Services

_ATTEMPTS = 16
_WRITERS = 16
_CHUNK = TRANSACTION_LIMIT - 1  # the rest is the ledger's


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an entry did."""

    entry: Decision
    before: People
    people: People
    """After it."""
    changes: Difference


def ledger_of(services: Services, album: Album) -> Ledger:
    """The album's ledger, which begins empty."""
    found = Repository(services.table, Ledger).get(Ledger.key_of(album.id))
    return found or Ledger(album_id=album.id, user_id=album.user_id)


def people_of(services: Services, album: Album) -> People:
    """The people as of the last entry; finishes what a crash has left undone.

    While another thread of this process is writing rows, they are not waited for.
    """
    remembered = services.memory.of(album.id)
    ledger = ledger_of(services, album)
    people = remembered.at(ledger.head)
    if people is not None and ledger.projected == ledger.head:
        return people
    if people is not None and not remembered.lock.acquire(blocking=False):
        return people
    try:
        with remembered.lock:
            return _caught_up(services, album)[1]
    finally:
        if people is not None:
            remembered.lock.release()


def append(services: Services, album: Album, decide: Callable[[People], Entry]) -> Outcome:
    """Append an entry and bring the rows up to it.

    Args:
        decide: checks a decision against the people and gives its entry; called again if
            somebody else appends meanwhile.

    Raises:
        NotFound: the album is gone.
        Conflict: others append all the time.
    """
    return _append(services, album, lambda people, _: decide(people))


def append_run(
    services: Services, album: Album, seen: People, run: MachineRun, payload: Entry, *, full: bool
) -> Outcome | None:
    """Append a clustering run that was computed for the people ``seen``.

    What people decided meanwhile holds against it. None, and nothing is written, if faces came or
    went meanwhile: then it has to be computed again.
    """
    written: list[str] = []

    def decide(people: People, entry_id: str) -> Entry:
        if people.table is not seen.table and len(people.table) != len(seen.table):
            raise _Outdated
        key = keys.run(album.user_id, album.id, entry_id)
        services.objects.put(key, run.to_bytes(), "application/octet-stream")
        written.append(key)
        return payload

    try:
        outcome = _append(services, album, decide)
    except _Outdated:
        services.objects.delete(written)
        return None
    services.objects.delete(written[:-1])
    _keep_snapshot(services, album, outcome, full=full)
    return outcome


class _Outdated(Exception):
    """A run was computed for other faces."""


def _append(services: Services, album: Album, decide: Callable[[People, str], Entry]) -> Outcome:
    remembered = services.memory.of(album.id)
    with remembered.lock:
        for _ in range(_ATTEMPTS):
            ledger, before = _caught_up(services, album)
            entry_id = next_id(ledger.head)
            payload = decide(before, entry_id)
            entry = decision_of(
                payload,
                decision_id=entry_id,
                album_id=album.id,
                user_id=album.user_id,
                created_at=now(),
            )
            after = people_with(services, album, before, entry)
            outcome = Outcome(entry, before, after, difference(before, after))
            try:
                _commit(services, album, ledger, before, outcome)
            except ConditionFailed as error:
                if error.key == album.key():
                    raise NotFound("there is no such album") from error
                continue
            events.publish(album.id, events.Event("people", {"decision": entry.id}))
            return outcome
    raise Conflict("others are changing this album; try again")


def _commit(
    services: Services, album: Album, ledger: Ledger, before: People, outcome: Outcome
) -> None:
    """Write an entry, and its rows with it or after it.

    Raises:
        ConditionFailed: somebody was faster, or the album is gone; nothing is written.
    """
    remembered = services.memory.of(album.id)
    entry = outcome.entry
    rows = _rows(album, outcome.people, outcome.changes)
    marks = _marks(album, before, outcome.people)
    start: list[Write] = [
        services.decisions.put(entry, ABSENT),
        Update(album.key(), add={"version": 1}, expect=PRESENT),
    ]
    if len(start) + len(rows) + len(marks) <= _CHUNK:
        move = _ledger_write(ledger, head=entry.id, projected=entry.id)
        try:
            services.table.transact([*start, *rows, *marks, move])
        except ConditionFailed as error:
            if not error.key.sk.startswith(Face.prefix):
                raise
            # The row of a face that is just being removed: piece by piece it is passed over.
        else:
            remembered.add(outcome.people)
            return
    services.table.transact([*start, _ledger_write(ledger, head=entry.id)])
    # From here on the entry is what counts; the rows follow it.
    remembered.add(outcome.people)
    _project(services, ledger.projected, entry.id, [*rows, *marks], album)


def _rows(album: Album, people: People, changes: Difference) -> list[RowWrite]:
    return [*row_writes(album, people, changes), counts_write(album, people)]


def _marks(album: Album, before: People, after: People) -> list[RowWrite]:
    """The writes that show which entries are undone."""
    old, new = standing(before.undos).undone, standing(after.undos).undone
    return [
        Update(Decision.key_of(album.id, entry), {"undoneBy": new.get(entry)}, expect=PRESENT)
        for entry in sorted(old.keys() | new.keys())
        if old.get(entry) != new.get(entry)
    ]


def _ledger_write(ledger: Ledger, **changes: str) -> Update:
    expect = Expect(values={"head": ledger.head, "projected": ledger.projected})
    attributes = {"albumId": ledger.album_id, "userId": ledger.user_id, **changes}
    return Update(ledger.key(), attributes, expect=expect)


def _project(
    services: Services, projected: str | None, head: str, rows: Sequence[RowWrite], album: Album
) -> None:
    """Write rows in pieces, each only as long as nobody else has finished the same work."""
    key = Ledger.key_of(album.id)
    expect = Expect(values={"head": head, "projected": projected})
    check = Check(key, expect)
    # Neighbours together: of a large album each piece would otherwise write all over the table.
    ordered = sorted(rows, key=lambda write: write.key)
    pieces = [ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK)]
    # The table commits together what is handed over at the same time.
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="rows") as pool:
        written = [pool.submit(_write_piece, services, piece, check) for piece in pieces]
        if not all(future.result() for future in written):
            return
    with suppress(ConditionFailed):
        services.table.write(Update(key, {"projected": head}, expect=expect))


def _write_piece(services: Services, rows: Sequence[RowWrite], check: Check) -> bool:
    """False if somebody else has finished the work."""
    left = list(rows)
    while left:
        try:
            services.table.transact([*left, check])
        except ConditionFailed as error:
            if error.key == check.key:
                return False
            # The row of a face that is gone: its photo is being removed.
            left = [write for write in left if write.key != error.key]
        else:
            break
    return True


def _caught_up(services: Services, album: Album) -> tuple[Ledger, People]:
    """The ledger and the people at its head, rows written; the album's lock is held."""
    ledger = ledger_of(services, album)
    people = people_at_head(services, album, ledger)
    if ledger.projected != ledger.head and ledger.head is not None:
        before = people_before(services, album, ledger.projected)
        rows = _rows(album, people, difference(before, people))
        marks = _marks(album, before, people)
        _project(services, ledger.projected, ledger.head, [*rows, *marks], album)
        ledger = ledger_of(services, album)
    return ledger, people


def _keep_snapshot(services: Services, album: Album, outcome: Outcome, *, full: bool) -> None:
    ledger = ledger_of(services, album)
    entry_id = outcome.entry.id
    key = keys.snapshot(album.user_id, album.id, entry_id)
    services.objects.put(key, snapshots.to_bytes(outcome.people), "application/octet-stream")
    changes: dict[str, str | int] = {"snapshot": entry_id}
    if full:
        changes |= {"fullRun": entry_id, "fullFaces": len(outcome.people.table)}
    services.table.write(Update(ledger.key(), changes, expect=PRESENT))
    if ledger.snapshot is not None and ledger.snapshot != entry_id:
        services.objects.delete([keys.snapshot(album.user_id, album.id, ledger.snapshot)])


def rebuild(services: Services, album: Album) -> People:
    """Make the rows of clusters anew from the log alone."""
    with services.memory.of(album.id).lock:
        ledger, _ = _caught_up(services, album)
        people = project(read_log(services, album), loader(services, album))
        pk = f"ALBUM#{album.id}"
        shown = {people.persons[code].id for code in people.alive()}
        rows = _rows(album, people, difference(People.nobody(), people))
        rows += [Delete(row.key()) for row in services.clusters.all(pk) if row.id not in shown]
        if ledger.head is not None:
            _project(services, ledger.head, ledger.head, rows, album)
        return people
