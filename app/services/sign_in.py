"""Signing in with a password, and changing it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.errors import NotAllowed, NotSignedIn, TooManyRequests
from app.models.people import Agent, AgentSession
from app.observability.metrics import sign_ins
from app.services import passwords
from app.services.access import Signed, Via, digest, who_by_session
from app.services.sessions import end_sessions, open_session
from app.services.sign_in_limits import (
    SignInLimits,
    TooBusy,
    counts_for,
    counts_for_change,
    device_cookie,
    known_device,
)


class WrongPassword(NotSignedIn):
    """No such person, a wrong password, or somebody who may no longer sign in: it is not said which."""

    code = "wrong_password"
    title = "E-mail address or password is wrong"


class WrongCurrentPassword(NotAllowed):
    """Changing a password takes the current one."""

    code = "wrong_password"


class SessionNeeded(NotAllowed):
    """This is for people who are signed in, not for programs with a token."""

    code = "session_needed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to sign in.

    Attributes:
        account: the e-mail address that was typed.
        address: the IP address it came from.
        device: the device cookie, for this account, that came with it.
        replaces: the session cookie that came with it; that session ends.
    """

    account: str
    password: str
    address: str
    device: str | None = None
    user_agent: str = ""
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A sign-in that went well: who it is, and the two cookies to set."""

    who: Signed
    secret: str
    device: str


async def sign_in(database: Database, limits: SignInLimits, signing_key: bytes, attempt: Attempt) -> NewSession:
    """Begin a session for whoever knows the password.

    Unlike other use cases this one is two transactions of its own: the attempt is counted and committed before the
    password is looked at, for the count must stand whatever becomes of the request, and no connection may be held
    while passwords are hashed one after the other.

    Raises:
        TooManySignIns: too many have failed from here; the password was not looked at.
        TooBusy: strangers have to wait for too many others.
        WrongPassword: and it was counted.
    """
    device = known_device(signing_key, attempt.account, attempt.device)
    counts = counts_for(attempt.account, attempt.address, device)
    try:
        async with limits.line(counts):
            limits.refuse_known(counts)
            with limits.place(known=device is not None):
                async with database.session_scope() as session:
                    await limits.count(session, counts)
                    known = await _find(session, attempt.account)
                verdict = await passwords.verify_password(attempt.password, known.password_hash if known else None)
    except TooManyRequests:
        sign_ins.labels(result="limited").inc()
        raise
    except TooBusy:
        sign_ins.labels(result="busy").inc()
        raise
    if known is None or not verdict.right:
        sign_ins.labels(result="wrong").inc()
        raise WrongPassword("The e-mail address or the password is wrong.")
    async with database.session_scope() as session:
        await limits.take_back(session, counts)
        if not await _still_stands(session, known.id, known.password_hash):
            raise WrongPassword("The e-mail address or the password is wrong.")
        if verdict.new_hash is not None:
            await session.execute(update(Agent).where(Agent.id == known.id).values(password_hash=verdict.new_hash))
        if attempt.replaces is not None:
            await session.execute(delete(AgentSession).where(AgentSession.token_hash == digest(attempt.replaces)))
        secret = await open_session(session, known.id, user_agent=attempt.user_agent, address=attempt.address)
        who = await who_by_session(session, secret)
    sign_ins.labels(result="ok").inc()
    return NewSession(who, secret, device_cookie(signing_key, attempt.account, device))


async def change_password(database: Database, limits: SignInLimits, who: Signed, current: str, new: str) -> None:
    """Change one's own password; every other session of this person ends.

    The transactions are as in `sign_in`, for whoever finds a browser left open must not guess here either.

    Raises:
        SessionNeeded: asked by a program, with a token.
        TooManySignIns: `current` was wrong too often.
        WrongCurrentPassword: and it was counted.
    """
    if who.via is not Via.SESSION:
        raise SessionNeeded("Only a person who is signed in can change their password.")
    counts = counts_for_change(who.agent_id)
    async with limits.line(counts):
        limits.refuse_known(counts)
        async with database.session_scope() as session:
            await limits.count(session, counts)
            kept = await session.scalar(select(Agent.password_hash).where(Agent.id == who.agent_id))
        verdict = await passwords.verify_password(current, kept)
    if kept is None or not verdict.right:
        raise WrongCurrentPassword("The current password is wrong.")
    new_hash = await passwords.hash_password(new)
    async with database.session_scope() as session:
        await limits.take_back(session, counts)
        if not await _still_stands(session, who.agent_id, kept):
            raise WrongCurrentPassword("The current password is wrong.")
        await set_password(session, who.agent_id, new_hash, keep_session=who.credential_id)


async def set_password(
    session: AsyncSession, agent_id: UUID, new_hash: str, *, keep_session: UUID | None = None
) -> None:
    """Give a person another password and end their sessions, but for `keep_session`."""
    # In this order: a sign-in with the old password that is under way holds the row, and its session is ended too.
    await session.execute(update(Agent).where(Agent.id == agent_id).values(password_hash=new_hash))
    await end_sessions(session, agent_id, but=keep_session)


async def _find(session: AsyncSession, account: str) -> Row[UUID, str | None] | None:
    query = select(Agent.id, Agent.password_hash).where(func.lower(Agent.email) == func.lower(account), Agent.active)
    return (await session.execute(query)).one_or_none()


async def _still_stands(session: AsyncSession, agent_id: UUID, password_hash: str) -> bool:
    """Whether a person may still sign in with this password; it stays so until the transaction ends."""
    found = await session.scalar(
        select(Agent.id)
        .where(Agent.id == agent_id, Agent.active, Agent.password_hash == password_hash)
        .with_for_update(read=True)
    )
    return found is not None
