"""A carrier in a box: stands where Twilio stands and speaks its wire, so that demos and tests run the production path.

It calls the service with signed requests, follows the TwiML that comes back, rings agents, sends status callbacks and
takes REST requests. People are scripts in plain words (`scripts`), time runs as fast as wanted (`Pace`), and things go
wrong on request (`Trouble`). It uses nothing of the service's own: what it knows of Twilio is written down anew here,
so that an error in the one is not hidden by the same error in the other.

    async with Line(
        account_sid="AC" + "0" * 32,
        auth_token="secret",
        public_url="https://hotline.example",
        connect_url="http://127.0.0.1:8000",
        agents={"lin": "answer after 2s, hang up after 10s", "wang": "live"},
        clock=Pace(50),
    ) as line:
        async with serve_rest(line) as api_url:
            call = await line.call("+8613812345678", "+12025550100", script="press 1, hang up after 60s")
            ringing = await call.wait_for(SimEventKind.LEG_RINGING)
            await line.answer(ringing.leg_sid)
            async for event in call.follow():
                print(event.seconds, event.text)
            assert (await call.finished()).data["status"] == "completed"
"""

from app.telephony.simulator.calls import CallStateError, SimCall
from app.telephony.simulator.clock import Clock, Pace
from app.telephony.simulator.events import NotHappened, SimEvent, SimEventKind
from app.telephony.simulator.line import Line
from app.telephony.simulator.records import CallStatus
from app.telephony.simulator.rest import rest_app
from app.telephony.simulator.scripts import AGENT_PHRASES, CALLER_PHRASES, AgentScript, CallerScript, ScriptError
from app.telephony.simulator.serving import serve_rest
from app.telephony.simulator.trouble import NO_TROUBLE, RestFault, RestProblem, Signature, Trouble

__all__ = [
    "AGENT_PHRASES",
    "CALLER_PHRASES",
    "NO_TROUBLE",
    "AgentScript",
    "CallStateError",
    "CallStatus",
    "CallerScript",
    "Clock",
    "Line",
    "NotHappened",
    "Pace",
    "RestFault",
    "RestProblem",
    "ScriptError",
    "Signature",
    "SimCall",
    "SimEvent",
    "SimEventKind",
    "Trouble",
    "rest_app",
    "serve_rest",
]
