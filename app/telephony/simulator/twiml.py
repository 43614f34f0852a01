"""Reads TwiML, Twilio's XML for what is to happen in a call (https://www.twilio.com/docs/voice/twiml).

Well-formedness and a `<Response>` at the root are required; anything unknown inside is a warning and is passed over,
which is what Twilio does too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

ERROR_NOT_WELL_FORMED = 12100
ERROR_WRONG_ROOT = 12102
ERROR_CONTENT_TYPE = 12300

MAX_DEPTH = 10  # verbs, nouns and speech marks go four deep

_CALLBACK = frozenset({"recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent"})
_STATUS = frozenset({"statusCallback", "statusCallbackMethod", "statusCallbackEvent"})
_AMD = frozenset(
    {
        "machineDetection",
        "machineDetectionTimeout",
        "machineDetectionSpeechThreshold",
        "machineDetectionSpeechEndThreshold",
        "machineDetectionSilenceTimeout",
        "amdStatusCallback",
        "amdStatusCallbackMethod",
    }
)

# The attributes that Twilio documents for each verb and noun that the simulator plays.
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "Say": frozenset({"voice", "language", "loop"}),
    "Play": frozenset({"loop", "digits"}),
    "Pause": frozenset({"length"}),
    "Gather": frozenset(
        {
            "action",
            "method",
            "input",
            "timeout",
            "finishOnKey",
            "numDigits",
            "actionOnEmptyResult",
            "language",
            "hints",
            "speechTimeout",
            "speechModel",
            "enhanced",
            "profanityFilter",
            "bargeIn",
            "partialResultCallback",
            "partialResultCallbackMethod",
            "debug",
        }
    ),
    "Dial": frozenset(
        {
            "action",
            "method",
            "timeout",
            "timeLimit",
            "callerId",
            "answerOnBridge",
            "hangupOnStar",
            "record",
            "recordingTrack",
            "trim",
            "ringTone",
            "referUrl",
            "referMethod",
            "sequential",
        }
    )
    | _CALLBACK,
    "Client": frozenset({"url", "method"}) | _STATUS,
    "Number": frozenset({"url", "method", "sendDigits", "byoc"}) | _STATUS | _AMD,
    "Enqueue": frozenset({"action", "method", "waitUrl", "waitUrlMethod", "maxQueueSize", "workflowSid"}),
    "Leave": frozenset(),
    "Record": frozenset(
        {
            "action",
            "method",
            "timeout",
            "finishOnKey",
            "maxLength",
            "playBeep",
            "trim",
            "transcribe",
            "transcribeCallback",
        }
    )
    | _CALLBACK,
    "Redirect": frozenset({"method"}),
    "Hangup": frozenset(),
    "Reject": frozenset({"reason"}),
}


# Of these the ones that the simulator does not play.
NOT_SIMULATED = frozenset({"hangupOnStar", "sequential", "referUrl", "url", "sendDigits", "transcribe"}) | (
    _AMD - {"machineDetection", "amdStatusCallback", "amdStatusCallbackMethod"}
)


class TwimlError(Exception):
    """A document that cannot be played; `code` is Twilio's error code."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Verb:
    """One element: a verb, or a noun within one. `text` has white space collapsed and includes that of children."""

    name: str
    attributes: Mapping[str, str]
    text: str
    children: tuple["Verb", ...]

    def flag(self, name: str) -> bool:
        """A true/false attribute; absent is false."""
        return self.attributes.get(name, "false").lower() == "true"


@dataclass(frozen=True, slots=True)
class Document:
    """The verbs of one `<Response>`, and the URL that it came from ("" where it came with a REST request)."""

    verbs: tuple[Verb, ...]
    url: str


def parse(twiml: str, url: str) -> Document:
    """Read one document; raises TwimlError.

    Document types are refused: TwiML has none, and entities are how XML is made to explode.
    """
    parser = XMLParser(target=_Builder())  # noqa: S314 - the builder refuses the document types that attacks need
    try:
        parser.feed(twiml)
        root = parser.close()
    except (ParseError, ValueError) as error:
        raise TwimlError(ERROR_NOT_WELL_FORMED, f"not well-formed: {error}") from error
    if root.tag != "Response":
        raise TwimlError(ERROR_WRONG_ROOT, f"the root is <{root.tag}>, not <Response>")
    return Document(tuple(_verb(child, depth=1) for child in root), url)


class _Builder(TreeBuilder):
    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise TwimlError(ERROR_NOT_WELL_FORMED, "a document type is not allowed")


def _verb(element: Element, depth: int) -> Verb:
    if depth > MAX_DEPTH:
        raise TwimlError(ERROR_NOT_WELL_FORMED, f"nested more than {MAX_DEPTH} deep")
    return Verb(
        name=element.tag,
        attributes=dict(element.attrib),
        text=" ".join("".join(element.itertext()).split()),
        children=tuple(_verb(child, depth + 1) for child in element),
    )
