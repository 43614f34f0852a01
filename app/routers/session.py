"""Signing in and out, and who one is."""

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from app.config import Settings
from app.dependencies import (
    SESSION_COOKIE,
    BriefUser,
    ClientAddress,
    CurrentUser,
    DbSession,
    OriginNotAllowed,
    RuntimeOf,
    origin_checked,
)
from app.errors import NotSignedIn, Unavailable
from app.schemas.problem import problems
from app.schemas.session import Me, PasswordChange, SessionRead, SignIn
from app.services import sign_in as use_case
from app.services.access import LONGEST_DAYS, Signed, Via
from app.services.sessions import end_session
from app.services.sign_in_limits import TooBusy, TooManySignIns, device_cookie_name

DEVICE_COOKIE_DAYS: Final = 365

router = APIRouter(prefix="/session", tags=["session"])


@router.post(
    "",
    operation_id="sign_in",
    status_code=201,
    dependencies=[Depends(origin_checked)],
    responses=problems(use_case.WrongPassword, OriginNotAllowed, TooManySignIns, TooBusy, Unavailable),
)
async def sign_in(
    body: SignIn, request: Request, response: Response, runtime: RuntimeOf, address: ClientAddress
) -> SessionRead:
    """Sign in with a password.

    Sets the session cookie, and another by which this browser is known to be this person's: strangers who guess
    passwords are slowed down, its owner is not.
    """
    settings = runtime.settings
    device_name = device_cookie_name(body.email)
    new = await use_case.sign_in(
        runtime.database,
        runtime.sign_in_limits,
        settings.signing_key,
        use_case.Attempt(
            account=body.email,
            password=body.password.get_secret_value(),
            address=address,
            device=request.cookies.get(device_name),
            user_agent=request.headers.get("user-agent", ""),
            replaces=request.cookies.get(SESSION_COOKIE),
        ),
    )
    _set_cookie(response, settings, SESSION_COOKIE, new.secret, path="/", days=LONGEST_DAYS)
    _set_cookie(response, settings, device_name, new.device, path=request.url.path, days=DEVICE_COOKIE_DAYS)
    return _read(new.who)


@router.get("", operation_id="get_session", responses=problems(NotSignedIn, Unavailable))
async def get_session(user: CurrentUser) -> SessionRead:
    """Who is asking, by session or by token, and what they may do."""
    return _read(user)


@router.delete(
    "",
    operation_id="sign_out",
    status_code=204,
    responses=problems(NotSignedIn, OriginNotAllowed, use_case.SessionNeeded, Unavailable),
)
async def sign_out(user: CurrentUser, session: DbSession, runtime: RuntimeOf, response: Response) -> None:
    """Sign out: the session ends at once, wherever its cookie may be."""
    if user.via is not Via.SESSION:
        raise use_case.SessionNeeded("A token is revoked, not signed out: DELETE /api/v1/agents/{id}/tokens/{id}.")
    await end_session(session, user.credential_id)
    response.delete_cookie(
        SESSION_COOKIE, path="/", secure=_is_secure(runtime.settings), httponly=True, samesite="strict"
    )


@router.put(
    "/password",
    operation_id="change_password",
    status_code=204,
    responses=problems(
        NotSignedIn,
        use_case.WrongCurrentPassword,
        use_case.SessionNeeded,
        OriginNotAllowed,
        TooManySignIns,
        Unavailable,
    ),
)
async def change_password(body: PasswordChange, user: BriefUser, runtime: RuntimeOf) -> None:
    """Change one's own password. All other sessions of this person end; API tokens go on."""
    await use_case.change_password(
        runtime.database,
        runtime.sign_in_limits,
        user,
        body.current_password.get_secret_value(),
        body.new_password.get_secret_value(),
    )


def _set_cookie(response: Response, settings: Settings, name: str, value: str, *, path: str, days: int) -> None:
    # Strict: a page of another site never gets to use it, not even by a link; our own pages ask with it all the same.
    response.set_cookie(
        name,
        value,
        max_age=days * 24 * 3600,
        path=path,
        secure=_is_secure(settings),
        httponly=True,
        samesite="strict",
    )


def _is_secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def _read(who: Signed) -> SessionRead:
    return SessionRead(
        agent=Me(id=who.agent_id, email=who.email, name=who.name, role=who.role, language=who.language),
        scopes=sorted(who.scopes),
        via=who.via.value,
        expires_at=who.expires_at,
    )
