"""What several tests of drivers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kits.ec2_testbed import Ec2Testbed, ec2_testbed


@pytest.fixture(scope="package")
def ec2_server() -> Iterator[Ec2Testbed]:
    """One server for all tests."""
    with ec2_testbed() as bed:
        yield bed


@pytest.fixture
def aws(ec2_server: Ec2Testbed) -> Ec2Testbed:
    """The server, as new."""
    ec2_server.reset()
    return ec2_server
