"""What the service says of itself to load balancers."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel


class Check(StrEnum):
    """How one check went; `unknown` when another had to go well first."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether requests can be served now, and each check behind that."""

    ready: bool
    checks: dict[Literal["database", "schema"], Check]
