"""Sends requests to the service as Twilio's proxies send them: signed forms, 15 seconds, redirects followed."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import httpx

from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.signing import sign
from app.telephony.simulator.trouble import SPOOFED_HEADERS, Signature, Trouble

Params = Sequence[tuple[str, str]]
Observer = Callable[[SimEventKind, str, dict[str, Any]], None]

MAX_TWIML_BYTES = 64 * 1024
MAX_HTTP_REDIRECTS = 10

# https://www.twilio.com/docs/api/errors
ERROR_URL_FORMAT = 11100
ERROR_HTTP_RETRIEVAL = 11200
ERROR_HTTP_CONNECTION = 11205
ERROR_TOO_MANY_REDIRECTS = 11215
ERROR_BODY_TOO_LARGE = 11750


class WebhookError(Exception):
    """A request got no usable answer; `code` is Twilio's error code, `url` the one that was asked."""

    def __init__(self, code: int, url: str, why: str) -> None:
        super().__init__(f"{code} at {url}: {why}")
        self.code = code
        self.url = url
        self.why = why


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer; `url` is where it came from in the end."""

    url: str
    status: int
    content_type: str
    body: str


class Webhooks:
    """The way to the service.

    Args:
        auth_token: signs everything.
        public_url: the origin (scheme and host) of URLs that is *signed*.
        connect_url: the origin that is connected to instead, as behind a proxy; the Host header stays the public one.
        timeout: seconds of wall time that one request has in all (Twilio's own: 15).
    """

    def __init__(self, *, auth_token: str, public_url: str, connect_url: str | None = None, timeout: float = 15.0):
        self._auth_token = auth_token
        self._public = urlsplit(public_url)
        self._connect = urlsplit(connect_url or public_url)
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
            timeout=None,  # noqa: S113 - one limit for a whole request, redirects included, is set in _follow
            limits=httpx.Limits(max_connections=None),
            verify=_tls(),
            trust_env=False,
        )

    async def send(
        self,
        url: str,
        params: Params,
        *,
        method: str = "POST",
        token: str,
        trouble: Trouble,
        copies: int = 1,
        observe: Observer,
    ) -> Reply:
        """Send one request (or `copies` equal ones at once) and give the first one's answer.

        `token` is the I-Twilio-Idempotency-Token. Raises WebhookError for whatever is not a 2xx in time.
        """
        params = [*params, *trouble.extra_params]
        results = await asyncio.gather(
            *(
                self._follow(url, params, method=method, token=token, trouble=trouble, observe=observe)
                for _ in range(copies)
            ),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, WebhookError):
                raise result
        first = results[0]
        if isinstance(first, BaseException):
            raise first
        return first

    async def aclose(self) -> None:
        """Give back connections."""
        await self._client.aclose()

    async def _follow(
        self, url: str, params: Params, *, method: str, token: str, trouble: Trouble, observe: Observer
    ) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(MAX_HTTP_REDIRECTS):
                    reply, location = await self._once(
                        url, params, method=method, token=token, trouble=trouble, observe=observe
                    )
                    if location is None:
                        return reply
                    url = urljoin(url, location)
                    if reply.status in (301, 302, 303):
                        method, params = "GET", ()
        except TimeoutError:
            raise WebhookError(ERROR_HTTP_RETRIEVAL, url, f"no answer within {self._timeout:g} s") from None
        raise WebhookError(ERROR_TOO_MANY_REDIRECTS, url, f"more than {MAX_HTTP_REDIRECTS} redirects")

    async def _once(
        self, url: str, params: Params, *, method: str, token: str, trouble: Trouble, observe: Observer
    ) -> tuple[Reply, str | None]:
        """One exchange; the second value is where to go next, if anywhere."""
        try:
            if method == "GET" and params:
                url += ("&" if urlsplit(url).query else "?") + urlencode(params)
                params = ()
            headers = self._headers(url, params, method, token, trouble)
            body = urlencode(params) if method == "POST" else None
            request = self._client.build_request(method, self._connectable(url), content=body, headers=headers)
        except (ValueError, httpx.InvalidURL) as error:
            raise WebhookError(ERROR_URL_FORMAT, url, f"not a URL: {error}") from error
        described = {"method": method, "url": url, "params": list(params), "headers": dict(headers)}
        observe(SimEventKind.REQUEST_SENT, f"{method} {url}", described)
        started = time.perf_counter()
        try:
            response = await self._client.send(request, stream=True)
            try:
                answer = await _read(response, url)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise WebhookError(ERROR_HTTP_CONNECTION, url, f"cannot connect: {error}") from error
        except httpx.UnsupportedProtocol as error:
            raise WebhookError(ERROR_URL_FORMAT, url, str(error)) from error
        except httpx.HTTPError as error:
            raise WebhookError(ERROR_HTTP_RETRIEVAL, url, f"{type(error).__name__}: {error}") from error
        milliseconds = (time.perf_counter() - started) * 1000
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        reply = Reply(url, response.status_code, content_type, answer)
        observe(
            SimEventKind.RESPONSE_RECEIVED,
            f"{reply.status} in {milliseconds:.0f} ms",
            {
                "method": method,
                "url": url,
                "status": reply.status,
                "content_type": content_type,
                "body": answer,
                "milliseconds": milliseconds,
            },
        )
        if response.is_redirect and (location := response.headers.get("Location")):
            return reply, location
        if not response.is_success:
            raise WebhookError(ERROR_HTTP_RETRIEVAL, url, f"HTTP status {reply.status}")
        return reply, None

    def _headers(self, url: str, params: Params, method: str, token: str, trouble: Trouble) -> list[tuple[str, str]]:
        headers = [("Host", urlsplit(url).netloc), ("I-Twilio-Idempotency-Token", token)]
        if method == "POST":
            headers.append(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"))
        if trouble.signature is Signature.RIGHT:
            headers.append(("X-Twilio-Signature", sign(self._auth_token, url, params)))
        elif trouble.signature is Signature.WRONG:
            headers.append(("X-Twilio-Signature", sign(self._auth_token + "?", url, params)))
        if trouble.spoof_forwarded:
            headers.extend(SPOOFED_HEADERS)
        return headers

    def _connectable(self, url: str) -> str:
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != (self._public.scheme, self._public.netloc):
            return url
        return urlunsplit(parts._replace(scheme=self._connect.scheme, netloc=self._connect.netloc))


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading all the certificates takes longer than many a call in a test


async def _read(response: httpx.Response, url: str) -> str:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_TWIML_BYTES:
            raise WebhookError(ERROR_BODY_TOO_LARGE, url, f"more than {MAX_TWIML_BYTES} bytes")
    try:
        return content.decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:
        return content.decode("utf-8", errors="replace")
