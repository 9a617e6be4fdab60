"""Reading answers: JSON into the few fields that a fetcher needs, with one clear error where they are not there."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from catalog_fetchers.errors import AnswerError

T = TypeVar("T")


def parse_json(body: bytes, what: str) -> Any:  # noqa: ANN401 (JSON is anything)
    """The JSON value in an answer; `what` names the answer in the error.

    Raises:
        AnswerError: it is no JSON; HTML is named as such.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        content = body.removeprefix(BOM_UTF8).strip()
        form = "a web page" if content.startswith(b"<") else "something else"
        raise AnswerError(f"{what}: expected JSON, got {form if content else 'nothing'}") from error


def read_as(model: type[T], body: bytes, what: str) -> T:
    """The answer as a `model` (a pydantic model, a dataclass or `list[...]` of one); unknown fields are ignored.

    Raises:
        AnswerError: it is no JSON, or a field that the model needs is missing or of another type.
    """
    value = parse_json(body, what)
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        count = error.error_count()
        more = f" (and {count - 1:,} more like it)" if count > 1 else ""
        raise AnswerError(f"{what}: {place or 'the answer'}: {first['msg'].lower()}{more}") from error
