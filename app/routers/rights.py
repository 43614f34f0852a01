"""A person's rights: all that is held on them, being forgotten, and who looked at them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response

from app.dependencies import DbSession, OriginNotAllowed, PageArgs, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.models.rights import Looked
from app.routers.customers import Ref
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.rights import EraseRequest, ErasureRead, ExportFormat, ViewRead
from app.services import erasing, exporting
from app.services.access import ScopeMissing, Signed
from app.services.card_views import list_views, note_view
from app.services.customers import NoSuchCustomer, find_customer
from app.services.merge_moves import CustomerBusy
from app.services.paging import BadCursor

router = APIRouter(tags=["rights"])

_ASKING = (NotSignedIn, ScopeMissing, Unavailable)


@router.get(
    "/customers/{ref}/export",
    operation_id="export_customer",
    response_class=JSONResponse,
    responses={
        200: {
            "description": "A list of rows for each table; or, with `format=html`, a page that a person can read.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/html": {"schema": {"type": "string"}},
            },
        },
        **problems(*_ASKING, NoSuchCustomer),
    },
)
async def export_customer(
    ref: Ref,
    session: DbSession,
    user: Annotated[Signed, requires(Scope.CUSTOMERS_READ, Scope.CUSTOMERS_IDENTITY)],
    wanted: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSON,
) -> Response:
    """All that is held on a customer, for themselves. National ids and numbers are in it in full."""
    customer = await find_customer(session, ref)
    await note_view(session, customer.id, Looked.EXPORT, user)
    told = await exporting.export(session, customer.id)
    as_file = {"Content-Disposition": f'attachment; filename="{customer.code}.{wanted.value}"'}
    if wanted is ExportFormat.HTML:
        # Nothing in it is to run, whatever a customer once wrote.
        safe = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        return HTMLResponse(exporting.as_page(told), headers={**as_file, **safe})
    return JSONResponse(told, headers=as_file)


@router.post(
    "/customers/{ref}/erase",
    operation_id="erase_customer",
    responses=problems(*_ASKING, OriginNotAllowed, NoSuchCustomer, CustomerBusy),
)
async def erase_customer(
    ref: Ref, given: EraseRequest, session: DbSession, user: Annotated[Signed, requires(Scope.ADMIN)]
) -> ErasureRead:
    """Forget a customer: who they are goes everywhere, the figures stay. It cannot be taken back.

    The systems that feed us know them still, and bring them back unless they forget them too.
    """
    customer = await find_customer(session, ref)
    done = await erasing.erase(session, customer.id, by=user.agent_id, reason=given.reason)
    return ErasureRead(
        id=done.erasure.id,
        customer_id=customer.id,
        code=customer.code,
        erased_at=done.erasure.erased_at,
        reason=done.erasure.reason,
        rows=done.erasure.rows,
        recordings_at_carrier=done.recordings,
    )


@router.get("/audit", operation_id="list_audit", responses=problems(*_ASKING, NoSuchCustomer, BadCursor))
async def list_audit(
    session: DbSession,
    page: PageArgs,
    _user: Annotated[Signed, requires(Scope.AUDIT_READ)],
    customer: Annotated[str | None, Query(description="Only looks at this customer: id or code.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Only looks of this agent.")] = None,
) -> Listing[ViewRead]:
    """Who looked at whom, the latest first. Cards that came with a call are told of by the call's trace."""
    customer_id = (await find_customer(session, customer)).id if customer is not None else None
    return await list_views(session, page, customer_id=customer_id, agent_id=agent_id)
