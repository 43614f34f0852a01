"""Every error is `application/problem+json`, says no secret, and names the request that the log names."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query, WebSocket
from sqlalchemy import event
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app import main
from app.config import Settings
from app.dependencies import BriefUser, DbSession
from app.errors import AppError, Conflict, TooManyRequests
from app.models.people import Agent
from app.schemas.problem import Problem
from tests.support import Served, serving, settings_for


class Taken(Conflict):
    """As a service would have it."""

    code = "taken"
    title = "Somebody was first"


def add_trouble(app: FastAPI) -> None:
    """Routes that fail in every way there is."""

    @app.get("/trouble/{kind}")
    async def trouble(kind: str, session: DbSession) -> None:
        session.add(Agent(email=f"{kind}@example.com", name=kind, role="agent", identity=kind))
        await session.flush()
        errors: dict[str, Exception] = {
            "known": Taken("Li Na has it.", holder="Li Na"),
            "often": TooManyRequests("Later.", retry_after=1.2),
            "unknown": RuntimeError("secret words"),
            "outage": ConnectionRefusedError("db.internal:5432"),
            "teapot": HTTPException(418, headers={"X-Tea": "none"}),
        }
        raise errors[kind]

    @app.post("/not-kept", status_code=201)
    async def not_kept(session: DbSession) -> str:
        def lose(_session: object) -> None:
            raise ConnectionResetError("while committing")

        event.listen(session.sync_session, "before_commit", lose)
        return "kept"

    @app.get("/wrong")
    async def wrong(number: Annotated[int, Query(lt=10)]) -> int:
        return number

    @app.get("/broken-stream-of-text")
    async def wrong_answer() -> Annotated[int, "an int"]:
        return "text"  # type: ignore[return-value]  # what response validation is there to find

    @app.websocket("/socket/{kind}")
    async def socket(websocket: WebSocket, kind: str) -> None:
        if kind == "early":
            raise Taken("Li Na has it.", holder="Li Na")
        if kind == "crash":
            raise RuntimeError("secret words")
        await websocket.accept()
        raise Taken("Li Na has it.") if kind == "late" else RuntimeError("secret words")

    @app.websocket("/whose")
    async def whose(websocket: WebSocket, user: BriefUser) -> None:
        await websocket.accept()


@pytest.fixture
async def server(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    create_app = main.create_app

    def with_trouble(settings: Settings) -> FastAPI:
        app = create_app(settings)
        add_trouble(app)
        return app

    monkeypatch.setattr("tests.support.create_app", with_trouble)
    async with serving(settings_for(database_url, tmp_path)) as served:
        yield served


@pytest.fixture
async def http(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


def problem(response: httpx.Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    Problem.model_validate(document)
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:callcard:problem:{document['code']}"
    assert document["instance"] == f"urn:callcard:request:{response.headers['x-request-id']}"
    return document


async def test_an_error_of_ours(http: httpx.AsyncClient) -> None:
    answer = problem(await http.get("/trouble/known"))

    assert {key: answer[key] for key in ("status", "code", "title", "detail", "holder")} == {
        "status": 409,
        "code": "taken",
        "title": "Somebody was first",
        "detail": "Li Na has it.",
        "holder": "Li Na",
    }


async def test_a_failed_request_leaves_nothing(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert problem(await http.get("/trouble/known"))["status"] == 409


async def test_nothing_is_promised_that_was_not_kept(http: httpx.AsyncClient) -> None:
    """The transaction is committed before the answer goes out, so a commit that fails is no 201."""
    response = await http.post("/not-kept")

    assert (problem(response)["status"], problem(response)["code"]) == (503, "unavailable")


async def test_when_to_come_again(http: httpx.AsyncClient) -> None:
    response = await http.get("/trouble/often")

    assert problem(response)["retry_after"] == 1.2
    assert response.headers["Retry-After"] == "2"


async def test_a_mistake_of_ours_is_logged_and_not_told(
    http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await http.get("/trouble/unknown", headers={"X-Request-ID": "find-me"})

    assert problem(response)["code"] == "internal_error"
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    logged = "".join(capsys.readouterr())
    assert "unexpected error" in logged
    assert "secret words" in logged
    assert "find-me" in logged


async def test_an_answer_that_does_not_fit_is_a_mistake_of_ours(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/broken-stream-of-text"))["code"] == "internal_error"


async def test_an_outage(http: httpx.AsyncClient) -> None:
    response = await http.get("/trouble/outage")

    assert (problem(response)["status"], problem(response)["code"]) == (503, "unavailable")
    assert "internal" not in response.text
    assert response.headers["Retry-After"] == "2"


async def test_what_the_framework_refuses(http: httpx.AsyncClient) -> None:
    nowhere, wrong_method, teapot = (
        await http.get("/nowhere"),
        await http.put("/healthz"),
        await http.get("/trouble/teapot"),
    )

    assert (problem(nowhere)["status"], problem(nowhere)["code"]) == (404, "not_found")
    assert (problem(wrong_method)["status"], problem(wrong_method)["code"]) == (405, "method_not_allowed")
    assert wrong_method.headers["Allow"] == "GET"
    assert (await http.options("/api/v1/session")).headers["Allow"] == "DELETE, GET, POST"
    assert (problem(teapot)["status"], problem(teapot)["code"], teapot.headers["X-Tea"]) == (418, "im_a_teapot", "none")


async def test_what_does_not_fit_is_pointed_at_and_not_repeated(http: httpx.AsyncClient) -> None:
    response = await http.get("/wrong", params={"number": "secret"})

    assert problem(response)["errors"] == [
        {
            "loc": ["query", "number"],
            "msg": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert "secret" not in response.text


BODIES = [
    b"{",
    b"[]",
    b'"x"',
    b"",
    b"\xff\xfe",
    b'{"\\ud800": 1}',
    b'{"email": "\\ud800@x", "password": "a"}',
    b"1e999",
]


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_none(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"})

    assert problem(response)["status"] in {400, 422}


async def test_a_socket_that_is_refused_is_told_why(server: Served) -> None:
    for kind, status, code in (("early", 409, b"taken"), ("crash", 500, b"internal_error")):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.ws_url}/socket/{kind}", proxy=None)

        assert refused.value.response.status_code == status
        assert refused.value.response.headers["content-type"] == "application/problem+json"
        assert code in refused.value.response.body
        assert b"secret" not in refused.value.response.body


async def test_an_open_socket_is_closed(server: Served) -> None:
    async with connect(f"{server.ws_url}/socket/late", proxy=None) as socket:
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


async def test_every_answer_carries_the_security_headers(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nowhere", "/trouble/unknown"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_the_document_of_the_api(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    schemas = document["components"]["schemas"]
    assert {"Problem", "FieldError"} <= schemas.keys()
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()
    assert "servers" not in document
    assert document["components"]["securitySchemes"].keys() >= {"session", "token"}
    told = document["paths"]["/api/v1/session"]["post"]["responses"]
    assert told.keys() == {"201", "400", "401", "403", "422", "429", "503"}
    for status in told.keys() - {"201"}:
        assert told[status]["content"].keys() == {"application/problem+json"}


def test_every_kind_of_error_has_a_status_and_a_code_of_its_own() -> None:
    kinds = [AppError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    for kind in kinds:
        assert 400 <= kind.status <= 599 or kind.status == 308  # a redirect says why in the same form
        assert kind.code.replace("_", "").isalpha()
        assert kind.code.islower()
        assert not kind.title.endswith(".")
