"""How the service is doing, for whoever runs it: alive, ready, figures."""

import asyncio
from typing import Final

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app import db, migrate
from app.dependencies import RuntimeOf
from app.observability import metrics
from app.schemas.health import Alive, Check, Readiness

READY_WITHIN_SECONDS: Final = 1.0

log = structlog.get_logger("callcard.health")
router = APIRouter(tags=["running it"])


@router.get("/healthz", operation_id="healthz")
async def healthz() -> Alive:
    """The process is alive. It says nothing of the database: restarting us would not bring that back."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="readyz",
    responses={503: {"model": Readiness, "description": "Some check failed: send callers elsewhere."}},
)
async def readyz(runtime: RuntimeOf, response: Response) -> Readiness:
    """The database answers within a second, and its schema is the one this version needs."""
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            revision = await migrate.revision_of(runtime.database.engine)
    except Exception as error:
        if not db.is_outage(error):
            raise
        log.warning("not ready: the database does not answer", error=type(error).__name__)
        database, schema = Check.FAILED, Check.UNKNOWN
    else:
        database, schema = Check.OK, Check.OK if revision == migrate.head() else Check.FAILED
    ready = database is Check.OK and schema is Check.OK
    if not ready:
        response.status_code = 503
    return Readiness(ready=ready, checks={"database": database, "schema": schema})


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": "callcard_websocket_connections 3.0\n"}}}},
)
async def get_metrics() -> Response:
    """Figures in Prometheus' text form."""
    body, media_type = metrics.render()
    return Response(body, media_type=media_type)
