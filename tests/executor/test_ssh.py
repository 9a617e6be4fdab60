"""Shells over OpenSSH, against a real sshd."""

from __future__ import annotations

import shutil
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor.errors import UnreachableError
from executor.shell import Shell, output, run, stream, wait_reachable
from executor.ssh import configured_ssh_shell, new_host_key, own_key, ssh_shell
from tests.kits.sshd import ADDRESS, PATIENCE_S, SshNode, ssh_node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshNode]:
    """A machine that all tests may use."""
    with ssh_node(tmp_path_factory.mktemp("node")) as node:
        yield node


def other_login(node: SshNode) -> Shell:
    """A shell that shares its connection with its like alone, and not with those before it."""
    identity = node.folder / "copy"
    if not identity.exists():
        shutil.copy(node.own.identity, identity)
    return ssh_shell(
        ADDRESS,
        user="root",
        host_key=node.host_key.public,
        identity=identity,
        folder=node.folder / "client",
        port=node.port,
    )


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_commands_come_back_as_they_ended(node: SshNode) -> None:
    """Output, errors, exit codes and bytes are those of the node's shell."""
    done = run(node.shell(), "cat; echo err >&2; exit 3", stdin=bytes(range(256)))
    assert (done.code, done.stdout, done.stderr) == (3, bytes(range(256)), b"err\n")


def test_words_arrive_verbatim(node: SshNode) -> None:
    """The command line is for the node's shell alone; no shell here reads it."""
    assert output(node.shell(), "printf '%s|' 'a  b' \"$0\" '$(id)' --").startswith(b"a  b|")


def test_the_connection_is_shared(node: SshNode) -> None:
    """The second command needs no new connection: it has the same port of ours."""
    first, second = (output(node.shell(), "echo $SSH_CONNECTION") for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("folder", "mode"), [("x" * 100, 0o700), ("open", 0o777)])
def test_no_connection_is_shared_where_it_cannot_be(
    node: SshNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, mode: int
) -> None:
    """A path that is too long for a socket, or a folder that others may write in, costs time and nothing else."""
    sockets = tmp_path / folder / "skybroker"
    sockets.mkdir(parents=True)
    sockets.chmod(mode)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets.parent))
    assert output(node.shell(), "echo in") == b"in\n"
    assert not list(sockets.iterdir())


def test_another_host_key_is_refused(node: SshNode) -> None:
    """A machine that is not the one that was made gets nothing, and the user is told so; also while we wait for it."""
    stranger = node.shell(new_host_key().public)
    with pytest.raises(UnreachableError, match="another machine answers"):
        run(stranger, "touch ~/was-here")
    with pytest.raises(UnreachableError, match="another machine answers"):
        wait_reachable(stranger, time.monotonic() + 0.2, pause_s=0.05)
    assert not (node.home / "was-here").exists()


def test_the_pinned_key_is_kept_for_its_owner_alone(node: SshNode) -> None:
    """Whoever could write there could make us believe another machine."""
    node.shell()
    key = node.host_key.public.split()[1]
    [path] = [path for path in (node.folder / "client").iterdir() if key in path.read_text()]
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)


def test_another_key_does_not_log_in(node: SshNode, tmp_path: Path) -> None:
    """Only the key that is named is tried, and no password is asked for."""
    other = own_key(tmp_path)
    shell = ssh_shell(
        ADDRESS, user="root", host_key=node.host_key.public, identity=other.identity, folder=tmp_path, port=node.port
    )
    with pytest.raises(UnreachableError, match="Permission denied"):
        run(shell, "exit 0")


def test_refusals_are_survived(tmp_path: Path) -> None:
    """A machine whose sshd comes late is waited for."""
    with ssh_node(tmp_path, started=False) as late:
        with pytest.raises(UnreachableError, match="refused"):
            run(late.shell(), "exit 0")
        timer = threading.Timer(0.3, late.start)
        timer.start()
        wait_reachable(late.shell(), time.monotonic() + PATIENCE_S, pause_s=0.05)
        timer.join()


def test_a_broken_connection_is_unreachable(tmp_path: Path) -> None:
    """What has come until then is kept, and the next command goes by a new connection."""
    with ssh_node(tmp_path) as node:
        pieces = stream(node.shell(), "echo begun; sleep 30")
        assert next(pieces) == b"begun\n"
        node.cut()
        with pytest.raises(UnreachableError):
            next(pieces)
        wait_reachable(node.shell(), time.monotonic() + PATIENCE_S, pause_s=0.02)


def test_one_that_takes_too_long_does_not_break_the_others(tmp_path: Path) -> None:
    """The connection that it was the first to open lives on when it is ended."""
    with ssh_node(tmp_path) as node, ThreadPoolExecutor() as pool:
        slow = pool.submit(run, other_login(node), "sleep 9", timeout_s=0.6)
        time.sleep(0.3)
        assert output(other_login(node), "sleep 0.6; echo $SSH_CONNECTION") == output(
            other_login(node), "echo $SSH_CONNECTION"
        )
        with pytest.raises(UnreachableError, match="did not answer"):
            slow.result()


def test_odd_folders(tmp_path: Path) -> None:
    """Blanks, quotes and per cent signs in the paths of keys mean nothing to ssh."""
    folder = tmp_path / "a b%h \"c'"
    folder.mkdir()
    with ssh_node(tmp_path) as node:
        moved = own_key(folder)
        (node.folder / "authorized_keys").write_text(moved.public)
        shell = ssh_shell(
            ADDRESS, user="root", host_key=node.host_key.public, identity=moved.identity, folder=folder, port=node.port
        )
        assert output(shell, "echo in") == b"in\n"


def test_an_address_is_no_option(tmp_path: Path) -> None:
    """An address that a cloud hands out cannot make ssh run anything here."""
    shell = ssh_shell(
        f"-oProxyCommand=touch {tmp_path}/ran",
        user="root",
        host_key=new_host_key().public,
        identity=own_key(tmp_path).identity,
        folder=tmp_path,
    )
    with pytest.raises(UnreachableError):
        run(shell, "exit 0")
    assert not (tmp_path / "ran").exists()


def test_a_machine_of_the_users_own(node: SshNode, tmp_path: Path) -> None:
    """Their settings say where it is and who knows it; a host that they do not know is refused as well."""
    known = tmp_path / "known_hosts"
    settings = f"Host lab\n HostName {ADDRESS}\n Port {node.port}\n User root\n IdentityFile {node.own.identity}\n"
    (tmp_path / "config").write_text(f"{settings} UserKnownHostsFile {known}\n")
    shell = configured_ssh_shell("lab", tmp_path / "config")
    with pytest.raises(UnreachableError, match="its host key is not known"):
        run(shell, "exit 0")
    known.write_text(f"[{ADDRESS}]:{node.port} {node.host_key.public}\n")
    assert output(shell, "echo in") == b"in\n"


def test_own_key_is_made_once(tmp_path: Path) -> None:
    """All who ask at the same time get the same key, which nobody else can read."""
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(own_key, [tmp_path / "keys"] * 4))
    assert len(keys) == 1
    [key] = keys
    assert key.public.startswith("ssh-ed25519 ")
    assert (mode_of(key.identity), [path.name for path in key.identity.parent.iterdir()]) == (0o600, ["id_ed25519"])


def test_host_keys_differ_and_do_not_show() -> None:
    """Each node has its own, and the private half is in no representation."""
    one, other = new_host_key(), new_host_key()
    assert one.public != other.public
    assert one.private not in repr(one)
    assert one.public.split()[0] == "ssh-ed25519"
