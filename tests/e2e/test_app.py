"""The whole path through the application, as a person goes it."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import PHONE, Album, Visit
from .screens import (
    SLOW,
    asked,
    check_screen,
    choose_files,
    create_album,
    name_person,
    open_tab,
    people,
    sign_in,
    undo,
    until_sorted,
)

PASSWORD = "sesame 77 street"


def test_whole_path(server: str, visit: Visit, album: Album, tmp_path: Path) -> None:
    """Sign in, upload, watch, label, merge, split, undo, share, open signed out, erase."""
    owner = visit().page
    owner.goto(server)
    owner.wait_for_url("**/signin/**")
    expect(owner.get_by_label("Your name or e-mail address")).to_be_visible()
    check_screen(owner, "sign-in")
    sign_in(owner, server, "ada@example.org")
    check_screen(owner)
    create_album(owner, "Lake house")
    check_screen(owner)

    _upload(owner, album)
    check_screen(owner, "photos")
    _look_at_a_photo(owner)
    count = _decide(owner, album)
    _review(owner, album)
    link = _share(owner)
    _look_around_on_a_phone(server, visit, owner)

    expected = _as_recipient(visit, link, tmp_path)
    assert 0 < expected <= len(album.truth.photos)
    owner.reload()
    open_tab(owner, "Shares")
    expect(owner.get_by_text(re.compile(r"\b1 view\b"))).to_be_visible()
    assert count > 1
    _erase(owner, server, link, tmp_path)


def _upload(page: Page, album: Album) -> None:
    choose_files(page, album.files)
    expect(page.get_by_role("progressbar", name="Progress of all uploads")).to_be_visible()
    page.get_by_role("button", name="Show files").click()
    expect(page.get_by_text(album.readable[0].name).first).to_be_visible()
    page.get_by_role("button", name="Hide files").click()
    total = len(album.files)
    expect(page.get_by_text(f"{total} photos uploaded")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("progressbar", name="Progress of sorting")).to_be_visible(timeout=SLOW)
    until_sorted(page)
    expect(page.get_by_role("progressbar", name="Progress of sorting")).to_be_hidden(timeout=SLOW)
    expect(page.get_by_role("tab", name=f"Photos {total}")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Clear list").click()
    grid = page.get_by_role("list", name="Photos")
    expect(grid.locator("img").first).to_be_visible()


def _look_at_a_photo(page: Page) -> None:
    grid = page.get_by_role("list", name="Photos")
    grid.get_by_role("button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer).to_be_visible()
    second = viewer.get_attribute("aria-label")
    expect(viewer.get_by_role("button", name=re.compile("^Face of")).first).to_be_visible()
    page.wait_for_timeout(800)
    check_screen(page, "photo")
    page.keyboard.press("ArrowLeft")
    expect(viewer).not_to_have_attribute("aria-label", second or "")
    page.keyboard.press("f")
    expect(viewer.get_by_role("button", name=re.compile("^Face of"))).to_have_count(0)
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    grid.get_by_role("button").first.press("Enter")
    page.reload()
    expect(viewer).to_be_visible()
    page.go_back()
    expect(viewer).to_be_hidden()
    expect(grid.locator("img").first).to_be_visible()


def _decide(page: Page, album: Album) -> int:
    """Label, merge by selection and by dragging, split, reject and undo; how many people."""
    open_tab(page, "People")
    expect(people(page).nth(album.truth.spec.people - 2)).to_be_visible(timeout=SLOW)
    count: int = people(page).count()
    assert count >= album.truth.spec.people - 1
    name_person(page, people(page).nth(0), "Mara")
    name_person(page, people(page).nth(1), "Jonas")
    check_screen(page, "people")

    # By selection.
    for index in (0, 1):
        people(page).nth(index).hover()
        people(page).nth(index).get_by_role("checkbox").check(force=True)
    page.get_by_role("toolbar").get_by_role("button", name="Merge").click()
    expect(people(page)).to_have_count(count - 1)
    undo(page)
    expect(people(page)).to_have_count(count)
    expect(page.get_by_role("button", name="Name of Jonas")).to_be_visible()

    # By dragging.
    people(page).nth(2).get_by_role("link").drag_to(people(page).nth(0).get_by_role("link"))
    expect(people(page)).to_have_count(count - 1)
    undo(page)
    expect(people(page)).to_have_count(count)

    # Split two faces off.
    page.get_by_role("link", name=re.compile("^Mara,")).click()
    faces = page.get_by_role("list", name="Faces of this person").get_by_role("button")
    expect(faces.first).to_be_visible()
    size = faces.count()
    check_screen(page, "person")
    faces.nth(0).click()
    faces.nth(1).click()
    check_screen(page)
    page.get_by_role("button", name="Split off as a new person").click()
    expect(faces).to_have_count(size - 2)
    undo(page)
    expect(faces).to_have_count(size)

    # "Not this person", and back.
    faces.nth(0).click()
    page.get_by_role("button", name="Not this person").click()
    expect(faces).to_have_count(size - 1)
    undo(page)
    expect(faces).to_have_count(size)

    _take_back_from_history(page)

    # Hide a stranger, and show them again.
    last = people(page).last
    last.hover()
    last.get_by_role("checkbox").check(force=True)
    page.get_by_role("toolbar").get_by_role("button", name="Hide").click()
    expect(people(page)).to_have_count(count - 1)
    undo(page)
    expect(people(page)).to_have_count(count)
    return count


def _take_back_from_history(page: Page) -> None:
    """An old decision is undone out of order, and done again."""
    open_tab(page, "People")
    page.goto(page.url.split("&person=")[0])
    page.get_by_role("button", name="History").click()
    dialog = page.get_by_role("dialog")
    check_screen(page)
    dialog.get_by_role("button", name="Undo: Named Mara").click()
    again = dialog.get_by_role("button", name="Do again: Named Mara")
    expect(again).to_be_enabled()
    again.click()
    expect(dialog.get_by_role("button", name="Undo: Named Mara")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Name of Mara")).to_be_visible()


def _review(page: Page, album: Album) -> None:
    open_tab(page, "Suggestions")
    expect(page.get_by_role("tabpanel").get_by_role("heading").first).to_be_visible()
    check_screen(page)
    open_tab(page, "Duplicates")
    exact = next(one for one in album.truth.duplicates if one.kind == "exact")
    expect(page.get_by_text("Same file").first).to_be_visible()
    expect(page.get_by_text(Path(exact.drop[0]).name).first).to_be_visible()
    check_screen(page, "duplicates")
    open_tab(page, "Problems")
    expect(page.get_by_text("Photos that could not be read")).to_be_visible()
    check_screen(page)


def _share(page: Page) -> str:
    page.get_by_role("button", name="Share", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail address").fill("sam@example.org")
    dialog.get_by_role("checkbox", name="Mara").check(force=True)
    expect(dialog.get_by_text(re.compile(r"\d+ photos? to share"))).to_be_visible()
    page.wait_for_timeout(500)
    check_screen(page, "share")
    dialog.get_by_role("button", name="Link", exact=True).click()
    dialog.get_by_label("Password (optional)").fill(PASSWORD)
    check_screen(page)
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("heading", name="Shared")).to_be_visible()
    check_screen(page)
    link = page.get_by_role("dialog").get_by_role("link").get_attribute("href")
    assert link is not None
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    open_tab(page, "Shares")
    expect(page.get_by_text("Mail sent")).to_be_visible(timeout=SLOW)
    check_screen(page, "shares")
    return link


def _look_around_on_a_phone(server: str, visit: Visit, owner: Page) -> None:
    token = owner.evaluate("localStorage.getItem('faceflow.token')")
    phone = visit(size=PHONE, theme="dark").page
    phone.goto(f"{server}/signin/")
    phone.evaluate("(token) => localStorage.setItem('faceflow.token', token)", token)
    phone.goto(server)
    expect(phone.get_by_role("heading", name="Lake house")).to_be_visible()
    check_screen(phone, "phone-albums")
    phone.get_by_role("link", name=re.compile("Lake house")).click()
    expect(phone.get_by_role("list", name="Photos").locator("img").first).to_be_visible()
    check_screen(phone, "phone-photos")
    open_tab(phone, "People")
    expect(people(phone).first).to_be_visible()
    check_screen(phone, "phone-people")
    for tab in ("Suggestions", "Duplicates", "Shares", "Problems"):
        open_tab(phone, tab)
        phone.wait_for_timeout(600)
        check_screen(phone)


def _as_recipient(visit: Visit, link: str, tmp_path: Path) -> int:
    """Open the share without an account, download one photo and the ZIP; how many photos."""
    page = visit(theme="dark").page
    page.goto(link)
    expect(page.get_by_role("heading", name="This link has a password")).to_be_visible()
    check_screen(page)
    page.get_by_label("Password").fill("a guess")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("That is not the password.")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Open").click()
    grid = page.get_by_role("list", name="Photos")
    expect(grid.locator("img").first).to_be_visible()
    shown = re.search(r"(\d+) photos?", page.get_by_role("main").inner_text())
    assert shown is not None
    count = int(shown[1])
    check_screen(page, "recipient")

    grid.get_by_role("button").first.click()
    viewer = page.get_by_role("dialog")
    expect(viewer).to_be_visible()
    check_screen(page)
    with page.expect_download() as single:
        viewer.get_by_role("link", name="Download").click()
    assert single.value.path().stat().st_size > 1000
    page.keyboard.press("Escape")

    with page.expect_download(timeout=SLOW) as whole:
        page.get_by_role("button", name="Download all").click()
    target = tmp_path / "share.zip"
    whole.value.save_as(target)
    _verify_zip(target, count)
    return count


def _verify_zip(path: Path, count: int) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        sums = archive.read("SHA256SUMS").decode().splitlines()
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in sums)}
        photos = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name.lower().endswith((".jpg", ".jpeg"))
        }
    assert len(photos) == count
    assert photos.items() <= listed.items()


def _erase(page: Page, server: str, link: str, tmp_path: Path) -> None:
    page.goto(f"{server}/account/")
    expect(page.get_by_text("ada@example.org")).to_be_visible()
    check_screen(page, "account")
    with page.expect_download() as export:
        page.get_by_role("button", name="Export my data").click()
    assert "Lake house" in export.value.path().read_text(encoding="utf-8")

    page.get_by_role("button", name="Erase my account").click()
    dialog = page.get_by_role("alertdialog")
    submit = dialog.get_by_role("button", name="Erase everything")
    expect(submit).to_be_disabled()
    dialog.get_by_label("Type ERASE to confirm").fill("ERASE")
    check_screen(page)
    submit.click()
    expect(page.get_by_role("heading", name="Everything is erased")).to_be_visible(timeout=SLOW)
    check_screen(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save receipt").click()
    receipt = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert receipt["state"] == "done" and receipt["genuine"]

    share = link.partition("id=")[2]
    with pytest.raises(urllib.error.HTTPError) as gone:
        urllib.request.urlopen(f"{server}/shares/{share}")
    assert gone.value.code in (404, 410)
    left = list((tmp_path / "data" / "objects").rglob("*.jpg"))
    assert left == []


def test_upload_goes_on_after_a_reload(server: str, visit: Visit, album: Album) -> None:
    """Paused, reloaded, the same files chosen again: all arrive, none twice."""
    page = visit().page
    sign_in(page, server, "reload")
    create_album(page, "Trip")
    files = album.readable[:12]

    def refuse_uploads(route: Route) -> None:
        if route.request.method == "PUT":
            route.abort()
        else:
            route.continue_()

    page.route("**/objects/**", refuse_uploads)
    choose_files(page, files)
    expect(page.get_by_text(re.compile("0 of 12 photos uploaded"))).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.unroute("**/objects/**")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_text("12 photos were not finished")).to_be_visible()
    check_screen(page)
    choose_files(page, files)
    expect(page.get_by_text("12 photos uploaded")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("tab", name="Photos 12")).to_be_visible(timeout=SLOW)

    # The album has them, and knows their bytes once they are sorted: a hash sent ahead is enough.
    until_sorted(page)
    page.get_by_role("button", name="Clear list").click()
    choose_files(page, files[:3])
    expect(page.get_by_text("3 already in the album")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("tab", name="Photos 12")).to_be_visible()


def test_real_photos(server: str, visit: Visit, shared_data: Path) -> None:
    """A few photos of real people, of which no picture is kept here."""
    page = visit().page
    sign_in(page, server, "eve@example.org")
    create_album(page, "Found")
    files = sorted((shared_data / "album").glob("*.jpg"))[:12]
    choose_files(page, files)
    expect(page.get_by_text(f"{len(files)} photos uploaded")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("tab", name=f"Photos {len(files)}")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("progressbar", name="Progress of sorting")).to_be_hidden(timeout=SLOW)
    token = page.evaluate("localStorage.getItem('faceflow.token')")
    counts = asked(f"{server}/albums", token)["albums"][0]["counts"]
    assert counts["photos"] == len(files) and counts["failed"] == 0
    assert counts["faces"] >= len(files) // 2
    page.get_by_role("list", name="Photos").get_by_role("button").first.press("Enter")
    face = page.get_by_role("dialog").get_by_role("button", name=re.compile("^Face of"))
    expect(face.first).to_be_visible()
