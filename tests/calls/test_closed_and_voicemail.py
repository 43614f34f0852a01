"""When nobody can take the call: closed hours, named days, a line that is too long; and what is recorded."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.prompts import opening_phrase
from app.models import Closure, QueueOpening
from app.telephony.simulator import SimEventKind
from tests.calls.branches import Branch, hears, new_caller, open_branch, said
from tests.calls.carrier import call_sid, rung, spoken, verbs
from tests.calls.conftest import Hotline

ZONE = "Asia/Shanghai"
PROMISE = "好的，已经为您登记"
NOTICE = "本次通话将被录音"


@pytest.fixture
async def branch(standing: Hotline) -> AsyncIterator[Branch]:
    async with open_branch(standing) as opened:
        yield opened


def in_three_days() -> tuple[QueueOpening, datetime]:
    """Hours of one morning a week, three days from now, and when they begin."""
    now = datetime.now(ZoneInfo(ZONE))
    day = now + timedelta(days=3)
    opens_at = datetime.combine(day.date(), time(9), now.tzinfo)
    return QueueOpening(weekday=day.weekday(), opens=time(9), closes=time(12)), opens_at


def closed_today(**names: Any) -> list[Closure]:
    """A named day that holds now, whatever the time and however long the test takes."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    return [Closure(day=today + timedelta(days=n), **names) for n in (0, 1)]


@pytest.mark.parametrize(("caller", "language"), [(None, "zh-CN"), ("+12025550143", "en")])
async def test_after_hours_the_opening_time_is_said_and_a_message_taken(
    standing: Hotline, caller: str | None, language: str
) -> None:
    opening, opens_at = in_three_days()
    async with open_branch(standing, openings=[opening], time_zone=ZONE) as branch:
        desk = await branch.desk()
        call = await branch.ring(caller, script="leave a message of 6s")

        await call.finished()

        phrase = opening_phrase(opens_at, datetime.now(UTC), language)
        assert phrase in said(call)[0]
        closed, thanks = (
            ("现在是非服务时间", "您的留言我们已经收到")
            if language == "zh-CN"
            else ("We are closed at the moment", "Thank you, we have your message")
        )
        assert closed in said(call)[0]
        assert thanks in said(call)[-1]
        row = await branch.call_row(call.sid)
        assert (row["state"], row["queued_at"]) == ("voicemail", None)
        read = (await desk.http.get(f"/api/v1/calls/{row['id']}")).json()
        (recording,) = read["recordings"]
        made = await call.wait_for(SimEventKind.RECORDED)
        assert (recording["kind"], recording["seconds"]) == ("voicemail", 6)
        assert recording["url"] == made.data["url"]
        assert read["voicemail_at"] is not None
        steps = await branch.trace_of(call.sid)
        assert steps[:3] == ["received", "matched", "closed"]
        assert steps.count("voicemail") == 1
        assert await desk.presence() == "available"


async def test_who_says_nothing_after_the_beep_has_left_no_message(standing: Hotline) -> None:
    async with open_branch(standing, openings=[in_three_days()[0]], time_zone=ZONE) as branch:
        call = await branch.ring(script="say nothing")

        await call.finished()

        assert "感谢您的来电，再见" in said(call)[-1]
        row = await branch.call_row(call.sid)
        assert (row["state"], row["voicemail_at"]) == ("abandoned", None)
        assert await branch.rows("SELECT id FROM recordings WHERE call_id = :id", id=row["id"]) == []


async def test_1_after_hours_keeps_a_place_for_when_somebody_is_there(standing: Hotline) -> None:
    async with open_branch(standing, openings=[in_three_days()[0]], time_zone=ZONE) as branch:
        desk = await branch.desk(available=False)
        call = await branch.ring(script="press 1")

        await hears(call, PROMISE)
        await call.finished()

        row = await branch.call_row(call.sid)
        assert (row["state"], row["voicemail_at"]) == ("callback", None)
        await desk.be("available")
        due = await desk.until("callback.due")
        assert due["data"]["call_id"] == str(row["id"])


async def test_after_hours_who_withholds_their_number_is_only_asked_for_a_message(standing: Hotline) -> None:
    async with open_branch(standing, openings=[in_three_days()[0]], time_zone=ZONE) as branch:
        sid = call_sid()

        answer = await branch.wire.twiml("voice", branch.form(sid, "anonymous"))

        assert verbs(answer) == ["Say", "Say", "Record", "Say", "Hangup"]
        pressed = await branch.wire.twiml("wait", branch.form(sid, "anonymous", status="in-progress", Digits="1"))
        assert "Record" in verbs(pressed)
        assert (await branch.call_row(sid))["kept_place_at"] is None


@pytest.mark.parametrize(
    ("caller", "words"), [(None, "春节期间人工服务暂停"), ("+12025550144", "closed for Spring Festival")]
)
async def test_a_named_day_is_named(standing: Hotline, caller: str | None, words: str) -> None:
    closures = closed_today(name_zh="春节", name_en="Spring Festival")
    async with open_branch(standing, closures=closures, time_zone=ZONE) as branch:
        await branch.desk()

        answer = await branch.wire.twiml("voice", branch.form(call_sid(), caller or new_caller()))

        assert words in spoken(answer)
        assert rung(answer) is None


async def test_a_named_day_with_hours_is_open_though_the_week_says_closed(standing: Hotline) -> None:
    closures = closed_today(name_zh="补班", name_en="Make-up day", opens=time(0), closes=time(0))
    async with open_branch(standing, openings=[in_three_days()[0]], closures=closures, time_zone=ZONE) as branch:
        desk = await branch.desk()

        _, client = await branch.posted()

        assert client == desk.agent.identity


async def test_who_has_waited_as_long_as_may_be_is_asked_for_a_message(standing: Hotline) -> None:
    async with open_branch(standing, max_wait_seconds=0, wait_seconds=3) as branch:
        desk = await branch.desk(available=False)
        call = await branch.ring(script="leave a message of 4s")
        await hears(call, "目前没有空闲的客服")

        await call.finished()

        assert "您是下一位" in "".join(said(call))
        row = await branch.call_row(call.sid)
        assert row["state"] == "voicemail"
        assert row["left_queue_at"] is not None
        # Nobody is in line any more, so nobody is offered.
        assert (await desk.be("available"))["state"] == "available"


async def test_1_after_waiting_too_long_still_keeps_the_place(standing: Hotline) -> None:
    async with open_branch(standing, max_wait_seconds=0, wait_seconds=3) as branch:
        call = await branch.ring(script="wait 1s")
        await hears(call, "目前没有空闲的客服")
        await call.wait_for(SimEventKind.LISTENING, after=len(call.events) - 1)
        call.press("1")

        await hears(call, PROMISE)
        await call.finished()

        row = await branch.call_row(call.sid)
        assert (row["state"], row["left_queue_at"]) == ("callback", None)


async def test_a_recorded_call_says_so_once_and_keeps_the_recording(standing: Hotline) -> None:
    async with open_branch(standing, record_calls=True) as branch:
        first, second = await branch.desk(), await branch.desk()
        branch.line.set_script(f"client:{first.agent.identity}", "no answer")
        branch.line.set_script(f"client:{second.agent.identity}", "answer after 1s, hang up after 5s")

        call = await branch.ring()
        await call.finished()

        assert [event.data["to"] for event in call.events if event.kind is SimEventKind.LEG_RINGING] == [
            f"client:{desk.agent.identity}" for desk in (first, second)
        ]
        assert sum(NOTICE in words for words in said(call)) == 1
        row = await branch.call_row(call.sid)
        assert row["state"] == "completed"
        (recording,) = (await second.http.get(f"/api/v1/calls/{row['id']}")).json()["recordings"]
        made = await call.wait_for(SimEventKind.RECORDED)
        assert (recording["kind"], recording["url"], recording["seconds"]) == ("call", made.data["url"], 5)


async def test_the_notice_is_not_left_out_where_the_first_agents_phone_never_rang(standing: Hotline) -> None:
    async with open_branch(standing, record_calls=True) as branch:
        first = await branch.desk(available=False)
        caller, sid = new_caller(), call_sid()
        await branch.wire.twiml("voice", branch.form(sid, caller))
        # Reserved, and taken back before the caller was fetched out of the wait loop.
        await first.be("available")
        await first.be("break")
        second = await branch.desk()

        answer = await branch.wire.twiml("wait", branch.form(sid, caller, status="in-progress"))

        assert rung(answer) == second.agent.identity
        assert NOTICE in spoken(answer)


async def test_a_call_that_is_not_recorded_says_nothing_of_recording(branch: Branch) -> None:
    desk = await branch.desk()

    answer = await branch.wire.twiml("voice", branch.form(call_sid(), new_caller()))

    assert rung(answer) == desk.agent.identity
    assert NOTICE not in spoken(answer)
    assert "record=" not in answer


@pytest.mark.parametrize(
    ("customer", "caller", "dnis", "queue", "heard"),
    [
        ("zh-CN", "+12025550145", "en", "en", "您好"),
        ("en", None, "zh-CN", "zh-CN", "Hello"),
        ("fr", None, None, "en", "Hello"),
        (None, None, "en", "zh-CN", "Hello"),
        (None, "+12025550146", "zh-CN", "zh-CN", "您好"),
        (None, "+12025550147", None, "zh-CN", "Hello"),
        (None, "+85223456789", None, "en", "您好"),
        (None, "anonymous", None, "en", "Hello"),
        (None, "anonymous", None, "zh-CN", "您好"),
    ],
)
async def test_the_language_is_the_customers_or_that_of_the_number_dialled_or_of_the_callers_region_or_the_queues(
    standing: Hotline, customer: str | None, caller: str | None, dnis: str | None, queue: str, heard: str
) -> None:
    async with open_branch(standing, dnis_language=dnis, language=queue) as branch:
        caller = caller or new_caller()
        if customer is not None:
            await branch.customer(caller, language=customer)
        await branch.desk()

        answer = await branch.wire.twiml("voice", branch.form(call_sid(), caller))

        assert spoken(answer).startswith(heard)
        voice = "cmn-CN" if heard == "您好" else "en-US"
        assert set(re.findall('language="([^"]+)"', answer)) == {voice}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_language_stays_the_same_through_the_call(standing: Hotline, language: str) -> None:
    async with open_branch(standing, dnis_language=language) as branch:
        caller, sid = new_caller(), call_sid()
        await branch.wire.twiml("voice", branch.form(sid, caller))

        for asked in ({}, {"Digits": "1"}):
            answer = await branch.wire.twiml("wait", branch.form(sid, caller, status="in-progress", **asked))
            assert set(re.findall('language="([^"]+)"', answer)) == {"cmn-CN" if language == "zh-CN" else "en-US"}
