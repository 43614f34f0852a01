"""The signature that Twilio puts on its requests (https://www.twilio.com/docs/usage/security#validating-requests)."""

from collections.abc import Sequence

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator


def sign(auth_token: str, url: str, params: Sequence[tuple[str, str]]) -> str:
    """The `X-Twilio-Signature` of a form request to `url` (query string included), by Twilio's own library.

    `params` are the body's pairs in any order, blank and repeated ones too; empty for a GET.
    """
    signature: str = RequestValidator(auth_token).compute_signature(url, ImmutableMultiDict(list(params)))
    return signature
