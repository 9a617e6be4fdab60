"""A cold `skybroker plan examples/finetune.yaml`, the whole process, against importing the peer."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.baselines import peer_python
from benchmarks.measure import contest, process
from benchmarks.result import Result

RUNS: Final = 11
LIMIT: Final = 1 / 4
EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "finetune.yaml"


def measure() -> Result:
    """Plan from a catalog that is there; `import sky` is what every command of the peer pays before it starts.

    Both run from byte code, as they do for a user from the second run on.
    """
    peer = peer_python("skypilot")
    ours = Path(sys.executable).with_name("skybroker")
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "SKYBROKER_CATALOG": f"{home}/catalog.duckdb"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = contest(
            lambda: process([ours, "plan", EXAMPLE], environment),
            lambda: process([peer, "-c", "import sky"], environment),
            RUNS,
        )
    return Result("cold `plan examples/finetune.yaml`", "`import sky`, skypilot 0.14.1", runs, LIMIT)
