import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.embedded_postgres.account import Account, choose_account
from app.embedded_postgres.postmaster import Postmaster
from app.embedded_postgres.programs import Programs
from tests.embedded_postgres.support import Neighbour, start, started, value


@pytest.fixture(scope="session")
def own_tmp() -> Iterator[Path]:
    # Not below pytest's own directory: each run of pytest that starts takes the rights to it back from all others,
    # also while a server is being started there for this run.
    with tempfile.TemporaryDirectory(prefix="callcard-test-") as path:
        yield Path(path)


@pytest.fixture
def tmp_path(own_tmp: Path) -> Path:
    """A directory of the test's own, closed to other users."""
    return Path(tempfile.mkdtemp(dir=own_tmp))


@pytest.fixture(scope="session")
def template(own_tmp: Path) -> Path:
    """The data directory of a stopped server; see `data_dir`."""
    path = own_tmp / "template"
    with start(path) as server:
        value(server.dsn(), "CREATE TABLE note AS SELECT 'kept' AS word")
    return path


@pytest.fixture
def data_dir(template: Path) -> Iterator[Path]:
    """A data directory made earlier, with the row `kept` in the table `note`, for one test after the other to serve.

    A test may add tables, and must undo what else it does. A server that is left when it is over is killed.
    """
    yield template
    while started:
        started.pop().stop()
    left = Postmaster.find(template / "cluster")
    if left is not None:
        left.kill(10)


@pytest.fixture
def neighbour() -> Iterator[Callable[[Path], Neighbour]]:
    """Makes processes that use a data directory's server; those still there when the test is over are killed."""
    made: list[Neighbour] = []

    def make(data_dir: Path) -> Neighbour:
        made.append(Neighbour(data_dir))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="session")
def programs(template: Path) -> Programs:
    """PostgreSQL's programs, run as the account that serves the template."""
    return Programs.find().run_by(choose_account(template, template / "cluster"))


@pytest.fixture(scope="session")
def user(programs: Programs) -> pwd.struct_passwd | None:
    """An ordinary user who can run PostgreSQL's programs (see `as_user`); None where we are one ourselves."""
    if programs.account is None:
        return None
    nobody = pwd.getpwnam("nobody")
    # With the project below a directory closed to all others, only the server's own account can pass.
    account = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    try:
        replace(programs, account=account).run("postgres", "--version", timeout=10)
    except PermissionError:
        return pwd.getpwnam(programs.account.name)
    return nobody


@pytest.fixture
def user_dir(user: pwd.struct_passwd | None) -> Iterator[Path]:
    """A directory of the ordinary user's own, where no directory above is closed to them."""
    path = Path(tempfile.mkdtemp(prefix="callcard-test-", dir="/tmp"))
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)
