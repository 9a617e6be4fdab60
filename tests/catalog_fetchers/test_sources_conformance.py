"""What holds for every source of the registry: its rows are rows, its faults are told, and none is left out."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import catalog_fetchers
from catalog_fetchers.base import Source
from catalog_fetchers.client import Patience
from catalog_fetchers.errors import SourceError
from catalog_fetchers.registry import SOURCES
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming
from tests.kits.stages import FAULTS, broken_stage_of, has_stage, known_to, stage_of

HASTY = Patience(connect_s=2, read_s=0.5, total_s=30, attempts=2, first_wait_s=0.01, longest_wait_s=0.1)
NAMES = [source.name for source in SOURCES]

every_source = pytest.mark.parametrize("source", SOURCES, ids=NAMES)


def test_no_source_is_left_out_of_the_registry() -> None:
    """Each module with a SOURCE is a line of it."""
    modules = [importlib.import_module(f"catalog_fetchers.{found.name}") for found in _modules()]
    sources = [module.SOURCE for module in modules if isinstance(getattr(module, "SOURCE", None), Source)]
    assert sorted(source.name for source in sources) == sorted(NAMES)
    assert len(sources) > 30


def _modules() -> list[pkgutil.ModuleInfo]:
    return [found for found in pkgutil.iter_modules(catalog_fetchers.__path__) if not found.ispkg]


def test_names_are_unique() -> None:
    """A name says whose rows these are, in the catalog and on the command line."""
    assert len(set(NAMES)) == len(NAMES)


@every_source
def test_it_has_a_stage(source: Source) -> None:
    """Without one the tests below would pass it by."""
    assert has_stage(source)


@every_source
def test_it_says_what_it_is(source: Source) -> None:
    """In one line, with the public page that documents it."""
    assert source.page.startswith("https://")
    for text in (source.brings, source.needs):
        assert text == text.strip()
        assert "\n" not in text
    assert source.brings


@every_source
def test_it_says_what_is_missing(source: Source, tmp_path: Path) -> None:
    """Of a user with nothing, in one line; a source that needs nothing never says so."""
    missing = source.missing({}, tmp_path)
    assert "\n" not in missing
    assert not missing or source.needs
    if source.needs and not missing:
        assert source.name in WITHOUT_THEM
    with stage_of(source) as stage:
        assert source.missing(stage.env, tmp_path) == ""


WITHOUT_THEM = {"vultr"}
"""Sources that bring more with credentials than without."""


@every_source
def test_its_rows_conform(source: Source, tmp_path: Path) -> None:
    """What it makes of the recorded answers can go into the catalog, and is the same each time."""
    with (
        stage_of(source) as stage,
        access_to(stage.provider.mirror, tmp_path, stage.env, known=known_to(source, stage.known)) as access,
    ):
        tables = require_conforming(source, fetched(source, access), access.instance_types)
    assert any(frame.height for frame in tables.values())


@pytest.mark.parametrize("fault", FAULTS)
@every_source
def test_its_faults_are_told_in_one_line(source: Source, fault: str, tmp_path: Path) -> None:
    """Whatever comes in place of answers, the error is one that says what to do, and tells no secret."""
    with (
        broken_stage_of(source, fault, tmp_path / "bin") as stage,
        access_to(
            stage.provider.mirror, tmp_path, stage.env, known=known_to(source, stage.known), patience=HASTY
        ) as access,
        pytest.raises(SourceError) as caught,
    ):
        source.parse(fetched(source, access), LOOK)
    for text in (str(caught.value), caught.value.hint):
        assert "\n" not in text
        assert not any(secret in text for secret in stage.secrets)
    assert str(caught.value)
