"""The OpenAPI document says what the service really does, and no request that it allows ends in a 5xx."""

import asyncio
import os
import sys
from typing import Any

import pytest

from app.domain.scopes import Scope
from app.models.people import Role
from app.schemas.agents import TokenCreate
from app.services.tokens import create_token
from tests.factories import make_customer
from tests.support import Serve, Served, sign_in_as

PHASES = os.environ.get("API_PHASES", "examples,fuzzing")
"""How requests are made up. `make fuzz` adds `coverage`, every boundary of every field, which takes two minutes."""
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = {"/healthz", "/readyz", "/metrics"}


@pytest.fixture
async def with_telephony(serve: Serve) -> Served:
    return await serve(
        twilio_account_sid="AC" + "5" * 32,
        twilio_auth_token=AUTH_TOKEN,
        twilio_api_key="SK" + "5" * 32,
        twilio_api_secret=AUTH_TOKEN,
        mail_secret="whsec_dGhpcyBpcyBhIHNlY3JldCBmb3IgdGhlIHRlc3Rz",
    )


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_operation_says_what_it_is_and_how_it_can_fail(with_telephony: Served) -> None:
    async with with_telephony.client() as http:
        document = (await http.get("/openapi.json")).json()

    found = operations(document)
    assert len(found) > 40
    assert len({operation["operationId"] for _, operation in found}) == len(found)
    for name, operation in found:
        path = name.split()[1]
        answers = operation["responses"]
        assert operation.get("summary") or operation.get("description"), name
        assert any(code.startswith("2") for code in answers), name
        if path.startswith("/telephony"):
            assert {"403", "413", "415"} <= set(answers), name
        elif path not in PUBLIC and path != "/api/v1/session":
            assert {"401", "403"} <= set(answers), name
        for code, answer in answers.items():
            if int(code) >= 400 and path not in PUBLIC:
                assert "application/problem+json" in answer["content"], (name, code)


async def test_every_body_that_is_sent_has_an_example(with_telephony: Served) -> None:
    async with with_telephony.client() as http:
        document = (await http.get("/openapi.json")).json()

    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            parts = content["schema"].get("anyOf", [content["schema"]])
            named = [schemas[part["$ref"].rpartition("/")[2]] for part in parts if "$ref" in part]
            assert "example" in content or any("examples" in schema for schema in named), name


# A hundred and more operations, each asked many times: on a busy machine more than a test usually may take.
@pytest.mark.timeout(300)
async def test_no_request_that_the_document_allows_ends_in_a_5xx(with_telephony: Served) -> None:
    person = await sign_in_as(with_telephony, Role.ADMIN)
    await person.http.aclose()
    async with with_telephony.database.session_scope() as session:
        await make_customer(session, "138 0013 8000")
        wanted = TokenCreate(name="schemathesis", scopes=set(Scope))
        _, secret = await create_token(session, person.agent.id, wanted, None)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{with_telephony.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {secret}", "--phases", PHASES),
        *(
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ),
        *("--max-examples", "5", "--seed", "20261121", "--request-timeout", "10", "--no-color"),
        *(
            "--exclude-operation-id-regex",
            "sign_out|revoke_token|update_agent",
            "--suppress-health-check",
            "all",
            "--continue-on-failure",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()[-6000:]
