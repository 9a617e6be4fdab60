"""libcloud's EC2 driver, made fit for nodes that cost money.

What is changed: every region is accepted, not only the 23 that libcloud lists; requests are signed with version 4 and
sent as POST, since in the address of a GET the user data (with a private key in it) would end in logs and in the texts
of errors; lists are read to their last page; an answer in a form that libcloud would read as an empty list is an error;
refusals keep their code; and nothing is retried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Final
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from botocore.credentials import ReadOnlyCredentials
from libcloud.common.types import MalformedResponseError
from libcloud.compute.base import Node as Instance
from libcloud.compute.base import NodeImage
from libcloud.compute.drivers.ec2 import NAMESPACE, EC2Connection, EC2NodeDriver, EC2Response
from libcloud.utils.xml import findtext

from executor.drivers.ec2_errors import Ec2Refusal

_PAGE: Final = "1000"
"""EC2 gives at most so many instances at once (DescribeInstances, MaxResults)."""
_KNOWN_TO_LIBCLOUD: Final = "us-east-1"
_SSH_PORT: Final = 22


@dataclass(frozen=True)
class Endpoint:
    """Where EC2's API answers."""

    host: str
    port: int | None = None
    secure: bool = True


def aws_endpoint(region: str) -> Endpoint:
    """Amazon's own (EC2 user guide, "Amazon EC2 service endpoints"); China is a partition with a domain of its own."""
    return Endpoint(f"ec2.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}")


@dataclass(frozen=True)
class Image:
    """A machine image, and the disk that it boots from."""

    id: str
    root_device: str
    root_gib: int

    def boot_gib(self, wanted_gib: float | None) -> int:
        """The size to ask for: the disk cannot be smaller than the image's."""
        return max(ceil(wanted_gib or 0), self.root_gib)


class _Response(EC2Response):
    def parse_error(self) -> str:
        answer = self._element()
        error = None if answer is None else answer.find("Errors/Error")
        if error is None:
            raise Ec2Refusal("", "", self.status)
        raise Ec2Refusal(error.findtext("Code") or "", error.findtext("Message") or "", self.status)

    def parse_body(self) -> Element:
        answer = self._element()
        if answer is None or not answer.tag.startswith(f"{{{NAMESPACE}}}"):
            raise MalformedResponseError("not EC2's answer")
        return answer

    def _element(self) -> Element | None:
        try:
            body = super().parse_body()
        except MalformedResponseError:
            return None
        return None if isinstance(body, str) else body


class _Connection(EC2Connection):
    responseCls = _Response  # noqa: N815 - libcloud's name

    def request(  # type: ignore[override] # all that the driver ever names
        self, action: str, params: Mapping[str, str] | None = None
    ) -> EC2Response:
        form = urlencode({**(params or {}), "Version": self.version})
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer: EC2Response = super().request(action, data=form, headers=headers, method="POST", retry_failed=False)
        return answer


class Ec2Api(EC2NodeDriver):
    """EC2 of one region. It is used by one thread, for a few calls, and closed.

    Raises:
        Ec2Refusal: from each call, if EC2 refuses.
        OSError, MalformedResponseError: from each call, if there is no answer, or none of EC2's.
    """

    connectionCls = _Connection  # noqa: N815 - libcloud's name

    def __init__(self, region: str, endpoint: Endpoint, credentials: ReadOnlyCredentials, timeout_s: float) -> None:
        super().__init__(
            credentials.access_key,
            credentials.secret_key,
            secure=endpoint.secure,
            host=endpoint.host,
            port=endpoint.port,
            region=_KNOWN_TO_LIBCLOUD,
            token=credentials.token,
            signature_version="4",
            timeout=timeout_s,
        )
        # The signature, and nothing else, goes by this name.
        self.region_name = region

    def close(self) -> None:
        """Gives the connection up: one that was left idle may be dead when it is needed."""
        connection = self.connection.connection
        if connection is not None and connection.session is not None:
            connection.session.close()

    def instances(self, filters: Mapping[str, str]) -> list[Instance]:
        """The instances that pass all filters; those that were terminated too, for about an hour."""
        found: list[Instance] = []
        page = {"Action": "DescribeInstances", "MaxResults": _PAGE, **self._build_filters(filters)}
        while True:
            answer = self._ask(page)
            found += self._to_nodes(answer, "reservationSet/item/instancesSet/item")
            token = findtext(answer, "nextToken", NAMESPACE)
            if not token:
                return found
            page = {**page, "NextToken": token}

    def run(self, parameters: Mapping[str, str]) -> list[Instance]:
        """RunInstances; its instances, of which there are as many as were asked for, or none."""
        answer = self._ask({"Action": "RunInstances", **parameters})
        return list(self._to_nodes(answer, "instancesSet/item"))

    def terminate(self, ids: Sequence[str]) -> None:
        """TerminateInstances, without an error for those that are terminated or unknown."""
        try:
            self._act("TerminateInstances", ids)
        except Ec2Refusal as refusal:
            if not refusal.code.startswith("InvalidInstanceID"):
                raise
            # One unknown name stops EC2 from ending any of the others.
            if len(ids) > 1:
                for one in ids:
                    self.terminate([one])

    def stop(self, ids: Sequence[str]) -> None:
        """StopInstances."""
        self._act("StopInstances", ids)

    def start(self, ids: Sequence[str]) -> None:
        """StartInstances."""
        self._act("StartInstances", ids)

    def image(self, image_id: str) -> Image | None:
        """An image by its name."""
        return _newest(self.list_images(ex_image_ids=[image_id]))

    def newest_image(self, owner: str, name: str, architecture: str) -> Image | None:
        """The newest image of an owner's whose name matches; `*` stands for anything."""
        filters = {"name": name, "architecture": architecture, "state": "available"}
        return _newest(self.list_images(ex_owner=owner, ex_filters=filters))

    def ensure_group(self, name: str, description: str) -> None:
        """A security group of the default VPC: SSH comes in from anywhere, and anything from its own members."""
        group_id, rules = self._group(name) or self._make_group(name, description)
        if rules >= 2:
            return
        with _already_there("InvalidPermission.Duplicate"):
            self.ex_authorize_security_group_ingress(group_id, _SSH_PORT, _SSH_PORT, cidr_ips=["0.0.0.0/0"])
        with _already_there("InvalidPermission.Duplicate"):
            self.ex_authorize_security_group_ingress(
                group_id, -1, -1, group_pairs=[{"group_id": group_id}], protocol="-1"
            )

    def _group(self, name: str) -> tuple[str, int] | None:
        try:
            (group,) = self.ex_get_security_groups(group_names=[name])
        except Ec2Refusal as refusal:
            if refusal.code == "InvalidGroup.NotFound":
                return None
            raise
        return group.id, len(group.ingress_rules)

    def _make_group(self, name: str, description: str) -> tuple[str, int]:
        with _already_there("InvalidGroup.Duplicate"):
            self.ex_create_security_group(name, description)
        made = self._group(name)
        if made is None:
            raise Ec2Refusal("Unavailable", "the security group is not visible yet", 503)
        return made

    def _act(self, action: str, ids: Sequence[str]) -> None:
        self._ask({"Action": action, **self._pathlist("InstanceId", ids)})

    def _ask(self, parameters: Mapping[str, str]) -> Element:
        answer: Element = self.connection.request(self.path, params=parameters).object
        return answer

    def _to_node(self, element: Element) -> Instance:
        instance: Instance = super()._to_node(element)
        instance.extra["state_reason"] = findtext(element, "stateReason/code", NAMESPACE)
        instance.extra["state_message"] = findtext(element, "stateReason/message", NAMESPACE)
        return instance

    def _to_image(self, element: Element) -> NodeImage:
        image: NodeImage = super()._to_image(element)
        image.extra["root_device_name"] = findtext(element, "rootDeviceName", NAMESPACE)
        return image


def _newest(images: Iterable[NodeImage]) -> Image | None:
    newest = max(images, key=lambda image: str(image.extra["creation_date"]), default=None)
    if newest is None:
        return None
    root = newest.extra["root_device_name"]
    sizes = [disk["ebs"]["volume_size"] for disk in newest.extra["block_device_mapping"] if disk["device_name"] == root]
    return Image(newest.id, root, sizes[0] if sizes else 0)


@contextmanager
def _already_there(code: str) -> Iterator[None]:
    try:
        yield
    except Ec2Refusal as refusal:
        if refusal.code != code:
            raise
