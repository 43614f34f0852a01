"""Figures of calling over REST, and the files that they come as."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import update

from app.models import Callback, Contract, Customer, Role, StageMove
from app.models.call_lists import CallListEntry, Team, TeamMember
from tests.api.call_lists.work_support import PROMISED, SHANGHAI, make_book, make_list
from tests.api.customers.support import a_call, refusal
from tests.support import Served, SignedIn, SignIn, sign_in_as

CALLING = "/api/v1/reports/calling"
MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}


def at(day: date, hour: int) -> datetime:
    """A moment on the house's wall clock."""
    return datetime.combine(day, time(hour), SHANGHAI).astimezone(UTC)


async def a_month(app_server: Served, person: SignedIn) -> list[Customer]:
    """Two days of work on a book of four: what is in each figure is said beside it."""
    async with app_server.database.session_scope() as session:
        customers = await make_book(session, person.agent, 4)
        first = await make_list(session, person.agent, customers[:3], day=MONDAY)
        second = await make_list(session, person.agent, customers[:1], day=TUESDAY)
        for customer, made, outcome, hour in [
            (customers[0], first, "reached", 10),
            (customers[1], first, "no_answer", 11),
            (customers[0], second, "refused", 9),
        ]:
            await session.execute(
                update(CallListEntry)
                .where(CallListEntry.customer_id == customer.id, CallListEntry.list_id == made.id)
                .values(state="done", outcome=outcome, worked_at=at(made.day, hour), worked_by_id=person.agent.id)
            )
        # Promised for Monday, and made on Monday; the third one was promised too, and nobody called.
        await session.execute(
            update(CallListEntry)
            .where(CallListEntry.list_id == first.id, CallListEntry.customer_id.in_([customers[0].id, customers[2].id]))
            .values(source="promised", reasons=[PROMISED])
        )
        talked = at(MONDAY, 10)
        session.add_all(
            [
                a_call(
                    customers[3].id,
                    talked,
                    direction="outbound",
                    answered_by_id=person.agent.id,
                    answered_at=talked,
                    ended_at=talked + timedelta(seconds=95),
                ),
                a_call(customers[3].id, talked, answered_by_id=person.agent.id, answered_at=talked, ended_at=talked),
                # Half past midnight in Shanghai is still the day before in UTC.
                StageMove(
                    customer_id=customers[0].id,
                    at=at(TUESDAY, 0) + timedelta(minutes=30),
                    from_stage=2,
                    to_stage=4,
                    owner_id=person.agent.id,
                ),
                StageMove(
                    customer_id=customers[1].id,
                    at=at(MONDAY, 9),
                    from_stage=6,
                    to_stage=7,
                    owner_id=person.agent.id,
                ),
                Contract(customer_id=customers[1].id, number="1", starts_on=date(2025, 3, 2), ends_on=MONDAY),
                Contract(customer_id=customers[1].id, number="2", starts_on=MONDAY, ends_on=date(2027, 3, 1)),
                Contract(customer_id=customers[2].id, number="3", starts_on=TUESDAY, ends_on=date(2027, 3, 1)),
                *(
                    Callback(
                        code=f"T{person.agent.identity}{number}",
                        customer_id=customers[3].id,
                        reason="by_hand",
                        owner_id=person.agent.id,
                        zone="Asia/Shanghai",
                        state=state,
                        due_at=at(TUESDAY, 15),
                        first_due_at=at(TUESDAY, 15),
                        ended_at=ended,
                    )
                    for number, (state, ended) in enumerate(
                        [
                            ("done", at(TUESDAY, 16)),
                            ("done", at(TUESDAY, 15) + timedelta(days=1)),
                            ("scheduled", None),
                            ("cancelled", at(MONDAY, 9)),
                        ]
                    )
                ),
            ]
        )
        return customers


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name not in ("who", "who_id"))


async def test_the_figures_of_a_manager_by_day_and_month(app_server: Served, signed_in: SignIn) -> None:
    person = await signed_in(Role.ACCOUNT_MANAGER, name="林")
    await a_month(app_server, person)

    by_day = (await person.http.get(CALLING, params={**MARCH, "group": "day"})).json()
    by_month = (await person.http.get(CALLING, params={**MARCH, "group": "month"})).json()

    assert [told(row) for row in by_day["rows"]] == [
        ("2026-03-02", 3, 2, 1, 95, 4, 3, 0.75, 0, 1, 0, 1, 2, 1),
        ("2026-03-03", 1, 1, 1, 0, 4, 1, 0.25, 1, 0, 1, 0, 3, 1),
    ]
    month = ("2026-03-01", 4, 3, 2, 95, 4, 3, 0.75, 1, 1, 1, 1, 5, 2)
    assert [told(row) for row in by_month["rows"]] == [month]
    assert by_month["totals"] == by_month["rows"]
    assert by_day["totals"] == by_month["rows"]
    assert (by_day["rows"][0]["who"], by_day["rows"][0]["who_id"]) == ("林", str(person.agent.id))
    weeks = (await person.http.get(CALLING, params=MARCH)).json()
    assert [row["first_day"] for row in weeks["rows"]] == ["2026-03-02"], "a week begins on Monday"


async def test_the_figures_of_a_team(app_server: Served, signed_in: SignIn) -> None:
    supervisor = await signed_in(Role.SUPERVISOR)
    people = [await signed_in(Role.ACCOUNT_MANAGER) for _ in range(2)]
    for person in people:
        await a_month(app_server, person)
    idle = await signed_in(Role.ACCOUNT_MANAGER)
    async with app_server.database.session_scope() as session:
        await make_book(session, idle.agent, 2)
        team = Team(name="华东")
        session.add(team)
        await session.flush()
        session.add_all(TeamMember(agent_id=person.agent.id, team_id=team.id) for person in [*people, idle])

    report = (await supervisor.http.get(CALLING, params={**MARCH, "group": "month", "by": "team"})).json()

    (row,) = [row for row in report["rows"] if row["who"] == "华东"]
    assert told(row) == ("2026-03-01", 8, 6, 4, 190, 10, 6, 0.6, 2, 2, 2, 2, 10, 4)
    managers = (await supervisor.http.get(CALLING, params=MARCH)).json()["totals"]
    (nothing,) = [row for row in managers if row["who_id"] == str(idle.agent.id)]
    assert told(nothing) == ("2026-03-01", 0, 0, 0, 0, 2, 0, 0.0, 0, 0, 0, 0, 0, 0), "whoever did nothing shows too"


async def test_one_sees_ones_own_figures(app_server: Served, signed_in: SignIn) -> None:
    person, other = await signed_in(Role.ACCOUNT_MANAGER), await signed_in(Role.ACCOUNT_MANAGER)
    await a_month(app_server, other)

    assert (await person.http.get(CALLING, params=MARCH)).json()["rows"] == []
    asked = {**MARCH, "manager": str(other.agent.id)}
    for form in ("json", "csv", "xlsx"):
        answer = await person.http.get(CALLING, params={**asked, "format": form})
        assert refusal(answer) == (403, "not_allowed")
    assert refusal(await person.http.get(CALLING, params={"from": "2026-03-02", "to": "2026-03-01"})) == (
        422,
        "bad_period",
    )


FORMULAS = ['=HYPERLINK("http://evil.example","x")', "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)", "＝1＋1"]


@pytest.fixture(scope="module")
async def hostile(app_server: Served) -> list[str]:
    """Account managers whose names are formulas."""
    for name in FORMULAS:
        person = await sign_in_as(app_server, Role.ACCOUNT_MANAGER, name=name)
        await a_month(app_server, person)
        await person.http.aclose()
    return FORMULAS


def cells_of(answer: httpx.Response) -> list[list[Any]]:
    """The rows of the file, whichever it is."""
    if "csv" in answer.headers["content-type"]:
        assert answer.content.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert b"<f>" not in file.read("xl/worksheets/sheet1.xml"), "nothing in it is a formula"
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    return book.get_sheet_by_index(0).to_python()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_file_runs_nothing(app_server: Served, signed_in: SignIn, hostile: list[str], form: str) -> None:
    supervisor = await signed_in(Role.SUPERVISOR, language="en")

    answer = await supervisor.http.get(CALLING, params={**MARCH, "group": "day", "format": form})

    header, *rows = cells_of(answer)
    assert header[:4] == ["From", "Who", "Listed", "Called"]
    assert answer.headers["content-disposition"] == f'attachment; filename="calling-2026-03-01-2026-03-31.{form}"'
    names = {row[1] for row in rows}
    assert {f"'{name}" for name in hostile} <= names
    assert not names & set(hostile)
    (monday,) = [row for row in rows if row[1] == "'＝1＋1" and str(row[0]) == "2026-03-02"]
    assert [float(cell) for cell in monday[2:9]] == [3, 2, 1, 95, 4, 3, 0.75]


async def test_a_file_is_what_is_accepted(signed_in: SignIn, hostile: list[str]) -> None:
    analyst = await signed_in(Role.ANALYST)
    as_csv = await analyst.http.get(CALLING, params=MARCH, headers={"Accept": "text/csv"})
    as_json = await analyst.http.get(CALLING, params={**MARCH, "format": "json"}, headers={"Accept": "text/csv"})

    assert cells_of(as_csv)[0][:2] == ["日期", "人员/团队"]
    assert as_json.json()["group"] == "week"
