"""Names without a space, on the narrowest screens."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import expect

from .conftest import Album, Visit
from .screens import (
    SLOW,
    asked,
    check_screen,
    choose_files,
    create_album,
    sign_in,
    until_sorted,
)

NARROW = (320, 568)
LONG = "anna.katharina.mustermann.oberstleutnant@beispielfirma.example"


def test_long_names(server: str, visit: Visit, album: Album) -> None:
    """A person's page and a recipient's are no wider than the window."""
    page = visit(NARROW).page
    sign_in(page, server, "narrow")
    create_album(page, LONG)
    check_screen(page)
    choose_files(page, album.readable[:4])
    expect(page.get_by_text("4 photos uploaded", exact=True)).to_be_visible(timeout=SLOW)
    until_sorted(page)

    token = page.evaluate("localStorage.getItem('faceflow.token')")
    found = re.search(r"[?&]id=([0-9A-Z]{26})", page.url)
    assert found is not None
    address = f"{server}/albums/{found[1]}"
    person = asked(f"{address}/clusters", token)["clusters"][0]["id"]
    _post(f"{address}/clusters/{person}/label", token, {"name": LONG})
    page.goto(f"{server}/album/?id={found[1]}&tab=people&person={person}")
    expect(page.get_by_role("heading", name=LONG, level=2)).to_be_visible()
    check_screen(page)

    recipient = {"email": "guest@example.org", "clusters": [person]}
    made = _post(f"{address}/share", token, {"recipients": [recipient], "sendMail": False})
    page.goto(f"{server}/share/?id={made['shares'][0]['id']}")
    expect(page.get_by_role("heading", name=LONG, level=1)).to_be_visible()
    check_screen(page)


def _post(url: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        made: dict[str, Any] = json.load(answer)
        return made
