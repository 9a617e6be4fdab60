"""Local files brought to a node: only what changed is sent, and what is gone here goes there.

    source_of (files and their digests) -> send: compared with what the node keeps of what it was sent -> one archive

Git says which files belong to a folder (so that what .gitignore names stays here, also where there is no checkout);
nothing but it knows all of its rules. Symbolic links are sent as such, and never followed.
"""

from __future__ import annotations

import io
import os
import shlex
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b, file_digest, sha256
from pathlib import Path
from typing import IO, Final

from executor.errors import ExecutorError
from executor.shell import ANSWER_S, Shell, output, remote_path

OWN_RULES: Final = ".skyignore"
"""At the top of a folder, in the place of all .gitignore files (as SkyPilot has it)."""

_KEPT: Final = "~/.skybroker/sent"
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True)
class Source:
    """A file or a folder here, read once for however many nodes.

    Attributes:
        path: of it.
        files: what is sent of it: path within the folder -> path here; of a file, its name.
        digests: of the same, of all that makes them what they are.
    """

    path: Path
    files: Mapping[str, Path]
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Sent:
    """What a call has sent: files and links, and those that it has removed on the node."""

    files: int
    removed: int


def source_of(path: Path) -> Source:
    """Read what is to be sent of a file or a folder; if it is a link, of what that leads to.

    Raises:
        ExecutorError: it cannot be read, or there is no git.
    """
    real = path.resolve()
    if not (real.is_dir() or real.is_file()):
        raise ExecutorError(f"{path} is not there, or no file and no folder", hint="it was to be sent to the nodes")
    files = files_to_send(real) if real.is_dir() else {path.name: real}
    return Source(real, files, {name: _digest(found) for name, found in files.items()})


def send(shell: Shell, source: Source, target: str) -> Sent:
    """Bring a file, or a folder's files, to a node.

    What a job changes there of what it was sent stays as it is until it changes here; what it adds is never removed.

    Args:
        shell: of the node.
        source: what is sent.
        target: the path that it gets there; a leading `~` is the home folder. A file gets into a folder by a `/` at
            the end.

    Raises:
        ExecutorError: it cannot be read any more.
        CommandFailedError: the node cannot take it.
        UnreachableError: the node does not answer; the next call goes on.
    """
    folder, files, digests = target, source.files, source.digests
    if not source.path.is_dir():
        above, slash, name = target.rpartition("/")
        folder = above or slash or "."
        [(own, path)] = files.items()
        files, digests = {name or own: path}, {name or own: digests[own]}
    there = _Kept(target, folder)
    known, whole = there.known(shell)
    changed = [name for name, digest in digests.items() if not (whole and known.get(name) == digest)]
    gone = [name for name in known if name not in digests]
    if changed or gone or not whole:
        there.remove(shell, gone)
        there.take(shell, {name: files[name] for name in changed}, _manifest(digests))
    return Sent(len(changed), len(gone))


def files_to_send(folder: Path) -> dict[str, Path]:
    """The files and links of a folder that are to be sent: path within it -> path, both of any bytes but NUL.

    Those that git has in its index or would take into it; of folders that are checkouts of their own, theirs. Names
    are as the file system has them (`os.fsdecode`).

    Raises:
        ExecutorError: there is no git, or it cannot read the folder.
    """
    found: dict[str, Path] = {}
    for name in _listed(folder):
        path = folder / name
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # it is in the index alone
        if stat.S_ISDIR(mode):
            found |= {f"{name.rstrip('/')}/{inner}": at for inner, at in files_to_send(path).items()}
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            found[name] = path
    return found


def _listed(folder: Path) -> list[str]:
    """What git lists: of a checkout what it would, of another folder all that would be new in one."""
    own_rules = (folder / OWN_RULES).is_file()
    rules = f"--exclude-from={OWN_RULES}" if own_rules else "--exclude-standard"
    if not own_rules and _is_of_checkout(folder):
        return _git(folder, "ls-files", "-z", "--cached", "--others", rules)
    with tempfile.TemporaryDirectory(prefix="skybroker-") as empty:
        _git(Path(empty), "init", "--quiet", "--bare")
        return _git(folder, f"--git-dir={empty}", "--work-tree=.", "ls-files", "-z", "--others", rules)


def _is_of_checkout(folder: Path) -> bool:
    """Whether a checkout's rules are about what is in the folder, and do not leave it out as a whole."""
    if not any((above / ".git").exists() for above in (folder, *folder.resolve().parents)):
        return False
    return (folder / ".git").exists() or not _git(folder, "check-ignore", ".", codes=(0, 1))


def _git(folder: Path, *arguments: str, codes: Collection[int] = (0,)) -> list[str]:
    # A hook that runs us may have said which checkout all git commands are about.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - every argument is ours
            ["git", *arguments],  # noqa: S607 - as PATH says
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise ExecutorError("git is not there", hint="it says which files are sent to nodes; install it") from None
    if done.returncode not in codes:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise ExecutorError(f"git cannot read {folder}: {said[:200]}")
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


class _Kept:
    """What a node keeps of what it was sent to one path: digests and names, apart from the files.

    It has two names: `.part` while files are on their way, when it says which may be there and not what is in them.
    """

    def __init__(self, target: str, folder: str) -> None:
        name = sha256(target.encode(errors="surrogateescape")).hexdigest()[:16]
        self._mark = f".skybroker-{name}"
        self._whole, self._part = remote_path(f"{_KEPT}/{name}"), remote_path(f"{_KEPT}/{name}.part")
        self._folder = remote_path(folder)

    def known(self, shell: Shell) -> tuple[dict[str, str], bool]:
        """Name -> digest, and whether these digests hold; nothing if the folder is gone."""
        look = (
            f"cd && [ -d {self._folder} ] || exit 0; "
            f"if [ -e {self._whole} ]; then echo whole; cat {self._whole}; "
            f"elif [ -e {self._part} ]; then echo part; cat {self._part}; fi"
        )
        line, _, written = output(shell, look, timeout_s=ANSWER_S).partition(b"\n")
        records = [record.partition(b" ") for record in written.split(b"\0") if record]
        return {os.fsdecode(name): digest.decode() for digest, _, name in records}, line == b"whole"

    def remove(self, shell: Shell, names: Collection[str]) -> None:
        """Removes files, and folders that have become empty."""
        if not names:
            return
        folders = {parent for name in names for parent in _parents(name)}
        lines = [
            *(f"rm -rf -- {shlex.quote(f'./{name}')}" for name in names),
            *(
                f"rmdir -- {shlex.quote(f'./{name}')} 2>/dev/null || :"
                for name in sorted(folders, key=len, reverse=True)
            ),
        ]
        script = f"cd && {self._unsure()} && cd {self._folder} || exit\nset -e\n" + "\n".join(lines) + "\n"
        output(shell, "sh -s", stdin=os.fsencode(script))

    def take(self, shell: Shell, files: Mapping[str, Path], manifest: bytes) -> None:
        """Unpacks the files; the manifest comes last, and takes the place of the one before."""
        folder, mark = self._folder, self._mark
        unpack = (
            f"cd && mkdir -p {folder} {remote_path(_KEPT)} && {self._unsure()} && tar -xpof - -C {folder} "
            f"&& mv -f {folder}/{mark} {self._whole} && rm -f {self._part}"
        )
        output(shell, unpack, stdin=lambda pipe: _pack(pipe, files, mark, manifest))

    def _unsure(self) -> str:
        return f"{{ [ ! -e {self._whole} ] || mv -f {self._whole} {self._part}; }}"


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _manifest(digests: Mapping[str, str]) -> bytes:
    return b"".join(digest.encode() + b" " + os.fsencode(name) + b"\0" for name, digest in digests.items())


def _digest(path: Path) -> str:
    """Of what makes a file or link what it is: its kind, mode and content."""
    with _reading(path):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return "link:" + blake2b(os.fsencode(path.readlink()), digest_size=_DIGEST_BYTES).hexdigest()
        with path.open("rb") as file:
            content = file_digest(file, lambda: blake2b(digest_size=_DIGEST_BYTES))
        return f"{mode & 0o777:o}:{content.hexdigest()}"


def _pack(pipe: IO[bytes], files: Mapping[str, Path], mark: str, manifest: bytes) -> None:
    # GNU's format holds names of any bytes; GNU, busybox and BSD read it.
    with tarfile.open(
        fileobj=pipe, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for name, path in files.items():
            with _reading(path):
                _add(archive, name, path)
        last = tarfile.TarInfo(mark)
        last.size, last.mode = len(manifest), 0o600
        archive.addfile(last, io.BytesIO(manifest))


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    member = tarfile.TarInfo(name)
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, os.fspath(path.readlink())
        archive.addfile(member)
        return
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        status = os.fstat(file.fileno())
        member.size, member.mode, member.mtime = status.st_size, status.st_mode & 0o777, int(status.st_mtime)
        archive.addfile(member, file)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the node's side; whoever writes there knows
    except OSError as error:
        raise ExecutorError(f"cannot read {path}: {error.strerror or error}") from error
