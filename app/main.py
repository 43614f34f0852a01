"""The composition root: what the service is made of, and in which order it opens and closes.

    uvicorn --factory app.main:create_app

`create_app` reads the settings; nothing is opened before the server starts the application.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import migrate
from app.config import Settings, load_settings
from app.db import Database
from app.dependencies import CarrierDesk, Runtime
from app.embedded_postgres import EmbeddedPostgres
from app.observability.middleware import RequestContext
from app.routers import (
    agent,
    agents,
    books,
    calendar,
    call_list_work,
    call_lists,
    callbacks,
    calls,
    complaint_help,
    complaint_reports,
    complaints,
    customer_relations,
    customers,
    health,
    imports,
    inbound_mail,
    lookup,
    merges,
    queues,
    retry_rules,
    reviews,
    rights,
    selling_reports,
    session,
    stream,
    telephony,
)
from app.routers.openapi import openapi_of
from app.routers.problems import answer_errors
from app.routers.security_headers import SecurityHeaders
from app.services import retention, search_index
from app.services.background import run_beside
from app.services.callbacks import due
from app.services.carrier_acts import CarrierActs
from app.services.dialler import dialler_of, limits_of
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper
from app.services.hub import Hub
from app.services.imports.keeper import ImportKeeper
from app.services.reception import Reception
from app.services.ringer import Ringer
from app.services.ringing import warm_up
from app.services.sign_in_limits import SignInLimits
from app.services.spool import Spool
from app.services.streams import Sockets
from app.telephony.carriers import carrier_of
from app.telephony.port import Carrier, EventKind
from app.telephony.twilio_events import call_event
from app.telephony.twilio_form import parse_form
from app.telephony.twilio_signature import SignatureChecker
from app.telephony.twiml import Links, safe_answer

API: Final = "/api/v1"

log = structlog.get_logger("callcard.main")


class StartRefused(RuntimeError):
    """The service would not work as things are; the message says why and what to do."""


class Application(FastAPI):
    """FastAPI with a door of its own for the carrier: who stands on the line does not queue in the framework's layers.

    `carrier_door` takes the posts to `CarrierDoor.ROUTES`; everything else goes the usual way. None without a carrier.
    """

    carrier_door: telephony.CarrierDoor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        door = self.carrier_door
        if door is not None and scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in door.ROUTES:
            scope["app"] = self
            await door(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application.

    Args:
        settings: read from the environment and `.env` when not given.

    Raises:
        ConfigError: some setting is wrong, or is a placeholder where that is not allowed.
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.runtime = await open_runtime(settings, stack)
            yield

    app = Application(
        title="Callcard",
        # The API's own version, as in its paths; that of the software is a matter of the software.
        version="1",
        summary="A hotline that shows the caller's card before the agent says a word.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.openapi = lambda: openapi_of(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    # Middleware stands around what was added before it: errors are answered within the request that has an id.
    answer_errors(app)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestContext)

    if settings.twilio_auth_tokens:
        app.include_router(telephony.router)
        app.carrier_door = telephony.CarrierDoor()
    app.include_router(health.router)
    app.include_router(session.router, prefix=API)
    app.include_router(agents.router, prefix=API)
    app.include_router(agent.router, prefix=API)
    app.include_router(stream.router, prefix=API)
    app.include_router(calls.router, prefix=API)
    app.include_router(retry_rules.router, prefix=API)
    app.include_router(calendar.router, prefix=API)
    app.include_router(callbacks.router, prefix=API)
    app.include_router(complaints.router, prefix=API)
    app.include_router(complaint_help.router, prefix=API)
    app.include_router(complaint_reports.router, prefix=API)
    if settings.mail_secret is not None:
        app.include_router(inbound_mail.router, prefix=API)
    app.include_router(customers.router, prefix=API)
    app.include_router(customer_relations.router, prefix=API)
    app.include_router(books.router, prefix=API)
    app.include_router(imports.router, prefix=API)
    app.include_router(merges.router, prefix=API)
    app.include_router(rights.router, prefix=API)
    app.include_router(reviews.router, prefix=API)
    app.include_router(selling_reports.router, prefix=API)
    app.include_router(call_lists.router, prefix=API)
    app.include_router(call_list_work.router, prefix=API)
    app.include_router(lookup.router, prefix=API)
    app.include_router(queues.router, prefix=API)
    return app


async def open_runtime(settings: Settings, stack: AsyncExitStack) -> Runtime:
    """Open, in order, what the service stands on; `stack` closes it in reverse.

    Raises:
        StartRefused: the database's schema is not the one of this version, in production.
        ConfigError, EmbeddedPostgresError: no key can be kept, or no database had.
        sqlalchemy.exc.DBAPIError, OSError: the database cannot be reached.
    """
    if not settings.twilio_auth_tokens:
        log.warning("telephony is off: without TWILIO_AUTH_TOKEN nothing that a carrier says can be verified")
    dsn = settings.database_url or await _start_embedded(settings, stack)
    if not settings.is_production:
        await asyncio.to_thread(migrate.upgrade, dsn)
    database = Database(dsn, pool_size=settings.database_pool, lane_size=settings.database_lane)
    stack.push_async_callback(database.aclose)
    await _refuse_other_schema(database)

    if not settings.is_production:
        run_beside(_fill_search(database), stack)

    empty = Hotline(settings.region, settings.zone, settings.company, settings.fallback_number)
    hotline = HotlineKeeper(database, empty)
    await hotline.refresh()
    run_beside(hotline.keep(), stack)
    hub = Hub(database, settings.zone)
    run_beside(hub.run(), stack)
    run_beside(retention.keep(database), stack)
    run_beside(due.keep(database, hotline), stack)
    spool = Spool(settings.data_dir / "spool")
    sockets = Sockets(database, hotline, spool)
    run_beside(sockets.keep_house(), stack)
    imports = ImportKeeper(database, hotline, dedupe=settings.dedupe_after_import)
    run_beside(imports.run(), stack)
    carrier = await _open_carrier(settings, database, stack)
    dialler = dialler_of(settings, database, hotline, carrier, Links(settings.public_url).about)
    if settings.works_beside_serving:
        from app import worker  # noqa: PLC0415 - a process that only serves need not hold it in memory

        run_beside(worker.run(worker.Work(settings, database, hotline, carrier, dialler)), stack, patience=10)
    ringer = Ringer(database, settings.database_lane, hub)
    stack.push_async_callback(ringer.aclose)
    desk = _open_desk(settings, database, hotline, ringer, spool)
    if desk is not None:
        await warm_up(await database.lane(), settings.database_lane, hotline.now)
        run_beside(desk.reception.keep_replaying(), stack)
    return Runtime(
        settings=settings,
        database=database,
        hotline=hotline,
        hub=hub,
        sockets=sockets,
        spool=spool,
        sign_in_limits=SignInLimits(),
        imports=imports,
        carrier=carrier,
        dialler=dialler,
        carrier_desk=desk,
    )


async def _open_carrier(settings: Settings, database: Database, stack: AsyncExitStack) -> Carrier | None:
    """What asks things of the carrier: without it callers are still answered, but only fetched when they come by."""
    carrier = carrier_of(settings)
    if carrier is None:
        return None
    stack.push_async_callback(carrier.aclose)
    acts = CarrierActs(carrier, Links(settings.public_url).wait)
    database.on_commit(acts.committed)
    run_beside(acts.run(), stack)
    return carrier


def _open_desk(
    settings: Settings, database: Database, hotline: HotlineKeeper, ringer: Ringer, spool: Spool
) -> CarrierDesk | None:
    if not settings.twilio_auth_tokens:
        return None
    links = Links(settings.public_url)
    return CarrierDesk(
        checker=SignatureChecker(settings.twilio_auth_tokens, settings.public_url),
        links=links,
        reception=Reception(
            database=database,
            hotline=hotline,
            ringer=ringer,
            spool=spool,
            voice_budget=settings.lookup_budget_ms / 1000,
            limits=limits_of(settings),
            read=lambda raw: call_event(
                EventKind(raw.route), parse_form(raw.body.encode("latin-1")), raw.received_at, query=raw.query
            ),
        ),
        safe_answer=safe_answer(links, settings.fallback_number),
        safe_answer_after_dialling=safe_answer(links),
    )


async def _start_embedded(settings: Settings, stack: AsyncExitStack) -> str:
    server = await asyncio.to_thread(EmbeddedPostgres.start, settings.data_dir / "postgres")
    stack.push_async_callback(asyncio.to_thread, server.stop)
    return server.dsn()


async def _refuse_other_schema(database: Database) -> None:
    head = await asyncio.to_thread(migrate.head)
    revision = await migrate.revision_of(database.engine)
    if revision != head:
        raise StartRefused(
            f"The database's schema is at {revision or 'nothing'}, and this version of Callcard needs {head}. "
            "Run `callcard migrate` with this version, then start again."
        )


async def _fill_search(database: Database) -> None:
    """What `callcard migrate` does in production: a migration may have changed what customers are found by."""
    await search_index.fill(database)
