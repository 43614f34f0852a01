"""The OpenAPI document, as the framework writes it and then corrected where our answers differ from its own."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.errors import BadRequest, Invalid
from app.schemas.problem import Problem, problem_content

TAGS: Final = [
    {"name": "session", "description": "Signing in and out."},
    {"name": "agents", "description": "The people who work here, and the API tokens that act for them."},
    {"name": "the agent's phone", "description": "Presence and the softphone's token; the stream is a WebSocket."},
    {"name": "calls", "description": "What rang, who took it, and how it ended."},
    {"name": "customers", "description": "One record of each customer, and everything that hangs on it."},
    {"name": "lookup", "description": "Who is this number?"},
    {"name": "set-up", "description": "Queues, their numbers, hours, closures and members."},
    {"name": "the carrier", "description": "Signed webhooks; nothing for anybody else."},
    {"name": "running it", "description": "For load balancers, alarms and dashboards."},
]

_FRAMEWORK_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The document for `app`, made once: the framework's, with `Problem` in the place of its own validation error."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=TAGS,
    )
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                # The framework's own answer to a body that is not JSON at all, or not UTF-8.
                operation["responses"].setdefault(
                    "400", {"description": f"{BadRequest.title} (`{BadRequest.code}`)", "content": problem_content()}
                )
            if "422" in operation.get("responses", {}):
                operation["responses"]["422"] = {
                    "description": f"{Invalid.title} (`{Invalid.code}`)",
                    "content": problem_content(),
                }
    return document
