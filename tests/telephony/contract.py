"""Holds requests and answers against Twilio's own published description of its REST API.

The description (OpenAPI 3.0.1, `shared/contracts/twilio_api_v2010.calls.json` beside the project) covers calls,
conferences, queues and recordings. Two helpers, both for the *test's* body (not for within a server), since without the
description they skip the test with a reason:

    check_request("POST", "/2010-04-01/Accounts/AC…/Calls.json", [("To", "+86…"), ("Timeout", "20"), …])
    check_request("GET", "/2010-04-01/Accounts/AC…/Calls.json?To=%2B86…&PageSize=50", [])
    check_response("POST", "/2010-04-01/Accounts/AC…/Calls.json", 201, {"sid": "CA…", …})

Both return the operation's id (`CreateCall`) and raise `ContractViolation`, which lists everything that is wrong.
Stricter than the letter of OpenAPI in one point: a parameter or a property that is not described is a violation too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

CONTRACT = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "twilio_api_v2010.calls.json"
SKIP_REASON = f"Twilio's published API description is not here: {CONTRACT}"

requires_contract = pytest.mark.skipif(not CONTRACT.is_file(), reason=SKIP_REASON)

_DOCUMENT = "urn:twilio:api:v2010"

Json = Any  # whatever json.loads gives; the schemas say what it must be


class ContractViolation(AssertionError):
    """A request or an answer that Twilio's description does not allow; one line for each thing wrong."""

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        super().__init__(f"{what}\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Operation:
    """One described operation, found by method and path; `path_values` are the raw values in the path."""

    operation_id: str
    spec: Mapping[str, Json]
    path_values: Mapping[str, str]


def check_request(method: str, path: str, form: Sequence[tuple[str, str]]) -> str:
    """Check one request; `path` may carry a query string, `form` is the decoded body in order ([] where there is none).

    Returns the operation's id. Raises ContractViolation; skips the test where the description is absent.
    """
    route, _, query = path.partition("?")
    operation = find_operation(method, route)
    parameters = operation.spec.get("parameters", [])
    problems = list(_path_problems(parameters, operation.path_values))
    problems += _parameter_problems(
        "query",
        parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)),
        {p["name"]: p["schema"] for p in parameters if p["in"] == "query"},
        {p["name"] for p in parameters if p["in"] == "query" and p.get("required")},
    )
    body_schema = _body_schema(operation)
    if body_schema is None:
        if form:
            problems.append(f"{operation.operation_id} takes no body, got {[name for name, _ in form]}")
    else:
        problems += _parameter_problems(
            "form", form, body_schema.get("properties", {}), set(body_schema.get("required", ()))
        )
    if problems:
        raise ContractViolation(f"{method} {path}: not a {operation.operation_id} request", problems)
    return operation.operation_id


def check_response(method: str, path: str, status: int, json: Json) -> str:
    """Check one answer: `status` and the decoded JSON body (None where there is no body).

    Errors (status ≥ 400) are not in the description; they are held against the shape that Twilio documents for them
    (https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions): `status` and `message`,
    optionally `code` and `more_info`. Returns and raises as `check_request`.
    """
    operation = find_operation(method, path.partition("?")[0])
    described = operation.spec["responses"].get(str(status))
    if described is None and status < 400:
        raise ContractViolation(
            f"{method} {path}", [f"status {status} is not among {sorted(operation.spec['responses'])}"]
        )
    if described is None:
        problems = list(_schema_problems(_ERROR_BODY, json))
        if not problems and json["status"] != status:
            problems.append(f"status: body says {json['status']}, the answer is {status}")
    elif "content" not in described:
        problems = [] if json is None else [f"a {status} has no body, got {json!r}"]
    else:
        problems = list(_schema_problems(described["content"]["application/json"]["schema"], json))
    if problems:
        raise ContractViolation(f"{method} {path}: not a {operation.operation_id} answer", problems)
    return operation.operation_id


def find_operation(method: str, route: str) -> Operation:
    """The described operation for a method and a path without query; raises ContractViolation where there is none."""
    for pattern, template in _routes():
        if match := pattern.fullmatch(route):
            spec = _description()["paths"][template].get(method.lower())
            if spec is None:
                raise ContractViolation(f"{method} {route}", [f"{template} has no {method}"])
            return Operation(spec["operationId"], spec, match.groupdict())
    raise ContractViolation(f"{method} {route}", ["no such path is described"])


def described_examples() -> Iterator[tuple[str, str, int, Json]]:
    """Every answer that the description gives as an example: method, path, status, body."""
    account, call, other = "AC" + "a" * 32, "CA" + "a" * 32, "a" * 32
    for template, item in _description()["paths"].items():
        path = template.replace("{AccountSid}", account).replace("{CallSid}", call)
        path = path.replace("{ConferenceSid}", "CF" + other).replace("{QueueSid}", "QU" + other)
        prefix = "CA" if "/Calls/{Sid}" in template else "CF" if "/Conferences/{Sid}" in template else "QU"
        path = path.replace("{Sid}", ("RE" if "/Recordings/{Sid}" in template else prefix) + other)
        for method in ("get", "post", "delete"):
            for status, response in item.get(method, {}).get("responses", {}).items():
                content = response.get("content", {}).get("application/json", {})
                for example in content.get("examples", {}).values():
                    yield method.upper(), path, int(status), example["value"]


@cache
def _description() -> dict[str, Json]:
    if not CONTRACT.is_file():
        pytest.skip(SKIP_REASON)
    description: dict[str, Json] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    _as_json_schema(description["paths"])
    _as_json_schema(description["components"]["schemas"])
    return description


@cache
def _routes() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))), template)
        for template in _description()["paths"]
    )


def _as_json_schema(node: Json) -> None:
    """Turn OpenAPI 3.0's own words into JSON Schema's, in place, and close objects whose properties are listed.

    `nullable` becomes a type with null (OpenAPI 3.0.3: it only widens an explicit type in the same schema); references
    within the document become absolute, so that any schema of it can be used on its own.
    """
    if isinstance(node, list):
        for item in node:
            _as_json_schema(item)
    if not isinstance(node, dict):
        return
    if node.pop("nullable", False) and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if "enum" in node and None not in node["enum"]:
            node["enum"].append(None)
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        node.setdefault("additionalProperties", False)
    if isinstance(node.get("$ref"), str):
        node["$ref"] = _DOCUMENT + node["$ref"]
    for key, value in node.items():
        if key not in ("example", "examples"):
            _as_json_schema(value)


def _body_schema(operation: Operation) -> Mapping[str, Json] | None:
    content = operation.spec.get("requestBody", {}).get("content", {})
    body: Mapping[str, Json] | None = content.get("application/x-www-form-urlencoded", {}).get("schema")
    return body


def _path_problems(parameters: Sequence[Mapping[str, Json]], values: Mapping[str, str]) -> Iterator[str]:
    for parameter in parameters:
        if parameter["in"] == "path":
            for problem in _schema_problems(parameter["schema"], values[parameter["name"]]):
                yield f"path {parameter['name']}: {problem}"


def _parameter_problems(
    where: str, pairs: Sequence[tuple[str, str]], schemas: Mapping[str, Mapping[str, Json]], required: set[str]
) -> Iterator[str]:
    """Arrays are `style: form, explode: true`: one pair for each item; anything else may come once only."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    for name in sorted(required - given.keys()):
        yield f"{where} {name}: required and not there"
    for name, values in given.items():
        schema = schemas.get(name)
        if schema is None:
            yield f"{where} {name}: not described (known: {', '.join(sorted(schemas))})"
            continue
        if schema.get("type") == "array":
            item_schema = schema["items"]
        else:
            item_schema = schema
            if len(values) > 1:
                yield f"{where} {name}: given {len(values)} times"
        for value in values:
            for problem in _schema_problems(item_schema, _typed(value, item_schema)):
                yield f"{where} {name}: {problem}"
            if item_schema.get("format") == "uri" and not _is_absolute_url(value):
                yield f"{where} {name}: {value!r} is not an absolute http(s) URL"


def _typed(text: str, schema: Mapping[str, Json]) -> Json:
    """A form's text as the type that its schema wants; as it is where it does not look like one."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _schema_problems(schema: Mapping[str, Json], value: Json) -> Iterator[str]:
    for error in Draft202012Validator(schema, registry=_registry(), format_checker=_FORMATS).iter_errors(value):
        place = ".".join(str(step) for step in error.absolute_path)
        yield f"{place}: {error.message}" if place else error.message


@cache
def _registry() -> Registry[Json]:
    registry: Registry[Json] = Registry().with_resource(_DOCUMENT, DRAFT202012.create_resource(_description()))
    return registry


_ERROR_BODY: Mapping[str, Json] = {
    "type": "object",
    "required": ["status", "message"],
    "additionalProperties": False,
    "properties": {
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "message": {"type": "string"},
        "code": {"type": ["integer", "null"]},
        "more_info": {"type": ["string", "null"]},
        "details": {"type": "object"},
    },
}


def _is_iso_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _is_iso_date(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


def _is_mail_time(value: object) -> bool:
    return not isinstance(value, str) or parsedate_to_datetime(value).tzinfo is not None


def _is_currency(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z]{3}", value))


def _is_uri_reference(value: object) -> bool:
    # The description calls page links `uri` and its own examples give them relative to the host.
    return not isinstance(value, str) or value.startswith("/") or _is_absolute_url(value)


def _is_absolute_url(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")


# The formats of the description that say something checkable. Its `endpoint`, `phone-number` and `twiml` are free text.
_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date-time", raises=ValueError)(_is_iso_time)
_FORMATS.checks("date", raises=ValueError)(_is_iso_date)
_FORMATS.checks("date-time-rfc-2822", raises=ValueError)(_is_mail_time)
_FORMATS.checks("currency")(_is_currency)
_FORMATS.checks("uri")(_is_uri_reference)
