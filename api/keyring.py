"""Secret keys that sign what the application gives out and takes back."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr

from api.settings import KEY_LEAST, Settings, keys_of


class Keyring:
    """HMAC-SHA256 with a key for each purpose, derived from the secrets.

    The first secret signs, every one verifies: to rotate, put a new one in front, and remove the
    last once what it signed has expired.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < KEY_LEAST for key in keys):
            raise ValueError(f"signing keys need {KEY_LEAST} bytes or more each")
        self._keys = tuple(keys)

    def sign(self, purpose: str, message: str) -> str:
        """The signature in hexadecimal."""
        return _sign(self._keys[0], purpose, message)

    def signatures(self, purpose: str, message: str) -> list[str]:
        """The signatures of every key, that of `sign` first."""
        return [_sign(key, purpose, message) for key in self._keys]

    def is_valid(self, purpose: str, message: str, signature: str) -> bool:
        """Is the signature of one of the keys?"""
        given = signature.encode(errors="replace")
        return any(
            hmac.compare_digest(_sign(key, purpose, message).encode(), given) for key in self._keys
        )


def load_keyring(settings: Settings) -> Keyring:
    """The keys of the settings; ``local`` makes its own and keeps it under its data.

    Raises:
        ValueError: another environment has none.
    """
    if settings.signing_keys is not None:
        return Keyring(keys_of(settings.signing_keys))
    if settings.app_env == "local":
        made = read_or_create_secret(settings.data / "secrets" / "signing.key").decode()
        return Keyring(keys_of(SecretStr(made)))
    raise ValueError("FACEFLOW_SIGNING_KEYS is not set: it has no default outside local")


def read_or_create_secret(path: Path) -> bytes:
    """A secret that is kept in a file of its own, made at the first call."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    with suppress(FileExistsError):
        write_secret(path, secrets.token_hex(32).encode() + b"\n")
    return path.read_bytes()


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        FileExistsError: there is one already.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link does not replace what another process wrote just now.
        path.hardlink_to(draft)
    finally:
        draft.unlink()


def _sign(key: bytes, purpose: str, message: str) -> str:
    return hmac.digest(_own(key, purpose), message.encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _own(key: bytes, purpose: str) -> bytes:
    """The key of a purpose; there are few, and a page of photos asks for hundreds of signatures."""
    return hmac.digest(key, f"faceflow:{purpose}".encode(), "sha256")
