"""The signature check agrees with Twilio's own validator, and knows no address but the configured one."""

from hashlib import sha256
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator, add_port, remove_port, urlparse

from app.telephony.twilio_form import FormFields, parse_form
from app.telephony.twilio_signature import SignatureChecker
from tests.telephony.twilio_forms import VOICE

TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_URL = "https://hotline.example"
PATH = "/telephony/twilio/voice"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = st.sampled_from(["From", "To", "Digits", "a", "A", "", "名"]) | TEXT
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["", "1", "+86", "鲁先生", "😀"]) | TEXT), max_size=8)
BASES = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["https", "http", "HTTPS"]),
    st.sampled_from(["hotline.example", "Hotline.Example", "10.0.0.7"]),
    st.sampled_from(["", ":443", ":80", ":8443", ":8000"]),
    st.sampled_from(["", "/", "/callcard", "/callcard/"]),
)
TARGETS = st.sampled_from(["/", PATH, PATH + "/", "//", "/%E9%B2%81", "/a;b", "/a;"]).flatmap(
    lambda path: st.sampled_from(["", "?", "?a=1&a=&b", "?reason=closed", "?u=%2B86+1", "?a#b", "#"]).map(path.__add__)
)


def checker(*tokens: str, url: str = PUBLIC_URL) -> SignatureChecker:
    return SignatureChecker(tokens or TOKEN, url)


def sign(target: str, fields: list[tuple[str, str]], *, token: str = TOKEN, url: str = PUBLIC_URL) -> str:
    return str(RequestValidator(token).compute_signature(url + target, FormFields(fields)))


@given(base=BASES, target=TARGETS, fields=FIELDS, data=st.data())
@settings(deadline=None, max_examples=400)
def test_agrees_with_twilios_validator(
    base: str, target: str, fields: list[tuple[str, str]], data: st.DataObject
) -> None:
    theirs = RequestValidator(TOKEN)
    form = parse_form(urlencode(fields).encode())
    url = base.rstrip("/") + target
    signed_url = data.draw(
        st.sampled_from([url, remove_port(urlparse(url)), add_port(urlparse(url)), url + "/", url.lower(), url[:-1]])
    )
    signed_fields = data.draw(st.sampled_from([fields, fields[1:], fields + fields, [*fields, ("x", "")]]))
    signature = data.draw(
        st.just(theirs.compute_signature(signed_url, FormFields(signed_fields)))
        | st.just(RequestValidator("another").compute_signature(url, form))
        | TEXT
    )

    ours = SignatureChecker(TOKEN, base).valid(target, form, signature)

    assert ours == theirs.validate(url, form, signature)


@given(base=BASES, target=TARGETS.filter(lambda t: "#" not in t), fields=FIELDS)
@settings(deadline=None)
def test_accepts_what_was_signed_with_and_without_port(base: str, target: str, fields: list[tuple[str, str]]) -> None:
    parsed = urlparse(base.rstrip("/") + target)
    form = parse_form(urlencode(fields).encode())
    for url in (add_port(parsed), remove_port(parsed)):
        signature = RequestValidator(TOKEN).compute_signature(url, form)
        assert SignatureChecker(TOKEN, base).valid(target, form, signature)


def test_the_example_of_twilios_documentation() -> None:
    fields = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    mycompany = SignatureChecker("12345", "https://mycompany.com")
    assert mycompany.valid("/myapp.php?foo=1&bar=2", FormFields(fields), "RSOYDt4T1cUTdK1PDd93/VVr8B8=")


def test_fault_01_missing_and_forged_signatures() -> None:
    form = FormFields(VOICE)
    right = sign(PATH, VOICE)
    assert checker().valid(PATH, form, right)
    for wrong in (None, "", " ", right[:-1], right + "=", right.swapcase(), "é" * 28, "\udce9", "A" * 10_000):
        assert not checker().valid(PATH, form, wrong)
    assert not checker().valid(PATH, form, sign(PATH, VOICE, token="f" * 32))
    assert not checker().valid(PATH + "?x=1", form, right)
    assert not checker().valid(PATH.lstrip("/"), form, sign(PATH.lstrip("/"), VOICE))


@pytest.mark.parametrize("index", range(len(VOICE)))
def test_fault_01_every_field_is_covered(index: int) -> None:
    name, value = VOICE[index]
    right = sign(PATH, VOICE)
    assert not checker().valid(PATH, FormFields([*VOICE[:index], (name, value + "1"), *VOICE[index + 1 :]]), right)
    if value:
        assert not checker().valid(PATH, FormFields([*VOICE[:index], *VOICE[index + 1 :]]), right)


def test_fault_02_only_the_configured_address_counts() -> None:
    form = FormFields(VOICE)
    for elsewhere in (
        "https://evil.example",
        "http://hotline.example",
        "https://HOTLINE.example",
        "https://hotline.example:8443",
    ):
        assert not checker().valid(PATH, form, sign(PATH, VOICE, url=elsewhere))
    assert checker().valid(PATH, form, sign(PATH, VOICE, url="https://hotline.example:443"))


def test_fault_03_repeated_blank_and_many_fields() -> None:
    fields = [("b", "2"), ("b", ""), ("a", ""), ("b", "2"), ("名", "😀"), *((f"f{n}", str(n)) for n in range(900))]
    form = parse_form(urlencode(fields).encode())
    assert checker().valid(PATH, form, sign(PATH, fields))
    assert checker().valid(PATH, form, sign(PATH, list(reversed(fields))))
    assert not checker().valid(PATH, form, sign(PATH, fields[1:2] + fields[4:]))


@pytest.mark.parametrize("body", [b"{}", b"", '{"name": "鲁"}'.encode()])
def test_fault_04_a_json_body_is_held_against_its_hash(body: bytes) -> None:
    target = f"{PATH}?a=1&bodySHA256={sha256(body).hexdigest()}"
    signature = sign(target, [])
    assert RequestValidator(TOKEN).validate(PUBLIC_URL + target, body.decode(), signature)
    assert checker().valid_json(target, body, signature)
    assert not RequestValidator(TOKEN).validate(PUBLIC_URL + target, body.decode() + " ", signature)
    assert not checker().valid_json(target, body + b" ", signature)
    assert not checker().valid_json(target, body, None)
    assert not checker().valid_json(target, body, sign(target, [], token="f" * 32))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?bodySHA256=",
        "?bodySHA256=" + "0" * 64,
        "?bodysha256=" + sha256(b"{}").hexdigest(),
        "?bodySHA256=" + quote("é"),
    ],
)
def test_fault_04_no_hash_or_a_wrong_one(query: str) -> None:
    assert not checker().valid_json(PATH + query, b"{}", sign(PATH + query, []))


def test_fault_04_the_hash_of_another_body_signed_for_this_one() -> None:
    hashed = f"?bodySHA256={sha256(b'{}').hexdigest()}"
    assert not checker().valid_json(PATH + hashed, b"{}", sign(PATH, []))


def test_two_tokens_during_a_rotation() -> None:
    old, new = "a" * 32, "b" * 32
    form = FormFields(VOICE)
    both = checker(old, new)
    assert both.valid(PATH, form, sign(PATH, VOICE, token=old))
    assert both.valid(PATH, form, sign(PATH, VOICE, token=new))
    assert not both.valid(PATH, form, sign(PATH, VOICE, token="c" * 32))
    # A token given as plain text is one token, not one for each letter.
    assert not SignatureChecker("ab", PUBLIC_URL).valid(PATH, form, sign(PATH, VOICE, token="a"))


@pytest.mark.parametrize("tokens", ["", " ", (), ("",), (TOKEN, "")])
def test_no_token_is_no_checker(tokens: str | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="token"):
        SignatureChecker(tokens, PUBLIC_URL)


@pytest.mark.parametrize(
    "url", ["", "hotline.example", "ftp://hotline.example", "https://", "https://h.example?a=1", "https://h.example:0"]
)
def test_an_address_that_cannot_be_called(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        SignatureChecker(TOKEN, url)
