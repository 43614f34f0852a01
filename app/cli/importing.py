"""`callcard import`: feed a file in, with a bar that shows how far it is, and say how its rows ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as Drawn
from rich.text import Text

from app.cli.console import CommandFailed, err, note, out, say
from app.cli.database import current_database
from app.config import Settings
from app.domain.importing.headers import guess_columns, written_out
from app.domain.importing.mapping import FileFacts, Mapping, MappingError, parse_mapping
from app.domain.survivorship import RESERVED
from app.models.imports import Import, ImportState
from app.services import search_index
from app.services.hotline import Hotline, read_hotline
from app.services.imports.files import open_table
from app.services.imports.jobs import begin_local, local_file, rejects_as_csv
from app.services.imports.preview import Preview, preview
from app.services.imports.rows import House
from app.services.imports.running import Progress as Done
from app.services.imports.running import Watcher, run_import
from app.services.imports.tables import BadFile

_SHOWN = 4
"""So many rows fit beside each other on a terminal."""


def read_mapping_file(path: Path) -> Mapping:
    """The mapping of a TOML file. Raises CommandFailed."""
    try:
        return parse_mapping(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}") from None
    except MappingError as error:
        raise CommandFailed(f"{path}: {error}") from None


def guess(settings: Settings, file: Path, source: str | None, mapping: Path | None) -> None:
    """Propose a mapping from the header, write it down if a new file is named for it, and show what it would read.

    Raises:
        CommandFailed: the file cannot be read, has no header, or the mapping's file is there already.
    """
    if mapping is not None and mapping.exists():
        raise CommandFailed(f"{mapping} is there already; --guess writes a new one only.")
    try:
        with open_table(file, FileFacts(), None) as table:
            columns = guess_columns(table.header)
            proposed = written_out(columns, source)
            if "id" in columns:
                house = House(settings.region, settings.time_zone, frozenset(), source or "")
                _draw(preview(parse_mapping(proposed), table, house, rows=_SHOWN))
    except (BadFile, MappingError) as error:
        raise CommandFailed(str(error)) from None
    if mapping is None:
        say(proposed)
    else:
        mapping.write_text(proposed, encoding="utf-8")
        say(f"Written to {mapping}. Look it through, then: callcard import {file} --mapping {mapping}")
    unused = [name for name in table.header if name and not any(name in names for names in columns.values())]
    if unused:
        note(f"Not used: {', '.join(unused)}")
    if "id" not in columns:
        note("No column looks like the id by which the source knows a customer; give one as `id` before importing.")


async def feed_in(
    settings: Settings, file: Path, *, source: str | None, mapping: Path, is_dry_run: bool, rejects: Path | None
) -> None:
    """Run an import to its end.

    Raises:
        CommandFailed: the file or the mapping cannot be used.
        AppError: another import of the source is running.
        OSError, sqlalchemy.exc.DBAPIError: the database was away; started again, it goes on.
    """
    given = read_mapping_file(mapping)
    key = source or given.source
    if key is None:
        raise CommandFailed("Say which system the file comes from: --source sales")
    if key in RESERVED:
        raise CommandFailed(f"{key!r} means what is typed or worked out here; a feeding system has another name.")
    try:
        known = local_file(file)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None
    async with current_database(settings) as database:
        async with database.session_scope() as session:
            job, goes_on = await begin_local(session, source=key, mapping=given, file=known, is_dry_run=is_dry_run)
            hotline = await read_hotline(
                session, Hotline(settings.region, settings.zone, settings.company, settings.fallback_number)
            )
        if goes_on:
            note(f"This file was cut off after row {job.row_no}; going on from there.")
        house = House(settings.region, settings.time_zone, frozenset(hotline.routes), key)
        with _bar() as watch:
            ended = await run_import(database, job.id, file, house, watch=watch)
        _say_how(ended)
        if ended.rejected:
            place = rejects or file.with_name(f"{file.stem}.rejects.csv")
            async with database.session_scope() as session:
                with place.open("wb") as written:
                    async for part in rejects_as_csv(session, ended):
                        written.write(part)
            say(f"The rows that were not taken are in {place}")
        if ended.state is ImportState.FAILED:
            raise CommandFailed(f"{ended.error_code}: {ended.error}")
        if (ended.created or ended.updated) and not ended.is_dry_run:
            note("Making them findable …")
            await search_index.fill(database)
            if settings.dedupe_after_import:
                from app.cli.dedupe import find_and_tell  # noqa: PLC0415 - Splink alone takes as long as all the rest

                note("Looking for customers who were here already …")
                await find_and_tell(database, None, incremental=True, merges=True)


@contextmanager
def _bar() -> Iterator[Watcher | None]:
    if not err.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("Importing", total=1.0, told="")

        async def watch(done: Done) -> None:
            told = f"{done.created:,} new, {done.updated:,} changed, {done.unchanged:,} as before"
            if done.rejected:
                told += f", {done.rejected:,} not taken"
            progress.update(task, completed=done.part, told=told)

        yield watch


def _say_how(ended: Import) -> None:
    would = "would be " if ended.is_dry_run else ""
    say(
        f"{ended.created:,} {would}created, {ended.updated:,} {would}updated, {ended.unchanged:,} unchanged, "
        f"{ended.rejected:,} rejected"
    )
    for code, count in sorted(ended.reasons.items(), key=lambda reason: -reason[1]):
        say(Text(f"  {count:>9,}  {code}", style="dim"))


def _draw(shown: Preview) -> None:
    drawn = Drawn(title=f"The first rows, by this mapping (header in row {shown.header_row})", title_justify="left")
    drawn.add_column("")
    for row in shown.rows:
        drawn.add_column(f"row {row.row_no}", overflow="fold")
    for name in shown.fields:
        drawn.add_row(name, *(Text(row.said.get(name, "")) for row in shown.rows))
    out.print(drawn)
    for row in shown.rows:
        if row.reject is not None:
            say(Text(f"row {row.row_no} would be rejected: {row.reject}", style="red"))
