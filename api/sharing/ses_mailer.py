"""Mail by Amazon SES (API v2)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from api.repositories.table import Delete, Key, Put, Table
from api.sharing.mailer import Mail, MailFailed, compose

MESSAGE_HEADER = "X-FaceFlow-Message"
"""Our message id. SES puts a Message-ID of its own in place of ours; this one comes back with what
it reports, see `feedback`."""
_KEPT_SECONDS = 400 * 86_400
_REFUSED = {"BadRequestException", "MessageRejected", "InvalidParameterValue"}


class SesMailer:
    """Hands messages to SES.

    As with SMTP, a row of the table marks each message that was accepted, so that a job that runs
    again does not send again; in the moment between the two a crash can send a message twice. Rows
    vanish after a year and a bit.

    Args:
        client: boto3's client of SES v2.
        sender: an address, or ``Name <address>``, that is verified.
        table: where marks are kept.
        configuration_set: whose events tell of bounces; None: the sender's own, if it has one.
    """

    def __init__(
        self, client: Any, sender: str, table: Table, configuration_set: str | None = None
    ) -> None:
        self._client = client
        self._sender = sender
        self._table = table
        self._options = (
            {} if configuration_set is None else {"ConfigurationSetName": configuration_set}
        )

    def send(self, mail: Mail) -> None:
        """Hand a message over."""
        mark = _mark(mail.message_id)
        if self._table.get(mark) is not None:
            return
        to = _ascii(mail.to)
        message = compose(replace(mail, to=to), self._sender)
        message[MESSAGE_HEADER] = mail.message_id
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [to]},
                Content={"Raw": {"Data": message.as_bytes()}},
                **self._options,
            )
        except ClientError as error:
            said = error.response["Error"]
            text = f"{said['Code']}: {said.get('Message', '')}"[:300]
            raise MailFailed(text, permanent=_is_permanent(text)) from error
        except BotoCoreError as error:
            raise MailFailed(f"SES cannot be reached: {error}", permanent=False) from error
        expires = int(time.time()) + _KEPT_SECONDS
        self._table.write(Put(mark, {"sesId": answer["MessageId"], "expiresAt": expires}))

    def forget(self, prefix: str) -> None:
        """Remove the marks of a prefix, which begins with a whole first part, up to its dot."""
        if "." not in prefix:
            raise ValueError(f"expected a prefix with a dot, got {prefix!r}")
        pk = _mark(prefix).pk
        keys = [sk for sk in self._table.sort_keys(pk) if sk.startswith(prefix)]
        self._table.write_many([Delete(Key(pk, sk)) for sk in keys])


def _mark(message_id: str) -> Key:
    # A partition for each share, so that mail is no hot spot.
    return Key(f"MAIL#{message_id.partition('.')[0]}", message_id)


def _ascii(address: str) -> str:
    """The address as SES takes it: the domain as in the DNS. Of the part before it, SES takes ASCII
    alone."""
    local, _, domain = address.rpartition("@")
    try:
        if not local.isascii():
            raise ValueError("SES takes no such letters before the @")
        return address if domain.isascii() else f"{local}@{domain.encode('idna').decode()}"
    except ValueError as error:
        raise MailFailed(f"{address!r}: {error}", permanent=True) from error


def _is_permanent(said: str) -> bool:
    # A sender who is not verified is a matter of settings, not of the recipient.
    code, _, reason = said.partition(":")
    return code in _REFUSED and "not verified" not in reason
