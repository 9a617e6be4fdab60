"""Files of recorded spot availability -> traces, as the command line names them: files, or folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from catalog_data.normalise import UnknownNameError, cloud_name
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.talk import say
from cli.wiring import STDIN, read_text
from engine.held_out import Recorded
from engine.spot_events import Placed
from engine.spot_market import Trace
from engine.trace_fields import NotATraceError, TraceError, cloud_of
from engine.trace_readings import COLUMNS
from engine.trace_text import read_trace

SUFFIXES: Final = (".json", ".csv")


def loaded_traces(places: Sequence[Path]) -> list[Trace]:
    """The trace in each file, and in each file of a folder and the folders in it, in the order of their names.

    Files of a folder that hold something else are passed over, with a line of talk.
    """
    return [one.trace for one in recorded_traces(places)]


def recorded_traces(places: Sequence[Path]) -> list[Recorded]:
    """The same traces, each with its folder: files of one folder that say no date are taken to begin together."""
    return [one for place in places for one in _traces_at(place)]


def placed_traces(places: Sequence[Path], cloud: str | None) -> list[Placed]:
    """The same traces, each with its cloud: the one named, else the one that writes its zones so."""
    placed = []
    named = None if cloud is None else checked_cloud(cloud)
    for trace in loaded_traces(places):
        known = named or cloud_of(trace.zone)
        if known is None:
            raise CommandError(f"the name of the zone {trace.zone!r} says no cloud", hint="name it with --cloud")
        placed.append(Placed(known, trace))
    return placed


def checked_cloud(text: str) -> str:
    """The canonical name of a cloud."""
    try:
        return cloud_name(text)
    except UnknownNameError as error:
        raise CommandError(str(error), code=ExitCode.USAGE) from error


def may_be_trace(file: Path) -> bool:
    """Whether a file looks like a trace from outside: JSON, or CSV with the header of readings."""
    if file.suffix.lower() != ".csv":
        return file.suffix.lower() == ".json"
    with file.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().removeprefix("\ufeff").startswith(f"{COLUMNS[0]},")


def files_of(folder: Path) -> list[Path]:
    """The files in a folder, and in those below, that may be traces."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and may_be_trace(file))


def _traces_at(place: Path) -> Iterator[Recorded]:
    if place != STDIN and place.is_dir():
        yield from _traces_in(place)
        return
    try:
        origin = place if place == STDIN else place.parent.resolve()
        yield Recorded(origin, read_trace(read_text(place), str(place)))
    except TraceError as error:
        raise _told(error) from error


def _traces_in(folder: Path) -> Iterator[Recorded]:
    passed_over, found = 0, 0
    for file in files_of(folder):
        try:
            trace = read_trace(read_text(file), str(file))
        except NotATraceError:
            passed_over += 1
        except TraceError as error:
            raise _told(error) from error
        else:
            found += 1
            yield Recorded(file.parent.resolve(), trace)
    if not found:
        raise CommandError(f"{folder}: no trace is in it", hint=f"traces are files *{' and *'.join(SUFFIXES)}")
    if passed_over:
        say(f"{folder}: {passed_over} file{'s' if passed_over > 1 else ''} passed over that hold no trace")


def _told(error: TraceError) -> CommandError:
    return CommandError(f"{error.file}: {error.message}", hint=error.hint)
