"""What the commands of this folder have in common: wrong usage ends with one line of error and an exit code."""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

USAGE: Final = 64
"""EX_USAGE of sysexits.h."""


class Parser(argparse.ArgumentParser):
    """One that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser`."""
        refuse(f"{self.prog}: {message}")


def refuse(message: str) -> NoReturn:
    """End the process: there is nothing to be done with what was asked for."""
    print(message, file=sys.stderr)
    sys.exit(USAGE)
