"""Where a customer stands in selling, and the funnel that all of them make."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.standing import Intention
from app.schemas.calls import CustomerRef
from app.schemas.common import FilledLine, FilledNote, Moment, left_out
from app.schemas.customers import SalesStage
from app.schemas.screen_pop import PopOwner


class StandingUpdate(BaseModel):
    """What a contact changed; whatever is left out stays. DCWH follows by itself. `note` becomes one of their notes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "sales_stage": 4,
                    "intention": "good",
                    "next_call_at": "2026-12-01T02:30:00Z",
                    "note": "预算已批，等样品",
                    "why": "样品试用满意",
                }
            ]
        },
    )

    sales_stage: SalesStage = left_out()
    intention: Intention | None = left_out()
    next_call_at: Moment | None = left_out()
    note: FilledNote = left_out()
    why: FilledLine = Field(description="Shown beside the change in the customer's history.")


class FunnelStage(BaseModel):
    """One sales stage over a period. Customers are counted once each, however often they moved."""

    stage: int
    at_start: int = Field(description="Who stood there when the period began.")
    entered: int = Field(description="Who came there during the period, from another stage or as somebody new.")
    moved_on: int = Field(description="Who went on from there. A contract that runs out is no step on.")
    moved_back: int
    at_end: int = Field(description="Who stands there at the end of the period.")
    conversion: float | None = Field(
        description="Of those who stood there at any time of the period, the share that went on; null for nobody."
    )


class ManagerFunnel(BaseModel):
    """The funnel of one book; of the customers without an owner where `manager` is null."""

    manager: PopOwner | None
    stages: list[FunnelStage]


class FunnelRead(BaseModel):
    """The funnel of a period, of all books and of each, by whose customers they are now."""

    first_day: date
    last_day: date
    stages: list[FunnelStage]
    managers: list[ManagerFunnel]


class StageMoveRead(BaseModel):
    """A customer who went from one sales stage to another."""

    id: UUID
    at: datetime
    customer: CustomerRef
    from_stage: int
    to_stage: int
    manager: PopOwner | None = Field(description="In whose book they were then.")
    agent: PopOwner | None = Field(description="Who moved them; null where it followed by itself.")
    why: str
