"""A few rows and columns out of a large CSV file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from catalog_data.big_csv import BigCsvError, reduced_csv

ABOVE = '"FormatVersion","v1.0"\n"OfferCode","AmazonEC2"\n'


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Two lines above the header, empty and quoted fields, a quote and a comma in a field, a repeated row."""
    path = tmp_path / "list's.csv"
    path.write_text(
        ABOVE
        + '"Name","Price","Note","System"\n'
        + '"b","2.50",,"Linux"\n'
        + '"a","1.00","says ""hi"", twice","Linux"\n'
        + '"c","9.00","","Windows"\n'
        + '"b","2.50",,"Linux"\n'
        + '"d","3.00",,""\n',
        encoding="utf-8",
    )
    return path


def test_rows_that_fit_are_kept_once_and_sorted(listed: Path) -> None:
    """Windows is left out, `b` appears once, and a quote in a field survives."""
    reduced = reduced_csv(listed, skip_lines=2, columns=("Name", "Price", "Note"), where={"System": ("Linux",)})
    assert reduced.decode().splitlines() == ["Name,Price,Note", 'a,1.00,"says ""hi"", twice"', 'b,2.50,""']


def test_an_empty_field_is_the_empty_text(listed: Path) -> None:
    """Whether it is quoted or not."""
    reduced = reduced_csv(listed, skip_lines=2, columns=("Name",), where={"System": ("",), "Note": ("",)})
    assert reduced.decode().splitlines() == ["Name", "d"]


def test_nothing_that_fits_is_a_header_alone(listed: Path) -> None:
    """An empty answer is an answer."""
    assert reduced_csv(listed, skip_lines=2, columns=("Name",), where={"System": ("BSD",)}) == b"Name\n"


def test_all_missing_columns_are_named(listed: Path) -> None:
    """Of those to keep and of those to filter by."""
    with pytest.raises(BigCsvError, match="there is no column Cost, Kernel"):
        reduced_csv(listed, skip_lines=2, columns=("Name", "Cost"), where={"Kernel": ("6",)})


@pytest.mark.parametrize("content", [b"", b"one line", b"\x00\xff\xfe" * 100])
def test_what_is_no_csv_has_no_columns(tmp_path: Path, content: bytes) -> None:
    """Neither an empty file, nor one that is too short, nor one that is no text."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BigCsvError, match="there is no column Name"):
        reduced_csv(path, skip_lines=2, columns=("Name",), where={})


def test_a_row_of_another_width_is_said(listed: Path) -> None:
    """A file that is damaged in the middle is not half right."""
    listed.write_text(listed.read_text() + '"e","1","2"\n')
    with pytest.raises(BigCsvError):
        reduced_csv(listed, skip_lines=2, columns=("Name",), where={"System": ("Linux",)})


def test_the_same_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    """Threads read parts of a file in any order; the answer does not show it."""
    rows = [f'"{number}","{number % 7}"\n' for number in range(200_000)]
    answers = set()
    for seed in range(2):
        random.Random(seed).shuffle(rows)
        path = tmp_path / f"{seed}.csv"
        path.write_text('"number","rest"\n' + "".join(rows))
        answers.add(reduced_csv(path, skip_lines=0, columns=("number",), where={"rest": ("3",)}))
    (only,) = answers
    assert only.count(b"\n") == 1 + 28_571
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".csv"]
