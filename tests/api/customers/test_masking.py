"""Who counts customers and does not contact them sees no number, address or birth date in full."""

from datetime import UTC, datetime
from uuid import UUID

import httpx

from app.models import Role
from tests.api.customers.support import URL, a_call, a_contact, create
from tests.support import Served, SignIn

NUMBER, MASKED = "+8615955556666", "+86159****6666"
SECRETS = (
    NUMBER,
    NUMBER[3:],
    "159 5555 6666",
    "hidden.lane@example.com",
    "暗巷9号",
    "210000",
    "1980-05-06",
    "15955556666",
)


async def test_an_analyst_sees_no_number_in_full(
    app_server: Served, http: httpx.AsyncClient, signed_in: SignIn
) -> None:
    made = await create(
        http,
        name="隐先生",
        phones=[{"number": NUMBER}],
        email="hidden.lane@example.com",
        address="暗巷9号",
        postcode="210000",
        birth_date="1980-05-06",
        note=f"手机{NUMBER[3:]}",
        contacts=[{"name": "王", "role": "财务", "phone": "159 5555 6666", "email": "hidden.lane@example.com"}],
    )
    one = f"{URL}/{made['id']}"
    await http.post(f"{one}/notes", json={"body": f"回电 {NUMBER}"})
    async with app_server.database.session_scope() as session:
        call = a_call(
            UUID(made["id"]),
            datetime.now(UTC),
            from_raw=NUMBER,
            from_e164=NUMBER,
            notes=f"又打 {NUMBER}",
            caller={
                "kind": "number",
                "raw": NUMBER,
                "e164": NUMBER,
                "national": "159 5555 6666",
                "region": "CN",
                "line_type": "mobile",
                "time_zone": None,
            },
        )
        session.add_all([call, a_contact(UUID(made["id"]), datetime.now(UTC), summary=f"短信 {NUMBER}")])
    analyst = (await signed_in(Role.ANALYST)).http
    paths = [
        f"{URL}?q=隐先生",
        *(one + part for part in ("", "/card", "/phones", "/timeline", "/history", "/notes", "/interactions")),
        f"/api/v1/calls?customer_id={made['id']}",
        f"/api/v1/calls/{call.id}",
    ]

    for path in paths:
        shown = await analyst.get(path)
        assert shown.status_code == 200, path
        assert [secret for secret in SECRETS if secret in shown.text] == [], path
        full = await http.get(path)
        assert any(secret in full.text for secret in SECRETS), f"an agent sees it: {path}"
    record = (await analyst.get(one)).json()
    assert [phone["e164"] for phone in record["phones"]] == [MASKED]
    assert (record["email"], record["address"], record["birth_date"]) == ("h***@example.com", "***", None)
    assert record["contacts"] == [{"name": "王", "role": "财务", "phone": "", "email": None}]
    assert record["name"] == "隐先生"
    assert (await analyst.get(f"/api/v1/calls/{call.id}")).json()["caller"]["e164"] == MASKED
