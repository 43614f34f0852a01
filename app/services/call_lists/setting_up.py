"""How lists are to be made, and who stands in for whom."""

from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.errors import Invalid, NotFound
from app.models.call_lists import ListSettings, ManagerAbsence, Team, TeamMember
from app.models.people import Agent
from app.schemas.list_reading import AbsenceCreate, AbsenceRead, Absences, AllListRules, ListRules, TeamRules
from app.schemas.screen_pop import PopOwner


class NoSuchAbsence(NotFound):
    """There is no absence of that id."""

    code = "no_such_absence"
    title = "No such absence"


class UnknownPeople(Invalid):
    """Somebody is named who is nobody here; `ids` says who."""

    code = "unknown_people"


class TeamsCollide(Invalid):
    """Two teams have one name, or somebody is in two teams."""

    code = "teams_collide"


async def read_all_rules(session: AsyncSession) -> AllListRules:
    """How everybody's lists are made."""
    default = await session.scalar(select(ListSettings).where(ListSettings.team_id.is_(None)))
    members: dict[UUID, list[UUID]] = {}
    for row in await session.scalars(select(TeamMember).order_by(TeamMember.agent_id)):
        members.setdefault(row.team_id, []).append(row.agent_id)
    teams = await session.execute(
        select(Team, ListSettings)
        .join(ListSettings, ListSettings.team_id == Team.id)
        .order_by(func.lower(Team.name), Team.id)
    )
    return AllListRules(
        default=ListRules(**_values(default)) if default else ListRules(),
        teams=[
            TeamRules(name=team.name, members=members.get(team.id, []), **_values(settings)) for team, settings in teams
        ],
    )


async def write_all_rules(session: AsyncSession, given: AllListRules) -> AllListRules:
    """Put these rules in the place of all that there were. Lists that were made already stay as they are.

    Raises:
        TeamsCollide, UnknownPeople: of the teams.
    """
    names = [team.name.lower() for team in given.teams]
    people = [member for team in given.teams for member in team.members]
    if len(names) != len(set(names)) or len(people) != len(set(people)):
        raise TeamsCollide("Two teams have one name, or somebody is in two teams or in one twice.")
    await _check_people(session, people)
    kept = {team.name.lower(): team for team in await session.scalars(select(Team).with_for_update())}
    await session.execute(delete(ListSettings))
    await session.execute(delete(TeamMember))
    await session.execute(delete(Team).where(Team.id.in_([kept[name].id for name in kept.keys() - set(names)])))
    session.add(_row(None, given.default))
    for wanted in given.teams:
        team = kept.get(wanted.name.lower()) or Team(name=wanted.name)
        team.name = wanted.name
        session.add(team)
        await session.flush()
        session.add(_row(team.id, wanted))
        session.add_all(TeamMember(agent_id=member, team_id=team.id) for member in wanted.members)
    await session.flush()
    return await read_all_rules(session)


async def list_absences(session: AsyncSession, today: date) -> Absences:
    """Absences that are not over."""
    return Absences(
        items=await _absences(session, (ManagerAbsence.last_day.is_(None)) | (ManagerAbsence.last_day >= today))
    )


async def add_absence(session: AsyncSession, given: AbsenceCreate, by: UUID) -> AbsenceRead:
    """Somebody will not work their lists. It counts for lists that are made afterwards.

    Raises:
        UnknownPeople: one of the two is nobody here.
    """
    await _check_people(session, [given.manager_id, *([given.stand_in_id] if given.stand_in_id else [])])
    absence = ManagerAbsence(**given.model_dump(), created_by_id=by)
    session.add(absence)
    await session.flush()
    return (await _absences(session, ManagerAbsence.id == absence.id))[0]


async def remove_absence(session: AsyncSession, absence_id: UUID) -> None:
    """They are here after all.

    Raises:
        NoSuchAbsence: there is none of that id.
    """
    absence = await session.get(ManagerAbsence, absence_id)
    if absence is None:
        raise NoSuchAbsence("There is no such absence.")
    await session.delete(absence)
    await session.flush()


async def _absences(session: AsyncSession, wanted: ColumnElement[bool]) -> list[AbsenceRead]:
    stand_in = aliased(Agent)
    rows = await session.execute(
        select(ManagerAbsence, Agent.name, stand_in.name)
        .join(Agent, Agent.id == ManagerAbsence.manager_id)
        .outerjoin(stand_in, stand_in.id == ManagerAbsence.stand_in_id)
        .where(wanted)
        .order_by(ManagerAbsence.first_day, ManagerAbsence.id)
    )
    return [
        AbsenceRead(
            id=row.id,
            manager=PopOwner(id=row.manager_id, name=name),
            first_day=row.first_day,
            last_day=row.last_day,
            kind=row.kind,
            stand_in=PopOwner(id=row.stand_in_id, name=other) if row.stand_in_id else None,
        )
        for row, name, other in rows
    ]


async def _check_people(session: AsyncSession, ids: list[UUID]) -> None:
    known = set(await session.scalars(select(Agent.id).where(Agent.id.in_(ids))))
    if unknown := sorted(set(ids) - known):
        raise UnknownPeople("Somebody who is named is nobody here.", ids=[str(each) for each in unknown])


def _row(team_id: UUID | None, given: ListRules) -> ListSettings:
    return ListSettings(
        team_id=team_id,
        size=given.size,
        weights=given.weights.model_dump(exclude_none=True),
        quotas=given.quotas.model_dump(exclude_none=True),
        sources=given.sources.model_dump(exclude_none=True),
        festivals=[festival.model_dump(mode="json") for festival in given.festivals],
    )


def _values(row: ListSettings) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("size", "weights", "quotas", "sources", "festivals")}
