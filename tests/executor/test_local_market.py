"""The market of the local cloud: what its rules make of requests, and what is no market."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from catalog_data.schema import Purchase
from executor.drivers.local_market import Conditions, Fault, Market, Rule, Verdict, Width, counted, judged
from executor.drivers.local_market_file import read_market
from executor.errors import (
    AuthFailedError,
    BadRequestError,
    DriverError,
    ExcludingError,
    NoCapacityError,
    PriceTooLowError,
    QuotaExceededError,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)
from executor.machines import NodesRequest, Place

HERE = Place("aws", "us-east-1", "us-east-1a", "p4d.24xlarge", Purchase.SPOT)
ZONE_B = replace(HERE, zone="us-east-1b")
WEST = replace(HERE, region="us-west-2", zone="us-west-2a")
ON_DEMAND = replace(HERE, purchase=Purchase.ON_DEMAND)
SMALL = replace(HERE, instance_type="g5.xlarge")
GCP = Place("gcp", "us-central1", None, "a2-highgpu-8g", Purchase.SPOT)
REQUEST = NodesRequest(
    token="t1",
    owner="me",
    deployment="d1",
    task="train",
    count=2,
    place=HERE,
    public_key="ssh-ed25519 AAAA",
    max_hours=2,
)


def verdict(*rules: Rule, request: NodesRequest = REQUEST, there: Sequence[Place] = ()) -> Verdict:
    """What rules that have had no say yet make of a request."""
    return judged(Market(rules), request, there, {})


def test_without_rules_all_is_to_be_had() -> None:
    """Nodes are made at once, and end by themselves after the request's hours."""
    assert verdict() == Verdict(conditions=Conditions(ends_after_s=7200.0))


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        (Rule(), {HERE, ZONE_B, WEST, ON_DEMAND, SMALL, GCP}),
        (Rule(cloud="aws"), {HERE, ZONE_B, WEST, ON_DEMAND, SMALL}),
        (Rule(region="us-east-*"), {HERE, ZONE_B, ON_DEMAND, SMALL}),
        (Rule(zone="*a"), {HERE, WEST, ON_DEMAND, SMALL}),
        (Rule(instance_type="p4d.*", purchase="spot"), {HERE, ZONE_B, WEST}),
        (Rule(zone=""), {GCP}),
    ],
    ids=str,
)
def test_patterns_choose_places(rule: Rule, places: set[Place]) -> None:
    """A rule is about the places that match all of its patterns."""
    assert {place for place in (HERE, ZONE_B, WEST, ON_DEMAND, SMALL, GCP) if rule.matches(place)} == places


@pytest.mark.parametrize(
    ("rule", "kind", "covered"),
    [
        (Rule(error=Fault.NO_CAPACITY), NoCapacityError, {HERE}),
        (Rule(error=Fault.NO_CAPACITY, scope=Width.REGION), NoCapacityError, {HERE, ZONE_B}),
        (Rule(error=Fault.NO_CAPACITY, scope=Width.CLOUD), NoCapacityError, {HERE, ZONE_B, WEST}),
        (Rule(error=Fault.QUOTA), QuotaExceededError, {HERE, ZONE_B, SMALL}),
        (Rule(error=Fault.PRICE), PriceTooLowError, {HERE}),
        (Rule(error=Fault.UNSUPPORTED), UnsupportedError, {HERE, ON_DEMAND}),
        (Rule(error=Fault.AUTH), AuthFailedError, {HERE, ZONE_B, WEST, ON_DEMAND, SMALL}),
    ],
    ids=lambda value: f"{value.error}-{value.scope}" if isinstance(value, Rule) else "",
)
def test_errors_exclude_what_they_would_on_a_cloud(rule: Rule, kind: type[ExcludingError], covered: set[Place]) -> None:
    """The scope of an error covers the places for which it would hold as well."""
    said = verdict(rule)
    assert type(said.error) is kind
    assert not said.made
    assert {
        place for place in (HERE, ZONE_B, WEST, ON_DEMAND, SMALL, GCP) if said.error.excludes.covers(place)
    } == covered


@pytest.mark.parametrize(
    ("fault", "kind", "made"),
    [
        (Fault.TRANSIENT, TransientError, False),
        (Fault.BAD_REQUEST, BadRequestError, False),
        (Fault.UNKNOWN_OUTCOME_BEFORE, UnknownOutcomeError, False),
        (Fault.UNKNOWN_OUTCOME_AFTER, UnknownOutcomeError, True),
    ],
)
def test_other_errors_exclude_no_place(fault: Fault, kind: type[DriverError], *, made: bool) -> None:
    """Only where the answer was lost on its way here were the nodes made."""
    said = verdict(Rule(error=fault))
    assert (type(said.error), said.made) == (kind, made)


def test_capacity_counts_what_is_there() -> None:
    """There is room for a request as long as the nodes of the rule's places stay within its capacity."""
    rule = Rule(region="us-east-1", capacity=4)
    assert verdict(rule, there=[HERE, ON_DEMAND, WEST, WEST]).error is None
    assert isinstance(verdict(rule, there=[HERE, ON_DEMAND, ZONE_B]).error, NoCapacityError)
    assert isinstance(verdict(Rule(capacity=0)).error, NoCapacityError)


def test_a_spot_price_above_the_limit_refuses() -> None:
    """Spot is refused to who would pay less; who names no limit pays, and on-demand has no such price."""
    rule = Rule(spot_price_usd_h=3.0)
    assert isinstance(verdict(rule, request=replace(REQUEST, max_price_usd_h=2.9)).error, PriceTooLowError)
    for request in (
        replace(REQUEST, max_price_usd_h=3.0),
        REQUEST,
        replace(REQUEST, place=ON_DEMAND, max_price_usd_h=2.9),
    ):
        assert verdict(rule, request=request).error is None


def test_a_rule_has_its_say_so_many_times() -> None:
    """After its times another rule decides; a request that another rule refused does not count."""
    market = Market(
        (Rule(error=Fault.QUOTA, times=1), Rule(error=Fault.TRANSIENT, times=2), Rule(start_s=1.0, times=1))
    )
    said: dict[str, int] = {}
    faults = []
    for _ in range(5):
        answer = judged(market, REQUEST, [], said)
        said = dict(counted(said, answer))
        faults.append((type(answer.error).__name__, answer.conditions.start_s))
    assert [name for name, _ in faults] == [
        "QuotaExceededError",
        "TransientError",
        "TransientError",
        "NoneType",
        "NoneType",
    ]
    assert [start_s for _, start_s in faults[3:]] == [1.0, 0.0]


def test_a_refusal_spends_no_other_rule() -> None:
    """A capacity that was not exceeded leaves its rule as it was; a lost answer spends what shaped the nodes."""
    shape = Rule(take_back_after_s=5.0, times=1)
    assert verdict(shape, Rule(error=Fault.QUOTA)).said == {Rule(error=Fault.QUOTA).key}
    assert verdict(Rule(capacity=9, times=1)).said == frozenset()
    lost = Rule(error=Fault.UNKNOWN_OUTCOME_AFTER)
    assert verdict(shape, lost).said == {shape.key, lost.key}


def test_the_first_rule_that_names_a_condition_sets_it() -> None:
    """Conditions of a node may come from several rules, and each from the first of them."""
    rules = (
        Rule(start_s=1.0),
        Rule(start_s=2.0, grace_s=3.0, delay_s=0.5),
        Rule(take_back_after_s=9.0, fail_async=True),
    )
    said = verdict(*rules)
    expected = Conditions(start_s=1.0, fails=True, take_back_after_s=9.0, grace_s=3.0, ends_after_s=7200.0)
    assert (said.conditions, said.delay_s) == (expected, 0.5)


def test_a_file_describes_a_market(tmp_path: Path) -> None:
    """A market in YAML gives the same rules as in Python; an empty file has none."""
    path = tmp_path / "market.yaml"
    path.write_text("""
rules:
  - {cloud: aws, region: us-east-1, purchase: spot, capacity: 0, scope: region, times: 3}
  - {instance_type: "p4d.*", error: unknown_outcome_after}
  - {take_back_after_s: 60, grace_s: 1.5}
""")
    assert read_market(path) == Market(
        (
            Rule(cloud="aws", region="us-east-1", purchase="spot", capacity=0, scope=Width.REGION, times=3),
            Rule(instance_type="p4d.*", error=Fault.UNKNOWN_OUTCOME_AFTER),
            Rule(take_back_after_s=60, grace_s=1.5),
        )
    )
    path.write_text("")
    assert read_market(path) == Market()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("rules: [{capacity: many}]", "rules.0.capacity"),
        ("rules: [{capacity: -1}]", "rules.0: Value error, capacity must not be negative"),
        ("rules: [{start_s: .nan}]", "rules.0.start_s"),
        ("rules: [{}, {capactiy: 1}]", "rules.1.capactiy"),
        ("rules: [{error: out_of_luck}]", "rules.0.error"),
        ("rules: [{times: 1, capacity: 0}, {times: 1, capacity: 0}]", "rules 0 and 1 are the same"),
        ("rule: []", "rule"),
        ("[1, 2]", "market"),
        ("rules: [", "not YAML"),
        ("rules: \x00", "not YAML"),
    ],
)
def test_a_faulty_file_says_where(text: str, where: str, tmp_path: Path) -> None:
    """The error is one line that names the file and the place in it."""
    path = tmp_path / "market.yaml"
    path.write_text(text)
    with pytest.raises(BadRequestError) as caught:
        read_market(path)
    assert str(path) in str(caught.value)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_no_market(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(BadRequestError, match=r"market\.yaml: No such file"):
        read_market(tmp_path / "market.yaml")
