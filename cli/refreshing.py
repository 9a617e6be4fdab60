"""Refreshes for the command line: which sources, with whose credentials, and how the reading shows meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from catalog_data.errors import CatalogError
from catalog_data.normalise import nearest_name
from catalog_fetchers.base import Source
from catalog_fetchers.client import Patience
from catalog_fetchers.refresh import Look, Report, Settings, refresh
from catalog_fetchers.registry import SOURCES
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.refresh_view import ended_line
from cli.settings import catalog_path, downloads_path, mirror
from cli.talk import say
from cli.wiring import opened_catalog

REDRAWS_A_SECOND: Final = 8


def chosen_sources(only: str | None) -> list[Source]:
    """The sources that `--only` names, by their own names or by clouds; without it all that cost nothing to ask."""
    if only is None:
        return [source for source in SOURCES if not source.asked_for]
    chosen: dict[str, Source] = {}
    for word in (part.strip() for part in only.split(",") if part.strip()):
        named = [source for source in SOURCES if source.name == word]
        found = named or [source for source in SOURCES if word in source.clouds and not source.asked_for]
        if not found:
            known = sorted({name for source in SOURCES for name in (source.name, *source.clouds)})
            near = nearest_name(word, known)
            hint = f"did you mean {near}?" if near else "see `skybroker catalog sources`"
            raise CommandError(f"there is no source or cloud {word}", hint=hint, code=ExitCode.USAGE)
        chosen |= {source.name: source for source in found}
    if not chosen:
        raise CommandError("--only names no source", hint="see `skybroker catalog sources`", code=ExitCode.USAGE)
    return list(chosen.values())


def refreshed(sources: Sequence[Source], *, timeout_s: float, dry_run: bool, changes_accepted: bool) -> Report:
    """One refresh of the user's catalog; what goes on shows on stderr."""
    with opened_catalog():  # written at first use
        pass
    settings = Settings(
        now=datetime.now(UTC),
        env=dict(os.environ),
        home=Path.home(),
        cache=downloads_path(),
        mirror=mirror(),
        patience=Patience(total_s=timeout_s),
        dry_run=dry_run,
        changes_accepted=changes_accepted,
    )
    try:
        with _shown(len(sources)) as watch:
            return refresh(catalog_path(), sources, settings, watch)
    except CatalogError as error:
        raise CommandError(str(error), hint=error.hint) from error


@contextmanager
def _shown(count: int) -> Iterator[Callable[[Look], None]]:
    """A bar for each source at a terminal, a line for each that has ended elsewhere."""
    if sys.stderr.isatty():
        with _bars() as watch:
            yield watch
        return
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: looking at {count} source{'s' if count > 1 else ''}")
    yield lambda look: say(ended_line(look)) if look.outcome is not None else None


@contextmanager
def _bars() -> Iterator[Callable[[Look], None]]:
    """A bar for each source that is being read; what has ended makes room."""
    from rich.console import Console  # only a terminal needs it
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    running: dict[TaskID, Look] = {}
    lock, done = threading.Lock(), threading.Event()
    columns = (TextColumn("{task.description}"), BarColumn(16), TimeElapsedColumn(), TextColumn("{task.fields[said]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, refresh_per_second=REDRAWS_A_SECOND, transient=True) as progress:

        def watch(look: Look) -> None:
            with lock:
                if look.outcome is None:
                    running[progress.add_task(look.source.name, total=None, said="")] = look
                    return
                for task in [task for task, other in running.items() if other is look]:
                    progress.remove_task(task)
                    del running[task]

        def keep_drawing() -> None:
            while not done.wait(1 / REDRAWS_A_SECOND):
                with lock:
                    for task, look in running.items():
                        cost = look.traffic
                        progress.update(task, said=f"{cost.requests} requests, {cost.received_bytes / 2**20:.1f} MiB")

        drawing = threading.Thread(target=keep_drawing)
        drawing.start()
        try:
            yield watch
        finally:
            done.set()
            drawing.join()
