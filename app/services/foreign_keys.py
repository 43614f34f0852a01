"""Writing many rows without looking up what they refer to, where it is known to be there (decision 0025)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_TRIGGERS: Final = text("""
SELECT set_config('session_replication_role', :role, true)
WHERE has_parameter_privilege('session_replication_role', 'SET')
""")


@asynccontextmanager
async def no_look_ups(session: AsyncSession) -> AsyncIterator[None]:
    """Have foreign keys not looked up in this block, if the database lets us; no other trigger fires there either.

    For rows alone that refer to what the same block writes, or to what nobody ever deletes.
    """
    await session.execute(_TRIGGERS, {"role": "replica"})
    yield
    # After an error the transaction is undone, and this with it.
    await session.execute(_TRIGGERS, {"role": "origin"})
