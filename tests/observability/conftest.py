"""Logging is one for the whole process: what a test here changes is put back after it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from app.observability.logging import configure_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    structlog.contextvars.clear_contextvars()
    # A uvicorn that was started earlier in this process without an access log has cut it off.
    logging.getLogger("uvicorn.access").propagate = True
    yield
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def output() -> io.StringIO:
    """Where the log goes, as JSON lines."""
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    return stream


@pytest.fixture
def lines(output: io.StringIO) -> Callable[[], list[dict[str, Any]]]:
    """Gives every line logged so far, parsed."""
    return lambda: [json.loads(line) for line in output.getvalue().splitlines()]
