"""What SES refuses, and what it reports later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from api.domain import albums
from api.domain.share_models import MailState, Share
from api.repositories.sqlite_table import SqliteTable
from api.services import Services
from api.sharing.feedback import note_feedback, parse_feedback
from api.sharing.mailer import Mail, MailFailed
from api.sharing.ses_mailer import MESSAGE_HEADER, SesMailer
from tests.api.contract.emulator import Emulator

MAIL = Mail("01ARZ3NDEKTSV4RRFFQ69G5FAV.0", "bob@example.com", "Photos", "text", "<p>html</p>")

ABUSE = {"complaintFeedbackType": "abuse"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    running = Emulator()
    yield running
    running.stop()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SqliteTable]:
    opened = SqliteTable(tmp_path / "marks.db")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("code", "message", "permanent"),
    [
        ("BadRequestException", "Local address contains control or whitespace", True),
        ("MessageRejected", "Address blacklisted.", True),
        ("MessageRejected", "Email address is not verified: photos@example.com", False),
        ("TooManyRequestsException", "Maximum sending rate exceeded.", False),
        ("SendingPausedException", "Sending is paused", False),
        ("AccountSuspendedException", "suspended", False),
    ],
)
def test_refusals(
    emulator: Emulator, table: SqliteTable, code: str, message: str, permanent: bool
) -> None:
    client = emulator.client("sesv2", retries={"max_attempts": 0})
    mailer = SesMailer(client, "FaceFlow <photos@example.com>", table, "events")
    with Stubber(client) as stubber:
        stubber.add_client_error("send_email", code, message, http_status_code=400)
        with pytest.raises(MailFailed, match=code) as failed:
            mailer.send(MAIL)
        assert failed.value.permanent is permanent
        # What was refused is not taken for sent.
        expected = {
            "FromEmailAddress": ANY,
            "Destination": {"ToAddresses": ["bob@example.com"]},
            "Content": ANY,
            "ConfigurationSetName": "events",
        }
        stubber.add_response("send_email", {"MessageId": "1"}, expected)
        mailer.send(MAIL)
        mailer.send(MAIL)
        stubber.assert_no_pending_responses()


def test_nobody_answers(emulator: Emulator, table: SqliteTable) -> None:
    client = emulator.client("sesv2", retries={"max_attempts": 0})
    client.meta.events.register("before-send", _refuse)
    with pytest.raises(MailFailed, match="cannot be reached") as failed:
        SesMailer(client, "FaceFlow <photos@example.com>", table).send(MAIL)
    assert not failed.value.permanent


def _refuse(**_: object) -> None:
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="https://email.example")


def event(message_id: str | None, kind: str, **parts: Any) -> str:
    headers = [{"name": "Subject", "value": "Photos"}]
    if message_id is not None:
        headers.append({"name": MESSAGE_HEADER.upper(), "value": message_id})
    content = {"eventType": kind, "mail": {"messageId": "0100", "headers": headers}} | parts
    return json.dumps({"Type": "Notification", "Message": json.dumps(content)})


def bounce(message_id: str | None, kind: str = "Permanent", said: str | None = None) -> str:
    recipient = {"emailAddress": "bob@example.com"}
    if said is not None:
        recipient["diagnosticCode"] = said
    part = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [recipient]}
    return event(message_id, "Bounce", bounce=part)


@pytest.fixture
def share(services: Services) -> Share:
    """A share whose link was sent twice."""
    album = albums.create(services, "alice", "Album", keep_originals=True, linked=False)
    made = Share(
        id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        album_id=album.id,
        user_id="alice",
        email="bob@example.com",
        created_at="2030-01-01T00:00:00.000000Z",
        mail_state=MailState.SENT,
        mail_round=1,
        clusters=("c1",),
        secret="s" * 32,
    )
    services.shares.create(made)
    return made


@pytest.mark.parametrize(
    ("body", "state", "error"),
    [
        (bounce("{id}.1", said="smtp; 550 5.1.1 no such user"), "bounced", "550 5.1.1"),
        (bounce("{id}.1"), "bounced", "Permanent, General"),
        (bounce("{id}.1", "Transient"), "failed", "Transient"),
        (event("{id}.1", "Complaint", complaint=ABUSE), "bounced", "abuse"),
        (event("{id}.1", "Reject", reject={"reason": "Bad content"}), "bounced", "Bad content"),
        (bounce("{id}.new-abcdef", said="550"), "bounced", "550"),
        (bounce("{id}.0"), None, None),
        (bounce("01ARZ3NDEKTSV4RRFFQ69G5FAW.1"), None, None),
        (bounce(None), None, None),
        (event("{id}.1", "Delivery", delivery={}), None, None),
    ],
)
def test_reports_change_the_share_that_they_are_about(
    services: Services, share: Share, body: str, state: str | None, error: str | None
) -> None:
    noted = note_feedback(services, body.replace("{id}", share.id))
    found = services.shares.get(share.key())
    assert found is not None
    if state is None:
        assert noted is None and found == share
        return
    assert noted == found and found.mail_state == state
    assert error in str(found.mail_error)
    # SNS delivers at least once.
    assert note_feedback(services, body.replace("{id}", share.id)) is None
    assert services.shares.get(share.key()) == found


def test_events_come_with_and_without_an_envelope() -> None:
    wrapped = bounce("a.1", said="550")
    raw = json.loads(wrapped)["Message"]
    assert parse_feedback(raw) == parse_feedback(wrapped)
    assert parse_feedback(raw.replace("eventType", "notificationType")) == parse_feedback(raw)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "null", '{"Type": "Notification"}', "[" * 10_000, '{"mail": {}}']
)
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"expected|JSON|nested|Expecting"):
        parse_feedback(body)
