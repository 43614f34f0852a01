"""What is said of a customer and of contacts with them where there are only a few answers."""

from enum import StrEnum
from typing import Final

MOST_PHONES: Final = 20
"""So many numbers one customer may have."""


class CustomerKind(StrEnum):
    """A person or a company."""

    PERSON = "person"
    COMPANY = "company"


class Gender(StrEnum):
    """As the sources say it; decides Mr or Ms when nobody has said how to address the customer."""

    MALE = "male"
    FEMALE = "female"
    UNKNOWN = "unknown"


class MaritalStatus(StrEnum):
    """As the customer or a source says it."""

    SINGLE = "single"
    MARRIED = "married"
    DIVORCED = "divorced"
    WIDOWED = "widowed"


class Channel(StrEnum):
    """How a contact came about."""

    CALL = "call"
    EMAIL = "email"
    SMS = "sms"
    FAX = "fax"
    CHAT = "chat"
    VISIT = "visit"
    WEB = "web"


class Direction(StrEnum):
    """Who began it: the customer (inbound) or we."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
