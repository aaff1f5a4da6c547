"""Who is calling: JWTs, validated against the issuer's published keys (JWKS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class User:
    """The caller. ``id`` is the token's subject: letters, digits, ``-`` and ``_``."""

    id: str
    email: str | None = None


class Tokens(Protocol):
    """Validates tokens, and in ``local`` issues them."""

    def verify(self, token: str) -> User:
        """The bearer of a token.

        Raises:
            Unauthorized: not issued by the issuer for us, expired, or altered.
        """
        ...

    def issue(self, user: str) -> str:
        """A token for a user.

        Raises:
            NotFound: this issuer is not ours to speak for (any environment but ``local``).
        """
        ...


class Accounts(Protocol):
    """Where people's accounts to sign in are kept, if it is ours to remove them there."""

    def remove(self, user_id: str) -> None:
        """Remove an account with all that is known of its owner there; nothing if it is gone."""
        ...
