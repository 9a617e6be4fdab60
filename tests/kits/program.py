"""The program as tests run it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
EXAMPLES: Final = CHECKOUT / "examples"
FINETUNE: Final = EXAMPLES / "finetune.yaml"
PROGRAM: Final = (sys.executable, "-c", "from cli.main import main; main()")


@dataclass(frozen=True)
class Outcome:
    """What a run printed and ended with."""

    code: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Outcome]
Write: TypeAlias = Callable[[str], Path]
