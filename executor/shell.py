"""Commands on a node: a process here that stands for one there.

A transport is nothing but the beginning of a command line (`ssh ... host`, or the local nodes' own client). One command
line for the node's `sh` follows, quoted by whoever makes it; data goes through standard input and output.

    run     one command, its output when it has ended
    output  the same, where anything but success is an error
    stream  its output as it comes
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import IO, Final, TypeAlias

from executor.errors import CommandFailedError, ExecutorError, UnreachableError

Feed: TypeAlias = bytes | Callable[[IO[bytes]], object]
"""What a command reads: all of it, or a function that writes it into the pipe that it is handed."""

ANSWER_S: Final = 30.0
"""A node that is reachable has said so by then."""
BEAT_S: Final = 0.5
"""So long a reader of a silent command is left alone at most: it may have found something else to do."""
CHUNK_BYTES: Final = 65536


@dataclass(frozen=True)
class Shell:
    """A way to run commands on a node.

    Attributes:
        prefix: of a command line here whose last argument is run by `sh` on the node.
        unreachable: its exit codes if it did not get there.
        meanings: of what it prints then (a part of it -> what that means to a user).
    """

    prefix: tuple[str, ...]
    unreachable: frozenset[int]
    meanings: tuple[tuple[str, str], ...] = ()

    def argv(self, command: str) -> Sequence[str]:
        """The command line here for a command line there."""
        return (*self.prefix, command)


@dataclass(frozen=True)
class Completed:
    """A command that has ended on the node."""

    code: int
    stdout: bytes
    stderr: bytes


def run(shell: Shell, command: str, *, stdin: Feed = b"", timeout_s: float | None = None) -> Completed:
    """Run a command to its end, whatever its exit code.

    Raises:
        UnreachableError: the node was not reached, or did not answer in time. The command may have run, or may still.
    """
    with _started(shell, command, stdin, stderr=subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise UnreachableError(f"the node did not answer within {timeout_s:g} s") from None
    _require_reached(shell, process.returncode, stderr)
    return Completed(process.returncode, stdout, stderr)


def output(shell: Shell, command: str, *, stdin: Feed = b"", timeout_s: float | None = None) -> bytes:
    """What a command prints that has to succeed.

    Raises:
        CommandFailedError: it did not.
        UnreachableError: as for `run`.
    """
    done = run(shell, command, stdin=stdin, timeout_s=timeout_s)
    _require_success(done.code, done.stderr)
    return done.stdout


def stream(shell: Shell, command: str, *, stdin: Feed = b"") -> Generator[bytes, None, None]:
    """What a command prints that has to succeed, as it comes, and b"" whenever nothing has come for `BEAT_S`.

    Whoever stops reading (`close`) ends it here.

    Raises:
        CommandFailedError: it did not succeed, after what it has printed.
        UnreachableError: the node was not reached, or is no more; what had come until then was yielded.
    """
    with TemporaryFile() as errors:
        with _started(shell, command, stdin, stderr=errors) as process:
            yield from _read(_number(process.stdout))
            process.wait()
        errors.seek(0)
        said = errors.read()
    _require_reached(shell, process.returncode, said)
    _require_success(process.returncode, said)


def wait_reachable(shell: Shell, until: float, *, pause_s: float = 0.5, clock: Callable[[], float] = monotonic) -> None:
    """Return when a node answers. Until then it may refuse, be silent, or still show another host key than its own.

    Args:
        shell: of the node.
        until: when to give up, by the clock.
        pause_s: from one failure to the next try.
        clock: in seconds, one that never jumps.

    Raises:
        UnreachableError: why it did not answer the last time.
    """
    while True:
        try:
            output(shell, "exit 0", timeout_s=max(pause_s, min(ANSWER_S, until - clock())))
        except UnreachableError:
            if clock() + pause_s >= until:
                raise
            sleep(pause_s)
        else:
            return


def remote_path(path: str) -> str:
    """A path on a node as a word for its `sh`: nothing in it means anything but a leading `~`, the home folder."""
    home, slash, rest = path.partition("/")
    if home != "~":
        # A leading dash would be an option of whatever it is handed to.
        return shlex.quote(f"./{path}" if path.startswith("-") else path)
    return '"$HOME"' + (shlex.quote(slash + rest) if rest else "")


@contextmanager
def _started(shell: Shell, command: str, feed: Feed, stderr: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own (an interrupt at the terminal is ours to handle), ended in any case.

    A thread writes what it reads, so that neither waits for the other while both have much to say.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the prefix is the driver's
            shell.argv(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ExecutorError(f"{shell.prefix[0]} is not there", hint="nodes are reached by it; install it") from None
    pipe, process.stdin = process.stdin, None  # whoever writes closes it, and nobody else
    with ThreadPoolExecutor(1) as writer, process:
        written = writer.submit(_write, process, pipe, feed)
        try:
            yield process
        finally:
            _kill(process)
    written.result()


def _write(process: subprocess.Popen[bytes], pipe: IO[bytes] | None, feed: Feed) -> None:
    """If this fails, the command is killed before it can take the end of what it got for the end of all."""
    if pipe is None:
        return
    complete = False
    with suppress(BrokenPipeError), pipe:  # the command has ended, or wants no more
        try:
            pipe.write(feed) if isinstance(feed, bytes) else feed(pipe)
            complete = True
        except BrokenPipeError:
            complete = True
        finally:
            if not complete:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the group of a process that was not waited for; if it was, then its number may be somebody else's."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read(pipe: int) -> Iterator[bytes]:
    ready = select.poll()
    ready.register(pipe, select.POLLIN)
    while True:
        if not ready.poll(BEAT_S * 1000):
            yield b""
        elif chunk := os.read(pipe, CHUNK_BYTES):
            yield chunk
        else:
            return


def _number(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise TypeError("a command was started without its output")
    return pipe.fileno()


def _require_reached(shell: Shell, code: int, said: bytes) -> None:
    # A process that a signal ended here says nothing about there.
    if code in shell.unreachable or code < 0:
        text = said.decode(errors="replace")
        known = [meaning for part, meaning in shell.meanings if part in text]
        raise UnreachableError(known[0] if known else _last_line(text) or "the connection to the node ended")


def _require_success(code: int, said: bytes) -> None:
    if code:
        raise CommandFailedError(_last_line(said.decode(errors="replace")) or f"a command ended with exit code {code}")


def _last_line(text: str) -> str:
    """The last line that says something, short, of printable characters alone: a node may print anything."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    return "".join(letter if letter.isprintable() else "?" for letter in lines[-1])[:200] if lines else ""
