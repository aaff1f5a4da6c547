"""The `Mailer` port, and what its homes have in common: the message as RFC 5322 has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Protocol

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Mail:
    """A message in HTML and text.

    message_id: the caller's, of letters, digits, ``-``, ``_`` and single dots within; sending the
        same twice delivers once.
    """

    message_id: str
    to: str
    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        if not _MESSAGE_ID.fullmatch(self.message_id) or len(self.message_id) > 120:
            raise ValueError(f"expected a message id of letters and digits, got {self.message_id}")


class MailFailed(Exception):
    """It could not be handed over. ``permanent``: trying again is no use (a bounce)."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Mailer(Protocol):
    """Hands messages over for delivery. Calls block and may be made from any thread."""

    def send(self, mail: Mail) -> None:
        """Hand a message over.

        Raises:
            MailFailed: it was refused or nobody answered.
        """
        ...

    def forget(self, prefix: str) -> None:
        """Remove what is kept here of messages whose id begins with ``prefix`` (not empty)."""
        ...


def compose(mail: Mail, sender: str) -> EmailMessage:
    """The message, with text first and HTML as its alternative (RFC 2046, 5.1.4).

    sender: an address, or ``Name <address>``.

    Raises:
        MailFailed: an address or header is not possible; permanent.
    """
    try:
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        local, _, domain = mail.to.rpartition("@")
        if not local or not domain:
            raise ValueError("no address")
        recipient = Address(username=local, domain=domain)
        if not recipient.addr_spec.isascii():
            message = EmailMessage(policy=SMTPUTF8)
            message["From"] = sender
        message["To"] = recipient
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{mail.message_id}@{_domain(message)}>"
        # Nobody's holiday notice is to answer it (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        message.as_bytes()
    except (ValueError, IndexError, UnicodeError) as error:
        raise MailFailed(f"no message can be made for {mail.to!r}: {error}", permanent=True) from (
            error
        )
    return message


def _domain(message: EmailMessage) -> str:
    return str(message["From"].addresses[0].domain) or "localhost"
