"""Shells over OpenSSH's client, and the keys that they take.

A node's host key is made here before the node is, so that it is known from the first connection on: nothing is ever
accepted because it was the first to answer. Connections to a node are shared (ControlMaster), so that a command costs a
round trip and no handshake.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from executor.errors import ExecutorError
from executor.shell import Shell

NOT_THERE: Final = frozenset({255})
"""ssh(1): "exits with the exit status of the remote command or with 255 if an error occurred"."""
CONNECT_S: Final = 10
ALIVE_S: Final = 15
"""A node that says nothing for three times as long is out of reach."""
PERSIST_S: Final = 60
"""So long a connection waits for the next command."""

_ALIAS: Final = "node"
_SOCKET_BYTES: Final = 108 - 18
"""unix(7) has 108 bytes with the closing NUL; ssh puts a point and 16 letters behind the name while it opens one."""
_REFUSED: Final = "Host key verification failed"
_NOT_THE_NODE: Final = ((_REFUSED, "another machine answers: its host key is not the one that the node was given"),)
_NOT_KNOWN: Final = (
    ("HOST IDENTIFICATION HAS CHANGED", "another machine answers: its host key is not the one that is known here"),
    (_REFUSED, "its host key is not known here; log in once with ssh to make it known"),
)


@dataclass(frozen=True)
class HostKey:
    """A key pair for a node's SSH server: `private` for the node alone, `public` as in `executor.machines.Node`."""

    private: str = field(repr=False)
    public: str


@dataclass(frozen=True)
class OwnKey:
    """The key pair that we log in with: the file of its private half, and the public one as a line of OpenSSH."""

    identity: Path
    public: str


def ssh_shell(address: str, *, user: str, host_key: str, identity: Path, folder: Path, port: int = 22) -> Shell:
    """A shell on a machine that was made for us. No settings of the user's own client count.

    Args:
        address: a name or an address, IPv6 without brackets.
        user: whom to log in as.
        host_key: the public key that it must have (`ssh-ed25519 AAAA...`).
        identity: the file of the private key to log in with.
        folder: where the pinned key is kept; only its owner may read there.
        port: of the machine's SSH server.
    """
    pinned = " ".join(host_key.split()[:2])
    options = {
        "HostKeyAlias": _ALIAS,
        "UserKnownHostsFile": _quoted(_known_hosts(folder, pinned)),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentityFile": _quoted(identity),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ConnectTimeout": str(CONNECT_S),
        "User": user,
        "Port": str(port),
        **_shared(address, user, str(port), pinned, str(identity)),
    }
    return Shell(("ssh", "-F", "/dev/null", *_common(options), "--", address), NOT_THERE, _NOT_THE_NODE)


def configured_ssh_shell(host: str, config: Path | None = None) -> Shell:
    """A shell on a machine that the user has: their client's settings and known hosts decide.

    Args:
        host: as they would say to `ssh`.
        config: instead of their own settings file.
    """
    named = () if config is None else ("-F", str(config))
    return Shell(("ssh", *named, *_common(_shared(host, str(config))), "--", host), NOT_THERE, _NOT_KNOWN)


def new_host_key() -> HostKey:
    """A host key for a node to be."""
    with tempfile.TemporaryDirectory(prefix="skybroker-") as folder:
        private = _generated(Path(folder))
        return HostKey(private.read_text(encoding="ascii"), _public(private))


def own_key(folder: Path) -> OwnKey:
    """The key that we log in with: made the first time, the same ever after, for whoever asks at once too."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = folder / "id_ed25519"
    if not identity.exists():
        with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as new:
            made = _generated(Path(new))
            with suppress(FileExistsError):  # a link, and no renaming: whoever comes second takes the first one's
                identity.hardlink_to(made)
    return OwnKey(identity, _public(identity))


def _common(options: dict[str, str]) -> list[str]:
    always = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ServerAliveInterval": str(ALIVE_S),
        "ServerAliveCountMax": "3",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "LogLevel": "ERROR",
    }
    return ["-T", *(text for name, value in (always | options).items() for text in ("-o", f"{name}={value}"))]


def _shared(*of: str) -> dict[str, str]:
    """The options that share a connection among all who name the same machine, key and login.

    The host key is among them: a machine that took over the address of another does not get its connection.
    """
    folder = _runtime_folder()
    socket = folder / sha256("\0".join(of).encode()).hexdigest()[:16]
    if len(os.fsencode(socket)) > _SOCKET_BYTES or not _is_ours(folder):
        return {}
    return {"ControlMaster": "auto", "ControlPath": _quoted(socket), "ControlPersist": str(PERSIST_S)}


def _runtime_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "skybroker" if runtime else Path(tempfile.gettempdir()) / f"skybroker-{os.getuid()}"


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put a socket there; anyone may make folders where temporary files go."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _known_hosts(folder: Path, pinned: str) -> Path:
    """The file that holds this key alone. It is named after the key, so it never has to be written anew."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"known_host_{sha256(pinned.encode()).hexdigest()[:16]}"
    if not path.exists():
        descriptor, written = tempfile.mkstemp(dir=folder)  # of mode 0600
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{_ALIAS} {pinned}\n")
        Path(written).replace(path)
    return path


def _quoted(path: Path) -> str:
    """A path as the value of an option, where `%`, blanks and quotes mean something (ssh_config(5), TOKENS)."""
    escaped = str(path).replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
    return f'"{escaped}"'


def _generated(folder: Path) -> Path:
    private = folder / "key"
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", "skybroker", "-f", str(private))
    return private


def _public(private: Path) -> str:
    return _keygen("-y", "-f", str(private)).strip()


def _keygen(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - every argument is ours
            ["ssh-keygen", *arguments],  # noqa: S607 - as PATH says, like ssh itself
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise ExecutorError("ssh-keygen is not there", hint="install OpenSSH's client") from None
    except subprocess.CalledProcessError as failure:
        said = " ".join(failure.stderr.split())
        raise ExecutorError(f"ssh-keygen failed: {said}") from failure
    return done.stdout
