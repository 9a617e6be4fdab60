"""How often runs were at risk at an age, and ended: counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.spot_exposure import exposure
from tests.kits.seen_zones import seen

EDGES = np.array([0.0, 1 / 6, 0.5])


def test_gaps_are_counted_by_the_bins_that_they_lie_in() -> None:
    """Of ++-+++- the gap after each gap up: at age 0 two go on, at 1 one ends and one goes on, at 2 one ends."""
    found = exposure([seen("++-+++-")], EDGES, 48.0)
    first, second = (int(np.flatnonzero(found.hours[:, number] > 0)[0]) for number in (0, 1))
    assert found.up.at_risk[0, [first, second]].tolist() == [2, 3]
    assert found.up.ended[0, [first, second]].tolist() == [0, 2]
    assert found.down.at_risk.sum() == 1
    assert found.down.ended.sum() == 1


def test_a_gap_over_an_edge_belongs_to_both_bins() -> None:
    """Half an hour from age 0 is ten minutes in one bin and twenty in the next."""
    found = exposure([seen("++", gap_s=1800)], EDGES, 48.0)
    kind = int(np.flatnonzero(found.up.at_risk[0])[0])
    assert found.hours[kind] == pytest.approx([1 / 6, 1 / 3, 0.0])


def test_windows_share_the_gaps_out_and_ages_go_on() -> None:
    """An hour a window: the second one begins with a run of age 6 gaps, in the last bin."""
    found = exposure([seen("+++++++-+")], EDGES, 1.0)
    last = int(np.flatnonzero(found.hours[:, 2] > 0)[0])
    assert found.gaps.tolist() == [6, 3]
    assert found.up_gaps.tolist() == [6, 2]
    assert found.starts_up.tolist() == [True, True]
    assert found.up.at_risk[:, last].tolist() == [3, 1]
    assert found.up.ended[:, last].tolist() == [0, 1]


def test_the_first_run_may_be_given_an_age() -> None:
    """Half an hour old, it is in the last bin at once; the later one is not."""
    found = exposure([seen("+-+-")], EDGES, 48.0, first_age_h=0.5)
    last = int(np.flatnonzero(found.hours[:, 2] > 0)[0])
    assert found.up.at_risk[0, last] == 1
    assert found.up.at_risk.sum() == 2


def test_traces_of_several_gap_lengths_go_together() -> None:
    """Each window knows its trace; an empty trace has none."""
    found = exposure([seen("++"), seen(""), seen("+-+", gap_s=195)], EDGES, 48.0)
    assert found.trace.tolist() == [0, 1]
    assert found.of(found.trace == 1).gaps.tolist() == [3]


def test_no_gap_is_no_data() -> None:
    """Neither no trace nor an empty one can be fitted to."""
    with pytest.raises(ValueError, match="no trace"):
        exposure([seen("")], EDGES, 48.0)
