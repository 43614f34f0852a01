"""One server for all the tests of a file: each makes customers and agents of its own."""

from collections.abc import AsyncIterator

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
async def supervisor(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.SUPERVISOR, name="王主管")
    async with person.http:
        yield person
