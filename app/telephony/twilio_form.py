"""The form that Twilio posts, parsed once, lean: every webhook passes through here before anything else happens."""

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, unquote_to_bytes

from app.errors import BadRequest

MAX_BODY_BYTES = 256 * 1024
"""The largest body worth reading; whoever reads it answers 413 beyond. Twilio's own forms have about 1 KB."""

MAX_FIELDS = 1000
"""The most fields a form may have. Twilio's own have about 20, with SIP headers and add-ons perhaps 100."""


class TooManyFields(BadRequest):
    """The form has more fields than any carrier sends."""

    code = "too_many_fields"
    title = "Too many form fields"


class FormFields:
    """The fields of a form, in the order in which they came, repeated names included.

    Also the kind of multi-dict that `twilio.request_validator.RequestValidator` reads (`iter` and `getall`).

    Attributes:
        pairs: (name, value) of every field.
        last: for each name its last value.
    """

    __slots__ = ("last", "pairs")

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = pairs
        self.last = dict(pairs)

    def getall(self, name: str) -> list[str]:
        """Every value of `name` in order; none where there is no such field."""
        return [value for field, value in self.pairs if field == name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.last)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        # Names only: the values are telephone numbers and people's names, which do not belong in a log.
        return f"FormFields({list(self.last)})"


def parse_form(body: bytes, *, max_fields: int = MAX_FIELDS) -> FormFields:
    """Parse an `application/x-www-form-urlencoded` body.

    The same fields as `urllib.parse.parse_qsl(body, keep_blank_values=True, errors="replace")`: blank values are kept
    (Twilio signs them), bytes that are not UTF-8 become U+FFFD, nothing but the number of fields is refused.

    Raises:
        TooManyFields: there are more than `max_fields` fields (→ 400).
    """
    if body.count(b"&") >= max_fields:
        raise TooManyFields(f"A form may have at most {max_fields} fields.")
    if not body.isascii():
        text = body.decode("utf-8", "replace")
        return FormFields(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))
    pairs = []
    # "%2B" goes with the plus signs, in one sweep: it is in every number and often the only escape in its field.
    # A "+" cannot become part of another escape, so unquoting the rest afterwards gives the same.
    for field in body.decode("ascii").replace("+", " ").replace("%2B", "+").split("&"):
        if field:
            name, _, value = field.partition("=")
            if "%" in field:
                name = unquote_to_bytes(name).decode("utf-8", "replace")
                value = unquote_to_bytes(value).decode("utf-8", "replace")
            pairs.append((name, value))
    return FormFields(pairs)
