"""One server for all the tests of a file: each makes managers and lists of its own."""

from collections.abc import AsyncIterator

import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.models import Role
from tests.support import Served, SignedIn, fresh_database, serving, settings_for, sign_in_as


@pytest.fixture(scope="module")
async def app_server(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    async with (
        fresh_database(postgres_with_template) as dsn,
        serving(settings_for(dsn, tmp_path_factory.mktemp("data"))) as served,
    ):
        yield served


@pytest.fixture(scope="module")
async def manager(app_server: Served) -> AsyncIterator[SignedIn]:
    person = await sign_in_as(app_server, Role.ACCOUNT_MANAGER, name="林经理")
    async with person.http:
        yield person
