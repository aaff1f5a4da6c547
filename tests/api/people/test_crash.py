"""A process that stops between the entry and any of the rows that follow it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from pile import Pile, new_album, open_pile

from api.domain import edits
from api.domain.ledger import ledger_of, people_of
from api.domain.memory import Memory
from api.domain.people import refresh
from api.repositories.table import Table, Write


class Killed(BaseException):
    """Like SIGKILL: nobody catches it."""


class FailingTable:
    """Stops after some writes."""

    def __init__(self, table: Table, writes: int) -> None:
        self._table = table
        self._left = writes

    def __getattr__(self, name: str) -> object:
        return getattr(self._table, name)

    def _spend(self) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1

    def transact(self, writes: Sequence[Write]) -> None:
        self._spend()
        self._table.transact(writes)

    def write(self, write: Write) -> None:
        self._spend()
        self._table.write(write)  # type: ignore[arg-type]


@pytest.fixture
def big(tmp_path: Path) -> Pile:
    services = open_pile(tmp_path)
    made = Pile(services, new_album(services), people=2)
    made.photos(130)
    refresh(services, made.album)
    return made


def test_merge_is_finished_by_whoever_comes_next(
    big: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the people who were merged were too many for one transaction.
    monkeypatch.setattr("api.domain.ledger._CHUNK", 2)
    a, b = big.of_person(0), big.of_person(1)
    before, both = big.groups(), big.groups()[a] | big.groups()[b]
    crashes = 0
    for writes in range(12):
        services = dataclasses.replace(
            big.services, table=FailingTable(big.services.table, writes), memory=Memory()
        )
        try:
            merged = edits.merge(services, big.album, [a, b]).entry.id
        except Killed:
            crashes += 1
        else:
            assert ledger_of(big.services, big.album).projected == merged
            break
        fresh = dataclasses.replace(
            big, services=dataclasses.replace(big.services, memory=Memory())
        )
        people = people_of(fresh.services, big.album)
        fresh.check_rows()
        if writes == 0:
            assert big.groups() == before
        else:
            assert big.groups() == {a: both}
            assert people.head is not None
            edits.undo(fresh.services, big.album, people.head)
            assert big.groups() == before
            fresh.check_rows()
    assert crashes >= 3


def test_refresh_goes_on_after_a_crash(tmp_path: Path) -> None:
    services = open_pile(tmp_path)
    made = Pile(services, new_album(services), people=3)
    made.photos(60)
    for writes in range(12):
        failing = dataclasses.replace(
            services, table=FailingTable(services.table, writes), memory=Memory()
        )
        try:
            refresh(failing, made.album)
        except Killed:
            continue
        break
    else:
        pytest.fail("it never came to an end")
    refresh(dataclasses.replace(services, memory=Memory()), made.album)
    made.check_rows()
    assert sorted(map(len, made.groups().values())) == sorted(
        sum(who == person for who in made.truth.values()) for person in range(3)
    )
    log = list(services.decisions.all(f"ALBUM#{made.album.id}"))
    assert [entry.kind for entry in log] == ["run"]
