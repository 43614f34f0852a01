"""What the demo's customers complained of: a hotel, whose matter a repair shop settled, and a young woman who waits."""

from datetime import datetime, time, timedelta
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from app.domain.card import iso
from app.domain.customer_facts import Channel
from app.services.demo.ledger import Ledger, Row

_EIGHT_HOURS: Final = 8 * 3600


def write_grievances(ledger: Ledger, agents: dict[str, UUID]) -> None:
    """A partner and two complaints with their histories; the story's customers must be there."""
    by_name = {customer["name"]: customer for customer in ledger.rows.customers}
    founded = ledger.at(ledger.today - timedelta(days=900), time(9))
    partner_id = ledger.new_id(founded)
    ledger.rows.partners.append({
        "id": partner_id,
        "name": "宁安家电维修",
        "phone": "025-9612 0001",
        "region": "华东",
        "due_minutes": 16 * 60,
        "created_at": founded,
        "updated_at": founded,
    })  # fmt: skip
    hotel = by_name["上海远洋酒店管理有限公司"]
    opened = ledger.at(ledger.today - timedelta(days=20), time(9, 20))
    settled = {
        "state": "closed",
        "owner_id": agents["chen"],
        "category_id": _category("product.leak"),
        "what_happened": "大堂两台空调漏水，影响客人。",
        "resolution": "清洗排水管并更换接水盘，现场试机两小时无漏水。",
        "root_cause": "排水管坡度不足，接水盘老化。",
        "prevention": "年度保养增加排水检查。",
        "handover_count": 2,
        "first_response_at": opened,
        "resolved_at": opened + timedelta(hours=6),
        "closed_at": opened + timedelta(days=1, hours=1),
        "satisfaction": 5,
    }
    complaint = _complaint(ledger, hotel, opened, **settled)
    for hours, agent, what, detail in (
        (0, "chen", "opened", {"channel": "call", "severity": "high"}),
        (1, "chen", "handed_over", {"before": "陈伟", "after": "宁安家电维修", "reason": "要上门"}),
        (5, "chen", "handed_over", {"before": "宁安家电维修", "after": "陈伟", "reason": "已修好，等确认"}),
        (6, "chen", "resolved", {"root_cause": settled["root_cause"], "prevention": settled["prevention"]}),
        (25, "chen", "closed", {"satisfaction": 5}),
    ):
        _change(ledger, complaint, opened + timedelta(hours=hours), agents[agent], what, detail)

    yesterday = ledger.at(ledger.today - timedelta(days=1), time(16, 5))
    waiting = _complaint(
        ledger,
        by_name["陈思琪"],
        yesterday,
        state="in_progress",
        owner_id=agents["wang"],
        category_id=_category("repair.no_show"),
        what_happened="约好上午上门，等了一天没有人来，也没有电话。",
        wants=["be_taken_seriously", "action_now"],
        first_response_at=yesterday,
        due_at=ledger.at(ledger.today, time(15, 5)),
    )
    _change(ledger, waiting, yesterday, agents["wang"], "opened", {"due_at": iso(waiting["due_at"])})
    _change(ledger, waiting, yesterday, agents["wang"], "started", {"before": "open"})


def _category(key: str) -> UUID:
    """A category as the migration made it."""
    return uuid5(NAMESPACE_URL, f"urn:callcard:complaint_category:{key}")


def _complaint(ledger: Ledger, customer: Row, opened: datetime, **fields: object) -> Row:
    due_at = fields.pop("due_at", opened + timedelta(hours=8))
    number = len(ledger.rows.complaints) + 1
    row: Row = {
        "id": ledger.new_id(opened),
        "code": f"K{opened.astimezone(ledger.zone):%Y%m%d}-{number:04}",
        "customer_id": customer["id"],
        "severity": "high",
        "channel": Channel.CALL,
        "wants": [],
        "opened_at": opened,
        "opened_by_id": fields["owner_id"],
        "settle_by": due_at,
        "due_at": due_at,
        "clock_from": opened,
        "allowed_seconds": _EIGHT_HOURS,
        "resolution": "",
        "root_cause": "",
        "prevention": "",
        "handover_count": 0,
        "first_response_at": opened,
        "resolved_at": None,
        "closed_at": None,
        "satisfaction": None,
        "warn_at": None if fields["state"] == "closed" else due_at,
        "created_at": opened,
        "updated_at": opened,
        **fields,
    }
    ledger.rows.complaints.append(row)
    return row


def _change(ledger: Ledger, complaint: Row, at: datetime, agent_id: UUID, what: str, detail: Row) -> None:
    ledger.rows.complaint_changes.append({
        "id": ledger.new_id(at),
        "complaint_id": complaint["id"],
        "at": at,
        "agent_id": agent_id,
        "what": what,
        "detail": detail,
    })  # fmt: skip
