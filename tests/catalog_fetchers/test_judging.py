"""What of a look may be published, row by row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS
from catalog_fetchers.judging import Counts, Judged, judged, known_hardware
from tests.kits.rows import NOON, frame, machine, offer, offers

DAY = timedelta(days=1)
SIZES = [f"m{n}" for n in range(6)]


def judge(now: pl.DataFrame, before: pl.DataFrame | None = None, **options: Any) -> Judged:
    """The offers of a look, beside hardware of all types."""
    machines = frame(INSTANCE_TYPES, *(machine(instance_type=name) for name in ["m5.large", *SIZES]))
    previous = {} if before is None else {"offers": before}
    return judged("price_page", {"offers": now}, previous, machines, NOON, **options)


def test_the_first_look_is_all_new() -> None:
    """There is nothing to compare with."""
    assert judge(offers(offer())).counts == Counts(rows=1, new=1)


def test_rows_are_counted_against_the_look_before() -> None:
    """One is new, one costs more, one is gone, and one was merely seen again."""
    before = offers(*(offer(instance_type=name) for name in SIZES[:3]))
    again = offer(instance_type="m0", observed_at=NOON + DAY, source_version="2")
    now = offers(again, offer(instance_type="m1", price_usd_h=2), offer(instance_type="m3"))
    assert judge(now, before).counts == Counts(rows=3, new=1, changed=1, gone=1)


def test_a_price_that_jumped_tenfold_leaves_the_last_good_one() -> None:
    """It is put on record with both prices; the old price stays, with its age and in doubt."""
    result = judge(offers(offer(price_usd_h=10, observed_at=NOON + DAY)), offers(offer()))
    assert result.reasons() == {"tenfold_jump": 1}
    assert result.kept["offers"].select("price_usd_h", "confidence", "observed_at").rows() == [(1, "low", NOON)]
    [row] = result.rejected.rows(named=True)
    assert (row["key"], row["price_usd_h"], row["previous_usd_h"]) == ("aws us-east-1 - m5.large on_demand", 10, 1)


def test_a_jump_may_be_accepted() -> None:
    """The user knows better."""
    result = judge(offers(offer(price_usd_h=10)), offers(offer()), jumps_accepted=True)
    assert result.kept["offers"]["price_usd_h"].to_list() == [10]


def test_a_price_of_zero_leaves_the_last_good_one() -> None:
    """The source does not know the price any more; ours is on record as old."""
    result = judge(offers(offer(price_usd_h=0)), offers(offer()))
    assert result.reasons() == {"zero_price": 1}
    assert result.kept["offers"]["price_usd_h"].to_list() == [1]


def test_a_repeated_key_keeps_the_first() -> None:
    """The second is rejected, and the row of the look before has no place beside the first."""
    result = judge(offers(offer(price_usd_h=2), offer(price_usd_h=3)), offers(offer()))
    assert result.kept["offers"]["price_usd_h"].to_list() == [2]


def test_a_source_that_lost_more_than_a_third() -> None:
    """Four of six rows is a third less and believed; three are not."""
    before = offers(*(offer(instance_type=name) for name in SIZES))
    assert judge(before.head(4), before).lost == {}
    assert judge(before.head(3), before).lost == {"offers": (6, 3)}


def test_an_empty_answer_is_a_loss_of_all() -> None:
    """Even where the table is not brought at all."""
    before = offers(offer())
    assert judge(OFFERS.empty(), before).lost == {"offers": (1, 0)}
    assert judged("price_page", {}, {"offers": before}, INSTANCE_TYPES.empty(), NOON).lost == {"offers": (1, 0)}


def test_offers_are_judged_beside_hardware_that_another_source_brings() -> None:
    """A type that only this refresh knows is known; one that nobody knows is rejected."""
    catalog = frame(INSTANCE_TYPES, machine())
    hardware = known_hardware(
        catalog, {"other": {"instance_types": frame(INSTANCE_TYPES, machine(instance_type="m9"))}}
    )
    rows = offers(offer(), offer(instance_type="m9"), offer(instance_type="m10"))
    result = judged("price_page", {"offers": rows}, {}, hardware, NOON)
    assert result.reasons() == {"unknown_type": 1}
    assert result.kept["offers"]["instance_type"].to_list() == ["m5.large", "m9"]


def test_hardware_that_fails_its_checks_makes_no_type_known() -> None:
    """An accelerator without a canonical name is not published, so neither are its prices."""
    odd = frame(INSTANCE_TYPES, machine(instance_type="x1", accelerator="Z9000", accelerator_count=1))
    assert known_hardware(INSTANCE_TYPES.empty(), {"other": {"instance_types": odd}}).is_empty()
