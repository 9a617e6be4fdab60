"""Kaplan-Meier and Nelson-Aalen, against a textbook's example, by hand, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spot_runs import up_runs
from engine.survival import life_table, life_table_of
from tests.kits.seen_zones import seen

# Weeks in remission of 21 patients with 6-MP (Freireich et al. 1963, Blood 21), + for those whose relapse was not seen.
REMISSIONS = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+".split()
WEEKS = np.array([float(one.rstrip("+")) for one in REMISSIONS])
RELAPSED = np.array([not one.endswith("+") for one in REMISSIONS])

runs = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=12)


def test_the_textbook_example() -> None:
    """Survival, its errors and the cumulative hazard, as 3/21, then 1/17, 1/15, ... of those at risk relapse."""
    table = life_table(WEEKS, RELAPSED)
    assert table.length_h.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert table.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert table.survival == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    errors = table.survival_error(table.length_h)
    assert errors == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)
    hazard = [0.1429, 0.2017, 0.2683, 0.3517, 0.4426, 0.5854, 0.7521]
    assert table.cumulative_hazard == pytest.approx(hazard, abs=1e-4)
    assert table.cumulative_hazard_variance[:2] == pytest.approx([3 / 21**2, 3 / 21**2 + 1 / 17**2])


def test_a_run_that_is_seen_late_is_at_no_risk_before() -> None:
    """Of three runs that end at 1, 3 and 4 the second is seen from 2 on: at 1 two are at risk, at 3 two."""
    table = life_table(np.array([1.0, 3.0, 4.0]), np.ones(3, dtype=np.bool_), np.array([0.0, 2.0, 0.0]))
    assert table.at_risk.tolist() == [2, 2, 1]
    assert table.survival == pytest.approx([0.5, 0.25, 0.0])
    assert table.survival_variance[-1] == 0


def test_a_run_that_enters_at_an_end_is_not_at_risk_of_it() -> None:
    """It is at risk after its entry only."""
    table = life_table(np.array([2.0, 5.0]), np.ones(2, dtype=np.bool_), np.array([0.0, 2.0]))
    assert table.at_risk.tolist() == [1, 1]


def test_a_run_seen_for_no_time_is_refused() -> None:
    """It entered when it ended."""
    with pytest.raises(ValueError, match="seen for some time"):
        life_table(np.array([2.0]), np.array([True]), np.array([2.0]))


def test_mean_remaining_life_is_the_area_to_the_horizon() -> None:
    """Runs of 1 and 3 hours: from age 0 to 2, an hour at 1 and one at a half; from 1 on, the longer one alone."""
    table = life_table(np.array([1.0, 3.0]), np.ones(2, dtype=np.bool_))
    assert table.mean_remaining_h(0.0, 2.0) == pytest.approx(1.5)
    assert table.mean_remaining_h(1.0, 10.0) == pytest.approx(2.0)
    assert table.mean_remaining_h(3.0, 10.0) is None


@given(runs)
def test_without_censoring_it_is_the_share_that_lasts(found: list[tuple[int, bool]]) -> None:
    """The empirical survival function at every age."""
    lengths = np.array([float(length) for length, _ in found])
    table = life_table(lengths, np.ones(len(lengths), dtype=np.bool_))
    for age in range(10):
        assert table.survival_beyond(age) == pytest.approx(float(np.mean(lengths > age)))


@given(runs)
def test_both_estimates_agree_in_order(found: list[tuple[int, bool]]) -> None:
    """Survival falls from 1 and stays below e to the power of minus Nelson-Aalen's hazard: 1 - x < e^-x."""
    table = life_table(np.array([float(length) for length, _ in found]), np.array([ended for _, ended in found]))
    assert np.all(np.diff(np.append(1.0, table.survival)) < 0)
    assert np.all(table.survival <= np.exp(-table.cumulative_hazard))
    assert np.all(table.survival_variance >= 0)


def test_runs_of_unknown_age_have_no_place_in_a_table() -> None:
    """The first run of each trace is left out; the last one is censored."""
    table = life_table_of([up_runs(seen("+-++-+++")), up_runs(seen("-+-"))])
    assert table.length_h == pytest.approx([1 / 6, 2 / 6])
    assert table.at_risk.tolist() == [3, 2]
    assert table.survival == pytest.approx([2 / 3, 1 / 3])


def test_a_table_of_no_runs_knows_nothing() -> None:
    """Every run is taken to last."""
    assert life_table_of([]).survival_beyond(5.0) == 1.0
