"""Mail by SMTP (RFC 5321), encrypted by STARTTLS (RFC 3207) or from the start (RFC 8314)."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from api.sharing.mailer import Mail, MailFailed, compose


@dataclass(frozen=True)
class SmtpServer:
    """Where to hand messages in.

    security: ``starttls`` goes on only encrypted; ``none`` is for a server on this machine.
    user, password: log in if given; never without encryption.
    timeout: seconds until a server that says nothing is given up.
    context: how its certificate is checked; None: by the system's authorities.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    timeout: float = 30.0
    context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.user is not None and self.security == "none":
            raise ValueError("a password must not go over the wire unencrypted")


class SmtpMailer:
    """Hands messages to an SMTP server.

    A server cannot be asked whether it has a message already. So that a job that runs again does
    not send again, an empty file in ``sent`` marks each message that was accepted. In the moment
    between the two a crash can send a message twice; both have one Message-ID, which many mail
    programs show once.
    """

    def __init__(self, server: SmtpServer, sender: str, sent: Path) -> None:
        self._server = server
        self._sender = sender
        self._sent = sent
        sent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def send(self, mail: Mail) -> None:
        """Hand a message over."""
        mark = self._sent / mail.message_id
        if mark.exists():
            return
        message = compose(mail, self._sender)
        try:
            with self._connect() as connection:
                connection.send_message(message)
                mark.touch()  # before QUIT, whose failure must not send it again
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise MailFailed(_said(code, reason), permanent=_is_permanent(code)) from error
        except smtplib.SMTPResponseException as error:
            # The sender's address or our login is a matter of settings, not of the recipient.
            ours = isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPAuthenticationError)
            permanent = not ours and _is_permanent(error.smtp_code)
            said = _said(error.smtp_code, error.smtp_error)
            raise MailFailed(said, permanent=permanent) from error
        except smtplib.SMTPNotSupportedError as error:
            # No SMTPUTF8 for the recipient's address; or no STARTTLS or login, which is ours.
            foreign = not mail.to.isascii() and "SMTPUTF8" in str(error)
            raise MailFailed(str(error), permanent=foreign) from error
        except (smtplib.SMTPException, OSError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            failed = f"the mail server cannot be reached: {said}"
            raise MailFailed(failed, permanent=False) from error

    def forget(self, prefix: str) -> None:
        """Remove the marks of a prefix."""
        if not prefix:
            raise ValueError("expected a prefix")
        for path in self._sent.iterdir():
            if path.name.startswith(prefix):
                path.unlink(missing_ok=True)

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        context = server.context or ssl.create_default_context()
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        try:
            if server.security == "starttls":
                connection.starttls(context=context)
            if server.user is not None:
                connection.login(server.user, server.password or "")
        except BaseException:
            connection.close()
            raise
        return connection


def _is_permanent(code: int) -> bool:
    # 5xx; but 530 to 538 are about our login (RFC 4954), 552 and 452 about room at their side.
    return 500 <= code < 600 and not 530 <= code <= 538 and code != 552


def _said(code: int, reason: bytes | str) -> str:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
    return f"{code} {' '.join(text.split())}"[:300]
