"""Replacing a file whole, whatever kind of file it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_data.atomic import drafted, put_in_place, writing_alone
from catalog_data.errors import CatalogBusyError


def names(path: Path) -> set[str]:
    """The files beside this one, itself included."""
    return {file.name for file in path.parent.iterdir()}


def test_a_draft_is_a_copy(tmp_path: Path) -> None:
    """The writer changes the copy; the file changes when the copy is put in its place."""
    path = tmp_path / "file"
    path.write_text("old")
    with writing_alone(path, 0), drafted(path) as draft:
        assert draft.read_text() == "old"
        draft.write_text("new")
        assert path.read_text() == "old"
        put_in_place(draft, path)
        assert path.read_text() == "new"
    assert names(path) == {"file", "file.lock"}


def test_a_first_draft_is_no_file_yet(tmp_path: Path) -> None:
    """Where there is no file the writer starts from nothing, in a folder that is made."""
    path = tmp_path / "new" / "file"
    with writing_alone(path, 0), drafted(path) as draft:
        assert not draft.exists()
        draft.write_text("new")
        put_in_place(draft, path)
    assert path.read_text() == "new"


def test_a_draft_that_is_not_put_in_place_is_gone(tmp_path: Path) -> None:
    """With its log, when the writer failed."""
    path = tmp_path / "file"
    path.write_text("old")
    with writing_alone(path, 0):
        with pytest.raises(ZeroDivisionError):
            fail_at_a_draft(path)
        assert names(path) == {"file", "file.lock"}
    assert path.read_text() == "old"


def fail_at_a_draft(path: Path) -> None:
    """Write half a draft and fail."""
    with drafted(path) as draft:
        draft.with_name(f"{draft.name}.wal").write_text("log")
        raise ZeroDivisionError


def test_the_name_of_a_file_is_no_pattern(tmp_path: Path) -> None:
    """Drafts of `[ab]` are removed, those of `a` stay."""
    path = tmp_path / "[ab]"
    ours, theirs = tmp_path / "[ab].new-1", tmp_path / "a.new-1"
    ours.write_text("left")
    theirs.write_text("another's")
    with writing_alone(path, 0):
        assert names(path) == {"[ab].lock", "a.new-1"}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Within a process too; writers of different files do not meet."""
    path = tmp_path / "file"
    with writing_alone(path, 0):
        with pytest.raises(CatalogBusyError, match=str(path)), writing_alone(path, 0.01):
            pass
        with writing_alone(tmp_path / "other", 0):
            pass
    with writing_alone(path, 0):
        pass
