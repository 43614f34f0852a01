"""One server for all the tests of complaints, with somebody at each desk."""

from collections.abc import AsyncIterator

import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.models import Role
from tests.api.complaints.support import MAIL_SECRET, Desks
from tests.factories import make_queue
from tests.support import Served, fresh_database, serving, settings_for, sign_in_as


@pytest.fixture(scope="module")
async def app_server(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    async with (
        fresh_database(postgres_with_template) as dsn,
        serving(settings_for(dsn, tmp_path_factory.mktemp("data"), mail_secret=MAIL_SECRET)) as served,
    ):
        yield served


@pytest.fixture(scope="module")
async def desks(app_server: Served) -> AsyncIterator[Desks]:
    async with app_server.database.session_scope() as session:
        queue = await make_queue(session)
    people = {
        "lily": await sign_in_as(app_server, Role.AGENT, name="李莉", queues=[queue]),
        "chen": await sign_in_as(app_server, Role.AGENT, name="陈伟", queues=[queue]),
        "wang": await sign_in_as(app_server, Role.AGENT, name="王芳", queues=[queue]),
        "boss": await sign_in_as(app_server, Role.SUPERVISOR, name="赵敏"),
        "analyst": await sign_in_as(app_server, Role.ANALYST, name="钱分析"),
    }
    yield Desks(served=app_server, queue=queue, **people)
    for person in people.values():
        await person.http.aclose()
