"""What can go wrong with a source, as types that say what to do next.

SourceError
    +-- UnreachableError     no answer, or none in time: try again later, the last good rows stay
    +-- RefusedError         the credentials are not accepted: mend them
    +-- AnswerError          the answer is not what the source's documentation says: the fetcher has to be mended
    +-- MissingPageError     there is no such page (404, 410): it may have moved, or never was
    +-- RepeatedPageError    the pages go round in circles: as for AnswerError
"""

from __future__ import annotations


class SourceError(Exception):
    """A source that brought nothing; `hint` says what the user can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnreachableError(SourceError):
    """The source gave no answer, or none in time."""


class RefusedError(SourceError):
    """The source does not accept the credentials."""


class AnswerError(SourceError):
    """The answer does not have the documented form."""


class MissingPageError(AnswerError):
    """There is no page at that address."""


class RepeatedPageError(AnswerError):
    """A page points back to one that was read already."""
