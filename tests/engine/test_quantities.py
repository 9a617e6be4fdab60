"""What users write for quantities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from engine.quantities import (
    GibPerVcpu,
    Range,
    parse_chance,
    parse_co2e_kg,
    parse_data_gb,
    parse_deadline,
    parse_disk_gib,
    parse_hours,
    parse_hours_or_0,
    parse_memory,
    parse_number,
    parse_usd,
    parse_vcpus,
    parse_whole_number,
)
from engine.workload_errors import InvalidValueError


def exactly(low: float) -> Range:
    """Exactly so much."""
    return Range(low, exact=True)


def names(table: Sequence[tuple[Any, ...]]) -> list[str]:
    """A name for each row of a table: what is written in it, and its number."""
    return [f"{text!s:.12}-{index}" for index, (_, text, _) in enumerate(table)]


GOOD = [
    (parse_vcpus, 4, exactly(4)),
    (parse_vcpus, "4", exactly(4)),
    (parse_vcpus, " 4+ ", Range(4)),
    (parse_vcpus, "0.5+", Range(0.5)),
    (parse_memory, 16, exactly(16)),
    (parse_memory, "16+", Range(16)),
    (parse_memory, "64GB", exactly(64)),
    (parse_memory, "64 gib+", Range(64)),
    (parse_memory, "512MB", exactly(0.5)),
    (parse_memory, "0.5TB+", Range(512)),
    (parse_memory, "2Ti", exactly(2048)),
    (parse_memory, "1048576k", exactly(1)),
    (parse_memory, "4x", GibPerVcpu(4)),
    (parse_disk_gib, 256, 256),
    (parse_disk_gib, "1024GB", 1024),
    (parse_disk_gib, "1TB", 1024),
    (parse_data_gb, 50, 50),
    (parse_data_gb, 0, 0),
    (parse_data_gb, "50 GB", 50),
    (parse_data_gb, "500MB", 0.5),
    (parse_data_gb, "1.5TB", 1500),
    (parse_data_gb, "1TiB", 1099.511627776),
    (parse_hours, 3, 3),
    (parse_hours, "3", 3),
    (parse_hours, "3h", 3),
    (parse_hours, "90m", 1.5),
    (parse_hours, "1h30m", 1.5),
    (parse_hours, "1 day 6 hours", 30),
    (parse_hours, "2d", 48),
    (parse_hours, "1W", 168),
    (parse_hours, "1800s", 0.5),
    (parse_hours_or_0, 0, 0),
    (parse_hours_or_0, "0m", 0),
    (parse_hours_or_0, "15m", 0.25),
    (parse_deadline, 12, 12),
    (parse_deadline, "2d", 48),
    (parse_deadline, "2026-12-01T18:00Z", datetime(2026, 12, 1, 18, tzinfo=UTC)),
    (parse_deadline, "2026-12-01 18:00+02:00", datetime(2026, 12, 1, 18, tzinfo=timezone(timedelta(hours=2)))),
    (parse_deadline, "2026-12-01", datetime(2026, 12, 1, 23, 59, 59, 999999)),  # noqa: DTZ001 - likewise
    (parse_deadline, "2026-12-01T18:00", datetime(2026, 12, 1, 18)),  # noqa: DTZ001 - the reader adds the zone
    (lambda value: parse_usd(value, "it"), 250, 250),
    (lambda value: parse_usd(value, "it"), "$1,250.50", 1250.5),
    (lambda value: parse_usd(value, "it"), "250 USD", 250),
    (lambda value: parse_usd(value, "it"), "usd 250", 250),
    (parse_co2e_kg, 50, 50),
    (parse_co2e_kg, "50 kg", 50),
    (parse_co2e_kg, "1.5T", 1500),
    (parse_co2e_kg, "500g", 0.5),
    (parse_co2e_kg, 0, 0),
    (parse_chance, 0.9, 0.9),
    (parse_chance, "0.9", 0.9),
    (parse_chance, "90%", 0.9),
    (parse_chance, " 99.5 % ", 0.995),
    (lambda value: parse_number(value, "it"), "1e9", 1e9),
    (lambda value: parse_whole_number(value, "it", low=1), 3.0, 3),
]


@pytest.mark.parametrize(("parse", "text", "value"), GOOD, ids=names(GOOD))
def test_good_quantity(parse: Callable[[object], object], text: object, value: object) -> None:
    """Every way to write a quantity gives its figure in the engine's unit."""
    assert parse(text) == pytest.approx(value) if isinstance(value, float) else parse(text) == value


BAD = [
    (parse_vcpus, "four", "must be a number, not four"),
    (parse_vcpus, 0, "must be above 0, not 0"),
    (parse_vcpus, "-2+", "must be above 0, not -2"),
    (parse_vcpus, True, "must be a number, not true"),
    (parse_vcpus, [4], "must be a number, not a list"),
    (parse_vcpus, float("nan"), "must be a finite number"),
    (parse_vcpus, "4++", "must be a number"),
    (parse_vcpus, "", "not an empty text"),
    (parse_memory, "16QB", "QB is not a unit of it"),
    (parse_memory, "16GBx", "must be a number"),
    (parse_memory, "0GB", "must be above 0"),
    (parse_memory, "1e999", "must be a finite number"),
    (parse_memory, {}, "must be a number, not a mapping"),
    (parse_disk_gib, "256+", "must be a number or a number with a unit, not 256+"),
    (parse_disk_gib, -1, "must be above 0"),
    (parse_data_gb, "5 apples", "apples is not a unit of it"),
    (parse_data_gb, "5B", "B is not a unit of it"),
    (parse_data_gb, -1, "must be at least 0, not -1"),
    (parse_data_gb, float("inf"), "must be a finite number"),
    (parse_hours, "soon", "soon is not a time"),
    (parse_hours, "3 fortnights", "fortnights is not a unit of it"),
    (parse_hours, "-3h", "must be above 0, not -3"),
    (parse_hours, 0, "must be above 0"),
    (parse_hours, "9" * 400, "must be a finite number"),
    (parse_hours_or_0, "-1m", "a time must be at least 0, not -0.0166667"),
    (parse_hours_or_0, -1, "a time must be at least 0, not -1"),
    (parse_hours_or_0, 1e13, "a time is too large"),
    (parse_deadline, "2026-13-01T18:00Z", "is not an instant"),
    (parse_deadline, "2026-13-01", "2026-13-01 is not an instant or a day"),
    (parse_memory, "1e15", "memory is too large"),
    (parse_hours, 1e300, "a time is too large"),
    (parse_data_gb, -1e290, "must be at least 0, not a number that is too large"),
    (parse_vcpus, -1048576, "must be above 0, not -1,048,580"),
    (lambda value: parse_whole_number(value, "it", low=1), 1e308, "it must be at most 1,000,000,000,000, not a number"),
    (lambda value: parse_usd(value, "the budget"), "100 EUR", "the budget must be an amount in USD, not 100 EUR"),
    (lambda value: parse_usd(value, "the budget"), -5, "the budget must be at least 0, not -5"),
    (lambda value: parse_usd(value, "the budget", above=0), 0, "the budget must be above 0, not 0"),
    (parse_co2e_kg, "5 lb", "5 lb is not an amount of CO2e: lb is not a unit of it"),
    (parse_co2e_kg, "1e10 t", "an amount of CO2e is too large"),
    (parse_co2e_kg, -1, "an amount of CO2e must be at least 0, not -1"),
    (parse_chance, 1, "100% cannot be promised"),
    (parse_chance, "100%", "100% cannot be promised"),
    (parse_chance, 0, "a chance must be above 0% and below 100%, not 0"),
    (parse_chance, 90, "a chance must be above 0% and below 100%, not 90"),
    (parse_chance, "-5%", "a chance must be above 0% and below 100%, not -5%"),
    (parse_chance, float("nan"), "a chance must be a finite number"),
    (parse_chance, True, "a chance must be a number, not true"),
    (parse_chance, "%", "a chance must be a number"),
    (lambda value: parse_whole_number(value, "it", low=1), 1.5, "must be a whole number, not 1.5"),
    (lambda value: parse_whole_number(value, "it", low=1), "2", "must be a whole number, not 2"),
    (lambda value: parse_whole_number(value, "it", low=1, high=3), 4, "must be at most 3, not 4"),
]


@pytest.mark.parametrize(("parse", "text", "message"), BAD, ids=names(BAD))
def test_bad_quantity(parse: Callable[[object], object], text: object, message: str) -> None:
    """What is no quantity is refused in a sentence that shows it."""
    with pytest.raises(InvalidValueError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "parse",
    [
        parse_vcpus,
        parse_memory,
        parse_disk_gib,
        parse_data_gb,
        parse_hours,
        parse_hours_or_0,
        parse_deadline,
        parse_co2e_kg,
        parse_chance,
    ],
)
def test_bad_quantity_comes_with_a_hint(parse: Callable[[object], object]) -> None:
    """Each kind of quantity says how it can be written."""
    with pytest.raises(InvalidValueError) as caught:
        parse("?")
    assert (caught.value.faults[0].hint or "").startswith("write ")


def test_long_texts_are_refused_quickly() -> None:
    """No pattern takes more than linear time over a text that almost fits."""
    for parse in (parse_vcpus, parse_memory, parse_data_gb, parse_hours):
        with pytest.raises(InvalidValueError):
            parse("1h" * 50_000 + "!")


def test_a_range_reads_as_it_is_written() -> None:
    """A range shows itself in the user's own notation."""
    assert [str(each) for each in (exactly(4), Range(0.5), Range(1048576))] == ["4", "0.5+", "1,048,580+"]
    assert str(Range()) == "any"
