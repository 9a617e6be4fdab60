"""Why an offer is not chosen: what the words mean, what the offer fails, what it would cost more."""

from __future__ import annotations

from dataclasses import replace
from math import fsum

import pytest

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.optimum import Question, Solver
from engine.why_not import Forced, UnknownOfferError, WhyNot, offers_meant, why_not
from engine.workload import AcceleratorRequest, Edge, Estimate, Range, Requirement, Task, Workload
from tests.kits.market import NOW, Row, flat_rates, market, offer, region

PLACES = ("aws:us-east-1", "aws:eu-west-1", "gcp:us-central1")
OFFERS: list[Row] = [
    offer("aws", "us-east-1", "p5", 55.0, accelerator="H100", count=8.0, zone="us-east-1a"),
    offer("aws", "eu-west-1", "p5", 60.0, accelerator="H100", count=8.0),
    offer("aws", "eu-west-1", "p5", 20.0, accelerator="H100", count=8.0, purchase=Purchase.SPOT),
    offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0),
    offer("gcp", "us-central1", "n2", 0.5),
    offer("aws", "eu-west-1", "m5", 0.4),
]
MARKET = market(
    OFFERS,
    regions=[region("aws", "us-east-1"), region("aws", "eu-west-1", "europe", "IE"), region("gcp", "us-central1")],
    egress=flat_rates(0.09, PLACES),
)
H100 = Requirement(accelerator=AcceleratorRequest("H100", 8))
TRAIN = Task("train", requirements=(H100,), estimate=Estimate(hours=10.0))
PREP = Task("prep", requirements=(Requirement(vcpus=Range(4, exact=False)),), estimate=Estimate(hours=1.0))
ONE = Workload("w", (TRAIN,))
CHAIN = Workload("w", (PREP, TRAIN), (Edge("prep", "train", 1000.0),))


def asked(words: str, workload: Workload = ONE, snapshot: Snapshot = MARKET) -> WhyNot:
    """Why `train` is not there."""
    return why_not(words, "train", Question.of(workload, snapshot, NOW), Solver())


def forced(words: str, workload: Workload = ONE) -> Forced:
    """The best plan with the offer."""
    found = asked(words, workload).forced
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("aws p5 us-east-1", {0}),
        ("us-east-1 on-demand P5 AWS", {0}),
        ("aws/eu-west-1 spot", {2}),
        ("us-east-1a", {0}),
        ("H100:8 gcp", {3}),
        ("nvidia-h100, eu-west-1", {1, 2}),
        ("h100:4 gcp", set()),
    ],
)
def test_words_mean_offers_in_any_order(words: str, rows: set[int]) -> None:
    """Each word narrows the offers down."""
    offers = MARKET.offers.with_row_index("number")
    assert set(offers.filter(offers_meant(words, offers))["number"]) == rows


def test_a_dearer_offer_is_answered_in_dollars_and_hours() -> None:
    """Ten hours and three minutes at $5 an hour more."""
    answer = forced("aws us-east-1")
    assert answer.more_usd == pytest.approx(10.05 * 5)
    assert answer.more_h == pytest.approx(0.0)
    first = answer.differences[0]
    assert first.reason == "price an hour"
    assert first.usd == pytest.approx(50.25)
    assert not answer.is_best


def test_what_moves_with_it_and_what_that_costs_are_said() -> None:
    """`prep` follows `train` across the ocean, since its terabyte costs more than it saves; reasons add up."""
    answer = forced("aws eu-west-1 on_demand", CHAIN)
    assert answer.moved == ("prep to aws/eu-west-1 m5 (on_demand)",)
    assert fsum(each.usd for each in answer.differences) == pytest.approx(answer.more_usd)
    far = forced("aws us-east-1", CHAIN)
    assert "egress" in {each.reason for each in far.differences}
    assert fsum(each.usd for each in far.differences) == pytest.approx(far.more_usd)


def test_nothing_speaks_against_what_is_chosen() -> None:
    """The best plan is the best of those with the offer."""
    assert forced("gcp a3").is_best


def test_a_requirement_that_forbids_it_is_named_with_what_it_asks_for() -> None:
    """Spot was not asked for; two offers, two reasons."""
    answer = asked("eu-west-1 p5")
    assert [(each.reason, each.wanted, each.offers) for each in answer.failed] == [
        ("bought another way", "purchase on_demand or owned", 1)
    ]
    assert answer.offers == 2
    assert answer.forced is not None
    gone = asked("p5 spot")
    assert gone.forced is None
    assert gone.conflicts == ()


def test_a_limit_that_forbids_it_is_named_with_what_would_do() -> None:
    """$520 pay for gcp alone."""
    answer = asked("us-east-1", replace(ONE, budget_usd=520.0))
    assert answer.forced is None
    (conflict,) = answer.conflicts
    assert conflict.limits == ("budget $520",)
    assert [change.text for change in conflict.changes] == ["budget $552.75"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("", "no offer is named", "say for example"),
        ("aws p6x", "no offer has anything called p6x", ""),
        ("us-eats-1", "no offer has anything called us-eats-1", "did you mean us-east-1?"),
        ("gcp p5", "no offer is all of gcp, p5", "without p5 there is: gcp/us-central1 a3 (on_demand)"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: str, message: str, hint: str) -> None:
    """With what may have been meant."""
    with pytest.raises(UnknownOfferError) as raised:
        asked(words)
    assert str(raised.value) == message
    assert hint in raised.value.hint
