"""What a row tells besides the customer's own fields: purchases, contracts, complaints, usage, a contact."""

import hashlib
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.domain.importing.cells import BadCell, digits, read_amount, read_count, read_date, read_time, read_value, tidy
from app.domain.importing.mapping import Mapping
from app.services.imports.keys import LONGEST_ID, Cells
from app.services.imports.meanings import USUAL_LENGTH, Meanings, email, within

Item = tuple[str, str, dict[str, Any]]
"""Kind, by what the source knows it, and what is told of it."""


class ItemReader:
    """Reads them row by row.

    Args:
        places: by name of a column, where it stands.
    """

    def __init__(
        self, mapping: Mapping, places: dict[str, int], meanings: Meanings, region: str, zone: ZoneInfo
    ) -> None:
        self._mapping = mapping
        self._meanings = meanings
        self._region = region
        self._zone = zone
        self._place = {name: places[names[0]] for name, names in mapping.columns.items() if "." in name}
        self._usage = {key: places[column] for key, column in mapping.usage.items()}
        kinds = mapping.items()
        self.has_contacts = "contact" in kinds
        self._kinds = [kind for kind in kinds if kind in _ITEMS]
        self._places_of = {
            kind: [place for name, place in self._place.items() if name.startswith(f"{kind}.")] for kind in self._kinds
        }
        self.has_items = bool(self._kinds or self._usage)

    def items(self, row: tuple[str, Cells]) -> list[Item]:
        """All but the contact of a row, told by its id and its cells. Raises BadCell."""
        told = [self._item(kind, *row) for kind in self._kinds]
        return [item for item in told if item is not None] + self._used(row[1])

    def contact(self, cells: Cells) -> dict[str, Any] | None:
        """Who is to be asked for at a company. Raises BadCell."""
        name = within(self._text("contact.name", cells), 200)
        if not name:
            return None
        mail = self._text("contact.email", cells)
        return {
            "name": name,
            "role": within(self._text("contact.role", cells), 40),
            "phone": within(digits(self._text("contact.phone", cells)), 200),
            "email": email(mail) if mail else None,
        }

    def _used(self, cells: Cells) -> list[Item]:
        values = [(key, tidy(cells[place])) for key, place in self._usage.items()]
        if not any(text for _, text in values):
            return []
        at = self._time("usage.at", cells)
        return [("usage", key, {"at": at, "value": str(read_value(text))}) for key, text in values if text]

    def _item(self, kind: str, external_id: str, cells: Cells) -> Item | None:
        """A thing that the row tells besides the customer, and by what the source knows it; None when it tells none.

        A purchase is known by its order and what was bought, for an order may have several lines; what has no id, by
        all that is said of it.
        """
        if not any(tidy(cells[place]) for place in self._places_of[kind]):
            return None
        told = _ITEMS[kind](self, cells)
        key = within(digits(self._text("contract.number" if kind == "contract" else f"{kind}.id", cells)), LONGEST_ID)
        if not key:
            key = f"{kind}#{_short_hash(external_id, *map(str, told.values()))}"
        elif kind == "purchase":
            key = f"{key}#{_short_hash(told['product'], told['model'], told['serial_number'])}"
        return kind, key, told

    def _date(self, name: str, cells: Cells) -> str | None:
        text = self._text(name, cells)
        return read_date(text, self._mapping.date_formats).isoformat() if text else None

    def _time(self, name: str, cells: Cells) -> str:
        text = self._text(name, cells)
        if not text:
            raise BadCell("missing", f"The row has no {name}.")
        return read_time(text, self._mapping.date_formats, self._zone).isoformat()

    def _needed(self, name: str, cells: Cells, longest: int = USUAL_LENGTH) -> str:
        text = self._text(name, cells)
        if not text:
            raise BadCell("missing", f"The row has no {name}.")
        return within(text, longest)

    def _money(self, kind: str, cells: Cells) -> dict[str, Any]:
        text = self._text(f"{kind}.amount", cells)
        if not text:
            return {"amount": None, "currency": None}
        currency = self._text(f"{kind}.currency", cells) or ("CNY" if self._region == "CN" else "")
        words = {"人民币": "CNY", "元": "CNY", "rmb": "CNY", "¥": "CNY", "美元": "USD", "$": "USD", "欧元": "EUR"}
        currency = words.get(currency.casefold(), currency.upper())
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            raise BadCell("bad_value", f"{currency!r} is no currency (ISO 4217), which an amount needs.")
        return {"amount": str(read_amount(text)), "currency": currency}

    def _purchase(self, cells: Cells) -> dict[str, Any]:
        quantity = self._text("purchase.quantity", cells)
        on = self._date("purchase.date", cells)
        if on is None:
            raise BadCell("missing", "The row has no purchase.date.")
        return {
            "product": self._needed("purchase.product", cells),
            "product_en": within(self._text("purchase.product_en", cells), 200),
            "model": within(self._text("purchase.model", cells), 200),
            "serial_number": within(digits(self._text("purchase.serial_number", cells)), 200),
            "quantity": read_count(quantity) if quantity else 1,
            "unit": within(self._text("purchase.unit", cells), 40),
            **self._money("purchase", cells),
            "purchased_on": on,
            "warranty_until": self._date("purchase.warranty_until", cells),
        }

    def _contract(self, cells: Cells) -> dict[str, Any]:
        starts, ends = self._date("contract.starts_on", cells), self._date("contract.ends_on", cells)
        if starts is None or ends is None:
            raise BadCell("missing", "A contract has a first and a last day.")
        if ends < starts:
            raise BadCell("bad_date", "The contract ends before it begins.")
        return {
            "number": self._needed("contract.number", cells),
            "title": within(self._text("contract.title", cells), 200),
            **self._money("contract", cells),
            "starts_on": starts,
            "ends_on": ends,
        }

    def _contact_made(self, cells: Cells) -> dict[str, Any]:
        return {
            "kind": "contact",
            "at": self._time("interaction.at", cells),
            "channel": self._word("interaction.channel", cells, "call"),
            "direction": self._word("interaction.direction", cells, "inbound"),
            "summary": self._needed("interaction.summary", cells, 4000),
        }

    def _complaint(self, cells: Cells) -> dict[str, Any]:
        summary, resolution = self._needed("complaint.summary", cells, 4000), self._text("complaint.resolution", cells)
        return {
            "kind": "complaint",
            "at": self._time("complaint.at", cells),
            "channel": self._word("complaint.channel", cells, "call"),
            "direction": "inbound",
            "summary": within(f"{summary}\n→ {resolution}" if resolution else summary, 4000),
        }

    def _word(self, name: str, cells: Cells, otherwise: str) -> str:
        text = self._text(name, cells)
        return self._meanings.word(name, text) if text else otherwise

    def _text(self, name: str, cells: Cells) -> str:
        """What the field's column says, or the constant; empty for nothing."""
        place = self._place.get(name)
        text = "" if place is None else tidy(cells[place])
        return text or self._mapping.constants.get(name, "")


_ITEMS: Final[dict[str, Callable[[ItemReader, Cells], dict[str, Any]]]] = {
    "purchase": ItemReader._purchase,  # noqa: SLF001 - its own
    "contract": ItemReader._contract,  # noqa: SLF001 - its own
    "interaction": ItemReader._contact_made,  # noqa: SLF001 - its own
    "complaint": ItemReader._complaint,  # noqa: SLF001 - its own
}


def _short_hash(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=9).hexdigest()
