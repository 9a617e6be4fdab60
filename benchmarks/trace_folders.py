"""Folders of recorded availability -> the traces in them, and the windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.usage import refuse
from engine.spot_market import Trace
from engine.trace_fields import NotATraceError, TraceError
from engine.trace_text import read_trace

SUFFIXES: Final = (".json", ".csv")


def traces_in(folder: Path) -> Mapping[Path, Trace]:
    """The traces of a folder and of those below, by their files in order; what holds something else is passed over.

    The process ends where there is no such folder, or a trace in it is malformed.
    """
    if not folder.is_dir():
        refuse(f"{folder}: no such folder")
    traces = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()):
        try:
            traces[path] = read_trace(text_of(path), str(path))
        except NotATraceError:
            continue
        except TraceError as error:
            refuse(f"{path}: no trace: {error}")
    return traces


def text_of(path: Path) -> str:
    """What a file says; the process ends where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{path}: cannot be read: {error}")
