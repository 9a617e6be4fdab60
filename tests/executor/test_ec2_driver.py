"""The EC2 driver against moto's API: what it asks for, what it makes of the answers, and what it leaves behind."""

from __future__ import annotations

import base64
import os
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.ec2.models.instance_types import INSTANCE_TYPES as REAL_TYPES

from catalog_data.schema import Purchase
from executor.drivers import ec2
from executor.drivers.ec2 import Ec2Driver
from executor.drivers.ec2_api import Endpoint, aws_endpoint
from executor.errors import (
    AuthFailedError,
    BadRequestError,
    DriverError,
    NoCapacityError,
    Scope,
    TransientError,
    UnknownOutcomeError,
    UnreachableError,
    UnsupportedError,
)
from executor.machines import NodesRequest, NodeState, Place
from tests.kits.driver_conformance import CHECKS, OWNER, PUBLIC_KEY, Check, Testbed
from tests.kits.ec2_testbed import SECRET_KEY, SESSION_TOKEN, Ec2Testbed, Trouble

REGION = "us-east-1"
ON_DEMAND = Place("aws", REGION, f"{REGION}a", "c5.large", Purchase.ON_DEMAND)
SPOT = replace(ON_DEMAND, purchase=Purchase.SPOT)


@pytest.fixture
def make(aws: Ec2Testbed, tmp_path: Path) -> Callable[..., Ec2Driver]:
    """A driver of that server, with what else is said of it."""

    def made(**options: Any) -> Ec2Driver:
        return Ec2Driver(tmp_path / "id", tmp_path / "hosts", **{"endpoint": aws.endpoint, **options})

    return made


@pytest.fixture
def driver(make: Callable[..., Ec2Driver]) -> Ec2Driver:
    """A driver of that server."""
    return make()


def request(token: str = "t-1", place: Place = ON_DEMAND, **more: Any) -> NodesRequest:
    """One node for a task."""
    asked = {"owner": OWNER, "deployment": "d-1", "task": "train", "count": 1, "public_key": PUBLIC_KEY}
    return NodesRequest(token=token, place=place, **{**asked, **more})


def test_lists_are_not_empty(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """What was made is listed: an empty list would pass for anything."""
    driver.create(request(count=2))
    assert len(driver.nodes(OWNER, [REGION])) == 2
    assert len(aws.instances(REGION)) == 2


@pytest.mark.parametrize("check", CHECKS)
def test_ec2_keeps_to_what_every_driver_does(check: Check, aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """The conformance kit."""

    def no_capacity(asked: NodesRequest) -> None:
        aws.machines[asked.place.zone, asked.place.instance_type, "on-demand"] = 0

    def lose_answer() -> None:
        aws.troubles.append(Trouble("RunInstances", answer_lost=True))

    check(Testbed(driver=driver, place=ON_DEMAND, no_capacity=no_capacity, lose_answer=lose_answer))


def test_the_request_says_all_that_was_asked_for(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """All or none, in the zone, with the token, ending with their last shutdown, disks included."""
    driver.create(request(count=3, disk_gib=40.5, labels={"team": "a b"}))
    form = aws.sent("RunInstances")[0].form
    tags = {form[f"TagSpecification.1.Tag.{n}.Key"]: form[f"TagSpecification.1.Tag.{n}.Value"] for n in range(1, 8)}
    assert (form["MinCount"], form["MaxCount"], form["ClientToken"]) == ("3", "3", "t-1")
    assert (form["InstanceType"], form["Placement.AvailabilityZone"]) == ("c5.large", f"{REGION}a")
    assert form["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert form["MetadataOptions.HttpTokens"] == "required"
    assert form["BlockDeviceMapping.1.Ebs.VolumeSize"] == "41"
    assert not any(name.startswith("InstanceMarketOptions") for name in form)
    assert tags.pop("skybroker:host-key").startswith("ssh-ed25519 ")
    assert tags == {
        "Name": "d-1 train",
        "team": "a b",
        "skybroker:owner": OWNER,
        "skybroker:deployment": "d-1",
        "skybroker:task": "train",
        "skybroker:token": "t-1",
    }


def test_spot_takes_the_highest_price(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Spot is asked for once, ends when it is interrupted, and costs no more than is said."""
    (node,) = driver.create(request(place=SPOT, max_price_usd_h=0.0375))
    form = aws.sent("RunInstances")[0].form
    options = {name.rpartition(".")[2]: form[name] for name in form if name.startswith("InstanceMarketOptions.SpotOpt")}
    assert form["InstanceMarketOptions.MarketType"] == "spot"
    assert options == {
        "SpotInstanceType": "one-time",
        "InstanceInterruptionBehavior": "terminate",
        "MaxPrice": "0.037500",
    }
    assert node.place == SPOT
    assert [one.place for one in driver.nodes(OWNER, [REGION])] == [SPOT]


def test_the_cloud_may_choose_the_zone(driver: Ec2Driver) -> None:
    """Without a zone in the request, the node says where it came to be."""
    (node,) = driver.create(request(place=replace(ON_DEMAND, zone=None)))
    assert node.place.zone is not None
    assert node.place.zone.startswith(REGION)


def test_the_host_key_is_pinned_before_the_node_exists(aws: Ec2Testbed, driver: Ec2Driver, tmp_path: Path) -> None:
    """The node gets the private half of the key whose public half is its tag; nobody else is told."""
    driver.create(request(max_hours=2))
    form = aws.sent("RunInstances")[0].form
    config = yaml.safe_load(base64.b64decode(form["UserData"]))
    assert base64.b64decode(form["UserData"]).startswith(b"#cloud-config\n")
    private = tmp_path / "host_key"
    private.touch(mode=0o600)
    private.write_text(config["ssh_keys"]["ed25519_private"])
    public = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, check=True, text=True).stdout
    (node,) = driver.nodes(OWNER, [REGION])
    assert node.host_key is not None
    assert node.host_key.split()[:2] == public.split()[:2]
    assert config["ssh_keys"]["ed25519_public"] == node.host_key
    assert config["users"][0]["ssh_authorized_keys"] == [PUBLIC_KEY]
    assert "PRIVATE" not in "".join(value for name, value in form.items() if name != "UserData")


def test_a_node_ends_by_itself(aws: Ec2Testbed, driver: Ec2Driver, tmp_path: Path) -> None:
    """At each boot the node plans its shutdown for what is left of its hours; none is left after them."""
    driver.create(request(max_hours=2))
    config = yaml.safe_load(base64.b64decode(aws.sent("RunInstances")[0].form["UserData"]))
    ends_at, planned = tmp_path / "ends-at", tmp_path / "planned"
    (tmp_path / "shutdown").write_text(f'#!/bin/sh\necho "$@" >> {planned}\n')
    (tmp_path / "shutdown").chmod(0o755)
    script = config["write_files"][0]["content"].replace("/var/lib/skybroker-ends-at", str(ends_at))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for left_s in (None, 3630, -60):
        if left_s is not None:
            ends_at.write_text(str(int(ends_at.stat().st_mtime) + left_s))
        subprocess.run(["sh", "-c", script], env=environment, check=True)
    first, *later = planned.read_text().splitlines()
    assert first in {"-P +120", "-P +119"}
    assert later == ["-P +60", "-P +0"]


def test_a_node_may_run_on(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Without a limit nothing shuts it down."""
    driver.create(request())
    assert "write_files" not in yaml.safe_load(base64.b64decode(aws.sent("RunInstances")[0].form["UserData"]))


def test_disks_end_with_their_node(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """The image would have kept its disk; the node does not, and a disk is never smaller than the image's."""
    nodes = driver.create(request(count=2, disk_gib=1))
    assert [(volume.size, volume.status) for volume in aws.volumes(REGION)] == [(15, "in-use")] * 2
    driver.destroy(nodes)
    assert aws.volumes(REGION) == []


def test_one_security_group_for_all(aws: Ec2Testbed, make: Callable[..., Ec2Driver]) -> None:
    """It lets SSH in and its members reach each other; whoever comes later finds it, and mends it."""
    make().create(request())
    make().create(request("t-2"))
    (group,) = [one for one in aws.groups(REGION) if one.name == "skybroker"]
    ssh, inner = group.ingress_rules
    assert (ssh.ip_protocol, ssh.from_port, ssh.to_port) == ("tcp", 22, 22)
    assert (inner.ip_protocol, inner.source_group["GroupId"]) == ("-1", group.id)
    assert len(aws.sent("CreateSecurityGroup")) == 1
    group.ingress_rules.remove(inner)
    make().create(request("t-3"))
    assert len(group.ingress_rules) == 2
    assert {one.security_groups[0].id for one in aws.instances(REGION)} == {group.id}


def test_a_group_that_another_makes_meanwhile_will_do(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """That it was not there, and is when it is to be made, is no error."""
    driver.create(request())
    aws.troubles.append(Trouble("DescribeSecurityGroups", "InvalidGroup.NotFound"))
    Ec2Driver(Path("id"), Path("hosts"), endpoint=aws.endpoint).create(request("t-2"))
    assert len([one for one in aws.groups(REGION) if one.name == "skybroker"]) == 1
    assert len(aws.instances(REGION)) == 2


@pytest.mark.parametrize(("instance_type", "suffix"), [("c5.large", "amd64"), ("c6g.large", "arm64")])
def test_the_default_image_is_the_newest_ubuntu(
    aws: Ec2Testbed, driver: Ec2Driver, instance_type: str, suffix: str
) -> None:
    """For the processor of the machine, and looked up once."""
    for token in ("t-1", "t-2"):
        driver.create(request(token, replace(ON_DEMAND, instance_type=instance_type)))
    names = {aws.instance(one.id, REGION).image_id for one in aws.instances(REGION)}
    (image,) = [one for one in aws.images(REGION) if one.id in names]
    assert image.name == f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{suffix}-server-20261101"
    assert len(aws.sent("DescribeImages")) == 1


def test_processors_are_told_by_the_name() -> None:
    """Over all instance types that AWS describes in moto's data, Apple's aside."""
    named = {name: ec2._architecture(name) for name in REAL_TYPES if not name.startswith("mac")}
    assert len(named) > 1000
    wrong = [
        name
        for name, architecture in named.items()
        if architecture not in REAL_TYPES[name]["ProcessorInfo"]["SupportedArchitectures"]
    ]
    assert wrong == []


def test_the_users_image_is_taken(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """An image by its own name; one that is not there is a wrong request, and nothing is made."""
    (image, *_) = aws.images(REGION)
    driver.create(request(image_id=image.id))
    assert aws.sent("RunInstances")[0].form["ImageId"] == image.id
    with pytest.raises(BadRequestError):
        driver.create(request("t-2", image_id="ami-00000000"))
    assert len(aws.instances(REGION)) == 1


def test_regions_that_libcloud_does_not_know(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """A new region is asked under its own name, and its nodes are listed there and nowhere else."""
    place = replace(ON_DEMAND, region="il-central-1", zone="il-central-1b")
    driver.create(request(place=place))
    assert {asked.region for asked in aws.seen} == {"il-central-1"}
    assert [node.place for node in driver.nodes(OWNER, [REGION, "il-central-1"])] == [place]
    assert driver.nodes(OWNER, [REGION]) == ()


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-central-2", "ec2.eu-central-2.amazonaws.com"), ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn")],
)
def test_every_region_has_its_own_address(region: str, host: str) -> None:
    """Over TLS, at the port that belongs to it."""
    assert aws_endpoint(region) == Endpoint(host, None, secure=True)


def test_lists_are_read_to_their_last_page(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Five requests' nodes come in three pages."""
    for n in range(5):
        driver.create(request(f"t-{n}"))
    aws.seen.clear()
    aws.page = 2
    assert len(driver.nodes(OWNER, [REGION])) == 5
    assert len(aws.sent("DescribeInstances")) == 3


def test_an_answer_that_is_lost_is_found_before_ec2_lists_it(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Nodes that are made, but not listed yet, are not made again: EC2 knows the token."""
    aws.troubles.append(Trouble("RunInstances", answer_lost=True))
    with pytest.raises(UnknownOutcomeError):
        driver.create(request(count=2))
    made = {one.id for one in aws.instances(REGION)}
    assert len(made) == 2
    aws.blind = 1
    assert {node.id for node in driver.create(request(count=2))} == made
    aws.blind = 2
    with pytest.raises(UnknownOutcomeError):
        driver.create(request(count=2))
    assert {one.id for one in aws.instances(REGION)} == made


def test_a_token_that_ec2_lists_is_not_sent_again(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Even if EC2 had forgotten the client token, the list of nodes has not."""
    made = driver.create(request(count=2))
    aws.tokens.clear()
    assert [node.id for node in driver.create(request(count=2))] == [node.id for node in made]
    assert len(aws.sent("RunInstances")) == 1


def test_a_request_that_is_lost_makes_nothing(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Nobody here can tell it from a lost answer; the list can."""
    aws.troubles.append(Trouble("RunInstances", lost=True))
    with pytest.raises(UnknownOutcomeError):
        driver.create(request())
    assert driver.nodes(OWNER, [REGION]) == ()
    driver.create(request())
    assert len(aws.instances(REGION)) == 1


def test_silence_ends(aws: Ec2Testbed, make: Callable[..., Ec2Driver]) -> None:
    """Without an answer, creating has an unknown outcome; lists and destroying can simply be tried again."""
    nodes = make().create(request())
    driver = make(timeout_s=0.1)
    for action in ("RunInstances", "DescribeInstances", "TerminateInstances"):
        aws.troubles.append(Trouble(action, hangs=True))
    with pytest.raises(TransientError):
        driver.nodes(OWNER, [REGION])
    with pytest.raises(UnknownOutcomeError):
        driver.create(request("t-2"))
    with pytest.raises(TransientError):
        driver.destroy(nodes)
    driver.destroy(nodes)
    assert aws.instances(REGION) == []


@pytest.mark.parametrize("action", ["DescribeInstances", "DescribeImages", "DescribeSecurityGroups"])
def test_trouble_before_anything_is_made_is_transient(aws: Ec2Testbed, driver: Ec2Driver, action: str) -> None:
    """What creating looks up first may fail without a doubt that nothing was made."""
    aws.troubles.append(Trouble(action, lost=True))
    with pytest.raises(TransientError):
        driver.create(request())
    assert aws.sent("RunInstances") == []


def test_a_request_that_was_never_sent_has_no_unknown_outcome(make: Callable[..., Ec2Driver]) -> None:
    """Where nobody listens, nothing is made."""
    driver = make(endpoint=Endpoint("127.0.0.1", 1, secure=False))
    with pytest.raises(TransientError):
        driver.create(request())


def test_throttling_is_waited_out_in_place(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """It excludes nothing, leaves nothing, and is not retried here."""
    aws.refuse("RequestLimitExceeded", 503)
    with pytest.raises(TransientError):
        driver.create(request())
    assert aws.instances(REGION) == []
    assert len(aws.sent("RunInstances")) == 1
    driver.create(request())
    assert len(aws.instances(REGION)) == 1


def test_libclouds_own_retries_stay_off(aws: Ec2Testbed, driver: Ec2Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the environment turns them on: only the caller knows what may be sent again."""
    monkeypatch.setenv("LIBCLOUD_RETRY_FAILED_HTTP_REQUESTS", "1")
    aws.troubles.append(Trouble("RunInstances", answer_lost=True))
    with pytest.raises(UnknownOutcomeError):
        driver.create(request())
    assert len(aws.sent("RunInstances")) == 1


def test_one_zone_is_empty_and_the_next_is_not(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """All nodes or none: two are left, three are asked for; the other zone and the other market have them."""
    aws.machines[f"{REGION}a", "c5.large", "spot"] = 2
    with pytest.raises(NoCapacityError) as caught:
        driver.create(request(place=SPOT, count=3))
    assert aws.instances(REGION) == []
    others = [replace(SPOT, zone=f"{REGION}b"), ON_DEMAND]
    for n, place in enumerate(others):
        assert not caught.value.excludes.covers(place)
        driver.create(request(f"t-{n}", place, count=3))
    driver.create(request("t-8", SPOT, count=2))
    assert len(aws.instances(REGION)) == 8


def test_a_node_that_is_taken_back_says_so(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """EC2's interruption is told from a node that we ended."""
    taken, ended = driver.create(request(place=SPOT, count=2))
    aws.take_back(taken.id, REGION)
    driver.destroy([ended])
    nodes = {node.id: node for node in driver.nodes(OWNER, [REGION])}
    assert {node.state for node in nodes.values()} == {NodeState.GONE}
    assert nodes[taken.id].taken_back
    assert nodes[taken.id].fault == "Server.SpotInstanceTermination: Spot instance termination"
    assert not nodes[ended.id].taken_back
    assert nodes[ended.id].fault == "Client.UserInitiatedShutdown: User initiated shutdown"


def test_spot_nodes_cannot_be_stopped(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """One among several stops none of them."""
    nodes = [*driver.create(request()), *driver.create(request("t-2", SPOT))]
    with pytest.raises(UnsupportedError) as caught:
        driver.stop(nodes)
    assert caught.value.excludes.covers(SPOT)
    assert not caught.value.excludes.covers(ON_DEMAND)
    assert {one.state for one in aws.instances(REGION)} == {"running"}


@pytest.mark.parametrize("purchase", sorted(set(Purchase) - {Purchase.ON_DEMAND, Purchase.SPOT}))
def test_other_ways_to_buy_are_not_supported(aws: Ec2Testbed, driver: Ec2Driver, purchase: Purchase) -> None:
    """Nothing is asked of EC2."""
    with pytest.raises(UnsupportedError) as caught:
        driver.create(request(place=replace(ON_DEMAND, purchase=purchase)))
    assert caught.value.excludes == Scope("aws", purchase=purchase)
    assert aws.seen == []


def test_nodes_of_several_regions_are_handled_at_once(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Each region ends its own."""
    elsewhere = replace(ON_DEMAND, region="eu-west-1", zone="eu-west-1a")
    nodes = [*driver.create(request()), *driver.create(request("t-2", elsewhere)), *driver.create(request("t-3"))]
    driver.stop(nodes)
    assert {one.state for region in (REGION, "eu-west-1") for one in aws.instances(region)} == {"stopped"}
    driver.destroy(nodes)
    assert [*aws.instances(REGION), *aws.instances("eu-west-1")] == []
    assert len(aws.sent("TerminateInstances")) == 2


def test_a_list_in_another_form_is_not_an_empty_one(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """What is not EC2's answer must not pass for a cloud without nodes."""
    s3 = b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01"/>'
    for body in (s3, b"<html>proxy</html>", b"", b"no XML"):
        aws.troubles.append(Trouble("DescribeInstances", status=200, body=body))
        with pytest.raises(TransientError):
            driver.nodes(OWNER, [REGION])
    aws.troubles.append(Trouble("RunInstances", status=502, body=b"<html>Bad Gateway</html>"))
    with pytest.raises(UnknownOutcomeError):
        driver.create(request())


def test_commands_go_through_ssh(driver: Ec2Driver, tmp_path: Path) -> None:
    """As our own user, with our key, and with the node's key pinned."""
    (node,) = driver.create(request())
    shell = driver.shell(node)
    options = {option.partition("=")[0]: option.partition("=")[2] for option in shell.prefix if "=" in option}
    assert shell.prefix[0] == "ssh"
    assert shell.prefix[-1] == node.address
    assert (options["User"], options["StrictHostKeyChecking"]) == ("skybroker", "yes")
    assert options["IdentityFile"] == f'"{tmp_path / "id"}"'
    assert " ".join(str(node.host_key).split()[:2]) in Path(options["UserKnownHostsFile"].strip('"')).read_text()
    for missing in (replace(node, address=None), replace(node, host_key=None)):
        with pytest.raises(UnreachableError):
            driver.shell(missing)


@pytest.mark.parametrize(
    "settings",
    [
        {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
        {"AWS_PROFILE": "nobody-has-made-it"},
    ],
    ids=["none", "no such profile"],
)
def test_missing_credentials_are_said_with_a_hint(
    make: Callable[..., Ec2Driver], monkeypatch: pytest.MonkeyPatch, settings: dict[str, str | None]
) -> None:
    """They are looked for as every AWS tool does, when they are needed."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    driver = make()
    with pytest.raises(AuthFailedError) as caught:
        driver.nodes(OWNER, [REGION])
    assert caught.value.excludes == Scope("aws")
    assert "aws configure" in caught.value.hint


def test_credentials_sign_with_their_session_token(aws: Ec2Testbed, driver: Ec2Driver) -> None:
    """Temporary credentials count as such."""
    driver.nodes(OWNER, [REGION])
    assert aws.headers["HTTP_X_AMZ_SECURITY_TOKEN"] == SESSION_TOKEN
    assert aws.headers["HTTP_AUTHORIZATION"].startswith("AWS4-HMAC-SHA256 Credential=AKIATESTING/")


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("RunInstances", "SignatureDoesNotMatch", 403, f"canonical x-amz-security-token:{SESSION_TOKEN}"),
        Trouble("RunInstances", "InvalidParameterValue", 400, "one\nline\x1b[31m and " + "long " * 200),
        Trouble("RunInstances", answer_lost=True),
        Trouble("RunInstances", "InternalError", 500),
    ],
    ids=["signature", "long", "lost", "internal"],
)
def test_errors_tell_no_secrets(aws: Ec2Testbed, driver: Ec2Driver, trouble: Trouble) -> None:
    """Neither in their one line of text, nor in a traceback: no key, no token, no user data."""
    aws.troubles.append(trouble)
    with pytest.raises(DriverError) as caught:
        driver.create(request(place=SPOT))
    user_data = aws.sent("RunInstances")[0].form["UserData"]
    assert caught.value.__suppress_context__
    told = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    for secret in (SECRET_KEY, SESSION_TOKEN, "PRIVATE", user_data[:40], user_data[200:240]):
        assert secret not in told
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
