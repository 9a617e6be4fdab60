"""Schedules as text: what cron and systemd are told, and that the rest of a crontab is left alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from cli.schedule import (
    BEGIN,
    END,
    SERVICE,
    TIMER,
    BrokenBlockError,
    Every,
    Schedule,
    cron_block,
    offset_min,
    units,
    with_block,
)

AT_17_PAST = Schedule(
    every=Every.SIX_HOURS,
    command=("/usr/bin/skybroker", "catalog", "refresh"),
    environment={},
    log=Path("/home/a/log"),
    offset_min=2 * 60 + 17,
)
BLOCK = [BEGIN, "17 * * * * refresh", END]


def at(every: Every) -> Schedule:
    """The same, every so often."""
    return replace(AT_17_PAST, every=every, offset_min=(3 * 24 * 60 + 2 * 60 + 17) % every.minutes)


@pytest.mark.parametrize(
    ("every", "when", "calendar"),
    [
        (Every.HOUR, "17 * * * *", f"*-*-* {','.join(f'{hour:02}' for hour in range(24))}:17:00"),
        (Every.TWO_HOURS, "17 0,2,4,6,8,10,12,14,16,18,20,22 * * *", "*-*-* 00,02,04,06,08,10,12,14,16,18,20,22:17:00"),
        (Every.SIX_HOURS, "17 2,8,14,20 * * *", "*-*-* 02,08,14,20:17:00"),
        (Every.HALF_DAY, "17 2,14 * * *", "*-*-* 02,14:17:00"),
        (Every.DAY, "17 2 * * *", "*-*-* 02:17:00"),
        (Every.WEEK, "17 2 * * 3", "Wed *-*-* 02:17:00"),
    ],
)
def test_cron_and_systemd_are_told_the_same_times(every: Every, when: str, calendar: str) -> None:
    """The interval begins at midnight (of Sunday), and the schedule some time into it."""
    assert cron_block(at(every))[1].startswith(f"{when} /usr/bin/skybroker catalog refresh >> ")
    assert f"OnCalendar={calendar}\n" in units(at(every))[TIMER]


@pytest.mark.parametrize("every", Every)
def test_the_times_are_as_far_apart_as_they_should_be(every: Every) -> None:
    """As systemd itself reckons them (in UTC, where no day has 23 hours)."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    (calendar,) = re.findall(r"OnCalendar=(.*)", units(at(every))[TIMER])
    said = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=3", "--base-time=2026-11-01 00:00:00", calendar],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC"},
    ).stdout
    days = re.findall(r"(?:elapse|Iter\. #\d): \w+ 2026-11-(\d+) (\d+):(\d+):00", said)
    minutes = [int(day) * 24 * 60 + int(hour) * 60 + int(minute) for day, hour, minute in days]
    assert [after - before for before, after in pairwise(minutes)] == [every.minutes] * 2


@pytest.mark.parametrize("every", Every)
def test_a_thousand_machines_do_not_ask_at_once(every: Every) -> None:
    """Their minutes are all over the interval, each machine keeps its own, and it is one of the interval."""
    offsets = [offset_min(every, f"1000@host-{number}") for number in range(1000)]
    assert offsets == [offset_min(every, f"1000@host-{number}") for number in range(1000)]
    assert all(0 <= offset < every.minutes for offset in offsets)
    minutes = [offset % 60 for offset in offsets]
    assert max(minutes.count(minute) for minute in range(60)) < 50
    assert len({offset // 60 for offset in offsets}) == every.minutes // 60


def test_cron_runs_what_was_meant(tmp_path: Path) -> None:
    """Spaces, quotes, dollars and percent signs in every place reach the program through cron's rules and the shell."""
    folder = tmp_path / "it's 100% of $HOME & more"
    folder.mkdir()
    program = folder / "skybroker"
    program.write_text('#!/bin/sh\necho "$CATALOG|$*"\necho trouble >&2\n')
    program.chmod(0o755)
    schedule = replace(
        AT_17_PAST, command=(str(program), "a b", "%s"), environment={"CATALOG": "5% 'x' \"y\" $z"}, log=folder / "log"
    )
    _, line, _ = cron_block(schedule)
    # crontab(5): the sixth field is the command; a % that has no backslash ends it, and backslashes before % go.
    command = re.split(r"(?<!\\)%", line.split(" ", 5)[5])[0].replace(r"\%", "%")
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", command], env={"HOME": "/"}, check=True)
    assert (folder / "log").read_text() == "5% 'x' \"y\" $z|a b %s\ntrouble\n" * 2


@pytest.mark.parametrize("every", Every)
def test_systemd_takes_the_units(tmp_path: Path, every: Every) -> None:
    """Its own check has nothing to say of them, and would have of a wrong one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    schedule = replace(
        at(every),
        command=("/it's 100% of $HOME/skybroker", "a b", "%s"),
        environment={"CATALOG": "5% 'x' \"y\" $z"},
        log=tmp_path / "it's 100% of $HOME",
    )
    assert verified(tmp_path, schedule) == ""
    assert "path is not absolute: log" in verified(tmp_path, replace(schedule, log=Path("log")))


def verified(folder: Path, schedule: Schedule) -> str:
    """What `systemd-analyze verify` complains of."""
    for name, text in units(schedule).items():
        (folder / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(folder / TIMER), str(folder / SERVICE)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_TARGET": "console"},
    )
    return "".join(line for line in done.stderr.splitlines(keepends=True) if "skybroker" in line)


CRONTABS = ["", "1 1 * * * true\n", "MAILTO=me\r\n\n# a comment\n1 1 * * * date +\\%s\n\n", "no line end", "\n\n"]


@pytest.mark.parametrize("crontab", CRONTABS)
def test_other_lines_stay_as_they_are(crontab: str) -> None:
    """Installing adds lines at the end; removing gives back what was there, but for a line end that cron wants."""
    with_ours = with_block(crontab, BLOCK)
    assert with_ours.startswith(crontab)
    assert with_ours.endswith("\n".join(["", *BLOCK, ""]) if crontab else "\n".join([*BLOCK, ""]))
    assert with_block(with_ours, []) == (crontab if crontab.endswith("\n") or not crontab else f"{crontab}\n")


def test_installing_again_replaces_in_place() -> None:
    """Lines before and after it stay before and after."""
    crontab = "\n".join(["1 1 * * * before", *BLOCK, "2 2 * * * after", ""])
    other = [BEGIN, "18 * * * * refresh", END]
    assert with_block(crontab, BLOCK) == crontab
    assert with_block(crontab, other) == "\n".join(["1 1 * * * before", *other, "2 2 * * * after", ""])
    assert with_block(crontab, []) == "1 1 * * * before\n2 2 * * * after\n"


def test_removing_what_is_not_there_changes_nothing() -> None:
    """Not even a missing line end."""
    for crontab in CRONTABS:
        assert with_block(crontab, []) == crontab


@pytest.mark.parametrize(
    "lines",
    [[BEGIN], [END], [END, BEGIN], [BEGIN, "x", BEGIN, END], [*BLOCK, *BLOCK]],
    ids=["begin", "end", "turned", "two begins", "two blocks"],
)
def test_marks_that_are_no_pair_are_not_guessed_at(lines: list[str]) -> None:
    """The user's own lines might be between them."""
    for block in (BLOCK, []):
        with pytest.raises(BrokenBlockError):
            with_block("\n".join([*lines, ""]), block)
