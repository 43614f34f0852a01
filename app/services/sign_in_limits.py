"""How often a sign-in may fail: who guesses passwords is stopped, whose account it is is not.

Failures are counted in windows of 15 minutes, each under the keys that its attempt goes by:

- from a browser in which this very person has signed in before, as its device cookie proves: under that device alone;
- from anywhere else: under the network address, and under the account as seen from that address.

So a guesser runs out of attempts at their own address, whatever accounts they try, while the person whose account they
are at goes on signing in: from the usual machine even if it shares the guesser's address, and from any other address.
Nothing is ever counted against an account as such. See OWASP's "Slow Down Online Guessing Attacks with Device Cookies".

An attempt is counted *before* its password is looked at and taken back if that was right, so any number of attempts at
once have no more guesses than the limit. The rows are in the database, one count for all processes; that a key is
used up is also remembered here, so that a flood of further attempts costs no query. And the attempts of one address
stand in one line, so that a flood holds one connection of the database, and one place before everybody else's password.
"""

import asyncio
import base64
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import TooManyRequests, Unavailable

WINDOW_SECONDS: Final = 15 * 60
PER_ADDRESS: Final = 50
"""An office behind one address has several people who mistype."""
PER_ACCOUNT_AND_ADDRESS: Final = 10
PER_DEVICE: Final = 10
MOST_STRANGERS: Final = 16
"""How many passwords from unknown machines may wait to be looked at: so many, times 20 ms, is what a flood from all
over the world delays a known machine by."""

_MOST_REMEMBERED: Final = 10_000

_COUNT: Final = text(
    """
    INSERT INTO sign_in_attempts AS known (key, window_started_at, failures) VALUES (:key, now(), 1)
    ON CONFLICT (key) DO UPDATE SET
        failures = CASE WHEN known.window_started_at > now() - make_interval(secs => :window)
                        THEN known.failures + 1 ELSE 1 END,
        window_started_at = CASE WHEN known.window_started_at > now() - make_interval(secs => :window)
                                 THEN known.window_started_at ELSE now() END
    WHERE known.failures < :limit OR known.window_started_at <= now() - make_interval(secs => :window)
    RETURNING failures
    """
)
_SECONDS_LEFT: Final = text(
    """
    SELECT extract(epoch FROM window_started_at + make_interval(secs => :window) - now())::float8
    FROM sign_in_attempts WHERE key = :key
    """
)
_TAKE_BACK: Final = text(
    "UPDATE sign_in_attempts SET failures = CASE WHEN :all THEN 0 ELSE greatest(failures - 1, 0) END WHERE key = :key"
)
# Skips what somebody else is writing: waiting for several rows in no order would be the way into a deadlock.
_FORGET_OLD: Final = text(
    """
    DELETE FROM sign_in_attempts WHERE key IN (
        SELECT key FROM sign_in_attempts WHERE window_started_at <= now() - make_interval(secs => :window)
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    """
)


class TooManySignIns(TooManyRequests):
    """Too many sign-ins have failed from here; `retry_after` says when another is looked at."""

    code = "too_many_sign_ins"


class TooBusy(Unavailable):
    """Too many people whom we do not know are signing in at once."""

    code = "too_many_at_once"


@dataclass(frozen=True, slots=True)
class Count:
    """One key that attempts are counted under, and how many failures it bears.

    `one_person`: only one person's attempts are, so their success wipes out the failures before it.
    """

    key: str
    limit: int
    one_person: bool = False


def counts_for(account: str, address: str, device: str | None) -> tuple[Count, ...]:
    """What an attempt is counted under, in the order in which the rows are locked.

    Args:
        account: the e-mail address that was given, whether or not there is such a person.
        address: the IP address that the attempt came from.
        device: the device that `known_device` recognised, if it did.
    """
    if device is not None:
        return (Count(f"device:{device}", PER_DEVICE, one_person=True),)
    network = _network_of(address)
    return (
        Count(f"address:{network}", PER_ADDRESS),
        Count(f"account:{_short(account)}@{network}", PER_ACCOUNT_AND_ADDRESS),
    )


def counts_for_change(agent_id: UUID) -> tuple[Count, ...]:
    """What attempts at changing a password are counted under; they come from a session, so from one person."""
    return (Count(f"change:{agent_id}", PER_DEVICE, one_person=True),)


def device_cookie_name(account: str) -> str:
    """The device cookie's name; people who share a machine each have their own."""
    return f"callcard_device_{_short(account)}"


def device_cookie(signing_key: bytes, account: str, device: str | None = None) -> str:
    """What to leave in a browser in which `account` has signed in; `device` if it is known already."""
    device = device or secrets.token_urlsafe(12)
    return f"{device}.{_proof(signing_key, account, device)}"


def known_device(signing_key: bytes, account: str, cookie: str | None) -> str | None:
    """The device, if the cookie proves that `account` has signed in there before."""
    device, _, proof = (cookie or "").partition(".")
    if hmac.compare_digest(proof.encode(), _proof(signing_key, account, device).encode()):
        return device
    return None


class SignInLimits:
    """The counting. One for the process, for it remembers which keys are used up, and who waits."""

    def __init__(self) -> None:
        self._used_up: dict[str, float] = {}
        self._strangers = 0
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def line(self, counts: tuple[Count, ...]) -> asyncio.Lock:
        """What to hold from counting an attempt until its password was looked at: one attempt an address at a time."""
        return self._lines.setdefault(counts[0].key, asyncio.Lock())

    @contextmanager
    def place(self, *, known: bool) -> Iterator[None]:
        """A place among those whose passwords wait to be looked at; on a known machine there always is one.

        Raises:
            TooBusy: as many strangers, one an address, wait as may.
        """
        if known:
            yield
            return
        if self._strangers >= MOST_STRANGERS:
            raise TooBusy("Many people are signing in right now. Try again in a few seconds.", retry_after=5)
        self._strangers += 1
        try:
            yield
        finally:
            self._strangers -= 1

    def refuse_known(self, counts: tuple[Count, ...]) -> None:
        """Raises TooManySignIns when this process knows already that one of the keys is used up."""
        for count in counts:
            until = self._used_up.get(count.key)
            if until is None:
                continue
            left = until - time.monotonic()
            if left > 0:
                raise _too_many(left)
            del self._used_up[count.key]

    async def count(self, session: AsyncSession, counts: tuple[Count, ...]) -> None:
        """Count one attempt, in a transaction that is to be committed before the password is looked at.

        Raises:
            TooManySignIns: a key is used up; the transaction is then to be rolled back.
        """
        for count in counts:
            args = {"key": count.key, "limit": count.limit, "window": float(WINDOW_SECONDS)}
            if await session.scalar(_COUNT, args) is None:
                left = await session.scalar(_SECONDS_LEFT, {"key": count.key, "window": float(WINDOW_SECONDS)})
                raise self._remember(count.key, max(left or 0.0, 1.0))

    async def take_back(self, session: AsyncSession, counts: tuple[Count, ...]) -> None:
        """The attempt was no failure. Also forgets, a thousand at a time, what is older than a window."""
        for count in counts:
            await session.execute(_TAKE_BACK, {"key": count.key, "all": count.one_person})
        await session.execute(_FORGET_OLD, {"window": float(WINDOW_SECONDS)})

    def _remember(self, key: str, seconds: float) -> TooManySignIns:
        if len(self._used_up) >= _MOST_REMEMBERED:
            # Forgetting costs a query and nothing else: the database still knows.
            self._used_up.clear()
        self._used_up[key] = time.monotonic() + seconds
        return _too_many(seconds)


def _too_many(seconds: float) -> TooManySignIns:
    detail = "Too many sign-ins have failed from here. Wait, then try again."
    return TooManySignIns(detail, retry_after=math.ceil(seconds))


def _network_of(address: str) -> str:
    """The address itself; of IPv6 the 64 bits that one customer of a provider gets (RFC 6177), mapped IPv4 as IPv4."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed.packed[:8] + bytes(8), 64)))
    return str(parsed)


def _short(account: str) -> str:
    return hashlib.sha256(account.lower().encode()).hexdigest()[:16]


def _proof(signing_key: bytes, account: str, device: str) -> str:
    message = f"callcard device\0{account.lower()}\0{device}"
    mac = hmac.digest(signing_key, message.encode("utf-8", "surrogateescape"), "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
