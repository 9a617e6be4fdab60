"""The mixture behind a model: its levels by hand, and how many classes data ask for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.availability import fit_availability
from engine.availability_em import Mixture, best_mixture, fit_mixture, joint_log_likelihood, with_levels
from engine.spot_exposure import Exposure, exposure
from engine.spot_market import Trace
from tests.kits.seen_zones import constant, sampled, seen

EDGES = np.array([0.0, 1.0])
KINDS = (constant(0.05, 1.0), constant(0.5, 0.5), constant(4.0, 0.2))


def zones(kinds: int) -> list[Trace]:
    """Six zones over five days, of so many kinds by turns."""
    return [sampled(KINDS[number % kinds], number, 720) for number in range(6)]


def told(data: Exposure, mixture: Mixture) -> float:
    """The log-likelihood of all windows."""
    return float(np.logaddexp.reduce(joint_log_likelihood(data, mixture), axis=0).sum())


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_data_ask_for_as_many_classes_as_there_are_kinds(kinds: int) -> None:
    """By what is told of zones that were left out; zones of one kind need no second class that tells more."""
    data = exposure(zones(kinds), EDGES, 48.0)
    found = best_mixture(data, 3)
    assert len(found.weights) >= kinds
    assert told(data, found) >= told(data, fit_mixture(data, kinds)) - 1.0


def test_weights_are_the_shares_of_windows() -> None:
    """Four zones of six are of the first kind, to a window's worth of prior each."""
    traces = [sampled(KINDS[0 if number < 4 else 2], number, 720) for number in range(6)]
    found = fit_mixture(exposure(traces, EDGES, 60.0), 2)
    good = int(np.argmax(found.up_share))
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights[good] == pytest.approx((8 + 1) / (12 + 2), abs=0.02)


def test_more_classes_never_tell_less_of_what_they_are_fitted_to() -> None:
    """Three kinds of zone: two classes tell more than one, three more than two."""
    data = exposure(zones(3), EDGES, 48.0)
    one, two, three = (told(data, fit_mixture(data, classes)) for classes in (1, 2, 3))
    assert one + 10 < two < three - 10


def test_levels_make_a_class_better_and_worse() -> None:
    """Losses at a half, as they are, and twice; gains the other way; the odds to be up by both."""
    plain = Mixture(np.ones(1), np.array([0.5]), np.array([[1.0, 0.2]]), np.array([[2.0, 0.4]]))
    found = with_levels(plain)
    assert found.weights == pytest.approx([0.2, 0.6, 0.2])
    assert found.loss_per_h[:, 0] == pytest.approx([0.5, 1.0, 2.0])
    assert found.gain_per_h[:, 1] == pytest.approx([0.8, 0.4, 0.2])
    assert found.up_share == pytest.approx([4 / 5, 1 / 2, 1 / 5])


def test_a_model_of_one_zone_is_of_that_zone() -> None:
    """Those of several are at three levels, for zones that were not seen; two recordings of one zone are still one."""
    one, again, other = (seen("++-+--+-" * 30, zone=zone) for zone in ("us-west-2a", "us-west-2a", "us-west-2b"))
    assert len(fit_availability([one, again], most_classes=1).classes) == 1
    assert len(fit_availability([one, other], most_classes=1).classes) == 3
