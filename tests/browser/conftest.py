"""A real Chromium, and the gallery of an album with a bit of everything."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import pytest
from playwright.sync_api import Browser, Page

from faceflow_ml.album.group import group_album

TESTS = Path(__file__).resolve().parents[1]
DESKTOP = (1280, 800)


def toys() -> ModuleType:
    """The coloured discs of the album tests, and the engine that finds them."""
    spec = importlib.util.spec_from_file_location("album_toys", TESTS / "album" / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``index.html`` of 3 people, 1 face in no group, 2 pairs of duplicates, 2 broken files."""
    toy = toys()
    root = tmp_path_factory.mktemp("gallery")
    folder = root / "Été #1 100% & co"
    for name, people, seed in (
        ("a1.jpg", ["ann", "bob"], 1),
        ("a2.jpg", ["ann"], 2),
        ("a3.png", ["ann", "bob", "cem"], 3),
        ("day 1/a4?.jpg", ["bob", "ann"], 4),
        ("day 1/b'5\".jpg", ["bob"], 5),
        ("day 1/scan.tiff", ["cem", "dot"], 6),
        ("<img src=x onerror=alert(1)>.jpg", ["ann"], 7),
        ("<" + "/script><img src=x onerror=alert(1)>.jpg", ["ann"], 8),
    ):
        toy.write_photo(folder / name, people, seed)
    (folder / "day 1/copy.jpg").write_bytes((folder / "a2.jpg").read_bytes())
    small = cv2.resize(cv2.imread(str(folder / "a1.jpg")), None, fx=0.75, fy=0.75)
    assert cv2.imwrite(str(folder / "a1 small.jpg"), small)
    (folder / "broken <b>.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "empty.png").write_bytes(b"")
    return group_album(folder, root / "out", toy.DiscEngine()).index_html


@pytest.fixture(scope="session")
def labelled_gallery(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same album after somebody named two people."""
    toy = toys()
    root = tmp_path_factory.mktemp("labelled")
    shutil.copytree(gallery.parent, root / "out")
    folder = next(path for path in gallery.parent.parent.iterdir() if path.name != "out")
    document = json.loads((root / "out/groups.json").read_text("utf-8"))
    document["people"][0]["label"] = "Ann <i>Example</i>"
    document["people"][2]["label"] = "Cem"
    (root / "out/groups.json").write_text(json.dumps(document), "utf-8")
    return group_album(folder, root / "out", toy.DiscEngine()).index_html


@dataclass
class Visit:
    """A page, and what went wrong on it."""

    page: Page
    errors: list[str]
    requests: list[str]


@pytest.fixture
def visit(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh page; the test fails on script errors and on requests that leave the disk."""
    call = getattr(request.node, "callspec", None)
    size = call.params.get("size", DESKTOP) if call is not None else DESKTOP
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    seen = Visit(page, [], [])
    page.on("console", lambda message: seen.errors.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("dialog", lambda dialog: (seen.errors.append("dialog"), dialog.dismiss()))
    page.on("request", lambda sent: seen.requests.append(sent.url))
    yield seen
    context.close()
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
