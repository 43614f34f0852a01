"""Settings from the environment and from a `.env` file, checked as a whole before anything starts.

`load_settings()` is the way in: it gives `Settings` or raises one `ConfigError` with a plain sentence for every setting
that is wrong. A secret is a `SecretStr` and never part of a message. Outside development a placeholder is not taken
for a secret.
"""

import base64
import os
import re
import secrets
import tempfile
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_PREFIX = "CALLCARD_"
_KEY_FILE = "secret-key"
_SHORTEST_SECRET = 32
_SHORTEST_KEY = 24
_PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|this)|place[-_ ]?holder|^secret|your[-_ ]|example|insecure|password|default|simulator|^test|<.*>",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ConfigError(Exception):
    """The settings do not fit; `problems` has a sentence for each that is wrong, without any secret's value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment(StrEnum):
    """Where we run: `development` fills gaps by itself and takes placeholders, `production` does neither."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """How log lines look: `auto` is `pretty` on a terminal and `json` anywhere else."""

    AUTO = "auto"
    JSON = "json"
    PRETTY = "pretty"


class Settings(BaseSettings):
    """Everything that can be set from outside; the environment wins over `.env`, an empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    # First, for the rules below ask which environment this is.
    env: Environment = Environment.DEVELOPMENT

    # None: the embedded PostgreSQL under `data_dir`. It may carry a password, so it is no part of the repr.
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    database_pool: int = Field(default=10, ge=1, le=200)
    database_lane: int = Field(default=8, ge=1, le=200)

    data_dir: Path = Path("data")
    public_url: str = "http://127.0.0.1:8000"
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    # Our own reverse proxies: addresses or networks whose X-Forwarded-For is believed.
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()

    company: str = Field(default="Callcard", min_length=1, max_length=60)
    region: str = "CN"
    time_zone: str = "Asia/Shanghai"
    fallback_number: str | None = None
    lookup_budget_ms: int = Field(default=800, ge=10, le=5000)
    # How long the house assumes that a customer stays: the last factor of their value.
    customer_years: int = Field(default=5, ge=1, le=50)
    # How long a valid contact keeps a customer for their account manager (domain/books.py).
    protection_days: int = Field(default=90, ge=1, le=3650)
    # Whether an import is followed by a search for duplicates among what it brought.
    dedupe_after_import: bool = True
    # How often one number is rung on one day at most, and how often one promise is tried before it is escalated.
    callee_calls_a_day: int = Field(default=3, ge=1, le=50)
    callback_attempts: int = Field(default=8, ge=1, le=100)
    # Whether `callcard serve` does the background work too; None: in development only.
    run_worker: bool | None = None
    log_format: LogFormat = LogFormat.AUTO

    secret_key: SecretStr | None = None
    # What the mail server signs complaints that come by mail with; without it they do not come.
    mail_secret: SecretStr | None = None
    twilio_account_sid: str | None = Field(default=None, validation_alias="TWILIO_ACCOUNT_SID")
    twilio_auth_token: SecretStr | None = Field(default=None, validation_alias="TWILIO_AUTH_TOKEN")
    twilio_api_key: str | None = Field(default=None, validation_alias="TWILIO_API_KEY")
    twilio_api_secret: SecretStr | None = Field(default=None, validation_alias="TWILIO_API_SECRET")
    twilio_api_base_url: str | None = Field(default=None, validation_alias="TWILIO_API_BASE_URL")

    @property
    def is_production(self) -> bool:
        """True where placeholders and plain http are refused."""
        return self.env is Environment.PRODUCTION

    @property
    def works_beside_serving(self) -> bool:
        """True where the serving process also does what `callcard worker` does."""
        return not self.is_production if self.run_worker is None else self.run_worker

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """The tokens a signature may have been made with, the one we sign with first; empty where none is set.

        There are two while the account's token is being changed for its secondary one.
        """
        if self.twilio_auth_token is None:
            return ()
        return _listed(self.twilio_auth_token.get_secret_value())

    @cached_property
    def signing_key(self) -> bytes:
        """What we sign with: CALLCARD_SECRET_KEY, or in development a random key kept in the data directory.

        Raises:
            ConfigError: the data directory cannot be written or read.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        try:
            return _kept_key(self.data_dir)
        except OSError as error:
            raise ConfigError(
                [f"{_PREFIX}DATA_DIR: cannot keep a key in {self.data_dir} ({error.strerror}); name a folder of yours."]
            ) from error

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = _split(value, "must look like postgresql://user:password@host:5432/name.")
        if parts.scheme not in ("postgresql", "postgres", "postgresql+asyncpg"):
            raise ValueError("must be the address of a PostgreSQL (postgresql://…); no other database is supported.")
        if not parts.path.strip("/"):
            raise ValueError("names no database: end it with /name.")
        return value

    @field_validator("data_dir")
    @classmethod
    def _settle_data_dir(cls, value: Path) -> Path:
        # Made absolute now, so that a later change of the working directory moves nothing.
        return value.expanduser().absolute()

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str, info: ValidationInfo) -> str:
        parts = _web_address(value)
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must carry no user name, query or fragment.")
        if parts.scheme != "https" and _in_production(info):
            raise ValueError("must begin with https:// in production: sign-in cookies and calls travel over it.")
        return value.rstrip("/")

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        return _listed(value) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value:
            return tuple(dict.fromkeys(_origin(origin) for origin in value))
        public_url = info.data.get("public_url")
        return () if public_url is None else _own_origins(public_url)

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str) -> str:
        region = value.strip().upper()
        if not re.fullmatch(r"[A-Z]{2}", region):
            raise ValueError("must be a country's two letters (ISO 3166), such as CN or US.")
        return region

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("must be an IANA time zone, such as Asia/Shanghai.") from error
        return value

    @field_validator("fallback_number")
    @classmethod
    def _check_fallback_number(cls, value: str | None) -> str | None:
        # ITU-T E.164: at most 15 digits. Written out in full, for it is used when nothing else works.
        if value is not None and not re.fullmatch(r"\+[1-9][0-9]{6,14}", value):
            raise ValueError("must be an international number like +862112345678: a plus sign and digits only.")
        return value

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if not _in_production(info):
            return value
        advice = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        if value is None:
            raise ValueError(f"must be set in production. {advice}")
        if len(value.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"is too short: {_SHORTEST_SECRET} characters are the least. {advice}")
        if _is_placeholder(value.get_secret_value()):
            raise ValueError(f"is a placeholder, which anybody can guess. {advice}")
        return value

    @field_validator("mail_secret")
    @classmethod
    def _check_mail_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        advice = (
            "Make one with: python3 -c 'import base64, secrets; "
            'print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())\''
        )
        try:
            key = base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError(f"must be whsec_ and base64, as standardwebhooks.com says. {advice}") from None
        if len(key) < _SHORTEST_KEY or (_in_production(info) and _is_placeholder(value.get_secret_value())):
            raise ValueError(f"must be 24 random bytes or more. {advice}")
        return value

    @field_validator("twilio_account_sid")
    @classmethod
    def _check_account_sid(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"AC[0-9a-fA-F]{32}", value):
            raise ValueError("must be AC and 32 hexadecimal digits, as the Twilio console shows it.")
        return value

    @field_validator("twilio_auth_token")
    @classmethod
    def _check_auth_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        tokens = _listed(value.get_secret_value())
        if not 1 <= len(tokens) <= 2:
            raise ValueError("must be one token, or two with a comma between them while the token is being changed.")
        if _in_production(info) and any(_is_placeholder(token) for token in tokens):
            raise ValueError("is a placeholder: anybody could forge calls. Copy the token from the Twilio console.")
        return value

    @field_validator("twilio_api_key")
    @classmethod
    def _check_api_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if not re.fullmatch(r"SK[0-9a-fA-F]{32}", value):
            raise ValueError("must be SK and 32 hexadecimal digits, as the Twilio console shows it.")
        # Absent from `data` means that the account's own check failed, and has been reported.
        if "twilio_account_sid" in info.data and info.data["twilio_account_sid"] is None:
            raise ValueError("needs TWILIO_ACCOUNT_SID too: a key belongs to an account.")
        return value

    @field_validator("twilio_api_secret")
    @classmethod
    def _check_api_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "twilio_api_key" in info.data and (info.data["twilio_api_key"] is None) != (value is None):
            raise ValueError("and TWILIO_API_KEY are set together or not at all.")
        if value is not None and _in_production(info) and _is_placeholder(value.get_secret_value()):
            raise ValueError("is a placeholder. Copy the secret that Twilio showed when the key was made.")
        return value

    @field_validator("twilio_api_base_url")
    @classmethod
    def _check_api_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        _web_address(value)
        return value.rstrip("/")


def load_settings(env_file: str | Path | None = ".env", **given: Any) -> Settings:
    """Settings from the environment and `env_file`, with `given` (by field name) above both.

    Raises:
        ConfigError: some setting is wrong; every such setting is named.
    """
    try:
        return Settings(_env_file=env_file, **given)
    except ValidationError as error:
        raise ConfigError([_sentence(problem) for problem in error.errors()]) from None


def _sentence(problem: ErrorDetails) -> str:
    # Pydantic names a field as it was given: by its alias, or by its own name.
    name = str(problem["loc"][0])
    if (field := Settings.model_fields.get(name)) is not None:
        name = str(field.validation_alias or _PREFIX + name.upper())
    message = problem["msg"]
    if problem["type"] == "value_error":
        return f"{name} {message.removeprefix('Value error, ')}"
    return f"{name}: {message[0].lower()}{message[1:]}."


def _in_production(info: ValidationInfo) -> bool:
    # Where CALLCARD_ENV itself is wrong it is reported alone: nobody meant the stricter rules yet.
    return info.data.get("env") is Environment.PRODUCTION


def _is_placeholder(secret: str) -> bool:
    return len(set(secret)) < 8 or _PLACEHOLDER.search(secret) is not None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def _split(value: str, complaint: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(complaint) from None
    return parts


def _web_address(value: str) -> SplitResult:
    complaint = "must be an absolute http or https address, such as https://hotline.example.com."
    parts = _split(value, complaint)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or re.search(r"\s", value):
        raise ValueError(complaint)
    return parts


def _origin(value: str) -> str:
    """The origin (RFC 6454) of an address as a browser sends it; raises ValueError for anything with more to it."""
    parts = _web_address(value)
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must list origins only: scheme, host and port, such as https://crm.example.com.")
    return _origin_of(parts)


def _origin_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _own_origins(public_url: str) -> tuple[str, ...]:
    origin = _origin_of(urlsplit(public_url))
    # One machine goes by both names, and the person at it may type either.
    for one, other in (("//127.0.0.1", "//localhost"), ("//localhost", "//127.0.0.1")):
        if one in origin:
            return (origin, origin.replace(one, other))
    return (origin,)


def _kept_key(folder: Path) -> bytes:
    """The random key kept in `folder`, made by whichever process comes first. Raises OSError."""
    path = folder / _KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Written aside and linked into place: no process ever reads half a key, and the first link wins.
        handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{_KEY_FILE}-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
            os.link(draft, path)
        except FileExistsError:
            return path.read_bytes()
        finally:
            Path(draft).unlink()
    return path.read_bytes()
