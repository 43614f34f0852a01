"""`WebSocket /api/v1/agent/stream`: everything an agent is told, in order, each thing once a tab."""

import asyncio
import json
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from app.dependencies import chosen_subprotocol, runtime_of, socket_requires
from app.domain.scopes import Scope
from app.services.access import Signed
from app.services.hub import Hub, Stream
from app.services.streams import Sockets

LARGEST_ID: Final = 2**63 - 1
_TOO_BIG: Final = 1009  # RFC 6455, section 7.4.1
_UNSUPPORTED: Final = 1003
_LONGEST_MESSAGE: Final = 1024
SEND_SECONDS: Final = 20.0
"""How long a message may wait for a client that takes nothing any more, before the client is taken for gone."""
_LAST_WORDS_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/agent")


@router.websocket("/stream")
async def stream(
    websocket: WebSocket,
    me: Annotated[Signed, socket_requires(Scope.AGENT)],
    after: Annotated[int | None, Query(ge=0, le=LARGEST_ID)] = None,
) -> None:
    """Send the agent's events numbered above `after`, then each new one; take their acknowledgements.

    Messages are `{"id", "type", "at", "data"}`; the client sends `{"type": "ack", "id"}` once it has shown one. Who
    comes back with the last id they saw misses nothing. Without `after` it begins with the card of the current call.
    """
    runtime = runtime_of(websocket)
    connection_id = await runtime.sockets.opened(me.agent_id)
    try:
        async with runtime.hub.stream(me.agent_id, after) as mine:
            # Not before: whatever happens once the client sees its socket open is sent over it.
            await websocket.accept(chosen_subprotocol(websocket))
            async with asyncio.TaskGroup() as both:
                sending = both.create_task(_send(websocket, runtime.hub, mine))
                receiving = both.create_task(_receive(websocket, runtime.sockets, me))
                await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    # The other end is gone; what it said before is still to be heard.
                    await asyncio.wait({receiving}, timeout=_LAST_WORDS_SECONDS)
                sending.cancel()
                receiving.cancel()
    finally:
        runtime.sockets.closed(connection_id)


async def _send(websocket: WebSocket, hub: Hub, mine: Stream) -> None:
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(None) as patience:
            async for message in hub.messages(mine):
                # Unanswered pings do not close a full connection: what is in its buffer would come first.
                patience.reschedule(now() + SEND_SECONDS)
                await websocket.send_text(message)
                patience.reschedule(None)
    except (WebSocketDisconnect, RuntimeError):
        log.debug("stream_closed_while_sending")
    except TimeoutError:
        log.warning("stream_takes_nothing", agent_id=str(mine.agent_id))


async def _receive(websocket: WebSocket, sockets: Sockets, me: Signed) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is None:
            await websocket.close(_UNSUPPORTED, "Text, please.")
            return
        if len(text) > _LONGEST_MESSAGE:
            await websocket.close(_TOO_BIG)
            return
        no = _acknowledged(text)
        if no is None:
            await websocket.close(_UNSUPPORTED, 'The only message is {"type": "ack", "id": "…"}.')
            return
        await sockets.shown(me.agent_id, no)


def _acknowledged(text: str) -> int | None:
    """The event number of an acknowledgement; None for anything else."""
    try:
        said = json.loads(text)
        no = int(said["id"]) if said["type"] == "ack" else -1
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError):
        return None
    return no if 0 <= no <= LARGEST_ID else None
