"""Talk: lines to stderr, for people."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor, ring its bell or forge another line."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def say(line: str) -> None:
    """One line of talk."""
    sys.stderr.write(f"{printable(line)}\n")
