"""What customers bought."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.domain.card import Warranty
from app.schemas.common import Amount, Currency, Day, FilledLine, Line, Word

_AIR_CONDITIONERS: Final[JsonDict] = {
    "product": "空调",
    "product_en": "air conditioner",
    "model": "KFR-35GW",
    "quantity": 3,
    "unit": "台",
    "amount": "8997.00",
    "currency": "CNY",
    "purchased_on": "2025-10-18",
    "warranty_until": "2027-10-17",
    "source": "shop",
}


class PurchaseCreate(BaseModel):
    """Something the customer bought."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_AIR_CONDITIONERS]})

    product: FilledLine
    product_en: Line = Field(default="", description="For agents who speak English, in the singular.")
    model: Line = ""
    serial_number: Line = ""
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    unit: Word = Field(default="", description="The Chinese measure word, such as 台.")
    amount: Amount | None = Field(default=None, description="For all of them together; needs `currency`.")
    currency: Currency | None = None
    purchased_on: Day = Field(description="Not in the future.")
    warranty_until: Day | None = Field(default=None, description="The last day on which a repair is free.")
    source: Word = Field(default="", description="The system that says so.")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.amount is None) is not (self.currency is None):
            raise ValueError("amount and currency go together")
        if self.warranty_until is not None and self.warranty_until < self.purchased_on:
            raise ValueError("warranty_until is before purchased_on")
        return self


class PurchaseRead(BaseModel):
    """Something the customer bought, and whether its repair is free today."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    product: str
    product_en: str
    model: str
    serial_number: str
    quantity: int
    unit: str
    amount: Decimal | None
    currency: str | None
    purchased_on: date
    warranty_until: date | None
    warranty: Warranty
    source: str
    created_at: datetime
