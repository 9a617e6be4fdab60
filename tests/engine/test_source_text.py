"""YAML text -> plain values and their places."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine import source_text
from engine.source_text import MAX_DEPTH, MAX_VALUES, plain_scalar, read_source
from engine.workload_errors import Fault, WorkloadError

UNKNOWN_ALIAS = "an alias stands for nothing that is complete above it: put a text that starts with * in quotes"


def problem_of(text: str) -> str:
    """The one line that reading the text gives."""
    with pytest.raises(WorkloadError) as caught:
        read_source(text, file="f").check()
    return str(caught.value)


def value_of(text: str) -> object:
    """The value of a text with one document."""
    (document,) = read_source(text, file="f").documents
    return document.value


def test_values_of_all_kinds() -> None:
    """Lists, mappings and scalars come out as plain values, and keys as the text that is written."""
    text = "a: [x, {y: 2.5}]\n1: yes\nnull: ~\non: 'yes'\nb: |\n  two\n  lines\n"
    assert value_of(text) == {"a": ["x", {"y": 2.5}], "1": True, "null": None, "on": "yes", "b": "two\nlines\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("true", True),
        ("Off", False),
        ("12", 12),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("2.50", 2.5),
        ("1.0e+3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        # What YAML 1.1 would turn into something that nobody meant:
        ("1:30", "1:30"),
        ("2026-12-01", "2026-12-01"),
        ("007", "007"),
        # What it leaves as a text:
        ("1e-5", "1e-5"),
        ("4+", "4+"),
        ("12345678901234567890123", "12345678901234567890123"),
    ],
)
def test_scalar_without_quotes(text: str, value: object) -> None:
    """Words and numbers have their value, everything else is text."""
    result = plain_scalar(text)
    assert result == value
    assert type(result) is type(value)


def test_not_a_number() -> None:
    """`.nan` is read, and left to the fields to refuse."""
    assert math.isnan(float(str(plain_scalar(".nan"))))


def test_tags_of_yaml_itself() -> None:
    """`!!str` keeps a text, `!!int` makes a number of a quoted one, `!!set` is a mapping to nothing."""
    assert value_of('a: !!str 5\nb: !!int "5"\nc: !!set {x, y}') == {"a": "5", "b": 5, "c": {"x": None, "y": None}}


def test_other_tags_are_problems() -> None:
    """No object is ever made from a tag."""
    assert problem_of("a: 1\nb: !!python/object/apply:os.system [x]").startswith("f:2: b: has a tag ")


def test_aliases_and_merges() -> None:
    """An alias is the value again; merged fields stand behind a mapping's own."""
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree:\n  <<: [{z: 5}, *b]"
    assert value_of(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 2},
        "two": {"y": 3, "x": 1},
        "three": {"z": 5, "x": 1, "y": 2},
    }


def test_merge_of_what_is_no_mapping() -> None:
    """Only mappings can be merged."""
    assert problem_of("a:\n  <<: 3") == "f:2: a.<<: `<<` can only merge mappings"


def test_documents_without_content_are_left_out() -> None:
    """Comments, empty documents and empty mappings hold nothing."""
    assert read_source("# nothing\n---\n---\n{}\n", file="f").documents == ()


def test_several_documents_have_their_own_anchors() -> None:
    """An anchor ends with its document."""
    assert problem_of("a: &x 1\n---\nb: *x") == f"f:3: {UNKNOWN_ALIAS}"


def test_position_of_values() -> None:
    """A scalar is found where it stands, a list or a mapping where its key does, a missing value at its parent."""
    (document,) = read_source("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", file="f").documents
    assert document.position(()) == (1, 1)
    assert document.position(("a",)) == (1, 1)
    assert document.position(("a", "b")) == (2, 6)
    assert document.position(("a", "c")) == (3, 3)
    assert document.position(("a", "c", 0)) == (4, 7)
    assert document.position(("a", "c", 1, "y")) == (5, 10)
    assert document.position(("a", "c", 7)) == (3, 3)
    assert document.position(("a", "nowhere", 3)) == (1, 1)


def test_reports_are_in_the_order_of_the_file() -> None:
    """Problems are sorted by line, whenever they were found."""
    source = read_source("a: 1\nb: 2\nb: 3\n", file="f")
    source.report(source.documents[0], [Fault("is wrong", "mend it", ("a",))])
    with pytest.raises(WorkloadError) as caught:
        source.check()
    assert str(caught.value).splitlines() == [
        "f:1: a: is wrong: mend it",
        "f:3: b: is given twice: the first one is on line 2",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", "f:1: not valid YAML: mapping values are not allowed in this context"),
        ("a: 1\nb:\n\t- c", "f:3: not valid YAML: found character that cannot start any token"),
        ("a: 1\n b: 2", "f:2: not valid YAML: "),
        (
            "a: [1, 2\nb: 3",
            "f:2: not valid YAML: did not find expected ',' or ']': while parsing a flow sequence that starts",
        ),
        ("a: 'x", "f:1: not valid YAML: "),
        (
            "a:\n  b: 1\n c: 2",
            "f:3: not valid YAML: did not find expected key: start the fields of one",
        ),
        ("a: 1\nb: \x07", "f:2: a control character, which YAML does not allow"),
        ("a: \ud800", "f:1: a character that is no valid Unicode"),
        ("a: *b", f"f:1: {UNKNOWN_ALIAS}"),
        ("&a [*a]", f"f:1: {UNKNOWN_ALIAS}"),
        ("a: 1\n? [x]\n: 2", "f:2: a key must be a text, not a list or a mapping"),
        ("x:\n  a: 1\n  a: 2", "f:3: x.a: is given twice: the first one is on line 2"),
        ("x:\n- 1\n- {a: 1, a: 2}", "f:3: x[1].a: is given twice: the first one is on line 3"),
    ],
)
def test_bad_text(text: str, line: str) -> None:
    """What is wrong with the text itself is named with its line."""
    assert problem_of(text).startswith(line)


def test_nesting_is_bounded() -> None:
    """A text of brackets is refused, not recursed into until the stack is full."""
    assert value_of("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert problem_of("[" * 200_000) == f"f:1: values are nested more than {MAX_DEPTH} deep"


def test_expansion_is_bounded() -> None:
    """A few lines of aliases that stand for a billion values are refused at once."""
    rows = [f"a{index + 1}: &a{index + 1} [{', '.join([f'*a{index}'] * 10)}]" for index in range(9)]
    text = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *rows])
    many = f"holds more than {MAX_VALUES:,} values (texts, numbers, lists, mappings), aliases included"
    assert problem_of(text) == f"f:5: a4 {many}: make several files of it"


def test_pure_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package was built without its parser in C, the one in Python gives the same values and places."""
    text = "a: &x {b: [1, '2']}\nc: {<<: *x, d: !!str 3}\n---\ne: |\n  f\n"
    fast = read_source(text, file="f").documents
    monkeypatch.setattr(source_text, "_LOADER", yaml.SafeLoader)
    assert read_source(text, file="f").documents == fast


@pytest.mark.parametrize("loader", [source_text._LOADER, yaml.SafeLoader], ids=["c", "python"])
@pytest.mark.parametrize(
    "text",
    ["a: *hunter2", "a: !hunter2", "a: !hunter2!x y", "a: !<tag:hunter2> {}", "a: @hunter2", "%hunter2", "a: 'hunter2"],
)
def test_no_message_shows_the_text(text: str, loader: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text without quotes that YAML takes for something else may be a secret, whichever parser refuses it."""
    monkeypatch.setattr(source_text, "_LOADER", loader)
    assert "hunter2" not in problem_of(text)


def test_the_parser_names_single_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no more than a character or the kind of a token stays in the message."""
    assert "did not find expected ',' or ']'" in problem_of("a: [1, 2\nb: 3")
    monkeypatch.setattr(source_text, "_LOADER", yaml.SafeLoader)
    assert "but got '<stream end>'" in problem_of("a: [1")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#?,<\n\t 01.~%@`\x00\ud800\ufeff")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text does anything but be read or raise a WorkloadError."""
    with suppress(WorkloadError):
        assert read_source(text, file="f").file == "f"
