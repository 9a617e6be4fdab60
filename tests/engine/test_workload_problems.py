"""What is wrong with a file -> one line for each problem, with its place and a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.workload_errors import WorkloadError, figure, without_credentials
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
        "secrets: {TOKEN: *hunter2}",
        "secrets: {TOKEN: !hunter2 }",
        "HF_TOKEN=hunter2",
        "HF_TOKEN=hunter2: x",
        "name: w\n---\nTOKEN=hunter2",
        "tasks: hunter2",
        "tasks: {a: hunter2}",
        "resources: hunter2",
        "resources: {labels: hunter2}",
        "resources: {labels: {a: [hunter2]}}",
        "resources: {volumes: hunter2}",
        "envs: HF_TOKEN=hunter2",
        "envs: [HF_TOKEN=hunter2]",
        "envs: {HF_TOKEN=hunter2: }",
        "envs: {hunter2==: x}",
        "envs: {A=hunter2: x, A=hunter2: x}",
        "envs: {HF_TOKEN: [hunter2]}",
        "config: hunter2",
        "managed_secrets: hunter2",
        "volumes: hunter2",
        "file_mounts: hunter2",
        "file_mounts: {/x: [hunter2]}",
        "file_mounts: {/x?token=hunter2: 3}",
        "workdir: [hunter2]",
        "setup: [hunter2]",
        "run: {a: hunter2}",
        "service: hunter2",
        "service: {replicas: hunter2}",
        "service: {ports: hunter2}",
        "service: {tls: hunter2}",
        "service: {readiness_probe: [hunter2]}",
        "service: {load_balancing_policy: [hunter2]}",
        "service: {pool: hunter2}",
        "service: {pool: {workers: hunter2, upscale_delay_seconds: hunter2}}",
        "service: {replica_policy: hunter2}",
        "service: {replica_policy: {min_replicas: hunter2, dynamic_ondemand_fallback: hunter2}}",
        "pool: hunter2",
        "inputs: {'https://u:hunter2@host/x': -1}",
        "outputs: {'s3://bucket/x?X-Amz-Signature=hunter2': much}",
    ],
)
def test_no_message_shows_a_secret(text: str) -> None:
    """Whatever is wrong around a secret, its value is not in the message."""
    assert "hunter2" not in "".join(problems_of(text))


def test_no_message_shows_a_number_that_may_be_secret() -> None:
    """A secret may be all digits."""
    fields = ("setup", "run", "config", "managed_secrets", "volumes", "file_mounts", "service", "envs", "secrets")
    texts = [f"{field}: 271828" for field in fields]
    texts += ["service: {replicas: -271828}", "service: {ports: 271828}", "file_mounts: {/x: 271828}"]
    texts += ["service: {replica_policy: {upscale_delay_seconds: -271828}}", "resources: {labels: 271828}"]
    assert [problem for text in texts for problem in problems_of(text) if "271" in problem] == []


@pytest.mark.parametrize(
    ("key", "public"),
    [
        ("s3://bucket/path@v1", "s3://bucket/path@v1"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("https://user:pass@host:8080/x?sig=1#part", "https://host:8080/x"),
        ("https://user:p/a#s?s@host/x", "https://host/x"),
        ("user:pass@host/x", "host/x"),
        ("/data/x", "/data/x"),
    ],
)
def test_urls_lose_what_may_be_secret(key: str, public: str) -> None:
    """User, password, query and fragment go, whichever characters stand in the password."""
    assert without_credentials(key) == public


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-3, "-3"),
        (0.1, "0.1"),
        (1 / 3, "0.333333"),
        (1e-9, "almost 0"),
        (1048576.0, "1,048,580"),
        (999999.9, "1,000,000"),
        (1e308, "a number that is too large"),
        (10**400, "a number that is too large"),
        (float("nan"), "a number that is too large"),
    ],
)
def test_figures_are_plain(number: float, text: str) -> None:
    """Numbers have at most six significant digits, thousands apart, and no exponent."""
    assert figure(number) == text


@pytest.mark.parametrize(
    "text",
    [
        'name: "a\\nFORGED"',
        'name: "a\\e[31mFORGED"',
        'run: x\n---\nname: "a\\u2028FORGED"',
        'tasks: {"a\\nFORGED": {run: x}}',
        'tasks: [{name: "a\\nFORGED"}]',
        'tasks: {a: {depends_on: "a\\nFORGED"}}',
        'name: p\nexecution: parallel\nprimary_tasks: ["a\\nFORGED"]\n---\nname: a',
    ],
)
def test_names_forge_no_lines(text: str) -> None:
    """A name that would break a line of output is refused, in one line that holds none of it in the raw."""
    problems = problems_of(text)
    assert all(problem.isprintable() for problem in problems)
    assert any("cannot be printed" in problem for problem in problems)
    assert not any(problem.startswith("FORGED") for problem in problems)


def test_keys_and_values_forge_no_lines() -> None:
    """Nor does a key or a value that a message shows."""
    text = '"a\\nFORGED": 1\nobjective: "x\\e[31m\\nFORGED"\n'
    assert problems_of(text) == [
        "1: a FORGED: unknown field",
        "2: objective: must be one of cost, time, not x?[31m FORGED",
    ]


def test_names_are_bounded() -> None:
    """A name has at most 200 characters."""
    assert read_workload(f"name: {'a' * 200}").name == "a" * 200
    assert problems_of(f"name: {'a' * 201}") == ["1: name: has more than 200 characters"]


def test_a_key_of_nothing_is_a_field() -> None:
    """An empty key has no name in the message, and is no reason to fail."""
    assert problems_of("run: x\n'': 1") == ["2: unknown field"]
