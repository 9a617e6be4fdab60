"""How zones hang together: counts by hand on short traces, and the recorded ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.spot_correlation import Relation, correlations
from engine.spot_events import Placed
from engine.spot_market import Trace
from tests.kits.seen_zones import recorded, seen

START = datetime(2026, 10, 1, tzinfo=UTC)


def placed(gaps: str, zone: str, *, cloud: str = "aws", start: datetime | None = START) -> Placed:
    """A trace of a zone of a cloud."""
    return Placed(cloud, seen(gaps, zone=zone, start=start))


def test_zones_that_go_together_and_against_each_other() -> None:
    """A correlation of 1, of -1, and none where a zone never changes."""
    a, b = placed("++--+-", "us-west-2a"), placed("--++-+", "us-west-2b")
    same = correlations([a, placed("++--+-", "us-west-2b")])[Relation.SAME_REGION]
    against = correlations([a, b])[Relation.SAME_REGION]
    still = correlations([a, placed("++++++", "us-west-2b")])[Relation.SAME_REGION]
    assert (same.phi, against.phi) == pytest.approx((1.0, -1.0))
    assert still.phi is None
    assert (same.chance_up_after_loss, still.chance_up_after_loss) == (0.0, 1.0)


def test_what_another_zone_does_when_one_is_lost() -> None:
    """One is lost twice while the other is up, which is lost once with the first up; by chance 2 x 5/6 + 1 x 4/6."""
    found = correlations([placed("++-+-+", "us-west-2a"), placed("+++++-", "us-west-2b")])[Relation.SAME_REGION]
    assert (found.pairs, found.gaps, found.losses) == (1, 6, 3)
    assert found.up_after_loss == 3
    assert found.up_by_chance == pytest.approx(2 * 5 / 6 + 4 / 6)
    assert found.lift == pytest.approx(3 / (2 * 5 / 6 + 4 / 6))


def test_zones_are_related_by_region_and_cloud() -> None:
    """Of four zones of one machine type one pair shares a region, two a cloud, three are of two clouds."""
    zones = [
        placed("+-", "us-west-2a"),
        placed("+-", "us-west-2b"),
        placed("+-", "us-east-1a"),
        placed("+-", "us-central1-a", cloud="gcp"),
    ]
    found = correlations(zones)
    assert {relation: one.pairs for relation, one in found.items()} == {
        Relation.SAME_REGION: 1,
        Relation.SAME_CLOUD: 2,
        Relation.OTHER_CLOUD: 3,
    }


def test_only_shared_instants_are_compared() -> None:
    """The second trace begins two gaps later: they share three gaps, in which they are the same."""
    later = placed("+-+--", "us-west-2b", start=START + timedelta(seconds=1200))
    found = correlations([placed("--+-+", "us-west-2a"), later])[Relation.SAME_REGION]
    assert (found.gaps, found.phi) == pytest.approx((3, 1.0))
    assert correlations([later, placed("--+-+", "us-west-2a")])[Relation.SAME_REGION].gaps == 3


@pytest.mark.parametrize(
    "other",
    [
        seen("+-+", zone="us-west-2b", start=None),
        seen("+-+", zone="us-west-2b", start=START, gap_s=195),
        seen("+-+", zone="us-west-2b", start=START + timedelta(seconds=300)),
        seen("+-+", zone="us-west-2b", start=START + timedelta(days=30)),
        seen("+-+", zone="us-west-2a", start=START),
        replace(seen("+-+", zone="us-west-2b", start=START), instance_type="g5.xlarge"),
    ],
)
def test_what_cannot_be_compared_is_not(other: Trace) -> None:
    """No known start, another gap, half a gap aside, another month, the same zone, another machine of the cloud."""
    assert not correlations([placed("+-+", "us-west-2a"), Placed("aws", other)])


def test_recorded_zones_of_a_region_share_more_than_those_of_two(shared: Path) -> None:
    """p3.2xlarge in nine zones that were watched together: about 0.4 within a region, 0.14 across."""
    traces = recorded(shared / "data" / "traces" / "aws-2023-02-15-v100")
    found = correlations([Placed("aws", replace(trace, start=START)) for trace in traces])
    within, across = found[Relation.SAME_REGION], found[Relation.SAME_CLOUD]
    assert (within.pairs, across.pairs) == (10, 26)
    assert within.phi == pytest.approx(0.40, abs=0.01)
    assert across.phi == pytest.approx(0.14, abs=0.01)
    # Just when one is lost, the other zones are hardly worse than on any day.
    assert np.allclose([within.lift or 0, across.lift or 0], [0.91, 0.99], atol=0.01)
