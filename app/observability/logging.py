"""One way for every log line: JSON, or pretty on a terminal, with the request and the call it belongs to.

Our own loggers (`structlog.get_logger()`) write to standard error directly; what libraries say through the standard
library's `logging` (uvicorn, alembic, SQLAlchemy) takes the same steps and comes out in the same form. Standard output
stays free for what a command prints.

`request_id` and `call_id` are bound as structlog's context variables: the first by `middleware.RequestContext`, the
second by whoever knows the call (`bind_call`).
"""

import json
import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.masking import mask_event

Format = Literal["auto", "json", "pretty"]

# They describe every request they make or serve at INFO, with its parameters; RequestContext says it once, masked.
_TALKATIVE = ("httpcore", "httpx", "twilio", "uvicorn.access", "websockets")

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Output:
    """Where lines go: standard error as it is at that moment, or the stream given to `configure_logging`."""

    stream: TextIO | None = None

    def write(self, text: str) -> int:
        return (self.stream or sys.stderr).write(text)

    def flush(self) -> None:
        (self.stream or sys.stderr).flush()

    def isatty(self) -> bool:
        return (self.stream or sys.stderr).isatty()


# These two live as long as the process and are changed in place, for loggers in use hold on to them.
_output = _Output()
_processors: list[Processor] = []


def configure_logging(log_format: Format = "auto", *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up logging for this process; calling it again changes the set-up.

    Args:
        log_format: `auto` is `pretty` on a terminal and `json` elsewhere.
        level: the least level that is written, by its standard name.
        stream: where lines go; standard error when None.

    Raises:
        ValueError: there is no such level.
    """
    least = logging.getLevelNamesMapping().get(level.upper())
    if least is None:
        raise ValueError(f"{level!r} is no log level; use DEBUG, INFO, WARNING or ERROR.")
    _output.stream = stream
    pretty = log_format == "pretty" or (log_format == "auto" and _output.isatty())
    renderer: Processor = _pretty_renderer() if pretty else _render_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # A plain traceback: one with local variables would log what nobody may read.
        structlog.processors.format_exc_info,
        mask_event,
    ]
    _processors[:] = [*shared, renderer]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=_output),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(least, [structlog.stdlib.add_logger_name, *shared], renderer)


def bind_call(call_id: object) -> None:
    """Have every further line of this request or job carry `call_id` (ours, not the carrier's)."""
    structlog.contextvars.bind_contextvars(call_id=str(call_id))


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # What every line has comes first, for whoever reads them unparsed.
    timestamp, level, what = event.pop("timestamp"), event.pop("level"), event.pop("event")
    return _encode({"timestamp": timestamp, "level": level, "event": what, **event})


def _pretty_renderer() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=_output.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def _route_standard_logging(least: int, steps: list[Processor], renderer: Processor) -> None:
    handler = logging.StreamHandler(_output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.set_name("callcard")
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == "callcard"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(least)
    for name in ("uvicorn", "uvicorn.error"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    logging.captureWarnings(True)
