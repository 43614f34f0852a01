"""Retry rules: what follows when a promised call did not reach the customer."""

from typing import Annotated

from fastapi import APIRouter

from app.dependencies import DbSession, requires
from app.domain.scopes import Scope
from app.errors import NotSignedIn
from app.models.callbacks import DialResult
from app.schemas.listing import Listing
from app.schemas.problem import problems
from app.schemas.retry_rules import RetryRulePut, RetryRuleRead
from app.services import retry_rules
from app.services.access import ScopeMissing, Signed
from app.services.retry_rules import NoSuchRule

router = APIRouter(prefix="/retry-rules", tags=["callbacks"])


@router.get("", operation_id="list_retry_rules", responses=problems(NotSignedIn, ScopeMissing))
async def list_retry_rules(
    session: DbSession, _user: Annotated[Signed, requires(Scope.CALLBACKS_READ)]
) -> Listing[RetryRuleRead]:
    """What follows from each result of a try, in the order of the results."""
    rules = await retry_rules.list_rules(session)
    return Listing[RetryRuleRead](items=[RetryRuleRead.model_validate(rule) for rule in rules], next=None)


@router.put(
    "/{result}",
    operation_id="put_retry_rule",
    responses=problems(NotSignedIn, ScopeMissing, NoSuchRule),
)
async def put_retry_rule(
    result: DialResult,
    given: RetryRulePut,
    session: DbSession,
    _user: Annotated[Signed, requires(Scope.CALLBACKS_SUPERVISE)],
) -> RetryRuleRead:
    """Say what is to follow from a result, from the next try on."""
    return RetryRuleRead.model_validate(await retry_rules.put_rule(session, result, given))
