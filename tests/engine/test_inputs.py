"""What bringing data to a task costs and takes: from outside the workload, and from one task to another."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from engine.alike import find_all
from engine.inputs import cloud_of, home_of, with_inputs
from engine.instance import instance_of
from engine.transfers import transfers
from engine.workload import Edge, Task, Workload
from tests.kits.market import flat_rates, market, offer

PLACES = ("aws:us-east-1", "aws:us-west-2", "gcp:us-central1")
OFFERS = tuple(offer(cloud, region, "m", 1.0) for cloud, region in (name.split(":") for name in PLACES))
MARKET = market(OFFERS, egress=flat_rates(0.09, PLACES))
HOUR_OF_LINK_GB = 5 * 3600 / 8
"""What passes through the default link within a continent, 5 Gbit/s, in an hour."""


def brought(inputs: dict[str, float], num_nodes: int = 1, **tables: Any) -> tuple[list[tuple[Any, ...]], list[str]]:
    """By place what the inputs cost and when they are there, and what had to be assumed."""
    placed = pl.DataFrame({"cloud": [name.split(":")[0] for name in PLACES], "place": PLACES})
    known = market(OFFERS, **tables) if tables else MARKET
    frame, assumptions = with_inputs(placed, Task("t", num_nodes=num_nodes, inputs=inputs), known)
    return frame.select("place", "input_usd", "input_h").rows(), assumptions


@pytest.mark.parametrize(
    ("url", "cloud"),
    [
        ("s3://a/b", "aws"),
        ("gs://a", "gcp"),
        ("azure://a", "azure"),
        ("az://a", "azure"),
        ("file:///a", None),
        ("a", None),
    ],
)
def test_a_bucket_lies_in_the_cloud_of_its_url(url: str, cloud: str | None) -> None:
    """Nothing is known of other addresses."""
    assert cloud_of(url) == cloud


def test_a_bucket_leaves_its_cloud_from_one_region() -> None:
    """The usual one of each."""
    assert [home_of(cloud) for cloud in ("aws", "gcp", "azure")] == ["aws:us-east-1", "gcp:us-central1", "azure:eastus"]


def test_within_its_cloud_a_bucket_is_taken_to_be_where_the_task_is() -> None:
    """Which is said; elsewhere the rate and the throughput from its usual region hold."""
    rows, assumptions = brought({"s3://data": HOUR_OF_LINK_GB})
    assert rows == [
        ("aws:us-east-1", 0.0, 0.0),
        ("aws:us-west-2", 0.0, 0.0),
        ("gcp:us-central1", pytest.approx(0.09 * HOUR_OF_LINK_GB), pytest.approx(1.0)),
    ]
    assert assumptions == [
        "s3://data is taken to lie where the task runs if that is aws, else in aws:us-east-1",
    ]


def test_each_node_fetches_its_share() -> None:
    """Four nodes are done in a quarter of the time, at the same cost."""
    (one, _), (four, _) = (brought({"s3://data": HOUR_OF_LINK_GB}, nodes) for nodes in (1, 4))
    assert [row[:2] for row in four] == [row[:2] for row in one]
    assert four[-1][-1] == pytest.approx(one[-1][-1] / 4)


def test_inputs_of_several_clouds_arrive_side_by_side() -> None:
    """Each place waits for the one that comes from elsewhere."""
    rows, _ = brought({"s3://data": HOUR_OF_LINK_GB, "gs://more": 2 * HOUR_OF_LINK_GB, "gs://empty": 0.0})
    assert [row[2] for row in rows] == pytest.approx([2.0, 2.0, 1.0])


def test_what_is_not_known_of_an_input_counts_as_nothing_and_is_said() -> None:
    """Where it lies, or what moving it costs; of nothing that is 0 GB a word is lost."""
    rows, assumptions = brought({"file:///here": 5.0, "file:///empty": 0.0})
    assert {row[1:] for row in rows} == {(0.0, 0.0)}
    assert assumptions == ["where file:///here lies is not known; moving it is taken to be free"]
    rows, assumptions = brought({"gs://data": HOUR_OF_LINK_GB}, egress=[])
    assert [row[1] for row in rows] == [0.0, 0.0, 0.0]
    assert [row[2] for row in rows] == pytest.approx([1.0, 1.0, 0.0])
    assert assumptions[1:] == [
        "what moving gs://data costs or takes is not known for 2 of the places where it could run; the most is taken"
    ]


def test_machines_side_by_side_are_faster_and_cost_the_same() -> None:
    """As many times as there are of them."""
    one, three = (transfers(MARKET, 100.0, PLACES, PLACES, streams=streams) for streams in (1, 3))
    assert three["egress_usd"].equals(one["egress_usd"])
    assert three["transfer_h"].to_list() == pytest.approx((one["transfer_h"] / 3).to_list())


@pytest.mark.parametrize(("nodes", "streams"), [((1, 1), 1), ((4, 1), 1), ((1, 4), 1), ((4, 2), 2), ((3, 4), 3)])
def test_data_is_handed_over_by_the_nodes_of_the_smaller_end(nodes: tuple[int, int], streams: int) -> None:
    """One to one; edges that move as much by as many share what that takes."""
    tasks = (*(Task(name, num_nodes=number) for name, number in zip("ab", nodes, strict=True)), Task("c"))
    edges = (Edge("a", "b", HOUR_OF_LINK_GB), Edge("a", "b", HOUR_OF_LINK_GB), Edge("b", "c", HOUR_OF_LINK_GB))
    workload = Workload("w", tasks, edges)
    first, second, last = instance_of(workload, find_all(workload, MARKET), MARKET).problem.edges
    assert first.transfer_h.max() == pytest.approx(1 / streams)
    assert (first.egress_usd.max(), last.transfer_h.max()) == pytest.approx((0.09 * HOUR_OF_LINK_GB, 1.0))
    assert first.matrices == second.matrices
    assert (first.matrices == last.matrices) is (streams == 1)
