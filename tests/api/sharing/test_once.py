"""A request for shares that comes again makes nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from booth import Booth
from fastapi.testclient import TestClient
from visits import Headers, opened, photo_ids, wait_for

from api.domain.share_models import MailState, Share
from api.keyring import Keyring
from api.services import Services
from api.sharing import shares
from api.sharing.once import Once, made_before


@pytest.fixture
def body(booth: Booth) -> dict[str, object]:
    who = [
        {"email": "bob@example.com", "clusters": [booth.cluster(0)]},
        {"email": "eve@example.com", "clusters": [booth.cluster(1)]},
    ]
    return {"recipients": who, "password": "open sesame"}


@pytest.fixture
def post(client: TestClient, booth: Booth, alice: Headers) -> Callable[..., list[dict]]:
    def posted(body: object, key: str | None = "k-1", status: int = 201) -> list[dict]:
        given = {} if key is None else {"Idempotency-Key": key}
        url = f"/albums/{booth.album.id}/share"
        answer = client.post(url, json=body, headers=alice | given)
        assert answer.status_code == status, answer.text
        return answer.json()["shares"] if status == 201 else answer.json()

    return posted


def _listed(client: TestClient, booth: Booth, who: Headers) -> set[str]:
    found = client.get(f"/albums/{booth.album.id}/shares", headers=who).json()["shares"]
    return {share["id"] for share in found}


def test_a_repeat_has_the_first_answer_and_sends_no_mail(
    client: TestClient,
    booth: Booth,
    alice: Headers,
    services: Services,
    post: Callable[..., list[dict]],
    body: dict[str, object],
) -> None:
    first = post(body)
    outbox = services.settings.data / "outbox"

    def is_sent(share: dict) -> bool:
        row = services.shares.get(Share.key_of(booth.album.id, share["id"]))
        return row is not None and row.mail_state is MailState.SENT

    wait_for(lambda: all(map(is_sent, first)))
    again = post(body)
    assert [one["id"] for one in again] == [one["id"] for one in first]
    assert [one["link"] for one in again] == [one["link"] for one in first]
    assert _listed(client, booth, alice) == {one["id"] for one in first}
    workflow = client.app.state.workflow  # type: ignore[attr-defined]
    assert workflow.idle(60)
    assert len(list(outbox.glob("*.eml"))) == 2
    # A key is its request's; without one, or with another, there are more shares.
    others = [*post(body, None), *post(body, "k-2")]
    assert len({one["id"] for one in [*first, *others]}) == 6


def test_a_key_with_another_request_is_refused(
    client: TestClient,
    booth: Booth,
    alice: Headers,
    post: Callable[..., list[dict]],
    body: dict[str, object],
) -> None:
    made = {one["id"] for one in post(body)}
    recipients = body["recipients"]
    assert isinstance(recipients, list)
    for other in (
        body | {"password": "another one"},
        body | {"recipients": recipients[:1]},
        body | {"recipients": [*recipients, recipients[0] | {"email": "joe@example.com"}]},
    ):
        problem = post(other, status=422)
        assert problem["title"] == "Idempotency key reused"  # type: ignore[call-overload]
    assert _listed(client, booth, alice) == made


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "k" * 256, "\u00e9"])
def test_what_is_no_key_is_refused(
    client: TestClient,
    booth: Booth,
    alice: Headers,
    body: dict[str, object],
    key: str,
) -> None:
    url = f"/albums/{booth.album.id}/share"
    sent = alice | {"Idempotency-Key": key.encode("latin-1")}  # type: ignore[dict-item]
    assert client.post(url, json=body, headers=sent).status_code == 422
    assert _listed(client, booth, alice) == set()


def test_two_at_once_make_one(
    booth: Booth,
    client: TestClient,
    alice: Headers,
    post: Callable[..., list[dict]],
    body: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = post(body)
    answers = [[]]

    def late(*given: object) -> list[Share]:
        """As if the other one's shares were not there yet at the first look."""
        return answers.pop() if answers else made_before(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(shares, "made_before", late)
    assert [one["id"] for one in post(body)] == [one["id"] for one in first]
    assert answers == []
    assert _listed(client, booth, alice) == {one["id"] for one in first}
    open_one = post({**body, "password": None}, "k-2")[0]
    assert photo_ids(opened(client, open_one)) == booth.with_person(0)


def test_a_repeat_is_known_after_the_secrets_were_replaced(
    booth: Booth, services: Services, client: TestClient
) -> None:
    workflow = client.app.state.workflow  # type: ignore[attr-defined]
    album = booth.current()
    recipients = [shares.Recipient("bob@example.com", (booth.cluster(0),))]
    options = shares.ShareOptions(send_mail=False)
    once = Once("k-1", "the request")
    old, new = Keyring([b"o" * 32]), Keyring([b"n" * 32, b"o" * 32])
    made = [
        shares.create_shares(
            replace(services, keyring=keyring), workflow, album, "alice", recipients, options, once
        )
        for keyring in (old, new)
    ]
    assert made[0][0].id == made[1][0].id
    other = shares.create_shares(
        replace(services, keyring=Keyring([b"n" * 32])),
        workflow,
        album,
        "alice",
        recipients,
        options,
        once,
    )
    assert other[0].id != made[0][0].id, "an id cannot be computed from the key alone"
