"""Without a network, or with one that lets no WebSocket through."""

from __future__ import annotations

import re

from playwright.sync_api import Page, WebSocketRoute, expect

from .conftest import Album, Visit
from .screens import SLOW, choose_files, create_album, open_tab, people, sign_in


def test_docs_without_a_network(server: str, visit: Visit) -> None:
    """The OpenAPI document is shown by what comes from here, under its policy."""
    page = visit().page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server}/docs")
    expect(page.locator("#operations-albums-createAlbum")).to_be_visible(timeout=SLOW)
    assert all(url.startswith((server, "data:")) for url in asked), asked


def test_progress_without_websocket(server: str, visit: Visit, album: Album) -> None:
    """Where WebSockets do not get through, the page asks again and again."""

    def refuse(socket: WebSocketRoute) -> None:
        socket.close(code=1011)

    page = visit().page
    page.route_web_socket(re.compile("/events"), refuse)
    sign_in(page, server, "polling")
    create_album(page, "Quiet")
    choose_files(page, album.readable[:4])
    expect(page.get_by_role("tab", name="Photos 4")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("tab", name=re.compile(r"People \d"))).to_be_visible(timeout=SLOW)
    _look_around_without_a_connection(page)


def _look_around_without_a_connection(page: Page) -> None:
    """The application stays, says what is wrong, and goes on when there is a connection again."""
    open_tab(page, "People")
    expect(people(page).first).to_be_visible(timeout=SLOW)
    page.context.set_offline(True)
    people(page).first.get_by_role("link").click()
    expect(page.get_by_role("link", name="Back to people")).to_be_visible()
    open_tab(page, "Shares")
    expect(page.get_by_role("button", name="Try again")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("heading", name="Quiet", level=1)).to_be_visible()
    page.context.set_offline(False)  # which the browser tells: nobody has to try again
    expect(page.get_by_role("heading", name="Nothing shared yet")).to_be_visible(timeout=SLOW)
