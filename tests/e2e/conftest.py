"""A real server process over an empty folder, a real Chromium, and an album of fictional people."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from faceflow_ml.data.synth.album import AlbumSpec, AlbumTruth, write_album

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "frontend" / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP = (1280, 860)
PHONE = (390, 844)


@dataclass(frozen=True)
class Album:
    """Photos in a folder, and who is in them."""

    folder: Path
    truth: AlbumTruth

    @property
    def readable(self) -> list[Path]:
        """The photos that can be read."""
        return [self.folder / photo.path for photo in self.truth.photos]

    @property
    def files(self) -> list[Path]:
        """Every photo that may be uploaded: those that are no photos too, but not empty files."""
        broken = [self.folder / name for name in self.truth.broken]
        return self.readable + [path for path in broken if path.stat().st_size > 0]


@dataclass
class Visitor:
    """A page, and what the browser complained about on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def web_build() -> Path:
    folder = WEB / "out"
    if not (folder / "index.html").is_file() or not AXE.is_file():
        pytest.skip("needs the built web client: make web")
    return folder


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    folder = tmp_path_factory.mktemp("album") / "photos"
    spec = AlbumSpec(
        people=5,
        photos=24,
        seed=7,
        faces_per_photo=(1, 3),
        duplicates=1,
        near_duplicates=1,
        broken=2,
    )
    return Album(folder, write_album(folder, spec))


@pytest.fixture
def server(web_build: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a server process whose folder is empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FACEFLOW_")}
    environment |= {"APP_ENV": "local", "FACEFLOW_WEB": str(web_build)}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "--port", str(port), "--data", str(tmp_path / "data")],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server does not answer: {log.read_text()}")


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Opens pages, each of a browser that knows nothing of the others."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def open_page(size: tuple[int, int] = DESKTOP, theme: str = "light") -> Visitor:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            has_touch=size == PHONE,
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        visitor = Visitor(context.new_page())
        visitors.append(visitor)

        def note(message: ConsoleMessage) -> None:
            # A refused request is for the page to show; all else is a defect, CSP violations too.
            if message.type == "error" and "Failed to load resource" not in message.text:
                visitor.complaints.append(message.text)

        visitor.page.on("console", note)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        return visitor

    yield open_page
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for context in contexts:
        context.close()
    assert complaints == []
