"""The table of what follows when a promised call did not reach the customer: read and changed."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models.callbacks import DialResult
from app.models.dialling import RetryRule
from app.schemas.retry_rules import RetryRulePut


class NoSuchRule(NotFound):
    """Nothing is tried again after a customer has answered."""

    code = "no_such_rule"
    title = "No such rule"


async def list_rules(session: AsyncSession) -> list[RetryRule]:
    """Every rule, in the order of the results."""
    order = list(DialResult)
    return sorted(await session.scalars(select(RetryRule)), key=lambda rule: order.index(rule.result))


async def put_rule(session: AsyncSession, result: DialResult, given: RetryRulePut) -> RetryRule:
    """Change the rule for a result. Raises NoSuchRule."""
    rule = await session.get(RetryRule, result, with_for_update=True)
    if rule is None:
        raise NoSuchRule("Nothing is tried again after a customer has answered.")
    for name, value in given.model_dump().items():
        setattr(rule, name, value)
    await session.flush()
    return rule
