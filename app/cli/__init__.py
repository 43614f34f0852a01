"""`callcard …`: the command line.

Commands are declared here and done by the modules beside this one, which are imported when a command runs: help and
completion are to be there at once.
"""

# ruff: noqa: PLC0415 - importing late is the point, see above

import gc
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="callcard",
    help="A hotline that shows the caller's card before the agent says a word.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
agent_app = typer.Typer(help="The people who answer.", no_args_is_help=True)
token_app = typer.Typer(help="API tokens, by which programs act for people.", no_args_is_help=True)
app.add_typer(agent_app, name="agent")
app.add_typer(token_app, name="token")
dedupe_app = typer.Typer(help="Customers who are in the records twice.", no_args_is_help=True)
app.add_typer(dedupe_app, name="dedupe")
lists_app = typer.Typer(help="The account managers' daily lists.", no_args_is_help=True)
app.add_typer(lists_app, name="lists")

_Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")]
_Lang = Annotated[
    str | None, typer.Option("--lang", metavar="zh|en", help="Language of what is printed; else the terminal's own.")
]
_Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Where the service is, if it is not the demo of this folder.")
]
_Token = Annotated[
    str | None, typer.Option("--token", metavar="cc_…", help="An agent's API token, if it is not one of the demo's.")
]


@app.callback()
def load_quickly() -> None:
    """Leave out, while a command is loaded, the search for garbage: a fifth of the time, and nothing would be found."""
    # `troubles_told` takes it up again, once all is there.
    gc.disable()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: _Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Run the service. Settings come from the environment and from .env."""
    from app.cli.console import troubles_told
    from app.cli.serving import held_database, settings_for_port
    from app.cli.serving import serve as run_service

    with troubles_told():
        settings = settings_for_port(port)
        with held_database(settings):
            run_service(settings, host, port, workers)


@app.command()
def worker(
    once: Annotated[
        str | None, typer.Option("--once", metavar="JOB", help="Do one job now, or `all`, and end.", show_default=False)
    ] = None,
) -> None:
    """Do the background work: promised calls, and whatever else is looked after again and again.

    In development `serve` does it by itself. Any number of workers, on any machine, share it.
    """
    from app.cli.console import run
    from app.cli.working import work
    from app.config import load_settings

    run(lambda: work(load_settings(), once))


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version. In development `serve` does it by itself.

    Also brings in step what customers are found by, should something else have written to them.
    """
    from app.cli.console import run, say
    from app.cli.database import bring_up_to_date
    from app.config import load_settings

    async def main() -> None:
        before, now, found = await bring_up_to_date(load_settings())
        since = "already" if before == now else f"now; it was at {before or 'nothing'}"
        say(f"The schema is at {now} {since}.")
        if found:
            say(f"{found:,} customers can be searched for as they are now.")

    run(main)


@app.command()
def demo(
    port: _Port = 8000,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Run the service, or only fill the database.")
    ] = True,
) -> None:
    """Fill an empty database with Mr Lu and two thousand others, run the service, and say what to type next.

    For development only. A carrier is made up for it, so that `callcard ring` can ring without a telephone.
    """
    from app.cli.console import troubles_told
    from app.cli.demo import run_demo
    from app.cli.serving import held_database, settings_for_port
    from app.cli.serving import serve as run_service

    with troubles_told():
        settings = settings_for_port(port)
        with held_database(settings):
            run_demo(
                settings,
                port,
                (lambda once: run_service(settings, "127.0.0.1", port, 1, once_serving=once)) if serve else None,
            )


@app.command()
def ring(
    from_: Annotated[
        str, typer.Option("--from", metavar="NUMBER", help="Who rings: a number, or `anonymous`.", show_default=False)
    ],
    to: Annotated[
        str | None, typer.Option("--to", metavar="NUMBER", help="The number they dial; else the demo's hotline.")
    ] = None,
    acts: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="WORDS",
            help='What the caller does, such as "press 1, wait 3s, hang up after 8s" or "hang up when ringing".',
        ),
    ] = "hang up when answered after 5s",
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help='What the agents\' phones do, such as "answer after 3s", "no answer", "decline" or "live" (when the '
            "agent accepts on their screen); `none` signs nobody in. Else: an agent who is there decides, and if "
            "there is nobody, one is signed in and answers after 3s.",
        ),
    ] = None,
    url: _Url = None,
    token: _Token = None,
    auth_token: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="What calls are signed with, if it is neither the demo's nor set here."),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The service's CALLCARD_PUBLIC_URL, if it differs from --url.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=100, help="How fast people talk, wait and ring: 10 is ten times life.")
    ] = 1.0,
    lang: _Lang = None,
) -> None:
    """Have a customer ring the running service, and print the call as it happens: match, card, TwiML, answer, trace.

    Calls are signed and posted as Twilio would. Ctrl-C hangs up.
    """
    from app.cli.console import run
    from app.cli.ring import ring as run_call
    from app.cli.ring_plan import make_plan
    from app.config import load_settings

    async def main() -> None:
        plan = make_plan(
            load_settings(),
            caller=from_,
            dialled=to,
            acts=acts,
            agent=agent,
            url=url,
            token=token,
            auth_token=auth_token,
            public_url=public_url,
            speed=speed,
            lang=lang,
        )
        await run_call(plan)

    run(main)


@app.command()
def listen(
    agent: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="One of the demo's agents; else the first of them.")
    ] = None,
    available: Annotated[
        bool, typer.Option("--available", help="Take calls meanwhile, and go offline in the end.")
    ] = False,
    url: _Url = None,
    token: _Token = None,
    lang: _Lang = None,
) -> None:
    """Watch an agent's stream: cards are printed as they are pushed, and Enter takes the call. Ctrl-C ends it."""
    from app.cli.console import run
    from app.cli.listen import listen as run_listener
    from app.cli.ring_plan import language, service_and_token
    from app.config import load_settings

    async def main() -> None:
        where, secret = service_and_token(load_settings(), url=url, token=token, agent=agent)
        await run_listener(where, secret, language(lang), available=available)

    run(main)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV in any encoding, or XLSX.", show_default=False)],
    source: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The system that it comes from, such as sales.", show_default=False),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="TOML", help="Which column is what; --guess proposes one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how the rows would end, and write nothing.")] = False,
    guess: Annotated[
        bool, typer.Option("--guess", help="Propose a mapping from the header, and show the first rows by it.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Where rows go that are not taken; else beside the file.")
    ] = None,
) -> None:
    """Feed customers in from another system's file. Run again, it changes nothing; cut off, it goes on."""
    from app.cli.console import CommandFailed, run
    from app.cli.importing import feed_in
    from app.cli.importing import guess as propose
    from app.config import load_settings

    async def main() -> None:
        settings = load_settings()
        if guess:
            propose(settings, file, source, mapping)
        elif mapping is None:
            raise CommandFailed("Say which column is what: --mapping FILE.toml. With --guess one is proposed.")
        else:
            await feed_in(settings, file, source=source, mapping=mapping, is_dry_run=dry_run, rejects=rejects)

    run(main)


@agent_app.command("add")
def add_agent(
    email: Annotated[str, typer.Option(help="What they sign in with.", show_default=False)],
    name: Annotated[str, typer.Option(help="What colleagues and customers call them.", show_default=False)],
    role: Annotated[str, typer.Option(help="agent, account_manager, supervisor, analyst or admin.")] = "agent",
    language: Annotated[str, typer.Option(help="Of their screen and of their phone's prompts.")] = "zh-CN",
    queue: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="A queue whose calls they take; can be repeated.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Add a person. Their password is asked for; without a terminal one is made up and printed."""
    from app.cli.accounts import add
    from app.cli.console import run
    from app.config import load_settings

    run(
        lambda: add(
            load_settings(),
            email=email,
            name=name,
            role=role,
            language=language,
            queues=queue or [],
            password_stdin=password_stdin,
        )
    )


@token_app.command("create")
def create_token(
    agent: Annotated[str, typer.Option(metavar="EMAIL", help="The person it acts for.", show_default=False)],
    name: Annotated[str, typer.Option(help="Which program it is for.", show_default=False)],
    scope: Annotated[
        list[str],
        typer.Option(
            metavar="SCOPE",
            help="What it may do; can be repeated: calls:read, calls:write, customers:read, customers:write, "
            "customers:contact, customers:identity, imports, audit:read, lookup, agent, agents:read, agents:write, "
            "admin. Never more than the person's role may.",
            show_default=False,
        ),
    ],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="When it ends; without, never.")] = None,
) -> None:
    """Make an API token and print it, this once."""
    from app.cli.accounts import make_token
    from app.cli.console import run
    from app.config import load_settings

    run(lambda: make_token(load_settings(), agent=agent, name=name, scopes=scope, days=days))


@app.command()
def doctor() -> None:
    """Look at everything a call needs, and say what to do about what is missing. Exit code 1 if something fails."""
    from app.cli.console import run
    from app.cli.doctor import report

    async def main() -> None:
        if not await report():
            raise typer.Exit(1)

    run(main)


_Scratch = Annotated[
    Path | None, typer.Option("--scratch", metavar="FOLDER", help="Where to work: 1 GB for each million records.")
]


@dedupe_app.command("run")
def dedupe_run(
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Compare only what changed since the last run with everybody.")
    ] = False,
    no_merge: Annotated[
        bool, typer.Option("--no-merge", help="Merge nobody unasked; leave also the sure ones up for review.")
    ] = False,
    scratch: _Scratch = None,
) -> None:
    """Look for customers who are in the records twice: merge those who surely are one, put the others up for review.

    What somebody has decided stays decided: two people are never asked about again.
    """
    from app.cli.console import run
    from app.cli.dedupe import run_find
    from app.config import load_settings

    run(lambda: run_find(load_settings(), scratch, incremental=incremental, merges=not no_merge))


@dedupe_app.command("evaluate")
def dedupe_evaluate(
    records: Annotated[
        Path,
        typer.Option(
            "--records",
            metavar="FILE.csv",
            help="People: a header and an id column; given_name, surname (or name), sex, date_of_birth, phone, email, "
            "national_id, street_number, address_1, address_2, suburb, postcode, state, as far as there are. Headers "
            "in any case, with blanks, in other usual words, English or Chinese.",
            show_default=False,
        ),
    ],
    truth: Annotated[
        Path,
        typer.Option(
            "--truth",
            metavar="FILE.csv",
            help="Who is who: either pairs (two columns of ids of one person's records) or clusters (an id, and what "
            "stands for the person in a column such as cluster, entity_id or person_id). Pairs are taken further: if "
            "A is B and B is C, A is C.",
            show_default=False,
        ),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--mapping", metavar="COLUMN=HEADER", help="Which header holds a column; may be repeated."),
    ] = None,
    truth_kind: Annotated[
        str | None,
        typer.Option("--truth-kind", metavar="pairs|clusters", help="How the truth is written, should it be mistaken."),
    ] = None,
    scratch: _Scratch = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how well duplicates are found in a labelled file: precision, recall, F1, time and memory.

    The model is learnt from the records alone; the threshold is fixed, and the truth is read only afterwards.
    """
    from app.cli.dedupe import run_evaluate

    run_evaluate(records, truth, mapping or [], truth_kind, scratch, as_json=as_json)


@lists_app.command("make")
def lists_make(
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="YYYY-MM-DD", help="Of which working day; else of today.", show_default=False),
    ] = None,
    manager: Annotated[
        str | None,
        typer.Option("--manager", metavar="E-MAIL", help="Of one account manager; else of all.", show_default=False),
    ] = None,
) -> None:
    """Make the lists that are missing. Again it adds nothing; the worker does it by itself, every morning."""
    from app.cli.console import run
    from app.cli.lists import make
    from app.config import load_settings

    run(lambda: make(load_settings(), day, manager))
