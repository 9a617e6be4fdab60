"""`resources` as written -> the requirements that it stands for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from catalog_data.schema import Purchase
from engine.workload import DEFAULT_PURCHASES, AcceleratorRequest, Range, Requirement
from engine.workload_errors import InvalidValueError
from engine.workload_resources import MAX_ALTERNATIVES, expand_resources
from engine.workload_schema import WrittenResources
from engine.workload_validation import validate


def expand(text: str) -> tuple[tuple[Requirement, ...], bool]:
    """The requirements of a YAML text, and whether they are ordered."""
    written: dict[str, Any] = yaml.safe_load(text)
    return expand_resources(validate(WrittenResources, written))


def one(text: str) -> Requirement:
    """The only requirement of a text."""
    (requirement,), _ = expand(text)
    return requirement


def fault_of(text: str) -> tuple[tuple[str | int, ...], str]:
    """Where and why a text contradicts itself."""
    with pytest.raises(InvalidValueError) as caught:
        expand(text)
    (fault,) = caught.value.faults
    return fault.path, fault.message


def test_nothing_asked() -> None:
    """Without resources anything will do, bought on demand."""
    assert expand_resources(None) == ((Requirement(),), False)
    assert Requirement().purchases == (Purchase.ON_DEMAND, Purchase.OWNED)


def test_all_fields() -> None:
    """Each field ends up where the engine or the executor looks for it."""
    text = """
        infra: aws/us-east-1/us-east-1a
        instance_type: p5.48xlarge
        accelerators: H100:8
        accelerator_args: {runtime_version: v2}
        cpus: 64+
        memory: 1TB+
        arch: amd64
        use_spot: true
        max_hourly_cost: $40
        disk_size: 1TB
        disk_tier: BEST
        local_disk: nvme:1000+
        network_tier: best
        image_id: docker:ubuntu
        ports: [8080, 9000-9010]
        labels: {team: 7}
        autostop: 10m
        job_recovery: {max_restarts_on_errors: 3}
        volumes: [{name: v}]
        priority: 5
        priority_class: high
    """
    assert one(text) == Requirement(
        cloud="aws",
        region="us-east-1",
        zone="us-east-1a",
        instance_type="p5.48xlarge",
        accelerator=AcceleratorRequest("H100", 8.0),
        vcpus=Range(64.0),
        memory_gib=Range(1024.0),
        arch="x86_64",
        purchases=(Purchase.SPOT,),
        disk_gib=1024.0,
        max_hourly_cost=40.0,
        image_id="docker:ubuntu",
        ports=("8080", "9000-9010"),
        disk_tier="best",
        network_tier="best",
        local_disk="nvme:1000+",
        priority=5,
        priority_class="high",
        accelerator_args={"runtime_version": "v2"},
        autostop="10m",
        job_recovery={"max_restarts_on_errors": 3},
        labels={"team": "7"},
        volumes=({"name": "v"},),
    )


def test_null_is_unset() -> None:
    """A field without a value is a field that is not there."""
    assert one("{accelerators: null, cloud: , use_spot: ~, any_of: null, labels: , cpus: null}") == Requirement()


@pytest.mark.parametrize("written", ["true", "false", "10", "2h", "{idle_minutes: 5, down: true}"])
def test_autostop(written: str) -> None:
    """`autostop` is carried as it is written."""
    assert one(f"autostop: {written}").autostop == yaml.safe_load(written)


def test_memory_by_vcpu() -> None:
    """`4x` is a ratio, and no amount."""
    requirement = one("{cpus: 4+, memory: 4x}")
    assert requirement.memory_gib is None
    assert requirement.memory_gib_per_vcpu == 4.0


def test_default_disk_tier() -> None:
    """`none` asks for the default tier, as leaving it out does."""
    assert one("disk_tier: none") == Requirement()


@pytest.mark.parametrize(
    ("text", "purchases"),
    [
        ("use_spot: true", "spot"),
        ("use_spot: false", "on_demand owned"),
        ("purchase: spot", "spot"),
        ("purchase: On-Demand", "on_demand"),
        ("purchase: [spot, on_demand, spot]", "spot on_demand"),
        ("purchase: any", "on_demand spot owned"),
        ("purchase: [capacity_block, any]", "capacity_block on_demand spot owned"),
        ("{use_spot: true, purchase: spot}", "spot"),
        ("{use_spot: false, purchase: [on_demand, reserved_1y]}", "on_demand reserved_1y"),
    ],
)
def test_ways_to_buy(text: str, purchases: str) -> None:
    """`use_spot` is SkyPilot's word, `purchase` ours, and together they must agree."""
    assert one(text).purchases == tuple(Purchase(word) for word in purchases.split())


@pytest.mark.parametrize(
    "text",
    [
        "{use_spot: true, purchase: on_demand}",
        "{use_spot: true, purchase: [spot, on_demand]}",
        "{use_spot: false, purchase: spot}",
        "{use_spot: false, purchase: any}",
    ],
)
def test_ways_to_buy_that_contradict(text: str) -> None:
    """`use_spot: true` means spot alone, `use_spot: false` anything but spot."""
    path, message = fault_of(text)
    assert path == ("use_spot",)
    assert "contradicts purchase" in message


def test_alternatives_inherit_and_override() -> None:
    """An alternative has the fields beside it, except those that it gives itself; labels are joined."""
    requirements, ordered = expand(
        """
        accelerators: A100:8
        use_spot: true
        labels: {a: x, b: x}
        any_of:
          - {infra: aws, labels: {b: y}}
          - {infra: gcp, use_spot: false, accelerators: H100:8}
        """
    )
    first, second = requirements
    assert (first.cloud, str(first.accelerator), first.purchases) == ("aws", "A100:8", (Purchase.SPOT,))
    assert (second.cloud, str(second.accelerator), second.purchases) == ("gcp", "H100:8", DEFAULT_PURCHASES)
    assert first.labels == {"a": "x", "b": "y"}
    assert second.labels == {"a": "x", "b": "x"}
    assert not ordered


def test_null_in_an_alternative_clears() -> None:
    """An alternative can do without what stands beside it."""
    with_gpu, without = expand("{accelerators: T4, any_of: [{cpus: 4}, {accelerators: null, cpus: 64}]}")[0]
    assert with_gpu.accelerator == AcceleratorRequest("T4", 1.0)
    assert without.accelerator is None


@pytest.mark.parametrize(
    ("outer", "inner", "place"),
    [
        ("infra: aws/us-east-1/us-east-1a", "infra: gcp", ("gcp", None, None)),
        ("infra: aws/us-east-1/us-east-1a", "cloud: gcp", ("gcp", None, None)),
        ("infra: aws/us-east-1/us-east-1a", "region: us-west-2", ("aws", "us-west-2", None)),
        ("infra: aws/us-east-1/us-east-1a", "zone: us-east-1b", ("aws", "us-east-1", "us-east-1b")),
        ("infra: aws/us-east-1/us-east-1a", "cloud: AWS", ("aws", "us-east-1", "us-east-1a")),
        ("cloud: aws", "region: us-west-2", ("aws", "us-west-2", None)),
        ("region: us-east-1", "cloud: aws", ("aws", None, None)),
        ("infra: aws", "infra: '*'", (None, None, None)),
    ],
)
def test_places_inherit_downwards(outer: str, inner: str, place: tuple[str | None, ...]) -> None:
    """An alternative on another cloud does not inherit a region, and in another region no zone."""
    requirement = one(f"{{{outer}, any_of: [{{{inner}}}]}}")
    assert (requirement.cloud, requirement.region, requirement.zone) == place


def test_places_have_one_spelling() -> None:
    """Fields by themselves are spelt as in `infra`: case is folded, and a zone that stands as the region is a zone."""
    apart = one("{cloud: aws, region: US-EAST-1A, image_id: {us-east-1: ami-1}}")
    assert (apart.region, apart.zone, apart.image_id) == ("us-east-1", "us-east-1a", "ami-1")
    assert one("{cloud: aws, region: US-EAST-1A}") == one("{infra: AWS/us-east-1a}")


def test_accelerators_multiply_with_alternatives() -> None:
    """Every accelerator is an alternative within every alternative, and equal ones are one."""
    requirements, _ = expand("{accelerators: {L4: 1, T4: 1}, any_of: [{use_spot: true}, {use_spot: false}, {}]}")
    assert [(str(each.accelerator), each.purchases[0].value) for each in requirements] == [
        ("L4:1", "spot"),
        ("T4:1", "spot"),
        ("L4:1", "on_demand"),
        ("T4:1", "on_demand"),
    ]


def test_order_is_a_preference_where_it_is_written_as_one() -> None:
    """`ordered` and lists of accelerators are in order of preference; `any_of` and mappings are not."""
    assert expand("{ordered: [{infra: aws}, {infra: gcp}]}")[1]
    assert expand("accelerators: [L4, T4]")[1]
    assert expand("{accelerators: {L4: 1, T4: 1}, ordered: [{infra: aws}]}")[1]
    assert not expand("{any_of: [{infra: aws}, {infra: gcp}]}")[1]
    assert not expand("accelerators: {L4: 1, T4: 1}")[1]


def test_old_names() -> None:
    """`gpus`, `candidates` and `spot_recovery` are read as what they are called now."""
    requirements, _ = expand("{gpus: T4, spot_recovery: failover, candidates: [{infra: aws}, {gpus: L4}]}")
    assert [str(each.accelerator) for each in requirements] == ["T4:1", "L4:1"]
    assert {each.job_recovery for each in requirements} == {"failover"}


def test_images_by_region_allow_those_regions() -> None:
    """A mapping of images is one alternative for each of its regions, unless the region is given."""
    requirements, _ = expand("{infra: aws, image_id: {us-east-1: ami-1, us-west-2: ami-2}}")
    assert [(each.region, each.image_id) for each in requirements] == [("us-east-1", "ami-1"), ("us-west-2", "ami-2")]
    assert one("{infra: aws/us-west-2, image_id: {us-east-1: ami-1, us-west-2: ami-2}}").image_id == "ami-2"
    assert fault_of("{infra: aws/eu-west-1, image_id: {us-east-1: ami-1}}") == (
        ("image_id",),
        "has no image for the region eu-west-1",
    )


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{infra: aws, cloud: aws}", ("cloud",), "cloud and infra cannot stand together"),
        ("{infra: aws, zone: us-east-1a}", ("zone",), "zone and infra cannot stand together"),
        ("{gpus: T4, accelerators: L4}", ("gpus",), "is another name of accelerators, which is given too"),
        ("{any_of: [{}], ordered: [{}]}", ("ordered",), "any_of and ordered cannot stand together"),
        ("{any_of: []}", ("any_of",), "lists no alternative"),
        (
            "{accelerators: [L4, T4], any_of: [{infra: aws}]}",
            ("any_of",),
            "a list of accelerators is an order of preference, which any_of has not",
        ),
        ("{any_of: [{}, {infra: aws, region: x}]}", ("any_of", 1, "region"), "region and infra cannot stand together"),
    ],
)
def test_fields_that_contradict(text: str, path: tuple[str | int, ...], message: str) -> None:
    """What cannot stand together is named where it stands."""
    assert fault_of(text) == (path, message)


def test_alternatives_are_bounded() -> None:
    """A product of alternatives is refused before it is written out."""
    accelerators = ", ".join(f"'H100:{count}'" for count in range(1, 101))
    alternatives = ", ".join(["{cpus: 4}"] * 100)
    path, message = fault_of(f"{{accelerators: {{{accelerators}}}, any_of: [{alternatives}]}}")
    assert path == ()
    assert message == f"stands for more than {MAX_ALTERNATIVES} alternatives"
