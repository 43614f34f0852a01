"""A daily list on paper: one page of HTML with print CSS for A4, without any script; read on a phone as well."""

import hashlib
import html
from base64 import b64encode
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.list_words import INTENTIONS, OUTCOMES, PAGE, QUADRANTS, STAGES
from app.models.call_lists import EntryState
from app.schemas.list_work import DayPlan, PlanPart, WorkEntry

_CSS: Final = """
@page{size:A4;margin:12mm 10mm 14mm}
*{box-sizing:border-box}
body{font:13px/1.45 "Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;
color:#1a1a1a;margin:0 auto;max-width:1100px;padding:20px}
h1{font-size:20px;margin:0 0 2px}
p{margin:0 0 12px;color:#555}
h2{font-size:14px;margin:18px 0 4px;padding:3px 8px;background:#eee;break-after:avoid}
h2.golden{background:#f6e3b0}
table{border-collapse:collapse;width:100%;table-layout:fixed}
thead{display:table-header-group}
th{text-align:left;font-weight:600;font-size:11px;color:#555}
th,td{padding:4px 6px;border-bottom:1px solid #bbb;vertical-align:top;overflow-wrap:anywhere}
tr{break-inside:avoid}
.no{width:36px;white-space:nowrap}.number{width:142px;white-space:nowrap}.stands{width:128px}
.last{width:86px;white-space:nowrap}.outcome{width:220px}.label{display:none}
.tel{font-variant-numeric:tabular-nums;font-weight:600}
.small{color:#555;font-size:11px}
.box{display:inline-block;white-space:nowrap;margin-right:7px}
.box::before{content:"";display:inline-block;width:10px;height:10px;border:1px solid #333;margin-right:3px;
vertical-align:-1px}
.note{border-bottom:1px dotted #999;height:18px}
.done td{color:#888}
ul{margin:0;padding-left:14px}
@media print{
body{max-width:none;padding:0;font-size:10.5px}h2,h2.golden{print-color-adjust:exact}
.small{font-size:8.5px;white-space:nowrap}
.no{width:26px}.number{width:112px}.stands{width:104px}.last{width:70px}.outcome{width:170px}
}
@media screen and (max-width:700px){
body{padding:12px}thead{display:none}
table,tbody,tr,td{display:block;width:auto}
tr{border:1px solid #ccc;border-radius:6px;margin:0 0 10px;padding:6px 8px}
td,td.number,td.stands,td.last,td.outcome{border:0;padding:2px 0;width:auto}
td.no{float:right;width:auto;color:#777}.label{display:inline}
}
"""
STYLE_HASH: Final = "sha256-" + b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
"""Names the page's only style sheet in its Content-Security-Policy, so that no other one counts."""

POLICY: Final = f"default-src 'none'; style-src '{STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"


def as_page(plan: DayPlan, language: str, zone: ZoneInfo) -> str:
    """The day's plan as a page in Chinese or, for everybody else, English. Whatever it holds is shown as text.

    Args:
        language: BCP 47.
        zone: the house's, in which times are told.
    """
    lang = "zh" if language.startswith("zh") else "en"
    entries = {entry.id: entry for each in plan.quadrants for entry in each.entries}
    title = f"{PAGE['title'][lang]} {plan.day.isoformat()} · {plan.manager.name}"
    counts = " · ".join(f"{each.in_words.model_dump()[lang]} {len(each.entries)}" for each in plan.quadrants)
    parts = [
        f"<!doctype html><html lang='{'zh-CN' if lang == 'zh' else 'en'}'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title><style>{_CSS}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(counts)} · {PAGE['confidential'][lang]}</p>",
        *(_part(part, [entries[each] for each in part.entry_ids], lang, zone) for part in plan.parts if part.entry_ids),
        "</body></html>",
    ]
    return "\n".join(parts)


def _part(part: PlanPart, entries: list[WorkEntry], lang: str, zone: ZoneInfo) -> str:
    golden = f" · {PAGE['golden'][lang]}" if part.golden else ""
    columns = (("no", ""), *((name, PAGE[name][lang]) for name in ("customer", "number", "why", "stands", "last")))
    head = "".join(f"<th class='{name}'>{title}</th>" for name, title in (*columns, ("outcome", PAGE["outcome"][lang])))
    rows = "".join(_row(entry, lang, zone) for entry in entries)
    marked = " class='golden'" if part.golden else ""
    return (
        f"<h2{marked}>{part.begins:%H:%M}–{part.ends:%H:%M}{golden}</h2>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(entry: WorkEntry, lang: str, zone: ZoneInfo) -> str:
    customer = entry.customer
    spoken = customer.address_as.model_dump()[lang]
    named = f"<b>{html.escape(customer.name)}</b>" + ("" if spoken == customer.name else f" {html.escape(spoken)}")
    intention = f" · {INTENTIONS[customer.intention][lang]}" if customer.intention else ""
    letter = f"{customer.grade} · " if customer.grade else ""
    last = _day(customer.last_contact_at, zone) or PAGE["never"][lang]
    reasons = "".join(f"<li>{html.escape(each.in_words.model_dump()[lang])}</li>" for each in entry.reasons)
    is_open = entry.state in (EntryState.OPEN, EntryState.TAKEN)
    small = f"<span class='small'>{customer.code} · {QUADRANTS[entry.quadrant][lang]}</span>"
    cells = (
        ("no", str(entry.position)),
        ("customer", f"{named}<br>{small}"),
        ("number", f"<span class='tel'>{html.escape(customer.phone or PAGE['no_number'][lang])}</span>"),
        ("why", f"<ul>{reasons}</ul>"),
        ("stands", f"{letter}{customer.sales_stage} {STAGES[customer.sales_stage][lang]}{intention}"),
        ("last", f"<span class='label'>{PAGE['last'][lang]}: </span>{last}"),
        ("outcome", _boxes(lang) if is_open else html.escape(_what_came(entry, lang))),
    )
    shown = "".join(f"<td class='{name}'>{content}</td>" for name, content in cells)
    marked = "" if is_open else " class='done'"
    return f"<tr{marked}>{shown}</tr>"


def _boxes(lang: str) -> str:
    boxes = "".join(f"<span class='box'>{words[lang]}</span>" for words in OUTCOMES.values())
    return f"{boxes}<div class='note'></div>"


def _what_came(entry: WorkEntry, lang: str) -> str:
    if entry.outcome is not None:
        return OUTCOMES[entry.outcome][lang]
    return f"{PAGE['skipped'][lang]}: {entry.skip_reason}"


def _day(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).date().isoformat() if at else ""
