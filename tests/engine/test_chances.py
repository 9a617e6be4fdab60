"""The chance to get machines, one by one and in chains."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_data.schema import Purchase
from engine.chances import (
    LEAST,
    MOST,
    ON_DEMAND_ACCELERATOR,
    ON_DEMAND_OTHER,
    OTHER_PURCHASE,
    SAME_ACCELERATOR_IN_REGION,
    SAME_CLOUD,
    SAME_IN_CLOUD,
    SAME_TYPE_IN_REGION,
    SPOT_ACCELERATOR,
    SPOT_OTHER,
    Option,
    chain_chance,
    chance_to_get,
    overlap,
)

FIRST = Option("aws", "us-east-1", "us-east-1a", "p4d.24xlarge", "A100", Purchase.SPOT, 0.5)


def chance(purchase: Purchase, *, accelerator: str | None = None, capacity: float | None = None) -> float | None:
    """The chance to get one machine."""
    row = {"purchase": str(purchase), "accelerator": accelerator, "capacity": capacity}
    schema = {"purchase": pl.String, "accelerator": pl.String, "capacity": pl.Float64}
    share: float | None = pl.DataFrame([row], schema).select(chance_to_get()).item()
    return share


@pytest.mark.parametrize(
    "purchase", [Purchase.OWNED, Purchase.RESERVED_1Y, Purchase.RESERVED_3Y, Purchase.CAPACITY_BLOCK]
)
def test_what_is_held_is_there(purchase: Purchase) -> None:
    """Whatever was observed of others."""
    assert chance(purchase, accelerator="H100") == 1.0
    assert chance(purchase, accelerator="H100", capacity=0.1) == 1.0


@pytest.mark.parametrize(
    ("purchase", "accelerator", "prior"),
    [
        (Purchase.SPOT, "H100", SPOT_ACCELERATOR),
        (Purchase.SPOT, None, SPOT_OTHER),
        (Purchase.ON_DEMAND, "H100", ON_DEMAND_ACCELERATOR),
        (Purchase.ON_DEMAND, None, ON_DEMAND_OTHER),
    ],
)
def test_prior_where_nobody_has_looked(purchase: Purchase, accelerator: str | None, prior: float) -> None:
    """By purchase, and by whether there are accelerators."""
    assert chance(purchase, accelerator=accelerator) == prior


def test_priors_rank_as_they_should() -> None:
    """Spot is rarer than on demand, accelerators are rarer than none."""
    assert SPOT_ACCELERATOR < SPOT_OTHER < ON_DEMAND_OTHER
    assert SPOT_ACCELERATOR < ON_DEMAND_ACCELERATOR < ON_DEMAND_OTHER


def test_observed_level_counts_as_the_chance_but_is_never_certain() -> None:
    """From 0.05 to 0.98."""
    levels = [0.0, 1 / 3, 1.0]
    assert [chance(Purchase.SPOT, accelerator="T4", capacity=level) for level in levels] == [LEAST, 1 / 3, MOST]


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, 1.0),
        ({"zone": None}, SAME_TYPE_IN_REGION),
        ({"zone": "us-east-1b"}, SAME_TYPE_IN_REGION),
        ({"instance_type": "p4de.24xlarge"}, SAME_ACCELERATOR_IN_REGION),
        ({"region": "us-west-2", "zone": "us-west-2a"}, SAME_IN_CLOUD),
        ({"region": "us-west-2", "zone": None, "instance_type": "p4de.24xlarge"}, SAME_IN_CLOUD),
        ({"instance_type": "p5.48xlarge", "accelerator": "H100"}, SAME_CLOUD),
        ({"instance_type": "c7i.large", "accelerator": None}, SAME_CLOUD),
        ({"region": "us-west-2", "instance_type": "p5.48xlarge", "accelerator": "H100"}, SAME_CLOUD),
        ({"cloud": "gcp"}, 0.0),
        ({"purchase": Purchase.ON_DEMAND}, OTHER_PURCHASE),
        ({"purchase": Purchase.ON_DEMAND, "zone": "us-east-1b"}, OTHER_PURCHASE * SAME_TYPE_IN_REGION),
        ({"purchase": Purchase.RESERVED_1Y}, 0.0),
    ],
)
def test_what_two_options_share(changes: dict[str, str | None], shared: float) -> None:
    """The nearer and the more alike, the more; nothing across clouds, and what is held loses nothing."""
    assert overlap(FIRST, replace(FIRST, **changes)) == pytest.approx(shared)  # type: ignore[arg-type]


def test_any_zone_that_failed_leaves_no_zone() -> None:
    """Where no zone was named, all of them were asked."""
    assert overlap(replace(FIRST, zone=None), FIRST) == 1.0


def test_machines_without_accelerators_are_not_alike_for_that() -> None:
    """Only the type tells whether they are the same."""
    small = replace(FIRST, instance_type="c7i.large", accelerator=None)
    assert overlap(small, replace(small, instance_type="m7i.large")) == SAME_CLOUD


def test_overlaps_fall_with_distance() -> None:
    """Type and region, accelerator and region, cloud, other cloud."""
    assert 1 > SAME_TYPE_IN_REGION > SAME_ACCELERATOR_IN_REGION > SAME_IN_CLOUD > SAME_CLOUD > 0


def test_chain_of_nothing_and_of_one() -> None:
    """No option never succeeds, one by its own chance."""
    assert chain_chance([]) == 0.0
    assert chain_chance([FIRST]) == 0.5


def test_options_of_different_clouds_are_independent() -> None:
    """0.5 and 0.5 fail together in a quarter of all cases."""
    assert chain_chance([FIRST, replace(FIRST, cloud="gcp")]) == pytest.approx(0.75)


def test_the_same_again_adds_nothing() -> None:
    """What was just missing is missing still."""
    assert chain_chance([FIRST, FIRST, FIRST]) == 0.5


def test_largest_overlap_with_an_earlier_option_counts() -> None:
    """A third option in the second one's region shares more with it than with the first."""
    west = replace(FIRST, region="us-west-2", zone="us-west-2a")
    chain = [FIRST, west, replace(west, zone="us-west-2b")]
    fails = (1 - 0.5) * (1 - 0.5 * (1 - SAME_IN_CLOUD)) * (1 - 0.5 * (1 - SAME_TYPE_IN_REGION))
    assert chain_chance(chain) == pytest.approx(1 - fails)


def test_what_is_held_makes_a_chain_certain() -> None:
    """Whatever failed before it."""
    assert chain_chance([FIRST, replace(FIRST, purchase=Purchase.CAPACITY_BLOCK, chance=1.0)]) == 1.0


OPTIONS = st.builds(
    Option,
    cloud=st.sampled_from(["aws", "gcp"]),
    region=st.sampled_from(["east", "west"]),
    zone=st.sampled_from([None, "a", "b"]),
    instance_type=st.sampled_from(["small", "large"]),
    accelerator=st.sampled_from([None, "T4", "A100"]),
    purchase=st.sampled_from([Purchase.SPOT, Purchase.ON_DEMAND]),
    chance=st.floats(0.0, 1.0),
)


@given(st.lists(OPTIONS, min_size=1, max_size=6))
def test_chain_lies_between_its_best_start_and_independence(chain: list[Option]) -> None:
    """Each further option helps or changes nothing, and never as much as it would by itself."""
    fails = 1.0
    for option in chain:
        fails *= 1 - option.chance
    assert chain_chance(chain[:-1]) <= chain_chance(chain) + 1e-12
    assert chain[0].chance - 1e-12 <= chain_chance(chain) <= 1 - fails + 1e-12
