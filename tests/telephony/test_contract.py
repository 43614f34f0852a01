"""The contract helper itself: it accepts what Twilio's description gives as examples and refuses what is wrong."""

from collections import Counter

import pytest

from tests.telephony.contract import (
    ContractViolation,
    check_request,
    check_response,
    described_examples,
    requires_contract,
)

pytestmark = requires_contract

ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
ONE_CALL = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
DIAL = [("To", "client:anna"), ("From", "+8613800000000"), ("Url", "https://hotline.example/voice")]

# Two properties of which the description's schema says one thing and its own examples another: a price given as text
# where a number is declared, and a reason that is null without being nullable.
CONTRADICTS_ITSELF = ("price: '-0.0025' is not of type", "reason_conference_ended: None is not ")


def test_accepts_every_example_of_the_description() -> None:
    checked: Counter[str] = Counter()
    for method, path, status, body in described_examples():
        try:
            checked[check_response(method, path, status, body)] += 1
        except ContractViolation as violation:
            unexpected = [p for p in violation.problems if not any(known in p for known in CONTRADICTS_ITSELF)]
            assert unexpected == []
    assert checked["CreateCall"] == 2
    assert checked["UpdateCall"] == 4
    assert checked["ListCall"] == 5
    assert sum(checked.values()) > 60


def test_accepts_right_requests() -> None:
    events = [("StatusCallbackEvent", "ringing"), ("StatusCallbackEvent", "completed")]
    assert check_request("POST", CALLS, [*DIAL, *events, ("Timeout", "20"), ("Record", "true")]) == "CreateCall"
    assert check_request("POST", ONE_CALL, [("Status", "completed")]) == "UpdateCall"
    assert check_request("GET", f"{CALLS}?To=%2B86&StartTime%3E=2026-11-21T00:00:00Z&PageSize=50", []) == "ListCall"
    assert check_request("GET", ONE_CALL, []) == "FetchCall"


@pytest.mark.parametrize(
    ("method", "path", "form", "problem"),
    [
        ("POST", CALLS, DIAL[1:], "form To: required and not there"),
        ("POST", CALLS, [*DIAL, ("To", "client:bert")], "form To: given 2 times"),
        ("POST", CALLS, [*DIAL, ("Ring", "1")], "form Ring: not described"),
        ("POST", CALLS, [*DIAL, ("Timeout", "soon")], "form Timeout: 'soon' is not of type 'integer'"),
        ("POST", CALLS, [*DIAL, ("Record", "yes")], "form Record: 'yes' is not of type 'boolean'"),
        ("POST", CALLS, [*DIAL, ("Method", "PUT")], "form Method: 'PUT' is not one of"),
        ("POST", CALLS, [*DIAL, ("StatusCallback", "/status")], "is not an absolute http(s) URL"),
        ("POST", ONE_CALL, [("Status", "in-progress")], "form Status: 'in-progress' is not one of"),
        ("GET", f"{CALLS}?PageSize=5000", [], "query PageSize: 5000 is greater"),
        ("GET", f"{CALLS}?StartTime%3E=yesterday", [], "query StartTime>: 'yesterday' is not a 'date-time'"),
        ("GET", CALLS, [("To", "+86")], "ListCall takes no body"),
        ("GET", CALLS.replace(ACCOUNT, "AC1"), [], "path AccountSid"),
        ("PUT", CALLS, [], "has no PUT"),
        ("GET", "/2010-04-01/Nothing.json", [], "no such path is described"),
    ],
)
def test_refuses_wrong_requests(method: str, path: str, form: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(ContractViolation) as refused:
        check_request(method, path, form)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, {"sid": CALL}, "status 200 is not among ['201']"),
        (201, None, "None is not of type 'object'"),
        (201, {"sid": "CA1"}, "sid: 'CA1'"),
        (201, {"sid": CALL, "status": "initiated"}, "status: 'initiated' is not one of"),
        (201, {"sid": CALL, "date_created": "2026-11-21T00:00:00Z"}, "is not a 'date-time-rfc-2822'"),
        (201, {"sid": CALL, "mood": "good"}, "'mood' was unexpected"),
        (400, {"message": "no"}, "'status' is a required property"),
        (400, {"status": 404, "message": "no"}, "body says 404"),
    ],
)
def test_refuses_wrong_answers(status: int, body: object, problem: str) -> None:
    with pytest.raises(ContractViolation) as refused:
        check_response("POST", CALLS, status, body)
    assert problem in str(refused.value)


def test_accepts_errors_as_twilio_documents_them() -> None:
    body = {"status": 429, "message": "Too Many Requests", "code": 20429, "more_info": "https://www.twilio.com/docs/e"}
    assert check_response("POST", CALLS, 429, body) == "CreateCall"
