"""Runs one command on a local node: `FOLDER COMMAND`, with our input, output, errors and exit code as its own.

All bytes go through this process, as they do with ssh: who ends it ends the streams, and not the command.
"""

from __future__ import annotations

import os
import socket
import sys
from threading import Thread
from typing import Final

from executor.drivers.local_wire import RUN, connect, received

UNREACHABLE: Final = 255
"""The exit code of ssh where it does not get there (ssh(1), EXIT STATUS)."""


def copy(source: int, target: int) -> None:
    """Copies until one side is closed, and then closes both, which the process at the other end notices."""
    try:
        while data := os.read(source, 65536):
            while data:
                data = data[os.write(target, data) :]
    except OSError:  # whoever read it has ended: what is left is nobody's
        pass
    finally:
        os.close(target)
        os.close(source)


def run(connection: socket.socket, command: str) -> int | None:
    """The exit code of a command; None if the node ended before it was over."""
    theirs_in, ours_in = os.pipe()
    ours_out, theirs_out = os.pipe()
    ours_err, theirs_err = os.pipe()
    message = RUN + os.fsencode(command)
    sent = socket.send_fds(connection, [message], [theirs_in, theirs_out, theirs_err])
    connection.sendall(message[sent:])
    connection.shutdown(socket.SHUT_WR)
    for theirs in (theirs_in, theirs_out, theirs_err):
        os.close(theirs)
    Thread(target=copy, args=(0, ours_in), daemon=True).start()
    outputs = [Thread(target=copy, args=pair) for pair in ((ours_out, 1), (ours_err, os.dup(2)))]
    for thread in outputs:
        thread.start()
    code = received(connection)
    for thread in outputs:
        thread.join()
    return int(code) if code else None


def main() -> None:
    """Ends with the command's exit code, or with 255 and a line of why."""
    folder, command = sys.argv[1:]
    try:
        with connect(folder) as connection:
            code, why = run(connection, command), "it ended"
    except OSError as error:
        code, why = None, error.strerror or str(error)
    if code is None:
        os.write(2, f"the local node {os.path.basename(folder)} does not answer: {why}\n".encode())  # noqa: PTH119
        code = UNREACHABLE
    # Not sys.exit: a thread may still be waiting for input that nobody will read.
    os._exit(code)
