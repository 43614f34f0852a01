"""The customers whom the demo tells about: Mr Lu, a household on one line, a hotel, and callers from abroad."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final
from uuid import UUID

from app.domain.customer_facts import Channel, CustomerKind, Direction, Gender
from app.models import Intention
from app.services.demo.catalogue import AIR_CONDITIONER, FOR_BUILDINGS, FOR_HOMES
from app.services.demo.ledger import Ledger, years_later
from app.services.demo.people import ABROAD, CITIES, Name, Place, chinese_person

LU_NUMBER: Final = "+8613800138000"
HOUSEHOLD_NUMBER: Final = "+862192618001"
HOTEL_NUMBER: Final = "+862193006688"
WHITFIELD_NUMBER: Final = "+442079460958"
QUIET_NUMBER: Final = "+8613490000110"
UNKNOWN_NUMBER: Final = "+8613499999999"

_SHANGHAI: Final = CITIES[0]
_LONDON: Final = ABROAD[0]
_IN, _OUT = Direction.INBOUND, Direction.OUTBOUND


@dataclass(frozen=True, slots=True)
class Example:
    """A number worth ringing from, and what it shows, in each language."""

    number: str
    zh: str
    en: str


EXAMPLES: Final = (
    Example(LU_NUMBER, "鲁先生：去年十月买了三台空调", "Mr Lu: three air conditioners last October"),
    Example(HOUSEHOLD_NUMBER, "一家三口共用一个号码：先问是哪位", "three customers on one number: a chooser, no guess"),
    Example(HOTEL_NUMBER, "核心客户，合同已过期", "a core customer whose contract has run out"),
    Example(WHITFIELD_NUMBER, "英国来电，英文接待", "a caller from London, in English"),
    Example(QUIET_NUMBER, "请勿主动致电的客户", "a customer who does not want to be called"),
    Example(UNKNOWN_NUMBER, "陌生来电", "nobody we know"),
    Example("anonymous", "隐藏号码", "a caller who hides the number"),
)

TOLD_NUMBERS: Final = tuple(example.number for example in EXAMPLES if example.number.startswith("+"))


def last_october(today: date) -> date:
    """The day in October of last year on which Mr Lu bought his air conditioners."""
    return date(today.year - 1, 10, 18)


def write_story(ledger: Ledger, agents: dict[str, UUID]) -> None:
    """Write the told customers, Mr Lu first."""
    _mr_lu(ledger, agents)
    _household(ledger)
    _hotel(ledger, agents)
    _ms_whitfield(ledger, agents)
    _quiet_customer(ledger)


def _mr_lu(ledger: Ledger, agents: dict[str, UUID]) -> None:
    bought = last_october(ledger.today)
    heater_bought = years_later(bought, -5)
    lu = ledger.customer(
        Name("鲁建国", "鲁", "Lu Jianguo", "Lu", Gender.MALE),
        CustomerKind.PERSON,
        _SHANGHAI,
        since=heater_bought,
        title="先生",
        intention=Intention.GOOD,
        email="lu.jianguo@example.com",
        address="上海市长江路128号1502室",
        owner_id=agents["lily"],
        note="家里三个房间都装了空调，老人怕冷，冬天来电请优先安排。",
    )
    ledger.source(lu, "shop", "S-100128", {"name": "鲁建国", "mobile": "138 0013 8000", "city": "上海"})
    ledger.source(lu, "service", "KF-20871", {"客户": "鲁先生", "电话": "13800138000", "设备": "空调 3 台"})
    ledger.phone(lu, LU_NUMBER, "手机", raw="138 0013 8000", primary=True)
    ledger.phone(lu, "+862196128015", "家", raw="021-96128015")
    ledger.purchase(lu, FOR_HOMES[3], heater_bought)
    ledger.purchase(lu, AIR_CONDITIONER, bought, 3)
    ledger.contract(lu, "空调三年保养服务", bought, years_later(bought, 3) - timedelta(days=1), 900)
    for days, clock, channel, direction, agent, summary in (
        (-1819, time(10, 5), Channel.VISIT, _OUT, "chen", "上门安装热水器，客户已签收。"),
        (-2, time(19, 12), Channel.CALL, _IN, "lily", "来电咨询空调：三个房间，选定 KFR-35GW 三台。"),
        (3, time(14, 30), Channel.VISIT, _OUT, "chen", "上门安装空调三台，试机正常，客户已签收。"),
        (18, time(9, 41), Channel.EMAIL, _IN, "wang", "邮件索取空调发票，已开具并发送。"),
        (25, time(15, 20), Channel.FAX, _OUT, "wang", "传真空调保修卡与保养合同。"),
        (46, time(10, 15), Channel.CALL, _OUT, "lily", "回访：三台空调制热良好，客户满意。"),
    ):
        at = ledger.at(bought + timedelta(days=days), clock)
        ledger.interaction(lu, at, channel, direction, summary, agent_id=agents[agent])


def _household(ledger: Ledger) -> None:
    """Three of one family, each a customer, who all ring from the line at home."""
    line = HOUSEHOLD_NUMBER
    for name, product, days in (
        (Name("陈建平", "陈", "Chen Jianping", "Chen", Gender.MALE), FOR_HOMES[1], 400),
        (Name("林淑芬", "林", "Lin Shufen", "Lin", Gender.FEMALE), FOR_HOMES[2], 210),
        (Name("陈思琪", "陈", "Chen Siqi", "Chen", Gender.FEMALE), FOR_HOMES[5], 45),
    ):
        member = ledger.customer(
            name, CustomerKind.PERSON, _SHANGHAI, since=ledger.ago(days, days), intention=Intention.POSSIBLE
        )
        ledger.source(member, "shop", f"S-{300000 + days}", {"name": name.full, "phone": line})
        ledger.phone(member, ledger.numbers.mobile(_SHANGHAI), "手机", primary=True)
        ledger.phone(member, line, "家", raw="021-9261 8001")
        day = ledger.ago(days, days)
        ledger.purchase(member, product, day)
        ledger.interaction(member, ledger.at(day), Channel.WEB, _IN, f"官网下单{product.name}。", source="shop")


def _hotel(ledger: Ledger, agents: dict[str, UUID]) -> None:
    since = ledger.ago(1400, 1400)
    hotel = ledger.customer(
        Name("上海远洋酒店管理有限公司", "", "Shanghai Yuanyang Hotels Co., Ltd.", "", Gender.UNKNOWN),
        CustomerKind.COMPANY,
        _SHANGHAI,
        since=since,
        email="engineering@example.com",
        address="上海市滨江路66号",
        owner_id=agents["zhao"],
        intention=Intention.POSSIBLE,
        note="联系人：工程部陆经理。",
    )
    ledger.source(hotel, "sales", "XS-00071", {"公司": hotel["name"], "联系人": "陆经理"})
    ledger.phone(hotel, HOTEL_NUMBER, "总机", raw="(021) 9300 6688", primary=True)
    ledger.phone(hotel, ledger.numbers.mobile(_SHANGHAI), "工程部")
    ledger.purchase(hotel, FOR_BUILDINGS[1], since + timedelta(days=20), 2, source="sales")
    ledger.purchase(hotel, FOR_BUILDINGS[0], since + timedelta(days=25), 4, source="sales")
    ends = ledger.today - timedelta(days=23)
    ledger.contract(hotel, "冷水机组年度维保", years_later(ends, -1) + timedelta(days=1), ends, 3_800_000)
    for days, channel, direction, agent, summary in (
        (320, Channel.VISIT, _OUT, "chen", "年度巡检冷水机组，更换滤芯。"),
        (75, Channel.EMAIL, _OUT, "zhao", "发送维保续约方案。"),
        (30, Channel.CALL, _OUT, "zhao", "陆经理：续约要等总部审批，月底再联系。"),
        (12, Channel.FAX, _IN, "wang", "传真询问过期期间的维修报价。"),
    ):
        ledger.interaction(
            hotel, ledger.at(ledger.ago(days, days)), channel, direction, summary, agent_id=agents[agent]
        )


def _ms_whitfield(ledger: Ledger, agents: dict[str, UUID]) -> None:
    since = ledger.ago(500, 500)
    olivia = ledger.customer(
        Name("Olivia Whitfield", "Whitfield", "Olivia Whitfield", "Whitfield", Gender.FEMALE),
        CustomerKind.PERSON,
        _LONDON,
        since=since,
        email="olivia.whitfield@example.com",
        address="14 Mill Lane, London",
        owner_id=agents["emma"],
        intention=Intention.GOOD,
    )
    ledger.source(olivia, "shop", "S-770958", {"name": olivia["name"], "phone": "020 7946 0958"})
    ledger.phone(olivia, WHITFIELD_NUMBER, "home", raw="+44 20 7946 0958", primary=True)
    ledger.purchase(olivia, FOR_HOMES[6], since + timedelta(days=3))
    ledger.purchase(olivia, FOR_HOMES[5], ledger.ago(40, 40), 2)
    for days, channel, direction, summary in (
        (490, Channel.VISIT, _OUT, "Fitted the dishwasher; signed for."),
        (36, Channel.CHAT, _IN, "Asked how often the filter of the air purifier is changed."),
        (35, Channel.EMAIL, _OUT, "Sent the care instructions of the air purifier."),
    ):
        at = ledger.at(ledger.ago(days, days))
        ledger.interaction(olivia, at, channel, direction, summary, agent_id=agents["emma"])


def _quiet_customer(ledger: Ledger) -> None:
    place: Place = CITIES[4]
    quiet = ledger.customer(
        chinese_person(ledger.random), CustomerKind.PERSON, place, since=ledger.ago(600, 600), do_not_call=True
    )
    ledger.source(quiet, "service", "KF-00110", {"客户": quiet["name"], "勿扰": True})
    ledger.phone(quiet, QUIET_NUMBER, "手机", primary=True)
    ledger.purchase(quiet, FOR_HOMES[1], ledger.ago(580, 580))
    at = ledger.at(ledger.ago(90, 90))
    ledger.interaction(quiet, at, Channel.CALL, _IN, "客户要求不再接到推销电话，已登记。")
