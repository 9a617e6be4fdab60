"""The local driver does what every driver does, in sandboxes and as mere processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kits.driver_conformance import CHECKS, COMMAND_CHECKS, Check, Testbed
from tests.kits.local_nodes import local_bed


@pytest.fixture(params=[True, False], ids=["sandboxes", "processes"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Testbed]:
    """A local cloud whose nodes have sandboxes, or none."""
    with local_bed(tmp_path, walls=request.param) as bed:
        yield bed


@pytest.mark.parametrize("check", [*CHECKS, *COMMAND_CHECKS], ids=lambda check: check.__name__)
def test_keeps_to_what_every_driver_does(check: Check, bed: Testbed) -> None:
    """Each check of the conformance kit holds."""
    check(bed)
