"""What makes a machine refresh the catalog again and again: a block of lines of a crontab, or units of systemd.

Pure: a schedule goes in, text comes out. That refreshes never overlap is not its business: a refresh holds a lock.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

BEGIN: Final = "# BEGIN skybroker catalog schedule: what stands up to END is replaced and removed by that command"
END: Final = "# END skybroker catalog schedule"
SERVICE: Final = "skybroker-refresh.service"
TIMER: Final = "skybroker-refresh.timer"
DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
DAY_MIN: Final = 24 * 60


class Every(StrEnum):
    """The intervals that cron and systemd keep exactly: parts of a day, a day and a week."""

    HOUR = "1h"
    TWO_HOURS = "2h"
    THREE_HOURS = "3h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    HALF_DAY = "12h"
    DAY = "1d"
    WEEK = "7d"

    @property
    def minutes(self) -> int:
        """The interval in minutes."""
        return int(self[:-1]) * (60 if self.endswith("h") else DAY_MIN)


class BrokenBlockError(Exception):
    """The marks of our block in a crontab are no pair: what is ours cannot be told from what is not."""


@dataclass(frozen=True)
class Schedule:
    """What is run when.

    command: the program, by its full path, and its arguments. environment: the variables that it needs; no secrets.
    log: the file that takes what it prints. offset_min: minutes after the interval's beginning. No text of it holds a
    backslash or a line break.
    """

    every: Every
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    offset_min: int

    @property
    def times(self) -> tuple[int, tuple[int, ...], int]:
        """Minute, hours of the day, and day of the week (from Sunday) where the interval is a week."""
        step = min(self.every.minutes, DAY_MIN) // 60
        first = self.offset_min // 60 % step
        return self.offset_min % 60, tuple(range(first, 24, step)), self.offset_min // DAY_MIN


def offset_min(every: Every, who: str) -> int:
    """Minutes after the interval's beginning, spread evenly over those who ask: a provider has many users."""
    return int.from_bytes(hashlib.sha256(who.encode()).digest()[:8]) % every.minutes


def cron_block(schedule: Schedule) -> list[str]:
    """The lines of a crontab (crontab(5)), between marks.

    Variables stand before the command, not as lines: those would hold for the user's own lines below, too.
    """
    minute, hours, day = schedule.times
    when = [
        str(minute),
        "*" if schedule.every is Every.HOUR else ",".join(map(str, hours)),
        "*",
        "*",
        str(day) if schedule.every is Every.WEEK else "*",
    ]
    variables = [f"{name}={shlex.quote(value)}" for name, value in schedule.environment.items()]
    command = [*variables, shlex.join(schedule.command), ">>", shlex.quote(str(schedule.log)), "2>&1"]
    return [BEGIN, f"{' '.join(when)} {' '.join(command)}".replace("%", r"\%"), END]  # a bare % is a line break to cron


def with_block(crontab: str, block: Sequence[str]) -> str:
    """The crontab with the block in the place of an older one, or at its end; an empty one takes the older one out.

    All other lines stay as they are.

    Raises:
        BrokenBlockError: a mark is missing or is there twice.
    """
    lines = crontab.split("\n")
    begins = [number for number, line in enumerate(lines) if line == BEGIN]
    ends = [number for number, line in enumerate(lines) if line == END]
    if not (begins or ends):
        gap = [] if crontab.endswith("\n") or not crontab else [""]
        return crontab + "\n".join([*gap, *block, ""]) if block else crontab
    if len(begins) != 1 or len(ends) != 1 or begins > ends:
        raise BrokenBlockError
    return "\n".join([*lines[: begins[0]], *block, *lines[ends[0] + 1 :]])


def units(schedule: Schedule) -> dict[str, str]:
    """The files of a user timer (systemd.timer(5), systemd.service(5)), by their names."""
    minute, hours, day = schedule.times
    on_day = f"{DAYS[day]} " if schedule.every is Every.WEEK else ""
    variables = [f"Environment={_quoted(f'{name}={value}')}" for name, value in schedule.environment.items()]
    command = " ".join(_quoted(word.replace("$", "$$")) for word in schedule.command)
    log = str(schedule.log).replace("%", "%%")
    service = [
        "[Unit]",
        "Description=Refresh the prices of Skybroker's catalog",
        "",
        "[Service]",
        "Type=oneshot",
        *variables,
        f"ExecStart=/usr/bin/env {command}",  # systemd itself takes no quote or dollar in the path of a program
        f"StandardOutput=append:{log}",
        f"StandardError=append:{log}",
    ]
    timer = [
        "[Unit]",
        f"Description=Refresh the prices of Skybroker's catalog every {schedule.every}",
        "",
        "[Timer]",
        f"OnCalendar={on_day}*-*-* {','.join(f'{hour:02}' for hour in hours)}:{minute:02}:00",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {SERVICE: "\n".join(service) + "\n", TIMER: "\n".join(timer) + "\n"}


def _quoted(word: str) -> str:
    """A word of a unit file (systemd.syntax(7), Quoting; systemd.unit(5), Specifiers); it holds no backslash."""
    plain = word.replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"'
