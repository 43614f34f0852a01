"""One form for every line, whoever writes it."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from app.observability.logging import bind_call, configure_logging

Lines = Callable[[], list[dict[str, Any]]]
NUMBER = "+8613800138000"


def test_a_line_says_when_how_bad_and_what_first(output: io.StringIO) -> None:
    structlog.get_logger().warning("spooled", depth=3, reason="数据库不可用")

    (line,) = output.getvalue().splitlines()
    assert list(json.loads(line)) == ["timestamp", "level", "event", "depth", "reason"]
    assert json.loads(line)["timestamp"].endswith("Z")
    assert "数据库不可用" in line


def test_lines_carry_their_request_and_call(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-1")
    bind_call(17)
    structlog.get_logger().info("ours")
    logging.getLogger("library").info("theirs")

    assert [(line["request_id"], line["call_id"]) for line in lines()] == [("r-1", "17"), ("r-1", "17")]


def test_libraries_speak_in_the_same_form_and_masked(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info("caller %s", NUMBER)

    (line,) = lines()
    assert line["event"] == "caller +86138****8000"
    assert line["logger"] == "uvicorn.error"
    assert line["level"] == "info"


@pytest.mark.parametrize("name", ["uvicorn.access", "httpx", "twilio.http_client"])
def test_libraries_that_repeat_every_request_are_quiet(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("GET /?number=1")
    logging.getLogger(name).warning("trouble")

    assert [line["event"] for line in lines()] == ["trouble"]


def test_an_exception_comes_with_its_traceback_masked_and_without_local_variables(lines: Lines) -> None:
    password = "LEAK"
    try:
        assert password != NUMBER, password
        raise RuntimeError(f"no answer from {NUMBER}")
    except RuntimeError:
        structlog.get_logger().exception("ours")
        logging.getLogger("library").exception("theirs")

    for line in lines():
        assert "RuntimeError: no answer from +86138****8000" in line["exception"]
        assert "Traceback" in line["exception"]
        assert "LEAK" not in json.dumps(line)
    assert len(lines()) == 2


def test_warnings_of_python_go_to_the_log(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(f"deprecated {NUMBER}", DeprecationWarning, stacklevel=1)

    (line,) = lines()
    assert line["logger"] == "py.warnings"
    assert "deprecated +86138****8000" in line["event"]


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure_logging("json", level="warning", stream=stream)

    structlog.get_logger().info("ours")
    logging.getLogger("library").info("theirs")
    structlog.get_logger().error("seen")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging(level="loud".upper())


def test_setting_up_twice_writes_each_line_once_and_reaches_loggers_in_use() -> None:
    log = structlog.get_logger()
    first, second = io.StringIO(), io.StringIO()
    configure_logging("json", stream=first)
    log.info("one")
    configure_logging("json", stream=second)
    log.info("two")
    logging.getLogger("library").info("three")

    assert first.getvalue().count("\n") == 1
    assert [json.loads(line)["event"] for line in second.getvalue().splitlines()] == ["two", "three"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_lines_are_for_people() -> None:
    terminal, pipe, forced = Terminal(), io.StringIO(), io.StringIO()
    for log_format, stream in (("auto", terminal), ("auto", pipe), ("pretty", forced)):
        configure_logging(log_format, stream=stream)  # type: ignore[arg-type]  # mypy widens the tuple's literals
        try:
            raise RuntimeError(NUMBER)
        except RuntimeError:
            structlog.get_logger().exception("call", caller=NUMBER)

    assert "\x1b[" in terminal.getvalue()
    assert json.loads(pipe.getvalue())["caller"] == "+86138****8000"
    assert "caller=+86138****8000" in forced.getvalue()
    assert "RuntimeError: +86138****8000" in forced.getvalue()
    assert NUMBER not in terminal.getvalue() + forced.getvalue()


def test_standard_output_stays_free(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    structlog.get_logger().info("ours")
    logging.getLogger("library").info("theirs")

    told = capsys.readouterr()
    assert told.out == ""
    assert [json.loads(line)["event"] for line in told.err.splitlines()] == ["ours", "theirs"]
    assert sys.stderr is not None
