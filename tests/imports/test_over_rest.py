"""Imports over REST: begun, sent, run in the background, watched, and what was not taken fetched."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from app.models import Role
from app.services.imports import jobs
from tests.api.customers.support import refusal
from tests.imports.support import HEADER, LU, MAPPING, WANG, feed, table
from tests.support import Served, SignedIn, SignIn, serving, settings_for, sign_in_as

URL = "/api/v1/imports"


@pytest.fixture
async def it(signed_in: SignIn) -> SignedIn:
    return await signed_in(Role.ADMIN)


async def begin(http: httpx.AsyncClient, **given: Any) -> str:
    body = {"source": "sales", "file_name": "a.csv", "mapping": MAPPING, **given}
    answer = await http.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "awaiting_file"
    return str(answer.json()["id"])


async def send(http: httpx.AsyncClient, import_id: str, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    return await http.put(f"{URL}/{import_id}/content", content=content)


async def end_of(http: httpx.AsyncClient, import_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            job: dict[str, Any] = (await http.get(f"{URL}/{import_id}")).json()
            if job["state"] in ("done", "failed"):
                return job
            await asyncio.sleep(0.02)


async def test_a_file_is_sent_and_its_customers_are_there(it: SignedIn) -> None:
    import_id = await begin(it.http)
    sent = await send(it.http, import_id, table(LU, WANG, "S-3,=cmd|x,,,,,,").encode("gbk"))
    job = await end_of(it.http, import_id)

    assert sent.json()["state"] in ("queued", "running", "done")
    counts = {name: job[name] for name in ("created", "updated", "unchanged", "rejected", "reasons", "progress")}
    assert counts == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
        "reasons": {"formula": 1},
        "progress": 1.0,
    }
    rejected = await it.http.get(f"{URL}/{import_id}/rejects")
    assert rejected.headers["content-type"] == "text/csv; charset=utf-8"
    _, row = list(csv.reader(io.StringIO(rejected.content.decode("utf-8-sig"))))
    assert row[3:5] == ["S-3", "'=cmd|x"]
    found = (await it.http.get("/api/v1/customers", params={"q": "13800138000"})).json()["items"]
    assert [customer["name"] for customer in found] == ["鲁大伟"]
    card = (await it.http.get(f"/api/v1/customers/{found[0]['id']}/card")).json()
    assert [(source["source"], source["external_id"]) for source in card["sources"]] == [("sales", "S-1")]
    assert card["customer"]["provenance"]["email"]["source"] == "sales"
    assert [each["id"] for each in (await it.http.get(URL)).json()["items"]] == [import_id]
    # What they are found by otherwise is worked out behind the import.
    async with asyncio.timeout(10):
        while True:
            if (await it.http.get("/api/v1/customers", params={"q": "ludawei"})).json()["items"]:
                break
            await asyncio.sleep(0.02)


async def test_without_a_mapping_one_is_guessed(it: SignedIn) -> None:
    import_id = await begin(it.http, mapping=None)
    assert (await send(it.http, import_id, table(LU, "S-2,b,男,12345,,,,").encode())).json()["state"] == "needs_mapping"

    guess = (await it.http.get(f"{URL}/{import_id}/guess")).json()

    assert (guess["header"], guess["header_row"], guess["unused"]) == (HEADER.split(","), 1, [])
    first, second = guess["rows"]
    assert first["said"].items() >= {"id": "S-1", "name": "鲁大伟", "phone": "+8613800138000, +862162345678"}.items()
    assert "12345" in second["reject"]
    given = await it.http.put(f"{URL}/{import_id}/mapping", json={"mapping": guess["mapping"]})
    assert given.json()["state"] == "queued"
    job = await end_of(it.http, import_id)
    assert (job["created"], job["rejected"]) == (1, 1)


async def test_a_bad_file_and_a_bad_mapping_are_told(it: SignedIn) -> None:
    wrong = {"source": "sales", "file_name": "a", "mapping": "[columns]\nname = 'x'"}
    assert refusal(await it.http.post(URL, json=wrong)) == (422, "bad_mapping")
    assert refusal(await it.http.post(URL, json={"source": "hand", "file_name": "a"})) == (422, "reserved_source")
    assert refusal(await it.http.post(URL, json={"source": "No Key", "file_name": "a"})) == (422, "invalid")
    import_id = await begin(it.http)
    await send(it.http, import_id, b"%PDF-1.7")
    job = await end_of(it.http, import_id)
    assert (job["state"], job["error_code"]) == ("failed", "not_a_table")
    nameless = await begin(it.http, mapping=None)
    await send(it.http, nameless, b"a,b\r\n1,2\r\n")
    refused = await it.http.get(f"{URL}/{nameless}/guess")
    assert (refusal(refused), refused.json()["file_code"]) == ((409, "unreadable_file"), "no_header")


async def test_what_does_not_fit_the_state_is_refused(it: SignedIn) -> None:
    import_id = await begin(it.http, mapping=None)
    assert refusal(await it.http.get(f"{URL}/{import_id}/guess")) == (409, "import_not_open")
    await send(it.http, import_id, table(LU).encode())
    assert refusal(await send(it.http, import_id, b"x")) == (409, "import_not_open")
    await it.http.put(f"{URL}/{import_id}/mapping", json={"mapping": MAPPING})
    assert refusal(await it.http.put(f"{URL}/{import_id}/mapping", json={"mapping": MAPPING})) == (
        409,
        "import_not_open",
    )
    for path in ("", "/rejects", "/guess"):
        assert refusal(await it.http.get(f"{URL}/{uuid4()}{path}")) == (404, "no_such_import")
    assert refusal(await send(it.http, str(uuid4()), b"x")) == (404, "no_such_import")
    assert refusal(await it.http.get(URL, params={"cursor": "x"})) == (400, "bad_cursor")


async def test_what_is_too_large_is_refused_before_it_is_read_and_while(
    it: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LARGEST_UPLOAD", 1000)
    monkeypatch.setattr(jobs, "_UPLOAD_BLOCK", 300)
    import_id = await begin(it.http)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert refusal(await send(it.http, import_id, b"x" * 1001)) == (413, "file_too_large")
    assert refusal(await send(it.http, import_id, pieces())) == (413, "file_too_large")
    assert (await it.http.get(f"{URL}/{import_id}")).json()["state"] == "awaiting_file"


async def test_a_file_in_many_blocks_arrives_whole(it: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_UPLOAD_BLOCK", 97)
    import_id = await begin(it.http)

    await send(it.http, import_id, table(*(f"T-{no},客户{no},,,,,," for no in range(200))).encode())

    assert (await end_of(it.http, import_id))["created"] == 200


async def test_only_who_may_feed_in(it: SignedIn, client: httpx.AsyncClient, signed_in: SignIn) -> None:
    import_id = await begin(it.http)
    agent = (await signed_in(Role.AGENT)).http
    for method, path, body in [
        ("GET", URL, None),
        ("POST", URL, {"source": "sales", "file_name": "a"}),
        ("GET", f"{URL}/{import_id}", None),
        ("PUT", f"{URL}/{import_id}/content", None),
        ("GET", f"{URL}/{import_id}/guess", None),
        ("PUT", f"{URL}/{import_id}/mapping", {"mapping": MAPPING}),
        ("GET", f"{URL}/{import_id}/rejects", None),
        ("GET", "/api/v1/sources", None),
        ("PATCH", "/api/v1/sources/sales", {"rank": 1}),
    ]:
        assert refusal(await agent.request(method, path, json=body)) == (403, "scope_missing"), (method, path)
        assert refusal(await client.request(method, path, json=body)) == (401, "not_signed_in"), (method, path)


async def test_an_import_goes_on_while_calls_are_looked_up(it: SignedIn) -> None:
    """The serving process answers while it feeds in: every lookup and every edit of the customers themselves."""
    import_id = await begin(it.http)
    await send(it.http, import_id, table(LU, *(f"T-{no},客户{no},男,139{no:08},,,," for no in range(6000))).encode())
    answered = 0
    job: dict[str, Any] = {"state": ""}
    while job["state"] not in ("done", "failed"):
        lookup, job_answer = await asyncio.gather(
            it.http.get("/api/v1/lookup", params={"number": "13800138000"}), it.http.get(f"{URL}/{import_id}")
        )
        assert lookup.status_code == 200
        job = job_answer.json()
        answered += 1

    assert (job["state"], job["created"]) == ("done", 6001)
    assert answered > 3


async def settled(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            known = (await http.get("/api/v1/sources")).json()["items"]
            if not any(source["is_settling"] for source in known):
                return
            await asyncio.sleep(0.02)


async def test_trust_can_be_given_and_taken(it: SignedIn, app_server: Served, tmp_path: Any) -> None:
    await feed(app_server.database, tmp_path / "a.csv", table(LU))
    await feed(app_server.database, tmp_path / "b.csv", table(WANG), source="shop")
    found = (await it.http.get("/api/v1/customers", params={"q": "13800138000"})).json()["items"][0]
    async with app_server.database.session_scope() as session:
        await session.execute(
            text("UPDATE source_records SET customer_id = :to WHERE source = 'shop'"), {"to": found["id"]}
        )

    one = f"/api/v1/customers/{found['id']}"
    for change, city in [({"rank": 5}, "上海"), ({"rank": -5}, "南京"), ({"rank": 9, "trusted": False}, "南京")]:
        changed = await it.http.patch("/api/v1/sources/shop", json=change)
        assert changed.status_code == 200
        await settled(it.http)
        assert (await it.http.get(one)).json()["city"] == city
    assert refusal(await it.http.patch("/api/v1/sources/nobody", json={"rank": 1})) == (404, "no_such_source")


async def test_who_was_here_already_is_found_after_the_import(database_url: str, tmp_path: Path) -> None:
    twice = LU.replace("S-1,", "S-9,", 1)
    async with serving(settings_for(database_url, tmp_path, dedupe_after_import=True)) as served:
        person = await sign_in_as(served, Role.ADMIN)
        async with person.http:
            import_id = await begin(person.http)
            await send(person.http, import_id, table(LU, twice, WANG).encode())
            assert (await end_of(person.http, import_id))["created"] == 3
            async with asyncio.timeout(60):
                while True:
                    merged = (await person.http.get("/api/v1/reviews", params={"status": "merged"})).json()["items"]
                    if merged:
                        break
                    await asyncio.sleep(0.1)

    assert [merged[0][side]["name"] for side in ("left", "right")] == ["鲁大伟", "鲁大伟"]
    assert merged[0]["decided_by"] is None
