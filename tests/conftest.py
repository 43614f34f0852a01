"""One PostgreSQL for the whole run, a fresh database for every test that asks for one.

The server is shared by all pytest-xdist workers: the controller names a folder, whichever worker needs the server first
starts it there, and the last to leave stops it. A migrated template is made once; a test's own database is a copy.
"""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.embedded_postgres import EmbeddedPostgres
from app.models.people import Role
from app.observability.logging import configure_logging
from tests.support import (
    Serve,
    Served,
    SignedIn,
    SignIn,
    fresh_database,
    make_template,
    roomy_memory,
    serving,
    settings_for,
    sign_in_as,
    start_server,
)

_FOLDER = pytest.StashKey[Path]()

# Nothing set on this machine may reach a test.
for _name in [name for name in os.environ if name.startswith(("CALLCARD_", "TWILIO_", "PG")) or name == "DATABASE_URL"]:
    del os.environ[_name]
# Tests and the programs that they start read hundreds of modules: compiled once, they are there in a third of the time.
sys.dont_write_bytecode = False
sys.pycache_prefix = str(Path(__file__).parent.parent / ".pytest_cache" / "compiled")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder of the run's server; a worker is told by its controller."""
    told = getattr(config, "workerinput", {}).get("postgres_folder")
    config.stash[_FOLDER] = Path(told or tempfile.mkdtemp(prefix="callcard-tests-", dir=roomy_memory()))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a pytest-xdist worker which folder it is."""
    node.workerinput["postgres_folder"] = str(node.config.stash[_FOLDER])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector what stays to the end: thousands of tests, looked through again and again."""
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Clear up, when all workers have left the server."""
    if not hasattr(config, "workerinput") and _FOLDER in config.stash:
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


@pytest.fixture(autouse=True)
def logging_as_in_production() -> None:
    """Log lines are JSON on standard error; structlog's own default draws pictures of every traceback."""
    configure_logging("json")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """The server of this run. What would disturb its other users (a restart, say) takes a server of its own."""
    with start_server(request.config.stash[_FOLDER] / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_with_template(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server, once it holds the migrated template."""
    await make_template(postgres)
    return postgres


@pytest.fixture
async def database_url(postgres_with_template: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a database at the newest schema, for this test alone."""
    async with fresh_database(postgres_with_template) as dsn:
        yield dsn


@pytest.fixture
async def empty_database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a database without any table, for this test alone."""
    async with fresh_database(postgres, "template1") as dsn:
        yield dsn


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections to the test's database."""
    opened = Database(database_url, pool_size=5, lane_size=4)
    yield opened
    await opened.aclose()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """One transaction, committed after the test; what others are to see goes through `database.session_scope()`."""
    async with database.session_scope() as opened:
        yield opened


@pytest.fixture
async def serve(database_url: str, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves the application on the test's database, with settings given by field name; several times if asked."""
    async with AsyncExitStack() as stack:

        async def start(**given: Any) -> Served:
            return await stack.enter_async_context(serving(settings_for(database_url, tmp_path, **given)))

        yield start


@pytest.fixture(scope="module")
async def file_server(
    postgres_with_template: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """The application on a database of its own, one for all tests of a file: each makes what it needs of its own."""
    async with (
        fresh_database(postgres_with_template) as dsn,
        serving(settings_for(dsn, tmp_path_factory.mktemp("data"))) as served,
    ):
        yield served


@pytest.fixture
async def app_server(serve: Serve) -> Served:
    """The application behind a real server; `.url` is where."""
    return await serve()


@pytest.fixture
async def client(app_server: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client that nobody is signed in with."""
    async with app_server.client() as http:
        yield http


@pytest.fixture
async def signed_in(app_server: Served) -> AsyncIterator[SignIn]:
    """`await signed_in(Role.SUPERVISOR, name=…)`: somebody new, signed in, with a client (`.http`) of their own."""
    async with AsyncExitStack() as stack:

        async def sign_in(role: Role = Role.AGENT, **fields: Any) -> SignedIn:
            person = await sign_in_as(app_server, role, **fields)
            await stack.enter_async_context(person.http)
            return person

        yield sign_in
