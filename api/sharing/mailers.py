"""Which mailer the settings ask for."""

from __future__ import annotations

from api.settings import Settings
from api.sharing.mailer import Mailer
from api.sharing.outbox_mailer import OutboxMailer
from api.sharing.smtp_mailer import SmtpMailer, SmtpServer


def mailer_of(settings: Settings) -> Mailer:
    """By SMTP if there is a server; otherwise into files.

    Raises:
        ValueError: a login without encryption.
    """
    if settings.smtp_host is None:
        return OutboxMailer(settings.data / "outbox", settings.mail_from)
    password = settings.smtp_password
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
    )
    return SmtpMailer(server, settings.mail_from, settings.data / "outbox" / "sent")
