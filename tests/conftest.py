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
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

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


def _folder(nodeid: str) -> str:
    return nodeid.split("::")[0].rpartition("/")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """In `make test`, which has a process a core, a folder's tests share one, and its fixtures."""
    from xdist.scheduler import LoadScopeScheduling

    class FolderScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _folder(nodeid)

    return FolderScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """There, the last folders go first: the longest are among them, and must not be left over."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _folder(item.nodeid), reverse=True)


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
