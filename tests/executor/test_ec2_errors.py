"""Every refusal of EC2's as the executor sees it: sent by the testbed, read through libcloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES as REAL_TYPES

from catalog_data.schema import Purchase
from executor.drivers.ec2 import Ec2Driver
from executor.drivers.ec2_errors import Ec2Refusal, quota_bucket, refusal_error
from executor.errors import (
    AuthFailedError,
    BadRequestError,
    DriverError,
    ExcludingError,
    NoCapacityError,
    PriceTooLowError,
    QuotaExceededError,
    Scope,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)
from executor.machines import NodesRequest, Place
from tests.kits.driver_conformance import PUBLIC_KEY
from tests.kits.ec2_testbed import Ec2Testbed, Trouble

REGION, ZONE = "us-east-1", "us-east-1b"
SPOT = Place("aws", REGION, ZONE, "g4dn.xlarge", Purchase.SPOT)
ON_DEMAND = replace(SPOT, purchase=Purchase.ON_DEMAND)
MACHINE = frozenset({"g4dn.xlarge"})
G_AND_VT = frozenset(
    name for name in REAL_TYPES if name.startswith(("g3", "g4", "g5", "g6", "g7", "gr", "vt1", "g2", "g1"))
)

THERE = Scope("aws", REGION, ZONE, MACHINE, Purchase.SPOT)
THERE_HOWEVER_BOUGHT = replace(THERE, purchase=None)
IN_REGION = Scope("aws", REGION, None, MACHINE)
IN_ZONE = Scope("aws", REGION, ZONE)
ALL_OF_REGION = Scope("aws", REGION)
ACCOUNT = Scope("aws")

EXCLUDING: list[tuple[str, int, type[ExcludingError], Scope]] = [
    ("InsufficientInstanceCapacity", 500, NoCapacityError, THERE),
    ("UnfulfillableCapacity", 500, NoCapacityError, THERE),
    ("InsufficientVolumeCapacity", 500, NoCapacityError, IN_ZONE),
    ("SpotMaxPriceTooLow", 400, PriceTooLowError, THERE),
    ("InsufficientFreeAddressesInSubnet", 400, QuotaExceededError, IN_ZONE),
    ("VolumeLimitExceeded", 400, QuotaExceededError, ALL_OF_REGION),
    ("Unsupported", 400, UnsupportedError, THERE_HOWEVER_BOUGHT),
    ("InvalidInstanceType.NotFound", 400, UnsupportedError, IN_REGION),
    ("VPCIdNotSpecified", 400, AuthFailedError, ALL_OF_REGION),
    ("AuthFailure", 401, AuthFailedError, ALL_OF_REGION),
    ("OptInRequired", 401, AuthFailedError, ALL_OF_REGION),
    ("InvalidClientTokenId", 403, AuthFailedError, ACCOUNT),
    ("SignatureDoesNotMatch", 403, AuthFailedError, ACCOUNT),
    ("ExpiredToken", 400, AuthFailedError, ACCOUNT),
    ("RequestExpired", 400, AuthFailedError, ACCOUNT),
    ("UnauthorizedOperation", 403, AuthFailedError, ACCOUNT),
    ("PendingVerification", 400, AuthFailedError, ACCOUNT),
]
OTHERS: list[tuple[str, int, type[DriverError]]] = [
    ("RequestLimitExceeded", 503, TransientError),
    ("Unavailable", 503, TransientError),
    ("InternalError", 500, UnknownOutcomeError),
    ("NobodyHasHeardOfIt", 500, UnknownOutcomeError),
    ("InvalidAMIID.NotFound", 400, BadRequestError),
    ("InvalidParameterValue", 400, BadRequestError),
    ("InvalidKeyPair.NotFound", 400, BadRequestError),
    ("NobodyHasHeardOfIt", 400, BadRequestError),
]


def refused(aws: Ec2Testbed, code: str, status: int, place: Place = SPOT, message: str = "Some: text") -> DriverError:
    """The error that a refusal to make two nodes becomes, after which none may be left."""
    driver = Ec2Driver(Path("id"), Path("hosts"), endpoint=aws.endpoint, instance_types=frozenset(REAL_TYPES))
    request = NodesRequest(
        token="t-1", owner="o", deployment="d", task="t", count=2, place=place, public_key=PUBLIC_KEY
    )
    aws.refuse(code, status, message=message)
    with pytest.raises(DriverError) as caught:
        driver.create(request)
    assert len(aws.sent("RunInstances")) == 1
    assert aws.instances(REGION) == []
    return caught.value


@pytest.mark.parametrize(("code", "status", "error", "excludes"), EXCLUDING, ids=lambda given: str(given)[:40])
def test_what_excludes_places(
    aws: Ec2Testbed, code: str, status: int, error: type[ExcludingError], excludes: Scope
) -> None:
    """The code decides the type, and how wide it reaches; the place itself is always within."""
    raised = refused(aws, code, status)
    assert type(raised) is error
    assert isinstance(raised, ExcludingError)
    assert raised.excludes == excludes
    assert raised.excludes.covers(SPOT)
    assert code in str(raised)


@pytest.mark.parametrize(("code", "status", "error"), OTHERS)
def test_what_excludes_none(aws: Ec2Testbed, code: str, status: int, error: type[DriverError]) -> None:
    """A server's fault leaves it open whether nodes were made, unless the code says that nothing was done."""
    assert type(refused(aws, code, status)) is error


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"])
@pytest.mark.parametrize("place", [SPOT, ON_DEMAND], ids=str)
def test_a_quota_is_of_a_family_and_a_market(aws: Ec2Testbed, code: str, place: Place) -> None:
    """All types that share the quota are out, in all zones of the region, and for this way to buy alone."""
    raised = refused(aws, code, 400, place)
    assert isinstance(raised, QuotaExceededError)
    assert raised.excludes == Scope("aws", REGION, None, G_AND_VT, place.purchase)
    assert raised.excludes.covers(replace(place, zone="us-east-1f", instance_type="g6.xlarge"))


def test_a_type_that_the_cloud_does_not_sell_is_its_own_refusal(aws: Ec2Testbed) -> None:
    """moto's own validation says so, without being arranged."""
    driver = Ec2Driver(Path("id"), Path("hosts"), endpoint=aws.endpoint)
    place = replace(SPOT, instance_type="c99.large")
    request = NodesRequest(
        token="t-1", owner="o", deployment="d", task="t", count=1, place=place, public_key=PUBLIC_KEY
    )
    with pytest.raises(UnsupportedError) as caught:
        driver.create(request)
    assert caught.value.excludes == replace(IN_REGION, instance_types=frozenset({"c99.large"}))


def test_an_error_of_the_server_while_listing_is_transient(aws: Ec2Testbed) -> None:
    """Nothing is done by a list: it can be asked for again."""
    driver = Ec2Driver(Path("id"), Path("hosts"), endpoint=aws.endpoint)
    for trouble in (Trouble("DescribeInstances", "InternalError", 500), Trouble("DescribeInstances", "Odd", 503)):
        aws.troubles.append(trouble)
        with pytest.raises(TransientError):
            driver.nodes("o", [REGION])


def test_a_third_element_of_an_error_is_no_trouble(aws: Ec2Testbed) -> None:
    """EC2 may say more than a code and a message."""
    error = "<Error><Code>VcpuLimitExceeded</Code><Message>no</Message><Detail>more</Detail></Error>"
    body = f"<Response><Errors>{error}</Errors></Response>".encode()
    aws.troubles.append(Trouble("DescribeInstances", status=400, body=body))
    with pytest.raises(QuotaExceededError):
        Ec2Driver(Path("id"), Path("hosts"), endpoint=aws.endpoint).nodes("o", [REGION])


@pytest.mark.parametrize(
    ("purchase", "one", "others", "not_those"),
    [
        (
            Purchase.ON_DEMAND,
            "m5.large",
            "a1.large c5.large hs1.8xlarge im4gn.large is4gen.large z1d.12xlarge",
            "u7i.metal",
        ),
        (Purchase.SPOT, "t3.nano", "d2.xlarge h1.2xlarge r5.large t2.micro", "x1.32xlarge mac1.metal inf1.xlarge"),
        (Purchase.ON_DEMAND, "p5.48xlarge", "p2.xlarge p4d.24xlarge p5en.48xlarge p6-b200.48xlarge", "g5.xlarge"),
        (Purchase.SPOT, "p4d.24xlarge", "p2.xlarge p3.2xlarge p4de.24xlarge", "p5.48xlarge p5en.48xlarge"),
        (Purchase.SPOT, "p5.48xlarge", "p5e.48xlarge p5en.48xlarge", "p4d.24xlarge"),
        (Purchase.ON_DEMAND, "gr6.4xlarge", "g4dn.xlarge g5g.xlarge vt1.3xlarge", "m5.large"),
        (Purchase.ON_DEMAND, "trn1.2xlarge", "trn2.48xlarge", "t3.nano"),
        (Purchase.ON_DEMAND, "dl1.24xlarge", "dl2q.24xlarge", "d2.xlarge"),
        (Purchase.ON_DEMAND, "hpc7g.4xlarge", "hpc6a.48xlarge", "h1.2xlarge"),
        (Purchase.ON_DEMAND, "u-6tb1.metal", "u7i-12tb.224xlarge", "x2idn.metal"),
        (Purchase.ON_DEMAND, "f1.2xlarge", "f2.6xlarge", "m5.large"),
    ],
)
def test_quota_buckets(purchase: Purchase, one: str, others: str, not_those: str) -> None:
    """The types that AWS counts together."""
    asked = Scope("aws", REGION, ZONE, frozenset({one}), purchase)
    bucket = quota_bucket(asked, [*others.split(), *not_those.split()])
    assert bucket == {one, *others.split()}


def test_the_text_is_one_line_for_a_terminal() -> None:
    """What a cloud says is shown without what could move a cursor, and not at any length."""
    said = Ec2Refusal("InvalidParameterValue", "one\r\ntwo\x1b[2J\tthree " + "x" * 1000, 400)
    text = str(refusal_error(said, ACCOUNT, [], creates=True))
    assert text.startswith("aws: InvalidParameterValue: one two [2J three xxx")
    assert text.isprintable()
    assert len(text) < 400
