"""Numbers by which a state knows a person or a company: one way to write them, and how they are hidden."""

import unicodedata

_SHOWN = 4


def national_id_form(text: str) -> str:
    """A national id as it is stored and compared: without spaces, in ordinary digits and capitals (`…123X`)."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split())


def mask_national_id(text: str | None) -> str | None:
    """The last four characters, the others as asterisks; None stays None."""
    if text is None or len(text) <= _SHOWN:
        return text and "*" * len(text)
    return "*" * (len(text) - _SHOWN) + text[-_SHOWN:]
