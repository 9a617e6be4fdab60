"""What of a look may be published, row by row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, Purchase
from catalog_fetchers.base import Source
from catalog_fetchers.judging import REJECTED, Before, Counts, Judged, judged, known_hardware
from tests.kits.rows import NOON, frame, machine, offer, offers

DAY = timedelta(days=1)
SIZES = [f"m{n}" for n in range(6)]
MACHINES = frame(INSTANCE_TYPES, *(machine(instance_type=name) for name in ["m5.large", *SIZES]))
NOTHING = Before({}, pl.DataFrame(schema=REJECTED))


def source(*complete_for: Purchase, everywhere: bool = False) -> Source:
    """A source whose rows are handed in."""
    return Source(
        name="price_page",
        clouds=("aws",),
        brings="prices",
        page="https://example.org",
        fetch=lambda _: (),
        parse=lambda _pages, _at: {},
        complete_for=complete_for,
        complete_everywhere=everywhere,
    )


def judge(now: pl.DataFrame, before: pl.DataFrame | None = None, of: Source | None = None, **options: Any) -> Judged:
    """The offers of a look, beside hardware of all types."""
    previous = Before({} if before is None else {"offers": before}, NOTHING.rejected)
    return judged(of or source(), {"offers": now}, previous, MACHINES, NOON, **options)


def judge_again(now: pl.DataFrame, last: Judged, hours: float, of: Source | None = None) -> Judged:
    """The look after the last one."""
    return judged(of or source(), {"offers": now}, Before(last.kept, last.rejected), MACHINES, at(hours))


def at(hours: float) -> datetime:
    """Hours after noon."""
    return NOON + timedelta(hours=hours)


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
    """It is put on record with both prices; the old price stays as it was, with its age and unconfirmed."""
    result = judge(offers(offer(price_usd_h=10, observed_at=NOON + DAY)), offers(offer()))
    assert result.reasons() == {"tenfold_jump": 1}
    stood = result.kept["offers"].select("price_usd_h", "confidence", "unconfirmed", "observed_at").rows()
    assert stood == [(1, "high", True, NOON)]
    [row] = result.rejected.rows(named=True)
    assert (row["key"], row["price_usd_h"], row["previous_usd_h"]) == ("aws us-east-1 - m5.large on_demand", 10, 1)


def test_a_jump_may_be_accepted() -> None:
    """The user knows better."""
    result = judge(offers(offer(price_usd_h=10)), offers(offer()), changes_accepted=True)
    assert result.kept["offers"]["price_usd_h"].to_list() == [10]


def test_three_looks_in_a_row_are_believed() -> None:
    """Cron sees the price of 10 every six hours: the third time it is so."""
    before, now = offers(offer()), offers(offer(price_usd_h=10))
    first = judge(now, before)
    second = judge_again(now, first, 6)
    third = judge_again(now, second, 12)
    assert [look.rejected["looks"].to_list() for look in (first, second, third)] == [[1], [2], []]
    assert third.kept["offers"].select("price_usd_h", "unconfirmed").rows() == [(10, None)]


def test_looks_within_the_hour_are_one_look() -> None:
    """A user who tries three times in a minute sees the same answer three times."""
    before, now = offers(offer()), offers(offer(price_usd_h=10))
    last = judge(now, before)
    for hours in (0.1, 0.2, 0.3):
        last = judge_again(now, last, hours)
    assert last.rejected["looks"].to_list() == [1]


def test_another_price_each_time_is_not_believed() -> None:
    """10, 300, 10: they do not agree."""
    last = judge(offers(offer(price_usd_h=10)), offers(offer()))
    for hours, price in ((6, 300), (12, 10)):
        last = judge_again(offers(offer(price_usd_h=price)), last, hours)
    assert last.kept["offers"]["price_usd_h"].to_list() == [1]


def test_a_region_that_a_complete_source_no_longer_lists() -> None:
    """Its offers stay, unconfirmed, until three looks agree; what is gone from a region that is listed is gone."""
    page = source(Purchase.ON_DEMAND)
    before = offers(*(offer(region=region, instance_type=name) for region in ("r1", "r2") for name in SIZES))
    now = before.filter((pl.col("region") == "r1") & (pl.col("instance_type") != "m0"))
    first = judge(now, before, page)
    assert first.reasons() == {"region_gone": 6}
    assert first.kept["offers"].filter(unconfirmed=True)["region"].to_list() == ["r2"] * 6
    third = judge_again(now, judge_again(now, first, 6, page), 12, page)
    assert third.kept["offers"]["region"].unique().to_list() == ["r1"]
    assert judge(now, before, page, changes_accepted=True).kept["offers"].height == 5


def test_a_place_of_a_marketplace_that_is_gone_is_gone() -> None:
    """A source that is complete everywhere has regions that come and go."""
    before = offers(*(offer(region=region) for region in ("r1", "r2")))
    result = judge(before.head(1), before, source(Purchase.ON_DEMAND, everywhere=True))
    assert (result.kept["offers"].height, result.reasons()) == (1, {})


def test_what_a_complete_source_is_not_sure_of_it_leaves_to_others() -> None:
    """At its first look a price is zero: the machine is sold, for what another may say."""
    result = judge(offers(offer(price_usd_h=0), offer(instance_type="m0")), of=source(Purchase.ON_DEMAND))
    rows = result.kept["offers"].sort("instance_type").select("instance_type", "price_usd_h", "unconfirmed").rows()
    assert rows == [("m0", 1, None), ("m5.large", None, True)]
    assert judge(offers(offer(price_usd_h=0)), of=source()).kept["offers"].is_empty()


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
    said = Before({"offers": before}, NOTHING.rejected)
    assert judged(source(), {}, said, INSTANCE_TYPES.empty(), NOON).lost == {"offers": (1, 0)}


def test_offers_are_judged_beside_hardware_that_another_source_brings() -> None:
    """A type that only this refresh knows is known; one that nobody knows is rejected."""
    catalog = frame(INSTANCE_TYPES, machine())
    hardware = known_hardware(
        catalog, {"other": {"instance_types": frame(INSTANCE_TYPES, machine(instance_type="m9"))}}
    )
    rows = offers(offer(), offer(instance_type="m9"), offer(instance_type="m10"))
    result = judged(source(), {"offers": rows}, NOTHING, hardware, NOON)
    assert result.reasons() == {"unknown_type": 1}
    assert result.kept["offers"]["instance_type"].to_list() == ["m5.large", "m9"]


def test_hardware_that_fails_its_checks_makes_no_type_known() -> None:
    """An accelerator without a canonical name is not published, so neither are its prices."""
    odd = frame(INSTANCE_TYPES, machine(instance_type="x1", accelerator="Z9000", accelerator_count=1))
    assert known_hardware(INSTANCE_TYPES.empty(), {"other": {"instance_types": odd}}).is_empty()
