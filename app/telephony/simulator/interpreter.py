"""Follows TwiML: fetches a document, plays its verbs in order, goes where they lead, falls back where it fails."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from urllib.parse import urljoin

from app.telephony.simulator.calls import CallOver, Fetch, Inline, Instructions, Redirected, SimCall
from app.telephony.simulator.clock import speech_seconds
from app.telephony.simulator.events import SimEventKind
from app.telephony.simulator.params import pairs
from app.telephony.simulator.records import CallStatus
from app.telephony.simulator.twiml import (
    ATTRIBUTES,
    ERROR_CONTENT_TYPE,
    NOT_SIMULATED,
    Document,
    TwimlError,
    Verb,
    parse,
)
from app.telephony.simulator.webhooks import Reply, WebhookError

PLAY_SECONDS = 3.0  # media is not fetched: any recording is taken to be this long
MAX_LOOPS = 1000  # Twilio's own limit for loop="0"
MAX_IDLE_DOCUMENTS = 50

APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."

WAIT_VERBS = frozenset({"Say", "Play", "Pause", "Gather", "Redirect", "Hangup", "Leave"})

Handler = Callable[["TwimlRun", Verb, Document], Awaitable[Instructions | None]]


class ApplicationError(Exception):
    """Instructions could not be had, nor could the fallback's: Twilio apologises and hangs up."""


class Diverted(Exception):
    """Instructions for waiting in a queue failed, and the fallback gave others for the call as a whole."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.url)
        self.document = document


class TwimlRun:
    """One call following its instructions.

    `handlers` play the verbs; each gives the instructions to go on with, or None for the next verb. It is handed in so
    that every verb can live in a file of its own.
    """

    def __init__(self, call: SimCall, handlers: Mapping[str, Handler]) -> None:
        self.call = call
        self._handlers = handlers
        self._idle_documents = 0

    async def run(self, first: Instructions) -> None:
        """Follow instructions until the call is over."""
        following: Instructions | Document | None = first
        while following is not None:
            try:
                following = await self._follow(following)
            except Redirected as redirected:
                url = redirected.to.url if isinstance(redirected.to, Fetch) else ""
                self.call.emit(SimEventKind.REDIRECTED, f"redirected by the REST API {url}".rstrip(), url=url, by="api")
                following = redirected.to
            except Diverted as diverted:
                following = diverted.document
            except ApplicationError:
                await self._apologise()
                return
            except CallOver:
                return
        self.call.mark_answered()
        self.call.end(CallStatus.COMPLETED, "the instructions came to their end")

    async def load(self, instructions: Instructions) -> tuple[Document, bool]:
        """A document, and whether it is the fallback's; raises ApplicationError, and as `SimCall.race`."""
        self._idle_documents += 1
        if self._idle_documents > MAX_IDLE_DOCUMENTS:
            self.call.warn(f"{MAX_IDLE_DOCUMENTS} documents in a row took no time: this goes round in circles")
            raise ApplicationError
        if isinstance(instructions, Inline):
            return await self._parsed(instructions.twiml, "")
        copies = self.call.conversation.trouble.webhook_copies
        request = self.call.request(instructions.url, instructions.method, instructions.extra, copies=copies)
        try:
            reply = await self.call.race(request, let_finish=True)
        except WebhookError as error:
            return await self._fall_back(error), True
        try:
            return _document(self.call, reply), False
        except TwimlError as error:
            return await self._fall_back(WebhookError(error.code, reply.url, error.why)), True

    async def play(self, document: Document, allowed: frozenset[str] | None = None) -> Instructions | None:
        """Play the verbs in order until one leads elsewhere; with `allowed`, others are passed over with a warning."""
        for verb in document.verbs:
            handler = self._handlers.get(verb.name)
            if handler is None:
                self.call.warn(f"12200: <{verb.name}> is not a verb that is known here")
            elif allowed is not None and verb.name not in allowed:
                self.call.warn(f"12200: <{verb.name}> is not allowed here")
            else:
                self.check_attributes(verb)
                following = await handler(self, verb, document)
                self.call.check()
                if following is not None:
                    return following
        return None

    async def wait(self, seconds: float) -> None:
        """Let call time pass; raises as `SimCall.race`."""
        if seconds > 0:
            self.took_time()
        await self.call.wait(seconds)

    def took_time(self) -> None:
        """Something lasted: documents that lead to each other are no endless circle."""
        self._idle_documents = 0

    def speak(self, verb: Verb) -> Iterator[float]:
        """Utter a Say, Play or Pause: tells each repetition and gives how many seconds it lasts."""
        if verb.name == "Pause":
            seconds = self.number(verb, "length", 1, least=0)
            self.call.emit(SimEventKind.PAUSED, f"silence for {seconds} s", seconds=seconds)
            yield seconds
            return
        repetitions = self.number(verb, "loop", 1, least=0) or MAX_LOOPS
        for _ in range(repetitions):
            if verb.name == "Say":
                language = verb.attributes.get("language", "en-US")
                self.call.emit(
                    SimEventKind.SAID, f"hotline ({language}): {verb.text}", words=verb.text, language=language
                )
                yield speech_seconds(verb.text)
            elif digits := verb.attributes.get("digits"):
                self.call.emit(SimEventKind.PLAYED, f"hotline plays keys {digits}", digits=digits)
                yield len(digits) * 0.5
            else:
                self.call.emit(SimEventKind.PLAYED, f"hotline plays {verb.text}", url=verb.text)
                yield PLAY_SECONDS

    def number(self, verb: Verb, name: str, default: int, *, least: int = 1) -> int:
        """A whole-number attribute; what is none, or is less than `least`, is a warning and gives the default."""
        text = verb.attributes.get(name)
        if text is None:
            return default
        if text.strip().isdecimal() and int(text) >= least:
            return int(text)
        self.call.warn(f"12200: {name}={text!r} in <{verb.name}> is not a whole number from {least} up")
        return default

    def target(
        self, verb: Verb, document: Document, attribute: str, extra: tuple[tuple[str, str], ...]
    ) -> Fetch | None:
        """What an `action`-like attribute leads to, or None where it is not given."""
        url = verb.attributes.get(attribute)
        if url is None:
            return None
        return Fetch(resolve(document, url), self.method(verb), extra)

    def method(self, verb: Verb, name: str = "method") -> str:
        """A method attribute; what is neither GET nor POST is a warning and gives POST."""
        method = verb.attributes.get(name, "POST").upper()
        if method in ("GET", "POST"):
            return method
        self.call.warn(f"12200: {name}={method!r} in <{verb.name}> is neither GET nor POST")
        return "POST"

    def for_leg(self, leg: SimCall) -> "TwimlRun":
        """Another call following instructions with the same verbs."""
        return TwimlRun(leg, self._handlers)

    async def _follow(self, following: Instructions | Document) -> Instructions | Document | None:
        if not isinstance(following, Document):
            following, _ = await self.load(following)
        return await self.play(following)

    async def _parsed(self, twiml: str, url: str) -> tuple[Document, bool]:
        self.call.emit(SimEventKind.TWIML_RECEIVED, twiml, twiml=twiml, url=url)
        try:
            return parse(twiml, url), False
        except TwimlError as error:
            return await self._fall_back(WebhookError(error.code, url, error.why)), True

    async def _fall_back(self, error: WebhookError) -> Document:
        call = self.call
        call.emit(
            SimEventKind.FALLBACK, f"error {error}", error_code=str(error.code), error_url=error.url, why=error.why
        )
        if call.fallback is None:
            raise ApplicationError
        extra = pairs(("ErrorCode", error.code), ("ErrorUrl", error.url))
        try:
            reply = await call.race(call.request(call.fallback.url, call.fallback.method, extra), let_finish=True)
            return _document(call, reply)
        except WebhookError as second:
            call.warn(f"the fallback failed too: {second}")
        except TwimlError as second:
            call.warn(f"the fallback failed too: {second}")
        raise ApplicationError

    async def _apologise(self) -> None:
        call = self.call
        try:
            call.mark_answered()
            call.emit(
                SimEventKind.SAID, f"carrier (en-US): {APPLICATION_ERROR}", words=APPLICATION_ERROR, language="en-US"
            )
            await call.wait(speech_seconds(APPLICATION_ERROR))
        except (CallOver, Redirected):
            pass  # it ends here in any case
        call.end(CallStatus.COMPLETED, "application error")

    def check_attributes(self, verb: Verb) -> None:
        """Warn of attributes that Twilio does not know, or that are not played here."""
        for name in sorted(verb.attributes):
            if name not in ATTRIBUTES[verb.name]:
                self.call.warn(f"12200: <{verb.name}> has no attribute {name!r}")
            elif name in NOT_SIMULATED:
                self.call.warn(f"{name!r} of <{verb.name}> is not simulated")


def resolve(document: Document, url: str) -> str:
    """An absolute URL from what stands in `document`; what is no URL at all stays as it is and fails when asked."""
    try:
        return urljoin(document.url, url.strip())
    except ValueError:
        return url


def _document(call: SimCall, reply: Reply) -> Document:
    """What an answer says by its content type (https://www.twilio.com/docs/voice/twiml#twilios-request-to-your-application)."""
    if reply.content_type in ("text/xml", "application/xml", "text/html"):
        call.emit(SimEventKind.TWIML_RECEIVED, reply.body, twiml=reply.body, url=reply.url)
        return parse(reply.body, reply.url)
    if reply.content_type == "text/plain":
        return Document((Verb("Say", {}, reply.body.strip(), ()),), reply.url)
    if reply.content_type.startswith("audio/"):
        return Document((Verb("Play", {}, reply.url, ()),), reply.url)
    raise TwimlError(ERROR_CONTENT_TYPE, f"content type {reply.content_type or 'missing'!r} is not TwiML")
