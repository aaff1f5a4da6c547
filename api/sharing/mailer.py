"""The `Mailer` port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Mail:
    """A message in HTML and text.

    message_id: the caller's; sending the same twice delivers once.
    """

    message_id: str
    to: str
    subject: str
    text: str
    html: str


class MailFailed(Exception):
    """It could not be handed over. ``permanent``: trying again is no use (a bounce)."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Mailer(Protocol):
    """Hands messages over for delivery."""

    def send(self, mail: Mail) -> None:
        """Hand a message over.

        Raises:
            MailFailed: it was refused or nobody answered.
        """
        ...
