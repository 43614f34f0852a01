"""Somebody's phone rings: what becomes of it, by their script or by being told."""

from app.telephony.simulator.calls import SimCall
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.records import CallStatus
from app.telephony.simulator.scripts import AgentScript, Reaction
from app.telephony.simulator.statuses import Progress
from app.telephony.simulator.waiting import first_of


async def ring(call: SimCall, script: AgentScript, seconds: float) -> bool:
    """Ring for up to `seconds`; True when it is picked up (which the caller of this then marks), else the call is over.

    Whoever is told to answer or decline meanwhile (`SimCall.answer`) does, whatever the script says.
    """
    call.set_status(CallStatus.INITIATED, Progress.INITIATED)
    if script.reaction is Reaction.UNREACHABLE:
        call.end(CallStatus.FAILED, "unreachable")
        return False
    if script.reaction is Reaction.NOT_IN_SERVICE:
        call.record.sip_code = "404"
        call.end(CallStatus.FAILED, "not in service")
        return False
    if script.reaction is Reaction.BUSY:
        call.end(CallStatus.BUSY, "busy")
        return False
    call.set_status(CallStatus.RINGING, Progress.RINGING)
    kind = SimEventKind.LEG_RINGING if call.parent else SimEventKind.RINGING
    call.emit(kind, f"{call.record.to} rings", **{"from": call.record.from_, "to": call.record.to})
    await first_of(call.decided.wait(), call.over.wait(), call.clock.sleep(seconds), _react(call, script))
    if call.ended:
        return False
    # What was decided counts before the time that is up: both may be noticed at once.
    if call.will_answer is None:
        call.end(CallStatus.NO_ANSWER, f"no answer within {seconds:g} s")
    elif not call.will_answer:
        call.end(CallStatus.BUSY, "declined")
    return call.will_answer is True


async def _react(call: SimCall, script: AgentScript) -> None:
    """Do as the script says; never ends of itself, as other things may come first."""
    if script.reaction in (Reaction.ANSWER, Reaction.DECLINE):
        await call.clock.sleep(script.after)
        if call.will_answer is None and not call.ended:
            call.decide(answer=script.reaction is Reaction.ANSWER)
    await call.over.wait()
