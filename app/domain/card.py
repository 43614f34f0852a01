"""The words on a caller's card: how to address them, the sentence to open with, warranty, what to be warned of.

Works on the plain JSON that the pop's SQL statement gathers, because it runs for every call that rings. Everything
follows from that JSON and the moment it was gathered at, so a pop that is replayed reads as it did at first.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo


class Warranty(StrEnum):
    """Whether a repair is free; `unknown` where no end date is on record."""

    IN_WARRANTY = "in_warranty"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class AlertKind(StrEnum):
    """What the agent must know before speaking."""

    DO_NOT_CALL = "do_not_call"
    VIP = "vip"
    OVERDUE_PROMISE = "overdue_promise"
    OPEN_COMPLAINT = "open_complaint"
    REPEAT_CALLER = "repeat_caller"
    CONTRACT_EXPIRED = "contract_expired"


REPEAT_DAYS: Final = 7
"""A caller who called before within so many days is a repeat caller."""

_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)  # not strftime: that speaks the server's locale
_COUNT_ZH: Final = "零一两三四五六七八九十"
_COUNT_EN: Final = "no a two three four five six seven eight nine ten".split()
_TITLE_EN: Final = {"先生": "Mr", "女士": "Ms", "小姐": "Ms", "太太": "Mrs", "老师": "", "博士": "Dr", "经理": ""}
_GENDER_TITLE: Final = {"male": ("先生", "Mr"), "female": ("女士", "Ms")}

_COMPLAINT_TIMES: Final = ("opened_at", "due_at")
_PROMISED: Final = ("due_at", "first_due_at")

Json = dict[str, Any]


def address_as(customer: Json) -> dict[str, str]:
    """How to speak to a customer, e.g. `{"zh": "鲁先生", "en": "Mr Lu"}`.

    A title on record wins, then the gender's; with neither, or without a surname, it is the name as it stands. Latin
    surnames are put in front of 先生 in Chinese as well ("Smith先生"), as is usual.
    """
    name, surname = customer["name"], customer["surname"]
    if customer["kind"] == "company" or not surname:
        return {"zh": name, "en": customer["latin_name"] or name}
    by_gender = _GENDER_TITLE.get(customer["gender"], ("", ""))
    title = customer["title"]
    in_chinese = title if title and not title.isascii() else by_gender[0]
    in_english = title if title and title.isascii() else _TITLE_EN.get(title, "") or by_gender[1]
    latin = customer["latin_surname"] or surname
    return {
        "zh": f"{surname}{in_chinese}" if in_chinese else name,
        "en": f"{in_english} {latin}" if in_english else customer["latin_name"] or name,
    }


def greeting(customer: Json | None, purchases: list[Json], outcome: str, today: date) -> dict[str, str]:
    """The sentence to open with, in each language.

    Args:
        customer: the recognised customer with `address_as`, or None.
        purchases: theirs, the latest first; the latest one is what they most likely call about.
        outcome: a `MatchOutcome`; with `several` the agent asks who it is.
        today: the local date at the hotline, from which "last October" counts.
    """
    if customer is None:
        if outcome == "several":
            return {
                "zh": "您好，很高兴为您服务。请问您怎么称呼？",
                "en": "Hello, good to hear from you. May I ask who is calling?",
            }
        return {
            "zh": "您好，很高兴为您服务。请问怎么称呼您？",
            "en": "Hello, thank you for calling. May I have your name, please?",
        }
    who = customer["address_as"]
    zh = f"您好，请问是{who['zh']}吗？"
    en = f"Hello, is that {who['en']}?"
    if purchases:
        bought = purchases[0]
        when_zh, when_en = _when(date.fromisoformat(bought["purchased_on"]), today)
        zh += f"您{when_zh}在我们这里买了{_things_zh(bought)}，对吗？"
        en += f" You bought {_things_en(bought)} from us {when_en}, is that right?"
    return {"zh": zh + "有什么可以帮您？", "en": en + " What can I do for you?"}


def _when(day: date, today: date) -> tuple[str, str]:
    month = _MONTHS[day.month - 1]
    months_ago = (today.year - day.year) * 12 + today.month - day.month
    if months_ago <= 0:
        return "这个月", "this month"
    if months_ago == 1:
        return "上个月", "last month"
    if day.year == today.year:
        return f"今年{day.month}月", f"in {month}"
    if day.year == today.year - 1:
        return f"去年{day.month}月", f"last {month}"
    return f"{day.year}年{day.month}月", f"in {month} {day.year}"


def _things_zh(bought: Json) -> str:
    quantity = bought["quantity"]
    count = _COUNT_ZH[quantity] if quantity < len(_COUNT_ZH) else str(quantity)
    return f"{count}{bought['unit'] or '件'}{bought['product']}"


def _things_en(bought: Json) -> str:
    quantity, thing = bought["quantity"], bought["product_en"] or bought["product"]
    if not thing.isascii():
        return thing if quantity == 1 else f"{quantity} × {thing}"
    if quantity == 1:
        return f"{_article(thing)} {thing}"
    count = _COUNT_EN[quantity] if quantity < len(_COUNT_EN) else str(quantity)
    return f"{count} {_plural(thing)}"


def _article(thing: str) -> str:
    """`a` or `an`, by how the first word sounds: an LED lamp, a UPS, a USB hub, an 8-inch screen."""
    word = thing.split(" ", 1)[0]
    if word.isupper():
        return "an" if word[0] in "AEFHILMNORSX" else "a"
    if word.startswith(("8", "11-", "18-")):
        return "an"
    return "an" if word[:1].lower() in tuple("aeiou") and not word.lower().startswith(("eu", "uni", "us")) else "a"


def _plural(thing: str) -> str:
    if thing.endswith(("s", "x", "ch", "sh")):
        return thing + "es"
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return thing[:-1] + "ies"
    return thing + "s"


def warranty(until: str | None, today: str) -> Warranty:
    """Whether a repair is free on `today` when the warranty's last day is `until`; both are ISO 8601 dates."""
    if until is None:
        return Warranty.UNKNOWN
    return Warranty.IN_WARRANTY if until >= today else Warranty.EXPIRED


def finish_pop(gathered: Json, at: datetime, zone: ZoneInfo) -> Json:
    """The screen pop as the schema has it, from what the SQL statement gathered at the moment `at`.

    Args:
        gathered: the statement's JSON; it is changed in place and must not be used again.
        at: when it was gathered, aware.
        zone: the hotline's zone, in which "today" is told.
    """
    today = at.astimezone(zone).date()
    iso_today = today.isoformat()
    customer: Json | None = gathered["customer"]
    purchases, contracts = gathered["purchases"], gathered["contracts"]
    for bought in purchases:
        bought["warranty"] = warranty(bought["warranty_until"], iso_today)
    for contract in contracts:
        contract["expired"] = contract["ends_on"] < iso_today
    if customer is not None:
        customer["address_as"] = address_as(customer)
    # PostgreSQL writes its UTC as +00:00; everything else we say ends in Z.
    for contact in gathered["interactions"]:
        contact["at"] = contact["at"].replace("+00:00", "Z")
    complaints, callbacks = gathered["complaints"], gathered["callbacks"]
    finish_pending(complaints, callbacks)
    match = gathered["match"]
    reason = match.pop("reason")
    if customer is not None:
        match["candidates"] = [_candidate(customer, reason, gathered["interactions"])]
    for candidate in match["candidates"]:
        if candidate["last_contact_at"] is not None:
            candidate["last_contact_at"] = candidate["last_contact_at"].replace("+00:00", "Z")
    if gathered["call"] is not None:
        gathered["call"]["received_at"] = gathered["call"]["received_at"].replace("+00:00", "Z")
    gathered["greeting"] = greeting(customer, purchases, gathered["match"]["outcome"], today)
    pending = pending_alerts(complaints, callbacks, at)
    gathered["alerts"] = alerts(customer, contracts, gathered.pop("recent_calls"), pending)
    if customer is not None:
        for spent in ("surname", "title", "gender", "latin_name", "latin_surname"):
            del customer[spent]
    return gathered


def _candidate(customer: Json, reason: str, interactions: list[Json]) -> Json:
    """The only candidate there is, from what is on the card anyway."""
    owner = customer["owner"]
    return {
        "customer_id": customer["id"],
        "code": customer["code"],
        "name": customer["name"],
        "kind": customer["kind"],
        "tier": customer["tier"],
        "reason": reason,
        "owner": owner["name"] if owner else None,
        "last_contact_at": interactions[0]["at"] if interactions else None,
    }


def iso(at: datetime) -> str:
    """A moment as our JSON shows it: ISO 8601 in UTC with `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def finish_pending(complaints: list[Json], callbacks: list[Json]) -> None:
    """Write the times of complaints and promised calls as we write them; the lists are changed in place."""
    for thing, names in (
        *((each, _COMPLAINT_TIMES) for each in complaints),
        *((each, _PROMISED) for each in callbacks),
    ):
        for name in names:
            thing[name] = thing[name].replace("+00:00", "Z")


def pending_alerts(complaints: list[Json], callbacks: list[Json], at: datetime) -> list[Json]:
    """What was promised and is overdue at `at` (since which day, by UTC), and how many complaints are not closed.

    A call is overdue from the time on for which it was first promised; a complaint from its owner's due time on.
    """
    kept = [callback["first_due_at"] for callback in callbacks]
    kept += [complaint["due_at"] for complaint in complaints if complaint["state"] not in ("resolved", "closed")]
    overdue = [promised for promised in map(datetime.fromisoformat, kept) if promised < at]
    found: list[Json] = []
    if overdue:
        since = min(overdue).date().isoformat()
        found.append({"kind": AlertKind.OVERDUE_PROMISE, "count": len(overdue), "on": since})
    if not_closed := sum(complaint["state"] != "closed" for complaint in complaints):
        found.append({"kind": AlertKind.OPEN_COMPLAINT, "count": not_closed})
    return found


def alerts(customer: Json | None, contracts: list[Json], recent_calls: int, pending: list[Json]) -> list[Json]:
    """What the agent must know before speaking, the gravest first.

    Args:
        customer: the recognised customer, or None.
        contracts: theirs with `expired`, the one that ends last first.
        recent_calls: how many calls came from them within `REPEAT_DAYS`, other than the one that rings.
        pending: what `pending_alerts` found.
    """
    found: list[Json] = []
    if customer is not None and customer["do_not_call"]:
        found.append({"kind": AlertKind.DO_NOT_CALL})
    if customer is not None and customer["tier"] == "core":
        found.append({"kind": AlertKind.VIP})
    found += pending
    if recent_calls:
        found.append({"kind": AlertKind.REPEAT_CALLER, "count": recent_calls})
    if contracts and all(contract["expired"] for contract in contracts):
        found.append({"kind": AlertKind.CONTRACT_EXPIRED, "on": contracts[0]["ends_on"]})
    return found
