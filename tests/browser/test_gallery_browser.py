"""The gallery in a real browser: from disk, by mouse, by keyboard, on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

PHONE = (360, 740)


def images_shown(page: Page, selector: str) -> list[bool]:
    """Whether each image of the selection was decoded; waits for lazy ones in view."""
    page.wait_for_function(
        "selector => [...document.querySelectorAll(selector)].every(image => image.complete)",
        arg=selector,
    )
    return page.eval_on_selector_all(
        selector, "images => images.map(image => image.naturalWidth > 0)"
    )


def test_people_are_cards_with_covers_and_counts(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri())
    expect(page).to_have_title("People in Été #1 100% & co")
    expect(page.get_by_role("heading", level=1)).to_have_text("People in Été #1 100% & co")
    cards = page.locator(".card")
    assert cards.all_inner_texts() == [
        "Person 1\n7 photos", "Person 2\n5 photos", "Person 3\n2 photos",
    ]  # fmt: skip
    assert images_shown(page, ".card img") == [True] * 3
    expect(page.locator(".search")).to_have_count(0)  # nobody has a name to search for


def test_a_person_shows_photos_with_boxes_on_hover_and_focus(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri())
    page.get_by_role("link", name="Person 2").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Person 2")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(5)
    assert images_shown(page, ".tile img") == [True] * 5
    first = tiles.first
    boxes = first.locator(".box")
    expect(boxes).to_have_count(2)
    expect(first.locator(".box.here")).to_have_count(1)
    expect(boxes.first).to_have_css("opacity", "0")
    first.hover()
    expect(boxes.first).to_have_css("opacity", "1")
    page.mouse.move(0, 0)
    expect(boxes.first).to_have_css("opacity", "0")
    page.keyboard.press("Tab")  # from the heading to the first photo
    expect(first).to_be_focused()
    expect(boxes.first).to_have_css("opacity", "1")
    page.go_back()
    expect(page.locator(".card")).to_have_count(3)


def test_boxes_lie_on_the_faces(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#photos")
    tile = page.get_by_role("button", name="a2.jpg, 1 face", exact=True)
    # The disc in a2.jpg, in pixels of the photo, as the engine finds it: 154..327 x 64..238.
    outer, box = tile.bounding_box(), tile.locator(".box").bounding_box()
    assert outer is not None and box is not None
    scale = outer["width"] / 480
    expected = (154 * scale, 64 * scale, 173 * scale, 174 * scale)
    found = (box["x"] - outer["x"], box["y"] - outer["y"], box["width"], box["height"])
    assert found == pytest.approx(expected, abs=1.5)


def test_everything_by_keyboard(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri())
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    cards = page.locator(".card")
    expect(cards.nth(0)).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(cards.nth(2)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=2)
    expect(heading).to_have_text("Person 1")
    expect(heading).to_be_focused()

    page.keyboard.press("Tab")
    tiles = page.locator(".tile")
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer).to_be_visible()
    position = page.locator("#position")
    expect(position).to_have_text("2 of 7")
    page.keyboard.press("ArrowRight")
    expect(position).to_have_text("3 of 7")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    expect(position).to_have_text("1 of 7")
    for _ in range(8):  # the focus stays inside, or goes to the browser's own controls
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('dialog, body').tagName") in (
            "DIALOG",
            "BODY",
        )
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("Escape")
    expect(cards.nth(0)).to_be_focused()  # back where the visit to this person began


def test_the_viewer_shows_the_photo_its_faces_and_the_way_to_the_people(
    visit, gallery: Path
) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#photos")
    page.get_by_role("button", name="a3.png, 3 faces").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator("#name")).to_have_text("a3.png")
    assert images_shown(page, ".frame img, .chips img") == [True] * 4
    expect(viewer.locator(".frame .box")).to_have_count(3)
    viewer.get_by_role("button", name="Faces").click()
    expect(viewer.locator(".frame .box").first).to_be_hidden()
    viewer.get_by_role("link", name="Person 3").click()
    expect(viewer).to_be_hidden()
    expect(page.get_by_role("heading", level=2)).to_have_text("Person 3")
    page.go_back()
    expect(page.get_by_role("heading", level=2)).to_have_text("All photos")


def test_back_closes_the_viewer(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#person/p001")
    page.locator(".tile").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", level=2)).to_have_text("Person 1")


def test_formats_the_browser_does_not_know_are_shown(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#person/p003")
    page.get_by_role("button", name="day 1/scan.tiff, 2 faces").click()
    assert images_shown(page, ".frame img") == [True]
    assert "thumbs/" in (page.locator(".frame img").get_attribute("src") or "")


def test_faces_in_no_group_open_their_photo(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri())
    page.get_by_role("link", name="No group").click()
    face = page.get_by_role("button", name="A face in day 1/scan.tiff")
    expect(face).to_have_count(1)
    assert images_shown(page, ".faces img") == [True]
    face.click()
    expect(page.locator(".frame .box.here")).to_have_count(1)


def test_duplicates_show_the_keeper_first_and_unreadable_files_their_reasons(
    visit, gallery: Path
) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#duplicates")
    near, exact = (page.locator(".row").nth(k) for k in (0, 1))
    assert near.locator("figcaption").all_inner_texts() == [
        "a1.jpg · 480\u00a0\u00d7\u00a0320", "a1 small.jpg · 360\u00a0\u00d7\u00a0240",
    ]  # fmt: skip
    assert near.locator(".badge").all_inner_texts() == ["Keep", "Similar"]
    assert exact.locator(".badge").all_inner_texts() == ["Keep", "Copy"]
    page.get_by_role("link", name="Unreadable").click()
    expect(page.locator(".list li")).to_have_count(2)
    rows = page.locator(".list li").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == ["broken <b>.jpg", "empty.png"]
    assert rows[1] == "empty.png\nthe file is empty"


def test_a_file_name_is_text_and_nothing_else(visit, gallery: Path) -> None:
    page = visit.page
    page.goto(gallery.as_uri() + "#photos")
    name = "<img src=x onerror=alert(1)>.jpg"
    expect(page.get_by_role("button", name=f"</script>{name}, 1 face")).to_have_count(1)
    page.get_by_role("button", name=f"{name}, 1 face", exact=True).click()
    expect(page.locator("#name")).to_have_text(name)
    assert images_shown(page, ".frame img") == [True]
    assert page.evaluate("document.querySelectorAll('[onerror], script').length") == 2


def test_people_with_names_can_be_searched(visit, labelled_gallery: Path) -> None:
    page = visit.page
    page.goto(labelled_gallery.as_uri())
    cards = page.locator("li:not([hidden]) > .card")
    expect(cards).to_have_count(3)
    page.get_by_role("searchbox", name="Search people").fill("cem")
    assert cards.all_inner_texts() == ["Cem\n2 photos"]
    page.get_by_role("searchbox").fill("<i>")
    assert cards.all_inner_texts() == ["Ann <i>Example</i>\n7 photos"]


@pytest.mark.parametrize("size", [PHONE])
def test_nothing_scrolls_sideways_on_a_phone(visit, gallery: Path, size: tuple[int, int]) -> None:
    page = visit.page
    for view in ("people", "person/p001", "photos", "unknown", "duplicates", "problems"):
        page.goto(gallery.as_uri() + f"#{view}")
        expect(page.get_by_role("heading", level=2)).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") == size[0], view
    page.goto(gallery.as_uri() + "#person/p001")
    page.locator(".tile").first.click()
    viewer = page.get_by_role("dialog")
    for control in ("Close", "Next photo", "Faces"):
        box = viewer.get_by_role("button", name=control).bounding_box()
        assert box is not None
        assert box["x"] >= 0, control
        assert box["x"] + box["width"] <= size[0], control
        assert box["height"] >= 36
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= size[0]


def contrast(page: Page, selector: str) -> float:
    """WCAG contrast of an element's text against the nearest painted background."""
    return page.eval_on_selector(
        selector,
        """element => {
          const light = colour => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
              .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ink = light(getComputedStyle(element).color);
          let under = element, paint;
          do {
            paint = getComputedStyle(under).backgroundColor;
            under = under.parentElement;
          } while (paint === 'rgba(0, 0, 0, 0)');
          const [low, high] = [ink, light(paint)].sort((a, b) => a - b);
          return (high + 0.05) / (low + 0.05);
        }""",
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(chromium: Browser, gallery: Path, scheme: str) -> None:
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(gallery.as_uri())
    backgrounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (backgrounds == "rgb(17, 17, 19)") == (scheme == "dark")
    for selector in ("h1", "#summary", "nav a[aria-current]", "nav a:last-child", ".card span",
                     ".card small", "footer p"):  # fmt: skip
        assert contrast(page, selector) >= 4.5, selector
    context.close()


def test_many_photos_load_only_what_is_seen(visit, gallery: Path, tmp_path: Path) -> None:
    from faceflow_ml.album.gallery import render_page

    photo = {
        "original": "x.jpg", "full": "x.jpg", "w": 480, "h": 320, "copy": False, "copies": 0,
    }  # fmt: skip
    face = {"id": "0" * 16, "box": [10, 10, 20, 30], "person": 0}
    data = {
        "title": "Many",
        "photos": [
            {**photo, "path": f"{k}.jpg", "src": f"p/{k}.jpg", "faces": [face] * (k % 3)}
            for k in range(3000)
        ],
        "people": [{"id": "p001", "label": None, "cover": "crops/x.jpg"}],
        "duplicates": [],
        "problems": [],
    }
    pixel = next((gallery.parent / "crops").iterdir()).read_bytes()
    (tmp_path / "p").mkdir()
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops/x.jpg").write_bytes(pixel)
    for k in range(3000):
        (tmp_path / f"p/{k}.jpg").write_bytes(pixel)
    (tmp_path / "index.html").write_text(render_page(data), "utf-8")
    page = visit.page
    page.goto((tmp_path / "index.html").as_uri() + "#photos")
    expect(page.locator(".tile")).to_have_count(3000)
    assert images_shown_in_view(page) > 5
    assert sum("/p/" in url for url in visit.requests) < 400


def images_shown_in_view(page: Page) -> int:
    page.wait_for_function("document.querySelector('.tile img').complete")
    page.wait_for_timeout(300)
    return page.evaluate(
        "[...document.querySelectorAll('.tile img')]"
        ".filter(image => image.complete && image.naturalWidth > 0).length"
    )
