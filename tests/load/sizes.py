"""What an album of some size costs: to open it, to look at its people, to correct them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from api.home import open_services
from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from tests.load.application import USER, Running, application
from tests.load.seed import Seeded, seed

_REPEATS = 40
_EDITS = 12


@dataclass(frozen=True)
class Spread:
    """Milliseconds of repeated calls."""

    median: float
    p95: float
    longest: float


@dataclass(frozen=True)
class Sized:
    """An album and what it costs.

    first: milliseconds of the first look, by a process that has just started.
    spreads: by name: a page of photos, of people, and so on.
    rss_mib: of the application afterwards.
    """

    album: Seeded
    first: float
    spreads: dict[str, Spread]
    rss_mib: float


def fill(data: Path, photos: int, people: int) -> Seeded:
    """A folder of the application with an album of this size."""
    services = open_services(Settings(data=data))
    try:
        return seed(services, photos=photos, people=people, user=USER)
    finally:
        assert isinstance(services.table, SqliteTable)
        services.table.close()


def measure(album: Seeded, data: Path) -> Sized:
    """Ask for each thing many times, one after the other."""
    with application(data) as running:
        started = time.perf_counter()
        look = _Look(running, album.album_id)
        look.people()
        first = (time.perf_counter() - started) * 1000
        spreads = {
            "page of 200 photos": _spread(look.photos, _REPEATS),
            "page of 500 people": _spread(look.people, _REPEATS),
            "a person": _spread(look.person, _REPEATS),
            "suggestions": _spread(look.suggestions, _EDITS),
            "name a person, see it": _spread(look.label, _EDITS),
            "merge two, see it": _spread(look.merge, _EDITS),
            "undo a merge, see it": _spread(look.undo, _EDITS),
        }
        return Sized(album, first, spreads, running.rss_mib())


def _spread(action: Callable[[], object], times: int) -> Spread:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append((time.perf_counter() - started) * 1000)
    return Spread(
        float(np.median(taken)), float(np.percentile(taken, 95, method="higher")), max(taken)
    )


class _Look:
    """One person's client."""

    def __init__(self, running: Running, album_id: str) -> None:
        self._client: httpx2.Client = running.client
        self._base = f"/albums/{album_id}"
        self._cursor: str | None = None
        self._known = self.people()["clusters"]
        self._named = 0
        self._merged: list[str] = []

    def photos(self) -> None:
        params = {"limit": "200"} | ({"cursor": self._cursor} if self._cursor else {})
        self._cursor = self._get("/photos", params)["cursor"]

    def people(self) -> Any:
        return self._get("/clusters", {"limit": "500", "faces": "0"})

    def person(self) -> None:
        self._get(f"/clusters/{self._known[0]['id']}", {})

    def suggestions(self) -> None:
        self._get("/suggestions", {"limit": "20"})

    def label(self) -> None:
        """Name somebody, and read the list of people until the name is there."""
        self._named += 1
        person, name = self._known[-self._named]["id"], f"Name {self._named}"
        self._post(f"/clusters/{person}/label", {"name": name})
        while not any(p["id"] == person and p["label"] == name for p in self.people()["clusters"]):
            pass

    def merge(self) -> None:
        """Merge two, and read the list until the second is not in it."""
        first = self._known[2 * len(self._merged)]["id"]
        second = self._known[2 * len(self._merged) + 1]["id"]
        done = self._post("/clusters/merge", {"clusters": [first, second]})
        self._merged.append(done["decision"])
        while any(person["id"] == second for person in self.people()["clusters"]):
            pass

    def undo(self) -> None:
        """Take the last merge back, and read the list until there is one person more."""
        before = self.people()["total"]
        self._post(f"/decisions/{self._merged.pop()}/undo", None)
        while self.people()["total"] == before:
            pass

    def _get(self, path: str, params: dict[str, str]) -> Any:
        answer = self._client.get(self._base + path, params=params)
        answer.raise_for_status()
        return answer.json()

    def _post(self, path: str, body: dict[str, Any] | None) -> Any:
        answer = self._client.post(self._base + path, json=body)
        answer.raise_for_status()
        return answer.json()
