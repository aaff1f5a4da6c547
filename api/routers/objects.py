"""Reads and writes of objects by signed URL, on one machine; elsewhere the cloud answers them."""

from __future__ import annotations

import time
from typing import Annotated, cast

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.domain import uploads
from api.errors import ApiError, BadRequest, Conflict, Forbidden, NotFound, TooLarge
from api.objects.disposition import disposition
from api.objects.file_store import FileObjectStore, chunks
from api.objects.hmac_signer import Grant, HmacSigner
from api.objects.store import ObjectMissing
from api.routers.ranges import byte_range, matches
from api.services import Services

router = APIRouter(tags=["objects"])

_WHOLE = 2**20
_BUFFER = 2**20


class LengthRequired(ApiError):
    """The upload does not say how long it is."""

    status = 411
    title = "Length required"


class _Home:
    """The store and the signer of one machine."""

    def __init__(self, request: Request) -> None:
        services = cast(Services, request.app.state.services)
        store, signer = services.objects, services.signer
        if not isinstance(store, FileObjectStore) or not isinstance(signer, HmacSigner):
            raise NotFound("objects are kept elsewhere")
        self.services = services
        self.store = store
        self.signer = signer

    def check(self, grant: Grant, signature: str) -> None:
        """Is the grant good?"""
        if not self.signer.is_valid(grant, signature):
            raise Forbidden("the URL is not valid, or no longer: ask for a new one")


async def _home(request: Request) -> _Home:
    return _Home(request)


HomeDep = Annotated[_Home, Depends(_home)]
Expires = Annotated[int, Query(ge=0, lt=2**40, description="Seconds since 1970")]
Signature = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")]


@router.api_route(
    "/objects/{key:path}",
    methods=["GET", "HEAD"],
    operation_id="readObject",
    response_class=Response,
    include_in_schema=False,
)
def read_object(
    request: Request,
    home: HomeDep,
    key: str,
    expires: Expires,
    signature: Signature,
    filename: Annotated[str | None, Query(max_length=1024)] = None,
) -> Response:
    """The object, or a range of it. What lies under a URL never changes while it is valid, so that
    it is never asked for twice."""
    home.check(Grant("GET", key, expires, filename=filename), signature)
    try:
        file = home.store.open(key)
    except ObjectMissing:
        raise NotFound("there is no such object") from None
    try:
        info = home.store.info_of(key, file)
        etag = f'"{info.etag}"'
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": f"private, max-age={max(0, int(expires - time.time()))}, immutable",
            "Content-Disposition": disposition(filename),
            # Should an upload be something else than a photo, it can do nothing here.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if matches(request.headers.get("if-none-match"), etag):
            file.close()
            return Response(status_code=304, headers=headers)
        start, end = byte_range(request.headers, etag, info.size)
        status = 200
        if (start, end) != (0, info.size):
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{info.size}"
        if request.method == "HEAD" or end - start <= _WHOLE:
            file.seek(start)
            body = b"" if request.method == "HEAD" else file.read(end - start)
            file.close()
            headers["Content-Length"] = str(end - start)
            return Response(body, status, headers, info.content_type)
        headers["Content-Length"] = str(end - start)
        return StreamingResponse(
            chunks(file, start, end - start), status, headers, info.content_type
        )
    except BaseException:
        file.close()
        raise


@router.put("/objects/{key:path}", operation_id="writeObject", include_in_schema=False)
async def write_object(
    request: Request,
    home: HomeDep,
    key: str,
    expires: Expires,
    signature: Signature,
    size: Annotated[int, Query(ge=0)],
    content_type: Annotated[str | None, Query(alias="type", max_length=200)] = None,
    upload_id: Annotated[str | None, Query(alias="upload", max_length=64)] = None,
    part: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> Response:
    """Write an object, or a part of one, of just the size and type that were signed."""
    grant = Grant(
        "PUT", key, expires, content_type=content_type, size=size, upload=upload_id, number=part
    )
    home.check(grant, signature)
    sent_type = request.headers.get("content-type")
    if content_type is not None and sent_type != content_type:
        raise BadRequest(f"the Content-Type must be {content_type}, not {sent_type}")
    length = request.headers.get("content-length")
    if length is None:
        raise LengthRequired("send the Content-Length")
    if int(length) > size:
        raise TooLarge(f"the URL is for {size} bytes, not {length}")
    if int(length) < size:
        raise BadRequest(f"the URL is for {size} bytes, not {length}")
    if not await to_thread.run_sync(uploads.accepts, home.services, key):
        return await to_thread.run_sync(_already_there, home, key, size)
    with home.store.temporary() as file:
        buffer = bytearray()
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > size:
                raise TooLarge(f"the URL is for {size} bytes")
            buffer += chunk
            if len(buffer) >= _BUFFER:
                await to_thread.run_sync(file.write, bytes(buffer))
                buffer.clear()
        if received != size:
            raise BadRequest(f"the URL is for {size} bytes, {received} came")

        def commit() -> str:
            file.write(buffer)
            if upload_id is not None and part is not None:
                return home.store.commit_part(file, key, upload_id, part).etag
            info = home.store.commit(file, key, content_type or "")
            if uploads.arrived(home.services, key) is None:
                # Erased while it came in: nothing may stay.
                home.store.delete([key])
                raise Conflict("the photo was removed meanwhile")
            return info.etag

        try:
            etag = await to_thread.run_sync(commit)
        except ObjectMissing:
            raise Conflict("the upload was completed or given up") from None
    return Response(headers={"ETag": f'"{etag}"'})


def _already_there(home: _Home, key: str, size: int) -> Response:
    """The answer to an upload that is repeated because the first answer was lost."""
    info = home.store.head(key)
    if info is None or info.size != size:
        raise Conflict("nothing is expected here: the photo is complete or was removed")
    return Response(headers={"ETag": f'"{info.etag}"'})
