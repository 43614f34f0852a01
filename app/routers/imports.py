"""Feeding in files: begin an import, send its file, watch it, and fetch what was not taken; and whom to believe."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import StreamingResponse

from app.dependencies import BriefUser, DbSession, OriginNotAllowed, PageArgs, RuntimeOf, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.imports import (
    ImportCreate,
    ImportGuess,
    ImportMapping,
    ImportRead,
    SourceSettings,
    SourceUpdate,
)
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.services import sources
from app.services.access import ScopeMissing, Signed
from app.services.imports import jobs
from app.services.imports.jobs import FileTooLarge, ImportNotOpen, NoSuchImport, UnreadableFile
from app.services.paging import BadCursor
from app.services.sources import NoSuchSource

router = APIRouter(tags=["imports"])

Importer = Annotated[Signed, requires(Scope.IMPORTS)]
Id = Annotated[UUID, Path(description="The import's id.")]
Key = Annotated[str, Path(description="The source's key.", max_length=40, examples=["sales"])]

_READING = (NotSignedIn, ScopeMissing, Unavailable)
_ONE = (*_READING, NoSuchImport)
_CSV: Final = "text/csv"
_CONTENT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is: CSV in any encoding, XLSX, XLS or ODS.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "客户编号,姓名,手机\nS-1,鲁大伟,13800138000\n",
            }
        },
    }
}


@router.get("/imports", operation_id="list_imports", responses=problems(*_READING, BadCursor))
async def list_imports(session: DbSession, page: PageArgs, _user: Importer) -> Listing[ImportRead]:
    """Imports, the latest first."""
    shown, more = await jobs.list_imports(session, page)
    return Listing(items=[ImportRead.model_validate(job) for job in shown], next=more)


@router.post("/imports", operation_id="begin_import", status_code=201, responses=problems(*_READING, OriginNotAllowed))
async def begin_import(given: ImportCreate, session: DbSession, user: Importer) -> ImportRead:
    """Begin an import. 422 `bad_mapping`: the mapping makes no sense; `reserved_source`: the source means ourselves."""
    return ImportRead.model_validate(await jobs.begin_upload(session, given, user.agent_id))


@router.get("/imports/{import_id}", operation_id="get_import", responses=problems(*_ONE))
async def get_import(import_id: Id, session: DbSession, _user: Importer) -> ImportRead:
    """How far an import is, and how its rows ended."""
    return ImportRead.model_validate(await jobs.find_import(session, import_id))


@router.put(
    "/imports/{import_id}/content",
    operation_id="send_import_content",
    responses=problems(*_ONE, OriginNotAllowed, ImportNotOpen, FileTooLarge),
    openapi_extra=_CONTENT,
)
async def send_import_content(
    import_id: Id,
    request: Request,
    runtime: RuntimeOf,
    user: BriefUser,
    content_length: Annotated[int | None, Header(include_in_schema=False)] = None,
) -> ImportRead:
    """Send an import's file. With its mapping known it is then queued; else `/imports/{id}/guess` proposes one."""
    user.require(Scope.IMPORTS)
    if content_length is not None and content_length > jobs.LARGEST_UPLOAD:
        raise FileTooLarge(f"At most {jobs.LARGEST_UPLOAD >> 20} MiB are taken; `callcard import` takes more.")
    job = await jobs.receive(runtime.database, import_id, request.stream())
    runtime.imports.wake()
    return ImportRead.model_validate(job)


@router.get(
    "/imports/{import_id}/guess",
    operation_id="guess_import_mapping",
    responses=problems(*_ONE, ImportNotOpen, UnreadableFile),
)
async def guess_import_mapping(import_id: Id, runtime: RuntimeOf, user: BriefUser) -> ImportGuess:
    """A mapping that the header of the file suggests, and how the first rows would be read by it."""
    user.require(Scope.IMPORTS)
    return await jobs.guess(runtime.database, import_id, runtime.imports.house(""))


@router.put(
    "/imports/{import_id}/mapping",
    operation_id="set_import_mapping",
    responses=problems(*_ONE, OriginNotAllowed, ImportNotOpen),
)
async def set_import_mapping(
    import_id: Id, given: ImportMapping, session: DbSession, runtime: RuntimeOf, _user: Importer
) -> ImportRead:
    """Say which column is what; an import whose file is there is queued by it. 422 `bad_mapping`."""
    job = await jobs.give_mapping(session, import_id, given.mapping)
    runtime.imports.wake()
    return ImportRead.model_validate(job)


@router.get(
    "/imports/{import_id}/rejects",
    operation_id="get_import_rejects",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The rows that were not taken, in the file's own columns, with the reason in front.",
            "content": {_CSV: {"schema": {"type": "string"}}},
        },
        **problems(*_ONE),
    },
)
async def get_import_rejects(import_id: Id, runtime: RuntimeOf, user: BriefUser) -> StreamingResponse:
    """The rows that were not taken as a CSV file, safe to open in a spreadsheet."""
    user.require(Scope.IMPORTS)
    async with runtime.database.session_scope() as session:
        job = await jobs.find_import(session, import_id)

    async def parts() -> AsyncIterator[bytes]:
        async with runtime.database.session_scope() as session:
            async for part in jobs.rejects_as_csv(session, job):
                yield part

    name = f"import-{import_id}.rejects.csv"
    return StreamingResponse(
        parts(), media_type=f"{_CSV}; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/sources", operation_id="list_sources", responses=problems(*_READING))
async def list_sources(session: DbSession, _user: Importer) -> Listing[SourceSettings]:
    """The systems that feed customers in, all at once."""
    return Listing(items=await sources.list_sources(session), next=None)


@router.patch(
    "/sources/{key}", operation_id="change_source", responses=problems(*_READING, OriginNotAllowed, NoSuchSource)
)
async def change_source(
    key: Key, given: SourceUpdate, session: DbSession, runtime: RuntimeOf, _user: Importer
) -> SourceSettings:
    """Say how far a system is believed; its customers are worked out anew in the background."""
    changed = await sources.change_source(session, key, given)
    runtime.imports.wake()
    return changed
