"""The other two thousand: people and companies at home and abroad, made up at random."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.domain.customer_facts import Channel, CustomerKind
from app.domain.standing import ContractState, Intention, dcwh, stage_after
from app.services.demo.catalogue import CONTACTS, CONTRACT_TITLES, FOR_BUILDINGS, FOR_HOMES, Product
from app.services.demo.ledger import Ledger, Row, years_later
from app.services.demo.people import ABROAD, CITIES, Place, address, chinese_person, company, english_person

TOTAL: Final = 2_000
"""So many customers in all, those of the story among them."""

BOOK: Final = 1_000
"""So many customers belong to the account manager."""

_OLDEST_DAYS: Final = 2_200
_HOUSEHOLDS: Final = 40
_SWITCHBOARDS: Final = 25

_PHONE_LABELS: Final = {"zh-CN": ("手机", "家", "公司", "总机"), "en": ("mobile", "home", "office", "switchboard")}
_INTENTIONS: Final = {
    0: (Intention.UNCLEAR, None),
    1: (Intention.UNCLEAR, Intention.UNLIKELY, Intention.POSSIBLE),
    2: (Intention.UNCLEAR, Intention.POSSIBLE, Intention.UNLIKELY),
    3: (Intention.POSSIBLE, Intention.GOOD),
    4: (Intention.GOOD, Intention.VERY_LIKELY),
    5: (Intention.GOOD, Intention.VERY_LIKELY),
    6: (Intention.GOOD, Intention.POSSIBLE, Intention.VERY_LIKELY),
    7: (Intention.POSSIBLE, Intention.UNCLEAR, Intention.UNLIKELY),
}


def write_customers(ledger: Ledger, agents: dict[str, UUID], total: int = TOTAL) -> None:
    """Fill up to `total` customers, then set everybody's tier, stage, intention, DCWH and owner."""
    crowd = total - len(ledger.rows.customers)
    agent_ids = list(agents.values())
    for number in range(crowd):
        place = _place(ledger)
        if ledger.random.random() < 0.2:
            _company(ledger, place, number, agent_ids)
        else:
            _person(ledger, place, number, agent_ids)
    _share_lines(ledger)
    _place_in_the_funnel(ledger)
    _assign_owners(ledger, agents)


def _place(ledger: Ledger) -> Place:
    return ledger.random.choice(CITIES if ledger.random.random() < 0.93 else ABROAD)


def _person(ledger: Ledger, place: Place, number: int, agent_ids: list[UUID]) -> None:
    random = ledger.random
    name = chinese_person(random) if place.country == "CN" else english_person(random)
    customer = ledger.customer(
        name,
        CustomerKind.PERSON,
        place,
        since=ledger.ago(3, _OLDEST_DAYS),
        email=f"customer{number + 1:04}@example.com" if random.random() < 0.5 else None,
        address=address(random, place) if random.random() < 0.7 else None,
        do_not_call=random.random() < 0.03,
    )
    mobile, home, _office, _switchboard = _PHONE_LABELS[customer["language"]]
    ledger.phone(customer, ledger.numbers.mobile(place), mobile, primary=True)
    if random.random() < 0.3:
        ledger.phone(customer, ledger.numbers.land_line(place), home)
    if random.random() < 0.12:
        ledger.phone(customer, ledger.numbers.mobile(place), mobile)
    _live(ledger, customer, FOR_HOMES, agent_ids, number)
    if random.random() < 0.15:
        _sign_contract(ledger, customer, random.randint(200, 1_500))


def _company(ledger: Ledger, place: Place, number: int, agent_ids: list[UUID]) -> None:
    random = ledger.random
    customer = ledger.customer(
        company(random, place),
        CustomerKind.COMPANY,
        place,
        since=ledger.ago(30, _OLDEST_DAYS),
        email=f"office{number + 1:04}@example.com" if random.random() < 0.8 else None,
        address=address(random, place),
    )
    contact = chinese_person(random) if place.country == "CN" else english_person(random)
    customer["note"] = f"联系人：{contact.full}" if place.country == "CN" else f"Contact: {contact.full}"
    mobile, _home, office, _switchboard = _PHONE_LABELS[customer["language"]]
    ledger.phone(customer, ledger.numbers.land_line(place), office, primary=True)
    for _ in range(random.randint(0, 2)):
        ledger.phone(customer, ledger.numbers.mobile(place), mobile)
    _live(ledger, customer, FOR_BUILDINGS, agent_ids, number)
    if random.random() < 0.6:
        _sign_contract(ledger, customer, random.randint(8, 400) * 1_000)


def _live(ledger: Ledger, customer: Row, products: tuple[Product, ...], agent_ids: list[UUID], number: int) -> None:
    """Give a customer what they bought and said since they came to us."""
    random = ledger.random
    since: date = customer["created_at"].astimezone(ledger.zone).date()
    days = (ledger.today - since).days
    system = random.choice(("sales", "service", "marketing", "shop"))
    ledger.source(customer, system, f"{system[:2].upper()}-{500_000 + number}", {"name": customer["name"]})
    bought = random.choices(products, k=random.choices((0, 1, 2, 3, 4), (12, 42, 26, 13, 7))[0])
    for product in bought:
        quantity = random.randint(1, product.most) if random.random() < 0.5 else 1
        ledger.purchase(customer, product, since + timedelta(days=random.randrange(days)), quantity, source=system)
    language = "zh" if customer["language"] == "zh-CN" else "en"
    for _ in range(random.randint(1, 7)):
        contact = random.choice(CONTACTS)
        about = random.choice(bought or products)
        words = contact.zh.format(product=about.name) if language == "zh" else contact.en.format(product=about.name_en)
        ledger.interaction(
            customer,
            ledger.at(since + timedelta(days=random.randrange(days))),
            contact.channel,
            contact.direction,
            words,
            agent_id=None if contact.channel is Channel.WEB else random.choice(agent_ids),
        )


def _sign_contract(ledger: Ledger, customer: Row, yuan: int) -> None:
    zh, en = CONTRACT_TITLES[customer["kind"]]
    since: date = customer["created_at"].astimezone(ledger.zone).date()
    starts_on = since + timedelta(days=ledger.random.randrange((ledger.today - since).days))
    ends_on = years_later(starts_on, ledger.random.choice((1, 1, 2, 3))) - timedelta(days=1)
    ledger.contract(customer, zh if customer["language"] == "zh-CN" else en, starts_on, ends_on, yuan)


def _share_lines(ledger: Ledger) -> None:
    """Families on one line at home, and offices of one building behind one switchboard."""
    random = ledger.random
    by_kind = {
        kind: [row for row in ledger.rows.customers if row["kind"] is kind and row["language"] == "zh-CN"]
        for kind in CustomerKind
    }
    # The first are those of the story, whose numbers show exactly what the story says.
    for kind, groups, most, label in (
        (CustomerKind.PERSON, _HOUSEHOLDS, 4, "家"),
        (CustomerKind.COMPANY, _SWITCHBOARDS, 5, "总机"),
    ):
        told = sum(1 for row in ledger.rows.customers[:10] if row["kind"] is kind)
        crowd = by_kind[kind][told:]
        for _ in range(min(groups, len(crowd) // most)):
            line = ledger.numbers.land_line(CITIES[0])
            for customer in random.sample(crowd, random.randint(2, most)):
                ledger.phone(customer, line, label)


def _place_in_the_funnel(ledger: Ledger) -> None:
    """Stage 6 or 7 for whoever has or had a contract, any other stage for the rest; intention and DCWH follow."""
    random = ledger.random
    last_day: dict[UUID, date] = {}
    for contract in ledger.rows.contracts:
        known = last_day.get(contract["customer_id"], contract["ends_on"])
        last_day[contract["customer_id"]] = max(known, contract["ends_on"])
    for customer in ledger.rows.customers:
        ends_on = last_day.get(customer["id"])
        state = ContractState.NONE
        if ends_on is not None:
            state = ContractState.IN_CONTRACT if ends_on >= ledger.today else ContractState.EXPIRED
            stage = stage_after(0, ContractState.NONE, state)
        else:
            stage = random.choices(range(6), (10, 25, 25, 18, 14, 8))[0]
        customer["sales_stage"] = stage
        customer["intention"] = customer["intention"] or random.choice(_INTENTIONS[stage])
        customer["contract_state"] = state
        customer["dcwh"] = dcwh(stage, customer["intention"], state)


def _assign_owners(ledger: Ledger, agents: dict[str, UUID]) -> None:
    """Core customers are the supervisor's own; of the rest the account manager has a full book."""
    ranked = ledger.rank()
    core = [row for row in ranked if row["tier"] == "core"]
    for row in core:
        row["owner_id"] = row["owner_id"] or agents["zhao"]
    already = sum(1 for row in ranked if row["owner_id"] == agents["lily"])
    free = [row for row in ranked if row["owner_id"] is None]
    for row in ledger.random.sample(free, min(len(free), BOOK - already)):
        row["owner_id"] = agents["lily"]
