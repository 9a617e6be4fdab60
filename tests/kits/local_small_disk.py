"""A program that asks for local nodes on a file system that is full but for some room, and prints what came of it.

`python -m tests.kits.local_small_disk FOLDER` fills the file system of FOLDER up, so it wants one of its own. It asks
for two nodes with more and more room, and prints a line for each attempt: the error, or `made` at success. After each
error nothing may be left; a node that was made fills the disk up, and is destroyed none the less.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from executor.drivers.local import LocalDriver
from executor.errors import TransientError
from tests.kits.driver_conformance import DOWN, Testbed
from tests.kits.local_crasher import REQUEST
from tests.kits.local_nodes import ZONE, left, processes_of
from tests.kits.small_disk import fill

PAGE: Final = 4096
"""A file of one byte takes so much of a file system in memory."""


def main() -> None:
    """Asks until there is room enough."""
    folder = Path(sys.argv[1])
    bed = Testbed(driver=LocalDriver("aws", folder / "cloud"), place=ZONE)
    bed.listed()
    for pages in range(64):
        fill(folder / "filler", pages * PAGE)
        request = replace(REQUEST, token=f"t-{pages}")
        try:
            nodes = bed.running(request)
        except TransientError as error:
            print(error, flush=True)
            assert not bed.of(request)
        else:
            fills = "cat /dev/zero > all; echo never > more"
            assert b"No space left on device" in bed.run(nodes[0], fills).stderr
            bed.driver.destroy(nodes)
            bed.wait(nodes, DOWN)
            print("made", flush=True)
            break
        assert not left(folder / "cloud")
        assert not processes_of(folder / "cloud")
    assert not left(folder / "cloud")


if __name__ == "__main__":
    main()
