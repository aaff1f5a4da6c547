"""What SES reports of mail that it accepted: bounces and complaints, as events of a configuration
set through SNS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from api.domain.models import Album
from api.domain.share_models import MailState, Share
from api.errors import NotFound
from api.repositories.table import PRESENT, ConditionFailed, Expect, Update
from api.services import Services
from api.sharing.ses_mailer import MESSAGE_HEADER
from api.sharing.shares import find_share

_MAX_REASON = 300


@dataclass(frozen=True)
class Feedback:
    """That a message did not arrive, or was not wanted.

    message_id: ours, see `Mail`.
    permanent: sending again is no use.
    """

    message_id: str
    permanent: bool
    reason: str


def parse_feedback(body: str) -> Feedback | None:
    """A notification, as SNS delivers it (in its envelope or raw).

    Returns None for events of other kinds, and for messages that are not ours.

    Raises:
        ValueError: it is no event of SES.
    """
    event = _document(body)
    if event.get("Type") == "Notification":
        event = _document(event.get("Message"))
    mail = event.get("mail")
    kind = event.get("eventType", event.get("notificationType"))
    if not isinstance(mail, dict) or not isinstance(kind, str):
        raise ValueError("expected an event of SES")
    message_id = _message_id(mail)
    if message_id is None:
        return None
    match kind:
        case "Bounce":
            bounce = _part(event, "bounce")
            return Feedback(
                message_id, bounce.get("bounceType") == "Permanent", _bounce_reason(bounce)
            )
        case "Complaint":
            about = _part(event, "complaint").get("complaintFeedbackType") or "no reason given"
            return Feedback(message_id, True, f"reported as unwanted: {about}"[:_MAX_REASON])
        case "Reject":
            return Feedback(message_id, True, f"{_part(event, 'reject').get('reason')}")
        case _:
            return None


def note_feedback(services: Services, body: str) -> Share | None:
    """Note in its share that a mail did not arrive; may be repeated.

    Returns the share as it is then; None: it changed nothing.

    Raises:
        ValueError: it is no event of SES.
    """
    feedback = parse_feedback(body)
    if feedback is None:
        return None
    share_id, _, part = feedback.message_id.partition(".")
    try:
        share = find_share(services, share_id)
    except NotFound:
        return None
    # Of an earlier round: the link has been sent again since.
    if part.isdigit() and int(part) != share.mail_round:
        return None
    state = MailState.BOUNCED if feedback.permanent else MailState.FAILED
    expect = Expect(True, {"mailRound": share.mail_round, "mailState": MailState.SENT})
    try:
        share = services.shares.update(share, expect, mail_state=state, mail_error=feedback.reason)
        key = Album.key_of(share.user_id, share.album_id)
        services.table.write(Update(key, add={"version": 1}, expect=PRESENT))
    except ConditionFailed:
        return None
    return share


def _document(text: object) -> dict[str, Any]:
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object")
    return document


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    part = event.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"the event has no {name}")
    return part


def _message_id(mail: dict[str, Any]) -> str | None:
    headers = mail.get("headers")
    for header in headers if isinstance(headers, list) else []:
        if isinstance(header, dict) and str(header.get("name")).lower() == MESSAGE_HEADER.lower():
            return str(header.get("value"))
    return None


def _bounce_reason(bounce: dict[str, Any]) -> str:
    recipients = bounce.get("bouncedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else {}
    said = first.get("diagnosticCode") if isinstance(first, dict) else None
    reason = said or f"bounced: {bounce.get('bounceType')}, {bounce.get('bounceSubType')}"
    return " ".join(str(reason).split())[:_MAX_REASON]
