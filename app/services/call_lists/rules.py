"""How each team wants its lists made, as the database has it now."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.list_ranking import SIZE, Quotas, Sources, Weights
from app.models.call_lists import ListSettings, TeamMember
from app.services.call_lists.inputs import Rules

Part = TypeVar("Part", Weights, Quotas, Sources)

# Of tables and not of classes: read for every list, they need not become objects.
_TEAM: Final = ListSettings.__table__.c
_MEMBER: Final = TeamMember.__table__.c
_SETTINGS: Final = select(
    ListSettings.__table__,
    select(func.array_agg(_MEMBER.agent_id)).where(_MEMBER.team_id == _TEAM.team_id).scalar_subquery().label("members"),
).order_by(_TEAM.team_id.nulls_first())

DEFAULT = Rules(SIZE, Weights(), Quotas(), Sources())


@dataclass(frozen=True, slots=True)
class TeamRules:
    """The rules that there are, and whose are which; number 0 holds for whoever has none of their own."""

    rules: tuple[Rules, ...]
    number_of: Mapping[UUID, int]

    def number(self, manager_id: UUID) -> int:
        """The number of a manager's rules."""
        return self.number_of.get(manager_id, 0)


async def read_rules(session: AsyncSession) -> TeamRules:
    """All teams' rules."""
    rules = [DEFAULT]
    number_of: dict[UUID, int] = {}
    for settings in await session.execute(_SETTINGS):
        if settings.team_id is None:
            rules[0] = rules_of(settings)
        else:
            number_of.update(dict.fromkeys(settings.members or (), len(rules)))
            rules.append(rules_of(settings))
    return TeamRules(tuple(rules), number_of)


def rules_of(row: Row[Any]) -> Rules:
    """A row's rules: its own values, and the defaults for the rest."""
    return Rules(
        size=row.size,
        weights=_part(Weights, row.weights),
        quotas=_part(Quotas, row.quotas),
        sources=_part(Sources, row.sources),
        festivals=tuple((date.fromisoformat(day["day"]), day["name_zh"], day["name_en"]) for day in row.festivals),
    )


def _part(kind: type[Part], values: Mapping[str, Any]) -> Part:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
