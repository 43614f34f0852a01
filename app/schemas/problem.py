"""How an error looks on the wire: RFC 9457 `application/problem+json`, with a stable `code`."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from app.errors import AppError

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(BaseModel):
    """One thing that does not fit in a payload. What was sent is not repeated, for it may be a password."""

    loc: list[str | int] = Field(description="Where: `body`, `query`, `path` or `header`, then names and positions.")
    msg: str


class Problem(BaseModel):
    """What went wrong. Programs go by `code` (or `type`, which is made of it); `detail` is for the person.

    Some kinds carry more members, such as `retry_after` (seconds) beside a 429.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:callcard:problem:not_found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no such call.",
                    "code": "not_found",
                    "instance": "urn:callcard:request:4bf92f3577b34da6",
                }
            ]
        },
    )

    type: str = Field(description="A URI that identifies the kind; there is nothing to be fetched at it.")
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = Field(default=None, description="Names the request, as X-Request-ID and our log do.")
    errors: list[FieldError] | None = Field(default=None, description="With code `invalid`: each thing that is wrong.")


def problems(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can raise `kinds`: each status with the codes it may carry.

    422 is declared for every route that takes anything; leave it out.
    """
    by_status: dict[int, list[type[AppError]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _response(alike) for status, alike in sorted(by_status.items())}


def problem_content() -> Mapping[str, Any]:
    """The `content` of a response that is a problem, in OpenAPI's words."""
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _response(kinds: list[type[AppError]]) -> dict[str, Any]:
    codes = ", ".join(f"`{kind.code}`" for kind in kinds)
    return {"description": f"{kinds[0].title} ({codes})", "content": problem_content()}
