"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real photos kept beside the checkout; a test that needs them skips without."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the research photos in ../shared/data, which are not on this machine")
    return SHARED_DATA
