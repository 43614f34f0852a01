"""Complaints by mail: signed, once, of whoever has the address, or joined to the complaint that is named."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.domain.inbound_mail import LONGEST_BODY, body_text, complaint_codes, subject_line, text_of_html
from tests.api.complaints.support import MAIL_SECRET, URL, Desks, answered, happened
from tests.api.customers.support import refusal
from tests.support import Serve

PATH = "/api/v1/mail/inbound"
_numbers = count(1)


def a_mail(**given: Any) -> dict[str, Any]:
    return {
        "message_id": f"<{next(_numbers)}@mail.example>",
        "from": "nobody@example.com",
        "subject": "空调又坏了",
        "text": "请尽快处理。",
        **given,
    }


async def post(
    http: httpx.AsyncClient, mail: Any, *, secret: str = MAIL_SECRET, at: datetime | None = None, **headers: str
) -> httpx.Response:
    """Tell a mail as the mail server does."""
    body = mail if isinstance(mail, str) else json.dumps(mail, ensure_ascii=False)
    at = at or datetime.now(UTC)
    signed = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
        **headers,
    }
    return await http.post(PATH, content=body.encode(), headers=signed)


@pytest.fixture
async def http(desks: Desks) -> Any:
    async with desks.served.client() as client:
        yield client


async def complaint(desks: Desks, code: str) -> dict[str, Any]:
    return answered(await desks.boss.http.get(f"{URL}/{code}"))


async def test_a_mail_of_somebody_known_is_their_complaint_and_their_managers(
    desks: Desks, http: httpx.AsyncClient
) -> None:
    lu = await desks.customer(email="Lu.Known@example.com", owner_id=desks.chen.agent.id)
    html = "<style>p{}</style><p>三台都<b>不启动</b></p><script>alert(1)</script><p>&lt;img src=x&gt;</p>"

    taken = answered(await post(http, a_mail(**{"from": "lu.known@EXAMPLE.com"}, text=None, html=html)))

    assert taken["outcome"] == "opened"
    made = await complaint(desks, taken["complaint"])
    assert (made["customer"]["code"], made["owner"]["name"], made["channel"]) == (lu.code, "陈伟", "email")
    assert (made["category"], made["severity"], made["first_response_at"]) == (None, "normal", None)
    assert made["what_happened"] == "空调又坏了\n\n三台都不启动\n<img src=x>"
    assert [mail["sender"] for mail in made["mails"]] == ["lu.known@EXAMPLE.com"]
    assert happened(made) == ["opened", "callback_promised", "mail"]
    assert await desks.told(desks.chen, made) == ["complaint.opened"]


async def test_the_same_mail_five_times_at_once_is_one_complaint(desks: Desks, http: httpx.AsyncClient) -> None:
    mail = a_mail()

    answers = [answered(each) for each in await asyncio.gather(*(post(http, mail) for _ in range(5)))]

    assert sorted(each["outcome"] for each in answers) == ["known"] * 4 + ["opened"]
    assert len({each["complaint"] for each in answers}) == 1
    made = await complaint(desks, answers[0]["complaint"])
    assert (made["customer"], made["contact"], len(made["mails"])) == (None, "nobody@example.com", 1)
    # Always somebody's: an agent comes before a supervisor.
    assert made["owner"]["name"] in ("李莉", "陈伟", "王芳")


async def test_several_with_one_address_are_shown_and_none_is_chosen(desks: Desks, http: httpx.AsyncClient) -> None:
    both = [await desks.customer(email="family@example.com") for _ in range(2)]

    taken = answered(await post(http, a_mail(**{"from": "family@example.com"})))

    made = await complaint(desks, taken["complaint"])
    assert (made["customer"], made["contact"]) == (None, "family@example.com")
    (several,) = (change for change in made["changes"] if change["what"] == "several_customers")
    assert several["detail"]["customers"] == [customer.code for customer in both]


async def test_a_reply_that_names_a_complaint_is_joined_to_it(desks: Desks, http: httpx.AsyncClient) -> None:
    made = await desks.complaint(desks.lily)

    joined = answered(await post(http, a_mail(subject=f"Re: 您的投诉 {made['code'].lower()}", text="第二台也不行")))
    other = answered(await post(http, a_mail(subject="K20200101-9999")))

    assert joined == {"outcome": "joined", "complaint": made["code"]}
    seen = await complaint(desks, made["code"])
    assert [(mail["body"], mail["sender"]) for mail in seen["mails"]] == [("第二台也不行", "nobody@example.com")]
    assert happened(seen)[-1] == "mail"
    assert await desks.told(desks.lily, made) == ["complaint.opened"]
    assert other["outcome"] == "opened"


async def test_what_is_not_signed_so_leaves_nothing(desks: Desks, http: httpx.AsyncClient) -> None:
    before = len(answered(await desks.boss.http.get(URL, params={"limit": 200}))["items"])
    mail, now = a_mail(), datetime.now(UTC)

    assert refusal(await http.post(PATH, json=mail)) == (401, "not_signed_in")
    for wrong in (
        await post(http, mail, secret="whsec_YW5vdGhlciBzZWNyZXQ="),
        await post(http, mail, at=now - timedelta(minutes=6)),
        await post(http, mail, at=now + timedelta(minutes=6)),
        await post(http, mail, **{"webhook-signature": "nonsense"}),
        await post(http, mail, **{"webhook-signature": "v1,%%%"}),
        await post(http, mail, **{"webhook-timestamp": "soon"}),
        await post(http, mail, **{"webhook-id": "msg_2"}),
    ):
        assert refusal(wrong) == (403, "bad_signature")
    assert refusal(await post(http, "x" * 1_000_001)) == (413, "mail_too_large")
    for wrong in ("[]", "{", json.dumps({"from": "x"}), json.dumps(a_mail(message_id="a b")), '"\\ud800"'):
        assert refusal(await post(http, wrong)) == (422, "invalid")

    assert len(answered(await desks.boss.http.get(URL, params={"limit": 200}))["items"]) == before


async def test_hostile_mails_are_taken_as_text(desks: Desks, http: httpx.AsyncClient) -> None:
    mail = a_mail(subject="a\r\nBcc: x\x00\u202e" + "长" * 500, text="\x00\x1b" * 3 + "<b>😀" + "y" * 9000)

    taken = answered(await post(http, json.dumps(mail)))

    (kept,) = (await complaint(desks, taken["complaint"]))["mails"]
    assert kept["subject"].startswith("a Bcc: x长")
    assert len(kept["subject"]) == 200
    assert kept["body"].startswith("<b>😀yyy")
    assert len(kept["body"]) == LONGEST_BODY


async def test_without_a_secret_there_is_no_such_route(serve: Serve) -> None:
    served = await serve()
    async with served.client() as client:
        assert (await client.post(PATH, json=a_mail())).status_code == 404


@given(st.text(max_size=500), st.text(max_size=500))
def test_whatever_a_mail_holds_becomes_text(subject: str, body: str) -> None:
    assert "\n" not in subject_line(subject)
    for text in (subject_line(subject), body_text(body), body_text(text_of_html(body))):
        assert "\x00" not in text
        text.encode()


def test_codes_are_found_in_any_case_once() -> None:
    assert complaint_codes("Re: [k20261122-0007]", "K20261122-0007、K20261122-12345, XK20261122-0001") == [
        "K20261122-0007",
        "K20261122-12345",
    ]
