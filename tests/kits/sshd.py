"""A real sshd on loopback that stands for a node: an address, a host key and a home folder of its own.

It takes Debian's openssh-server, and root for the folder that sshd keeps to itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from executor.shell import Shell, wait_reachable
from executor.ssh import HostKey, OwnKey, new_host_key, own_key, ssh_shell

ADDRESS: Final = "127.77.0.1"
PATIENCE_S: Final = 15.0

SETTINGS: Final = """
ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
SetEnv HOME={folder}/home
"""


@dataclass
class SshNode:
    """A machine that can be reached by SSH while its sshd runs.

    Attributes:
        folder: of its settings; `home` in it is the home folder of whoever logs in.
        port: free when the machine was made.
        host_key: of its sshd.
        own: the key that may log in.
    """

    folder: Path
    port: int
    host_key: HostKey
    own: OwnKey
    sshd: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """The home folder on the machine."""
        return self.folder / "home"

    def shell(self, host_key: str | None = None) -> Shell:
        """A shell on it, for one who believes that it has this host key (its own, if none is named)."""
        return ssh_shell(
            ADDRESS,
            user=os.environ.get("USER", "root"),
            host_key=host_key or self.host_key.public,
            identity=self.own.identity,
            folder=self.folder / "client",
            port=self.port,
        )

    def start(self) -> None:
        """Have it listen, from any moment on."""
        log = (self.folder / "sshd.log").open("ab")
        with log:
            self.sshd = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    def cut(self) -> None:
        """Ends every connection at once, as a broken line does."""
        assert self.sshd is not None
        for process in _serving(self.sshd.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """It refuses connections from here on, and has none."""
        if self.sshd is not None:
            self.cut()
            self.sshd.kill()
            self.sshd.wait()
            self.sshd = None


@contextmanager
def ssh_node(folder: Path, *, started: bool = True) -> Iterator[SshNode]:
    """A machine in an empty folder."""
    require_sshd()
    node = SshNode(folder, _free_port(), new_host_key(), own_key(folder / "keys"))
    node.home.mkdir()
    key = folder / "host_key"
    key.touch(mode=0o600)
    key.write_text(node.host_key.private)
    (folder / "authorized_keys").write_text(f"{node.own.public}\n")
    (folder / "sshd_config").write_text(SETTINGS.format(address=ADDRESS, port=node.port, folder=folder))
    try:
        if started:
            node.start()
            wait_reachable(node.shell(), time.monotonic() + PATIENCE_S, pause_s=0.02)
        yield node
    finally:
        node.stop()


def require_sshd() -> None:
    """Skip the test where sshd cannot run; under CI it has to."""
    why = "" if Path("/usr/sbin/sshd").exists() else "sshd is not installed (apt-get install openssh-server)"
    if not why and shutil.which("ssh") is None:
        why = "ssh is not installed (apt-get install openssh-client)"
    if not why and os.geteuid() != 0:
        why = "sshd takes root for its own folder"
    if why and os.environ.get("CI"):
        pytest.fail(f"CI must run sshd: {why}")
    if why:
        pytest.skip(why)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


def _serving(listener: int) -> list[int]:
    """The processes of sshd that serve its connections; not what they have started."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if (entry / "cmdline").read_bytes().startswith(b"sshd"):
                parents[int(entry.name)] = int(fields[1])
    found = [listener]
    for parent in found:  # it grows while it is gone through
        found += [process for process, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((ADDRESS, 0))
        return int(held.getsockname()[1])
