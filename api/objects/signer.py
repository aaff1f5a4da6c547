"""The `Signer` port: URLs that let their bearer read or write one object for some time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True)
class SignedUrl:
    """A URL and what to send with it.

    headers: must be sent as they are; they are part of the signature.
    expires_at: ISO 8601, UTC.
    """

    url: str
    method: Literal["GET", "PUT"]
    expires_at: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Signer(Protocol):
    """Signs URLs of objects."""

    @property
    def read_origin(self) -> str:
        """Scheme and host of URLs for reading."""
        ...

    @property
    def write_origin(self) -> str:
        """Scheme and host of URLs for writing."""
        ...

    def sign_get(self, key: str, *, seconds: int, filename: str | None = None) -> SignedUrl:
        """Read an object; with ``filename``, as a download of that name."""
        ...

    def sign_put(self, key: str, *, seconds: int, content_type: str, size: int) -> SignedUrl:
        """Write an object of just this type and size in bytes."""
        ...

    def sign_put_part(
        self, key: str, upload: str, number: int, *, seconds: int, size: int
    ) -> SignedUrl:
        """Write a part of a multipart upload of just this size."""
        ...


def origin_of(url: str) -> str:
    """Scheme and host of a URL, as browsers compare them.

    >>> origin_of("https://photos.example:8443/a/b?c=d")
    'https://photos.example:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def reading_ends(seconds: int) -> int:
    """When a URL for reading that is made now ends (epoch seconds): the same for a while, or no
    browser could ever use its cache; never later than ``seconds`` from now."""
    step = max(1, seconds // 4)
    return int(time.time() + seconds) // step * step


@lru_cache(maxsize=256)
def iso_time(moment: int) -> str:
    """Epoch seconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
