"""What follows when a promised call did not reach the customer, over REST."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.models.callbacks import DialResult
from app.models.dialling import NextStep


class RetryRulePut(BaseModel):
    """One rule."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"wait_minutes": 120, "most_attempts": 4, "next_step": "retry"}]},
    )

    wait_minutes: Annotated[int, Field(ge=1, le=10_080, description="How long to wait before the next try.")]
    most_attempts: Annotated[int, Field(ge=1, le=20, description="So many tries with this result, then escalated.")]
    next_step: NextStep


class RetryRuleRead(RetryRulePut):
    """One rule, and the result that it is for."""

    model_config = ConfigDict(from_attributes=True)

    result: DialResult
