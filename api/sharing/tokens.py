"""Short-lived proofs that a recipient may see a share, signed with the share's own secret.

A token is ``expiry.signature``: seconds since 1970, and the first half of an HMAC-SHA-256 in
hexadecimal over purpose, share and expiry. Changing the share's secret ends them all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Literal

from ulid import ULID

from api.domain.share_models import Share
from api.ids import now

Purpose = Literal["open", "photos"]
"""``open``: the password was given. ``photos``: a URL of this share's photos, shown to those who
may see them; opens nothing else."""


def new_share_id() -> str:
    """128 random bits written as a ULID.

    A real ULID would not do: it has 80 random bits at most, and those made in one millisecond
    follow each other, so that one recipient could find another's link by counting.
    """
    return str(ULID.from_bytes(secrets.token_bytes(16)))


def share_id_of(signature: str) -> str:
    """The first 128 bits of a signature, written likewise: as hard to guess as its key."""
    return str(ULID.from_bytes(bytes.fromhex(signature)[:16]))


def new_secret() -> str:
    """256 random bits in hexadecimal."""
    return secrets.token_hex(32)


def epoch(moment: str) -> float:
    """Seconds since 1970 of an ISO 8601 time."""
    return datetime.fromisoformat(moment).timestamp()


def issue(share: Share, purpose: Purpose, seconds: int, *, steady: bool = False) -> str:
    """A token that ends after ``seconds``.

    steady: the same token for some time, so that URLs with it can be cached; it then ends after
        between one and two times ``seconds``.
    """
    moment = int(epoch(now()))
    expiry = (moment // seconds + 2) * seconds if steady else moment + seconds
    return f"{expiry}.{_signature(share, purpose, str(expiry))}"


def is_valid(share: Share, purpose: Purpose, token: str | None) -> bool:
    """Was it issued for this share and purpose, and is it still good?"""
    expiry, _, signature = (token or "").partition(".")
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) <= 12):
        return False
    expected = _signature(share, purpose, expiry)
    genuine = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
    return genuine and epoch(now()) < int(expiry)


def _signature(share: Share, purpose: Purpose, expiry: str) -> str:
    message = f"{purpose}:{share.id}:{expiry}".encode()
    return hmac.new(bytes.fromhex(share.secret), message, hashlib.sha256).hexdigest()[:32]
