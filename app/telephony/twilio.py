"""What we ask of Twilio: its REST API and its access tokens, through its own package.

Nothing here tries again by itself. A request that got no usable answer is `CarrierUnknown`, and whoever placed it looks
with `fetch` or `list_calls` before asking once more: no customer is rung twice.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client

from app.telephony.port import CarrierBusy, CarrierCall, CarrierError, CarrierRefused, CarrierUnknown, DialRequest
from app.telephony.twilio_events import CALL_SID, CALL_STATUSES, PROVIDER

API_BASE_URL: Final = "https://api.twilio.com"
MAX_TOKEN_SECONDS: Final = 24 * 60 * 60

# What <https://www.twilio.com/docs/api/errors/21220> and a 404 say of a call that is over (or was never there).
_ALREADY_OVER = frozenset({"404", "20404", "21220"})
_STATUS_EVENTS = ["initiated", "ringing", "answered", "completed"]
_PAGE_SIZE = 100


class TwilioCarrier:
    """Twilio as a `Carrier`. Build it in a running event loop and give it back with `aclose`.

    Args:
        account_sid: the account, `AC…`.
        auth_token: the account's token; signs in to the API where no API key is given.
        api_key: an API key, `SK…`, and `api_secret`, its secret: sign in to the API and sign voice tokens.
        api_base_url: where the API is; another address lets a simulator stand in. Its path goes before the API's own.
        timeout: seconds for one request, from connecting to the last byte of its answer.
        outgoing_application_sid: the TwiML application (`AP…`) that clients may call out through; None for none.

    Raises:
        ValueError: `api_base_url` is not an http(s) address, or `timeout` is not positive.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        api_base_url: str | None = None,
        timeout: float = 5.0,
        outgoing_application_sid: str | None = None,
    ) -> None:
        self._account_sid = account_sid
        self._api_key = api_key
        self._api_secret = api_secret
        self._outgoing_application_sid = outgoing_application_sid
        user, password = (api_key, api_secret) if api_key and api_secret else (account_sid, auth_token)
        self._http = _Http(api_base_url or API_BASE_URL, timeout)
        # Without an environment of its own, the client takes credentials and a region from the process's.
        self._client = Client(
            username=user,
            password=password,
            account_sid=account_sid,
            http_client=self._http,
            environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
        )

    @property
    def name(self) -> str:
        """`twilio`, as in `calls.provider`."""
        return PROVIDER

    async def dial(self, request: DialRequest) -> CarrierCall:
        """Place a call (POST Calls.json); its progress comes to `request.status_url`. Raises CarrierError."""
        with _answers_understood():
            call = await self._client.calls.create_async(
                to=request.to,
                from_=request.from_,
                url=request.url,
                method="POST",
                status_callback=request.status_url,
                status_callback_method="POST",
                status_callback_event=_STATUS_EVENTS,
                timeout=request.ring_seconds,
            )
            return _carrier_call(call)

    async def redirect(self, call_id: str, url: str) -> None:
        """Let a live call fetch new TwiML from `url`.

        Raises:
            CarrierRefused: with code 21220 where the call is over already.
            CarrierError: as the port says.
        """
        with _answers_understood():
            await self._client.calls(_checked(call_id)).update_async(url=url, method="POST")

    async def hang_up(self, call_id: str) -> None:
        """End a call; one that is over already is no error. Raises CarrierError."""
        try:
            with _answers_understood():
                await self._client.calls(_checked(call_id)).update_async(status="completed")
        except CarrierRefused as refused:
            if refused.code not in _ALREADY_OVER:
                raise

    async def fetch(self, call_id: str) -> CarrierCall:
        """Twilio's record of one call. Raises CarrierError."""
        with _answers_understood():
            return _carrier_call(await self._client.calls(_checked(call_id)).fetch_async())

    async def list_calls(self, *, to: str, started_after: datetime) -> list[CarrierCall]:
        """Twilio's records of calls to `to` that were created at or after `started_after` (aware), all pages of them.

        Twilio documents its own filter by day, so it is asked for the whole UTC day and the rest is filtered here, by
        the second, which is as fine as Twilio's records are. Raises CarrierError; ValueError for a naive time.
        """
        if started_after.tzinfo is None:
            raise ValueError("started_after must be aware.")
        since = started_after.astimezone(UTC).replace(microsecond=0)
        day = datetime.combine(since.date(), time(), UTC)
        with _answers_understood():
            calls = await self._client.calls.list_async(to=to, start_time_after=day, page_size=_PAGE_SIZE)
            found = [_carrier_call(call) for call in calls]
        return [call for call in found if call.created_at is None or call.created_at >= since]

    def voice_token(self, identity: str, *, seconds: int) -> str:
        """A JWT with which the client `identity` may take calls for `seconds` (1 to 86,400, Twilio's own limit).

        See https://www.twilio.com/docs/iam/access-tokens.

        Raises:
            CarrierRefused: no API key is set up.
            ValueError: the identity is empty or the time out of range.
        """
        if not (self._api_key and self._api_secret):
            raise CarrierRefused("Voice tokens need TWILIO_API_KEY and TWILIO_API_SECRET.")
        if not identity or not 1 <= seconds <= MAX_TOKEN_SECONDS:
            raise ValueError(f"An identity and 1 to {MAX_TOKEN_SECONDS} seconds, not {identity!r} and {seconds}.")
        token = AccessToken(self._account_sid, self._api_key, self._api_secret, identity=identity, ttl=seconds)
        token.add_grant(VoiceGrant(incoming_allow=True, outgoing_application_sid=self._outgoing_application_sid))
        return str(token.to_jwt())

    async def aclose(self) -> None:
        """Give back connections."""
        await self._http.close()


class _Http:
    """The HTTP client that Twilio's client is given: its own asynchronous one, sent to a configured address.

    It also turns everything but a success into a `CarrierError`. That is done here because here alone the answer's
    headers (Retry-After) are still known, and because Twilio's client calls a refused page and a refused call
    differently. Twilio's own client would also ignore its time-out in asynchronous requests.
    """

    is_async = True

    def __init__(self, base_url: str, timeout: float) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"Not the address of an API: {base_url!r}")
        if timeout <= 0:
            raise ValueError(f"A time-out is positive, not {timeout}.")
        self._base = parts
        self._timeout = timeout
        # At INFO it logs every address, and with it the numbers that a list is asked for.
        logger = logging.getLogger("app.telephony.twilio.http")
        logger.setLevel(logging.WARNING)
        self._inner = AsyncTwilioHttpClient(logger=logger)

    async def request(
        self,
        method: str,
        uri: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """One request, once; takes and gives what `twilio.http.AsyncHttpClient.request` does. Raises CarrierError."""
        if auth is None:
            raise CarrierRefused("Calling Twilio needs TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET.")
        # Its own way of signing in is deprecated in aiohttp and warns with every request.
        signed_in = {**(headers or {}), "Authorization": f"Basic {b64encode(':'.join(auth).encode()).decode()}"}
        options["timeout"] = options.get("timeout") or self._timeout
        try:
            response = await self._inner.request(method, self._rebased(uri), headers=signed_in, **options)
        except TimeoutError as error:
            raise CarrierUnknown(f"Twilio did not answer within {self._timeout:g} s.") from error
        except (aiohttp.ClientError, OSError, UnicodeDecodeError) as error:
            raise CarrierUnknown(f"No usable answer from Twilio: {type(error).__name__}.") from error
        if not 200 <= response.status_code < 300:
            raise _error_of(response.status_code, response.text, response.headers)
        return response

    async def close(self) -> None:
        await self._inner.close()

    def _rebased(self, uri: str) -> str:
        asked = urlsplit(uri)
        path = self._base.path.rstrip("/") + asked.path
        return urlunsplit((self._base.scheme, self._base.netloc, path, asked.query, ""))


@contextmanager
def _answers_understood() -> Iterator[None]:
    """A success whose body is not what Twilio's client expects is as good as no answer."""
    try:
        yield
    except (TwilioException, ValueError, TypeError, LookupError, AttributeError) as error:
        raise CarrierUnknown(f"Twilio's answer could not be read: {type(error).__name__}.") from error


def _error_of(status: int, text: str, headers: Mapping[str, str]) -> CarrierError:
    """The error for an answer that is no success; its body is Twilio's `{code, message, …}` or anything at all."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    code = str(body.get("code") or status)
    message = f"Twilio answered {status} ({code}): {str(body.get('message', ''))[:200]}"
    if status == 429:
        return CarrierBusy(message, _retry_after(headers.get("Retry-After")))
    # 408: it gave up waiting for the rest of the request, or says so; what it had read it may have acted upon.
    if 400 <= status < 500 and status != 408:
        return CarrierRefused(message, code)
    return CarrierUnknown(message)


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None where it tells nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)) / timedelta(seconds=1))


def _checked(call_id: str) -> str:
    """A call's id, which becomes a part of an address."""
    if not CALL_SID.fullmatch(call_id):
        raise CarrierRefused("That is not the id of a Twilio call.")
    return call_id


def _carrier_call(call: Any) -> CarrierCall:
    """The port's record from a `CallInstance` (untyped upstream); LookupError, TypeError where it is no whole one."""
    if not CALL_SID.fullmatch(call.sid):
        raise LookupError("no sid")
    return CarrierCall(
        call_id=call.sid,
        to=call.to or "",
        from_=call._from or "",  # noqa: SLF001  # public upstream: `from` is a keyword, so it was given this name
        status=CALL_STATUSES[call.status],
        created_at=call.date_created,
        parent_call_id=call.parent_call_sid or None,
    )
