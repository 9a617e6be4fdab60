"""Nodes of Amazon EC2, on demand and on spot. EC2's tags are the driver's only memory.

All nodes of a request share one SSH host key, made here. Its public half is a tag of each; its private half is in the
user data alone. There any process on the node can read it (the metadata service answers with a session token, and to
the node itself), and so can whoever may call DescribeInstanceAttribute in the account: they could pass for the node
towards us, but not log in to it.

The request token is EC2's client token, which holds in the zone that is named, else in the region (EC2 developer guide,
"RunInstances idempotency"): a token goes with one place. A request that is sent again has another host key; EC2 then
answers with the nodes that came of it first, or refuses it for being another request of the same token. So nodes are
looked for by their tag first, and again after such a refusal.

The two minutes' notice of an interruption is to be seen on the node only (its metadata, spot/instance-action); here a
node is `taken_back` once EC2 has ended it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from libcloud.common.types import MalformedResponseError
from libcloud.compute.base import Node as Instance
from libcloud.compute.constants.ec2_instance_types import INSTANCE_TYPES

from catalog_data.schema import Purchase
from executor.drivers.base import Traits
from executor.drivers.ec2_api import Ec2Api, Endpoint, Image, aws_endpoint
from executor.drivers.ec2_errors import Ec2Refusal, lost_error, one_line, refusal_error
from executor.errors import AuthFailedError, Scope, UnknownOutcomeError, UnreachableError, UnsupportedError
from executor.first_boot import USER, cloud_config
from executor.machines import Node, NodesRequest, NodeState, Place
from executor.shell import Shell
from executor.ssh import new_host_key, ssh_shell

CLOUD: Final = "aws"

_OWNER, _DEPLOYMENT, _TASK, _TOKEN, _HOST_KEY = (
    f"skybroker:{name}" for name in ("owner", "deployment", "task", "token", "host-key")
)
_GROUP: Final = "skybroker"
_GROUP_DESCRIPTION: Final = "Skybroker nodes: SSH from anywhere, everything among themselves"

# Canonical's account, and its images of Ubuntu 24.04 LTS (Ubuntu on AWS, "Find Ubuntu images on AWS").
_CANONICAL: Final = "099720109477"
_UBUNTU: Final = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{}-server-*"

# EC2 user guide, "Amazon EC2 instance state changes": what is shutting down is billed no more.
_STATES: Final[Mapping[str, NodeState]] = {
    "pending": NodeState.PENDING,
    "running": NodeState.RUNNING,
    "stopping": NodeState.STOPPED,
    "stopped": NodeState.STOPPED,
    "shutting-down": NodeState.GONE,
    "terminated": NodeState.GONE,
}
# EC2 API reference, StateReason.
_TAKEN_BACK: Final = frozenset({"Server.SpotInstanceTermination", "Server.SpotInstanceShutdown"})
_BOUGHT: Final = frozenset({Purchase.ON_DEMAND, Purchase.SPOT})
_NO_CREDENTIALS: Final = "log in with `aws configure` or `aws sso login`, or set AWS_PROFILE"


class Ec2Driver:
    """EC2 through libcloud. A driver may be used by several threads at once.

    Args:
        identity: the file of the private key that goes with the requests' public keys.
        folder: where the nodes' host keys are kept for the SSH client.
        session: finds the credentials, and renews them; botocore's own chain if it is None.
        endpoint: of a private cloud; None for AWS.
        timeout_s: after so long without an answer there is none.
        instance_types: all there are, as far as they are known; a quota rules out those that share it.
    """

    cloud: Final = CLOUD
    traits: Final = Traits(max_price=True, stop=True, has_zones=True)

    def __init__(
        self,
        identity: Path,
        folder: Path,
        *,
        session: Session | None = None,
        endpoint: Endpoint | None = None,
        timeout_s: float = 30.0,
        instance_types: Collection[str] = INSTANCE_TYPES,
    ) -> None:
        self._identity = identity
        self._folder = folder
        self._session = session or Session()
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._instance_types = instance_types
        self._images: dict[tuple[str, str], Image] = {}
        self._with_group: set[str] = set()

    def create(self, request: NodesRequest) -> tuple[Node, ...]:
        """See `Driver.create`. EC2 makes all nodes of a request, or none.

        A request whose nodes EC2 does not list, because they are too new or were terminated over an hour ago, is of
        unknown outcome if its token is known.
        """
        place = request.place
        asked = _asked(place)
        if place.purchase not in _BOUGHT:
            raise UnsupportedError(f"{place}: bought on demand or on spot only", Scope(CLOUD, purchase=place.purchase))
        with self._calls(asked) as ec2:
            made = _made(ec2, request)
            if made:
                return made
            parameters = _parameters(request, self._image(ec2, request))
            self._ensure_group(ec2)
        with self._calls(asked, creates=True) as ec2:
            try:
                return _nodes(ec2.run(parameters), place.region)
            except Ec2Refusal as refusal:
                if refusal.code != "IdempotentParameterMismatch":
                    raise
            made = _made(ec2, request)
        if not made:
            raise UnknownOutcomeError(f"{place}: EC2 knows the request's token, and lists no node of it")
        return made

    def nodes(self, owner: str, regions: Iterable[str]) -> tuple[Node, ...]:
        """See `Driver.nodes`. EC2 lists a node for about an hour after its end."""
        found: list[Node] = []
        for region in sorted(set(regions)):
            with self._calls(Scope(CLOUD, region)) as ec2:
                found += _nodes(ec2.instances({f"tag:{_OWNER}": owner}), region)
        return tuple(found)

    def destroy(self, nodes: Collection[Node]) -> None:
        """See `Driver.destroy`. A node that EC2 made a moment ago may still be unknown to it, and stay."""
        for some in _by_region(nodes):
            with self._calls(_asked(some[0].place)) as ec2:
                ec2.terminate([node.id for node in some])

    def stop(self, nodes: Collection[Node]) -> None:
        """See `Driver.stop`. Spot nodes are bought once, and cannot be stopped."""
        spot = next((node.place for node in nodes if node.place.purchase is Purchase.SPOT), None)
        if spot is not None:
            raise UnsupportedError(f"{spot}: spot nodes cannot be stopped", _asked(spot))
        for some in _by_region(nodes):
            with self._calls(_asked(some[0].place)) as ec2:
                ec2.stop([node.id for node in some])

    def start(self, nodes: Collection[Node]) -> None:
        """See `Driver.start`. There may be no capacity any more."""
        for some in _by_region(nodes):
            with self._calls(_asked(some[0].place)) as ec2:
                ec2.start([node.id for node in some])

    def shell(self, node: Node) -> Shell:
        """See `Driver.shell`."""
        if node.address is None or node.host_key is None:
            missing = "address" if node.address is None else "host key"
            raise UnreachableError(f"node {node.id} has no {missing}")
        return ssh_shell(node.address, user=USER, host_key=node.host_key, identity=self._identity, folder=self._folder)

    @contextmanager
    def _calls(self, asked: Scope, *, creates: bool = False) -> Iterator[Ec2Api]:
        """EC2 of the region for some calls, whose failures become the executor's errors.

        None of these errors is chained: a failure's text and its traceback may quote what was sent.
        """
        ec2 = self._api(asked)
        try:
            yield ec2
        except Ec2Refusal as refusal:
            raise refusal_error(refusal, asked, self._instance_types, creates=creates) from None
        except (OSError, MalformedResponseError) as lost:
            raise lost_error(lost, asked, creates=creates) from None
        finally:
            ec2.close()

    def _api(self, asked: Scope) -> Ec2Api:
        region = str(asked.region)
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise AuthFailedError("there are no AWS credentials", Scope(CLOUD), _NO_CREDENTIALS)
            frozen = credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as failure:
            kind = type(failure).__name__
            raise AuthFailedError(f"AWS gives no credentials ({kind})", Scope(CLOUD), _NO_CREDENTIALS) from None
        return Ec2Api(region, self._endpoint or aws_endpoint(region), frozen, self._timeout_s)

    def _image(self, ec2: Ec2Api, request: NodesRequest) -> Image:
        region = request.place.region
        architecture = _architecture(request.place.instance_type)
        key = (region, request.image_id or architecture)
        if key not in self._images:
            if request.image_id is not None:
                found = ec2.image(request.image_id)
            else:
                name = _UBUNTU.format("arm64" if architecture == "arm64" else "amd64")
                found = ec2.newest_image(_CANONICAL, name, architecture)
            if found is None:
                raise UnsupportedError(f"{request.place}: there is no image {key[1]}", Scope(CLOUD, region))
            self._images[key] = found
        return self._images[key]

    def _ensure_group(self, ec2: Ec2Api) -> None:
        if ec2.region_name not in self._with_group:
            ec2.ensure_group(_GROUP, _GROUP_DESCRIPTION)
            self._with_group.add(ec2.region_name)


def _asked(place: Place) -> Scope:
    return Scope(CLOUD, place.region, place.zone, frozenset({place.instance_type}), place.purchase)


def _by_region(nodes: Collection[Node]) -> list[list[Node]]:
    of_region = attrgetter("place.region")
    return [list(some) for _, some in groupby(sorted(nodes, key=of_region), key=of_region)]


def _made(ec2: Ec2Api, request: NodesRequest) -> tuple[Node, ...]:
    filters = {f"tag:{_OWNER}": request.owner, f"tag:{_TOKEN}": request.token}
    return _nodes(ec2.instances(filters), request.place.region)


def _parameters(request: NodesRequest, image: Image) -> dict[str, str]:
    """What RunInstances is told (EC2 API reference)."""
    host_key = new_host_key()
    user_data = cloud_config(request.public_key, host_key, request.max_hours)
    tags = {
        **request.labels,
        "Name": f"{request.deployment} {request.task}",
        _OWNER: request.owner,
        _DEPLOYMENT: request.deployment,
        _TASK: request.task,
        _TOKEN: request.token,
        _HOST_KEY: host_key.public,
    }
    return {
        "ClientToken": request.token,
        "MinCount": str(request.count),
        "MaxCount": str(request.count),
        "InstanceType": request.place.instance_type,
        "ImageId": image.id,
        "SecurityGroup.1": _GROUP,
        "UserData": b64encode(user_data.encode()).decode(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions.HttpTokens": "required",
        "BlockDeviceMapping.1.DeviceName": image.root_device,
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
        "BlockDeviceMapping.1.Ebs.VolumeSize": str(image.boot_gib(request.disk_gib)),
        **({} if request.place.zone is None else {"Placement.AvailabilityZone": request.place.zone}),
        **(_spot(request) if request.place.purchase is Purchase.SPOT else {}),
        **_tagged(1, "instance", tags),
        **_tagged(2, "volume", tags),
    }


def _spot(request: NodesRequest) -> dict[str, str]:
    options = "InstanceMarketOptions.SpotOptions"
    price = request.max_price_usd_h
    return {
        "InstanceMarketOptions.MarketType": "spot",
        f"{options}.SpotInstanceType": "one-time",
        f"{options}.InstanceInterruptionBehavior": "terminate",
        **({} if price is None else {f"{options}.MaxPrice": f"{price:.6f}"}),
    }


def _tagged(number: int, resource: str, tags: Mapping[str, str]) -> dict[str, str]:
    specification = f"TagSpecification.{number}"
    named = {f"{specification}.ResourceType": resource}
    for index, (key, value) in enumerate(tags.items(), 1):
        named |= {f"{specification}.Tag.{index}.Key": key, f"{specification}.Tag.{index}.Value": value}
    return named


def _architecture(instance_type: str) -> str:
    """As EC2 names it. A `g` behind the generation stands for Graviton (EC2 instance types, "Naming conventions")."""
    graviton = re.match(r"a1\.|[a-z]+\d+[a-z]*g|p6e-gb", instance_type)
    return "arm64" if graviton else "x86_64"


def _nodes(instances: Iterable[Instance], region: str) -> tuple[Node, ...]:
    return tuple(
        sorted((_node(instance, region) for instance in instances), key=lambda node: (node.token, node.rank, node.id))
    )


def _node(instance: Instance, region: str) -> Node:
    """A node as EC2 describes it; its rank is the launch index, which EC2 counts from 0 within a request."""
    extra = instance.extra
    tags: Mapping[str, str] = extra["tags"]
    state = _STATES.get(extra["status"], NodeState.PENDING)
    purchase = Purchase.SPOT if extra["instance_lifecycle"] == "spot" else Purchase.ON_DEMAND
    said = extra["state_message"] or extra["state_reason"]
    return Node(
        id=str(instance.id),
        token=tags.get(_TOKEN, ""),
        owner=tags.get(_OWNER, ""),
        deployment=tags.get(_DEPLOYMENT, ""),
        task=tags.get(_TASK, ""),
        rank=extra["launch_index"] or 0,
        place=Place(CLOUD, region, extra["availability"], extra["instance_type"], purchase),
        state=state,
        address=next(iter(instance.public_ips), None),
        inner_address=next(iter(instance.private_ips), None),
        host_key=tags.get(_HOST_KEY),
        taken_back=state is NodeState.GONE and extra["state_reason"] in _TAKEN_BACK,
        fault=one_line(said) if said and state is NodeState.GONE else None,
        created_at=instance.created_at and instance.created_at.astimezone(UTC),
    )
