"""Figures of selling: the funnel, what moved in it, and what calling came to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response, StreamingResponse

from app.dependencies import BriefUser, DbSession, HotlineNow, PageArgs, RuntimeOf, requires
from app.domain import figure_words
from app.domain.scopes import Scope
from app.errors import NotAllowed, NotSignedIn, Unavailable
from app.schemas.calling_figures import CallingReport, FigureBy, FigureGroup, ReportFormat
from app.schemas.common import Day
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.standing import FunnelRead, StageMoveRead
from app.services import calling_figures, funnel, spreadsheets
from app.services.access import ScopeMissing, Signed
from app.services.calling_figures import Asked
from app.services.paging import BadCursor
from app.services.periods import Period, manager_asked_for, read_period

router = APIRouter(prefix="/reports", tags=["reports"])

Reader = Annotated[Signed, requires(Scope.LISTS_READ)]
_FILES: Final = {
    ReportFormat.CSV: "text/csv",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
READING = (NotSignedIn, ScopeMissing, NotAllowed, Unavailable)


async def get_period(
    hotline: HotlineNow,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day; a week before the last one without it.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day; today without it.")] = None,
) -> Period:
    """The period asked for, in days of the house. 422 `bad_period`: it ends before it begins, or is too long."""
    return read_period(first, last, hotline.zone, datetime.now(UTC))


PeriodAsked = Annotated[Period, Depends(get_period)]
Manager = Annotated[
    UUID | None,
    Query(description="Only this account manager's. Who may not read reports sees their own, and need not say so."),
]


@router.get("/funnel", operation_id="get_funnel", responses=problems(*READING))
async def get_funnel(session: DbSession, user: Reader, period: PeriodAsked, manager: Manager = None) -> FunnelRead:
    """How many customers stand at which sales stage, who came and who went on, in all books and in each.

    422 `bad_period`: it ends before it begins, or is longer than 400 days.
    """
    stages, managers = await funnel.read_funnel(session, period.start, period.end, manager_asked_for(user, manager))
    return FunnelRead(first_day=period.first_day, last_day=period.last_day, stages=stages, managers=managers)


@router.get("/funnel/moves", operation_id="list_stage_moves", responses=problems(*READING, BadCursor))
async def list_stage_moves(
    session: DbSession, user: Reader, period: PeriodAsked, page: PageArgs, manager: Manager = None
) -> Listing[StageMoveRead]:
    """Who went from one sales stage to another, the latest first: without `from`, since last week."""
    return await funnel.list_moves(session, period.start, period.end, manager_asked_for(user, manager), page)


@router.get(
    "/calling",
    operation_id="get_calling_report",
    response_model=CallingReport,
    responses={
        200: {
            "description": "The figures; or, as `format` or the Accept header asks, the rows as a file.",
            "content": {media_type: {"schema": {"type": "string"}} for media_type in _FILES.values()},
        },
        **problems(*READING),
    },
)
async def get_calling_report(
    user: BriefUser,
    runtime: RuntimeOf,
    hotline: HotlineNow,
    period: PeriodAsked,
    group: FigureGroup = FigureGroup.WEEK,
    by: FigureBy = FigureBy.MANAGER,
    manager: Manager = None,
    wanted: Annotated[ReportFormat | None, Query(alias="format", description="Goes before the Accept header.")] = None,
    accept: Annotated[str, Header(max_length=1000, include_in_schema=False)] = "",
) -> Response | CallingReport:
    """What calling came to: listed, called, reached, talk time, coverage of the book, moves, contracts, promises kept.

    422 `bad_period`; `too_many_rows`: more than JSON is good for, ask for a file.
    """
    user.require(Scope.LISTS_READ)
    asked = Asked(period, hotline.zone, group, by, manager_asked_for(user, manager))
    form = wanted or next((each for each, media_type in _FILES.items() if media_type in accept), ReportFormat.JSON)
    if form is ReportFormat.JSON:
        async with runtime.database.session_scope() as session:
            rows = await calling_figures.read_figures(session, asked)
            totals = await calling_figures.read_figures(session, replace(asked, group=FigureGroup.PERIOD))
        return CallingReport(
            first_day=period.first_day, last_day=period.last_day, group=group, by=by, rows=rows, totals=totals
        )

    async def parts() -> AsyncIterator[list[spreadsheets.Row]]:
        async with runtime.database.session_scope() as session:
            async for part in calling_figures.stream_figures(session, asked):
                yield [[getattr(row, name) for name in figure_words.FIGURES] for row in part]

    write = spreadsheets.as_csv if form is ReportFormat.CSV else spreadsheets.as_xlsx
    charset = "; charset=utf-8" if form is ReportFormat.CSV else ""
    name = f"calling-{period.first_day}-{period.last_day}.{form.value}"
    return StreamingResponse(
        write(figure_words.header(figure_words.FIGURES, user.language), parts()),
        media_type=_FILES[form] + charset,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
