"""Spot placement scores of EC2: how likely a spot machine can be had in a region now.

A score is for any one machine of a group of types, and means something only for three types or more: for fewer AWS
answers with a low one whatever the capacity. So the groups are the types with the same accelerator and the same number
of it, which can stand in for each other; groups of one or two, such as machines with eight H100, have no score.

AWS limits how many different questions an account may ask in 24 hours; the same questions may be repeated. There are
about three for each group (an answer names ten regions at most), and they are the same at each look as long as the
catalog's spot offers are. That allowance is shared with everything else that the account asks, so these scores are
fetched only when they are named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from catalog_data.schema import OBSERVATIONS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.ec2_api import HOME, NEEDS, Answer, Ec2, missing
from catalog_fetchers.ec2_hardware import CLOUD
from catalog_fetchers.rows import rows_of

NAME: Final = "aws_placement_scores"
FEWEST_TYPES: Final = 3
MOST_REGIONS: Final = 10
BEST_SCORE: Final = 10
HOLDS: Final = timedelta(hours=1)
"""How long a score says anything: it is that of the moment."""

Group = dict[str, list[str]]
"""The types of a group, and the regions in which each is sold on spot."""


class _Score(Answer):
    region: str
    score: float


class _Scores(Answer):
    spot_placement_scores: list[_Score]


def fetch(access: Access) -> Iterator[Page]:
    """The groups, and the scores of each in the regions that the account may use."""
    groups = groups_of(access.offers, access.instance_types)
    yield Page("groups", json.dumps(groups).encode())
    ec2 = Ec2(access)
    enabled = set(ec2.regions()) if groups else set()
    for number, group in enumerate(groups):
        regions = sorted({region for sold_in in group.values() for region in sold_in} & enabled)
        for first in range(0, len(regions), MOST_REGIONS):
            bodies = ec2.ask(
                HOME,
                "get_spot_placement_scores",
                InstanceTypes=sorted(group),
                TargetCapacity=1,
                RegionNames=regions[first : first + MOST_REGIONS],
            )
            yield from (Page(f"scores/{number}/{first}/{count}", body) for count, body in enumerate(bodies))


def groups_of(offers: pl.DataFrame, instance_types: pl.DataFrame) -> list[Group]:
    """The groups of types, large enough for a score, that the catalog (OFFERS, INSTANCE_TYPES) has on spot."""
    sold = offers.filter(cloud=CLOUD, purchase=Purchase.SPOT).select("instance_type", "region").unique()
    machines = instance_types.filter(pl.col("cloud") == CLOUD, pl.col("accelerator").is_not_null())
    kinds = machines.select("instance_type", "accelerator", "accelerator_count").unique("instance_type")
    beside = sold.join(kinds, on="instance_type").sort("accelerator", "accelerator_count", "instance_type", "region")
    groups: dict[tuple[str, float], Group] = {}
    for name, region, model, count in beside.rows():
        groups.setdefault((model, count), {}).setdefault(name, []).append(region)
    return [group for group in groups.values() if len(group) >= FEWEST_TYPES]


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """OBSERVATIONS by region: the score of its group for each type."""
    bodies = {page.name: page.body for page in pages}
    groups = read_as(list[Group], bodies.pop("groups"), "groups")
    return {
        OBSERVATIONS.name: rows_of(
            OBSERVATIONS,
            _observations(bodies, groups, observed_at + HOLDS),
            source=NAME,
            observed_at=observed_at,
            confidence=Confidence.HIGH,
        )
    }


def _observations(bodies: Mapping[str, bytes], groups: list[Group], expires_at: datetime) -> Iterator[dict[str, Any]]:
    for page_name, body in bodies.items():
        group = groups[int(page_name.split("/")[1])]
        for score in read_as(_Scores, body, "placement scores").spot_placement_scores:
            for name, sold_in in group.items():
                if score.region in sold_in:
                    yield {
                        "cloud": CLOUD,
                        "region": score.region,
                        "instance_type": name,
                        "purchase": Purchase.SPOT,
                        "signal": Signal.PLACEMENT_SCORE,
                        "level": score.score / BEST_SCORE,
                        "expires_at": expires_at,
                    }


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="spot placement scores of accelerator types",
    page="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-placement-score.html",
    needs=f"{NEEDS}; AWS limits the number of questions a day",
    missing=missing,
    fetch=fetch,
    parse=parse,
    turn=1,
    per_second=1,
    asked_for=True,
)
