"""The systems that feed customers in, and how far each is believed."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models.customers import SourceRecord
from app.models.records import Source
from app.schemas.imports import SourceSettings, SourceUpdate
from app.services.survivorship import Cause, settle

AT_ONCE: Final = 2_000
"""So many customers are settled in one transaction."""

_BEFORE_ALL: Final = UUID(int=0)


class NoSuchSource(NotFound):
    """No system of that key has fed anything in."""

    code = "no_such_source"
    title = "No such source"


async def list_sources(session: AsyncSession) -> list[SourceSettings]:
    """All feeding systems, by key."""
    return [_settings(source) for source in await session.scalars(select(Source).order_by(Source.key))]


async def change_source(session: AsyncSession, key: str, given: SourceUpdate) -> SourceSettings:
    """Change what is given. With another trust, its customers are to be settled anew (`settle_next`).

    Raises:
        NoSuchSource: there is none.
    """
    source = await session.get(Source, key, with_for_update=True)
    if source is None:
        raise NoSuchSource("There is no such source.")
    before = (source.trusted, source.rank)
    for name, value in given.model_dump(exclude_unset=True).items():
        setattr(source, name, value)
    if (source.trusted, source.rank) != before:
        source.settled_to = _BEFORE_ALL
    await session.flush()
    await session.refresh(source)
    return _settings(source)


async def settle_next(session: AsyncSession) -> bool:
    """Settle some customers of a source whose trust was changed. Gives whether there is more to do."""
    source = await session.scalar(
        select(Source).where(Source.settled_to.is_not(None)).limit(1).with_for_update(skip_locked=True)
    )
    if source is None:
        return False
    ids = (
        await session.scalars(
            select(SourceRecord.customer_id)
            .where(SourceRecord.source == source.key, SourceRecord.customer_id > source.settled_to)
            .distinct()
            .order_by(SourceRecord.customer_id)
            .limit(AT_ONCE)
        )
    ).all()
    await settle(session, ids, Cause(source=source.key))
    source.settled_to = ids[-1] if len(ids) == AT_ONCE else None
    return True


def _settings(source: Source) -> SourceSettings:
    return SourceSettings(
        key=source.key,
        name=source.name,
        rank=source.rank,
        trusted=source.trusted,
        is_settling=source.settled_to is not None,
        updated_at=source.updated_at,
    )
