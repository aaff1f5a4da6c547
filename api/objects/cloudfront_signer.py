"""Signed URLs on AWS: reads by CloudFront, writes straight to S3.

Reads have a canned policy, signed with RSA and SHA-256 by the first key of a trusted key group. To
rotate: add the new public key to the group, sign with it, and take the old one out once its URLs
have expired. The distribution's cache and response policies are in `docs/aws.md`.

Writes are presigned by Signature Version 4 with the type, the length and ``If-None-Match: *`` among
the signed headers: S3 refuses anything else, and a second write of the same object, by 412.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api.objects.disposition import disposition
from api.objects.keys import check_key
from api.objects.s3_store import Buckets
from api.objects.signer import SignedUrl, iso_time, origin_of, reading_ends

_URL_SAFE = bytes.maketrans(b"+=/", b"-_~")


class CloudFrontSigner:
    """Signs URLs of ``{base_url}/{key}``, and of objects in S3.

    Args:
        s3: boto3's client of S3; its credentials sign writes.
        base_url: of the distribution.
        key_id: CloudFront's id of the public key.
        private_key: the private key, PEM.

    Raises:
        ValueError: the private key is none, or not RSA.
    """

    def __init__(
        self, s3: Any, buckets: Buckets, *, base_url: str, key_id: str, private_key: bytes
    ) -> None:
        try:
            key = load_pem_private_key(private_key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"the key of CloudFront's signed URLs is no PEM: {error}") from error
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("the key of CloudFront's signed URLs must be RSA")
        self._s3 = s3
        self._buckets = buckets
        self._base = f"{base_url.rstrip('/')}/"
        self._key_id = key_id
        self._key = key

    @property
    def read_origin(self) -> str:
        return origin_of(self._base)

    @property
    def write_origin(self) -> str:
        # The host is the region's own; who makes URLs knows it best.
        where = {"Bucket": self._buckets.raw, "Key": "any"}
        return origin_of(self._s3.generate_presigned_url("put_object", Params=where))

    def sign_get(self, key: str, *, seconds: int, filename: str | None = None) -> SignedUrl:
        expires = reading_ends(seconds)
        url = f"{self._base}{quote(check_key(key))}"
        if filename is not None:
            # CloudFront passes it on to S3, which answers with this header.
            url += f"?response-content-disposition={quote(disposition(filename), safe='')}"
        separator = "&" if filename is not None else "?"
        signature = self._key.sign(canned_policy(url, expires), PKCS1v15(), SHA256())
        text = b64encode(signature).translate(_URL_SAFE).decode()
        query = f"Expires={expires}&Signature={text}&Key-Pair-Id={self._key_id}"
        return SignedUrl(
            url=f"{url}{separator}{query}&Hash-Algorithm=SHA256",
            method="GET",
            expires_at=iso_time(expires),
        )

    def sign_put(self, key: str, *, seconds: int, content_type: str, size: int) -> SignedUrl:
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        return self._presign(
            "put_object",
            key,
            seconds,
            headers,
            ContentType=content_type,
            ContentLength=size,
            IfNoneMatch="*",
        )

    def sign_put_part(
        self, key: str, upload: str, number: int, *, seconds: int, size: int
    ) -> SignedUrl:
        return self._presign(
            "upload_part",
            key,
            seconds,
            {},
            UploadId=upload,
            PartNumber=number,
            ContentLength=size,
        )

    def _presign(
        self, operation: str, key: str, seconds: int, headers: dict[str, str], **arguments: Any
    ) -> SignedUrl:
        where = {"Bucket": self._buckets.of(check_key(key)), "Key": key}
        # Not after the URL ends: botocore takes the time a moment later.
        expires = int(time.time()) + seconds
        url = self._s3.generate_presigned_url(
            operation, Params=where | arguments, ExpiresIn=seconds, HttpMethod="PUT"
        )
        return SignedUrl(url=url, method="PUT", expires_at=iso_time(expires), headers=headers)


def canned_policy(url: str, expires: int) -> bytes:
    """What is signed of a URL that is good until ``expires`` (epoch seconds), to the letter as
    CloudFront makes it anew for checking."""
    condition = {"DateLessThan": {"AWS:EpochTime": expires}}
    statement = {"Resource": url, "Condition": condition}
    return json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
