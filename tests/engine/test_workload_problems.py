"""What is wrong with a file -> one line for each problem, with its place and a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.workload_errors import WorkloadError
from engine.workload_reader import read_workload


def problems_of(text: str) -> list[str]:
    """The problems of a text, without the name of the file."""
    with pytest.raises(WorkloadError) as caught:
        read_workload(text, file="f")
    return [line.removeprefix("f:") for line in str(caught.value).splitlines()]


GOLDEN = Path(__file__).parent / "golden" / "workload_problems.txt"
"""Texts and, behind `=> `, all problems that each of them has; a line `~~~~` stands between two texts."""


def cases() -> list[tuple[str, list[str]]]:
    """The texts of the golden file with their problems."""
    blocks = [block.splitlines() for block in GOLDEN.read_text().split("~~~~\n")]
    return [
        (
            "\n".join(line for line in block if not line.startswith("=> ")),
            [line.removeprefix("=> ") for line in block if line.startswith("=> ")],
        )
        for block in blocks
    ]


@pytest.mark.parametrize(("text", "problems"), cases(), ids=[str(index) for index, _ in enumerate(cases())])
def test_bad_workload(text: str, problems: list[str]) -> None:
    """Each mistake is named in plain words with its line, its field and a way out, and nothing else is."""
    assert problems_of(text) == problems


def test_messages_are_plain_words() -> None:
    """No message speaks of the types of a language or in the jargon of a validator."""
    jargon = re.compile(
        r"\b(dict|dictionary|list\[|int|integer|str|string|float|bool|None\w*|Input|a valid|instance)\b"
    )
    assert [message for _, messages in cases() for message in messages if jargon.search(message)] == []


@pytest.mark.parametrize(
    "text",
    [
        "secrets: {TOKEN: [hunter2]}",
        "secrets: {TOKEN: {a: hunter2}}",
        "secrets: hunter2",
        "secrets: [hunter2]",
        "secrets: {'secrets:TOKEN': hunter2}",
        "secrets: {TOKEN: !tag hunter2}",
        "secrets: {TOKEN: hunter2, TOKEN: hunter2}",
        "secrets: {TOKEN: hunter2",
        "secrets:\n  TOKEN: hunter2: hunter2",
    ],
)
def test_no_message_shows_a_secret(text: str) -> None:
    """Whatever is wrong around a secret, its value is not in the message."""
    assert "hunter2" not in "".join(problems_of(text))
