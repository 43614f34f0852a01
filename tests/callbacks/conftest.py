"""One server for all the tests of a file: each makes customers and agents of its own."""

from collections.abc import AsyncIterator

import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.models import Role
from tests.api.customers.support import OURS
from tests.factories import make_queue
from tests.support import Served, SignedIn, fresh_database, serving, settings_for, sign_in_as


@pytest.fixture(scope="module")
async def app_server(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    async with (
        fresh_database(postgres_with_template) as dsn,
        serving(settings_for(dsn, tmp_path_factory.mktemp("data"))) as served,
    ):
        async with served.database.session_scope() as session:
            await make_queue(session, numbers=(OURS,))
        await served.runtime.hotline.refresh()
        yield served


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
