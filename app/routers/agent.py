"""The agent's own phone: what they are doing, and the token their softphone registers with."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter

from app.dependencies import DbSession, HotlineNow, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import NotAllowed, NotSignedIn, Unavailable
from app.models.routing import Presence
from app.schemas.agent import PresenceChoice, PresenceRead, VoiceToken
from app.schemas.problem import problems
from app.services.access import ScopeMissing, Signed
from app.services.presence import BusyWithCall, choose_presence, identity_of, presence_of
from app.telephony.port import CarrierRefused

VOICE_TOKEN_SECONDS = 3600

router = APIRouter(prefix="/agent", tags=["the agent's phone"])
Me = Annotated[Signed, requires(Scope.AGENT)]


class NoCarrier(Unavailable):
    """No carrier is set up for browser phones."""

    code = "no_carrier"
    title = "No carrier for browser phones"


@router.get("/presence", operation_id="get_presence", responses=problems(NotSignedIn, ScopeMissing))
async def get_presence(session: DbSession, me: Me) -> PresenceRead:
    """What I am doing, by the record."""
    return PresenceRead.model_validate(await presence_of(session, me.agent_id))


@router.put(
    "/presence",
    operation_id="put_presence",
    responses=problems(NotSignedIn, ScopeMissing, NotAllowed, BusyWithCall),
)
async def put_presence(choice: PresenceChoice, session: DbSession, hotline: HotlineNow, me: Me) -> PresenceRead:
    """Say what I am doing. Becoming available may bring the next waiting call at once.

    Choosing a break or going offline while a call is being offered declines that call.
    """
    now = datetime.now(UTC)
    changed = await choose_presence(session, me.agent_id, Presence(choice.state), choice.reason, hotline, now)
    return PresenceRead.model_validate(changed)


@router.post(
    "/voice-token",
    operation_id="create_voice_token",
    status_code=201,
    responses=problems(NotSignedIn, ScopeMissing, NotAllowed, NoCarrier),
)
async def create_voice_token(session: DbSession, runtime: RuntimeOf, me: Me) -> VoiceToken:
    """A token with which my softphone takes calls, good for an hour; ask for the next one before it ends."""
    if runtime.carrier is None:
        raise NoCarrier(
            "Browser phones need TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_API_KEY and TWILIO_API_SECRET."
        )
    identity = await identity_of(session, me.agent_id)
    try:
        token = runtime.carrier.voice_token(identity, seconds=VOICE_TOKEN_SECONDS)
    except CarrierRefused as error:
        raise NoCarrier(str(error)) from error
    return VoiceToken(
        token=token, identity=identity, expires_at=datetime.now(UTC) + timedelta(seconds=VOICE_TOKEN_SECONDS)
    )
