"""Everything that is held on one customer, for themselves: as JSON, or as a page that a person can read."""

import html
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.export_words import word_for

_OF_CALLS: Final = "call_id IN (SELECT id FROM calls WHERE customer_id = ANY(:ids))"
_OF_COMPLAINTS: Final = "complaint_id IN (SELECT id FROM complaints WHERE customer_id = ANY(:ids))"

EXPORTED: Final[Mapping[str, str]] = {
    "customers": "id = ANY(:ids)",
    "customer_phones": "customer_id = ANY(:ids)",
    "purchases": "customer_id = ANY(:ids)",
    "contracts": "customer_id = ANY(:ids)",
    "calls": "customer_id = ANY(:ids)",
    "legs": _OF_CALLS,
    "recordings": _OF_CALLS,
    "interactions": "customer_id = ANY(:ids)",
    "complaints": "customer_id = ANY(:ids)",
    "complaint_changes": _OF_COMPLAINTS,
    "complaint_mails": _OF_COMPLAINTS,
    "complaint_links": _OF_COMPLAINTS,
    "handovers": _OF_COMPLAINTS,
    "goodwill": _OF_COMPLAINTS,
    "callbacks": "customer_id = ANY(:ids)",
    "callback_changes": "callback_id IN (SELECT id FROM callbacks WHERE customer_id = ANY(:ids))",
    "dial_attempts": "customer_id = ANY(:ids)",
    "call_list_entries": "customer_id = ANY(:ids)",
    "call_list_left_out": "customer_id = ANY(:ids)",
    "list_rearrangements": "customer_id = ANY(:ids)",
    "customer_notes": "customer_id = ANY(:ids)",
    "customer_usage": "customer_id = ANY(:ids)",
    "customer_links": "customer_id = ANY(:ids) OR other_id = ANY(:ids)",
    "consents": "customer_id = ANY(:ids)",
    "claims": "customer_id = ANY(:ids)",
    "source_records": "customer_id = ANY(:ids)",
    "customer_changes": "customer_id = ANY(:ids)",
    "stage_moves": "customer_id = ANY(:ids)",
    "merges": "survivor_id = ANY(:ids) OR absorbed_id = ANY(:ids)",
    "duplicate_reviews": "low_id = ANY(:ids) OR high_id = ANY(:ids)",
    "card_views": "customer_id = ANY(:ids)",
    "erasures": "customer_id = ANY(:ids)",
}
"""The tables that are told of, in this order, and which of their rows."""

LEFT_OUT: Final = {
    "customer_search": "worked out from what is told, to find them by",
    "list_standings": "worked out from the lists that are told",
}
"""Tables that refer to customers and are not told of, and why."""

_OURS: Final = frozenset({"content_hash", "grams", "routed", "accepted_tab", "survivor_after"})
"""Columns that say nothing of the customer."""
_ORDER: Final = {"call_list_left_out": "first_day, customer_id, manager_id"}
"""The order in which the rows of tables without an id are told."""

_STYLE: Final = (
    "<style>body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:0 0 1rem;width:100%;table-layout:fixed}"
    "th{text-align:left;width:30%;font-weight:normal;"
    "color:#555}td,th{border-top:1px solid #ddd;padding:.2rem .5rem;vertical-align:top;overflow-wrap:anywhere}"
    "</style></head><body>"
)

_IDS: Final = text("SELECT id FROM customers WHERE id = :id OR merged_into_id = :id")


async def export(session: AsyncSession, customer_id: UUID) -> dict[str, Any]:
    """Every row on a customer and on those who were merged into them: `exported_at`, then a list for each table."""
    ids = list(await session.scalars(_IDS, {"id": customer_id}))
    told: dict[str, Any] = {"exported_at": datetime.now(UTC).isoformat()}
    for table, condition in EXPORTED.items():
        rows = await session.scalars(
            text(
                f"SELECT CAST(to_jsonb(t) AS text) FROM {table} t WHERE {condition} ORDER BY {_ORDER.get(table, 'id')}"
            ),
            {"ids": ids},
        )
        told[table] = [
            {name: value for name, value in json.loads(row).items() if name not in _OURS and value not in (None, "")}
            for row in rows
        ]
    return told


def as_page(told: Mapping[str, Any]) -> str:
    """An export as one page of HTML, in Chinese and English. Whatever it holds is shown as text."""
    code = told["customers"][0].get("code", "") if told["customers"] else ""
    parts = [
        "<!doctype html><html lang='zh-CN'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(code)}</title>",
        _STYLE,
        f"<h1>关于您的全部资料 · All that is held on you: {html.escape(code)}</h1>",
        f"<p>{html.escape(told['exported_at'])}</p>",
    ]
    for table in EXPORTED:
        rows = told[table]
        parts.append(f"<h2>{html.escape(word_for(table))} ({len(rows)})</h2>")
        parts += [_table(row) for row in rows]
    parts.append("</body></html>")
    return "\n".join(parts)


def _table(row: Mapping[str, Any]) -> str:
    cells = (
        f"<tr><th>{html.escape(word_for(name))}</th><td>{html.escape(_shown(value))}</td></tr>"
        for name, value in row.items()
    )
    return f"<table>{''.join(cells)}</table>"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
