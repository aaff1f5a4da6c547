"""What the browser tests do with every screen."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "frontend" / "web" / "node_modules" / "axe-core" / "axe.min.js"
IMAGES = ROOT / "docs" / "images"
BEYOND = """(width) => {
  const wide = document.documentElement.scrollWidth;
  if (wide <= width) return "";
  const beyond = [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width)
    .map((element) => element.cloneNode(false).outerHTML);
  return [`${wide} px wide`, ...beyond.slice(0, 5)].join("\\n");
}"""
"""How wide a page is that is wider than the window, and its first elements that stand out."""
SLOW = 240_000
"""Milliseconds for what a busy machine takes minutes to do."""


def check_screen(page: Page, picture: str | None = None) -> None:
    """No serious finding of axe, and nothing wider than the window.

    With ``UPDATE_IMAGES=1`` the screen becomes ``docs/images/app-{picture}.png``.
    """
    page.wait_for_timeout(400)  # pictures fade in
    # By evaluation, which the page's own Content-Security-Policy does not concern.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document).then((result) => result.violations)")
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], f"{picture or page.url}: {serious}"
    size = page.viewport_size
    assert size is not None
    deadline = time.monotonic() + 5  # what has just come may take a moment to find its place
    while wide := page.evaluate(BEYOND, size["width"]):
        assert time.monotonic() < deadline, f"{picture or page.url} is {wide}"
        page.wait_for_timeout(100)
    if picture is not None and os.environ.get("UPDATE_IMAGES") == "1":
        page.screenshot(path=IMAGES / f"app-{picture}.png")


def sign_in(page: Page, address: str, name: str) -> None:
    """Sign in from nowhere, to the list of albums."""
    page.goto(address)
    page.wait_for_url("**/signin/**")
    page.get_by_label("Your name or e-mail address").fill(name)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Albums", exact=True)).to_be_visible()


def create_album(page: Page, name: str) -> None:
    """Make an album and open it."""
    page.get_by_role("button", name="New album").click()
    page.get_by_label("Album name").fill(name)
    page.get_by_role("button", name="Create album").click()
    # The list of albums has a heading of that name too.
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def choose_files(page: Page, files: list[Path]) -> None:
    """As if they had been chosen after pressing "Choose photos"."""
    page.locator("input[type=file]").first.set_input_files(files)


def open_tab(page: Page, name: str) -> None:
    """Go to one of the album's tabs."""
    page.get_by_role("tab", name=re.compile(f"^{name}")).click()


def people(page: Page) -> Locator:
    """The people of the tab "People"."""
    return page.get_by_role("list", name="People", exact=True).locator("> li")


def name_person(page: Page, card: Locator, name: str) -> None:
    """Type a name under a person's cover."""
    card.get_by_role("button").click()
    page.get_by_role("combobox").last.fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Named {name}")).to_be_visible()


def undo(page: Page) -> None:
    """Take the latest decision back."""
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("Undone").first).to_be_visible()


def until_sorted(page: Page) -> None:
    """Wait for the end. Where uploading takes longer than sorting, it is sorted in several parts,
    and the progress vanishes after each."""
    token = page.evaluate("localStorage.getItem('faceflow.token')")
    found = re.search(r"[?&]id=([0-9A-Z]{26})", page.url)
    assert found is not None
    album = f"{page.evaluate('location.origin')}/albums/{found[1]}"
    limit = time.monotonic() + SLOW / 1000
    while True:
        waiting = asked(f"{album}/photos?status=pending", token)["photos"]
        status = asked(f"{album}/status", token)
        if status["state"] == "done" and not waiting:
            return
        assert time.monotonic() < limit, status
        page.wait_for_timeout(500)


def asked(url: str, token: str) -> dict:
    """What the API answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
