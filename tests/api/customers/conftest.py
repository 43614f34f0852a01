"""One server for all the tests of a file: each makes customers of its own and asks for these."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.models import Role
from tests.api.customers.support import with_our_number
from tests.support import Served, SignedIn, sign_in_as


@pytest.fixture(scope="module")
async def app_server(file_server: Served) -> Served:
    return await with_our_number(file_server)


@pytest.fixture(scope="module")
async def agent(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.AGENT, name="李娜")
    async with person.http:
        yield person


@pytest.fixture(scope="module")
def http(agent: SignedIn) -> httpx.AsyncClient:
    return agent.http
