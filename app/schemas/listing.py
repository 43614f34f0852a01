"""A page of a list, the same for every resource."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """Some items, and where to go on."""

    items: list[Item]
    next: str | None = Field(description="Give this as `cursor` for the next page; null at the end.")
