"""The cache of answers: what is kept, and that a file which cannot be trusted is no entry."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from catalog_fetchers.cache import KEPT_S, Cache, Entry

KEY = "https://cloud.example/prices"
ENTRY = Entry({"etag": '"1"'}, b"a body\nof two lines")


def filled(folder: Path, key: str = KEY, entry: Entry = ENTRY) -> Path:
    """A folder with one committed entry; the file that it is in."""
    before = set(folder.glob("*"))
    cache = Cache(folder)
    cache.offer(key, entry)
    cache.commit()
    (file,) = set(folder.glob("*")) - before
    return file


def test_what_was_committed_is_found_by_another_cache(tmp_path: Path) -> None:
    """A body with line breaks and both validators come back as they were."""
    entry = Entry({"etag": 'W/"1"', "last-modified": "Sun, 01 Nov 2026 06:00:00 GMT"}, b"\n\na\0\xff\n")
    filled(tmp_path / "cache", entry=entry)
    found = Cache(tmp_path / "cache").find(KEY)
    assert found == entry
    assert found.conditions == {"If-None-Match": 'W/"1"', "If-Modified-Since": "Sun, 01 Nov 2026 06:00:00 GMT"}


def test_nothing_is_there_before_commit(tmp_path: Path) -> None:
    """An entry that was only offered is neither found nor on the disk."""
    cache = Cache(tmp_path / "cache")
    cache.offer(KEY, ENTRY)
    assert cache.find(KEY) is None
    assert not (tmp_path / "cache").exists()


def test_an_answer_without_validators_is_not_kept(tmp_path: Path) -> None:
    """Nothing could ever confirm it."""
    cache = Cache(tmp_path / "cache")
    cache.offer(KEY, Entry({}, b"a body"))
    cache.commit()
    assert not (tmp_path / "cache").exists()


def test_a_newer_entry_replaces_the_older(tmp_path: Path) -> None:
    """One file a key, and no draft is left beside it."""
    filled(tmp_path)
    cache = Cache(tmp_path)
    cache.offer(KEY, Entry({"etag": '"2"'}, b"another"))
    cache.commit()
    assert len(list(tmp_path.iterdir())) == 1
    assert Cache(tmp_path).find(KEY) == Entry({"etag": '"2"'}, b"another")


def test_a_file_cut_short_anywhere_is_no_entry(tmp_path: Path) -> None:
    """Whatever a full disk or a power failure left of it."""
    file = filled(tmp_path)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert Cache(tmp_path).find(KEY) is None, length


def test_a_file_with_one_wrong_byte_anywhere_is_no_entry(tmp_path: Path) -> None:
    """The checksum covers the validators as well as the body."""
    file = filled(tmp_path)
    whole = file.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        assert Cache(tmp_path).find(KEY) is None, place


def test_a_folder_in_the_place_of_a_file_is_no_entry(tmp_path: Path) -> None:
    """Finding is never an error."""
    file = filled(tmp_path)
    file.unlink()
    file.mkdir()
    assert Cache(tmp_path).find(KEY) is None


def test_an_entry_of_another_key_is_no_entry(tmp_path: Path) -> None:
    """A file that was copied to the name of another address does not answer for that one."""
    mine = filled(tmp_path)
    other = filled(tmp_path, "https://cloud.example/other", Entry({"etag": '"o"'}, b"other"))
    mine.write_bytes(other.read_bytes())
    assert Cache(tmp_path).find(KEY) is None
    assert Cache(tmp_path).find("https://cloud.example/other") == Entry({"etag": '"o"'}, b"other")


def test_the_key_is_not_readable_in_the_folder(tmp_path: Path) -> None:
    """An address or a header may hold a secret; names and contents show a digest of it only."""
    file = filled(tmp_path, f"{KEY}?api_key=SECRET\nAuthorization: Bearer SECRET")
    assert "SECRET" not in file.name
    assert b"SECRET" not in file.read_bytes()


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Prices of an account are its own, whatever the umask is."""
    file = filled(tmp_path / "cache")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_an_error_of_commit(tmp_path: Path) -> None:
    """And finding in it finds nothing."""
    (tmp_path / "cache").write_text("a file")
    cache = Cache(tmp_path / "cache")
    assert cache.find(KEY) is None
    cache.offer(KEY, ENTRY)
    with pytest.raises(OSError, match="cache"):
        cache.commit()


def test_a_write_that_fails_leaves_no_draft(tmp_path: Path) -> None:
    """A folder stands where the file has to go."""
    file = filled(tmp_path)
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    cache = Cache(tmp_path)
    cache.offer(KEY, ENTRY)
    with pytest.raises(OSError, match="directory"):
        cache.commit()
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_long_not_asked_for_is_removed(tmp_path: Path) -> None:
    """An old entry that was asked for stays; another and the draft of a crash go, and a foreign file is left alone."""
    asked, forgotten = filled(tmp_path), filled(tmp_path, "https://cloud.example/?page=token-of-a-day")
    draft, foreign = tmp_path / "left-by-a-crash.answer", tmp_path / "notes.txt"
    draft.write_text("")
    foreign.write_text("")
    for file in (asked, forgotten, draft, foreign):
        old = file.stat().st_mtime - KEPT_S - 60
        os.utime(file, (old, old))
    cache = Cache(tmp_path)
    assert cache.find(KEY) == ENTRY
    cache.commit()
    assert set(tmp_path.iterdir()) == {asked, foreign}
    Cache(tmp_path).commit()
    assert asked.exists()


def test_looks_that_share_a_folder_never_see_half_an_entry(tmp_path: Path) -> None:
    """Two threads replace one entry 50 times each; a reader finds one of theirs, whole, each time."""
    filled(tmp_path)
    bodies = {letter: letter.encode() * 300_000 for letter in "ab"}
    failures: list[BaseException] = []

    def write(letter: str) -> None:
        try:
            for _ in range(50):
                cache = Cache(tmp_path)
                cache.offer(KEY, Entry({"etag": letter}, bodies[letter]))
                cache.commit()
        except OSError as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in bodies]
    for writer in writers:
        writer.start()
    found: list[Entry | None] = []
    while any(writer.is_alive() for writer in writers):
        found.append(Cache(tmp_path).find(KEY))
    for writer in writers:
        writer.join()
    assert not failures
    assert found
    assert all(
        entry is not None and entry.body in (*bodies.values(), ENTRY.body) and entry.validators for entry in found
    )
    assert len(list(tmp_path.iterdir())) == 1
