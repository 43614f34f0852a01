"""Who rings whom: options, the demo's file and settings put together, or a sentence why not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.console import CommandFailed
from app.cli.demo import prepare
from app.cli.demo_file import DemoCarrier, demo_file, made_up, read_demo, write_demo
from app.cli.ring_plan import language, make_plan, service_and_token
from app.cli.service import Service
from app.config import Settings
from app.db import Database
from app.errors import NotAllowed
from app.services.demo_data import is_empty
from app.telephony.simulator import serve_rest
from app.telephony.simulator.line import Line
from tests.factories import make_agent
from tests.support import SECRET_KEY, settings_for

SIGNED = {"auth_token": "x", "dialled": "+862190001000", "url": "http://127.0.0.1:1"}


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings_for("postgresql://callcard@/callcard", tmp_path)


@pytest.fixture
def demo(here: Settings) -> DemoCarrier:
    tokens = {"lily@example.com": "cc_lily", "wang@example.com": "cc_wang"}
    demo = made_up("http://127.0.0.1:8000", 8001, hotline_number="+862190001000", tokens=tokens, password="x")
    write_demo(here.data_dir, demo)
    return demo


def plan_of(settings: Settings, caller: str = "+8613800138000", **given: Any) -> Any:
    options: dict[str, Any] = dict.fromkeys(("dialled", "agent", "url", "token", "auth_token", "public_url", "lang"))
    return make_plan(settings, **{**options, "caller": caller, "acts": "", "speed": 1.0, **given})


def test_the_demo_says_everything_but_who_rings(here: Settings, demo: DemoCarrier) -> None:
    plan = plan_of(here, "138 0013 8000")

    assert (plan.caller, plan.dialled) == ("+8613800138000", "+862190001000")
    assert (plan.service_url, plan.carrier.public_url) == ("http://127.0.0.1:8000", "http://127.0.0.1:8000")
    assert (plan.carrier.auth_token, plan.carrier.rest_port) == (demo.auth_token, 8001)
    assert plan.tokens == ("cc_lily", "cc_wang")


def test_with_a_url_the_demo_says_nothing(here: Settings, demo: DemoCarrier) -> None:
    plan = plan_of(here, **SIGNED)

    assert (plan.service_url, plan.carrier.auth_token) == ("http://127.0.0.1:1", "x")
    assert (plan.carrier.rest_port, plan.tokens) == (None, ())


def test_without_a_demo_the_settings_sign(tmp_path: Path) -> None:
    settings = settings_for(
        "postgresql://callcard@/callcard",
        tmp_path,
        twilio_auth_token="a1b2c3d4e5f6a7b8a1b2c3d4e5f6a7b8,other",
        twilio_api_base_url="http://127.0.0.1:8123",
        public_url="http://127.0.0.1:8122",
    )
    plan = plan_of(settings, dialled="+862190001000")

    assert (plan.carrier.auth_token, plan.carrier.rest_port) == ("a1b2c3d4e5f6a7b8a1b2c3d4e5f6a7b8", 8123)
    assert plan.service_url == "http://127.0.0.1:8122"


@pytest.mark.parametrize(
    ("caller", "sent"),
    [
        ("anonymous", "anonymous"),
        ("10086", "10086"),
        ("021 9261 8001", "+862192618001"),
        ("sip:a@example.com", "sip:a@example.com"),
    ],
)
def test_callers_are_sent_as_a_network_sends_them(here: Settings, caller: str, sent: str) -> None:
    assert plan_of(here, caller, **SIGNED).caller == sent


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({}, 1, "There is no demo in"),
        ({"auth_token": "x"}, 2, "--to"),
        ({**SIGNED, "caller": "hello"}, 2, "--from hello: this cannot be read"),
        ({**SIGNED, "dialled": "hello"}, 2, "--to hello: this cannot be read"),
        ({**SIGNED, "acts": "jump"}, 2, "--as 'jump'"),
        ({**SIGNED, "agent": "sing"}, 2, "--agent 'sing'"),
        ({**SIGNED, "lang": "fr"}, 2, "--lang"),
    ],
)
def test_what_does_not_make_a_call_is_said(here: Settings, given: dict[str, Any], code: int, said: str) -> None:
    with pytest.raises(CommandFailed, match=said) as failed:
        plan_of(here, **given)

    assert failed.value.exit_code == code


def test_whom_to_listen_to(here: Settings, demo: DemoCarrier) -> None:
    def asked(**given: Any) -> tuple[str, str]:
        return service_and_token(here, **{"url": None, "token": None, "agent": None, **given})

    assert asked() == ("http://127.0.0.1:8000", "cc_lily")
    assert asked(agent="Wang@example.com ") == ("http://127.0.0.1:8000", "cc_wang")
    assert asked(token="cc_x", url="http://127.0.0.1:1") == ("http://127.0.0.1:1", "cc_x")
    with pytest.raises(CommandFailed, match=r"lily@example\.com, wang@example\.com; not nobody"):
        asked(agent="nobody")
    demo_file(here.data_dir).unlink()
    with pytest.raises(CommandFailed, match="There is no demo in"):
        asked()


@pytest.mark.parametrize(("locale", "lang"), [("zh_CN.UTF-8", "zh"), ("en_GB.UTF-8", "en"), ("C", "en")])
def test_the_terminal_s_locale_chooses_the_language(monkeypatch: pytest.MonkeyPatch, locale: str, lang: str) -> None:
    for name in ("LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", locale)

    assert language(None) == lang
    assert language("zh") == "zh"


def test_a_demo_file_that_is_none_is_said(here: Settings) -> None:
    demo_file(here.data_dir).write_text('{"password": "x"}')

    with pytest.raises(CommandFailed, match="cannot be read"):
        read_demo(here.data_dir)


# --- preparing the demo


async def test_a_database_in_use_is_left_alone(database_url: str, database: Database, tmp_path: Path) -> None:
    async with database.session_scope() as session:
        await make_agent(session)

    with pytest.raises(CommandFailed, match="The database is in use already"):
        await prepare(settings_for(database_url, tmp_path), 8000)

    assert read_demo(tmp_path) is None


async def test_the_demo_of_another_database_is_not_taken_for_this_one_s(
    database_url: str, database: Database, tmp_path: Path, demo: DemoCarrier
) -> None:
    async with database.session_scope() as session:
        await make_agent(session)

    with pytest.raises(CommandFailed, match="The database is in use already"):
        await prepare(settings_for(database_url, tmp_path), 8000)

    assert read_demo(tmp_path) == demo


async def test_a_database_made_anew_gets_a_demo_made_anew(
    database_url: str, database: Database, tmp_path: Path, demo: DemoCarrier
) -> None:
    made = await prepare(settings_for(database_url, tmp_path), 8000)

    assert made == read_demo(tmp_path)
    assert made != replace(demo, service_url=made.service_url, rest_port=made.rest_port)
    async with database.session_scope() as session:
        assert not await is_empty(session)


async def test_there_is_no_demo_in_production(database_url: str, database: Database, tmp_path: Path) -> None:
    production = settings_for(
        database_url, tmp_path, env="production", public_url="https://hotline.example.com", secret_key=SECRET_KEY
    )
    with pytest.raises(NotAllowed, match="development only"):
        await prepare(production, 8000)

    async with database.session_scope() as session:
        assert await is_empty(session)


# --- finding the service


async def test_nothing_and_something_else_at_the_port_are_told_apart() -> None:
    async with Service("http://127.0.0.1:1", None) as nothing:
        with pytest.raises(CommandFailed, match="does not answer at"):
            await nothing.check()
    line = Line(account_sid="AC" + "0" * 32, auth_token="x", public_url="http://127.0.0.1:1")
    async with line, serve_rest(line) as url, Service(url, None) as other:
        with pytest.raises(CommandFailed, match="is not Callcard"):
            await other.check()
