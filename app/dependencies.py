"""What routes ask for by type: the database, who is asking, a page of a list, the hotline as it is set up.

@router.get("/customers", dependencies=[requires(Scope.CUSTOMERS_READ)])
async def list_customers(session: DbSession, page: PageArgs) -> Listing[CustomerRead]: ...

@router.put("/agent/presence")
async def put_presence(user: Annotated[Signed, requires(Scope.AGENT)], …): ...

@router.websocket("/agent/stream")
async def stream(websocket: WebSocket, user: Annotated[Signed, socket_requires(Scope.AGENT)]): ...
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Security, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db import Database
from app.domain.scopes import Scope
from app.errors import NotAllowed, NotSignedIn
from app.services.access import Signed, who_by_session, who_by_token
from app.services.dialler import Dialler
from app.services.hotline import Hotline
from app.services.hotline_keeper import HotlineKeeper
from app.services.hub import Hub
from app.services.imports.keeper import ImportKeeper
from app.services.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, Page
from app.services.reception import Reception
from app.services.sign_in_limits import SignInLimits
from app.services.spool import Spool
from app.services.streams import Sockets
from app.telephony.port import Carrier
from app.telephony.twilio_signature import SignatureChecker
from app.telephony.twiml import Links

SESSION_COOKIE: Final = "callcard_session"
SUBPROTOCOL: Final = "callcard.v1"
"""What our WebSockets speak; offered beside `bearer.<token>`, it is the one that is chosen."""

_BEARER_SUBPROTOCOL: Final = "bearer."
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class CarrierDesk:
    """What answering the carrier takes: whose signature counts, where the carrier finds us next, and what decides.

    `safe_answer` is TwiML made at start-up, for when nothing else works; `safe_answer_after_dialling` does not dial
    again.
    """

    checker: SignatureChecker
    links: Links
    reception: Reception
    safe_answer: str
    safe_answer_after_dialling: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process of the service holds from start to end; `app.main` opens and closes it.

    `carrier_desk`, `carrier` and `dialler` are None where no carrier is set up.
    """

    settings: Settings
    database: Database
    hotline: HotlineKeeper
    hub: Hub
    sockets: Sockets
    spool: Spool
    sign_in_limits: SignInLimits
    imports: ImportKeeper
    carrier: Carrier | None
    dialler: Dialler | None
    carrier_desk: CarrierDesk | None


class OriginNotAllowed(NotAllowed):
    """A page of another site sent this with the person's cookie, or opened a stream."""

    code = "origin_not_allowed"


def runtime_of(connection: HTTPConnection) -> Runtime:
    """The runtime of the application that serves this connection."""
    runtime: Runtime = connection.app.state.runtime
    return runtime


# Dependencies are coroutines even where nothing is awaited: the framework would run a plain function in a thread,
# which costs more than most of them do.
async def get_runtime(connection: HTTPConnection) -> Runtime:
    """`runtime_of` as a dependency."""
    return runtime_of(connection)


RuntimeOf = Annotated[Runtime, Depends(get_runtime)]


async def get_session(runtime: RuntimeOf) -> AsyncIterator[AsyncSession]:
    """One transaction for the request. With scope "function" it is committed before the response goes out."""
    async with runtime.database.session_scope() as session:
        yield session


DbSession = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_hotline(runtime: RuntimeOf) -> Hotline:
    """The hotline as this process last read it."""
    return runtime.hotline.now


HotlineNow = Annotated[Hotline, Depends(get_hotline)]


async def get_page(
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="How many items at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_CURSOR, description="`next` of the page before this one.")
    ] = None,
) -> Page:
    """Which part of a list is asked for."""
    return Page(limit, cursor)


PageArgs = Annotated[Page, Depends(get_page)]


async def get_client_address(connection: HTTPConnection, runtime: RuntimeOf) -> str:
    """The IP address of whoever asks.

    It is the socket's other end, unless that is one of our own proxies (CALLCARD_TRUSTED_PROXIES): then it is the last
    address in X-Forwarded-For that none of them wrote, for what stands before it may be invented.
    """
    address = connection.client.host if connection.client else ""
    trusted = runtime.settings.trusted_proxies
    forwarded = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
    while _is_in(address, trusted) and forwarded:
        before = forwarded.pop().strip()
        if not _is_address(before):
            break
        address = before
    return address


ClientAddress = Annotated[str, Depends(get_client_address)]


def check_origin(request: HTTPConnection, settings: Settings) -> None:
    """Refuse what a page of another site sends.

    A browser names the page's origin in `Origin`, failing that in `Referer`; what names neither is no page
    (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).

    Raises:
        OriginNotAllowed: the origin is not in CALLCARD_ALLOWED_ORIGINS.
    """
    origin = request.headers.get("origin") or _origin_of(request.headers.get("referer"))
    if origin is not None and origin not in settings.allowed_origins:
        raise OriginNotAllowed("Pages of this origin may not act here; CALLCARD_ALLOWED_ORIGINS lists those that may.")


async def origin_checked(request: Request, runtime: RuntimeOf) -> None:
    """`check_origin` as a dependency, for routes that act without a session, such as signing in."""
    check_origin(request, runtime.settings)


_cookie = APIKeyCookie(
    name=SESSION_COOKIE, auto_error=False, scheme_name="session", description="Set by `POST /api/v1/session`."
)
_bearer = HTTPBearer(
    auto_error=False, scheme_name="token", bearerFormat="cc_…", description="An API token, or a session's own."
)


async def get_current_user(
    request: Request,
    runtime: RuntimeOf,
    session: DbSession,
    cookie: Annotated[str | None, Security(_cookie)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> Signed:
    """Who is asking, by `Authorization: Bearer cc_…`, else by the session cookie.

    Raises:
        NotSignedIn: neither, or one that is not valid.
        OriginNotAllowed: a change asked for with the cookie, from a page of another site.
    """
    _check_credential(request, runtime, cookie, bearer)
    return await _who(session, cookie, bearer.credentials if bearer else None)


CurrentUser = Annotated[Signed, Depends(get_current_user)]


async def get_brief_user(
    request: Request,
    runtime: RuntimeOf,
    cookie: Annotated[str | None, Security(_cookie)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> Signed:
    """`get_current_user` in a transaction that ends before the route begins. Raises the same.

    For routes whose work takes long or asks somebody else: they open transactions of their own, by `RuntimeOf`.
    """
    _check_credential(request, runtime, cookie, bearer)
    async with runtime.database.session_scope() as session:
        return await _who(session, cookie, bearer.credentials if bearer else None)


BriefUser = Annotated[Signed, Depends(get_brief_user)]


async def get_socket_user(websocket: WebSocket, runtime: RuntimeOf) -> Signed:
    """Who opens a WebSocket: by Authorization header, `bearer.<token>` among the subprotocols, or session cookie.

    Tokens are never taken from the address, which is logged everywhere. The transaction ends here, before the socket's
    long life begins.

    Raises:
        NotSignedIn: none of them, or one that is not valid.
        OriginNotAllowed: opened by a page of another site, with whatever credential.
    """
    check_origin(websocket, runtime.settings)
    token = _socket_token(websocket)
    cookie = websocket.cookies.get(SESSION_COOKIE)
    async with runtime.database.session_scope() as session:
        return await _who(session, cookie, token)


SocketUser = Annotated[Signed, Depends(get_socket_user)]


def chosen_subprotocol(websocket: WebSocket) -> str | None:
    """What to accept a socket with: our protocol where it was offered (RFC 6455, section 4.2.2), never the token."""
    return SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None


def requires(*scopes: Scope) -> Any:
    """A dependency that gives the `Signed` who asks, and raises ScopeMissing unless all `scopes` are theirs."""

    async def allowed(user: CurrentUser) -> Signed:
        return _allowed(user, scopes)

    return Depends(allowed)


def socket_requires(*scopes: Scope) -> Any:
    """`requires` for a WebSocket."""

    async def allowed(user: SocketUser) -> Signed:
        return _allowed(user, scopes)

    return Depends(allowed)


def _check_credential(
    request: Request, runtime: Runtime, cookie: str | None, bearer: HTTPAuthorizationCredentials | None
) -> None:
    # A token is sent by a program that holds it; a cookie by whatever page the browser shows.
    if cookie and bearer is None and request.method not in _SAFE_METHODS:
        check_origin(request, runtime.settings)


async def _who(session: AsyncSession, cookie: str | None, token: str | None) -> Signed:
    if token is not None:
        return await who_by_token(session, token)
    if not cookie:
        raise NotSignedIn("Sign in, or send an API token.")
    return await who_by_session(session, cookie)


def _allowed(user: Signed, scopes: tuple[Scope, ...]) -> Signed:
    for scope in scopes:
        user.require(scope)
    return user


def _socket_token(websocket: WebSocket) -> str | None:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(_BEARER_SUBPROTOCOL):
            return str(offered.removeprefix(_BEARER_SUBPROTOCOL))
    return None


def _origin_of(address: str | None) -> str | None:
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", address or "")
    return found[0].lower() if found else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: tuple[Any, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)
