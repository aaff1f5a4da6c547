"""What can go wrong, as RFC 9457 problem documents know it."""

from __future__ import annotations


class ApiError(Exception):
    """A problem that the caller is told about.

    Args:
        detail: what is wrong with this request, for a person.
        extra: further members of the problem document.
    """

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class BadRequest(ApiError):
    """The request is malformed or asks for what makes no sense."""

    status = 400
    title = "Bad request"


class Unauthorized(ApiError):
    """No valid token, or a wrong password."""

    status = 401
    title = "Unauthorized"


class Forbidden(ApiError):
    """Known caller, not allowed: the owner switched it off, say."""

    status = 403
    title = "Forbidden"


class NotFound(ApiError):
    """There is no such thing, or it is another user's: callers cannot tell which."""

    status = 404
    title = "Not found"


class Conflict(ApiError):
    """The state of the thing does not allow it."""

    status = 409
    title = "Conflict"


class Gone(ApiError):
    """It was there: a share that expired or was revoked."""

    status = 410
    title = "Gone"


class TooLarge(ApiError):
    """Over a size limit or quota."""

    status = 413
    title = "Content too large"


class UnsupportedType(ApiError):
    """No photo type that is accepted."""

    status = 415
    title = "Unsupported media type"


class KeyReused(ApiError):
    """The idempotency key was sent before, with another request."""

    status = 422
    title = "Idempotency key reused"


class Unavailable(ApiError):
    """It cannot be done just now, through no fault of the caller."""

    status = 503
    title = "Unavailable"


class TooManyRequests(ApiError):
    """Over a rate limit, or locked out; ``retry_after`` in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after
