"""Who answers the demo's phones: five people, two queues, their numbers and hours."""

from datetime import date, time, timedelta
from operator import itemgetter
from typing import Final
from uuid import UUID

from app.models import Presence, Role
from app.services.demo.ledger import Ledger

SERVICE_NUMBER: Final = "+862190001000"
SALES_NUMBER: Final = "+862190002000"
ENGLISH_NUMBER: Final = "+442079460100"
OUR_NUMBERS: Final = (SERVICE_NUMBER, SALES_NUMBER, ENGLISH_NUMBER)

PEOPLE: Final = (
    ("lily", "李莉", Role.ACCOUNT_MANAGER, "zh-CN"),
    ("wang", "王芳", Role.AGENT, "zh-CN"),
    ("chen", "陈伟", Role.AGENT, "zh-CN"),
    ("emma", "Emma Clarke", Role.AGENT, "en"),
    ("zhao", "赵敏", Role.SUPERVISOR, "zh-CN"),
)
"""Identity (and, at example.com, e-mail), name, role, language."""

_MEMBERS: Final = {"hotline": ("lily", "wang", "chen", "emma", "zhao"), "sales": ("lily", "chen")}

# First day of the lunar year, from the Purple Mountain Observatory's calendar.
_SPRING_FESTIVALS: Final = tuple(
    date.fromisoformat(day)
    for day in (
        "2026-02-17 2027-02-06 2028-01-26 2029-02-13 2030-02-03 2031-01-23 2032-02-11 2033-01-31 2034-02-19 2035-02-08"
    ).split()
)


def write_organisation(ledger: Ledger, password_hash: str) -> dict[str, UUID]:
    """The people, queues, routes and hours; gives agents' ids by identity. All share one password."""
    founded = ledger.at(ledger.today - timedelta(days=1500), time(9))
    agents: dict[str, UUID] = {}
    for identity, name, role, language in PEOPLE:
        agents[identity] = ledger.new_id(founded)
        ledger.rows.agents.append({
            "id": agents[identity],
            "email": f"{identity}@example.com",
            "name": name,
            "role": role,
            "language": language,
            "identity": identity,
            "password_hash": password_hash,
            "active": True,
            "created_at": founded,
            "updated_at": founded,
        })  # fmt: skip
        ledger.rows.agent_presence.append(
            {"agent_id": agents[identity], "state": Presence.OFFLINE, "since": founded, "last_event_no": 0}
        )
    _write_queues(ledger, agents)
    return agents


def _write_queues(ledger: Ledger, agents: dict[str, UUID]) -> None:
    founded = ledger.at(ledger.today - timedelta(days=1500), time(9))
    queues = {}
    for key, name_zh, name_en in (("hotline", "客服热线", "Service hotline"), ("sales", "销售热线", "Sales hotline")):
        queues[key] = ledger.new_id(founded)
        ledger.rows.queues.append({
            "id": queues[key],
            "key": key,
            "name_zh": name_zh,
            "name_en": name_en,
            "language": "zh-CN",
            "is_default": key == "hotline",
            "created_at": founded,
            "updated_at": founded,
        })  # fmt: skip
        ledger.rows.queue_members += [
            {"queue_id": queues[key], "agent_id": agents[identity]} for identity in _MEMBERS[key]
        ]
    ledger.rows.dnis_routes += [
        {"number": SERVICE_NUMBER, "queue_id": queues["hotline"], "language": None},
        {"number": ENGLISH_NUMBER, "queue_id": queues["hotline"], "language": "en"},
        {"number": SALES_NUMBER, "queue_id": queues["sales"], "language": None},
    ]
    # The service hotline has no hours and no closures: it is open day and night, so the demo works at any time.
    for weekday in range(6):
        opens, closes = (time(9), time(18)) if weekday < 5 else (time(10), time(16))
        ledger.rows.queue_openings.append({
            "id": ledger.new_id(founded),
            "queue_id": queues["sales"],
            "weekday": weekday,
            "opens": opens,
            "closes": closes,
        })  # fmt: skip
    for day, name_zh, name_en, hours in sorted(_named_days(ledger.today), key=itemgetter(0)):
        ledger.rows.closures.append({
            "id": ledger.new_id(founded),
            "queue_id": queues["sales"],
            "day": day,
            "name_zh": name_zh,
            "name_en": name_en,
            "opens": hours[0] if hours else None,
            "closes": hours[1] if hours else None,
        })  # fmt: skip


def _named_days(today: date) -> list[tuple[date, str, str, tuple[time, time] | None]]:
    """China's public holidays (State Council Order 795) of this year and the next, in their main, and a short day."""
    days: list[tuple[date, str, str, tuple[time, time] | None]] = []
    for year in (today.year, today.year + 1):
        days += [
            (date(year, 1, 1), "元旦", "New Year's Day", None),
            (date(year, 5, 1), "劳动节", "Labour Day", None),
            (date(year, 5, 2), "劳动节", "Labour Day", None),
            (date(year, 10, 1), "国庆节", "National Day", None),
            (date(year, 10, 2), "国庆节", "National Day", None),
            (date(year, 10, 3), "国庆节", "National Day", None),
            (date(year, 12, 31), "年终盘点", "Stocktaking", (time(9), time(12))),
        ]
    for first in _SPRING_FESTIVALS:
        if first.year in (today.year, today.year + 1):
            days += [(first + timedelta(days=n), "春节", "Spring Festival", None) for n in range(-1, 3)]
    return days
