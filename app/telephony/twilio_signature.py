"""Twilio's request signature, checked as its own package checks it, at a fraction of the cost.

The rule is https://www.twilio.com/docs/usage/security#validating-requests; the reference is
`twilio.request_validator.RequestValidator.validate`, and the tests hold this module against it. What is ours: the
address is never taken from a request's headers, the comparison is constant-time, a missing signature is false rather
than a TypeError, and several tokens may be valid while one replaces another.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qs, urlparse, urlsplit

from twilio.request_validator import add_port, remove_port

from app.telephony.twilio_form import FormFields

SIGNATURE_HEADER = "X-Twilio-Signature"


class SignatureChecker:
    """Tells Twilio's requests from everybody else's.

    Args:
        auth_tokens: the account's auth token, or all that are valid now (primary and secondary during a rotation).
        public_url: where Twilio finds us, as configured there: `https://host[:port][/path]`. Requests are checked
            against this address and their raw path and query; no Host, Forwarded or X-Forwarded-* header counts.

    Raises:
        ValueError: a token is empty, or the address is not an http(s) address without query and fragment.
    """

    def __init__(self, auth_tokens: str | Iterable[str], public_url: str) -> None:
        tokens = (auth_tokens,) if isinstance(auth_tokens, str) else tuple(auth_tokens)
        if not tokens or not all(token.strip() for token in tokens):
            raise ValueError("An auth token is missing or empty: anybody could sign with it.")
        parts = urlsplit(public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"Not an address that Twilio could call: {public_url!r}")
        if parts.query or parts.fragment:
            raise ValueError(f"An address with a query or a fragment, after which no path can follow: {public_url!r}")
        self._keys = tuple(token.encode("utf-8") for token in tokens)
        self._base = public_url.rstrip("/")

    def valid(self, path_and_query: str, form: FormFields, signature: str | None) -> bool:
        """Whether a form post was signed by Twilio.

        Args:
            path_and_query: the request's target exactly as received, still percent-encoded.
            form: its fields; none for a GET, whose parameters are in the query.
            signature: the X-Twilio-Signature header; None where there was none.
        """
        # Names in order, each one's values in order and once: that is the order of the distinct pairs.
        fields = "".join([name + value for name, value in sorted(set(form.pairs))])
        return self._signed(path_and_query, fields.encode("utf-8", "surrogatepass"), signature)

    def valid_json(self, path_and_query: str, body: bytes, signature: str | None) -> bool:
        """Whether a JSON post was signed by Twilio: it signs the address only, whose query holds the body's SHA-256."""
        hashes = parse_qs(urlsplit(path_and_query).query).get("bodySHA256")
        if not hashes:
            return False
        same_body = hmac.compare_digest(sha256(body).hexdigest().encode(), hashes[0].encode("utf-8", "surrogatepass"))
        return self._signed(path_and_query, b"", signature) and same_body

    def _signed(self, path_and_query: str, fields: bytes, signature: str | None) -> bool:
        if not signature or not path_and_query.startswith("/"):
            return False
        given = signature.encode("utf-8", "surrogatepass")
        # Twilio's back ends do not agree on whether the port belongs to the address, so both ways are right.
        for url in _with_and_without_port(self._base + path_and_query):
            for key in self._keys:
                if hmac.compare_digest(b2a_base64(hmac.digest(key, url + fields, "sha1"), newline=False), given):
                    return True
        return False


# A handful of addresses is ever right; the cache is small so that wrong ones cannot fill the memory.
@lru_cache(maxsize=64)
def _with_and_without_port(url: str) -> tuple[bytes, bytes]:
    parsed = urlparse(url)
    return (
        remove_port(parsed).encode("utf-8", "surrogatepass"),
        add_port(parsed).encode("utf-8", "surrogatepass"),
    )
