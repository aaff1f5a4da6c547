"""The object store on AWS: S3.

What lies under a key decides its bucket (see `Buckets`), so that originals, pictures, vectors and
exports have life cycles of their own. Encryption is the buckets' default, or by a key that is
named here.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from api.objects.keys import check_key
from api.objects.store import (
    NewObject,
    ObjectInfo,
    ObjectMissing,
    Part,
    check_content_type,
    check_parts,
    check_prefix,
    check_range,
    type_by_name,
)

_CHUNK = 256 * 2**10
_PIECE = 16 * 2**20
"""Bytes that are sent at once; larger objects go in parts of as much, up to 156 GiB."""
_DELETE_BATCH = 1000
_THREADS = 16
_MISSING = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}

_ALBUM = r"tenant/[^/]+/[^/]+/"
_EMBEDDINGS = re.compile(_ALBUM + r"([^/]+\.npy|people/(vectors|reembed)/.*)")
_EXPORTS = re.compile(_ALBUM + r"share/.*")
_DERIVED = re.compile(_ALBUM + r"(thumb|crops|people|runs)/.*")


@dataclass(frozen=True)
class Buckets:
    """Names of the buckets, which may be the same.

    raw: originals. derived: thumbnails, crops, states of people, manifests of ingestion.
    embeddings: vectors. exports: what is made for shares.
    """

    raw: str
    derived: str
    embeddings: str
    exports: str

    def of(self, key: str) -> str:
        """Where an object is kept.

        >>> Buckets("raw", "derived", "embeddings", "exports").of("tenant/u/a/crops/f.jpg")
        'derived'
        """
        if _EMBEDDINGS.fullmatch(key):
            return self.embeddings
        if _EXPORTS.fullmatch(key):
            return self.exports
        return self.derived if _DERIVED.fullmatch(key) else self.raw

    def all(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(astuple(self)))


class S3ObjectStore:
    """Objects in buckets that are there already.

    Args:
        client: boto3's client of S3, with retries.
        kms_key: id or ARN of the key to encrypt with; None: what is the buckets' default.
    """

    def __init__(self, client: Any, buckets: Buckets, kms_key: str | None = None) -> None:
        self._client = client
        self._buckets = buckets
        self._encryption: dict[str, Any] = {}
        if kms_key is not None:
            self._encryption = {
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": kms_key,
                "BucketKeyEnabled": True,
            }
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")

    def close(self) -> None:
        """End the threads; the store is of no use afterwards."""
        self._pool.shutdown()

    def put(self, key: str, data: bytes | BinaryIO, content_type: str) -> ObjectInfo:
        where = self._where(key)
        check_content_type(content_type)
        if isinstance(data, bytes):
            first, rest = data, b""
        else:
            first, rest = _read(data, _PIECE), data.read(1)
        if isinstance(data, bytes) or not rest:
            answer = self._client.put_object(
                **where, Body=first, ContentType=content_type, **self._encryption
            )
            return ObjectInfo(key, len(first), content_type, _etag(answer))
        return self._put_parts(key, first, rest, data, content_type)

    def put_file(self, key: str, file: Path, content_type: str) -> ObjectInfo:
        with file.open("rb") as source:
            return self.put(key, source, content_type)

    def put_many(self, objects: Sequence[NewObject]) -> list[ObjectInfo]:
        return list(
            self._pool.map(lambda new: self.put(new.key, new.data, new.content_type), objects)
        )

    def head(self, key: str) -> ObjectInfo | None:
        where = self._where(key)
        try:
            answer = self._client.head_object(**where)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return ObjectInfo(key, answer["ContentLength"], answer["ContentType"], _etag(answer))

    def get(self, key: str) -> bytes:
        with _missing(key):
            content: bytes = self._client.get_object(**self._where(key))["Body"].read()
        return content

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(start, length)
        if length == 0:
            if self.head(key) is None:
                raise ObjectMissing(key)
            return iter(())
        end = "" if length is None else start + length - 1
        try:
            with _missing(key):
                body = self._client.get_object(**self._where(key), Range=f"bytes={start}-{end}")
        except ClientError as error:
            if _code(error) == "InvalidRange":  # it ends before
                return iter(())
            raise
        chunks: Iterator[bytes] = body["Body"].iter_chunks(_CHUNK)
        return chunks

    def pieces(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [b"".join(self.stream(key, start, length)) for start, length in ranges]

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        found = (self._list(bucket, prefix) for bucket in self._buckets.all())
        return heapq.merge(*found, key=lambda info: info.key)

    def delete(self, keys: Iterable[str]) -> None:
        placed = sorted((self._buckets.of(check_key(key)), key) for key in keys)
        for bucket, group in groupby(placed, key=lambda pair: pair[0]):
            self._delete_all(bucket, ({"Key": key} for _, key in group))

    def delete_prefix(self, prefix: str) -> int:
        check_prefix(prefix)
        count = 0
        for bucket in self._buckets.all():
            uploads = self._pages("list_multipart_uploads", bucket, prefix, "Uploads")
            for upload in list(uploads):
                self.abort_multipart(upload["Key"], upload["UploadId"])
            count += sum(1 for _ in self._list(bucket, prefix))
            self._erase(bucket, prefix)
        return count

    def start_multipart(self, key: str, content_type: str) -> str:
        answer = self._client.create_multipart_upload(
            **self._where(key), ContentType=check_content_type(content_type), **self._encryption
        )
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, data: bytes | BinaryIO) -> Part:
        content = data if isinstance(data, bytes) else data.read()
        with _missing(f"upload {upload}"):
            answer = self._client.upload_part(
                **self._where(key), UploadId=upload, PartNumber=number, Body=content
            )
        return Part(number, len(content), _etag(answer))

    def list_parts(self, key: str, upload: str) -> list[Part]:
        pages = self._client.get_paginator("list_parts").paginate(
            **self._where(key), UploadId=upload
        )
        with _missing(f"upload {upload}"):
            return [
                Part(part["PartNumber"], part["Size"], _etag(part))
                for page in pages
                for part in page.get("Parts", [])
            ]

    def complete_multipart(self, key: str, upload: str, parts: list[Part]) -> ObjectInfo:
        check_parts(key, parts, self.list_parts(key, upload))
        chosen = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with _missing(f"upload {upload}"):
                self._client.complete_multipart_upload(
                    **self._where(key), UploadId=upload, MultipartUpload={"Parts": chosen}
                )
        except ClientError as error:
            if _code(error) == "EntityTooSmall":
                raise ValueError("every part but the last must have 5 MiB or more") from error
            raise
        info = self.head(key)
        if info is None:  # removed just now
            raise ObjectMissing(key)
        return info

    def abort_multipart(self, key: str, upload: str) -> None:
        with suppress(ObjectMissing), _missing(f"upload {upload}"):
            self._client.abort_multipart_upload(**self._where(key), UploadId=upload)

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self._buckets.of(check_key(key)), "Key": key}

    def _put_parts(
        self, key: str, first: bytes, start: bytes, data: BinaryIO, content_type: str
    ) -> ObjectInfo:
        upload = self.start_multipart(key, content_type)
        try:
            parts = [self.put_part(key, upload, 1, first)]
            piece = start + _read(data, _PIECE - len(start))
            while piece:
                parts.append(self.put_part(key, upload, len(parts) + 1, piece))
                piece = _read(data, _PIECE)
            return self.complete_multipart(key, upload, parts)
        except BaseException:
            self.abort_multipart(key, upload)
            raise

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for found in self._pages("list_objects_v2", bucket, prefix, "Contents"):
            key = found["Key"]
            yield ObjectInfo(key, found["Size"], type_by_name(key), _etag(found))

    def _pages(self, operation: str, bucket: str, prefix: str, field: str) -> Iterator[Any]:
        pages = self._client.get_paginator(operation).paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from page.get(field, [])

    def _erase(self, bucket: str, prefix: str) -> None:
        """Remove every version, where the bucket keeps them: what is erased is gone."""
        while True:
            # From the start each time: what was found is not there any more.
            page = self._client.list_object_versions(Bucket=bucket, Prefix=prefix)
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if not found:
                return
            self._delete_all(
                bucket, ({"Key": one["Key"], "VersionId": one["VersionId"]} for one in found)
            )

    def _delete_all(self, bucket: str, objects: Iterable[dict[str, str]]) -> None:
        iterator = iter(objects)
        while batch := list(islice(iterator, _DELETE_BATCH)):
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": batch, "Quiet": True}
            )
            # S3 answers 200 even if some of them could not be removed.
            if errors := answer.get("Errors", []):
                raise OSError(
                    f"{len(errors)} objects were not removed from {bucket}:"
                    f" {errors[0].get('Code')} {errors[0].get('Message')}"
                )


@contextmanager
def _missing(what: str) -> Iterator[None]:
    """S3's words for what is not there, as the port's."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _MISSING | {"InvalidPart"}:
            raise ObjectMissing(what) from None
        raise


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _etag(answer: dict[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _read(file: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end: a file may give less than it is asked for."""
    pieces = []
    while size > 0 and (piece := file.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
