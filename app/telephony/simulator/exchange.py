"""What all calls of one line share: the clock, the way to the service, the people, and the books."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.telephony.simulator.clock import Clock
from app.telephony.simulator.events import SimEvent
from app.telephony.simulator.people import People
from app.telephony.simulator.trouble import Trouble
from app.telephony.simulator.webhooks import Webhooks

if TYPE_CHECKING:  # a call knows its exchange
    from app.telephony.simulator.calls import SimCall
    from app.telephony.simulator.queueing import CallQueue


class Exchange:
    """See the module. `calls` and `queues` are by sid and by name, ended calls included."""

    def __init__(
        self,
        *,
        account_sid: str,
        api_url: str,
        clock: Clock,
        webhooks: Webhooks,
        people: People,
        trouble: Trouble,
        on_event: Callable[[SimEvent], None] | None,
    ) -> None:
        self.account_sid = account_sid
        self.api_url = api_url
        self.clock = clock
        self.webhooks = webhooks
        self.people = people
        self.trouble = trouble
        self.on_event = on_event
        self.calls: dict[str, SimCall] = {}
        self.queues: dict[str, CallQueue] = {}
