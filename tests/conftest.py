"""Fixtures that many tests share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process
# that they start, which the tests of interrupting one need not to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In `make test`, which has a process a core, a folder's tests share one, and its fixtures."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real photos kept beside the checkout; a test that needs them skips without."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the research photos in ../shared/data, which are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser. Of one module, since Playwright's event loop runs in the tests' thread until
    it is closed: a second one, or a test that calls `asyncio.run`, would find it there."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # five seconds are not enough where other tests run too
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip("needs Chromium: install it, or set CHROMIUM to its executable")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
