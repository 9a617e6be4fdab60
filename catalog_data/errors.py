"""What can go wrong with a catalog, as types that say what to do next.

CatalogError
    +-- CatalogMissingError      there is no file: publish into it first
    +-- CatalogDamagedError      the file cannot be read: move it away
    +-- CatalogTooNewError       written by a later version: upgrade the program
    +-- CatalogTooOldError       written by an earlier version: publishing.upgrade rewrites it
    +-- CatalogUnwritableError   the folder or the disk refuses: nothing was changed
    +-- CatalogBusyError         another process is publishing: wait
    +-- UnknownSnapshotError     no snapshot has that id, or none was known then
    +-- BatchError               what is to be published is not of its table: mend its source, nothing was changed
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class CatalogError(Exception):
    """Something about the catalog; `hint` says what the user can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class CatalogMissingError(CatalogError):
    """There is no catalog file."""


class CatalogDamagedError(CatalogError):
    """The catalog file cannot be read as a catalog."""


class CatalogTooNewError(CatalogError):
    """The catalog file was written by a later version of the program."""


class CatalogTooOldError(CatalogError):
    """The catalog file was written by an earlier version of the program, in another layout."""


class CatalogUnwritableError(CatalogError):
    """The catalog could not be written; the one before is untouched."""


class CatalogBusyError(CatalogError):
    """Another process holds the writer's lock."""


class UnknownSnapshotError(CatalogError):
    """No snapshot has the id that was asked for, or none was known at that time."""


class BatchError(CatalogError):
    """Rows are not of the table that they are for: columns, types, missing values or repeated keys."""


def unreadable(path: Path, why: str) -> CatalogDamagedError:
    """The error of a file that cannot be read as a catalog, with the way out that fits it."""
    if os.path.isdir(path):  # noqa: PTH112 (answers for names that are too long, too)
        hint = "that is a folder: name a file with SKYBROKER_CATALOG"
    elif os.access(path, os.F_OK) and not os.access(path, os.R_OK):
        hint = "its permissions forbid it: chmod u+r, or name another file with SKYBROKER_CATALOG"
    elif _is_locked(path):
        hint = "another program has it open for writing: close it there"
    else:
        hint = f"move it away (mv {path} {path}.damaged) and the next command starts from the embedded catalog"
    return CatalogDamagedError(f"the catalog {path} cannot be read: {why}", hint)


def _is_locked(path: Path) -> bool:
    """Whether another process holds the lock that a database has while it writes."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
