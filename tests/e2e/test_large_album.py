"""A grid of more photos than fit into a browser's document."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from .conftest import Visit
from .screens import create_album, sign_in


def test_grid_of_twenty_thousand_photos(server: str, visit: Visit) -> None:
    """Only what is near the window is in the document, and scrolling stays smooth."""
    page = visit().page
    sign_in(page, server, "many")
    create_album(page, "Everything")
    page.route(re.compile(r"/albums/[^/]+/photos\?"), _many_photos)
    page.reload()
    cells = page.get_by_role("list", name="Photos").get_by_role("listitem")
    expect(cells.first).to_be_visible()
    for _ in range(150):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(60)
        if page.locator('[data-index="19999"]').count():
            break
    expect(page.locator('[data-index="19999"]')).to_be_visible()
    assert cells.count() < 150
    assert _work_of_scrolling(page, steps=90) < 16, "more than a frame of a 60 Hz screen"
    # Keyboard: to the last photo and back to the first.
    cells.first.get_by_role("button").focus()
    page.keyboard.press("End")
    expect(page.locator('[data-index="19999"]')).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator('[data-index="0"]')).to_be_focused()


def _work_of_scrolling(page: Page, steps: int) -> float:
    """Milliseconds of processor time that the page takes for a frame of scrolling, on average.

    Not the time between frames: that is the machine's, which may have other things to do.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        (seconds,) = (one["value"] for one in metrics if one["name"] == "TaskDuration")
        return float(seconds) * 1000

    before = spent()
    page.evaluate(
        """async (steps) => {
          for (let step = 0; step < steps; step += 1) {
            window.scrollBy(0, -400);
            await new Promise(requestAnimationFrame);
          }
        }""",
        steps,
    )
    work = (spent() - before) / steps
    session.detach()
    return work


def _many_photos(route: Route) -> None:
    total, size = 20_000, 500
    found = re.search(r"cursor=(\d+)", route.request.url)
    start = int(found[1]) if found else 0
    end = min(total, start + size)
    photos: list[dict[str, object]] = [
        {
            "id": f"01J{number:023d}",
            "albumId": "01J00000000000000000000000",
            "status": "done",
            "filename": f"IMG_{number}.jpg",
            "contentType": "image/jpeg",
            "size": 1,
            "createdAt": "2026-01-01T00:00:00Z",
            "width": 600 + number * 37 % 500,
            "height": 600,
            "exif": None,
            "sharpness": None,
            "sha256": None,
            "blur": None,
            "thumbUrl": None,
            "originalUrl": None,
            "originalPurged": True,
            "duplicateOf": None,
            "duplicateKind": None,
            "error": None,
            "faces": [],
        }
        for number in range(start, end)
    ]
    route.fulfill(json={"photos": photos, "cursor": str(end) if end < total else None})
