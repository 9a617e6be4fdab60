"""Which offers an entry speaks of, and how much of a quota one of them takes up."""

from __future__ import annotations

import polars as pl
import pytest

from catalog_data.schema import Purchase
from catalog_data.scopes import Scope, Unit, matches, speaks_of, units_of_one
from tests.kits.market import market, offer

ROWS = [
    offer("aws", "us-east-1", "p5.48xlarge", 55.0, accelerator="H100", count=8.0, vcpus=192.0),
    offer("aws", "us-east-1", "p5.48xlarge", None, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    offer("aws", "us-west-2", "m5.large", 0.1),
    offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", accelerator_count=None, vcpus=None),
]
OFFERS = market(ROWS).offers


@pytest.mark.parametrize(
    ("scope", "spoken_of"),
    [
        (Scope("aws"), [True, True, True, False]),
        (Scope("aws", region="us-w*"), [False, False, True, False]),
        (Scope("aws", instance_type="p[45].*"), [True, True, False, False]),
        (Scope("aws", instance_type="P5.*"), [False, False, False, False]),
        (Scope("aws", purchases=(Purchase.SPOT, Purchase.OWNED)), [False, True, False, False]),
        (Scope("aws", accelerator="H100"), [True, True, False, False]),
        (Scope("gcp", "us-*", "a3", "H100", (Purchase.ON_DEMAND,)), [False, False, False, True]),
        (Scope("oci"), [False, False, False, False]),
    ],
)
def test_an_entry_speaks_of_what_fits_all_that_it_says(scope: Scope, spoken_of: list[bool]) -> None:
    """True or false and never null, also of machines without accelerators."""
    assert OFFERS.select(speaks_of(scope, OFFERS).alias("fits"))["fits"].to_list() == spoken_of


def test_an_entry_that_says_nothing_but_the_cloud_fits_an_empty_frame() -> None:
    """No row in, no row out."""
    empty = OFFERS.clear()
    assert empty.filter(speaks_of(Scope("aws", region="us-*"), empty)).is_empty()


def test_a_pattern_is_that_of_a_shell() -> None:
    """`*`, `?` and `[ab]`; a full stop is itself."""
    names = pl.DataFrame({"name": ["a.b", "axb", "ab", "A.b"]})
    found = {
        pattern: names.filter(matches("name", pattern, names))["name"].to_list() for pattern in ("*", "a.?", "a*b")
    }
    assert found == {"*": ["a.b", "axb", "ab", "A.b"], "a.?": ["a.b"], "a*b": ["a.b", "axb", "ab"]}


@pytest.mark.parametrize(
    ("unit", "of_one"),
    [
        (Unit.MACHINES, [1.0, 1.0, 1.0, 1.0]),
        (Unit.ACCELERATORS, [8.0, 8.0, None, None]),
        (Unit.VCPUS, [192.0, 8.0, 8.0, None]),
    ],
)
def test_what_one_machine_takes_up_of_a_quota(unit: Unit, of_one: list[float | None]) -> None:
    """Null where there is nothing to count, or it is not known."""
    assert OFFERS.select("cloud", units_of_one(unit).alias("units"))["units"].to_list() == of_one
