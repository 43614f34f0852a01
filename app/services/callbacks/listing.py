"""Promised calls as people see them."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.callbacks import Callback
from app.schemas.screen_pop import PopCallback
from app.services.callbacks.scheduling import OPEN_STATES

_ON_A_CARD: Final = 5


async def next_callbacks(session: AsyncSession, customer_id: UUID) -> list[PopCallback]:
    """What a customer is still promised, the next first."""
    found = await session.scalars(
        select(Callback)
        .where(Callback.customer_id == customer_id, Callback.state.in_(OPEN_STATES))
        .order_by(Callback.due_at, Callback.id)
        .limit(_ON_A_CARD)
    )
    return [PopCallback.model_validate(callback, from_attributes=True) for callback in found]
