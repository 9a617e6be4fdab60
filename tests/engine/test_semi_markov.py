"""A zone that is up and down by turns: chances by formula, and by the frequency of what is drawn from it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.semi_markov import SemiMarkov
from engine.spot_runs import up_runs
from tests.kits.seen_zones import constant, sampled

AGEING = SemiMarkov(np.array([0.0, 1.0, 3.0]), np.array([0.5, 0.2, 0.1]), np.array([1.0, 0.5, 0.2]))


def test_without_memory_every_chance_is_exponential() -> None:
    """Whatever the age."""
    zone = constant(0.3, 0.7)
    assert zone.lost_within([0.0, 5.0], 2.0) == pytest.approx(1 - np.exp(-0.6))
    assert zone.regained_within(9.0, 1.0) == pytest.approx(1 - np.exp(-0.7))
    assert float(zone.mean_life_h(4.0)) == pytest.approx(1 / 0.3)
    assert float(zone.mean_wait_h(4.0)) == pytest.approx(1 / 0.7)
    assert zone.up_share() == pytest.approx(0.7)


@pytest.mark.parametrize("ahead_h", [0.1, 1.5, 12.0])
def test_two_memoryless_states_relax_to_their_shares(ahead_h: float) -> None:
    """P(up) = share + (state now - share) e^(-(loss + gain) t), the textbook's two-state Markov chain."""
    zone, fades = constant(0.3, 0.7), np.exp(-ahead_h)
    assert zone.up_ahead(True, 2.0, ahead_h) == pytest.approx(0.7 + 0.3 * fades, abs=2e-4)
    assert zone.up_ahead(False, 2.0, ahead_h) == pytest.approx(0.7 - 0.7 * fades, abs=2e-4)


def test_an_old_run_is_safer() -> None:
    """The hazard falls with age: chances and means rise."""
    assert np.all(np.diff(AGEING.survival([0.0, 1.0, 5.0], 2.0)) > 0)
    assert np.all(np.diff(AGEING.mean_life_h([0.0, 1.0, 5.0])) > 0)
    assert AGEING.survival(1.0, 2.0) == pytest.approx(np.exp(-0.4))


@pytest.mark.parametrize(("is_up", "ahead_h"), [(True, 1.0), (True, 6.0), (False, 1.0), (False, 6.0)])
def test_the_state_ahead_is_as_frequent_as_foretold(is_up: bool, ahead_h: float) -> None:
    """Of 4,000 zones that are drawn, to four standard errors and what a step of 36 s blurs."""
    rng = np.random.default_rng(7)
    gap = round(ahead_h * 100)
    up = sum(AGEING.sample(rng, 36.0, gap + 1, starts_up=is_up)[gap] for _ in range(4000)) / 4000
    assert up == pytest.approx(AGEING.up_ahead(is_up, 0.0, ahead_h), abs=4 * 0.5 / np.sqrt(4000) + 0.005)


def test_the_state_now_is_known() -> None:
    """No time ahead."""
    assert (AGEING.up_ahead(True, 1.0, 0.0), AGEING.up_ahead(False, 1.0, 0.0)) == (1.0, 0.0)


def test_far_ahead_the_state_is_forgotten() -> None:
    """The share of time up, from either state and any age."""
    assert AGEING.up_ahead(True, 5.0, 100.0) == pytest.approx(AGEING.up_share(), abs=2e-3)
    assert AGEING.up_ahead(False, 0.0, 100.0) == pytest.approx(AGEING.up_share(), abs=2e-3)


def test_what_is_drawn_lasts_as_long_as_it_should() -> None:
    """The mean up run and the share of time up, to four standard errors of the runs; a run is seen whole gaps long."""
    trace = sampled(AGEING, 3, 500_000, gap_s=60.0)
    lengths = up_runs(trace).length_h
    assert lengths.mean() - 0.5 / 60 == pytest.approx(
        float(AGEING.mean_life_h()), abs=4 * lengths.std() / np.sqrt(len(lengths))
    )
    assert trace.available.mean() == pytest.approx(AGEING.up_share(), abs=0.02)


def test_what_is_drawn_is_as_long_as_asked() -> None:
    """Runs shorter than a gap fill one, and the first run is of the kind that was asked for."""
    fast = constant(1e6, 1e6)
    drawn = fast.sample(np.random.default_rng(1), 600.0, 7, starts_up=False)
    assert drawn.tolist() == [False, True] * 3 + [False]
    assert constant(0.0, 1.0).sample(np.random.default_rng(1), 600.0, 4, starts_up=True).tolist() == [True] * 4


def test_a_zone_that_is_never_lost_is_always_up() -> None:
    """Whatever its down runs would do."""
    assert constant(0.0, 0.0).up_share() == 1.0
    assert constant(0.5, 0.0).up_share() == 0.0


@pytest.mark.parametrize(
    ("edges", "loss", "gain"),
    [
        ([], [], []),
        ([1.0], [0.1], [0.1]),
        ([0.0, 2.0, 2.0], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]),
        ([0.0, 2.0], [0.1], [0.1, 0.1]),
        ([0.0], [-0.1], [0.1]),
        ([0.0], [0.1], [float("nan")]),
    ],
)
def test_what_is_no_hazard_is_refused(edges: list[float], loss: list[float], gain: list[float]) -> None:
    """No bins, bins that do not begin at 0 or ascend, too few hazards, a negative one, none."""
    with pytest.raises(ValueError, match=r"bins? of age"):
        SemiMarkov(np.array(edges), np.array(loss), np.array(gain))
