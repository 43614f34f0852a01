"""Agreements with customers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.schemas.common import Amount, Currency, Day, FilledLine, Line

_MAINTENANCE: Final[JsonDict] = {
    "number": "HT-2026-0117",
    "title": "空调年度保养",
    "amount": "1200.00",
    "currency": "CNY",
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
}


class ContractCreate(BaseModel):
    """A new agreement."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_MAINTENANCE]})

    number: FilledLine
    title: Line = ""
    amount: Amount | None = Field(default=None, description="Needs `currency`.")
    currency: Currency | None = None
    starts_on: Day
    ends_on: Day = Field(description="The last day on which it holds.")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.amount is None) is not (self.currency is None):
            raise ValueError("amount and currency go together")
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        return self


class ContractRead(BaseModel):
    """An agreement, and whether it has run out."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    title: str
    amount: Decimal | None
    currency: str | None
    starts_on: date
    ends_on: date
    expired: bool
    created_at: datetime
