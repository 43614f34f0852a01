"""One server for all the tests of a file: each makes managers and lists of its own."""

from collections.abc import AsyncIterator

import pytest

from app.models import Role
from tests.support import Served, SignedIn, sign_in_as


@pytest.fixture(scope="module")
def app_server(file_server: Served) -> Served:
    return file_server


@pytest.fixture(scope="module")
async def manager(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.ACCOUNT_MANAGER, name="林经理")
    async with person.http:
        yield person
