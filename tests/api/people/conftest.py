from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pile import Pile, new_album, open_pile


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    """Five people in 20 photos of two, grouped."""
    from api.domain.people import refresh

    services = open_pile(tmp_path)
    made = Pile(services, new_album(services))
    made.photos(20)
    refresh(services, made.album)
    return made
