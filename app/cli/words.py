"""The words of cards and of a call's course, in both languages of the product."""

from typing import Final, Literal

Lang = Literal["zh", "en"]

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # customers
    "person": ("个人", "person"),
    "company": ("企业", "company"),
    "core": ("核心客户", "core"),
    "value": ("价值客户", "value"),
    "potential": ("潜力客户", "potential"),
    "low": ("普通客户", "low"),
    "denial": ("拒绝", "denial"),
    "cold": ("C 类（冷）", "cold (C)"),
    "warm": ("B 类（温）", "warm (B)"),
    "hot": ("A 类（热）", "hot (A)"),
    "stage_0": ("未接触", "not reached yet"),
    "stage_1": ("新客户", "new in the book"),
    "stage_2": ("已联系关键人", "in contact with the key person"),
    "stage_3": ("有购买计划", "plans to buy"),
    "stage_4": ("倾向我方", "leans to us"),
    "stage_5": ("合同已发", "contract sent"),
    "stage_6": ("合同期内", "in contract"),
    "stage_7": ("合同过期", "contract expired"),
    # purchases, contracts
    "in_warranty": ("保修期内", "in warranty"),
    "expired": ("已过期", "expired"),
    "unknown": ("未知", "unknown"),
    "in_contract": ("生效中", "running"),
    "until": ("至", "until"),
    # contacts
    "call": ("电话", "call"),
    "email": ("邮件", "e-mail"),
    "sms": ("短信", "SMS"),
    "fax": ("传真", "fax"),
    "chat": ("在线", "chat"),
    "visit": ("上门", "visit"),
    "web": ("网站", "web"),
    "inbound": ("来", "in"),
    "outbound": ("去", "out"),
    # parts of a card
    "greeting": ("开场白", "Say"),
    "customer": ("客户", "Customer"),
    "owner": ("客户经理", "account manager"),
    "purchases": ("购买", "Purchases"),
    "contracts": ("合同", "Contracts"),
    "interactions": ("最近联系", "Last contacts"),
    "complaints": ("投诉", "Complaints"),
    "callbacks": ("回访", "Callbacks"),
    "note": ("备注", "Note"),
    "nothing": ("无", "none"),
    "who_is_it": ("请先确认是哪一位", "Ask who it is"),
    "more": ("还有更多", "and others"),
    "last_contact": ("最近联系", "last contact"),
    # lines
    "mobile": ("手机", "mobile"),
    "fixed_line": ("固话", "land line"),
    "fixed_line_or_mobile": ("固话或手机", "land line or mobile"),
    "toll_free": ("免费电话", "toll-free"),
    # matching
    "unique": ("唯一匹配", "one customer"),
    "several": ("多位客户", "several customers"),
    "match_unknown": ("陌生来电", "nobody we know"),
    "withheld": ("隐藏号码", "number withheld"),
    "exact": ("号码完全一致", "the very number"),
    "other_country": ("同号不同国家代码", "same number, other country code"),
    "same_ending": ("末八位一致", "same last 8 digits"),
    "by_hand": ("人工关联", "linked by hand"),
    # alerts
    "do_not_call": ("请勿主动致电", "do not call"),
    "vip": ("核心客户", "VIP"),
    "repeat_caller": ("七天内来电次数", "calls in the last 7 days"),
    "contract_expired": ("合同已过期", "contract expired"),
    "open_complaint": ("未结投诉", "complaints not closed"),
    "overdue_promise": ("承诺已逾期", "a promise is overdue"),
    # why an agent was chosen
    "complaint_owner": ("投诉负责人", "owns their complaint"),
    "account_manager": ("客户经理", "the customer's account manager"),
    "last_agent": ("上次接待", "spoke with them last"),
    "longest_available": ("等待最久", "longest available"),
    "dialling": ("由其致电", "who calls"),
    # what happens in a call
    "rings": ("来电", "rings"),
    "twiml": ("应答 TwiML", "TwiML"),
    "as_before": ("（同上）", "(as before)"),
    "match": ("匹配", "match"),
    "card": ("弹屏", "card"),
    "card_for": ("弹屏给", "card to"),
    "agent_rings": ("座席响铃", "phone rings"),
    "agent_answers": ("座席接听", "picked up"),
    "agent_leg_ended": ("座席挂断", "agent's phone"),
    "caller_hears": ("播放", "caller hears"),
    "caller_presses": ("按键", "caller presses"),
    "waits": ("排队", "waits in line"),
    "left_queue": ("出队", "left the line"),
    "recorded": ("录音", "recorded"),
    "fallback": ("备用地址", "fallback URL"),
    "warning": ("警告", "warning"),
    "ended": ("结束", "ended"),
    "keys": ("回车接听，Ctrl-C 离开", "Enter takes a call, Ctrl-C leaves"),
    "press_enter": ("按回车接听。", "Enter takes the call."),
    "accepted": ("已接受，正在接通。", "Accepted; the phone is picked up."),
    "connection_lost": ("连接中断，正在重连", "connection lost, trying again"),
    "trace": ("通话轨迹", "The call's trace"),
    "shown_after": ("从来电到弹屏", "from received to shown"),
}


def word(key: str, lang: Lang) -> str:
    """A word in a language; what has none here (a newer service's) as it is."""
    pair = _WORDS.get(key)
    return key if pair is None else pair[0 if lang == "zh" else 1]
