"""The caller's card on a terminal: the same screen pop that an agent's browser shows.

Names, notes and summaries come from outside: they are cleaned of what a terminal would obey, and never read as markup.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.cli.words import Lang, word
from app.domain.matching import MatchOutcome
from app.domain.phone_numbers import LineType
from app.schemas.screen_pop import PopAlert, PopCustomer, PopPurchase, ScreenPop

WIDEST: Final = 100
"""Columns that a card takes at most."""


def plain(text: str) -> str:
    """Text without control characters, bidi marks and the like; line breaks become blanks."""
    kept = (" " if char in "\r\n\t" else char for char in text)
    return "".join(char for char in kept if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))


def card(pop: ScreenPop, lang: Lang) -> Panel:
    """A screen pop as a panel: who it is, what to say, and what we know; a chooser where it may be several."""
    parts: list[RenderableType] = [_greeting(pop, lang)]
    if pop.alerts:
        parts += ["", *(_alert(alert, lang) for alert in pop.alerts)]
    if pop.customer is not None:
        parts += ["", *_about(pop, pop.customer, lang)]
    elif pop.match.outcome is MatchOutcome.SEVERAL:
        parts += ["", _chooser(pop, lang)]
    colour = "yellow" if pop.alerts else "green" if pop.customer is not None else "cyan"
    return Panel(
        Group(*parts),
        title=_title(pop, lang),
        title_align="left",
        subtitle=_number(pop, lang),
        subtitle_align="left",
        border_style=colour,
        width=WIDEST,
    )


def who(pop: ScreenPop, lang: Lang) -> str:
    """The caller in a few words: `鲁建国 C0001001`, or what the match came to."""
    if pop.customer is not None:
        return f"{plain(pop.customer.name)} {pop.customer.code}"
    return match_words(pop.match.outcome, lang)


def match_words(outcome: str, lang: Lang) -> str:
    """A match outcome in words."""
    return word("match_unknown" if outcome == MatchOutcome.UNKNOWN else outcome, lang)


def _title(pop: ScreenPop, lang: Lang) -> Text:
    if pop.customer is not None:
        name = pop.customer.address_as.zh if lang == "zh" else pop.customer.address_as.en
        return Text.assemble((plain(name), "bold"), f"  {pop.customer.code}")
    title = Text(match_words(pop.match.outcome, lang), style="bold")
    if pop.call is not None and pop.call.caller_name:
        title.append(f'  "{plain(pop.call.caller_name)[:40]}"')
    return title


def _number(pop: ScreenPop, lang: Lang) -> Text:
    caller = pop.caller
    line = None if caller.line_type is LineType.UNKNOWN else word(caller.line_type, lang)
    parts = (caller.national or caller.e164 or caller.raw, caller.region, line, caller.time_zone)
    return Text("  ".join(plain(part) for part in parts if part) or "-", style="dim")


def _greeting(pop: ScreenPop, lang: Lang) -> Text:
    first, second = (pop.greeting.zh, pop.greeting.en) if lang == "zh" else (pop.greeting.en, pop.greeting.zh)
    return Text.assemble((plain(first), "bold"), "\n", (plain(second), "dim"))


def _alert(alert: PopAlert, lang: Lang) -> Text:
    more = "".join(f" {part}" for part in (alert.count, alert.on) if part is not None)
    return Text(f"! {word(alert.kind, lang)}{more}", style="bold red")


def _about(pop: ScreenPop, customer: PopCustomer, lang: Lang) -> Iterable[RenderableType]:
    facts = [plain(customer.name), word(customer.kind, lang)]
    facts += [word(value, lang) for value in (customer.tier, customer.dcwh) if value is not None]
    facts.append(f"{customer.sales_stage} {word(f'stage_{customer.sales_stage}', lang)}")
    if customer.owner is not None:
        facts.append(f"{word('owner', lang)} {plain(customer.owner.name)}")
    yield Text(" | ".join(facts))
    if customer.note:
        yield Text(f"{word('note', lang)}: {plain(customer.note)}", style="italic")
    yield from _section("purchases", [_purchase(bought, lang) for bought in pop.purchases], lang)
    contracts = [
        (
            str(contract.starts_on),
            Text(plain(f"{contract.title} {contract.number}")),
            _state("expired" if contract.expired else "in_contract", str(contract.ends_on), not contract.expired, lang),
        )
        for contract in pop.contracts
    ]
    yield from _section("contracts", contracts, lang)
    contacts = [
        (
            _day(contact.at),
            Text(plain(contact.summary)),
            Text(
                f"{word(contact.channel, lang)} ({word(contact.direction, lang)})"
                + (f" {plain(contact.agent)}" if contact.agent else ""),
                style="dim",
            ),
        )
        for contact in pop.interactions
    ]
    yield from _section("interactions", contacts, lang)
    for name, codes in (
        ("complaints", [complaint.code for complaint in pop.complaints]),
        ("callbacks", [callback.code for callback in pop.callbacks]),
    ):
        if codes:
            yield Text(f"{word(name, lang)}: {', '.join(codes)}")


def _section(name: str, rows: list[tuple[str, Text, Text]], lang: Lang) -> Iterable[RenderableType]:
    if not rows:
        return
    yield Text(f"\n{word(name, lang)}", style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column()
    for day, what, how in rows:
        table.add_row(Text(day), what, how)
    yield table


def _purchase(bought: PopPurchase, lang: Lang) -> tuple[str, Text, Text]:
    name = bought.product if lang == "zh" or not bought.product_en else bought.product_en
    what = Text(plain(f"{bought.quantity} {bought.unit if lang == 'zh' else 'x'} {name}"))
    what.append(plain(f"  {bought.model}"), style="dim")
    if bought.amount is not None:
        what.append(f"  {_money(bought.amount)} {bought.currency}", style="dim")
    until = "" if bought.warranty_until is None else str(bought.warranty_until)
    return str(bought.purchased_on), what, _state(bought.warranty, until, bought.warranty == "in_warranty", lang)


def _state(state: str, until: str, good: bool, lang: Lang) -> Text:
    till = f"{word('until', lang)} " if good and until else ""
    text = f"{word(state, lang)} {till}{until}".rstrip()
    return Text(text, style="green" if good else "red" if state == "expired" else "dim")


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d}"


def _chooser(pop: ScreenPop, lang: Lang) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for _ in range(5):
        table.add_column()
    for number, candidate in enumerate(pop.match.candidates, start=1):
        last = f"{word('last_contact', lang)} {_day(candidate.last_contact_at)}" if candidate.last_contact_at else ""
        owner = f"{word('owner', lang)} {plain(candidate.owner)}" if candidate.owner else ""
        table.add_row(
            Text(f"{number}", style="bold"),
            Text(candidate.code),
            Text(plain(candidate.name), style="bold"),
            Text(word(candidate.reason, lang)),
            Text("  ".join(part for part in (last, owner) if part), style="dim"),
        )
    heading = Text(word("who_is_it", lang), style="bold yellow")
    return Group(heading, table, *([Text(f"... {word('more', lang)}", style="dim")] if pop.match.more else []))
