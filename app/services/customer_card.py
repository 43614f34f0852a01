"""A customer's card: everything that hangs on them, on one page, without a call."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.card import REPEAT_DAYS, Json, address_as, alerts, greeting, pending_alerts
from app.domain.matching import MatchOutcome
from app.domain.scopes import Scope
from app.domain.survivorship import RESERVED
from app.models.customers import Customer, SourceRecord
from app.schemas.customers import CustomerCard, SourceRead
from app.schemas.screen_pop import BothLanguages, PopAlert, PopCallback, PopComplaint
from app.services.access import Signed
from app.services.call_lists.listed import last_listed
from app.services.claims import list_claims
from app.services.customer_relations import current_consents, list_links, read_value
from app.services.customers import name_parts, read_customer
from app.services.hotline import Hotline
from app.services.interactions import count_calls_since, last_calls, read_timeline
from app.services.paging import Page
from app.services.possible_duplicates import possible_duplicates
from app.services.purchases import list_contracts, list_purchases
from app.services.record_history import read_history
from app.services.screen_pop import pending_with
from app.services.usage import latest_usage

_PURCHASES: Final = Page(limit=10)
_CONTRACTS: Final = Page(limit=5)
_TIMELINE: Final = Page(limit=20)
_CALLS: Final = 10
_CHANGES: Final = Page(limit=10)
_LISTS: Final = 5
_CLAIMS: Final = Page(limit=5)


async def read_card(
    session: AsyncSession, customer: Customer, hotline: Hotline, now: datetime, by: Signed, customer_years: int
) -> CustomerCard:
    """The card as it is at `now`, as far as `by` may see it.

    Greeting and alerts are what the screen pop of this customer would say. `customer_years` is how long the house
    assumes that a customer stays.
    """
    today = now.astimezone(hotline.zone).date()
    purchases = (await list_purchases(session, customer.id, _PURCHASES, today)).items
    contracts = (await list_contracts(session, customer.id, _CONTRACTS, today)).items
    recent_calls = await count_calls_since(session, customer.id, now - timedelta(days=REPEAT_DAYS))
    sources = await session.scalars(
        select(SourceRecord)
        .where(SourceRecord.customer_id == customer.id, SourceRecord.source.not_in(RESERVED))
        .order_by(SourceRecord.source, SourceRecord.id)
    )
    history = await read_history(session, customer.id, _CHANGES, may_see_identity=by.may(Scope.CUSTOMERS_IDENTITY))
    told: Json = {
        "address_as": address_as(name_parts(customer)),
        "do_not_call": customer.do_not_call,
        "tier": customer.tier,
    }
    complaints, callbacks = await pending_with(session, customer.id)
    bought = [purchase.model_dump(mode="json") for purchase in purchases]
    signed = [contract.model_dump(mode="json") for contract in contracts]
    return CustomerCard(
        customer=await read_customer(session, customer, hotline, by),
        greeting=BothLanguages(**greeting(told, bought, MatchOutcome.UNIQUE, today)),
        alerts=[
            PopAlert(**alert)
            for alert in alerts(told, signed, recent_calls, pending_alerts(complaints, callbacks, now))
        ],
        purchases=purchases,
        contracts=contracts,
        complaints=[PopComplaint(**complaint) for complaint in complaints],
        callbacks=[PopCallback(**callback) for callback in callbacks],
        timeline=await read_timeline(session, customer.id, _TIMELINE),
        calls=await last_calls(session, customer.id, _CALLS),
        lists=await last_listed(session, customer.id, _LISTS),
        claims=(await list_claims(session, customer.id, _CLAIMS)).items,
        links=await list_links(session, customer.id),
        consents=await current_consents(session, customer.id),
        value=await read_value(session, customer.id, today, customer_years),
        duplicates=await possible_duplicates(session, customer.id),
        sources=[SourceRead.model_validate(record) for record in sources],
        usage=await latest_usage(session, customer.id),
        changes=history.items,
    )
