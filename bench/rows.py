"""The SQL that makes the bench's rows. `{n}` is how many customers there are; `dataset` fills in the rest.

Tables are filled in an order in which emptying one, with what refers to it, empties nothing that was filled before.
"""

from typing import Final

from bench.names import NAME_OF

READ_BY_THE_POP: Final = frozenset(
    {
        "uq_customer_phones_bucket_e164_customer_id",
        "ix_purchases_customer_id_purchased_on",
        "ix_interactions_customer_id_at",
        "ix_contracts_customer_id_ends_on",
        "ix_calls_customer_id_received_at",
        "ix_calls_from_e164_received_at",
    }
)

_CUSTOMER_ID: Final = "CAST('01900000-0000-7000-a000-' || lpad(to_hex({0}), 12, '0') AS uuid)"
_AGENT_ID: Final = "CAST('01900000-0000-7000-9000-' || lpad(to_hex(1 + {0} % {{agents}}), 12, '0') AS uuid)"


def _id(family: str) -> str:
    return f"CAST('01900000-0000-7000-{family}-' || lpad(to_hex(s), 12, '0') AS uuid)"


def _strewn(round_no: int) -> str:
    """Every customer once, in an order that looks random and differs from round to round."""
    return (
        f"(SELECT s, 1 + (CAST(s AS bigint) * 7919 + {round_no * 104_729}) % {{n}} AS k "
        "FROM generate_series(1, {n}) AS s) AS strewn"
    )


_CUSTOMERS: Final = f"""
INSERT INTO customers (id, code, kind, name, surname, latin_name, latin_surname, title, gender, language, region, email,
                       tier, dcwh, sales_stage, intention, contract_state, owner_id, note)
SELECT {_CUSTOMER_ID.format("s")}, 'C' || lpad(CAST(1000 + s AS text), 8, '0'), name.kind,
       name.name, name.surname, name.latin_name, name.latin_surname,
       CASE WHEN s % 2 = 0 THEN '先生' ELSE '女士' END,
       CASE WHEN s % 2 = 0 THEN 'male' ELSE 'female' END, 'zh-CN', 'CN', name.email,
       CASE WHEN s % 100 = 0 THEN 'core' WHEN s % 5 = 0 THEN 'value' WHEN s % 2 = 0 THEN 'potential' ELSE 'low' END,
       CASE s % 3 WHEN 0 THEN 'hot' WHEN 1 THEN 'warm' ELSE 'cold' END, s % 8, 'possible',
       CASE WHEN s % 5 = 0 THEN 'in_contract' ELSE 'none' END,
       CASE WHEN s % 3 = 0 THEN {_AGENT_ID.format("(s / 3)")} END,
       CASE WHEN s % 10 = 0 THEN '周末不要打电话，平时请打手机' ELSE '' END
FROM (SELECT CAST(s AS bigint) AS s FROM generate_series(1, {{n}}) AS s) AS series
CROSS JOIN LATERAL {NAME_OF} AS name
"""


def _phones(start: str, label: str, every: int) -> str:
    # The first number's ids and the second's must not meet.
    family = "8100" if every == 1 else "8200"
    return f"""
INSERT INTO customer_phones (id, customer_id, e164, national_number, bucket, raw, label, line_type, is_primary)
SELECT {_id(family)}, {_CUSTOMER_ID.format("k")}, '+86' || number, number, right(number, 8), '0086' || number,
       '{label}', 'mobile', {"true" if every == 1 else "false"}
FROM {_strewn(every)} CROSS JOIN LATERAL (SELECT CAST({start} + (k * {{step}}) % {{range}} AS text) AS number) AS line
WHERE k % {every} = 0
"""


def _purchases(round_no: int) -> str:
    return f"""
INSERT INTO purchases (id, customer_id, product, product_en, model, serial_number, quantity, unit, amount, currency,
                       purchased_on, warranty_until, source)
SELECT {_id(f"b{round_no}00")}, {_CUSTOMER_ID.format("k")},
       (ARRAY['空调','冰箱','洗衣机','热水器','电视机'])[1 + s % 5],
       (ARRAY['air conditioner','refrigerator','washing machine','water heater','television'])[1 + s % 5],
       'KFR-' || (20 + s % 60) || 'GW', 'SN' || lpad(CAST(s AS text), 10, '0') || '{round_no}', 1 + s % 3, '台',
       2000 + s % 5000, 'CNY', day, CAST(day + interval '2 years' AS date), 'erp'
FROM {_strewn(10 + round_no)} CROSS JOIN LATERAL (SELECT current_date - CAST(s % 1500 AS integer) AS day) AS bought
"""


def _interactions(round_no: int) -> str:
    return f"""
INSERT INTO interactions (id, customer_id, channel, direction, at, agent_id, summary, source)
SELECT {_id(f"c{round_no}00")}, {_CUSTOMER_ID.format("k")}, (ARRAY['call','email','sms','chat'])[1 + s % 4],
       (ARRAY['inbound','outbound'])[1 + s % 2], now() - make_interval(mins => CAST(s % 1000000 AS integer)),
       {_AGENT_ID.format("s")}, '客户反映设备运行时有噪音，已约定师傅上门检查，客户要求提前一小时联系', 'crm'
FROM {_strewn(20 + round_no)}
"""


_CONTRACTS: Final = f"""
INSERT INTO contracts (id, customer_id, number, title, amount, currency, starts_on, ends_on)
SELECT {_id("d000")}, {_CUSTOMER_ID.format("k")}, 'HT-' || lpad(CAST(s AS text), 9, '0'), '年度保养合同', 1200, 'CNY',
       current_date - 300, current_date - 300 + 365
FROM {_strewn(30)} WHERE k % 5 = 0
"""

# Three in ten have rung before and spoke with somebody.
_CALLS: Final = f"""
INSERT INTO calls (id, provider, provider_call_id, direction, state, customer_status, from_raw, from_e164, to_raw,
                   language, queue_id, match_outcome, match_reason, customer_id, answered_by_id, received_at, heard_at,
                   answered_at, ended_at, disposition, notes, wrapped_up_at)
SELECT {_id("e000")}, 'twilio', 'CA' || md5(CAST(s AS text)), 'inbound', 'completed', 'completed', number, number,
       '{{dialled}}', 'zh-CN', '{{queue}}', 'unique', 'exact', {_CUSTOMER_ID.format("k")}, {_AGENT_ID.format("s")},
       at, at, at + interval '15 s', at + interval '4 min', 'resolved', '已解决', at + interval '5 min'
FROM {_strewn(40)} CROSS JOIN LATERAL (SELECT '+86' || CAST({{first}} + (k * {{step}}) % {{range}} AS text) AS number,
    now() - interval '1 day' - make_interval(mins => CAST(s % 130000 AS integer)) AS at) AS line
WHERE k % 10 < 3
"""

ROWS: Final[dict[str, list[str]]] = {
    "customers": [_CUSTOMERS],
    "calls": [_CALLS],
    "customer_phones": [_phones("{first}", "手机", 1), _phones("{second}", "家里", 5)],
    "purchases": [_purchases(1), _purchases(2)],
    "interactions": [_interactions(1), _interactions(2), _interactions(3)],
    "contracts": [_CONTRACTS],
}
"""Table by table, the statements that fill it."""

PEOPLE: Final = """
INSERT INTO dnis_routes (number, queue_id) VALUES ('{dialled}', '{queue}');
INSERT INTO agents (id, email, name, role, identity)
SELECT CAST('01900000-0000-7000-9000-' || lpad(to_hex(i), 12, '0') AS uuid), 'agent' || i || '@example.com',
       '坐席' || i, 'agent', 'agent_' || i FROM generate_series(1, {agents}) AS i;
INSERT INTO agent_presence (agent_id) SELECT id FROM agents;
INSERT INTO queue_members (queue_id, agent_id) SELECT '{queue}', id FROM agents;
"""
"""The number of the queue that every hotline begins with, and its agents, who are all offline."""
