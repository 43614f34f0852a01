"""Errors that a caller of the service is meant to understand.

AppError
├── customers.CustomerMoved  308  merged into another customer, who is at `Location`
├── BadRequest          400  what was asked makes no sense
├── NotSignedIn         401
├── NotAllowed          403
├── NotFound            404
├── Conflict            409  somebody else was first, or the state does not allow it
├── TooLarge            413
├── Invalid             422  a payload that does not fit its schema
├── TooManyRequests     429
└── Unavailable         503  the database or the carrier is away

Every kind carries a stable `code` that programs may rely on, a `title` that never changes with it, and a `detail` for
the person who reads it. `app.main` turns them into `application/problem+json` (RFC 9457). Kinds that belong to one use
case live beside the service that raises them.
"""

from typing import Any, ClassVar


class AppError(Exception):
    """An error with an HTTP status, a stable code and words for a person.

    Args:
        detail: what went wrong and what to do next, in a sentence or two.
        extra: further members of the problem document (RFC 9457, section 3.2); JSON values only.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class BadRequest(AppError):
    """What was asked makes no sense."""

    status = 400
    code = "bad_request"
    title = "The request makes no sense"


class NotSignedIn(AppError):
    """No session and no token, or one that has ended."""

    status = 401
    code = "not_signed_in"
    title = "Not signed in"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class NotAllowed(AppError):
    """Signed in, but this is not theirs to see or do."""

    status = 403
    code = "not_allowed"
    title = "Not allowed"


class NotFound(AppError):
    """There is no such thing, or none that this user may see."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(AppError):
    """Somebody else was first, or the state of the thing does not allow it."""

    status = 409
    code = "conflict"
    title = "In conflict with how things stand"


class TooLarge(AppError):
    """More than we take in one request."""

    status = 413
    code = "too_large"
    title = "Too large"


class Invalid(AppError):
    """A payload that does not fit its schema; the framework raises most of these itself."""

    status = 422
    code = "invalid"
    title = "The payload does not fit"


class TooManyRequests(AppError):
    """Too often; `retry_after` seconds are told in the body and, rounded up, in the Retry-After header."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(AppError):
    """Something we depend on is away; trying again later helps."""

    status = 503
    code = "unavailable"
    title = "Not available right now"
