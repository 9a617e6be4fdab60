"""The output of tasks, from the files in which it was kept."""

from __future__ import annotations

from collections.abc import Iterator

from cli.settings import deployments_path
from executor.job import file_name


def new_output(deployment: str, task: str | None, read: dict[str, int]) -> Iterator[bytes]:
    """What has come since the last call, which is remembered in `read`: attempt by attempt, node by node."""
    folder = deployments_path() / "logs" / file_name(deployment)
    pattern = f"{file_name(task)}/*.log" if task else "*/*.log"
    for path in sorted(folder.glob(pattern)):
        with path.open("rb") as file:
            file.seek(read.get(str(path), 0))
            piece = file.read()
        read[str(path)] = read.get(str(path), 0) + len(piece)
        if piece:
            yield piece
