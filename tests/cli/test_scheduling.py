"""`skybroker catalog schedule` against a crontab program and the files of systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.schedule import BEGIN, END, SERVICE, TIMER
from tests.kits.program import CHECKOUT, PROGRAM, Outcome, Run

# The three ways in which crontab(1) is used, with its words and its refusal of a last line without an end. A real one
# would change the crontab of whoever runs the tests; the last test runs it where a spool of its own can be mounted.
STAND_IN = """#!/bin/sh
spool="$HOME/spool"
case "$1" in
-l) [ -f "$spool" ] || { echo "no crontab for someone" >&2; exit 1; }; cat "$spool" ;;
-r) rm "$spool" ;;
-)  cat > "$spool.new"
    [ -z "$(tail -c 1 "$spool.new")" ] || { echo '"-":1: premature EOF' >&2; exit 1; }
    mv "$spool.new" "$spool" ;;
esac
"""
MANAGER = '#!/bin/sh\nshift\necho "$*" >> "$HOME/asked"\n'
FOREIGN = b"MAILTO=me\r\n# caf\xe9\n1 1 * * * date +\\%s\n"


def program(folder: Path, name: str, text: str) -> None:
    """A program in the folder `bin`."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(text)
    (folder / "bin" / name).chmod(0o755)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where the crontab of the stand-in is kept; the program finds no other."""
    program(tmp_path, "crontab", STAND_IN)
    return tmp_path / "spool"


@pytest.fixture
def schedule(process: Run, tmp_path: Path) -> Callable[..., Outcome]:
    """Run `catalog schedule` in an empty home folder, with the programs of the system that are in its `bin`."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    for name in ("cat", "mv", "rm", "sh", "tail"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))

    def call(*arguments: str, **environment: str) -> Outcome:
        variables = {"PATH": str(tmp_path / "bin"), "SKYBROKER_CATALOG": str(tmp_path / "catalog.duckdb")}
        return process(["catalog", "schedule", *arguments], **{**variables, **environment})

    return call


def test_without_an_option_it_is_only_printed(schedule: Callable[..., Outcome], spool: Path, tmp_path: Path) -> None:
    """stdout holds what would be installed, as it would be; nothing is changed."""
    done = schedule()
    assert done.code == 0
    begin, line, end = done.out.splitlines()
    assert (begin, end) == (BEGIN, END)
    assert line.endswith(f" catalog refresh >> {tmp_path}/catalog.duckdb.refresh/log 2>&1")
    assert f" SKYBROKER_CATALOG={tmp_path}/catalog.duckdb " in line
    assert "Nothing was changed" in done.err
    assert not spool.exists()
    assert not (tmp_path / "catalog.duckdb.refresh").exists()


def test_installed_twice_is_installed_once(schedule: Callable[..., Outcome], spool: Path, tmp_path: Path) -> None:
    """The second one's times hold, what is not ours stays byte for byte, and the log has its folder."""
    spool.write_bytes(FOREIGN)
    assert schedule("--install").code == 0
    first = spool.read_bytes()
    assert schedule("--install", "--every", "7d").code == 0
    second = spool.read_bytes()
    assert first.startswith(FOREIGN)
    assert second.startswith(FOREIGN)
    assert first != second
    assert first.count(BEGIN.encode()) == second.count(BEGIN.encode()) == 1
    assert (tmp_path / "catalog.duckdb.refresh").is_dir()


def test_removed_is_as_if_it_had_never_been(schedule: Callable[..., Outcome], spool: Path) -> None:
    """The user's lines are left; where there were none there is no crontab."""
    spool.write_bytes(FOREIGN)
    schedule("--install")
    assert "Removed from your crontab" in schedule("--remove").out
    assert spool.read_bytes() == FOREIGN
    spool.unlink()
    schedule("--install")
    schedule("--remove")
    assert not spool.exists()


def test_removing_nothing_says_so(schedule: Callable[..., Outcome], spool: Path) -> None:
    """And that is no error."""
    done = schedule("--remove")
    assert (done.code, done.out) == (0, "Nothing is scheduled: there is nothing to remove.\n")
    assert not spool.exists()


def test_no_secret_is_written(schedule: Callable[..., Outcome], spool: Path, tmp_path: Path) -> None:
    """Keys and passwords stay where they are; which sources will miss them is said, and so is what to do."""
    done = schedule(
        "--install",
        LAMBDA_API_KEY="s3cr3t",
        AWS_SECRET_ACCESS_KEY="s3cr3t",
        HTTPS_PROXY="http://me:s3cr3t@proxy.example:8080",
        NO_PROXY="localhost",
        AWS_PROFILE="work",
    )
    assert done.code == 0
    assert "s3cr3t" not in spool.read_text() + done.out + done.err
    assert " AWS_PROFILE=work " in spool.read_text()
    assert " NO_PROXY=localhost " in spool.read_text()
    assert "HTTPS_PROXY" not in spool.read_text()
    assert "there may be a password in it: HTTPS_PROXY." in done.err
    assert "  lambda: set LAMBDA_API_KEY" in done.err
    assert "NAME=value lines of your crontab" in done.err


def test_a_relative_place_is_written_in_full(schedule: Callable[..., Outcome], spool: Path) -> None:
    """cron starts in another folder than the user."""
    text = schedule(SKYBROKER_CATALOG="prices/catalog.duckdb", GOOGLE_APPLICATION_CREDENTIALS="key.json").out
    assert f" SKYBROKER_CATALOG={CHECKOUT}/prices/catalog.duckdb " in text
    assert f" GOOGLE_APPLICATION_CREDENTIALS={CHECKOUT}/key.json " in text
    assert f">> {CHECKOUT}/prices/catalog.duckdb.refresh/log" in text


def test_a_crontab_that_cannot_be_read_is_not_replaced(schedule: Callable[..., Outcome], tmp_path: Path) -> None:
    """Only "no crontab" means that there is none."""
    program(tmp_path, "crontab", '#!/bin/sh\necho "you are not allowed to use this program" >&2; exit 1\n')
    done = schedule("--install")
    assert done.code == 1
    assert "your crontab cannot be read: you are not allowed" in done.err
    assert "hint: --systemd" in done.err


def test_a_crontab_that_is_refused_is_said(schedule: Callable[..., Outcome], tmp_path: Path, spool: Path) -> None:
    """In cron's own words."""
    program(tmp_path, "crontab", '#!/bin/sh\n[ "$1" = -l ] || { echo "command too long" >&2; exit 1; }\n')
    done = schedule("--install")
    assert done.code == 1
    assert "crontab does not take the schedule: command too long" in done.err


def test_half_a_block_is_left_to_the_user(schedule: Callable[..., Outcome], spool: Path) -> None:
    """Its end is not guessed."""
    spool.write_text(f"{BEGIN}\n1 1 * * * true\n")
    done = schedule("--remove")
    assert done.code == 1
    assert "crontab -e" in done.err
    assert spool.read_text() == f"{BEGIN}\n1 1 * * * true\n"


def test_a_timer_is_written_and_started(schedule: Callable[..., Outcome], tmp_path: Path, spool: Path) -> None:
    """The units are where systemd looks, its manager is told, and the crontab's schedule is gone: there is one."""
    program(tmp_path, "systemctl", MANAGER)
    schedule("--install")
    done = schedule("--install", "--systemd", "--every", "1d", XDG_CONFIG_HOME=str(tmp_path / "config"))
    folder = tmp_path / "config" / "systemd" / "user"
    assert done.code == 0, done.err
    assert {file.name for file in folder.iterdir()} == {SERVICE, TIMER}
    assert (tmp_path / "asked").read_text().splitlines() == ["daemon-reload", f"enable {TIMER}", f"restart {TIMER}"]
    assert not spool.exists()
    assert f"systemctl --user edit {SERVICE}" in done.err
    assert "enable-linger" in done.err


def test_back_to_cron_the_timer_is_gone(schedule: Callable[..., Outcome], tmp_path: Path, spool: Path) -> None:
    """The other way round."""
    program(tmp_path, "systemctl", MANAGER)
    schedule("--install", "--systemd")
    schedule("--install")
    assert spool.read_text().count(BEGIN) == 1
    assert list((tmp_path / ".config" / "systemd" / "user").iterdir()) == []
    assert f"disable --now {TIMER}" in (tmp_path / "asked").read_text().splitlines()


def test_a_manager_that_does_not_answer_is_said(schedule: Callable[..., Outcome], tmp_path: Path) -> None:
    """The units are written, the error names what is left to do, and removing needs no manager."""
    program(tmp_path, "systemctl", '#!/bin/sh\necho "Failed to connect to bus: No medium found" >&2; exit 1\n')
    done = schedule("--install")
    folder = tmp_path / ".config" / "systemd" / "user"
    assert done.code == 1
    assert f"error: {folder / TIMER} is written, but systemd does not start it: Failed to connect to bus" in done.err
    assert f"systemctl --user daemon-reload && systemctl --user enable {TIMER}" in done.err
    (folder / "timers.target.wants").mkdir()
    (folder / "timers.target.wants" / TIMER).symlink_to(folder / TIMER)
    assert f"Removed from {folder / TIMER}." in schedule("--remove").out
    assert [str(file.relative_to(folder)) for file in folder.rglob("*")] == ["timers.target.wants"]


def test_without_cron_a_timer_is_meant(schedule: Callable[..., Outcome]) -> None:
    """And without systemd either, its absence is said."""
    printed = schedule()
    assert "OnCalendar=" in printed.out
    assert f"/systemd/user/{TIMER}" in printed.out
    done = schedule("--install")
    assert done.code == 1
    assert "systemctl: No such file or directory" in done.err


@pytest.mark.parametrize("arguments", [("--every", "5h"), ("--every", "30m"), ("--install", "--remove")])
def test_what_cannot_be_meant_is_wrong_usage(schedule: Callable[..., Outcome], arguments: tuple[str, ...]) -> None:
    """An interval that cron cannot keep, and two wishes at once."""
    assert schedule(*arguments).code == 64


def test_a_place_that_no_schedule_can_hold_is_said(schedule: Callable[..., Outcome], spool: Path) -> None:
    """A line break would be another line of the crontab."""
    done = schedule("--install", SKYBROKER_CATALOG="/tmp/a\n* * * * * rm -rf x")
    assert done.code == 1
    assert "line break" in done.err
    assert not spool.exists()


def test_the_real_crontab_takes_it_and_gives_the_rest_back(tmp_path: Path) -> None:
    """Debian's program, on a spool of its own that is mounted for it alone."""
    (tmp_path / "spool").mkdir()
    mount = 'mount --bind "$1" /var/spool/cron/crontabs && shift && "$@"'
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    run = [*alone, "sh", "-c", mount, "sh", str(tmp_path / "spool")]
    if shutil.which("crontab") is None and os.environ.get("CI"):
        pytest.fail("CI must have a crontab program")
    if None in {shutil.which("unshare"), shutil.which("crontab")} or call(run, "true").returncode:
        pytest.skip("there is no crontab program here, or nobody may mount a spool of their own")

    foreign = FOREIGN.replace(b"\r", b"")  # that program itself lists a carriage return as two characters
    assert call(run, "crontab", "-", stdin=foreign).returncode == 0
    ours = [*PROGRAM, "catalog", "schedule"]
    environment = {**os.environ, "HOME": str(tmp_path), "SKYBROKER_CATALOG": f"{tmp_path}/100% of it/catalog.duckdb"}
    for arguments in (["--install"], ["--install", "--every", "1h"]):
        done = call(run, *ours, *arguments, env=environment)
        assert done.returncode == 0, done.stderr
    held = call(run, "crontab", "-l").stdout
    assert held.startswith(foreign)
    assert held.count(BEGIN.encode()) == 1
    assert b"100\\% of it" in held
    assert call(run, *ours, "--remove", env=environment).returncode == 0
    assert call(run, "crontab", "-l").stdout == foreign


def call(
    run: list[str], *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program where the spool is mounted."""
    return subprocess.run([*run, *arguments], input=stdin, capture_output=True, cwd=CHECKOUT, env=env, check=False)
