"""A program that creates and destroys local nodes, and is killed at a step of it that can be chosen.

    line of input    create TOKEN STEP | destroy TOKEN STEP
    line of output   killed | done

A step is a change to the file system, a lock, or the start of a process. Each call is made by a child of this program,
which kills itself with SIGKILL before its STEP-th step; with more than there are, it gets to the end.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from executor.drivers.local import LocalDriver
from executor.machines import NodesRequest
from tests.kits.driver_conformance import OWNER, PUBLIC_KEY
from tests.kits.local_nodes import ZONE

STEPS: Final = frozenset(
    "fcntl.flock os.mkdir os.rename os.rmdir os.truncate shutil.rmtree socket.bind subprocess.Popen".split()
)
REQUEST: Final = NodesRequest(
    token="", owner=OWNER, deployment="d-crash", task="train", count=2, place=ZONE, public_key=PUBLIC_KEY
)


def die_before(step: int) -> None:
    """This process kills itself before its so-manieth step from now on."""
    left = step

    def count(event: str, _arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def call(driver: LocalDriver, action: str, token: str) -> None:
    """Makes a call to the driver."""
    if action == "create":
        driver.create(replace(REQUEST, token=token))
    else:
        driver.destroy([node for node in driver.nodes(OWNER, [ZONE.region]) if node.token == token])


def main() -> None:
    """Makes the calls of the lines of input with a cloud's folder."""
    driver = LocalDriver("aws", Path(sys.argv[1]))
    assert driver.sandboxed  # asked here once, and not by each child
    for line in sys.stdin:
        action, token, step = line.split()
        child = os.fork()
        if not child:
            die_before(int(step))
            call(driver, action, token)
            os._exit(0)
        print("done" if os.waitpid(child, 0)[1] == 0 else "killed", flush=True)


if __name__ == "__main__":
    main()
