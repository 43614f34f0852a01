"""Callers as networks really send them: without a number, with an odd one, shared ones, hostile names."""

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models import Agent
from app.schemas.screen_pop import ScreenPop
from tests.calls.carrier import CALLER, DIALLED, call_sid, rung, status, verbs, voice
from tests.calls.conftest import Desk, Hotline, value_of
from tests.factories import make_agent, make_customer

# What comes as From, the outcome of looking it up, and what kind of number it is.
CALLERS = {
    "anonymous": ("anonymous", "withheld", "withheld"),
    "Restricted": ("Restricted", "withheld", "withheld"),
    "unavailable": ("unavailable", "withheld", "withheld"),
    "ANONYMOUS on the keypad": ("+266696687", "withheld", "withheld"),
    "RESTRICTED on the keypad": ("+7378742833", "withheld", "withheld"),
    "BLOCKED on the keypad": ("+2562533", "withheld", "withheld"),
    "UNKNOWN on the keypad": ("+8656696", "withheld", "withheld"),
    "UNAVAILABLE on the keypad": ("+86282452253", "withheld", "withheld"),
    "empty": ("", "withheld", "withheld"),
    "blanks": ("   ", "withheld", "withheld"),
    "SIP": ("sip:lu@pbx.example.com;transport=tls", "unknown", "sip"),
    "SIP with a number": ("sip:+8613900000001@pbx.example.com", "unknown", "number"),
    "carrier's short code": ("10086", "unknown", "short_code"),
    "bank's short code": ("95588", "unknown", "short_code"),
    "extension": ("+862155501234;ext=42", "unknown", "number"),
    "full-width": ("＋８６１３９００００００２", "unknown", "number"),
    "bidi marks": ("\u202a+8613900000003\u202c", "unknown", "number"),
    "trunk prefix": ("013900000004", "unknown", "number"),
    "00": ("008613900000005", "unknown", "number"),
    "client": ("client:lin", "unknown", None),
    "words": ("Lu's phone", "unknown", None),
    "too long": ("+86" + "1" * 5000, "unknown", None),
    "NUL": ("+86139\0" + "00000006", "unknown", None),
    "our own number": (DIALLED, "unknown", "number"),
}


@pytest.fixture(scope="module")
async def desk(standing: Hotline) -> Desk:
    """The one agent who gets every card of this file."""
    return await standing.desk()


async def card(hotline: Hotline, desk: Desk, sid: str, *, twiml: str) -> tuple[dict[str, Any], ScreenPop]:
    """The card that reached the agent, as it came and by its schema. The call is ended, so the next one is theirs."""
    assert rung(twiml) == desk.agent.identity
    offered = await desk.until("call.offered")
    await hotline.wire.tell(status(sid, "completed", 1))
    await desk.until("presence.changed", state="available")
    raw = offered["data"]["screen_pop"]
    return raw, ScreenPop.model_validate(raw)


@pytest.mark.parametrize(("raw", "outcome", "kind"), CALLERS.values(), ids=CALLERS)
async def test_fault_12_every_caller_has_an_outcome(
    standing: Hotline, desk: Desk, raw: str, outcome: str, kind: str | None
) -> None:
    sid = call_sid()
    before = value_of("callcard_matches_total", outcome=outcome)

    twiml = await standing.wire.twiml("voice", voice(sid, raw))

    _, pop = await card(standing, desk, sid, twiml=twiml)
    assert (pop.match.outcome, pop.customer, pop.match.candidates) == (outcome, None, [])
    if kind is not None:
        assert pop.caller.kind == kind
    assert pop.greeting.zh
    assert pop.greeting.en
    row = await standing.call_row(sid)
    assert (row["match_outcome"], row["customer_id"], row["state"]) == (outcome, None, "abandoned")
    assert row["from_raw"] == raw.replace("\0", "")[:256]
    assert (row["from_e164"] is None) == (pop.caller.e164 is None)
    assert value_of("callcard_matches_total", outcome=outcome) == before + 1


@pytest.mark.parametrize("raw", ["anonymous", "+266696687", "", "10086", "sip:lu@pbx.example.com"])
async def test_fault_12_who_cannot_be_called_back_is_not_offered_it(standing: Hotline, desk: Desk, raw: str) -> None:
    sid = call_sid()
    await desk.be("break")

    waiting = await standing.wire.twiml("voice", voice(sid, raw))
    pressed = await standing.wire.twiml("wait", voice(sid, raw, status="in-progress", Digits="1"))

    for twiml in (waiting, pressed):
        assert "Gather" not in verbs(twiml)
        assert verbs(twiml)[-1] == "Redirect"
    row = await standing.call_row(sid)
    assert (row["kept_place_at"], row["state"]) == (None, "waiting")
    await standing.wire.tell(status(sid, "completed", 1))
    await desk.be("available")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=st.text(max_size=40) | st.from_regex(r"\A(sips?:)?\+?[0-9 ()/.-]{0,20}([;x]ext=?[0-9]*)?(@[a-z.]*)?\Z"),
    name=st.text(max_size=300),
)
async def test_fault_12_whatever_is_said_of_a_caller_the_call_is_taken(
    standing: Hotline, desk: Desk, raw: str, name: str
) -> None:
    sid = call_sid()
    await desk.be("break")

    twiml = await standing.wire.twiml("voice", voice(sid, raw, CallerName=name))

    assert verbs(twiml)[-1] == "Redirect"
    assert (await standing.call_row(sid))["state"] == "waiting"
    await standing.wire.tell(status(sid, "completed", 1))
    await desk.be("available")


async def test_fault_13_three_customers_on_one_number_are_a_choice_and_no_guess(standing: Hotline, desk: Desk) -> None:
    number = "+862155507777"
    async with standing.served.database.session_scope() as session:
        manager: Agent = await make_agent(session, queues=[standing.queue], name="王经理")
        await make_customer(session, number, name="鲁大海", owner_id=manager.id, language="en")
        await make_customer(session, "021-5550 7777", name="王芳")
        await make_customer(session, "+8613900001111", number, name="李公司", kind="company", tier="core")
    sid = call_sid()

    twiml = await standing.wire.twiml("voice", voice(sid, number))

    _, pop = await card(standing, desk, sid, twiml=twiml)
    assert pop.match.outcome == "several"
    assert {(each.name, each.reason, each.owner) for each in pop.match.candidates} == {
        ("鲁大海", "exact", "王经理"),
        ("王芳", "exact", None),
        ("李公司", "exact", None),
    }
    assert (pop.match.more, pop.customer, pop.purchases, pop.contracts, pop.interactions) == (False, None, [], [], [])
    # The greeting asks who it is, in words that fit all of them.
    assert not {"鲁", "王", "李"} & set(pop.greeting.zh)
    row = await standing.call_row(sid)
    assert (row["customer_id"], row["match_outcome"], row["language"]) == (None, "several", "zh-CN")


async def test_fault_13_a_switchboard_shows_a_dozen_and_says_that_there_are_more(standing: Hotline, desk: Desk) -> None:
    number = "+862155508888"
    async with standing.served.database.session_scope() as session:
        for n in range(20):
            await make_customer(session, number, name=f"员工{n}")
    sid = call_sid()

    twiml = await standing.wire.twiml("voice", voice(sid, number))

    _, pop = await card(standing, desk, sid, twiml=twiml)
    assert (pop.match.outcome, len(pop.match.candidates), pop.match.more) == ("several", 12, True)


NAMES = {
    "XML": "</Say></Response><Response><Dial>+1900</Dial>&lt;![CDATA[]]>",
    "script": "<script>alert(1)</script>\"'`${7*7}{{7*7}}",
    "emoji": "👨‍👩‍👧‍👦🧊 Lu 🇨🇳",
    "bidi": "\u202egnp.exe\u202c \u2066Lu\u2069\u200f",
    "controls": "Lu\x01\x07\x1b[31m\r\nSet-Cookie: a=b\x7f\x85",
    "NUL": "L\0u\0",
    "not characters": "Lu\ufffe\uffff\ufdd0",
    "SQL": "'; DROP TABLE calls; -- %s :name $1 {0}",
    "very long": "鲁" * 10_240,
    "long and wide": "🧊" * 5_000,
    "combining": "Z" + "\u0301" * 3000,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_fault_14_a_hostile_name_is_text_and_nothing_else(standing: Hotline, desk: Desk, name: str) -> None:
    sid = call_sid()

    twiml = await standing.wire.twiml("voice", voice(sid, CallerName=name))

    root = ElementTree.fromstring(twiml)
    assert [element.tag for element in root.iter()] == ["Response", "Say", "Say", "Dial", "Client"]
    assert "1900" not in twiml
    raw, pop = await card(standing, desk, sid, twiml=twiml)
    assert pop.call is not None
    shown = name.replace("\0", "")
    assert raw["call"]["caller_name"] == pop.call.caller_name == shown[:256]
    row = await standing.call_row(sid)
    assert row["caller_name"] == shown[:256]
    kept = await standing.one(
        "SELECT params ->> 'CallerName' AS name FROM carrier_events WHERE provider_call_id = :sid AND kind = 'voice'",
        sid=sid,
    )
    assert kept["name"] == shown[:2000]
    detail = await desk.http.get(f"/api/v1/calls/{row['id']}")
    assert (detail.status_code, detail.json()["caller_name"]) == (200, shown[:256])


async def test_fault_14_a_customers_own_name_is_no_markup_either(standing: Hotline, desk: Desk) -> None:
    number, name = "+8613900002222", "<b>鲁</b>&\"\u202e'"
    async with standing.served.database.session_scope() as session:
        await make_customer(session, number, name=name, surname="<鲁&>", gender="male", note="</script>", language="en")
    sid = call_sid()

    twiml = await standing.wire.twiml("voice", voice(sid, number))

    assert [element.tag for element in ElementTree.fromstring(twiml).iter("*")][:2] == ["Response", "Say"]
    _, pop = await card(standing, desk, sid, twiml=twiml)
    assert pop.customer is not None
    assert (pop.customer.name, pop.customer.note) == (name, "</script>")
    assert pop.customer.address_as.zh == "<鲁&>先生"


async def test_fault_14_every_field_may_be_hostile_at_once(standing: Hotline, desk: Desk) -> None:
    sid = call_sid()
    hostile = dict.fromkeys(
        ("FromCity", "FromState", "ForwardedFrom", "StirVerstat", "CallToken", "Digits", "SpeechResult", "X\0Y"),
        "".join(NAMES.values())[:2500],
    )

    twiml = await standing.wire.twiml("voice", voice(sid, CALLER, **hostile))

    await card(standing, desk, sid, twiml=twiml)
    kept = await standing.one(
        "SELECT params FROM carrier_events WHERE provider_call_id = :sid AND kind = 'voice'", sid=sid
    )
    assert set(hostile) - {"X\0Y"} | {"XY"} <= set(kept["params"])
