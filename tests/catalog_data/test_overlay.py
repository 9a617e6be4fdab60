"""Private prices laid over a snapshot: what changes, what is added, and that the rest stays as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from catalog_data.overlay import (
    SOURCE,
    Commitment,
    Discount,
    FixedPrice,
    PrivatePrices,
    UsedEgress,
    applied,
    unmatched,
)
from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from catalog_data.snapshot import OFFER_ROWS, Snapshot, SourceAge
from tests.kits.market import SEEN, market, offer, tiers

SAID = datetime(2026, 9, 20, tzinfo=UTC)
P5 = offer("aws", "us-east-1", "p5.48xlarge", 55.0, accelerator="H100", count=8.0, vcpus=192.0)
SPOT = P5 | {"purchase": "spot", "price_usd_h": 20.0}
WEST = P5 | {"region": "us-west-2", "price_usd_h": 60.0}
M5 = offer("aws", "us-east-1", "m5.large", 0.1, confidence="low")
A3 = offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0)
EGRESS = tiers("aws:us-east-1", "gcp:us-central1", (0.0, 0.09), (10_240.0, 0.085))
MARKET = market([P5, SPOT, WEST, M5, A3], egress=EGRESS)
AWS = Scope("aws")


def private(**entries: Any) -> PrivatePrices:
    """Private prices of which only some sections have entries."""
    return PrivatePrices(SAID, **{name: tuple(values) for name, values in entries.items()})


def prices(snapshot: Snapshot) -> dict[tuple[str, str, str], float | None]:
    """(region, instance type, purchase) -> price."""
    columns = ("region", "instance_type", "purchase", "price_usd_h")
    return {row[:3]: row[3] for row in snapshot.offers.select(columns).rows()}


def unchanged(after: Snapshot, before: Snapshot) -> bool:
    """Whether two snapshots say the same, of the same sources."""
    frames = all(getattr(after, name).equals(getattr(before, name)) for name in ("offers", "egress"))
    return frames and (after.sources, after.quotas) == (before.sources, before.quotas)


@pytest.mark.parametrize(
    ("scope", "changed"),
    [
        (
            AWS,
            [
                ("us-east-1", "p5.48xlarge", "on_demand"),
                ("us-east-1", "p5.48xlarge", "spot"),
                *[("us-west-2", "p5.48xlarge", "on_demand")],
                ("us-east-1", "m5.large", "on_demand"),
            ],
        ),
        (Scope("aws", region="us-w*"), [("us-west-2", "p5.48xlarge", "on_demand")]),
        (Scope("aws", instance_type="m?.*"), [("us-east-1", "m5.large", "on_demand")]),
        (Scope("aws", purchases=(Purchase.SPOT,)), [("us-east-1", "p5.48xlarge", "spot")]),
        (Scope("gcp", accelerator="H100"), [("us-central1", "a3", "on_demand")]),
        (Scope("gcp", accelerator="A100"), []),
        (Scope("aws", instance_type="P5.*"), []),
    ],
)
def test_a_discount_holds_for_its_scope_alone(scope: Scope, changed: list[tuple[str, str, str]]) -> None:
    """A tenth less for the offers of the scope; patterns are those of a shell and know capitals."""
    after = prices(applied(private(discounts=[Discount(scope, 10)]), MARKET))
    before = prices(MARKET)
    assert {key for key, price in after.items() if price != before[key]} == set(changed)
    assert all(after[key] == pytest.approx(0.9 * (before[key] or 0)) for key in changed)


def test_of_several_discounts_the_last_holds() -> None:
    """They do not add up: the particular one, written last, stands in place of the general one."""
    general, particular = Discount(AWS, 10), Discount(Scope("aws", instance_type="p5.*"), 20)
    after = prices(applied(private(discounts=[general, particular]), MARKET))
    assert after["us-east-1", "p5.48xlarge", "on_demand"] == pytest.approx(44)
    assert after["us-east-1", "m5.large", "on_demand"] == pytest.approx(0.09)
    turned = prices(applied(private(discounts=[particular, general]), MARKET))
    assert turned["us-east-1", "p5.48xlarge", "on_demand"] == pytest.approx(49.5)


def test_a_fixed_price_stands_in_place_of_list_price_and_discount() -> None:
    """Also where the list price is not known."""
    scope = Scope("aws", instance_type="p5.48xlarge", purchases=(Purchase.ON_DEMAND,))
    unknown = market([P5 | {"price_usd_h": None}, WEST, SPOT])
    own = private(discounts=[Discount(AWS, 50)], prices=[FixedPrice(Scope("aws"), 9), FixedPrice(scope, 31.5)])
    assert list(prices(applied(own, unknown)).values()) == [31.5, 31.5, 9.0]


def test_a_discount_of_an_unknown_price_is_unknown() -> None:
    """Nothing is made up."""
    unknown = market([P5 | {"price_usd_h": None}])
    assert unchanged(applied(private(discounts=[Discount(AWS, 50)]), unknown), unknown)


def test_a_changed_offer_says_where_its_price_comes_from() -> None:
    """A fixed price is certain and as old as the file; a discounted one as its list price; the others are untouched."""
    own = private(
        discounts=[Discount(Scope("aws", instance_type="m5.*"), 50)],
        prices=[FixedPrice(Scope("gcp", instance_type="a3"), 40.0)],
    )
    after = applied(own, MARKET)
    columns = ("instance_type", "source", "source_version", "observed_at", "confidence")
    assert set(after.offers.select(columns).rows()) == {
        ("a3", SOURCE, None, SAID, "high"),
        ("m5.large", SOURCE, None, SEEN, "low"),
        ("p5.48xlarge", "prices", "1", SEEN, "high"),
    }
    assert after.sources == (*MARKET.sources, SourceAge(SOURCE, None, SAID, 2))


def test_machines_that_are_paid_for_are_owned() -> None:
    """With the hardware of their type, the number that is held, and no price where an hour costs nothing more."""
    own = private(
        commitments=[
            Commitment("aws", "us-east-1", "us-east-1a", "p5.48xlarge", 4, 0.0),
            Commitment("aws", "eu-north-1", None, "p5.48xlarge", 2, 3.5),
        ]
    )
    after = applied(own, MARKET)
    columns = ("region", "zone", "price_usd_h", "available", "quantity", "accelerator", "vcpus", "source")
    assert after.offers.filter(purchase="owned").select(columns).rows() == [
        ("us-east-1", "us-east-1a", None, True, 4, "H100", 192.0, SOURCE),
        ("eu-north-1", None, 3.5, True, 2, "H100", 192.0, SOURCE),
    ]
    assert after.offers.filter(pl.col("purchase") != "owned").equals(MARKET.offers)
    assert after.offers.schema == OFFER_ROWS


def test_a_commitment_of_unknown_hardware_is_no_offer() -> None:
    """A question about H100 reads no offers of other machines, and no committed ones of them either."""
    own = private(commitments=[Commitment("aws", "us-east-1", None, "x9.metal", 4, 0.0)])
    assert unchanged(applied(own, MARKET), MARKET)


def test_quotas_go_with_the_snapshot() -> None:
    """In the order of the file; no offer is changed by them, since all of them share what a quota allows."""
    quotas = (
        Quota(Scope("aws", accelerator="H100"), Unit.ACCELERATORS, 20, "H100"),
        Quota(AWS, Unit.MACHINES, 0, "none"),
    )
    few = market([P5 | {"quantity": 2}, SPOT, M5])
    after = applied(private(quotas=quotas), few)
    assert after.quotas == quotas
    assert after.offers.equals(few.offers)
    assert (after.sources, few.quotas) == (few.sources, ())


def test_nothing_said_changes_nothing() -> None:
    """An input is never written into."""
    offers, egress = MARKET.offers.clone(), MARKET.egress.clone()
    assert unchanged(applied(private(), MARKET), MARKET)
    applied(private(discounts=[Discount(AWS, 10)], egress=[UsedEgress("aws", 50.0)]), MARKET)
    assert MARKET.offers.equals(offers)
    assert MARKET.egress.equals(egress)


def test_an_empty_catalog_stays_empty() -> None:
    """Every section at once; the quotas are the user's own and stay."""
    quota = Quota(AWS, Unit.VCPUS, 4, "four")
    own = private(
        discounts=[Discount(AWS, 10)],
        prices=[FixedPrice(AWS, 1.0)],
        commitments=[Commitment("aws", "us-east-1", None, "m5.large", 1, 0.0)],
        quotas=[quota],
        egress=[UsedEgress("aws", 50.0)],
    )
    empty = market([])
    after = applied(own, empty)
    assert (after.quotas, unchanged(replace(after, quotas=()), empty)) == ((quota,), True)


def test_entries_that_fit_nothing_are_named() -> None:
    """By section and number, so that a misspelt one is found."""
    nowhere = Scope("aws", region="us-weast-*")
    own = private(
        discounts=[Discount(AWS, 10), Discount(nowhere, 10)],
        prices=[FixedPrice(nowhere, 1.0)],
        commitments=[
            Commitment("aws", "eu-north-1", None, "p5.48xlarge", 1, 0.0),
            Commitment("aws", "us-east-1", None, "p9", 1, 0.0),
        ],
        quotas=[Quota(nowhere, Unit.MACHINES, 0, "none")],
        egress=[UsedEgress("aws", 50.0, "us-weast-*"), UsedEgress("aws", 50.0, "us-*"), UsedEgress("gcp", 50.0)],
    )
    assert unmatched(own, MARKET) == (
        *("discounts[1]", "prices[0]", "quotas[0]", "commitments[1]"),
        *("egress[0]", "egress[2]"),
    )
