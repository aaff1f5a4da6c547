"""Signed URLs of one machine: an HMAC over all that they allow, checked by `routers.objects`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import quote, quote_plus

from pydantic_core import to_json

from api.keyring import Keyring
from api.objects.signer import SignedUrl, iso_time, origin_of, reading_ends

_PURPOSE = "object-url"
_REMEMBERED = 8192
"""URLs for reading; some 5 MB."""
_PLAIN = re.compile(r"[A-Za-z0-9_./-]*")
"""What `quote` leaves as it is."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~-]*")
"""What `quote_plus` does."""


class Grant(NamedTuple):
    """What a signed URL allows: this, of this object, until then.

    expires: seconds since 1970.
    filename: of a read; it is a download under this name.
    content_type, size: what is written must have them.
    upload, number: of a part of a multipart upload.
    """

    method: Literal["GET", "PUT"]
    key: str
    expires: int
    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    upload: str | None = None
    number: int | None = None

    def message(self) -> str:
        """What is signed: JSON, so that no two grants have the same."""
        return to_json(self).decode()

    def query(self) -> str:
        """Its part of the URL besides the key; the type travels as a header."""
        parts = [f"expires={self.expires}"]
        if self.filename is not None:
            plain = _PLAIN_NAME.fullmatch(self.filename)
            parts.append(f"filename={self.filename if plain else quote_plus(self.filename)}")
        if self.content_type is not None:
            parts.append(f"type={quote_plus(self.content_type)}")
        if self.size is not None:
            parts.append(f"size={self.size}")
        if self.upload is not None:
            parts.append(f"upload={quote_plus(self.upload)}")
        if self.number is not None:
            parts.append(f"part={self.number}")
        return "&".join(parts)


class HmacSigner:
    """Signs and checks URLs of ``{public_url}/objects/{key}``."""

    def __init__(self, keyring: Keyring, public_url: str) -> None:
        self._keyring = keyring
        self._base = f"{public_url.rstrip('/')}/objects/"
        # A page has hundreds, and whoever looks at it again gets the same ones.
        self._reading = lru_cache(_REMEMBERED)(self._sign_reading)

    @property
    def read_origin(self) -> str:
        return origin_of(self._base)

    write_origin = read_origin

    def sign_get(self, key: str, *, seconds: int, filename: str | None = None) -> SignedUrl:
        return self._reading(key, reading_ends(seconds), filename)

    def sign_put(self, key: str, *, seconds: int, content_type: str, size: int) -> SignedUrl:
        grant = Grant("PUT", key, int(time.time()) + seconds, content_type=content_type, size=size)
        return self._sign(grant, {"Content-Type": content_type})

    def sign_put_part(
        self, key: str, upload: str, number: int, *, seconds: int, size: int
    ) -> SignedUrl:
        expires = int(time.time()) + seconds
        return self._sign(Grant("PUT", key, expires, size=size, upload=upload, number=number), {})

    def is_valid(self, grant: Grant, signature: str) -> bool:
        """Was it signed here, and is it still good?"""
        genuine = self._keyring.is_valid(_PURPOSE, grant.message(), signature)
        return genuine and time.time() < grant.expires

    def _sign_reading(self, key: str, expires: int, filename: str | None) -> SignedUrl:
        return self._sign(Grant("GET", key, expires, filename=filename), {})

    def _sign(self, grant: Grant, headers: Mapping[str, str]) -> SignedUrl:
        signature = self._keyring.sign(_PURPOSE, grant.message())
        key = grant.key if _PLAIN.fullmatch(grant.key) else quote(grant.key)
        return SignedUrl(
            url=f"{self._base}{key}?{grant.query()}&signature={signature}",
            method=grant.method,
            expires_at=iso_time(grant.expires),
            headers=headers,
        )
