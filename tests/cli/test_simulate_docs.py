"""The example of docs/simulate.md is what the program prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.kits.program import CHECKOUT, Run

PAGE = CHECKOUT / "docs" / "simulate.md"


def test_the_example_is_what_the_program_prints(
    skybroker: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trace of the page, its command, and every line below it."""
    blocks = re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", PAGE.read_text(encoding="utf-8"))
    texts = ["".join(line[4:] or "\n" for line in block.splitlines(keepends=True)) for block in blocks]
    trace = next(text for text in texts if text.startswith('{"gap_seconds"'))
    command, _, printed = next(text for text in texts if text.startswith("$ skybroker simulate")).partition("\n")
    (tmp_path / "us-west-2a_p3.2xlarge.json").write_text(trace)
    monkeypatch.chdir(tmp_path)
    done = skybroker(*shlex.split(command)[2:])
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == printed.splitlines()
