"""Rows of the catalog from what a source says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog_data.schema import INSTANCE_TYPES, OFFERS, PROVENANCE, TABLES, Confidence, Purchase
from catalog_fetchers.base import needs_variables
from catalog_fetchers.rows import accelerator, rows_of, stamped

LOOK = datetime(2026, 11, 1, 6, tzinfo=UTC)
SAID: dict[str, Any] = {"source": "a_source", "observed_at": LOOK, "confidence": Confidence.HIGH}
OFFER: dict[str, Any] = {"cloud": "aws", "region": "us-east-1", "instance_type": "m5.large", "purchase": Purchase.SPOT}


def test_each_row_says_where_it_comes_from() -> None:
    """Source, its version, the instant and the trust; the schema is the table's."""
    frame = rows_of(OFFERS, [OFFER | {"price_usd_h": 0.1}], source_version="7", **SAID)
    assert frame.schema == OFFERS.polars_schema()
    assert frame.row(0, named=True) == OFFER | {
        "zone": None,
        "purchase": "spot",
        "price_usd_h": 0.1,
        "available": None,
        "quantity": None,
        "unconfirmed": None,
        "source": "a_source",
        "source_version": "7",
        "observed_at": LOOK,
        "confidence": "high",
    }


@pytest.mark.parametrize("name", TABLES)
def test_no_rows_are_a_frame_of_the_table(name: str) -> None:
    """Whatever the table is, and for a frame without columns too."""
    table = TABLES[name]
    assert rows_of(table, [], **SAID).equals(table.empty())
    assert stamped(table, table.empty().drop(*(column.name for column in PROVENANCE)), **SAID).equals(table.empty())


def test_numbers_may_be_integers_and_come_in_any_order() -> None:
    """A price of 2 before one of 2.5, and a null before both."""
    prices = [None, 2, 2.5]
    rows = [OFFER | {"zone": str(number), "price_usd_h": price} for number, price in enumerate(prices)]
    assert rows_of(OFFERS, rows, **SAID)["price_usd_h"].to_list() == [None, 2.0, 2.5]


def test_a_column_that_shows_late_is_kept() -> None:
    """The first thousand rows do not name it."""
    rows = [OFFER | {"zone": str(number)} for number in range(1000)] + [OFFER | {"price_usd_h": 0.5}]
    assert rows_of(OFFERS, rows, **SAID)["price_usd_h"].to_list() == [None] * 1000 + [0.5]


def test_exact_repetitions_count_once() -> None:
    """A provider that lists a row on two pages; rows that differ in anything both stay, in their order."""
    rows = [OFFER | {"price_usd_h": price} for price in (0.3, 0.1, 0.3, 0.2)]
    assert rows_of(OFFERS, rows, **SAID)["price_usd_h"].to_list() == [0.3, 0.1, 0.2]


@pytest.mark.parametrize("name", ["price", "memory", "source", "observed_at", "confidence"])
def test_a_name_that_a_row_may_not_give_raises(name: str) -> None:
    """A slip of the pen would lose a column, and provenance is said once for all rows."""
    with pytest.raises(ValueError, match=f"offers takes no {name} from a row"):
        rows_of(OFFERS, [OFFER, OFFER | {name: "x"}], **SAID)


def test_a_value_that_is_none_of_its_column_raises() -> None:
    """It does not silently become null."""
    with pytest.raises(pl.exceptions.PolarsError):
        rows_of(OFFERS, [OFFER | {"price_usd_h": "call us"}], **SAID)


def test_trust_may_differ_from_row_to_row() -> None:
    """An expression over the frame, whose columns that are none of the table are left out."""
    frame = pl.DataFrame({"cloud": "aws", "instance_type": ["a", "b"], "is_guess": [True, False]})
    trust = pl.when(pl.col("is_guess")).then(pl.lit("low")).otherwise(pl.lit("high"))
    rows = stamped(INSTANCE_TYPES, frame, source="a_source", observed_at=LOOK, confidence=trust)
    assert rows["confidence"].to_list() == ["low", "high"]
    assert rows.schema == INSTANCE_TYPES.polars_schema()


def test_stamped_puts_types_right_and_refuses_what_has_none() -> None:
    """Integers become the numbers of the column; a text that is no number raises."""
    frame = pl.DataFrame({"cloud": ["aws"], "instance_type": ["a"], "vcpus": [4]})
    assert stamped(INSTANCE_TYPES, frame, **SAID)["vcpus"].dtype == pl.Float64
    with pytest.raises(pl.exceptions.InvalidOperationError):
        stamped(INSTANCE_TYPES, frame.with_columns(vcpus=pl.lit("many")), **SAID)


def test_the_first_known_spelling_names_the_accelerator() -> None:
    """Unknown ones before it are passed over; where all are unknown, the first stands as it is."""
    assert accelerator("NVIDIA A100-SXM4-80GB", "a100-80gb") == "A100-80GB"
    assert accelerator("our own name", "H100") == "H100"
    assert accelerator(" Frobnicator 9 ", "frob") == "Frobnicator 9"


def test_no_spelling_is_no_accelerator() -> None:
    """Nothing, an empty text and blanks say nothing."""
    assert accelerator() is None
    assert accelerator(None, "", "  ") is None


def test_absent_variables_are_named() -> None:
    """All of them in one line; an empty one is absent."""
    missing = needs_variables("A_KEY", "A_SECRET", "A_REGION")
    assert missing({"A_KEY": "x", "A_SECRET": ""}, Path()) == "set A_SECRET and A_REGION"
    assert missing({"A_KEY": "x", "A_SECRET": "y", "A_REGION": "z"}, Path()) == ""
