"""Settings: what is read, from where, what is refused, and that no secret is ever shown."""

import os
import secrets
import stat
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.config import ConfigError, Environment, LogFormat, Settings, load_settings

GOOD_KEY = "k7Qv-2mZ0pWx9Lr4Tn6Bc8Yd1Fs3Gh5JoUe"
GOOD_TOKEN = "0b9c1f5e7a3d4826b1c0e9f8a7d65432"
ACCOUNT = "AC" + "0123456789abcdef" * 2
API_KEY = "SK" + "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("CALLCARD_", "TWILIO_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def production(**given: Any) -> Settings:
    good = {"env": "production", "public_url": "https://hotline.example.com", "secret_key": GOOD_KEY}
    return load_settings(None, **(good | given))


def problems_of(**given: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, **given)
    return caught.value.problems


def test_nothing_needs_to_be_set_in_development(tmp_path: Path) -> None:
    settings = load_settings()

    assert settings.env is Environment.DEVELOPMENT
    assert settings.database_url is None
    assert settings.data_dir == tmp_path / "data"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.zone.key == "Asia/Shanghai"
    assert settings.region == "CN"
    assert settings.log_format is LogFormat.AUTO
    assert settings.twilio_auth_tokens == ()
    assert settings.lookup_budget_ms == 800


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@db:5432/callcard", "database_url", "postgresql://u:p@db:5432/callcard"),
        ("CALLCARD_ENV", "development", "env", Environment.DEVELOPMENT),
        ("CALLCARD_DATA_DIR", "/var/lib/callcard", "data_dir", Path("/var/lib/callcard")),
        ("CALLCARD_DATA_DIR", "~/cc", "data_dir", Path.home() / "cc"),
        ("CALLCARD_PUBLIC_URL", "https://a.example/hotline/", "public_url", "https://a.example/hotline"),
        (
            "CALLCARD_TRUSTED_PROXIES",
            "10.1.2.3, fd00::/8",
            "trusted_proxies",
            (ip_network("10.1.2.3"), ip_network("fd00::/8")),
        ),
        ("CALLCARD_REGION", "us", "region", "US"),
        ("CALLCARD_TIME_ZONE", "Europe/Berlin", "time_zone", "Europe/Berlin"),
        ("CALLCARD_FALLBACK_NUMBER", "+862112345678", "fallback_number", "+862112345678"),
        ("CALLCARD_COMPANY", "海尔空调", "company", "海尔空调"),
        ("CALLCARD_LOG_FORMAT", "json", "log_format", LogFormat.JSON),
        ("CALLCARD_LOOKUP_BUDGET_MS", "250", "lookup_budget_ms", 250),
        ("CALLCARD_CUSTOMER_YEARS", "8", "customer_years", 8),
        ("CALLCARD_DEDUPE_AFTER_IMPORT", "false", "dedupe_after_import", False),
        ("CALLCARD_PROTECTION_DAYS", "30", "protection_days", 30),
        ("CALLCARD_DATABASE_POOL", "3", "database_pool", 3),
        ("CALLCARD_DATABASE_LANE", "4", "database_lane", 4),
        ("CALLCARD_SECRET_KEY", "dev", "secret_key", SecretStr("dev")),
        ("TWILIO_ACCOUNT_SID", ACCOUNT, "twilio_account_sid", ACCOUNT),
        ("TWILIO_AUTH_TOKEN", "one", "twilio_auth_tokens", ("one",)),
        ("TWILIO_AUTH_TOKEN", " one , two ", "twilio_auth_tokens", ("one", "two")),
        ("TWILIO_API_BASE_URL", "http://127.0.0.1:9000/", "twilio_api_base_url", "http://127.0.0.1:9000"),
    ],
)
def test_each_setting_is_read_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(name, text)

    assert getattr(load_settings(), field) == value


def test_the_environment_wins_over_the_file_and_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("CALLCARD_REGION=JP\nCALLCARD_TIME_ZONE=Asia/Tokyo\nCALLCARD_COMPANY=株式会社\n", "utf-8")
    monkeypatch.setenv("CALLCARD_TIME_ZONE", "Asia/Seoul")
    monkeypatch.setenv("CALLCARD_COMPANY", "")

    settings = load_settings()

    assert (settings.region, settings.time_zone, settings.company) == ("JP", "Asia/Seoul", "株式会社")
    assert load_settings(None).region == "CN"


def test_common_names_of_other_programs_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "production")
    monkeypatch.setenv("REGION", "eu-west-1")
    monkeypatch.setenv("SECRET_KEY", "somebody else's")

    settings = load_settings()

    assert (settings.env, settings.region, settings.secret_key) == (Environment.DEVELOPMENT, "CN", None)


@pytest.mark.parametrize(
    ("given", "name", "hint"),
    [
        ({"env": "prod"}, "CALLCARD_ENV", "'development' or 'production'"),
        ({"database_url": "mysql://db/callcard"}, "DATABASE_URL", "PostgreSQL"),
        ({"database_url": "postgresql://u:p@db"}, "DATABASE_URL", "names no database"),
        ({"database_url": "postgresql://u:p@db:port/x"}, "DATABASE_URL", "postgresql://user:password@host:5432/name"),
        ({"database_pool": 0}, "CALLCARD_DATABASE_POOL", "greater than or equal to 1"),
        ({"public_url": "hotline.example.com"}, "CALLCARD_PUBLIC_URL", "absolute http or https address"),
        ({"public_url": "ftp://hotline.example.com"}, "CALLCARD_PUBLIC_URL", "absolute http or https address"),
        ({"public_url": "https://a.example:99999"}, "CALLCARD_PUBLIC_URL", "absolute http or https address"),
        ({"public_url": "https://a.example/?x=1"}, "CALLCARD_PUBLIC_URL", "no user name, query or fragment"),
        ({"allowed_origins": "*"}, "CALLCARD_ALLOWED_ORIGINS", "absolute http or https address"),
        ({"allowed_origins": "https://a.example/app"}, "CALLCARD_ALLOWED_ORIGINS", "origins only"),
        ({"trusted_proxies": "10.0.0.0/8, proxy.example"}, "CALLCARD_TRUSTED_PROXIES", "IPv4 or IPv6 network"),
        ({"region": "China"}, "CALLCARD_REGION", "two letters"),
        ({"time_zone": "Beijing"}, "CALLCARD_TIME_ZONE", "Asia/Shanghai"),
        ({"time_zone": "../../etc/passwd"}, "CALLCARD_TIME_ZONE", "Asia/Shanghai"),
        ({"fallback_number": "021 1234 5678"}, "CALLCARD_FALLBACK_NUMBER", "international number"),
        ({"company": "x" * 61}, "CALLCARD_COMPANY", "at most 60"),
        ({"lookup_budget_ms": "soon"}, "CALLCARD_LOOKUP_BUDGET_MS", "valid integer"),
        ({"log_format": "xml"}, "CALLCARD_LOG_FORMAT", "'json'"),
        ({"mail_secret": "whsec_not base64"}, "CALLCARD_MAIL_SECRET", "whsec_ and base64"),
        ({"mail_secret": "whsec_c2hvcnQ="}, "CALLCARD_MAIL_SECRET", "24 random bytes"),
        ({"twilio_account_sid": "AC123"}, "TWILIO_ACCOUNT_SID", "32 hexadecimal digits"),
        ({"twilio_auth_token": "a,b,c"}, "TWILIO_AUTH_TOKEN", "one token, or two"),
        ({"twilio_api_key": ACCOUNT}, "TWILIO_API_KEY", "SK and 32"),
        ({"twilio_api_key": API_KEY, "twilio_api_secret": "s"}, "TWILIO_API_KEY", "needs TWILIO_ACCOUNT_SID"),
        ({"twilio_account_sid": ACCOUNT, "twilio_api_key": API_KEY}, "TWILIO_API_SECRET", "together or not at all"),
        ({"twilio_api_secret": "s"}, "TWILIO_API_SECRET", "together or not at all"),
        ({"twilio_api_base_url": "localhost:9000"}, "TWILIO_API_BASE_URL", "absolute http or https address"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(given: dict[str, Any], name: str, hint: str) -> None:
    (problem,) = problems_of(**given)

    assert problem.startswith(name)
    assert problem[len(name)] in " :"
    assert hint in problem


def test_every_wrong_setting_is_named_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "wrong")
    monkeypatch.setenv("CALLCARD_REGION", "Germany")

    problems = problems_of(env="production", public_url="http://a.example")

    assert [problem.split()[0] for problem in problems] == [
        "CALLCARD_PUBLIC_URL",
        "CALLCARD_REGION",
        "CALLCARD_SECRET_KEY",
        "TWILIO_ACCOUNT_SID",
    ]
    assert str(ConfigError(problems)) == "\n".join(problems)


def test_production_starts_with_what_it_needs() -> None:
    settings = production(
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=f"{GOOD_TOKEN},{GOOD_TOKEN[::-1]}",
        twilio_api_key=API_KEY,
        twilio_api_secret=GOOD_KEY,
    )

    assert settings.is_production
    assert settings.signing_key == GOOD_KEY.encode()
    assert settings.twilio_auth_tokens == (GOOD_TOKEN, GOOD_TOKEN[::-1])


@pytest.mark.parametrize(
    "given",
    [
        {"secret_key": None},
        {"secret_key": GOOD_KEY[:31]},
        {"secret_key": "changeme" * 5},
        {"secret_key": "please-CHANGE-ME-before-going-live-0123"},
        {"secret_key": "secret-key-for-the-hotline-of-our-house"},
        {"secret_key": "a" * 64},
        {"secret_key": "0123456" * 8},
        {"twilio_auth_token": "your_auth_token"},
        {"twilio_auth_token": f"{GOOD_TOKEN},changeme"},
        {"twilio_auth_token": "0" * 32},
        {"twilio_account_sid": ACCOUNT, "twilio_api_key": API_KEY, "twilio_api_secret": "<your secret>"},
        {"public_url": "http://hotline.example.com"},
    ],
)
def test_production_refuses_placeholders_and_plain_http_which_development_takes(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        production(**given)

    assert len(caught.value.problems) == 1
    assert load_settings(None, **given).env is Environment.DEVELOPMENT


def test_no_secret_is_shown() -> None:
    leak = "LEAK-changeme"
    confidential = {
        "secret_key": leak,
        "twilio_auth_token": leak,
        "twilio_account_sid": ACCOUNT,
        "twilio_api_key": API_KEY,
        "twilio_api_secret": leak,
        "database_url": f"postgresql://u:{leak}@db/callcard",
    }
    with pytest.raises(ConfigError) as caught:
        production(**confidential)

    assert len(caught.value.problems) == 3
    assert leak not in str(caught.value)
    assert caught.value.__suppress_context__
    assert leak not in "\n".join(
        problems_of(database_url=f"postgresql://u:{leak}@db:x/y", twilio_auth_token=f"{leak},,a,b")
    )
    with pytest.raises(ValidationError) as direct:
        Settings(secret_key=SecretStr("x"), database_url=f"mysql://{leak}", twilio_auth_token=f"{leak},,a,b")
    assert leak not in str(direct.value)
    settings = load_settings(None, **confidential)
    assert leak not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ({}, ("http://127.0.0.1:8000", "http://localhost:8000")),
        ({"public_url": "http://localhost:9000"}, ("http://localhost:9000", "http://127.0.0.1:9000")),
        ({"public_url": "https://Hotline.Example.com:443/x"}, ("https://hotline.example.com",)),
        ({"public_url": "http://[::1]:8000"}, ("http://[::1]:8000",)),
        (
            {"allowed_origins": "https://crm.example.com, HTTPS://CRM.example.com:443/ ,http://b.example:81"},
            ("https://crm.example.com", "http://b.example:81"),
        ),
    ],
)
def test_allowed_origins_are_as_a_browser_sends_them(given: dict[str, Any], origins: tuple[str, ...]) -> None:
    assert load_settings(None, **given).allowed_origins == origins


def test_in_development_a_key_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    first = load_settings().signing_key
    path = tmp_path / "data" / "secret-key"

    assert len(first) >= 32
    assert load_settings().signing_key == first == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_of_two_processes_that_start_together_the_first_to_finish_makes_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_key = secrets.token_urlsafe
    keys_of_the_other = []

    def make_key_after_the_other_has(length: int) -> str:
        monkeypatch.setattr(secrets, "token_urlsafe", make_key)
        keys_of_the_other.append(load_settings().signing_key)
        return make_key(length)

    monkeypatch.setattr(secrets, "token_urlsafe", make_key_after_the_other_has)

    assert [load_settings().signing_key] == keys_of_the_other
    assert load_settings().signing_key == keys_of_the_other[0]


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ConfigError, match=r"^CALLCARD_DATA_DIR: .*file/data"):
        _ = load_settings(None, data_dir=tmp_path / "file" / "data").signing_key


def test_settings_do_not_change_under_way() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().region = "US"  # type: ignore[misc]  # the very thing that must not work
