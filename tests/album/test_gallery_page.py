"""The gallery's HTML: self-contained, and safe whatever the files are called."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from faceflow_ml.album.gallery import render_page
from faceflow_ml.album.group import group_album

HOSTILE = [
    "<img src=x onerror=alert(1)>.jpg",
    "<!--<script>alert(1)<script>.jpg",
    "\"'><svg onload=alert(1)>.jpg",
    "@@JS@@ {{x}} \\u003c.jpg",
    "50% off #1?a=b&c=d;é日本\u2028.jpg",
    "javascript:alert(1).jpg",
    "a folder <" + "/script><svg onload=alert(1)>.jpg",
]


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    @property
    def data(self) -> dict:
        return json.loads(self.scripts[0])


@pytest.fixture
def hostile_page(tmp_path: Path, engine, photo_writer: Callable) -> tuple[Page, Path]:
    folder = tmp_path / "<script>alert(1)"
    folder.mkdir(parents=True)
    for k, name in enumerate(HOSTILE):
        (folder / name).parent.mkdir(exist_ok=True)
        photo_writer(tmp_path / "plain.jpg", ["ann"], k).rename(folder / name)
    (folder / "<b>broken.jpg").write_bytes(b"x")
    result = group_album(folder, tmp_path / "out", engine)
    return Page(result.index_html.read_text("utf-8")), folder


def test_names_are_data_and_never_markup(hostile_page: tuple[Page, Path]) -> None:
    page, folder = hostile_page
    assert len(page.scripts) == 2  # the data and the page's own
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "iframe", "object", "b"})
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    shown = {photo["path"] for photo in page.data["photos"]}
    assert set(HOSTILE) == shown
    assert folder.name in page.data["title"]


def test_links_lead_to_the_photos(hostile_page: tuple[Page, Path], tmp_path: Path) -> None:
    page, _ = hostile_page
    for photo in page.data["photos"]:
        for link in (photo["original"], photo["src"]):
            assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", link), link
            assert (tmp_path / "out" / unquote(link)).is_file()


def test_the_policy_allows_the_pages_own_script_and_nothing_from_elsewhere(
    hostile_page: tuple[Page, Path],
) -> None:
    page, _ = hostile_page
    policy = next(
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    for _, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert not value.startswith(("http", "//")), value


def test_data_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_page({"title": "x", "photos": [float("nan")]})


def test_formats_that_browsers_do_not_show_get_a_thumbnail(
    tmp_path: Path, engine, photo_writer: Callable
) -> None:
    folder = tmp_path / "photos"
    photo_writer(folder / "scan.tiff", ["ann"], 1)
    photo_writer(folder / "photo.jpg", ["ann"], 2)
    # The content counts, not the name.
    (folder / "really_tiff.jpg").write_bytes(
        photo_writer(tmp_path / "x.tiff", ["ann"], 3).read_bytes()
    )
    result = group_album(folder, tmp_path / "out", engine)
    data = Page(result.index_html.read_text("utf-8")).data
    photos = {photo["path"]: photo for photo in data["photos"]}
    assert photos["photo.jpg"]["src"] == photos["photo.jpg"]["full"] == "../photos/photo.jpg"
    for name in ("scan.tiff", "really_tiff.jpg"):
        assert photos[name]["full"] is None
        assert photos[name]["src"].startswith("thumbs/")
        assert (tmp_path / "out" / photos[name]["src"]).stat().st_size > 1000


def test_copies_stand_behind_the_photo_that_is_kept(album: Path, tmp_path: Path, engine) -> None:
    result = group_album(album, tmp_path / "out", engine)
    data = Page(result.index_html.read_text("utf-8")).data
    photos = {photo["path"]: photo for photo in data["photos"]}
    assert photos["trip/copy of a2.jpg"]["copy"] is True
    assert (photos["a2.jpg"]["copy"], photos["a2.jpg"]["copies"]) == (False, 1)
    assert [problem["path"] for problem in data["problems"]] == ["broken.jpg", "empty.jpg"]
    box = photos["a1.jpg"]["faces"][0]["box"]
    assert all(0 <= value <= 100 for value in box)


def test_people_stand_in_the_order_of_the_photos_that_are_shown(
    tmp_path: Path, engine, photo_writer: Callable
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        photo_writer(folder / f"bob{seed}.jpg", ["bob"], seed)
        photo_writer(folder / f"cem{seed}.jpg", ["cem"], 20 + seed)
    (folder / "cem0x.jpg").write_bytes((folder / "cem0.jpg").read_bytes())
    for seed in range(2):
        photo_writer(folder / f"ann{seed}.jpg", ["ann"], 10 + seed)
        for copy in "xy":
            (folder / f"ann{seed}{copy}.jpg").write_bytes((folder / f"ann{seed}.jpg").read_bytes())
    result = group_album(folder, tmp_path / "out", engine)
    assert [person.photos for person in result.groups.people] == [6, 4, 3]  # a file is a photo
    data = Page(result.index_html.read_text("utf-8")).data
    shown = [
        sum(
            any(face["person"] == index for face in photo["faces"])
            for photo in data["photos"]
            if not photo["copy"]
        )
        for index in range(len(data["people"]))
    ]
    assert shown == [3, 3, 2]
    # Those who are in as many photos stand in the order of their names.
    ids = [person["id"] for person in data["people"]]
    assert ids[:2] == sorted(ids[:2])
