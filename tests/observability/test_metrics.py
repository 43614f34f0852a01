"""The names that dashboards rely on, and figures shared by several processes."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.observability import metrics

ROOT = Path(__file__).parent.parent.parent
NAMES = {
    "callcard_webhook_seconds": "histogram",
    "callcard_pop_seconds": "histogram",
    "callcard_matches": "counter",
    "callcard_calls": "counter",
    "callcard_rejected_signatures": "counter",
    "callcard_voice_errors": "counter",
    "callcard_spool_depth": "gauge",
    "callcard_spooled": "counter",
    "callcard_replayed": "counter",
    "callcard_events_pushed": "counter",
    "callcard_websocket_connections": "gauge",
    "callcard_sign_in": "counter",
}


def samples(text: bytes) -> dict[str, float]:
    """Values by name and labels, as `name{label}`."""
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_figures_have_the_names_that_were_promised() -> None:
    text, content_type = metrics.render()
    families = {family.name: family.type for family in text_string_to_metric_families(text.decode())}

    assert families.items() >= NAMES.items()
    assert {name for name in families if name.startswith("callcard_")} == set(NAMES)
    assert content_type.startswith("text/plain")
    assert "process_resident_memory_bytes" in families


def test_what_never_happened_shows_as_zero() -> None:
    text, _ = metrics.render()

    assert {"callcard_matches_total{several}", "callcard_calls_total{abandoned}"} <= samples(text).keys()


def test_a_millisecond_and_five_seconds_can_be_told_from_their_neighbours() -> None:
    before = samples(metrics.render()[0])
    for seconds in (0.0009, 0.0011, 4.9, 5.1):
        metrics.webhook_seconds.labels("voice").observe(seconds)
    after = samples(metrics.render()[0])

    def more(bound: str) -> float:
        # The parser gives `le` first or last as the text has it; both orders name the same bucket.
        names = (
            f"callcard_webhook_seconds_bucket{{{bound}}}{{voice}}",
            f"callcard_webhook_seconds_bucket{{voice}}{{{bound}}}",
        )
        return sum(after.get(name, 0) - before.get(name, 0) for name in names)

    assert [more("0.001"), more("0.0025"), more("2.5"), more("5.0"), more("+Inf")] == [1, 2, 2, 3, 4]


WORKER = textwrap.dedent("""
    from app.observability import metrics
    metrics.rejected_signatures.inc({0})
    metrics.matches.labels("unique").inc({0})
    metrics.websocket_connections.inc({0})
    metrics.spool_depth.set({0})
    metrics.webhook_seconds.labels("voice").observe(0.003)
""")
READER = textwrap.dedent("""
    import sys
    from app.observability import metrics
    for pid in sys.argv[1:]:
        metrics.forget_process(int(pid))
    sys.stdout.buffer.write(metrics.render()[0])
""")


def test_workers_share_their_figures(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def run(code: str, *arguments: str) -> tuple[int, bytes]:
        command = [sys.executable, "-W", "error", "-c", code, *arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            told, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return process.pid, told

    first, _ = run(WORKER.format(5))
    second, _ = run(WORKER.format(2))
    both = samples(run(READER)[1])
    without_first = samples(run(READER, str(first))[1])

    assert both["callcard_rejected_signatures_total"] == 7
    assert both["callcard_matches_total{unique}"] == 7
    assert both["callcard_matches_total{withheld}"] == 0
    assert both["callcard_webhook_seconds_count{voice}"] == 2
    assert both["callcard_spool_depth"] == 2
    assert both["callcard_websocket_connections"] == 7
    assert without_first["callcard_websocket_connections"] == 2
    assert without_first["callcard_rejected_signatures_total"] == 7
    assert first != second


def test_forgetting_a_process_where_nothing_is_shared_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    before = metrics.render()[0].count(b"callcard_")

    metrics.forget_process(1)

    assert metrics.render()[0].count(b"callcard_") == before
