"""Folders brought to a node: what is sent, what is not, and what is removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from executor.errors import CommandFailedError, ExecutorError
from executor.shell import Shell
from executor.sync import Sent, files_to_send, send, source_of

HOSTILE = ("-rf", "a b", "new\nline", "$(touch x)", "quote'\"", "ünï", os.fsdecode(b"\xff\xfe"), "deep/-x/*")


class Node:
    """A node whose shell is a plain `sh` with a home folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shell = Shell(("env", f"HOME={home}", "sh", "-c"), frozenset())

    def takes(self, source: Path, target: str = "~/work") -> Sent:
        """What a call sends."""
        return send(self.shell, source_of(source), target)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node without anything."""
    home = tmp_path / "home"
    home.mkdir()
    return Node(home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder here."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def write(folder: Path, *names: str, text: str = "text") -> None:
    """Files, each of the same text."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def git(folder: Path, *arguments: str) -> None:
    """A command of git in a folder."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def names_in(folder: Path) -> set[str]:
    """The files and links below a folder."""
    return {os.fspath(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_any_names_arrive_and_go_verbatim(node: Node, folder: Path) -> None:
    """No name means anything to a shell, to tar, or to what removes it."""
    write(folder, *HOSTILE)
    assert node.takes(folder) == Sent(len(HOSTILE), 0)
    assert names_in(node.home / "work") == set(HOSTILE)
    for name in HOSTILE:
        (folder / name).unlink()
    write(folder, "last")
    assert node.takes(folder) == Sent(1, len(HOSTILE))
    assert names_in(node.home / "work") == {"last"}
    assert not (node.home / "work" / "deep").exists()


def test_only_what_changed_is_sent(node: Node, folder: Path) -> None:
    """The second call sends nothing, the next what changed in content or mode alone."""
    write(folder, "a", "b", "c")
    assert node.takes(folder) == Sent(3, 0)
    before = (node.home / "work" / "c").stat().st_ino
    assert node.takes(folder) == Sent(0, 0)
    write(folder, "a", text="TEXT")
    (folder / "b").chmod(0o755)
    assert node.takes(folder) == Sent(2, 0)
    assert (node.home / "work" / "a").read_text() == "TEXT"
    assert (node.home / "work" / "b").stat().st_mode & 0o777 == 0o755
    assert (node.home / "work" / "c").stat().st_ino == before


def test_what_the_job_wrote_stays(node: Node, folder: Path) -> None:
    """Results beside what was sent are no business of ours."""
    write(folder, "out/config")
    node.takes(folder)
    write(node.home / "work", "out/result")
    (folder / "out" / "config").unlink()
    assert node.takes(folder) == Sent(0, 1)
    assert names_in(node.home / "work") == {"out/result"}


def test_links_are_sent_as_links(node: Node, folder: Path, tmp_path: Path) -> None:
    """A link is never followed: not here, and not on the node when it becomes a file or a folder."""
    write(tmp_path / "secret", "key")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "file").symlink_to(tmp_path / "secret" / "key")
    (folder / "broken").symlink_to("nowhere")
    assert node.takes(folder) == Sent(3, 0)
    assert (node.home / "work" / "out").readlink() == tmp_path / "secret"
    for name in ("out", "file"):
        (folder / name).unlink()
    write(folder, "out/key", "file", text="mine")
    node.takes(folder)
    assert (node.home / "work" / "out" / "key").read_text() == "mine"
    assert (tmp_path / "secret" / "key").read_text() == "text"


def test_a_file_may_become_a_folder_and_back(node: Node, folder: Path) -> None:
    """What is in the way is removed first."""
    write(folder, "a")
    node.takes(folder)
    (folder / "a").unlink()
    write(folder, "a/b")
    node.takes(folder)
    assert names_in(node.home / "work") == {"a/b"}
    (folder / "a" / "b").unlink()
    (folder / "a").rmdir()
    write(folder, "a")
    node.takes(folder)
    assert names_in(node.home / "work") == {"a"}


def test_a_broken_transfer_is_made_good(node: Node, folder: Path) -> None:
    """After a call that failed halfway nothing is believed to be there, also what was taken back here since."""
    write(folder, "a", "gone")
    node.takes(folder)
    write(folder, "a", "new", text="edited")
    (folder / "gone").unlink()
    (node.home / "work" / "new").mkdir()
    write(node.home / "work" / "new", "in-the-way")
    with pytest.raises(CommandFailedError):
        node.takes(folder)
    write(folder, "a")
    (folder / "new").unlink()
    node.takes(folder)
    assert (node.home / "work" / "a").read_text() == "text"
    assert not (node.home / "work" / "gone").exists()
    assert node.takes(folder) == Sent(0, 0)


def test_a_folder_that_was_removed_on_the_node_is_sent_anew(node: Node, folder: Path) -> None:
    """What the node keeps of it counts only while it is there."""
    write(folder, "a")
    node.takes(folder)
    (node.home / "work" / "a").unlink()
    (node.home / "work").rmdir()
    assert node.takes(folder) == Sent(1, 0)


def test_a_checkout_sends_what_git_would(folder: Path) -> None:
    """Tracked files though a rule names them, new ones unless one does; nothing that is deleted, and not .git."""
    write(folder, "tracked.log", "deleted", "new.log", "new", "sub/new.tmp", "sub/kept")
    write(folder, ".gitignore", text="*.log\n")
    write(folder, "sub/.gitignore", text="*.tmp\n")
    git(folder, "init")
    git(folder, "add", "-f", "tracked.log", "deleted")
    (folder / "deleted").unlink()
    assert set(files_to_send(folder)) == {".gitignore", "new", "sub/.gitignore", "sub/kept", "tracked.log"}
    assert set(files_to_send(folder / "sub")) == {".gitignore", "kept"}


def test_a_plain_folder_keeps_to_its_gitignore(folder: Path) -> None:
    """The rules hold where there is no checkout, too."""
    write(folder, "a.log", "a", ".env", "sub/.env")
    write(folder, ".gitignore", text="*.log\n.env\n")
    assert set(files_to_send(folder)) == {".gitignore", "a"}


def test_own_rules_take_the_place_of_gitignore(folder: Path) -> None:
    """As users of SkyPilot know it; in a checkout as well."""
    write(folder, "data.bin", "notes")
    write(folder, ".gitignore", text="data.bin\n")
    write(folder, ".skyignore", text="notes\n")
    git(folder, "init")
    assert set(files_to_send(folder)) == {".gitignore", ".skyignore", "data.bin"}


def test_a_folder_that_its_checkout_ignores_is_sent(folder: Path) -> None:
    """Who names a folder wants it: rules that leave it out as a whole are not about what is within."""
    write(folder, ".gitignore", text="*\n")
    write(folder, "build/a")
    git(folder, "init")
    assert set(files_to_send(folder / "build")) == {"a"}


def test_checkouts_within_bring_their_own_rules(folder: Path) -> None:
    """Submodules and clones lie in the folder, so they are sent, by what they say themselves."""
    write(folder, "lib/code", "lib/big.bin")
    write(folder, "lib/.gitignore", text="*.bin\n")
    git(folder / "lib", "init")
    assert set(files_to_send(folder)) == {"lib/.gitignore", "lib/code"}
    git(folder, "init")
    assert set(files_to_send(folder)) == {"lib/.gitignore", "lib/code"}


def test_settings_of_a_hook_are_not_ours(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of git that runs us says which checkout its commands are about; ours are about the folder."""
    write(folder, "a")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    assert set(files_to_send(folder)) == {"a"}


@pytest.mark.parametrize(("target", "path"), [("~/x/there", "x/there"), ("~/x/", "x/here"), ("there", "there")])
def test_a_file_gets_the_name_that_it_is_given(node: Node, tmp_path: Path, target: str, path: str) -> None:
    """One file of one folder is sent; what lies beside it on the node is not touched."""
    write(tmp_path, "real")
    write(node.home, "x/other")
    (tmp_path / "here").symlink_to("real")
    assert node.takes(tmp_path / "here", target) == Sent(1, 0)
    assert names_in(node.home) - {name for name in names_in(node.home) if name.startswith(".sky")} == {"x/other", path}
    assert not (node.home / path).is_symlink()
    assert node.takes(tmp_path / "here", target) == Sent(0, 0)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """Before any node is asked."""
    with pytest.raises(ExecutorError, match="absent is not there"):
        source_of(tmp_path / "absent")


def test_a_file_that_goes_away_while_it_is_sent(node: Node, folder: Path) -> None:
    """The node never takes half of a folder for all of it."""
    write(folder, "a", "b")
    source = source_of(folder)
    (folder / "b").unlink()
    with pytest.raises(ExecutorError, match=r"cannot read .*b: No such file"):
        send(node.shell, source, "~/work")
    assert node.takes(folder) == Sent(1, 0)


def test_many_files_are_one_archive(node: Node, folder: Path) -> None:
    """A thousand files take no call each."""
    write(folder, *(f"{number % 7}/{number}" for number in range(1000)))
    assert node.takes(folder) == Sent(1000, 0)
    assert node.takes(folder) == Sent(0, 0)
