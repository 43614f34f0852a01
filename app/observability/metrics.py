"""The figures at `/metrics`, in Prometheus' form. `docs/` and dashboards rely on the names; they are chosen once.

One process keeps its figures in memory. Several workers share them through files when PROMETHEUS_MULTIPROC_DIR names an
empty directory before any of them starts (https://prometheus.github.io/client_python/multiprocess/); whoever starts
the workers calls `forget_process` when one has ended.
"""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.domain.call_states import CallState
from app.domain.matching import MatchOutcome

_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# A time stamp beside every series would double them; nobody asks when a counter was made.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has not typed it

registry = CollectorRegistry()
ProcessCollector(registry=registry)

webhook_seconds = Histogram(
    "callcard_webhook_seconds",
    "From a carrier's request to our answer, by route.",
    ["route"],
    buckets=_SECONDS,
    registry=registry,
)
pop_seconds = Histogram(
    "callcard_pop_seconds",
    "From a carrier's request to the agent's screen saying that it shows the card.",
    buckets=_SECONDS,
    registry=registry,
)
matches = Counter("callcard_matches", "Callers looked up, by outcome.", ["outcome"], registry=registry)
calls = Counter("callcard_calls", "Calls that came to a state, by state.", ["state"], registry=registry)
rejected_signatures = Counter(
    "callcard_rejected_signatures", "Carrier requests refused for a wrong or missing signature.", registry=registry
)
voice_errors = Counter(
    "callcard_voice_errors",
    "Carrier requests that failed and were answered with what keeps the caller.",
    registry=registry,
)
spool_depth = Gauge(
    "callcard_spool_depth",
    "Carrier requests on disk that wait for the database.",
    registry=registry,
    # The spool is one for all processes: who looked last knows.
    multiprocess_mode="mostrecent",
)
spooled = Counter("callcard_spooled", "Carrier requests put on disk because the database was away.", registry=registry)
replayed = Counter("callcard_replayed", "Carrier requests taken from disk into the database again.", registry=registry)
events_pushed = Counter("callcard_events_pushed", "Events sent to agents' screens.", registry=registry)
websocket_connections = Gauge(
    "callcard_websocket_connections", "Open agent streams.", registry=registry, multiprocess_mode="livesum"
)
sign_ins = Counter("callcard_sign_in", "Attempts to sign in, by result.", ["result"], registry=registry)

# A counter that has never moved shows as zero, not as absent: alerts on its rate need the zero.
for _outcome in MatchOutcome:
    matches.labels(outcome=_outcome.value)
for _state in CallState:
    calls.labels(state=_state.value)


def render() -> tuple[bytes, str]:
    """The figures of all processes in Prometheus' text form, and its content type."""
    folder = os.environ.get(_SHARED_FOLDER)
    if folder is None:
        return generate_latest(registry), CONTENT_TYPE_LATEST
    shared = CollectorRegistry()
    MultiProcessCollector(shared, path=folder)  # type: ignore[no-untyped-call]  # the library has not typed it
    return generate_latest(shared), CONTENT_TYPE_LATEST


def forget_process(pid: int) -> None:
    """Take the gauges of an ended worker out of the sums; does nothing where figures are not shared."""
    if _SHARED_FOLDER in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has not typed it
