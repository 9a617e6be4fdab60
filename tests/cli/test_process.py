"""The program as a process: what only shows from outside."""

from __future__ import annotations

import os
import pty
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.printer import Column, print_table
from tests.kits.program import CHECKOUT, FINETUNE, PROGRAM, Run

HEAVY = {"polars", "duckdb", "pulp", "highspy", "boto3", "numpy"}


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["catalog", "offers", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Asking for help must not cost what planning costs."""
    script = (
        "import sys\nfrom cli.main import run\n"
        f"assert run({arguments!r}) == 0\nprint(sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"


def test_a_single_task_is_planned_without_a_solver() -> None:
    """Ranking needs no HiGHS, and loading it takes as long as all the rest."""
    script = (
        "import sys\nfrom cli.main import run\n"
        f"assert run(['plan', {str(FINETUNE)!r}]) == 0\n"
        "print(sorted(set(sys.modules) & {'pulp', 'highspy', 'numpy'}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip().endswith("[]")


def test_first_use_in_an_empty_home(process: Run, tmp_path: Path) -> None:
    """The embedded catalog is written where XDG says, once, and the answer is there at once."""
    first = process(["plan", FINETUNE], SKYBROKER_CATALOG="")
    file = tmp_path / ".local" / "share" / "skybroker" / "catalog.duckdb"
    written = file.stat().st_mtime_ns
    second = process(["plan", FINETUNE], SKYBROKER_CATALOG="")
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    assert file.stat().st_mtime_ns == written


def test_stdout_is_data_and_a_pipe_gets_no_colour(process: Run) -> None:
    """Nothing of the solver, no escape codes, no talk."""
    done = process(["plan", CHECKOUT / "examples" / "fan_out_fan_in.yaml"])
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "HiGHS" not in done.out


def _at_a_terminal(arguments: list[str], columns: int, catalog: Path, **environment: str) -> str:
    """What the program shows at a terminal of so many columns."""
    leader, follower = pty.openpty()
    shown = b""
    child = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "SKYBROKER_CATALOG": str(catalog), **environment},
    )
    os.close(follower)
    while select.select([leader], [], [], 60)[0]:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert child.wait(timeout=60) == 0
    return shown.decode()


@pytest.mark.parametrize("arguments", [["plan", str(FINETUNE)], ["catalog", "offers", "--accelerator", "A100"]])
def test_eighty_columns_are_enough(embedded_catalog: Path, arguments: list[str]) -> None:
    """At a narrow terminal no row is wrapped or cut: less important columns make room."""
    shown = _at_a_terminal(arguments, 80, embedded_catalog, NO_COLOR="1")
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert "TOTAL $" in shown or "$/h" in shown


def test_no_color_is_obeyed(embedded_catalog: Path) -> None:
    """A terminal shows colours unless NO_COLOR is set."""
    assert "\x1b[1;32m" in _at_a_terminal(["plan", str(FINETUNE)], 120, embedded_catalog)
    assert "\x1b[1;32m" not in _at_a_terminal(["plan", str(FINETUNE)], 120, embedded_catalog, NO_COLOR="1")


def test_a_reader_that_goes_away_is_no_error(embedded_catalog: Path) -> None:
    """`skybroker ... | head -1` ends quietly."""
    child = subprocess.Popen(
        [*PROGRAM, "catalog", "offers", "--all"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SKYBROKER_CATALOG": str(embedded_catalog)},
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()
    assert child.wait(timeout=60) == 0
    assert errors == b""


def test_a_full_device_is_an_error(process: Run, embedded_catalog: Path) -> None:
    """Output that cannot be written must not end with 0."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "plan", str(FINETUNE), "--output", "json"],
            cwd=CHECKOUT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "SKYBROKER_CATALOG": str(embedded_catalog)},
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def _limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_disk_that_fills_at_first_use_leaves_nothing_behind(tmp_path: Path) -> None:
    """One line, exit code 1, and the folder holds no half-written catalog."""
    catalog = tmp_path / "catalog.duckdb"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + PROGRAM[2],
            "plan",
            FINETUNE,
        ],
        cwd=CHECKOUT,
        env={**os.environ, "SKYBROKER_CATALOG": str(catalog)},
        preexec_fn=_limit_file_size,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert str(catalog) in done.stderr
    assert "bug" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "catalog.duckdb.lock"] == []


DAMAGE = {"random bytes": b"\x00garbage" * 5000, "empty": b"", "text": b"hello\n"}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_catalog_is_named_and_kept(process: Run, tmp_path: Path, kind: str) -> None:
    """The message says how to go on; the file is left for the user to look at."""
    catalog = tmp_path / "catalog.duckdb"
    catalog.write_bytes(DAMAGE[kind])
    done = process(["plan", FINETUNE], SKYBROKER_CATALOG=str(catalog))
    assert done.code == 1
    assert "hint: move it away" in done.err
    assert "bug" not in done.err
    assert catalog.read_bytes() == DAMAGE[kind]


def test_an_unwritable_folder_is_named(process: Run) -> None:
    """/proc takes no files, not even root's."""
    done = process(["plan", FINETUNE], SKYBROKER_CATALOG="/proc/skybroker/catalog.duckdb")
    assert (done.code, "/proc/skybroker" in done.err, "bug" in done.err) == (1, True, False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_no_bug(embedded_catalog: Path, closed: str) -> None:
    """Cron jobs and daemons start programs so."""
    command = shlex.join([*PROGRAM, "plan", str(FINETUNE)])
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"],
        cwd=CHECKOUT,
        env={**os.environ, "SKYBROKER_CATALOG": str(embedded_catalog)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("note: ")] == []


@pytest.mark.parametrize("delay_s", [0.3, 0.5, 0.7])
def test_ctrl_c_ends_with_130_and_leaves_nothing(tmp_path: Path, delay_s: float) -> None:
    """At any moment of the first use: either it was done already, or nothing of the catalog is there."""
    catalog = tmp_path / "catalog.duckdb"
    child = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True); {PROGRAM[-1]}", "plan", str(FINETUNE)],
        cwd=CHECKOUT,
        env={**os.environ, "SKYBROKER_CATALOG": str(catalog)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()  # Python itself has started: before that it knows no Ctrl-C
    time.sleep(delay_s)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode in {0, 130, -signal.SIGINT}, errors
    assert "bug" not in errors
    assert {path.name for path in tmp_path.iterdir()} <= {"catalog.duckdb", "catalog.duckdb.lock"}


def test_what_a_name_holds_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor forge a line: what is not printable is shown as a question mark."""
    print_table((Column("NAME"),), [["a\x1b[2Jb\nerror: c"]])
    assert capsys.readouterr().out.splitlines()[-1] == "a?[2Jb?error: c"
