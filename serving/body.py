"""Reading a request's body up to a limit."""

from __future__ import annotations

from starlette.requests import Request

from serving.errors import RequestError

# A client that is already sending hears the answer only once it is done, or else finds its
# connection reset: this many bytes more are read and dropped before giving up on it.
_DROPPED = 32 * 2**20


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, whether its length was announced or it comes in chunks.

    Raises:
        RequestError: 413, it has more than ``limit`` bytes; 400, the length is no number; 415, it
            is compressed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(415, "send the body without a content encoding")
    announced = request.headers.get("content-length")
    expects = request.headers.get("expect", "").lower() == "100-continue"
    size = int(announced) if announced and announced.isascii() and announced.isdigit() else 0
    if size > limit and (expects or size > limit + _DROPPED):
        raise _too_large(limit)
    parts: list[bytes] = []
    received = 0
    async for part in request.stream():
        received += len(part)
        if received <= limit:
            parts.append(part)
        else:
            parts.clear()
            if received > limit + _DROPPED:
                break
    if received > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> RequestError:
    # Closing tells a client that is still sending that nobody listens any more.
    return RequestError(
        413, f"over the limit of {limit:,} bytes a request", {"Connection": "close"}
    )
