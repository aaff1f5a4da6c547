"""Signed URLs of one machine: an HMAC over all that they allow, checked by `routers.objects`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote, urlencode

from api.keyring import Keyring
from api.objects.signer import SignedUrl

_PURPOSE = "object-url"


@dataclass(frozen=True)
class Grant:
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
        return json.dumps(
            [
                self.method,
                self.key,
                self.expires,
                self.filename,
                self.content_type,
                self.size,
                self.upload,
                self.number,
            ]
        )

    def query(self) -> dict[str, str]:
        """Its part of the URL besides the key; the type travels as a header."""
        named = {
            "expires": self.expires,
            "filename": self.filename,
            "type": self.content_type,
            "size": self.size,
            "upload": self.upload,
            "part": self.number,
        }
        return {name: str(value) for name, value in named.items() if value is not None}


class HmacSigner:
    """Signs and checks URLs of ``{public_url}/objects/{key}``."""

    def __init__(self, keyring: Keyring, public_url: str) -> None:
        self._keyring = keyring
        self._base = f"{public_url.rstrip('/')}/objects/"

    def sign_get(self, key: str, *, seconds: int, filename: str | None = None) -> SignedUrl:
        # The same URL for a while, or no browser could ever use its cache; it never lives longer
        # than was asked for.
        step = max(1, seconds // 4)
        expires = int(time.time() + seconds) // step * step
        return self._sign(Grant("GET", key, expires, filename=filename), {})

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

    def _sign(self, grant: Grant, headers: Mapping[str, str]) -> SignedUrl:
        query = grant.query() | {"signature": self._keyring.sign(_PURPOSE, grant.message())}
        return SignedUrl(
            url=f"{self._base}{quote(grant.key)}?{urlencode(query)}",
            method=grant.method,
            expires_at=datetime.fromtimestamp(grant.expires, UTC)
            .isoformat()
            .replace("+00:00", "Z"),
            headers=headers,
        )
