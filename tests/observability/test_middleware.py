"""Every request has an id, in its answer and in the log, and one line of its own."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI, WebSocket, WebSocketDisconnect

from app.observability.logging import bind_call
from app.observability.middleware import RequestContext

Lines = Callable[[], list[dict[str, Any]]]
NUMBER = "13800138000"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    outer, inner = APIRouter(prefix="/api/v1"), APIRouter(prefix="/lookup")

    @inner.get("/name/{number}")
    async def look_up(number: str) -> str:
        structlog.get_logger().info("looking")
        bind_call("call-1")
        return number

    @app.get("/healthz")
    @app.get("/metrics")
    async def quiet() -> None:
        pass

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        structlog.get_logger().info("open")
        if await socket.receive_text() == "close":
            await socket.close(4001)
        else:
            await socket.receive_text()

    outer.include_router(inner)
    app.include_router(outer)
    app.add_middleware(RequestContext)
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://hotline")


async def test_the_callers_id_is_kept_and_answered(client: httpx.AsyncClient, lines: Lines) -> None:
    answer = await client.get(f"/api/v1/lookup/name/{NUMBER}", headers={"X-Request-ID": "Ab_9-" + "x" * 59})

    assert answer.status_code == 200
    assert answer.headers.get_list("x-request-id") == ["Ab_9-" + "x" * 59]
    assert {line["request_id"] for line in lines()} == {"Ab_9-" + "x" * 59}


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", 'a"}', "名", "a\nb"])
async def test_an_id_that_could_harm_the_log_is_replaced(client: httpx.AsyncClient, lines: Lines, given: str) -> None:
    request = client.build_request("GET", "/nowhere", headers=[(b"X-Request-ID", given.encode())])
    answer = await client.send(request)

    fresh = answer.headers["x-request-id"]
    assert len(fresh) == 16
    assert int(fresh, 16) >= 0
    assert [line["request_id"] for line in lines()] == [fresh]


async def test_every_request_has_another_id_and_nothing_of_the_last(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.get(f"/api/v1/lookup/name/{NUMBER}")
    await client.get("/nowhere")

    looking, first, second = lines()
    assert looking["request_id"] == first["request_id"] != second["request_id"]
    assert first["call_id"] == "call-1"
    assert "call_id" not in second


async def test_the_line_names_parameters_and_shows_no_number(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.get(f"/api/v1/lookup/name/{NUMBER}?number=%2B8613800138000")
    await client.get(f"/nowhere/{NUMBER}/" + "x" * 10_000)

    _, found, missing = lines()
    assert (found["event"], found["method"], found["status"]) == ("request", "GET", 200)
    assert found["path"] == "/api/v1/lookup/name/{number}"
    assert found["ms"] >= 0
    assert missing["status"] == 404
    assert missing["path"].startswith("/nowhere/138****8000/xxx")
    assert len(missing["path"]) == 200


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_being_watched_fills_no_log(client: httpx.AsyncClient, lines: Lines, path: str) -> None:
    answer = await client.get(path)

    assert answer.headers["x-request-id"]
    assert lines() == []


async def test_an_exception_is_logged_as_500_and_leaves_the_id_for_the_servers_report(
    app: FastAPI, client: httpx.AsyncClient, lines: Lines
) -> None:
    assert (await client.get("/boom", headers={"X-Request-ID": "r-9"})).status_code == 500
    structlog.get_logger().error("the server's report")

    assert [(line["event"], line.get("status"), line["request_id"]) for line in lines()] == [
        ("request", 500, "r-9"),
        ("the server's report", None, "r-9"),
    ]


@pytest.mark.parametrize(
    ("received", "code"),
    [
        ([{"type": "websocket.receive", "text": "close"}], 4001),
        ([{"type": "websocket.receive", "text": "stay"}, {"type": "websocket.disconnect", "code": 1001}], 1001),
        ([{"type": "websocket.receive", "bytes": b"not text"}], 1006),
    ],
)
async def test_a_socket_leaves_one_line_when_it_is_closed(
    app: FastAPI, lines: Lines, received: list[dict[str, Any]], code: int
) -> None:
    scope = {
        "type": "websocket",
        "path": "/stream",
        "raw_path": b"/stream",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"x-request-id", b"s-1")],
    }
    messages = iter([{"type": "websocket.connect"}, *received])
    sent = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    try:
        await app(scope, receive, send)
    except (WebSocketDisconnect, KeyError):
        assert code != 4001

    assert sent[0] == "websocket.accept"
    opened, closed = lines()
    assert opened["request_id"] == closed["request_id"] == "s-1"
    assert (closed["event"], closed["path"], closed["code"]) == ("socket closed", "/stream", code)


async def test_other_kinds_of_scope_pass_untouched(lines: Lines) -> None:
    seen = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def never(*_: Any) -> Any:
        raise AssertionError

    await RequestContext(inner)({"type": "lifespan"}, never, never)

    assert seen == [{"type": "lifespan"}]
    assert lines() == []
