"""Commands by a shell that is a plain `sh` on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from executor.errors import CommandFailedError, ExecutorError, UnreachableError
from executor.shell import Shell, output, remote_path, run, stream, wait_reachable

HERE = Shell(("sh", "-c"), frozenset({255}), (("wrong key", "it is another machine"),))
BYTES = bytes(range(256)) * 40_000  # 10 MB, more than any pipe holds


def test_exit_code_and_both_outputs_are_kept() -> None:
    """A command that fails is an answer like any other."""
    done = run(HERE, "echo out; echo err >&2; exit 3")
    assert (done.code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_much_goes_both_ways_at_once() -> None:
    """Nobody waits for the other while both pipes are full; bytes are not text."""
    assert run(HERE, "cat", stdin=BYTES, timeout_s=30).stdout == BYTES


def test_what_is_written_piece_by_piece_arrives() -> None:
    """A function may write, so that nothing has to be in memory at once."""

    def feed(pipe: IO[bytes]) -> None:
        for number in range(3):
            pipe.write(b"%d\n" % number)

    assert output(HERE, "cat", stdin=feed) == b"0\n1\n2\n"


def test_a_failing_writer_is_the_error_and_the_command_never_sees_an_end(tmp_path: Path) -> None:
    """Half of what was to be sent must not be taken for all of it."""

    def feed(pipe: IO[bytes]) -> None:
        pipe.write(b"half")
        pipe.flush()
        raise ExecutorError("the file has gone")

    with pytest.raises(ExecutorError, match="the file has gone"):
        run(HERE, f"cat; touch {tmp_path}/all", stdin=feed)
    assert not (tmp_path / "all").exists()


def test_a_command_need_not_read() -> None:
    """What it does not want is no error."""
    assert run(HERE, "exec <&-; exit 7", stdin=BYTES).code == 7


@pytest.mark.parametrize("call", [run, output, lambda *args, **more: list(stream(*args, **more))])
@pytest.mark.parametrize("command", ["exit 255", "kill -9 $$"])
def test_unreachable_is_no_exit_code(call: Callable[[Shell, str], object], command: str) -> None:
    """The codes of the transport say that the node was not reached, and so does its sudden death."""
    with pytest.raises(UnreachableError, match="the connection to the node ended"):
        call(HERE, command)


def test_why_it_is_unreachable_is_the_last_line_or_what_that_means() -> None:
    """The user reads a sentence; control characters of whoever answered are not for the terminal."""
    with pytest.raises(UnreachableError, match="it is another machine"):
        run(HERE, "echo 'wrong key!' >&2; exit 255")
    with pytest.raises(UnreachableError) as caught:
        run(HERE, "printf 'noise\\n\\033[2Jrefused\\n\\n' >&2; exit 255")
    assert str(caught.value) == "?[2Jrefused"


def test_too_late_is_unreachable_and_the_whole_group_ends(tmp_path: Path) -> None:
    """A command that does not come back is ended here with all that it has started."""
    with pytest.raises(UnreachableError, match=r"within 0\.2 s"):
        run(HERE, f"(sleep 0.5; touch {tmp_path}/late) & sleep 9", timeout_s=0.2)
    time.sleep(0.6)
    assert not (tmp_path / "late").exists()


def test_output_requires_success() -> None:
    """A command of ours that fails says so by its own last words."""
    with pytest.raises(CommandFailedError, match="No space left"):
        output(HERE, "echo 'tar: No space left' >&2; exit 2")
    with pytest.raises(CommandFailedError, match="exit code 4"):
        output(HERE, "exit 4")


def test_stream_yields_as_it_comes_and_ends_with_the_reader(tmp_path: Path) -> None:
    """The first line is there while the command goes on; who stops reading ends it."""
    pieces = stream(HERE, f"echo first; sleep 0.5; echo second; touch {tmp_path}/late")
    began = time.monotonic()
    assert next(pieces) == b"first\n"
    assert time.monotonic() - began < 0.4
    pieces.close()
    time.sleep(0.6)
    assert not (tmp_path / "late").exists()


def test_a_silent_stream_lets_its_reader_go() -> None:
    """Whoever waits for a job that says nothing can still turn to something else."""
    pieces = stream(HERE, "sleep 30")
    assert next(pieces) == b""
    pieces.close()


def test_stream_yields_what_came_before_a_failure() -> None:
    """What a lost node has said is kept."""
    pieces = stream(HERE, "echo kept; exit 255")
    assert next(pieces) == b"kept\n"
    with pytest.raises(UnreachableError):
        next(pieces)


def test_stream_with_much_on_both_outputs() -> None:
    """Errors that nobody reads never hold up the output."""
    assert b"".join(stream(HERE, "cat; head -c 5000000 /dev/zero >&2", stdin=BYTES)) == BYTES


def test_a_transport_that_is_not_installed() -> None:
    """The user is told what to install."""
    with pytest.raises(ExecutorError, match="no-such-client is not there"):
        run(Shell(("no-such-client",), frozenset()), "exit 0")


def test_wait_until_it_answers(tmp_path: Path) -> None:
    """A node may refuse for a while; that it never answers is said with its last words."""
    slow = Shell(
        ("sh", "-c", f'echo x >>{tmp_path}/tries; [ "$(wc -l <{tmp_path}/tries)" -gt 3 ] || exit 255'), HERE.unreachable
    )
    wait_reachable(slow, time.monotonic() + 10, pause_s=0.01)
    assert (tmp_path / "tries").read_text() == "x\n" * 4
    never = Shell(("sh", "-c", "echo refused >&2; exit 255"), HERE.unreachable)
    with pytest.raises(UnreachableError, match="refused"):
        wait_reachable(never, time.monotonic() + 0.1, pause_s=0.01)


@pytest.mark.parametrize("path", ["plain", "a b'c", "$(touch x)`y`", "-rf", "new\nline", "~root", "/abs/$HOME", "~"])
def test_remote_path_is_one_word(path: str) -> None:
    """Nothing in a path means anything to the node's shell but a leading home folder."""
    expected = "/h o" if path == "~" else f"./{path}" if path.startswith("-") else path
    said = output(Shell(("env", "HOME=/h o", "sh", "-c"), frozenset()), f"printf %s {remote_path(path)}")
    assert said.decode() == expected


def test_remote_path_below_home() -> None:
    """What follows the home folder is verbatim, too."""
    said = output(Shell(("env", "HOME=/h o", "sh", "-c"), frozenset()), f"printf %s {remote_path('~/$x *')}")
    assert said == b"/h o/$x *"
