"""The people on the line: who has which script, and how a script is acted out."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.scripts import AgentScript, CallerScript, HangUp, LeaveMessage, Moment, Press, Wait

if TYPE_CHECKING:  # a call knows its people
    from app.telephony.simulator.calls import SimCall


class People:
    """Which script each called party follows; client identities and numbers are kept apart.

    Scripts are given as words (see `scripts`). Raises ScriptError.
    """

    def __init__(
        self,
        *,
        agents: Mapping[str, str],
        default_agent: str,
        numbers: Mapping[str, str],
        default_number: str,
    ) -> None:
        self._scripts = {f"client:{identity}": AgentScript.parse(text) for identity, text in agents.items()}
        self._scripts |= {number: AgentScript.parse(text) for number, text in numbers.items()}
        self._default_agent = AgentScript.parse(default_agent)
        self._default_number = AgentScript.parse(default_number)

    def set(self, to: str, script: str) -> None:
        """Give `to` (`client:NAME` or a number) another script from its next call on; raises ScriptError."""
        self._scripts[to] = AgentScript.parse(script)

    def script_of(self, to: str) -> AgentScript:
        """The script that `to` (`client:NAME` or a number) follows."""
        default = self._default_agent if to.startswith("client:") else self._default_number
        return self._scripts.get(to, default)


async def act_out(call: "SimCall", script: CallerScript) -> None:
    """Do what `script` says as the person at the far end of `call`; returns at its end or when the call is over."""
    last_menu = 0
    journal = call.journal
    for step in script.steps:
        match step:
            case Wait(seconds):
                await call.clock.sleep(seconds)
            case Press(digits, after):
                if after is not None:
                    await call.clock.sleep(after)
                elif not await journal.until(partial(_asked_anew, call, last_menu)):
                    return
                last_menu = call.menu or last_menu
                call.press(digits)
            case LeaveMessage(seconds):
                if not await journal.until(lambda: call.is_recorded):
                    return
                await call.clock.sleep(seconds)
            case HangUp(after, when):
                await _hang_up(call, after, when)


def _asked_anew(call: "SimCall", last_menu: int) -> bool:
    return call.menu > last_menu


async def _hang_up(call: "SimCall", after: float, when: Moment) -> None:
    waited = 0.0
    if when is not Moment.NOW:
        kind = SimEventKind.LEG_RINGING if when is Moment.RINGING else SimEventKind.LEG_ANSWERED
        if not await call.journal.until(lambda: call.journal.find(kind) is not None):
            return
        if (event := call.journal.find(kind)) is not None:
            waited = call.conversation.seconds() - event.seconds
    await call.clock.sleep(max(0.0, after - waited))
    call.hang_up()
