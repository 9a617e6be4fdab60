"""Traces become events of the catalog and come back; observations become the stretches over which they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_data.schema import OBSERVATIONS
from engine.spot_events import EVENTS, events_of, traces_of_events, traces_of_observations
from engine.spot_market import Trace
from tests.kits.rows import frame, row

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)


def trace(*available: int, gap_s: float = 195.0) -> Trace:
    """A trace of a V100 in us-west-2a."""
    return Trace("us-west-2a", "p3.2xlarge", gap_s, np.array(available, dtype=bool), START)


def in_catalog(events: pl.DataFrame, source: str = "import_x") -> pl.DataFrame:
    """The events as rows of one source."""
    return events.with_columns(cloud=pl.lit("aws"), source=pl.lit(source))


def observation(at_h: float, level: float, hold_h: float = 2.0, **values: object) -> dict[str, object]:
    """What was seen of a spot machine at an hour, and for how long that holds."""
    at = START + at_h * HOUR
    given = {"zone": "us-east-1a", "purchase": "spot", "level": level, "observed_at": at, **values}
    return row(OBSERVATIONS, **given, expires_at=at + hold_h * HOUR)


def test_events_are_the_changes_and_both_ends() -> None:
    """The first gap, each change, and the last gap, which says how long the last run was seen."""
    events = events_of(trace(1, 1, 0, 0, 0))
    assert events.schema == EVENTS
    assert events["at"].to_list() == [START + timedelta(seconds=195 * gap) for gap in (0, 2, 4)]
    assert events["available"].to_list() == [True, False, False]


def test_a_trace_without_a_start_has_no_events() -> None:
    """No instant is made up."""
    with pytest.raises(ValueError, match="without a start"):
        events_of(Trace("us-west-2a", "k80_1", 600.0, np.ones(3, dtype=bool)))


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.sampled_from([60.0, 195.0, 600.0]))
@settings(max_examples=40, deadline=None)
def test_a_trace_comes_back(available: list[bool], gap_s: float) -> None:
    """Its start, and what was there at each instant; gaps may have become longer where nothing shorter happened."""
    was = trace(*available, gap_s=gap_s)
    [(cloud, back)] = traces_of_events(in_catalog(events_of(was)))
    assert (cloud, back.zone, back.instance_type, back.start) == ("aws", "us-west-2a", "p3.2xlarge", START)
    assert back.gap_s % gap_s == 0
    repeated = np.repeat(back.available, int(back.gap_s // gap_s))[: was.gaps]
    assert np.array_equal(repeated, was.available)


def test_sources_are_series_of_their_own() -> None:
    """Two imports of one zone are two traces: nothing is known of the time between them."""
    two = pl.concat([in_catalog(events_of(trace(1, 0)), source) for source in "ab"])
    assert len(traces_of_events(two)) == 2


def test_one_event_is_no_series() -> None:
    """It says nothing of time."""
    assert traces_of_events(in_catalog(events_of(trace(1)))) == ()


def test_observations_hold_until_the_next_or_until_they_expire() -> None:
    """Stock at 0 h, none at 1 h; that expires at 3 h; from 5 h on another stretch is known."""
    seen = frame(OBSERVATIONS, observation(1, 0.0), observation(0, 0.5), observation(5, 1.0))
    first, second = (placed.trace for placed in traces_of_observations(seen))
    assert (first.zone, first.instance_type, first.start, first.gap_s) == ("us-east-1a", "m5.large", START, 3600)
    assert first.available.tolist() == [True, False, False]
    assert second.start == START + 5 * HOUR
    assert second.available.all()
    assert second.gaps * second.gap_s == 2 * 3600


@pytest.mark.parametrize(
    "values",
    [{"signal": "placement_score"}, {"purchase": "on_demand"}, {"expires_at": START}],
    ids=["a score", "on demand", "held for no time"],
)
def test_what_is_no_sighting_of_spot_is_left_out(values: dict[str, object]) -> None:
    """A score is a chance, and other ways to buy are not taken away."""
    assert traces_of_observations(frame(OBSERVATIONS, {**observation(0, 1.0), **values})) == ()


def test_an_observation_of_a_region_stands_for_its_zone() -> None:
    """Some providers sell by region."""
    [(_, found)] = traces_of_observations(frame(OBSERVATIONS, observation(0, 1.0, zone=None)))
    assert found.zone == "us-east-1"
