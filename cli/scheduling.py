"""The user's schedule: installed into the crontab or the user manager of systemd, and taken out again."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_config_path

from catalog_data.refresh_state import folder_of
from catalog_fetchers.registry import SOURCES
from cli.errors import CommandError
from cli.schedule import (
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
from cli.settings import CATALOG_VARIABLE, MIRROR_VARIABLE, PRICES_VARIABLE, catalog_path

# What a scheduled refresh finds only if it is told: names and places, never a secret.
FILES: Final = (
    CATALOG_VARIABLE,
    PRICES_VARIABLE,
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AZURE_CONFIG_DIR",
    "CLOUDSDK_CONFIG",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "OCI_CLI_CONFIG_FILE",
    "SSL_CERT_FILE",
)
NAMES: Final = (
    MIRROR_VARIABLE,
    "SKYBROKER_KUBE_CONTEXTS",
    "AWS_PROFILE",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "KUBECONFIG",
    "OCI_CLI_PROFILE",
    "PATH",
    *(name for proxy in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
)
PROGRAM: Final = "skybroker"


def uses_systemd(asked: bool) -> bool:
    """Whether a timer of systemd is meant: it is asked for, or there is no crontab program."""
    return asked or shutil.which("crontab") is None


def schedule_of(every: Every) -> Schedule:
    """The refresh of the user's catalog by this program, at a time of this user's own."""
    environment = {name: value for name, value in _environment().items() if not _has_password(value)}
    schedule = Schedule(
        every=every,
        command=(*_program(), "catalog", "refresh"),
        environment=environment,
        log=folder_of(catalog_path().absolute()) / "log",
        offset_min=offset_min(every, f"{os.getuid()}@{platform.node()}"),
    )
    for text in (*schedule.command, *environment.values(), str(schedule.log)):
        if not text.isprintable() or "\\" in text:
            raise CommandError(f"{text!r} cannot be written into a schedule: it holds a line break or a backslash")
    return schedule


def shown_lines(schedule: Schedule, *, systemd: bool) -> list[str]:
    """What `install` would write."""
    if not systemd:
        return cron_block(schedule)
    return [
        line for name, text in units(schedule).items() for line in (f"# {_units_folder() / name}", *text.split("\n"))
    ]


def advice(schedule: Schedule, *, systemd: bool) -> list[str]:
    """What a scheduled refresh finds and what it does not, a sentence each."""
    place = (
        f"Environment= lines of `systemctl --user edit {SERVICE}`" if systemd else "NAME=value lines of your crontab"
    )
    unwritten = sorted(name for name, value in _environment().items() if _has_password(value))
    bare = {**schedule.environment, "HOME": str(Path.home())}
    blind = [
        f"  {source.name}: {reason}"
        for source in SOURCES
        if not source.asked_for and not source.missing(os.environ, Path.home())
        if (reason := source.missing(bare, Path.home()))
    ]
    return [
        f"What a refresh prints goes to {schedule.log}.",
        f"It finds credentials in files below {Path.home()} and in {place}; no key is written by this command.",
        *([f"Not written, since there may be a password in it: {', '.join(unwritten)}."] if unwritten else []),
        *(["These sources have credentials here that it will not see:", *blind] if blind else []),
        *(["It runs while you are logged in; `loginctl enable-linger` makes it run always."] if systemd else []),
    ]


def installed(schedule: Schedule, *, systemd: bool) -> str:
    """Install the schedule in the place of any other; what was done, in a sentence.

    Raises:
        CommandError: cron or systemd does not take it.
    """
    schedule.log.parent.mkdir(parents=True, exist_ok=True)
    if systemd:
        _write_units(units(schedule))
        with suppress(CommandError):  # who may not use cron has nothing there
            _write_crontab([])
        return f"The catalog is refreshed every {schedule.every} by {_units_folder() / TIMER}."
    _write_crontab(cron_block(schedule))
    _remove_units()
    return f"The catalog is refreshed every {schedule.every} by your crontab."


def removed() -> str:
    """Take the schedule out of the crontab and of systemd; what was done, in a sentence.

    Raises:
        CommandError: cron refuses.
    """
    places = [
        *(["your crontab"] if _write_crontab([]) else []),
        *([str(_units_folder() / TIMER)] if _remove_units() else []),
    ]
    return f"Removed from {' and '.join(places)}." if places else "Nothing is scheduled: there is nothing to remove."


def _environment() -> dict[str, str]:
    """The variables that are set and that a refresh needs; names of files by their full paths."""
    files = {name: str(Path(os.environ[name]).expanduser().absolute()) for name in FILES if os.environ.get(name)}
    return files | {name: os.environ[name] for name in NAMES if os.environ.get(name)}


def _has_password(value: str) -> bool:
    """An address with a user in it (`http://user:password@proxy`)."""
    return "@" in value and "://" in value


def _program() -> tuple[str, ...]:
    """This program by its full path: its script, or the interpreter with what the script says."""
    script = Path(sys.argv[0])
    if script.name == PROGRAM and script.is_file():
        return (str(script.absolute()),)
    return (sys.executable, "-P", "-c", "from cli.main import main; main()")


def _write_crontab(block: Sequence[str]) -> bool:
    """Put the block into the crontab, or take it out where it is empty; whether that changed anything."""
    if not block and shutil.which("crontab") is None:
        return False
    before = _crontab()
    try:
        after = with_block(before, block)
    except BrokenBlockError as error:
        raise CommandError(
            "the lines of skybroker in your crontab are not between their marks",
            hint="take them out with `crontab -e`",
        ) from error
    if after == before:
        return False
    done = _run("crontab", "-", stdin=after) if after else _run("crontab", "-r")
    if done.complaint:
        raise CommandError(f"crontab does not take the schedule: {done.complaint}")
    return True


def _crontab() -> str:
    """The user's crontab, byte for byte; only "there is none" may pass for an empty one."""
    done = _run("crontab", "-l")
    if done.complaint and "no crontab for" not in done.complaint.lower():
        raise CommandError(f"your crontab cannot be read: {done.complaint}", hint="--systemd uses a timer instead")
    return done.text


def _units_folder() -> Path:
    return user_config_path() / "systemd" / "user"


def _write_units(texts: Mapping[str, str]) -> None:
    folder = _units_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    commands = (("daemon-reload",), ("enable", TIMER), ("restart", TIMER))
    by_hand = " && ".join(f"systemctl --user {' '.join(command)}" for command in commands)
    for command in commands:
        done = _run("systemctl", "--user", *command)
        if done.complaint:
            raise CommandError(
                f"{folder / TIMER} is written, but systemd does not start it: {done.complaint}",
                hint=f"where your user manager runs: {by_hand}",
            )


def _remove_units() -> bool:
    """Stop and delete the timer; whether there was one."""
    folder = _units_folder()
    files = [folder / name for name in (TIMER, SERVICE) if (folder / name).exists()]
    if not files:
        return False
    # Where no manager answers none runs the timer, and its link is deleted with the files.
    _run("systemctl", "--user", "disable", "--now", TIMER)
    for file in (*files, folder / "timers.target.wants" / TIMER):
        file.unlink(missing_ok=True)
    _run("systemctl", "--user", "daemon-reload")
    return True


@dataclass(frozen=True)
class _Outcome:
    """What a program of the system printed, and its complaint where it failed."""

    text: str
    complaint: str = ""


def _run(program: str, *arguments: str, stdin: str = "") -> _Outcome:
    try:
        done = subprocess.run(  # noqa: S603 (fixed programs, no shell)
            [program, *arguments],
            input=stdin.encode(errors="surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except OSError as error:
        return _Outcome("", f"{program}: {error.strerror}")
    # Bytes, since reading text would change line ends that are the user's.
    said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    return _Outcome(done.stdout.decode(errors="surrogateescape"), said[0] if done.returncode else "")
