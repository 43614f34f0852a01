"""Reviews of customers who may be one person, over HTTP."""

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.domain.linkage import Outcome
from app.domain.scopes import Scope
from app.models import Customer, DuplicateReview, Role
from app.models.duplicates import ReviewStatus
from app.schemas.agents import TokenCreate
from app.services.tokens import create_token
from tests.factories import make_customer
from tests.support import Served, SignIn

URL = "/api/v1/reviews"
REASONS = [
    {"field": "birth_date", "level": "same", "bits": 14.1},
    {"field": "given_name", "level": "sounds_the_same", "bits": 6.2},
    {"field": "national_id", "level": "near", "bits": 5.0},
    {"field": "contact", "level": "phone", "bits": 4.0},
]


async def make_review(served: Served, score: float = 9.5, **fields: Any) -> DuplicateReview:
    """Two customers and the question whether they are one."""
    async with served.database.session_scope() as session:
        first = await make_customer(
            session, "13800138000", name="鲁大伟", birth_date=date(1975, 3, 12), national_id="32010219750312451X"
        )
        second = await make_customer(session, "13800138000", name="鲁大玮", birth_date=date(1975, 3, 12))
        low, high = sorted((first, second), key=lambda customer: customer.id)
        review = DuplicateReview(
            **{
                "low_id": low.id,
                "high_id": high.id,
                "score": score,
                "suggested": Outcome.MAYBE,
                "reasons": REASONS,
                **fields,
            }
        )
        session.add(review)
        await session.flush()
        await session.refresh(review)
    return review


async def test_reviews_are_listed_the_likeliest_first_and_by_page(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    made = [await make_review(app_server, score) for score in (3.25, 17.0, 9.5, 9.5)]
    pages, cursor = [], None
    while True:
        answer = await person.http.get(URL, params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200
        pages.append([review["score"] for review in answer.json()["items"]])
        cursor = answer.json()["next"]
        if cursor is None:
            break

    assert pages == [[17.0, 9.5, 9.5], [3.25]]
    first = (await person.http.get(URL, params={"limit": 1})).json()["items"][0]
    assert first["id"] == str(made[1].id)
    assert (first["status"], first["suggested"], first["decided_by"]) == ("open", "maybe", None)
    assert first["reasons"] == REASONS
    assert first["left"]["name"] == "鲁大伟"


async def test_only_one_status_when_asked(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in()
    await make_review(app_server)
    decided = await make_review(app_server)
    await person.http.post(f"{URL}/{decided.id}/decision", json={"decision": "different"})

    shown = await person.http.get(URL, params={"status": "different"})

    assert [review["id"] for review in shown.json()["items"]] == [str(decided.id)]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJuYW4iLCJ4Il0"])
async def test_a_cursor_of_another_list_is_refused(signed_in: SignIn, cursor: str) -> None:
    answer = await (await signed_in()).http.get(URL, params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_both_cards_stand_side_by_side_and_an_identity_is_masked(app_server: Served, signed_in: SignIn) -> None:
    review = await make_review(app_server)
    agent, admin = await signed_in(), await signed_in(Role.ADMIN)

    seen = (await agent.http.get(f"{URL}/{review.id}")).json()
    in_full = (await admin.http.get(f"{URL}/{review.id}")).json()

    assert seen["left_card"]["customer"]["name"] == "鲁大伟"
    assert seen["right_card"]["customer"]["name"] == "鲁大玮"
    fields = {field["field"]: (field["left"], field["right"]) for field in seen["fields"]}
    assert fields["given_name"] == ("鲁大伟", "鲁大玮")
    assert fields["birth_date"] == ("1975-03-12", "1975-03-12")
    assert fields["contact"] == ("138 0013 8000", "138 0013 8000")
    assert fields["national_id"] == ("**************451X", None)
    assert in_full["fields"][2]["left"] == "32010219750312451X"
    assert [field["bits"] for field in seen["fields"]] == [14.1, 6.2, 5.0, 4.0]


async def test_an_open_review_is_on_both_cards_until_it_is_decided(app_server: Served, signed_in: SignIn) -> None:
    review = await make_review(app_server)
    person = await signed_in()
    cards = [f"/api/v1/customers/{customer_id}/card" for customer_id in (review.low_id, review.high_id)]

    shown = [(await person.http.get(card)).json()["duplicates"] for card in cards]
    await person.http.post(f"{URL}/{review.id}/decision", json={"decision": "different"})
    afterwards = [(await person.http.get(card)).json()["duplicates"] for card in cards]

    assert [found["customer"]["name"] for (found,) in shown] == ["鲁大玮", "鲁大伟"]
    assert {found["review_id"] for (found,) in shown} == {str(review.id)}
    assert afterwards == [[], []]


async def test_same_merges_the_two_and_is_kept_with_who_and_when(app_server: Served, signed_in: SignIn) -> None:
    review = await make_review(app_server)
    person = await signed_in(name="李娜")

    answer = await person.http.post(f"{URL}/{review.id}/decision", json={"decision": "same"})
    again = await person.http.post(f"{URL}/{review.id}/decision", json={"decision": "same"})

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["decided_by"]["name"]) == ("merged", "李娜")
    assert answer.json()["decided_at"].endswith("Z")
    assert again.json() == answer.json()
    moved = [
        await person.http.get(f"/api/v1/customers/{customer_id}", follow_redirects=False)
        for customer_id in (review.low_id, review.high_id)
    ]
    assert sorted(one.status_code for one in moved) == [200, 308]


async def test_the_review_decided_by_two_at_once_is_decided_by_one(app_server: Served, signed_in: SignIn) -> None:
    people = [await signed_in(name=name) for name in ("李娜", "陈伟", "王芳", "赵敏")]
    for _ in range(5):
        review = await make_review(app_server)

        answers = await asyncio.gather(
            *(
                person.http.post(f"{URL}/{review.id}/decision", json={"decision": decision})
                for person, decision in zip(people, ("same", "different") * 2, strict=True)
            )
        )

        won = [at for at, answer in enumerate(answers) if answer.status_code == 200]
        assert len(won) == 1
        winner = people[won[0]]
        for at, answer in enumerate(answers):
            if at not in won:
                told = answer.json()
                assert (answer.status_code, told["code"]) == (409, "already_decided")
                assert told["decided_by"] == {"id": str(winner.agent.id), "name": winner.agent.name}
                assert told["decision"] == answers[won[0]].json()["status"]
                assert winner.agent.name in told["detail"]
        async with app_server.database.session_scope() as session:
            kept = await session.get(DuplicateReview, review.id)
            assert kept is not None
            assert (kept.decided_by, kept.status) == (winner.agent.id, ReviewStatus(answers[won[0]].json()["status"]))


async def test_who_may_and_what_is_no_review(app_server: Served, signed_in: SignIn) -> None:
    review = await make_review(app_server)
    analyst, agent = await signed_in(Role.ANALYST), await signed_in()
    async with app_server.database.session_scope() as session:
        _, secret = await create_token(
            session, agent.agent.id, TokenCreate(name="calls only", scopes={Scope.CALLS_READ}), None
        )
    stranger = {"Authorization": f"Bearer {secret}"}
    decision = {"decision": "same"}

    assert (await analyst.http.get(f"{URL}/{review.id}")).status_code == 200
    refused = await analyst.http.post(f"{URL}/{review.id}/decision", json=decision)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    async with app_server.client(headers=stranger) as http:
        for answer in (await http.get(URL), await http.get(f"{URL}/{review.id}")):
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    for answer in (
        await agent.http.get(f"{URL}/{uuid4()}"),
        await agent.http.post(f"{URL}/{uuid4()}/decision", json=decision),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_review")
    wrong = await agent.http.post(f"{URL}/{review.id}/decision", json={"decision": "maybe"})
    assert wrong.status_code == 422


async def test_a_customer_who_goes_takes_their_reviews_along(app_server: Served) -> None:
    review = await make_review(app_server)
    async with app_server.database.session_scope() as session:
        customer = await session.get(Customer, review.low_id)
        assert customer is not None
        await session.delete(customer)

    async with app_server.database.session_scope() as session:
        assert await session.scalar(select(DuplicateReview)) is None
