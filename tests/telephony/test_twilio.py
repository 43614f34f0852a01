"""What we ask of Twilio, as it arrives on the wire, and what its answers and its silences mean to us."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from urllib.parse import quote

import jwt
import pytest
import pytest_asyncio

from app.domain.call_states import CarrierStatus
from app.telephony.port import (
    Carrier,
    CarrierBusy,
    CarrierCall,
    CarrierRefused,
    CarrierUnknown,
    DialRequest,
)
from app.telephony.twilio import TwilioCarrier
from tests.telephony.twilio_api import CALL_PATH, CALLS_PATH, Reply, TwilioApi, call_json, error_json, page_json
from tests.telephony.twilio_forms import ACCOUNT_SID, CALL_SID, CHILD_CALL_SID

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "0123456789abcdef0123456789abcdef"
API_KEY, API_SECRET = "SK" + "4" * 32, "s" * 32
CREATED = datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)
DIAL = DialRequest(
    to="client:anna",
    from_="+864001234567",
    url="https://hotline.example/telephony/twilio/voice?callback=1&x=%2B",
    status_url="https://hotline.example/telephony/twilio/status",
    ring_seconds=25,
)


@pytest_asyncio.fixture(loop_scope="session")
async def api() -> AsyncIterator[TwilioApi]:
    async with TwilioApi().running() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def carrier(api: TwilioApi) -> AsyncIterator[Carrier]:
    built: Carrier = TwilioCarrier(account_sid=ACCOUNT_SID, auth_token=TOKEN, api_base_url=api.url)
    yield built
    await built.aclose()


async def test_dial(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(201, call_json()))
    assert await carrier.dial(DIAL) == CarrierCall(
        call_id=CALL_SID, to="client:anna", from_="+864001234567", status=CarrierStatus.QUEUED, created_at=CREATED
    )
    [request] = api.requests
    assert (request.method, request.target, request.user) == ("POST", CALLS_PATH, f"{ACCOUNT_SID}:{TOKEN}")
    assert sorted(request.form) == [
        ("From", "+864001234567"),
        ("Method", "POST"),
        ("StatusCallback", "https://hotline.example/telephony/twilio/status"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackMethod", "POST"),
        ("Timeout", "25"),
        ("To", "client:anna"),
        ("Url", "https://hotline.example/telephony/twilio/voice?callback=1&x=%2B"),
    ]
    assert api.hold_against_contract() == ["CreateCall"]


async def test_redirect(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(200, call_json(status="in-progress")))
    await carrier.redirect(CALL_SID, "https://hotline.example/telephony/twilio/voice?again=1")
    [request] = api.requests
    assert (request.method, request.target) == ("POST", CALL_PATH)
    assert sorted(request.form) == [
        ("Method", "POST"),
        ("Url", "https://hotline.example/telephony/twilio/voice?again=1"),
    ]
    assert api.hold_against_contract() == ["UpdateCall"]


async def test_hang_up(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(200, call_json(status="completed")))
    await carrier.hang_up(CALL_SID)
    [request] = api.requests
    assert (request.method, request.target, request.form) == ("POST", CALL_PATH, [("Status", "completed")])
    assert api.hold_against_contract() == ["UpdateCall"]


@pytest.mark.parametrize(
    "reply",
    [Reply(404, error_json(404, 20404)), Reply(400, error_json(400, 21220)), Reply(404, "<html>not JSON</html>")],
)
async def test_hanging_up_a_call_that_is_over_is_no_error(api: TwilioApi, carrier: Carrier, reply: Reply) -> None:
    api.will(reply)
    await carrier.hang_up(CALL_SID)
    assert len(api.requests) == 1


async def test_any_other_refusal_to_hang_up_is_one(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(401, error_json(401, 20003)))
    with pytest.raises(CarrierRefused) as refused:
        await carrier.hang_up(CALL_SID)
    assert refused.value.code == "20003"


async def test_redirecting_a_call_that_is_over_is_refused(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(400, error_json(400, 21220, "Call is not in-progress. Cannot redirect.")))
    with pytest.raises(CarrierRefused, match="Cannot redirect") as refused:
        await carrier.redirect(CALL_SID, "https://hotline.example/")
    assert refused.value.code == "21220"
    assert api.hold_against_contract() == ["UpdateCall"]


async def test_fetch(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(200, call_json(status="no-answer", date_created=None, to=None)))
    assert await carrier.fetch(CALL_SID) == CarrierCall(CALL_SID, "", "+864001234567", CarrierStatus.NO_ANSWER, None)
    assert [(r.method, r.target, r.form) for r in api.requests] == [("GET", CALL_PATH, [])]
    assert api.hold_against_contract() == ["FetchCall"]


async def test_list_calls_follows_the_pages_and_keeps_what_is_new_enough(api: TwilioApi, carrier: Carrier) -> None:
    second_page = f"{CALLS_PATH}?PageSize=100&Page=1&PageToken=PA{CALL_SID}"
    at = "Sat, 21 Nov 2026 {} +0000".format
    api.will(
        Reply(200, page_json(call_json(date_created=at("08:30:06")), next_page=second_page)),
        Reply(
            200,
            page_json(
                call_json(sid=CHILD_CALL_SID, date_created=at("08:30:05"), status="completed"),
                call_json(date_created=at("08:30:04")),
                call_json(date_created=None, status="ringing"),
            ),
        ),
    )
    shanghai = timezone(timedelta(hours=8))

    found = await carrier.list_calls(
        to="+8613812345678", started_after=datetime(2026, 11, 21, 16, 30, 5, 900, shanghai)
    )

    first, second = api.requests
    # A day in UTC: it is still the 20th there when the 21st begins in Shanghai, and the 21st at half past four.
    assert sorted(first.query) == [
        ("PageSize", "100"),
        ("StartTime>", "2026-11-21T00:00:00Z"),
        ("To", "+8613812345678"),
    ]
    assert (first.method, first.target.partition("?")[0]) == ("GET", CALLS_PATH)
    assert second.target == second_page
    assert [(call.call_id, call.status, call.created_at) for call in found] == [
        (CALL_SID, CarrierStatus.QUEUED, CREATED + timedelta(seconds=1)),
        (CHILD_CALL_SID, CarrierStatus.COMPLETED, CREATED),
        (CALL_SID, CarrierStatus.RINGING, None),
    ]
    assert api.hold_against_contract() == ["ListCall", "ListCall"]


async def test_list_calls_asks_for_the_day_in_utc(api: TwilioApi, carrier: Carrier) -> None:
    api.will(Reply(200, page_json()))
    shanghai = timezone(timedelta(hours=8))
    assert await carrier.list_calls(to="client:anna", started_after=datetime(2026, 11, 21, 3, 0, tzinfo=shanghai)) == []
    assert ("StartTime>", "2026-11-20T00:00:00Z") in api.requests[0].query


async def test_list_calls_wants_an_aware_time(api: TwilioApi, carrier: Carrier) -> None:
    with pytest.raises(ValueError, match="aware"):
        await carrier.list_calls(to="client:anna", started_after=datetime(2026, 11, 21))  # noqa: DTZ001  # that is the point
    assert api.requests == []


async def test_fault_20_too_many_requests(api: TwilioApi, carrier: Carrier) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    expected = {"7": (7, 7), in_a_minute: (50, 60), "Sat, 21 Nov 2020 08:30:05 GMT": (0, 0), "soon": None, "-1": None}
    for header, seconds in expected.items():
        api.will(Reply(429, error_json(429, 20429), {"Retry-After": header}))
        with pytest.raises(CarrierBusy) as busy:
            await carrier.dial(DIAL)
        if seconds is None:
            assert busy.value.retry_after is None, header
        else:
            assert busy.value.retry_after is not None, header
            assert seconds[0] <= busy.value.retry_after <= seconds[1], header
    api.will(Reply(429, ""))
    with pytest.raises(CarrierBusy) as busy:
        await carrier.list_calls(to="client:anna", started_after=CREATED)
    assert busy.value.retry_after is None
    assert len(api.requests) == len(expected) + 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(400, error_json(400, 21211, "Invalid 'To' Phone Number")), "21211"),
        (Reply(401, error_json(401, 20003)), "20003"),
        (Reply(403, {"message": "no code"}), "403"),
        (Reply(404, ["not", "an", "object"]), "404"),  # type: ignore[arg-type]  # that it is none is the point
        (Reply(404, "not JSON"), "404"),
    ],
)
async def test_what_twilio_refuses(api: TwilioApi, carrier: Carrier, reply: Reply, code: str) -> None:
    asks = [
        carrier.dial(DIAL),
        carrier.redirect(CALL_SID, "https://hotline.example/"),
        carrier.fetch(CALL_SID),
        carrier.list_calls(to="client:anna", started_after=CREATED),
    ]
    for ask in asks:
        api.will(reply)
        with pytest.raises(CarrierRefused) as refused:
            await ask
        assert refused.value.code == code
    assert len(api.requests) == len(asks)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, error_json(500, 20500)),
        Reply(502, "<html>bad gateway</html>"),
        Reply(503, "", {"Retry-After": "1"}),
        Reply(408, error_json(408, 20408)),
        Reply(307, "", {"Location": "/elsewhere"}),
        Reply(breaks=True),
        Reply(201, '{"sid": "CA', breaks=True),
        Reply(201, "not JSON"),
        Reply(201, ""),
        Reply(201, "[]"),
        Reply(201, "{}"),
        Reply(201, call_json(sid="CA1")),
        Reply(201, call_json(sid=7)),
        Reply(201, call_json(status="humming")),
        Reply(201, call_json(status=None)),
        Reply(201, call_json(date_created=7)),
    ],
)
async def test_fault_20_no_usable_answer_is_unknown_and_never_asked_again(
    api: TwilioApi, carrier: Carrier, reply: Reply
) -> None:
    api.will(reply, Reply(201, call_json()))
    with pytest.raises(CarrierUnknown):
        await carrier.dial(DIAL)
    assert len(api.requests) == 1


async def test_fault_20_silence_is_unknown_within_the_time_out(api: TwilioApi) -> None:
    carrier = TwilioCarrier(account_sid=ACCOUNT_SID, auth_token=TOKEN, api_base_url=api.url, timeout=0.1)
    api.will(Reply(hangs=True))
    begun = time.monotonic()
    with pytest.raises(CarrierUnknown, match=r"within 0\.1 s"):
        await carrier.dial(DIAL)
    assert 0.1 <= time.monotonic() - begun < 2
    assert len(api.requests) == 1
    await carrier.aclose()


async def test_fault_20_a_connection_lost_between_two_calls_is_not_dialled_twice(
    api: TwilioApi, carrier: Carrier
) -> None:
    api.will(Reply(201, call_json()), Reply(breaks=True), Reply(201, call_json()))
    await carrier.dial(DIAL)
    with pytest.raises(CarrierUnknown):
        await carrier.dial(DIAL)
    assert len(api.requests) == 2


async def test_nobody_there_is_unknown() -> None:
    async with TwilioApi().running() as gone:
        url = gone.url
    carrier = TwilioCarrier(account_sid=ACCOUNT_SID, auth_token=TOKEN, api_base_url=url)
    with pytest.raises(CarrierUnknown):
        await carrier.fetch(CALL_SID)
    await carrier.aclose()


async def test_an_unreadable_page_is_unknown(api: TwilioApi, carrier: Carrier) -> None:
    for body in ("[]", "{}", '{"calls": 7}', '{"calls": [{}], "page": 0}'):
        api.will(Reply(200, body))
        with pytest.raises(CarrierUnknown):
            await carrier.list_calls(to="client:anna", started_after=CREATED)


@pytest.mark.parametrize("call_id", ["", "../Accounts", CALL_SID + "/x", "CA1"])
async def test_only_a_call_id_becomes_part_of_an_address(api: TwilioApi, carrier: Carrier, call_id: str) -> None:
    for ask in (
        carrier.fetch(call_id),
        carrier.redirect(call_id, "https://hotline.example/"),
        carrier.hang_up(call_id),
    ):
        with pytest.raises(CarrierRefused):
            await ask
    assert api.requests == []


async def test_an_api_key_signs_in_and_a_path_goes_before_the_apis_own(api: TwilioApi) -> None:
    carrier = TwilioCarrier(
        account_sid=ACCOUNT_SID,
        auth_token=TOKEN,
        api_key=API_KEY,
        api_secret=API_SECRET,
        api_base_url=api.url + "/carrier/",
    )
    api.will(Reply(200, call_json()))
    await carrier.fetch(CALL_SID)
    assert [(r.target, r.user) for r in api.requests] == [("/carrier" + CALL_PATH, f"{API_KEY}:{API_SECRET}")]
    assert carrier.name == "twilio"
    await carrier.aclose()


async def test_the_environment_gives_no_credentials_and_no_other_host(
    api: TwilioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_REGION", "TWILIO_EDGE"):
        monkeypatch.setenv(name, "from-the-environment")
    carrier = TwilioCarrier(account_sid=ACCOUNT_SID, api_base_url=api.url)
    with pytest.raises(CarrierRefused, match="TWILIO_AUTH_TOKEN"):
        await carrier.fetch(CALL_SID)
    assert api.requests == []
    await carrier.aclose()


async def test_numbers_stay_out_of_the_log(api: TwilioApi, carrier: Carrier, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="app")
    caplog.set_level("DEBUG", logger="twilio")
    api.will(Reply(200, page_json()), Reply(201, call_json()))
    await carrier.list_calls(to="+8613812345678", started_after=CREATED)
    await carrier.dial(DIAL)
    assert not [r for r in caplog.records if "13812345678" in r.getMessage() or quote("+86") in r.getMessage()]


@pytest.mark.parametrize(
    "arguments", [{"api_base_url": "api.twilio.com"}, {"api_base_url": "ftp://x"}, {"timeout": 0.0}]
)
async def test_a_carrier_that_cannot_work_is_not_built(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"address|positive"):
        TwilioCarrier(account_sid=ACCOUNT_SID, auth_token=TOKEN, **arguments)  # type: ignore[arg-type]  # mixed on purpose


async def test_voice_token() -> None:
    carrier = TwilioCarrier(
        account_sid=ACCOUNT_SID, api_key=API_KEY, api_secret=API_SECRET, outgoing_application_sid="AP" + "5" * 32
    )
    token = carrier.voice_token("anna", seconds=600)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "cty": "twilio-fpa;v=1", "typ": "JWT"}
    claims = jwt.decode(token, API_SECRET, algorithms=["HS256"])
    assert (claims["iss"], claims["sub"]) == (API_KEY, ACCOUNT_SID)
    assert claims["exp"] - claims["nbf"] in (600, 601)
    assert claims["grants"] == {
        "identity": "anna",
        "voice": {"incoming": {"allow": True}, "outgoing": {"application_sid": "AP" + "5" * 32}},
    }
    await carrier.aclose()


async def test_a_voice_token_for_incoming_calls_only() -> None:
    carrier = TwilioCarrier(account_sid=ACCOUNT_SID, api_key=API_KEY, api_secret=API_SECRET)
    claims = jwt.decode(carrier.voice_token("anna", seconds=1), API_SECRET, algorithms=["HS256"])
    assert claims["grants"]["voice"] == {"incoming": {"allow": True}}
    for identity, seconds in (("", 600), ("anna", 0), ("anna", 86_401)):
        with pytest.raises(ValueError, match="seconds"):
            carrier.voice_token(identity, seconds=seconds)
    await carrier.aclose()


async def test_a_voice_token_needs_an_api_key(carrier: Carrier) -> None:
    with pytest.raises(CarrierRefused, match="TWILIO_API_KEY"):
        carrier.voice_token("anna", seconds=600)
