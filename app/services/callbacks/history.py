"""What happened to a promised call, written down in the transaction in which it happens."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import new_id
from app.models.callbacks import CallbackChange


def record_change(
    session: AsyncSession, callback_id: UUID, what: str, *, at: datetime, by: UUID | None = None, **detail: Any
) -> None:
    """Write down one thing that happened to a callback.

    Args:
        what: a word: `promised`, `rescheduled`, `cancelled`, `reassigned`, `claimed`, `dialed`, `retry`, `done` …
        by: the agent who did it; None for what follows by itself.
        detail: from what to what, and why; JSON values only.
    """
    session.add(CallbackChange(id=new_id(), callback_id=callback_id, at=at, agent_id=by, what=what, detail=detail))
