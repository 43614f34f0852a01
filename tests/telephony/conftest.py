"""A service on a socket for all tests of a file, a carrier in front of it for each, and the carrier's own API."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.telephony.simulator import Line, rest_app
from app.telephony.simulator.serving import serve_app
from tests.telephony.simulated_api import Api, Switchboard
from tests.telephony.simulated_hotline import ACCOUNT_SID, AUTH_TOKEN, Hotline, hotline_served, line_to


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Hotline]:
    async with hotline_served() as hotline:
        yield hotline


@pytest.fixture
def hotline(served: Hotline) -> Hotline:
    """With nothing to say yet, and nothing heard."""
    served.forget()
    return served


@pytest.fixture
async def line(hotline: Hotline) -> AsyncIterator[Line]:
    async with line_to(hotline) as line:
        yield line


@pytest.fixture(scope="module")
async def switchboard() -> AsyncIterator[Switchboard]:
    board = Switchboard()
    async with serve_app(board) as board.url:
        yield board


@pytest.fixture
async def api(line: Line, switchboard: Switchboard) -> AsyncIterator[Api]:
    switchboard.app = rest_app(line)
    async with httpx.AsyncClient(base_url=switchboard.url, auth=(ACCOUNT_SID, AUTH_TOKEN), verify=False) as client:
        yield Api(client)
