"""The text of a file -> the trace that it records. Three formats are read; docs/traces.md shows them."""

from __future__ import annotations

import numpy as np

from engine.spot_market import Figures, Flags, Trace
from engine.trace_fields import (
    MOST_GAPS,
    Fields,
    NotATraceError,
    Series,
    TraceError,
    checked_price,
    is_flag,
    json_object,
    series_of,
    shown,
)
from engine.trace_readings import COLUMNS, PRICE, read_readings


def read_trace(text: str, name: str) -> Trace:
    """The trace that a file records; `name` is its name or path, for messages and for the names of the series.

    Formats, told apart by what the text says:

    1. Run-length JSON: `gap_seconds`, `rle` ([[available, gaps], ...]), and where known `zone`, `instance`,
       `start_utc`, `price_changes` ([[gap, $/h], ...]), `on_demand_price`, `n` (the number of gaps).
    2. The JSON of the simulator of "Can't Be Late" (Wu et al., NSDI'24; keys as in sky_spot/trace.py of
       github.com/Michaelvll/skypilot-spot-strategy and data/README.md of github.com/andylizf/skynomad-artifact):
       `metadata.gap_seconds`, `data` (0 where spot is AVAILABLE, 1 where it is not), and where known `prices` ($/h a
       gap), `metadata.start_time`, `metadata.zone`, `metadata.price_info` (`device`, `price`, `on_demand_price`).
    3. CSV of readings: `at,available[,price_usd_h]`, see `engine.trace_readings`.

    Zone and instance type come from these keys, else from the name, see `series_of`.

    Raises:
        NotATraceError: the text is of none of them.
        TraceError: it says what cannot be.
    """
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise TraceError(name, "it is empty", "a trace has at least one gap")
    if text.startswith(("{", "[")):
        return _from_json(Fields(json_object(text, name), name))
    if COLUMNS[0] in text.partition("\n")[0]:
        return read_readings(text, name, series_of(name))
    raise NotATraceError(
        name,
        "it is no trace",
        f"a trace is JSON with `rle` or `data`, or CSV with the header {','.join((*COLUMNS, PRICE))}",
    )


def _from_json(found: Fields) -> Trace:
    if "rle" in found:
        return _from_runs(found)
    if "data" in found:
        return _from_simulator(found)
    raise NotATraceError(found.file, "it has neither `rle` nor `data`", "one of them says when spot was available")


def _from_runs(found: Fields) -> Trace:
    available = found.runs("rle")
    if "n" in found and found.whole("n") != len(available):
        raise found.error("n", f"is {found.whole('n')}, but rle holds {len(available)} gaps", "a part is missing")
    series = series_of(found.file)
    return Trace(
        zone=found.text("zone") if "zone" in found else series.zone,
        instance_type=found.text("instance") if "instance" in found else series.instance_type,
        gap_s=found.gap_s("gap_seconds"),
        available=available,
        start=found.instant("start_utc"),
        spot_usd_h=found.stepwise_usd_h("price_changes", len(available)),
        on_demand_usd_h=found.price_usd_h("on_demand_price"),
    )


def _from_simulator(found: Fields) -> Trace:
    metadata = found.part("metadata")
    info = metadata.part("price_info") if "price_info" in metadata else Fields({}, found.file)
    available = _not_preempted(found)
    series = _series_of_simulator(metadata, info)
    return Trace(
        zone=series.zone,
        instance_type=series.instance_type,
        gap_s=metadata.gap_s("gap_seconds"),
        available=available,
        start=metadata.instant("start_time"),
        spot_usd_h=_prices(found, info, len(available)),
        on_demand_usd_h=info.price_usd_h("on_demand_price"),
    )


def _not_preempted(found: Fields) -> Flags:
    """`data` says 0 where spot is available."""
    data = found.values("data")
    for index, value in enumerate(data):
        if not is_flag(value):
            raise found.error(
                f"data[{index}]", f"is {shown(value)}", "0 says available, 1 says not; counts of machines are not read"
            )
    if len(data) > MOST_GAPS:
        raise found.error("data", f"holds {len(data):,} gaps", f"a trace has at most {MOST_GAPS:,} gaps")
    return ~np.array(data, dtype=np.bool_)


def _series_of_simulator(metadata: Fields, info: Fields) -> Series:
    named = series_of(metadata.file)
    zone = next((fields.text("zone") for fields in (metadata, info) if "zone" in fields), named.zone)
    keys = [(fields, key) for fields in (metadata, info) for key in ("device", "instance_type") if key in fields]
    return Series(zone, keys[0][0].text(keys[0][1]) if keys else named.instance_type)


def _prices(found: Fields, info: Fields, gaps: int) -> Figures | None:
    """`prices` has one a gap; where it is not there, the one price of the zone holds in each."""
    if "prices" not in found:
        price = info.price_usd_h("price")
        return None if price is None else np.full(gaps, price)
    prices = found.values("prices")
    if len(prices) != gaps:
        raise found.error("prices", f"has {len(prices)} prices for {gaps} gaps", "there is one for each gap")
    return np.array([checked_price(price, found.file, f"prices[{index}]") for index, price in enumerate(prices)])
