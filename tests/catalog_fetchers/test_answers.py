"""Reading answers: what is not what the documentation says is one clear line."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from catalog_fetchers.answers import parse_json, read_as
from catalog_fetchers.errors import AnswerError


class Item(BaseModel):
    """An entry of an answer."""

    name: str
    price: float


class Answer(BaseModel):
    """An answer with entries."""

    items: list[Item]


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"<!DOCTYPE html><html>busy</html>", "a web page"),
        (b"\n  <?xml version='1.0'?><Error/>", "a web page"),
        (b"\xef\xbb\xbf<html>", "a web page"),
        (b"", "nothing"),
        (b" \r\n", "nothing"),
        (b"\xef\xbb\xbf", "nothing"),
        (b"try again later", "something else"),
        (b'{"items": [', "something else"),
        (b'{"items": []}{', "something else"),
        (b"\xff\xfe\xfd", "something else"),
        (b"[" * 1_000_000, "something else"),
    ],
    ids=["html", "xml", "html with BOM", "empty", "blank", "BOM", "text", "cut", "more", "binary", "deep"],
)
def test_what_is_no_json_is_named(body: bytes, got: str) -> None:
    """The error says which answer it was and what came in its place."""
    with pytest.raises(AnswerError, match=f"^spot prices: expected JSON, got {got}$"):
        parse_json(body, "spot prices")


def test_json_is_read_in_its_encodings() -> None:
    """UTF-8 with or without a byte order mark, and UTF-16."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert parse_json('{"région": 1}'.encode(encoding), "regions") == {"région": 1}


def test_fields_that_nobody_needs_are_ignored() -> None:
    """A provider may add some at any time."""
    body = b'{"items": [{"name": "a", "price": 1, "colour": "red"}], "next": null}'
    assert read_as(Answer, body, "prices") == Answer(items=[Item(name="a", price=1)])


def test_a_renamed_field_is_said_with_its_place() -> None:
    """The first place, and how many more there are like it."""
    body = b'{"items": [{"name": "a", "price": 1}, {"name": "b", "cost": 1}, {"name": "c", "cost": 1}]}'
    with pytest.raises(AnswerError, match=r"^prices: items\.1\.price: field required \(and 1 more like it\)$"):
        read_as(Answer, body, "prices")


def test_a_field_of_another_type_is_said() -> None:
    """The value itself is not shown: it may be anything."""
    body = b'{"items": [{"name": "a", "price": "call s3cr3t"}]}'
    with pytest.raises(AnswerError, match=r"items\.0\.price: input should be a valid number") as caught:
        read_as(Answer, body, "prices")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"3"])
def test_an_answer_of_another_form_is_said(body: bytes) -> None:
    """An error message in place of the object, for example."""
    with pytest.raises(AnswerError, match=r"^prices: the answer: "):
        read_as(Answer, body, "prices")


def test_lists_and_dataclasses_are_models_too() -> None:
    """As far as pydantic reads them."""

    @dataclass
    class Region:
        name: str

    assert read_as(list[Region], b'[{"name": "us-east-1"}]', "regions") == [Region("us-east-1")]
    assert read_as(list[str], b'["a"]', "names") == ["a"]
