"""Mail into a folder: one ``.eml`` file a message, for any mail program to open."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from api.sharing.mailer import Mail, MailFailed, compose


class OutboxMailer:
    """The mailer of one machine: messages are files in ``folder``, which is made if needed."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def send(self, mail: Mail) -> None:
        """Write a message; whole, or not at all."""
        path = self._folder / f"{mail.message_id}.eml"
        if path.exists():
            return
        content = compose(mail, self._sender).as_bytes()
        try:
            with NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)
        except OSError as error:
            raise MailFailed(f"the outbox cannot be written: {error}", permanent=False) from error

    def forget(self, prefix: str) -> None:
        """Remove the messages of a prefix."""
        for path in _named(self._folder, prefix):
            path.unlink(missing_ok=True)


def _named(folder: Path, prefix: str) -> list[Path]:
    if not prefix:
        raise ValueError("expected a prefix")
    return [path for path in folder.glob("*.eml") if path.name.startswith(prefix)]
