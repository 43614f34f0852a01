"""Who rings whom by `callcard ring`: from the options, the demo's file and the settings."""

from typing import Final, cast, get_args
from urllib.parse import urlsplit

from app.cli.console import CommandFailed, preferred_language
from app.cli.demo_file import DemoCarrier, demo_file, read_demo
from app.cli.ring import NOBODY, Carrier, RingPlan
from app.cli.words import Lang
from app.config import Settings
from app.domain.phone_numbers import NumberKind, parse_number
from app.telephony.simulator import AgentScript, CallerScript, ScriptError

_NO_ACCOUNT: Final = "AC" + "0" * 32


def make_plan(
    settings: Settings,
    *,
    caller: str,
    dialled: str | None,
    acts: str,
    agent: str | None,
    url: str | None,
    token: str | None,
    auth_token: str | None,
    public_url: str | None,
    speed: float,
    lang: str | None,
) -> RingPlan:
    """Put everything together.

    Raises:
        CommandFailed: something given makes no sense, or nothing says where the service is or how calls are signed.
    """
    demo = None if url is not None else read_demo(settings.data_dir)
    service_url = url or (demo.service_url if demo else settings.public_url)
    carrier = _carrier(settings, demo, public_url or service_url, auth_token)
    to = dialled or (demo.hotline_number if demo else None)
    if to is None:
        raise CommandFailed("Which number do they dial? Say it with --to.", exit_code=2)
    for option, script in (("--as", lambda: CallerScript.parse(acts)), ("--agent", lambda: _agent_script(agent))):
        try:
            script()
        except ScriptError as error:
            raise CommandFailed(f"{option} {error}", exit_code=2) from None
    return RingPlan(
        caller=_as_sent(caller, settings.region, "--from"),
        dialled=_as_sent(to, settings.region, "--to"),
        acts=acts,
        agent=agent,
        service_url=service_url,
        carrier=carrier,
        tokens=(token,) if token else tuple(demo.tokens.values()) if demo else (),
        speed=speed,
        lang=language(lang),
    )


def service_and_token(settings: Settings, *, url: str | None, token: str | None, agent: str | None) -> tuple[str, str]:
    """Where the service is, and an agent's token.

    Raises:
        CommandFailed: nothing says so.
    """
    demo = read_demo(settings.data_dir)
    service_url = url or (demo.service_url if demo else settings.public_url)
    if token is not None:
        return service_url, token
    if demo is None:
        raise CommandFailed(
            f"There is no demo in {settings.data_dir}. Start one with `callcard demo`, or give an agent's --token "
            "(callcard token create --scope agent --scope calls:write …)."
        )
    if agent is None:
        return service_url, next(iter(demo.tokens.values()))
    try:
        return service_url, demo.tokens[agent.strip().lower()]
    except KeyError:
        raise CommandFailed(f"The demo's agents are {', '.join(demo.tokens)}; not {agent}.", exit_code=2) from None


def language(given: str | None) -> Lang:
    """The language to print in. Raises CommandFailed for one that there is not."""
    wanted = given or preferred_language()
    if wanted not in get_args(Lang):
        raise CommandFailed(f"--lang is zh or en, not {wanted}.", exit_code=2)
    return cast(Lang, wanted)


def _agent_script(agent: str | None) -> AgentScript | None:
    return None if agent is None or agent == NOBODY else AgentScript.parse(agent)


def _as_sent(text: str, region: str, option: str) -> str:
    """A number as a network would send it: in E.164 where it has that form, else as it is."""
    number = parse_number(text, region)
    if number.kind is NumberKind.INVALID:
        raise CommandFailed(
            f"{option} {text}: this cannot be read as a telephone number. Write it like +8613800138000 or "
            "021 5555 1234; `anonymous` hides it.",
            exit_code=2,
        )
    return number.e164 or text


def _carrier(settings: Settings, demo: DemoCarrier | None, public_url: str, auth_token: str | None) -> Carrier:
    if demo is not None and auth_token is None:
        return Carrier(
            account_sid=demo.account_sid,
            auth_token=demo.auth_token,
            public_url=public_url,
            rest_port=demo.rest_port,
            api_keys={demo.api_key: demo.api_secret},
        )
    signing = auth_token or next(iter(settings.twilio_auth_tokens), None)
    if signing is None:
        raise CommandFailed(
            f"There is no demo in {demo_file(settings.data_dir).parent}, so nothing to sign the call with. Start one "
            "with `callcard demo`, or set TWILIO_AUTH_TOKEN to what the service has, or give --auth-token."
        )
    return Carrier(
        account_sid=settings.twilio_account_sid or _NO_ACCOUNT,
        auth_token=signing,
        public_url=public_url,
        rest_port=_own_rest_port(settings.twilio_api_base_url),
    )


def _own_rest_port(base_url: str | None) -> int | None:
    parts = urlsplit(base_url or "")
    return parts.port if parts.hostname in ("127.0.0.1", "localhost") else None
