from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from booth import Booth, VectorsOnly

from api.home import open_services
from api.repositories.sqlite_table import SqliteTable
from api.services import Services
from api.settings import Settings


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Real homes; faces and vectors are given."""
    opened = open_services(settings, VectorsOnly())  # type: ignore[arg-type]
    yield opened
    assert isinstance(opened.table, SqliteTable)
    opened.table.close()


@pytest.fixture
def booth(services: Services) -> Booth:
    """Alice's album: persons 0 and 1 alone and together, person 2 alone, and one of nobody."""
    made = Booth.open(services)
    for k, who in enumerate([(0,), (0,), (0, 1), (0, 1), (1,), (1,), (2,), (2,), (2,), ()]):
        made.photo(who, filename=f"IMG_{k}.jpg", taken_at=f"2024-05-{k + 1:02d}T10:00:00")
    made.group()
    return made
