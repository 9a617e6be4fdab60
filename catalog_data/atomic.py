"""Replacing a file whole, one writer at a time.

A writer works on a draft beside the file and renames it into place: whoever opens the file has the old one or
the new one. The kernel frees the lock of a writer that dies, and the next writer removes what it left.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog_data.errors import CatalogBusyError


@contextmanager
def writing_alone(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of the writers of `path`, which is a file beside it, and clear away drafts of the dead.

    Raises:
        CatalogBusyError: another process or thread still holds it after `wait_s`.
        OSError: the folder cannot be made or written.
    """
    busy = CatalogBusyError(f"another process is publishing into {path}", "try again when it is done")
    with alone(path.with_name(f"{path.name}.lock"), busy, wait_s):
        _remove_drafts(path)
        yield


@contextmanager
def alone(lock: Path, busy: CatalogBusyError, wait_s: float = 0) -> Iterator[None]:
    """Hold the lock whose file this is.

    Raises:
        CatalogBusyError: the one given, where another process or thread still holds it after `wait_s`.
        OSError: the folder cannot be made or written.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    give_up_at = time.monotonic() + wait_s
    with lock.open("w") as file:
        while not _acquired(file.fileno()):
            if time.monotonic() >= give_up_at:
                raise busy
            time.sleep(min(0.05, wait_s))
        yield


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A copy of the file (nothing, where there is none) to work on; gone at the end unless it was put in place."""
    draft = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        if path.exists():
            shutil.copy(path, draft)  # its permissions too
        yield draft
    finally:
        _remove_drafts(path)


def put_in_place(draft: Path, path: Path) -> None:
    """Make the draft the file, so that it is there after a power cut too."""
    _flush(draft)
    draft.replace(path)
    _flush(path.parent)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_drafts(path: Path) -> None:
    """Remove drafts with their logs and the folders that the database spills into; only the lock's holder may."""
    for draft in path.parent.glob(f"{glob.escape(path.name)}.new-*"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
