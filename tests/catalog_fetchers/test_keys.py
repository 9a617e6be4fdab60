"""Where an API key is found, and what is said where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_fetchers.keys import ApiKey

KEY = ApiKey(("CLOUD_TOKEN", "CLOUD_KEY"), ".cloud/config", "token =", "put `token = ...` into")
WHOLE = ApiKey(("CLOUD_KEY",), ".cloud/key")


def test_the_environment_comes_first(tmp_path: Path) -> None:
    """The first variable that is set, then the next, and an empty one is none."""
    write(tmp_path / ".cloud/config", "token = from-the-file\n")
    assert KEY.found({"CLOUD_TOKEN": "one", "CLOUD_KEY": "two"}, tmp_path) == "one"
    assert KEY.found({"CLOUD_TOKEN": "", "CLOUD_KEY": "two"}, tmp_path) == "two"
    assert KEY.found({}, tmp_path) == "from-the-file"


@pytest.mark.parametrize(
    "text", ["token = k-1\n", "other = 2\n  token = k-1  # mine\n", "token = 'k-1'\n", 'token =   "k-1"']
)
def test_an_entry_of_a_file(tmp_path: Path, text: str) -> None:
    """Indented, quoted, beside others or followed by a remark."""
    write(tmp_path / ".cloud/config", text)
    assert KEY.found({}, tmp_path) == "k-1"


def test_a_file_that_is_the_key(tmp_path: Path) -> None:
    """Its line break is none of it."""
    write(tmp_path / ".cloud/key", "k-1\n")
    assert WHOLE.found({}, tmp_path) == "k-1"


def test_what_is_missing_is_said_with_both_ways(tmp_path: Path) -> None:
    """And nothing where it is there; a file without the entry is none."""
    assert KEY.missing({}, tmp_path) == "set CLOUD_TOKEN, or put `token = ...` into ~/.cloud/config"
    write(tmp_path / ".cloud/config", "other = 2\n")
    assert KEY.missing({}, tmp_path) != ""
    assert KEY.missing({"CLOUD_KEY": "k"}, tmp_path) == ""
    assert WHOLE.needs == "CLOUD_KEY or ~/.cloud/key"


def write(file: Path, text: str) -> None:
    """A file in a folder that may not be there yet."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
