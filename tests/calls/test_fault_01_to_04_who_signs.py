"""Only the carrier is listened to: forged, spoofed, odd and oversized requests."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from app.telephony.simulator import Trouble
from tests.calls.carrier import AUTH_TOKEN, FORM, PUBLIC_URL, Wire, call_sid, leg_status, status, verbs, voice
from tests.calls.conftest import Hotline, MakeHotline, value_of
from tests.support import Serve

REJECTED = "callcard_rejected_signatures_total"
ROUTES = ["voice", "dial-result", "wait", "voicemail", "recording", "status", "fallback"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("forged", [None, "bm90IGEgc2lnbmF0dXJl", "ÿ"], ids=["missing", "made up", "no ASCII"])
async def test_fault_01_a_forged_or_missing_signature_leaves_no_row(
    standing: Hotline, route: str, forged: str | None
) -> None:
    before, rejected = await standing.counts(), value_of(REJECTED)
    headers = {} if forged is None else {"X-Twilio-Signature": forged}

    answer = await standing.wire.http.post(
        f"{standing.served.url}/telephony/twilio/{route}",
        content=urlencode(voice(call_sid())).encode(),
        headers=[(b"content-type", FORM.encode()), *((k.encode(), v.encode("latin-1")) for k, v in headers.items())],
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert value_of(REJECTED) == rejected + 1
    assert await standing.counts() == before


@pytest.mark.parametrize(
    ("token", "path", "form"),
    [
        ("another token, as long as it is", "voice", {}),
        (AUTH_TOKEN, "status", {}),
        (AUTH_TOKEN, "voice", {"From": "+8613900139000"}),
        (AUTH_TOKEN, "voice", {"Injected": ""}),
    ],
    ids=["other account's token", "other route's signature", "changed after signing", "field added after signing"],
)
async def test_fault_01_a_signature_that_is_not_for_this_request(
    standing: Hotline, token: str, path: str, form: dict[str, str]
) -> None:
    before, rejected = await standing.counts(), value_of(REJECTED)
    signed = voice(call_sid())
    async with Wire(standing.served.url, token=token) as forger:
        signature = forger.signature(f"/telephony/twilio/{path}", signed)
        answer = await forger.post("voice", [*dict(signed, **form).items()], signature=signature)

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert value_of(REJECTED) == rejected + 1
    assert await standing.counts() == before


SPOOFED = [
    {"X-Forwarded-Host": "attacker.example"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "80"},
    {"Forwarded": 'host="attacker.example";proto=http'},
    {"Host": "attacker.example"},
    {"X-Original-URL": "/telephony/twilio/status", "X-Forwarded-Prefix": "/attacker"},
]


@pytest.mark.parametrize("headers", SPOOFED, ids=lambda headers: next(iter(headers)))
async def test_fault_02_what_a_proxy_or_an_attacker_adds_does_not_spoil_a_right_signature(
    standing: Hotline, headers: dict[str, str]
) -> None:
    sid = call_sid()

    twiml = await standing.wire.twiml("voice", voice(sid), headers=headers)

    assert (await standing.call_row(sid))["state"] == "waiting"
    # Where the carrier is to ask next is the configured address as well.
    assert f"{PUBLIC_URL}/telephony/twilio/wait" in twiml
    assert "attacker" not in twiml


@pytest.mark.parametrize("headers", SPOOFED, ids=lambda headers: next(iter(headers)))
@pytest.mark.parametrize(
    "signed_for", ["https://attacker.example", "http://hotline.example", "https://attacker.example/attacker"]
)
async def test_fault_02_a_signature_for_the_address_that_headers_claim_is_refused(
    standing: Hotline, signed_for: str, headers: dict[str, str]
) -> None:
    before = await standing.counts()
    async with Wire(standing.served.url, public_url=signed_for) as forger:
        answer = await forger.post("voice", voice(call_sid()), headers=headers)

    assert answer.status_code == 403
    assert await standing.counts() == before


async def test_fault_02_the_carriers_own_spoofed_headers_do_no_harm_to_a_whole_call(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(line={"trouble": Trouble(spoof_forwarded=True), "default_agent": "answer after 1s"})
    desk = await hotline.desk()

    call = await hotline.line.call("+8613800138000", "+862155501000", script="hang up when answered after 5s")

    await desk.until("call.ended")
    assert (await call.finished()).data["status"] == "completed"
    assert (await hotline.call_row(call.sid))["state"] == "completed"


ODD_FIELDS: dict[str, list[tuple[str, str]]] = {
    "blank": [("CallerCity", ""), ("CallerZip", ""), ("", "no name"), ("Blank", "")],
    "repeated": [("AddOn", "b"), ("AddOn", "a"), ("AddOn", "b"), ("addon", "z")],
    "utf-8": [("CallerName", "鲁先生 🧊"), ("CallerCity", "Łódź"), ("地区", "上海市")],
    "separators": [("Tricky", "a=b&c;d+e %2B%zz"), ("Tri&cky=", "+"), ("Lines", "one\r\ntwo\0three")],
    "very many": [(f"SipHeader_X-{n}", str(n)) for n in range(900)],
    "very long": [("SpeechResult", "长" * 20_000)],
}


@pytest.mark.parametrize("odd", ODD_FIELDS.values(), ids=ODD_FIELDS)
async def test_fault_03_odd_parameters_with_a_right_signature_are_accepted(
    standing: Hotline, odd: list[tuple[str, str]]
) -> None:
    sid = call_sid()

    assert "Gather" in verbs(await standing.wire.twiml("voice", [*voice(sid), *odd]))

    kept = await standing.one("SELECT params FROM carrier_events WHERE provider_call_id = :sid", sid=sid)
    name, value = odd[-1]
    assert kept["params"][name.replace("\0", "")[:200]] == value.replace("\0", "")[:2000]
    assert "\0" not in json.dumps(kept["params"], ensure_ascii=False)


@pytest.mark.parametrize(
    ("form", "answered"),
    [
        ([("a", "b")] * 1001, (400, "too_many_fields")),
        ([(f"n{n}", "") for n in range(10_000)], (400, "too_many_fields")),
        ([("Pad", "x" * (1024 * 1024))], (413, "too_large")),
    ],
    ids=["1,001 fields + our own", "10,000 fields", "1 MB"],
)
async def test_fault_03_more_than_any_carrier_sends_is_refused_though_rightly_signed(
    standing: Hotline, form: list[tuple[str, str]], answered: tuple[int, str]
) -> None:
    before = await standing.counts()

    form = [*voice(call_sid()), *form]
    # As the carrier signs (https://www.twilio.com/docs/usage/security); its own package takes seconds for so many.
    signed = PUBLIC_URL + "/telephony/twilio/voice" + "".join(name + value for name, value in sorted(set(form)))
    signature = b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), "sha1")).decode()

    answer = await standing.wire.post("voice", form, signature=signature)

    assert (answer.status_code, answer.json()["code"]) == answered
    assert answer.headers["content-type"] == "application/problem+json"
    assert await standing.counts() == before


async def test_fault_03_a_body_of_untold_length_is_cut_off_too(standing: Hotline) -> None:
    async def long_body() -> AsyncIterator[bytes]:
        for _ in range(16):
            yield b"a" * 64 * 1024

    answer = await standing.wire.http.post(
        f"{standing.served.url}/telephony/twilio/voice", content=long_body(), headers={"Content-Type": FORM}
    )

    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/json", "application/xml", "", "x" * 900],
)
async def test_fault_03_a_wrong_content_type_is_refused(standing: Hotline, content_type: str) -> None:
    before, rejected = await standing.counts(), value_of(REJECTED)

    answer = await standing.wire.post("voice", voice(call_sid()), headers={"Content-Type": content_type})

    assert answer.status_code == 403
    assert value_of(REJECTED) == rejected + 1
    assert await standing.counts() == before


@pytest.mark.parametrize(
    "sid", ["", "CA123", "CA" + "g" * 32, "CA" + "1" * 33, "MZ" + "1" * 32, "'; DROP TABLE calls; --"]
)
@pytest.mark.parametrize("route", ["voice", "status"])
async def test_fault_03_a_signed_request_without_a_usable_call_id(standing: Hotline, route: str, sid: str) -> None:
    before = await standing.counts()

    answer = await standing.wire.post(route, voice(sid))

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_call_sid")
    assert await standing.counts() == before


@pytest.mark.parametrize("hashed", [b'{"CallSid": "another"}', b"", None], ids=["another body", "no body", "none"])
async def test_fault_04_json_with_a_wrong_body_hash_is_refused(standing: Hotline, hashed: bytes | None) -> None:
    before, rejected = await standing.counts(), value_of(REJECTED)
    query = "" if hashed is None else f"?bodySHA256={hashlib.sha256(hashed).hexdigest()}"

    answer = await standing.wire.post(
        f"status{query}",
        [],
        signature=standing.wire.signature(f"/telephony/twilio/status{query}", []),
        headers={"Content-Type": "application/json"},
        body=b'{"CallSid": "CA00000000000000000000000000000000"}',
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert value_of(REJECTED) == rejected + 1
    assert await standing.counts() == before


async def test_fault_04_json_with_its_own_hash_is_the_carriers_but_no_form(standing: Hotline) -> None:
    body = json.dumps({"CallSid": call_sid()}).encode()
    route = f"status?bodySHA256={hashlib.sha256(body).hexdigest()}"
    before, rejected = await standing.counts(), value_of(REJECTED)

    answer = await standing.wire.post(
        route,
        [],
        signature=standing.wire.signature(f"/telephony/twilio/{route}", []),
        headers={"Content-Type": "application/json"},
        body=body,
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "not_a_form")
    assert value_of(REJECTED) == rejected
    assert await standing.counts() == before


async def test_fault_01_without_a_token_the_routes_are_off_and_the_log_says_so(
    serve: Serve, logged: list[dict[str, Any]]
) -> None:
    served = await serve()

    async with Wire(served.url) as wire:
        answers = [await wire.post(route, voice(call_sid())) for route in ROUTES]

    assert [answer.status_code for answer in answers] == [404] * len(ROUTES)
    said = [line for line in logged if "TWILIO_AUTH_TOKEN" in line["event"]]
    assert [line["log_level"] for line in said] == ["warning"]


async def test_fault_01_both_tokens_count_while_one_replaces_the_other(make_hotline: MakeHotline) -> None:
    hotline = await make_hotline(twilio_auth_token=f"the-new-one-of-a-rotation,{AUTH_TOKEN}")
    async with Wire(hotline.served.url, token="the-new-one-of-a-rotation") as renewed:
        sid = call_sid()
        assert verbs(await renewed.twiml("voice", voice(sid))) == verbs(await hotline.wire.twiml("voice", voice(sid)))
        await renewed.tell(status(sid, "completed", 0))
        await hotline.wire.tell(leg_status(call_sid(), sid, "nobody", "completed", 3))
    assert (await hotline.call_row(sid))["ended_at"] is not None
