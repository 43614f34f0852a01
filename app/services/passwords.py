"""Passwords: argon2id, one at a time, in a thread of their own.

The parameters are OWASP's (Password Storage Cheat Sheet: 19 MiB, two passes, one lane), about 20 ms of one core.
Hashing one at a time means that no flood of sign-ins takes more than a core or 19 MiB from calls that ring meanwhile.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

Result = TypeVar("Result")

_argon2id: Final = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))
_thread: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right, and the hash to keep from now on where the kept one was made with less effort."""

    right: bool
    new_hash: str | None = None


async def hash_password(password: str) -> str:
    """What to keep of a password."""
    return await _in_turn(lambda: _argon2id.hash(_bytes_of(password)))


async def verify_password(password: str, kept: str | None) -> Verdict:
    """Hold a password against what was kept of it. Where nothing was kept that takes as long, and is never right."""

    def verify() -> Verdict:
        # Made by whoever comes first, with or without a hash of their own.
        nobodys = _nobodys()
        right, new_hash = _argon2id.verify_and_update(_bytes_of(password), kept or nobodys)
        return Verdict(right and kept is not None, new_hash)

    return await _in_turn(verify)


async def _in_turn(work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_thread, work)


@cache
def _nobodys() -> str:
    return _argon2id.hash(b"the password of nobody")


def _bytes_of(password: str) -> bytes:
    # One password, however the keyboard composes its characters (NIST SP 800-63B, 3.1.1.2); anything can be encoded.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
