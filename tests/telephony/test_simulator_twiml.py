"""TwiML is read as Twilio reads it, and XML that attacks is not read at all."""

import pytest

from app.telephony.simulator.twiml import (
    ERROR_NOT_WELL_FORMED,
    ERROR_WRONG_ROOT,
    MAX_DEPTH,
    TwimlError,
    Verb,
    parse,
)


def test_a_document_is_its_verbs() -> None:
    document = parse(
        '<?xml version="1.0" encoding="UTF-8"?><Response><Say language="zh-CN"> 鲁先生 &amp;\n 您好 </Say>'
        "<!-- --><Hangup/></Response>",
        "https://hotline.example/voice",
    )

    assert document.url == "https://hotline.example/voice"
    assert document.verbs == (
        Verb("Say", {"language": "zh-CN"}, "鲁先生 & 您好", ()),
        Verb("Hangup", {}, "", ()),
    )


def test_nouns_are_children() -> None:
    (dial,) = parse('<Response><Dial answerOnBridge="true"><Client>lin</Client></Dial></Response>', "").verbs

    assert dial.flag("answerOnBridge")
    assert not dial.flag("hangupOnStar")
    assert dial.children == (Verb("Client", {}, "lin", ()),)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ("", ERROR_NOT_WELL_FORMED),
        ("Sorry, an error occurred", ERROR_NOT_WELL_FORMED),
        ("<Response><Say>AT&T</Say></Response>", ERROR_NOT_WELL_FORMED),
        ("<Response><Say>\x00</Say></Response>", ERROR_NOT_WELL_FORMED),
        ("<Response><Say>\ud800</Say></Response>", ERROR_NOT_WELL_FORMED),
        ("<Response></Response><Response/>", ERROR_NOT_WELL_FORMED),
        ("<!DOCTYPE Response><Response/>", ERROR_NOT_WELL_FORMED),
        (f"<!DOCTYPE r [<!ENTITY l0 'ha'>{LAUGHS}]><Response><Say>&l9;</Say></Response>", ERROR_NOT_WELL_FORMED),
        (
            "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Response><Say>&x;</Say></Response>",
            ERROR_NOT_WELL_FORMED,
        ),
        (f"<Response>{'<a>' * 9000}{'</a>' * 9000}</Response>", ERROR_NOT_WELL_FORMED),
        ("<html><body>Not found</body></html>", ERROR_WRONG_ROOT),
        ("<response/>", ERROR_WRONG_ROOT),
    ],
)
def test_what_is_no_twiml_is_refused_with_twilios_code(twiml: str, code: int) -> None:
    with pytest.raises(TwimlError) as refused:
        parse(twiml, "")

    assert refused.value.code == code


def test_nesting_is_allowed_as_deep_as_is_promised() -> None:
    parse(f"<Response>{'<a>' * MAX_DEPTH}{'</a>' * MAX_DEPTH}</Response>", "")
    with pytest.raises(TwimlError, match="deep"):
        parse(f"<Response>{'<a>' * (MAX_DEPTH + 1)}{'</a>' * (MAX_DEPTH + 1)}</Response>", "")
