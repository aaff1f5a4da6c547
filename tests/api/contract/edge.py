"""CloudFront on the loopback interface: checks signed URLs as CloudFront does, and reads from S3.

The cache policy, the response headers and what it may read are those that docs/aws.md asks of the
distribution.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from api.objects.s3_store import Buckets
from tests.api.contract.loopback import Loopback

RESPONSE_HEADERS = {
    "Cache-Control": "private, max-age=900, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
_SIGNATURE = ("Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm")
_PASSED_ON = {
    "ETag": "ETag",
    "ContentType": "Content-Type",
    "ContentRange": "Content-Range",
    "ContentDisposition": "Content-Disposition",
}


class Edge(Loopback):
    """A distribution; ``key_group`` are the public keys that it trusts, by id."""

    def __init__(self, s3: Any, buckets: Buckets, key_group: dict[str, RSAPublicKey]) -> None:
        self._s3 = s3
        self._buckets = buckets
        self.key_group = key_group
        super().__init__()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, _, query = environ["RAW_URI"].partition("?")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or not self._is_signed(path, query):
            start("403 Forbidden", [])
            return [b"AccessDenied"]
        key = unquote(path).lstrip("/")
        asked = {"Bucket": self._buckets.of(key), "Key": key}
        if "HTTP_RANGE" in environ:
            asked["Range"] = environ["HTTP_RANGE"]
        if "HTTP_IF_NONE_MATCH" in environ:
            asked["IfNoneMatch"] = environ["HTTP_IF_NONE_MATCH"]
        if name := parse_qs(query).get("response-content-disposition"):
            asked["ResponseContentDisposition"] = name[0]
        try:
            found = self._s3.get_object(**asked)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            start(f"{status} {error.response['Error']['Code']}", [])
            return []
        headers = {theirs: found[ours] for ours, theirs in _PASSED_ON.items() if ours in found}
        headers |= RESPONSE_HEADERS | {"Content-Length": str(found["ContentLength"])}
        status = found["ResponseMetadata"]["HTTPStatusCode"]
        start(f"{status} OK", list(headers.items()))
        return list(found["Body"].iter_chunks(2**16))

    def _is_signed(self, path: str, query: str) -> bool:
        pairs = [pair for pair in query.split("&") if pair]
        signed = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
        try:
            expires, key_id = int(signed["Expires"]), signed["Key-Pair-Id"]
            text = signed["Signature"].translate(str.maketrans("-_~", "+=/"))
            signature, key = b64decode(text, validate=True), self.key_group[key_id]
        except (KeyError, ValueError):
            return False
        if signed.get("Hash-Algorithm") != "SHA256" or time.time() >= expires:
            return False
        rest = [pair for pair in pairs if pair.partition("=")[0] not in _SIGNATURE]
        resource = f"{self.url}{path}" + (f"?{'&'.join(rest)}" if rest else "")
        # Written out, not made by what made it: this is what the specification says.
        policy = (
            f'{{"Statement":[{{"Resource":"{resource}",'
            f'"Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'
        )
        try:
            key.verify(signature, policy.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True
