"""The JSON Schema of the written form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.workload_reader import json_schema
from engine.workload_schema import GROUP_FIELDS, TASK_FIELDS, WORKLOAD_FIELDS, WrittenDocument

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """A validator of the schema as an editor would use it."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def documents(path: Path) -> list[Any]:
    """The documents of a file that hold anything."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(validator: jsonschema.Draft202012Validator, path: Path) -> None:
    """An editor finds nothing wrong with the examples."""
    for document in documents(path):
        validator.validate(document)


def test_sample_tasks_are_valid(validator: jsonschema.Draft202012Validator, shared: Path) -> None:
    """Nor with public SkyPilot tasks."""
    paths = sorted((shared / "data/skypilot-tasks").glob("*.yaml"))
    assert len(paths) == 77
    for path in paths:
        for document in documents(path):
            validator.validate(document)


@pytest.mark.parametrize(
    "text",
    [
        "{acelerators: H100}",
        "{resources: {acelerators: H100}}",
        "{resources: {any_of: [{clowd: aws}]}}",
        "{tasks: {a: {rum: x}}}",
        "{estimate: {ours: 3}}",
        "{num_nodes: 0}",
        "{objective: fame}",
        "{run: [x]}",
        "{resources: {use_spot: maybe}}",
        "{service: {replicas: -1}}",
        "{residency: {alow: [EU]}}",
        "{spread: 0}",
        "{carbon: 5}",
        "{carbon: {prise: 5}}",
        "{chance: {capacity: [1]}}",
        "{prefer: [{infra: 3}]}",
        "{prefer: {penlty: 3}}",
    ],
)
def test_mistakes_are_invalid(validator: jsonschema.Draft202012Validator, text: str) -> None:
    """An editor marks unknown fields and values of the wrong kind, at every depth."""
    assert not validator.is_valid(yaml.safe_load(text))


def test_null_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    """Every field may be empty."""
    validator.validate(dict.fromkeys(WrittenDocument.model_fields))


def test_all_ways_to_write_are_valid(validator: jsonschema.Draft202012Validator) -> None:
    """What the reader takes in several forms, the schema takes in all of them."""
    for text in (
        "{estimate: 3h}",
        "{estimate: {hours: 3, setup: 10m, checkpoint: 0.5}}",
        "{hourly_budget: $40, value_of_time: 20}",
        "{carbon: {price: $80, limit: 50 kg}, chance: {capacity: 90%, uninterrupted: 0.8}}",
        "{prefer: {infra: aws, penalty: 5}}",
        "{prefer: [{purchase: [on_demand, owned], penalty: $5}]}",
    ):
        validator.validate(yaml.safe_load(text))


def test_every_field_is_described() -> None:
    """Each field of each part of the form says what it is."""
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]
    silent = [name for part in parts for name, field in part["properties"].items() if not field.get("description")]
    assert silent == []
    assert len(parts) == 12


def test_identity() -> None:
    """The schema names its dialect and itself, and is plain JSON."""
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:skybroker:workload:1"
    assert schema["title"] == "Skybroker workload"


def test_every_field_has_its_place() -> None:
    """A field of a document is about one task, about all of them, about a group, or holds the tasks."""
    parts = [TASK_FIELDS, WORKLOAD_FIELDS, GROUP_FIELDS, {"tasks"}]
    assert sum(map(len, parts)) == len(WrittenDocument.model_fields)
    assert set().union(*parts) == set(WrittenDocument.model_fields)
