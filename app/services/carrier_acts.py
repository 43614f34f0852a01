"""What is asked of the carrier once a transaction stands: fetch a waiting caller, end a call.

Asked beside the request that wanted it, with no transaction open. Should the process die first, or the carrier refuse,
nothing is lost: a waiting caller comes by in the wait loop on their own, a few seconds later.
"""

import asyncio
from typing import Final

import structlog

from app.db import AfterCommit
from app.telephony.port import Carrier, CarrierAct, CarrierError, EndCall, RedirectCall

_MOST_AT_ONCE: Final = 8
_MOST_WAITING: Final = 1000

log = structlog.get_logger(__name__)


class CarrierActs:
    """A queue of acts and who does them.

    Args:
        carrier: whom to ask.
        wait_url: where a fetched caller is to ask what is next.
    """

    def __init__(self, carrier: Carrier, wait_url: str) -> None:
        self._carrier = carrier
        self._wait_url = wait_url
        self._acts: asyncio.Queue[CarrierAct] = asyncio.Queue(_MOST_WAITING)

    def committed(self, notes: AfterCommit) -> None:
        """Take the acts of a transaction that now stands."""
        for act in notes.acts:
            try:
                self._acts.put_nowait(act)
            except asyncio.QueueFull:
                log.warning("carrier_act_dropped", act=type(act).__name__)

    async def run(self) -> None:
        """Do what comes, several at once, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_MOST_AT_ONCE):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            act = await self._acts.get()
            try:
                match act:
                    case RedirectCall(call_id):
                        await self._carrier.redirect(call_id, self._wait_url)
                    case EndCall(call_id):
                        await self._carrier.hang_up(call_id)
            except CarrierError as error:
                log.warning("carrier_act_failed", act=type(act).__name__, error=str(error))
