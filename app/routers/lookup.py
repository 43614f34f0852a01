"""Who is this? The screen pop for a number without a call, and the plain name that telephone exchanges fetch."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials, HTTPBearer

from app.dependencies import SESSION_COOKIE, DbSession, HotlineNow, RuntimeOf, get_current_user, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn, Unavailable
from app.schemas.problem import problems
from app.schemas.screen_pop import ScreenPop
from app.services.access import ScopeMissing, Signed, who_by_token
from app.services.hotline import Hotline
from app.services.lookup import caller_name
from app.services.screen_pop import look_up

router = APIRouter(prefix="/lookup", tags=["lookup"])

_LONGEST_NUMBER: Final = 250
_REFUSALS: Final = problems(NotSignedIn, ScopeMissing, Unavailable)

_NUMBER = "The number as the network shows it or as people write it; withheld, short and SIP ones are outcomes too."
NumberInQuery = Annotated[str, Query(max_length=_LONGEST_NUMBER, description=_NUMBER, examples=["+86 138 0013 8000"])]
NumberInPath = Annotated[str, Path(max_length=_LONGEST_NUMBER, description=_NUMBER, examples=["+8613800138000"])]


@router.get("", operation_id="look_up_number", responses=_REFUSALS)
async def look_up_number(
    number: NumberInQuery, session: DbSession, hotline: HotlineNow, _user: Annotated[Signed, requires(Scope.LOOKUP)]
) -> ScreenPop:
    """The card that an agent would see if this number rang now. Nothing is written down."""
    pop = await look_up(session, hotline.number(number), hotline, datetime.now(UTC))
    return ScreenPop.model_validate(pop)


class ExchangeNotSignedIn(NotSignedIn):
    """No token, or one that is not valid; exchanges are asked for it in the way that they know."""

    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="Callcard", charset="UTF-8"'}


_basic = HTTPBasic(
    auto_error=False,
    scheme_name="token_as_password",
    description="Only here, for exchanges that know nothing else: any user name, and an API token as the password.",
)
_bearer = HTTPBearer(auto_error=False)


async def exchange_user(
    request: Request,
    runtime: RuntimeOf,
    session: DbSession,
    basic: Annotated[HTTPBasicCredentials | None, Security(_basic)] = None,
) -> Signed:
    """Whoever asks for a name, by HTTP basic authentication (RFC 7617) or as everywhere else.

    Raises:
        ExchangeNotSignedIn: neither, or not valid.
        ScopeMissing: this is not theirs to ask.
    """
    try:
        if basic is not None:
            user = await who_by_token(session, basic.password)
        else:
            cookie, bearer = request.cookies.get(SESSION_COOKIE), await _bearer(request)
            user = await get_current_user(request, runtime, session, cookie, bearer)
    except NotSignedIn as error:
        raise ExchangeNotSignedIn(error.detail) from error
    user.require(Scope.LOOKUP)
    return user


Exchange = Annotated[Signed, Depends(exchange_user)]

# What `exchange_user` reads besides basic authentication, in the words of the schemes that the other routes declare.
_SECURITY: Final[dict[str, Any]] = {"security": [{"session": []}, {"token": []}]}
_PLAIN_NAME: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "One line of at most 60 characters; empty when nobody is known by the number.",
        "content": {
            "text/plain": {
                "examples": {
                    "unique": {"value": "鲁大伟"},
                    "several": {"summary": "They share the number", "value": "鲁大伟 / 王芳"},
                    "unknown": {"value": ""},
                }
            }
        },
    }
}


@router.get(
    "/name",
    operation_id="look_up_name_by_query",
    response_class=PlainTextResponse,
    responses={**_PLAIN_NAME, **_REFUSALS},
    openapi_extra=_SECURITY,
)
async def look_up_name_by_query(
    number: NumberInQuery, session: DbSession, hotline: HotlineNow, _user: Exchange
) -> PlainTextResponse:
    """The caller's name for a desk phone, for exchanges that put the number into a query (`number=[NUMBER]`).

    Several customers on one number are named side by side, whoever was in touch last first; no one is picked.
    """
    return await _plain_name(number, session, hotline)


@router.get(
    "/name/{number:path}",
    operation_id="look_up_name",
    response_class=PlainTextResponse,
    responses={**_PLAIN_NAME, **_REFUSALS},
    openapi_extra=_SECURITY,
)
async def look_up_name(
    number: NumberInPath, session: DbSession, hotline: HotlineNow, _user: Exchange
) -> PlainTextResponse:
    """The caller's name for a desk phone, with the number in the path."""
    return await _plain_name(number, session, hotline)


async def _plain_name(number: str, session: DbSession, hotline: Hotline) -> PlainTextResponse:
    name = await caller_name(session, hotline.number(number), hotline, datetime.now(UTC))
    return PlainTextResponse(name, headers={"Cache-Control": "no-store"})
