"""What people do, in words: every accepted phrase means what it says, everything else is refused with help."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.telephony.simulator.scripts import (
    AGENT_PHRASES,
    CALLER_PHRASES,
    AgentScript,
    CallerScript,
    HangUp,
    LeaveMessage,
    Moment,
    Press,
    Reaction,
    ScriptError,
    Wait,
)

SECONDS = st.integers(0, 14_400_000).map(lambda milliseconds: milliseconds / 1000)
STEPS = st.lists(
    st.one_of(
        st.builds(Press, st.text("0123456789*#", min_size=1, max_size=8), st.none() | SECONDS),
        st.builds(Wait, SECONDS),
        st.builds(LeaveMessage, SECONDS),
    ),
    max_size=6,
)
HANG_UPS = st.none() | st.builds(HangUp, SECONDS, st.sampled_from(Moment))


@st.composite
def caller_scripts(draw: st.DrawFn) -> CallerScript:
    steps = draw(STEPS)
    hang_up = draw(HANG_UPS)
    silent = draw(st.booleans()) and not any(isinstance(step, LeaveMessage) for step in steps)
    return CallerScript((*steps, *([hang_up] if hang_up else [])), silent)


@st.composite
def agent_scripts(draw: st.DrawFn) -> AgentScript:
    reaction = draw(st.sampled_from(Reaction))
    after = draw(SECONDS) if reaction in (Reaction.ANSWER, Reaction.DECLINE) else 0.0
    goes_on = reaction in (Reaction.ANSWER, Reaction.LIVE)
    return AgentScript(reaction, after, draw(caller_scripts()) if goes_on else CallerScript())


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("wait", ()),
        ("press 1, wait, hang up after 8s", (Press("1"), HangUp(8))),
        ("Press 1 then hang up", (Press("1"), HangUp())),
        ("press 12# after 4s", (Press("12#", 4.0),)),
        ("wait 3s, wait 1.5 seconds", (Wait(3), Wait(1.5))),
        ("leave a message of 6s; hang up", (LeaveMessage(6), HangUp())),
        ("hang up when ringing", (HangUp(0, Moment.RINGING),)),
        ("hang up when ringing after 2s", (HangUp(2, Moment.RINGING),)),
        ("hang up when answered after 5s", (HangUp(5, Moment.ANSWERED),)),
        ("wait 3s，press 2", (Wait(3), Press("2"))),
    ],
)
def test_a_caller_script_is_read(text: str, steps: tuple[object, ...]) -> None:
    assert CallerScript.parse(text).steps == steps


@pytest.mark.parametrize(
    ("text", "reaction", "after", "then"),
    [
        ("answer", Reaction.ANSWER, 0, ()),
        ("answer after 2s", Reaction.ANSWER, 2, ()),
        ("answer after 1s, hang up after 10s", Reaction.ANSWER, 1, (HangUp(10),)),
        ("no answer", Reaction.NO_ANSWER, 0, ()),
        ("busy", Reaction.BUSY, 0, ()),
        ("decline after 3s", Reaction.DECLINE, 3, ()),
        ("unreachable", Reaction.UNREACHABLE, 0, ()),
        ("live, hang up after 4s", Reaction.LIVE, 0, (HangUp(4),)),
    ],
)
def test_an_agent_script_is_read(text: str, reaction: Reaction, after: float, then: tuple[object, ...]) -> None:
    script = AgentScript.parse(text)

    assert (script.reaction, script.after, script.then.steps) == (reaction, after, then)


def test_every_phrase_that_is_offered_is_accepted() -> None:
    for phrase in CALLER_PHRASES:
        CallerScript.parse(phrase.partition(" (")[0])
    for phrase in AGENT_PHRASES:
        AgentScript.parse(phrase)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("press", "not understood"),
        ("press 1a", "not understood"),
        ("wait three seconds", "not understood"),
        ("wait -1s", "not understood"),
        ("wait 99999s", "longer than any call"),
        ("wait " + "9" * 400, "longer than any call"),
        ("hang up, press 1", "nothing can come after hanging up"),
        ("say nothing, leave a message of 6s", "cannot go together"),
    ],
)
def test_a_caller_script_that_makes_no_sense_is_refused_with_help(text: str, why: str) -> None:
    with pytest.raises(ScriptError, match=why) as refused:
        CallerScript.parse(text)

    assert "leave a message of 6s" in str(refused.value)


@pytest.mark.parametrize("text", ["", "press 1", "busy, press 1", "no answer after 2s", "answer, hang up, wait 1s"])
def test_an_agent_script_that_makes_no_sense_is_refused_with_help(text: str) -> None:
    with pytest.raises(ScriptError, match="answer after 2s"):
        AgentScript.parse(text)


def test_how_long_somebody_speaks() -> None:
    assert CallerScript.parse("").message_seconds == 5
    assert CallerScript.parse("say nothing").message_seconds == 0
    assert CallerScript.parse("wait 1s, leave a message of 6s").message_seconds == 6


@given(caller_scripts())
@settings(deadline=None)
def test_what_is_written_is_read_as_it_was_meant(script: CallerScript) -> None:
    assert CallerScript.parse(str(script)) == script


@given(agent_scripts())
@settings(deadline=None)
def test_what_is_written_of_agents_is_read_as_it_was_meant(script: AgentScript) -> None:
    assert AgentScript.parse(str(script)) == script


WORDS = st.sampled_from("press 1 wait 3s hang up when ringing answered after leave a message of , ; then 0.5 s".split())


@given(st.text() | st.lists(WORDS).map(" ".join))
@settings(deadline=None)
def test_any_text_is_either_understood_or_refused(text: str) -> None:
    for kind in (CallerScript, AgentScript):
        try:
            script = kind.parse(text)
        except ScriptError:
            continue
        assert kind.parse(str(script)) == script
