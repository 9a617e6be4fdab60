"""Files of recorded availability, good and bad -> traces, or one clear error."""

from __future__ import annotations

import json
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.trace_fields import TraceError, cloud_of, region_of, series_of
from engine.trace_text import read_trace

RUNS: Final = {"gap_seconds": 600, "rle": [[1, 2], [0, 1]]}
SIMULATOR: Final = {"metadata": {"gap_seconds": 600}, "data": [0, 1, 0]}
HEADER: Final = "at,available\n"


def written(base: dict[str, Any], **changes: object) -> str:
    """A JSON file with some keys changed; None takes one away."""
    return json.dumps({key: value for key, value in {**base, **changes}.items() if value is not None})


def readings(*lines: str) -> str:
    """A CSV of readings without prices."""
    return HEADER + "\n".join(lines)


def test_the_run_length_form_gives_every_field() -> None:
    """All keys of the run-length form end up in the trace."""
    trace = read_trace(
        written(
            RUNS,
            n=3,
            zone="us-west-2a",
            instance="v100_1",
            start_utc="2022-10-26T22:05:04.000Z",
            price_changes=[[0, 0.5], [2, 0]],
            on_demand_price=3.06,
        ),
        "x.json",
    )
    assert (trace.zone, trace.instance_type, trace.gap_s, trace.on_demand_usd_h) == ("us-west-2a", "v100_1", 600, 3.06)
    assert trace.start == datetime(2022, 10, 26, 22, 5, 4, tzinfo=UTC)
    assert trace.available.tolist() == [True, True, False]
    assert trace.spot_usd_h is not None
    assert trace.spot_usd_h.tolist() == [0.5, 0.5, 0.0]


def test_the_form_of_the_simulator_says_preempted() -> None:
    """In the JSON of the public simulator 0 means available."""
    trace = read_trace(written(SIMULATOR, prices=[1, 0, 2.5]), "us-west-2a_k80_8.json")
    assert trace.available.tolist() == [True, False, True]
    assert trace.spot_usd_h is not None
    assert trace.spot_usd_h.tolist() == [1, 0, 2.5]
    assert (trace.start, trace.on_demand_usd_h) == (None, None)


def test_the_simulators_metadata_name_the_series_and_its_prices() -> None:
    """Zone, device, start and prices come from the metadata where they are there; one price holds in every gap."""
    metadata = {
        "gap_seconds": 195,
        "start_time": "2023-02-15T07:30:00",
        "price_info": {"zone": "us-east-1a", "device": "v100_1", "price": 0.918, "on_demand_price": 3.06},
    }
    trace = read_trace(written(SIMULATOR, metadata=metadata), "0.json")
    assert (trace.zone, trace.instance_type, trace.on_demand_usd_h) == ("us-east-1a", "v100_1", 3.06)
    assert trace.start == datetime(2023, 2, 15, 7, 30, tzinfo=UTC)
    assert trace.spot_usd_h is not None
    assert trace.spot_usd_h.tolist() == [0.918] * 3


@pytest.mark.parametrize(
    ("name", "zone", "instance_type"),
    [
        ("us-west-2a_k80_8.json", "us-west-2a", "k80_8"),
        ("/data/us-east-1f_v100_1/full.json", "us-east-1f", "v100_1"),
        ("us-central1-a_a3-highgpu-8g/trace_7.json", "us-central1-a", "a3-highgpu-8g"),
        ("eastus-1_Standard_NC6.csv", "eastus-1", "Standard_NC6"),
        ("poisson.json", "poisson", ""),
        ("trace_7.json", "trace_7", ""),
    ],
)
def test_the_name_names_the_series(name: str, zone: str, instance_type: str) -> None:
    """The innermost part of the path that starts with a zone counts, else the stem."""
    assert series_of(name) == (zone, instance_type)


@pytest.mark.parametrize(
    ("zone", "region", "cloud"),
    [
        ("us-west-2a", "us-west-2", "aws"),
        ("ap-southeast-1c", "ap-southeast-1", "aws"),
        ("us-gov-west-1b", "us-gov-west-1", "aws"),
        ("us-west-2-lax-1a", "us-west-2", "aws"),
        ("us-central1-a", "us-central1", "gcp"),
        ("us-central1-ai1a", "us-central1", "gcp"),
        ("northamerica-northeast2-c", "northamerica-northeast2", "gcp"),
        ("eastus-1", "eastus", "azure"),
        ("westus2-3", "westus2", "azure"),
        ("us-west-2", "us-west-2", None),
        ("eastus", "eastus", None),
        ("US-CA-1", "US-CA-1", None),
        ("", "", None),
    ],
)
def test_the_region_and_the_cloud_of_a_zone(zone: str, region: str, cloud: str | None) -> None:
    """Each cloud writes its zones in its own way; another name stands for itself."""
    assert (region_of(zone), cloud_of(zone)) == (region, cloud)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ('{"gap_seconds": 600, "rle": [[1, 2], [0', "not valid JSON (line 1)"),
        ("[" * 100_000, "not valid JSON"),
        ('{"rle": ' + "9" * 5_000 + "}", "not valid JSON"),
        ("[[1, 2]]", "it holds a list, not an object"),
        ("available", "it is no trace"),
        ("{}", "neither `rle` nor `data`"),
        (written(RUNS, gap_seconds=None), "gap_seconds is missing"),
        (written(RUNS, gap_seconds=0), "gap_seconds is 0, not a number of seconds above 0"),
        (written(RUNS, gap_seconds="600"), 'gap_seconds is "600"'),
        (written(RUNS, gap_seconds=float("nan")), "gap_seconds is NaN"),
        (written(RUNS, rle=[]), "rle is an empty list"),
        (written(RUNS, rle=[[1, -2]]), "rle[0] is [1, -2]"),
        (written(RUNS, rle=[[1, 2], [0, 0]]), "rle[1] is [0, 0]"),
        (written(RUNS, rle=[[2, 2]]), "rle[0] is [2, 2]"),
        (written(RUNS, rle=[[1, 2.5]]), "rle[0] is [1, 2.5]"),
        (written(RUNS, rle=[[1, 10**12]]), "rle holds 1,000,000,000,000 gaps"),
        (written(RUNS, n=4), "n is 4, but rle holds 3 gaps"),
        (written(RUNS, zone=7), "zone is 7, not a text"),
        (written(RUNS, start_utc="yesterday"), 'start_utc is "yesterday", not an instant'),
        (written(RUNS, start_utc=7), "start_utc is 7, not an instant"),
        (written(RUNS, start_utc="0001-01-01T00:00:00+14:00"), "not an instant"),
        (written(RUNS, on_demand_price=float("nan")), "on_demand_price is NaN, not a price"),
        (written(RUNS, on_demand_price=-1), "on_demand_price is -1, not a price"),
        (written(RUNS, price_changes=[[0, float("inf")]]), "price_changes[0] is Infinity, not a price"),
        (written(RUNS, price_changes=[[0, 10**400]]), "not a price"),
        (written(RUNS, price_changes=[[1, 2]]), "price_changes[0] is at gap 1, the first one"),
        (written(RUNS, price_changes=[[0, 2], [0, 3]]), "price_changes[1] is at gap 0"),
        (written(RUNS, price_changes=[[0, 2], [3, 3]]), "price_changes[1] is at gap 3"),
        (written(RUNS, price_changes=[0, 2]), "price_changes[0] is 0"),
        (written(SIMULATOR, metadata=None), "metadata is missing"),
        (written(SIMULATOR, metadata=[]), "metadata is an empty list, not an object"),
        (written(SIMULATOR, metadata={"gap_seconds": True}), "metadata.gap_seconds is true"),
        (written(SIMULATOR, data=[0, 16]), "data[1] is 16"),
        (written(SIMULATOR, data=[0, "1"]), 'data[1] is "1"'),
        (written(SIMULATOR, data=[]), "data is an empty list"),
        (written(SIMULATOR, prices=[1, 2]), "prices has 2 prices for 3 gaps"),
        (written(SIMULATOR, prices=[1, float("nan"), 2]), "prices[1] is NaN, not a price"),
        ("at;available\n1;1", "its header is 'at;available'"),
        (HEADER, "it holds no reading"),
        (readings("0,1"), "it holds one reading"),
        (readings("0,1,2", "1,1"), "line 2 has 3 fields, not 2"),
        (readings("0,1", "600,maybe"), "line 3 says 'maybe' of availability"),
        (readings("0,1", "-600,1"), "line 3 says '-600', which is no time"),
        (readings("0,1", "nan,1"), "line 3 says 'nan', which is no time"),
        (readings("1700000000000,1", "1700000600000,1"), "line 2 says '1700000000000', which is no time"),
        (readings("600,1", "600,1"), "the instant of line 3 is not after"),
        (readings("today,1"), "line 2 says 'today', which is no instant"),
        (readings("2026-01-31T08:00:00,1"), "the instant of line 2 has no time zone"),
        ("at,available,price_usd_h\n0,1,\n600,1,2", "line 2 has no price, but later ones have"),
        ("at,available,price_usd_h\n0,1,1\n600,1,nan", "the price of line 3 is NaN, not a price"),
        ("at,available,price_usd_h\n0,1,1\n600,1,dear", "line 3 says 'dear', which is no price"),
    ],
)
def test_bad_text_gets_one_sentence_and_a_hint(text: str, says: str) -> None:
    """Whatever is wrong, the error names the file and the place, and says what to do."""
    with pytest.raises(TraceError) as caught:
        read_trace(text, "some.json")
    assert says in caught.value.message
    assert caught.value.hint
    assert str(caught.value).startswith("some.json: ")
    assert "\n" not in str(caught.value)


def test_readings_at_equal_steps_are_the_gaps() -> None:
    """A CSV without jitter is taken as it stands; an empty price carries on the one before."""
    trace = read_trace(
        "at,available,price_usd_h\n"
        "2026-01-31T08:00:00Z,1,0.5\n2026-01-31T09:10:00+01:00,false,\n\n2026-01-31T08:20:00Z,true,0\n",
        "us-central1-a_a2-highgpu-1g.csv",
    )
    assert (trace.zone, trace.instance_type, trace.gap_s) == ("us-central1-a", "a2-highgpu-1g", 600)
    assert trace.start == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert trace.available.tolist() == [True, False, True]
    assert trace.spot_usd_h is not None
    assert trace.spot_usd_h.tolist() == [0.5, 0.5, 0]


def test_jitter_does_not_move_readings() -> None:
    """Readings that come some seconds early or late are one a gap."""
    trace = read_trace(readings("0,1", "604,0", "1201,1", "1797,0", "2400,0"), "x.csv")
    assert trace.gap_s == 600
    assert trace.available.tolist() == [True, False, True, False, False]


def test_a_short_hole_carries_on_the_last_reading() -> None:
    """Up to three steps without a reading are taken to be like the last one."""
    trace = read_trace(readings("0,1", "600,0", "2400,1", "3000,1"), "x.csv")
    assert trace.available.tolist() == [True, False, False, False, True, True]


def test_a_long_hole_is_refused_and_named() -> None:
    """Nothing is invented over a hole of more than three steps: the first one is named, with what to do."""
    with pytest.raises(TraceError) as caught:
        read_trace(readings("0,1", "600,1", "1200,1", "3600,1", "9600,1", "10200,1"), "x.csv")
    assert caught.value.message == "nothing was recorded for 4.0 steps of 600 s between lines 4 and 5"
    assert "split the file there" in caught.value.hint


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_each_gap_says_what_its_nearest_or_last_reading_said(steps: list[tuple[int, bool]]) -> None:
    """Unequal steps: gap t holds the last reading of those whose rounded place is at or before t (brute force)."""
    at_s = np.cumsum([60 * minutes for minutes, _ in steps])
    text = readings(*(f"{at},{int(available)}" for at, (_, available) in zip(at_s, steps, strict=True)))
    step_s = float(np.median(np.diff(at_s)))
    if np.diff(at_s).max() > 3.1 * step_s:
        with pytest.raises(TraceError):
            read_trace(text, "x.csv")
        return
    trace = read_trace(text, "x.csv")
    for gap in range(trace.gaps):
        last = [said for at, (_, said) in zip(at_s, steps, strict=True) if round((at - at_s[0]) / step_s) <= gap][-1]
        assert trace.available[gap] == last


@pytest.mark.parametrize("available", [0, 1])
def test_never_and_always_available_are_traces(available: int) -> None:
    """A zone that never or always has machines is no error."""
    assert read_trace(written(RUNS, rle=[[available, 9]]), "x.json").available.tolist() == [bool(available)] * 9


def test_a_byte_order_mark_is_passed_over() -> None:
    """Editors of Windows put a mark in front of the text."""
    assert read_trace("\ufeff" + written(RUNS), "x.json").gaps == 3


def test_recorded_traces_are_read(shared: Path) -> None:
    """The public traces are read with their own share of available gaps and their names."""
    files = sorted((shared / "data" / "traces").glob("aws-20*/**/*.json"))
    assert len(files) == 17
    for file in files:
        text = file.read_text()
        trace, said = read_trace(text, file.name), json.loads(text)
        assert trace.gaps == said["n"]
        assert trace.available.mean() == pytest.approx(said["available_fraction"], abs=1e-5)
        assert f"{trace.zone}_{trace.instance_type}" == file.stem


def test_the_examples_of_the_documentation_are_traces() -> None:
    """docs/traces.md shows each of the three formats once."""
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?m)(?:^    .+\n)+", page)
    examples = [block for block in map(textwrap.dedent, blocks) if block.startswith(("{", "at,"))]
    assert [read_trace(example, "us-west-2a_p3.2xlarge").gaps for example in examples] == [55, 4, 3]
