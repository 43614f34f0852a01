"""Books: assigned by hand, moved, filled by rules, and claims that a written rule settles."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from app.models import Customer, Role
from tests.api.customers.support import URL, a_call, a_contact, create, refusal
from tests.support import Served, SignedIn, SignIn

BOOKS = "/api/v1/books"
NOBODY = "01900000-0000-7000-8000-00000000dead"


@pytest.fixture
async def boss(signed_in: SignIn) -> SignedIn:
    return await signed_in(Role.SUPERVISOR)


async def owner_of(http: httpx.AsyncClient, customer: dict[str, Any]) -> str | None:
    owner = (await http.get(f"{URL}/{customer['id']}")).json()["owner"]
    return owner["id"] if owner else None


async def size_of(boss: SignedIn, owner: UUID) -> int:
    items = (await boss.http.get(BOOKS)).json()["items"]
    return next((book["customers"] for book in items if book["owner"]["id"] == str(owner)), 0)


async def test_customers_are_assigned_by_hand_and_the_history_says_by_whom(
    http: httpx.AsyncClient, boss: SignedIn, signed_in: SignIn
) -> None:
    manager = await signed_in(Role.ACCOUNT_MANAGER, name="赵敏")
    one, other = await create(http), await create(http)
    given = {"customers": [one["code"].lower(), other["id"]], "owner_id": str(manager.agent.id)}

    first = await boss.http.post(f"{BOOKS}/assign", json=given)
    again = await boss.http.post(f"{BOOKS}/assign", json=given)

    assert (first.status_code, first.json(), again.json()) == (200, {"changed": 2}, {"changed": 0})
    assert await owner_of(http, one) == await owner_of(http, other) == str(manager.agent.id)
    (change,) = [
        change
        for change in (await http.get(f"{URL}/{one['id']}/history")).json()["items"]
        if change["field"] == "owner_id"
    ]
    assert (change["old"], change["new"], change["agent"]["id"]) == (None, str(manager.agent.id), str(boss.agent.id))
    assert (await http.get(f"{URL}/{one['id']}")).json()["version"] == one["version"] + 1
    assert await size_of(boss, manager.agent.id) == 2

    assert (await boss.http.post(f"{BOOKS}/assign", json={**given, "owner_id": None})).json() == {"changed": 2}
    assert await owner_of(http, one) is None


@pytest.mark.parametrize("stranger", ["C9999999", NOBODY, "?!"])
async def test_one_unknown_customer_and_nobody_is_assigned(
    http: httpx.AsyncClient, boss: SignedIn, stranger: str
) -> None:
    made = await create(http)
    given = {"customers": [made["id"], stranger], "owner_id": str(boss.agent.id)}

    answer = await boss.http.post(f"{BOOKS}/assign", json=given)

    assert refusal(answer) == (422, "unknown_customers")
    assert answer.json()["unknown"] == [stranger]
    assert await owner_of(http, made) is None


async def test_nobody_inactive_gets_a_book_but_who_left_can_hand_theirs_over(
    http: httpx.AsyncClient, boss: SignedIn, signed_in: SignIn, app_server: Served
) -> None:
    leaver, heir = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    made = [await create(http) for _ in range(3)]
    given = {"customers": [customer["id"] for customer in made], "owner_id": str(leaver.agent.id)}
    await boss.http.post(f"{BOOKS}/assign", json=given)
    async with app_server.database.session_scope() as session:
        await session.execute(
            update(type(leaver.agent)).where(type(leaver.agent).id == leaver.agent.id).values(active=False)
        )

    assert refusal(await boss.http.post(f"{BOOKS}/assign", json=given)) == (422, "unknown_owner")
    to_leaver = {"from_id": str(heir.agent.id), "to_id": str(leaver.agent.id)}
    assert refusal(await boss.http.post(f"{BOOKS}/move", json=to_leaver)) == (422, "unknown_owner")
    shown = next(
        book for book in (await boss.http.get(BOOKS)).json()["items"] if book["owner"]["id"] == str(leaver.agent.id)
    )
    assert (shown["active"], shown["customers"]) == (False, 3)

    moved = await boss.http.post(f"{BOOKS}/move", json={"from_id": str(leaver.agent.id), "to_id": str(heir.agent.id)})

    assert moved.json() == {"changed": 3}
    assert {await owner_of(http, customer) for customer in made} == {str(heir.agent.id)}


async def test_rules_give_prospects_to_the_smallest_book_until_all_are_full(
    http: httpx.AsyncClient, boss: SignedIn, signed_in: SignIn
) -> None:
    region = f"省{uuid4().hex[:8]}"
    a, b = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    head_start = await create(http)
    await boss.http.post(f"{BOOKS}/assign", json={"customers": [head_start["id"]], "owner_id": str(a.agent.id)})
    companies = [await create(http, kind="company", name=f"公司{n}", region=region) for n in range(6)]
    person = await create(http, region=region)
    rule = {
        "name": "公司",
        "conditions": {"kind": "company", "regions": [region]},
        "manager_ids": [str(a.agent.id), str(b.agent.id)],
        "most": 3,
    }
    assert (await boss.http.put(f"{BOOKS}/rules", json={"rules": [rule]})).status_code == 200
    assert (await boss.http.get(f"{BOOKS}/rules")).json()["rules"][0] == {
        **rule,
        "conditions": {**rule["conditions"], "tiers": None},
    }

    dry = await boss.http.post(f"{BOOKS}/rules/apply", params={"dry_run": True})
    assert {await owner_of(http, company) for company in companies} == {None}
    applied = await boss.http.post(f"{BOOKS}/rules/apply")

    assert dry.json() == applied.json() == {"rules": [{"name": "公司", "assigned": 5, "no_room": 1}], "more": False}
    owners = [await owner_of(http, company) for company in companies]
    # b, who has fewer, first; the newest prospect finds both books full.
    assert owners == [str(b.agent.id), *owners[1:5], None]
    assert (await size_of(boss, a.agent.id), await size_of(boss, b.agent.id)) == (3, 3)
    assert await owner_of(http, person) is None
    assert (await boss.http.post(f"{BOOKS}/rules/apply")).json()["rules"][0] == {
        "name": "公司",
        "assigned": 0,
        "no_room": 1,
    }


async def test_rules_are_applied_once_by_two_at_once(
    http: httpx.AsyncClient, boss: SignedIn, signed_in: SignIn
) -> None:
    region = f"省{uuid4().hex[:8]}"
    managers = [await signed_in(Role.ACCOUNT_MANAGER) for _ in range(2)]
    made = [await create(http, region=region) for _ in range(8)]
    rule = {
        "name": "人人有份",
        "conditions": {"regions": [region]},
        "manager_ids": [str(manager.agent.id) for manager in managers],
    }
    await boss.http.put(f"{BOOKS}/rules", json={"rules": [rule]})

    both = await asyncio.gather(*(boss.http.post(f"{BOOKS}/rules/apply") for _ in range(2)))

    assert sorted(answer.json()["rules"][0]["assigned"] for answer in both) == [0, 8]
    assert [await size_of(boss, manager.agent.id) for manager in managers] == [4, 4]
    for customer in made:
        changes = (await http.get(f"{URL}/{customer['id']}/history")).json()["items"]
        assert len([change for change in changes if change["field"] == "owner_id"]) == 1


async def test_bad_rules_leave_the_good_ones(boss: SignedIn) -> None:
    good = {"rules": [{"name": "r", "manager_ids": [str(boss.agent.id)]}]}
    await boss.http.put(f"{BOOKS}/rules", json=good)

    for bad in (
        {"name": "r", "manager_ids": [NOBODY]},
        {"name": "r", "manager_ids": []},
        {"name": "r", "manager_ids": [str(boss.agent.id)], "most": -1},
        {"name": "r", "manager_ids": [str(boss.agent.id)], "conditions": {"shoe_size": 43}},
    ):
        assert (await boss.http.put(f"{BOOKS}/rules", json={"rules": [bad]})).status_code == 422

    assert [rule["name"] for rule in (await boss.http.get(f"{BOOKS}/rules")).json()["rules"]] == ["r"]


async def test_who_may_not_assign(http: httpx.AsyncClient, signed_in: SignIn) -> None:
    manager = await signed_in(Role.ACCOUNT_MANAGER)
    made = await create(http)
    given = {"customers": [made["id"]], "owner_id": str(manager.agent.id)}

    assert refusal(await manager.http.post(f"{BOOKS}/assign", json=given)) == (403, "scope_missing")
    assert refusal(await manager.http.post(f"{BOOKS}/rules/apply")) == (403, "scope_missing")
    assert await owner_of(http, made) is None


async def test_a_claim_needs_a_contact_and_then_the_prospect_is_theirs(
    app_server: Served, http: httpx.AsyncClient, signed_in: SignIn
) -> None:
    manager = await signed_in(Role.ACCOUNT_MANAGER, name="赵敏")
    made = await create(http)
    claims = f"{URL}/{made['id']}/claims"

    refused = (await manager.http.post(claims)).json()
    assert (refused["outcome"], refused["reason"]) == ("refused", "no_valid_contact")
    assert "先联系" in refused["in_words"]["zh"]
    # A contact of long ago and somebody else's call count for nothing.
    async with app_server.database.session_scope() as session:
        session.add(a_contact(UUID(made["id"]), datetime.now(UTC) - timedelta(days=91), agent_id=manager.agent.id))
        session.add(a_call(UUID(made["id"]), datetime.now(UTC), answered_at=datetime.now(UTC)))
    assert (await manager.http.post(claims)).json()["reason"] == "no_valid_contact"
    assert await owner_of(http, made) is None

    given = {"channel": "visit", "direction": "outbound", "summary": "上门拜访"}
    await manager.http.post(f"{URL}/{made['id']}/interactions", json=given)
    granted = (await manager.http.post(claims)).json()

    assert (granted["outcome"], granted["reason"], granted["owner"]) == ("granted", "no_owner", None)
    assert await owner_of(http, made) == str(manager.agent.id)
    assert (await manager.http.post(claims)).json()["reason"] == "already_yours"
    listed = (await http.get(claims)).json()["items"]
    assert [claim["reason"] for claim in listed] == [
        "already_yours",
        "no_owner",
        "no_valid_contact",
        "no_valid_contact",
    ]
    assert (await http.get(f"{URL}/{made['id']}/card")).json()["claims"] == listed


async def test_an_owner_by_hand_is_protected_until_the_day_that_is_said(
    app_server: Served, http: httpx.AsyncClient, boss: SignedIn, signed_in: SignIn
) -> None:
    owner, claimant = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    made = await create(http)
    called_at = datetime.now(UTC) - timedelta(days=60)
    async with app_server.database.session_scope() as session:
        session.add(a_call(UUID(made["id"]), called_at, answered_by_id=claimant.agent.id, answered_at=called_at))
    await boss.http.post(f"{BOOKS}/assign", json={"customers": [made["id"]], "owner_id": str(owner.agent.id)})

    refused = (await claimant.http.post(f"{URL}/{made['id']}/claims")).json()

    assert (refused["outcome"], refused["reason"], refused["owner"]["id"]) == (
        "refused",
        "owner_protected",
        str(owner.agent.id),
    )
    until = datetime.fromisoformat(refused["protected_until"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < until < timedelta(days=90, minutes=1)

    async with app_server.database.session_scope() as session:
        long_ago = datetime.now(UTC) - timedelta(days=200)
        await session.execute(
            update(Customer.__table__).where(Customer.id == UUID(made["id"])).values(created_at=long_ago)  # type: ignore[arg-type]
        )
        from app.models import CustomerChange

        await session.execute(
            update(CustomerChange).where(CustomerChange.customer_id == UUID(made["id"])).values(at=long_ago)
        )
    granted = (await claimant.http.post(f"{URL}/{made['id']}/claims")).json()
    assert (granted["outcome"], granted["reason"]) == ("granted", "protection_over")
    assert await owner_of(http, made) == str(claimant.agent.id)


@pytest.mark.parametrize("who_claims_first", [0, 1])
async def test_of_two_who_claim_the_first_contact_decides_whoever_claims_first(
    app_server: Served, http: httpx.AsyncClient, signed_in: SignIn, who_claims_first: int
) -> None:
    pair = [await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)]
    made = await create(http)
    async with app_server.database.session_scope() as session:
        for person, days in zip(pair, (20, 10), strict=True):
            at = datetime.now(UTC) - timedelta(days=days)
            session.add(a_contact(UUID(made["id"]), at, agent_id=person.agent.id))
    order = pair if who_claims_first == 0 else pair[::-1]

    for person in order:
        assert (await person.http.post(f"{URL}/{made['id']}/claims")).status_code == 201

    assert await owner_of(http, made) == str(pair[0].agent.id)
    reasons = [claim["reason"] for claim in (await http.get(f"{URL}/{made['id']}/claims")).json()["items"]]
    assert reasons == (["owner_protected", "no_owner"] if who_claims_first == 0 else ["earlier_contact", "no_owner"])


async def test_two_claims_at_the_same_moment_end_as_they_would_one_after_the_other(
    app_server: Served, http: httpx.AsyncClient, signed_in: SignIn
) -> None:
    pair = [await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)]
    for _ in range(10):
        made = await create(http)
        async with app_server.database.session_scope() as session:
            for person, days in zip(pair, (20, 10), strict=True):
                at = datetime.now(UTC) - timedelta(days=days)
                session.add(a_contact(UUID(made["id"]), at, agent_id=person.agent.id))

        answers = await asyncio.gather(*(person.http.post(f"{URL}/{made['id']}/claims") for person in pair))

        assert [answer.status_code for answer in answers] == [201, 201]
        assert await owner_of(http, made) == str(pair[0].agent.id)
