"""Media types: of what is sent, and of what is wanted back."""

from __future__ import annotations

from collections.abc import Sequence

from serving.errors import RequestError

JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
IMAGES = ("image/jpeg", "image/png", "image/webp")
ACCEPTED = (*IMAGES, NPY, JSON, JSON_LINES)
"""What a request may hold. JSON Lines are several JSON records in one body, as batch transform
sends them when it may put several records into one request."""


def content_type(header: str | None) -> str:
    """The media type of a body.

    Raises:
        RequestError: 415, it is none of those accepted.
    """
    found = (header or "").partition(";")[0].strip().lower()
    if found not in ACCEPTED:
        raise RequestError(
            415,
            f"content type {found or '(none)'} is not supported; send {', '.join(ACCEPTED)}",
            {"Accept": ", ".join(ACCEPTED)},
        )
    return found


def answers_to(content_type: str) -> tuple[str, ...]:
    """What a request of this type may be answered with; the first by default."""
    return (JSON_LINES,) if content_type == JSON_LINES else (JSON, NPY)


def preferred(header: str | None, offers: Sequence[str]) -> str:
    """The offer that the ``Accept`` header likes best (RFC 9110, 12.5.1); the first of equals.

    Raises:
        RequestError: 406, it takes none of them.
    """
    if header is None or not header.strip():
        return offers[0]
    ranges = [_range(part) for part in header.split(",") if part.strip()]
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    if _quality(best, ranges) <= 0:
        raise RequestError(406, f"none of {', '.join(offers)} is acceptable to the client")
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    # The most specific range that fits decides, whatever the order.
    kind = offer.partition("/")[0]
    for name in (offer, f"{kind}/*", "*/*"):
        matches = [quality for candidate, quality in ranges if candidate == name]
        if matches:
            return max(matches)
    return 0.0
