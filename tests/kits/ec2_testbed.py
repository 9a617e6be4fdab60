"""EC2 as far as it can be had here: moto's API in this process, behind a layer that adds what moto leaves out.

What the layer adds: refusals, lost answers and silence on request; a count of machines per place; client tokens;
interruptions of spot nodes; the XML namespace and the form of errors as AWS sends them; and addresses of this machine
(moto's own are public ones, of strangers).
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, urlencode

import pytest
from moto import settings
from moto.core.base_backend import BackendDict
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from executor.drivers.ec2_api import Endpoint

SECRET_KEY: Final = "wJalrXUtnFEMI-testing-secret-key"
SESSION_TOKEN: Final = "IQoJb3JpZ2luX2VjE-testing-session-token"
SETTINGS: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "AKIATESTING",
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}
_AWS_NAMESPACE: Final = b'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
_CANONICAL: Final = "099720109477"

Start = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True)
class Asked:
    """A request: its action and region, and all its parameters."""

    action: str
    region: str
    form: Mapping[str, str]

    @property
    def zone(self) -> str | None:
        """Where RunInstances is to put its instances."""
        return self.form.get("Placement.AvailabilityZone")

    @property
    def machine(self) -> tuple[str | None, str | None, str]:
        """Zone, type and market: what RunInstances takes machines from."""
        market = self.form.get("InstanceMarketOptions.MarketType", "on-demand")
        return self.zone, self.form.get("InstanceType"), market


@dataclass
class Trouble:
    """What happens to the next `times` requests of an action.

    A refusal (`status` and `code`), or a request that comes to nothing: it is `lost` on its way, its answer is
    (`answer_lost`), or there is silence until the testbed is reset (`hangs`).
    """

    action: str
    code: str = ""
    status: int = 400
    message: str = "as arranged"
    times: int = 1
    lost: bool = False
    answer_lost: bool = False
    hangs: bool = False
    body: bytes | None = None


@dataclass
class Ec2Testbed:
    """The server, and what it can be made to do.

    Attributes:
        troubles: to come, each for its own action.
        machines: how many instances are left of what is named here; of all else there are any number.
        page: at most so many reservations in an answer.
        blind: so many lists of instances are still empty.
        seen: all requests since the last reset.
        headers: of the last one, as WSGI names them.
    """

    endpoint: Endpoint
    troubles: list[Trouble] = field(default_factory=list)
    machines: dict[tuple[str | None, str | None, str], int] = field(default_factory=dict)
    page: int | None = None
    blind: int = 0
    seen: list[Asked] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    tokens: dict[tuple[str, str | None, str], tuple[Mapping[str, str], bytes]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """No troubles, no instances, no security groups."""
        with self.lock:
            self.over.set()
            self.over = threading.Event()
            self.troubles.clear()
            self.machines.clear()
            self.seen.clear()
            self.tokens.clear()
            self.page, self.blind = None, 0
            _ec2().reset()

    def refuse(self, code: str, status: int = 400, *, action: str = "RunInstances", message: str = "no") -> None:
        """The next request of the action is refused."""
        self.troubles.append(Trouble(action, code, status, message))

    def sent(self, action: str) -> list[Asked]:
        """The requests of an action since the last reset."""
        return [asked for asked in self.seen if asked.action == action]

    def instances(self, region: str) -> list[Any]:
        """moto's own instances of a region that are not terminated."""
        backend = _ec2()[DEFAULT_ACCOUNT_ID][region]
        return [one for one in backend.all_instances() if one.state != "terminated"]

    def instance(self, instance_id: str, region: str) -> Any:
        """moto's own instance."""
        return _ec2()[DEFAULT_ACCOUNT_ID][region].get_instance(instance_id)

    def volumes(self, region: str) -> list[Any]:
        """moto's own disks of a region."""
        return list(_ec2()[DEFAULT_ACCOUNT_ID][region].volumes.values())

    def images(self, region: str) -> list[Any]:
        """moto's own images of a region."""
        _stock(region)
        return list(_ec2()[DEFAULT_ACCOUNT_ID][region].amis.values())

    def groups(self, region: str) -> list[Any]:
        """moto's own security groups of a region."""
        return list(_ec2()[DEFAULT_ACCOUNT_ID][region].describe_security_groups())

    def take_back(self, instance_id: str, region: str) -> None:
        """EC2 ends a spot instance (API reference, StateReason)."""
        instance = self.instance(instance_id, region)
        instance.terminate()
        instance._reason = "Server.SpotInstanceTermination"
        instance.state_reason.code = "Server.SpotInstanceTermination"
        instance.state_reason.message = "Server.SpotInstanceTermination: Spot instance termination"

    def trouble(self, action: str) -> Trouble | None:
        """The trouble that the next request of the action is in; it is used up by that."""
        with self.lock:
            for trouble in self.troubles:
                if trouble.action == action and trouble.times:
                    trouble.times -= 1
                    return trouble
        return None


class _Layer:
    """A WSGI application around moto's."""

    def __init__(self, bed: Ec2Testbed) -> None:
        self._bed = bed
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        form = dict(parse_qsl(body, keep_blank_values=True))
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/ec2/", environ.get("HTTP_AUTHORIZATION", ""))
        asked = Asked(form.get("Action", ""), scope.group(1) if scope else "", form)
        trouble = self._bed.trouble(asked.action)
        if trouble is not None and trouble.hangs:
            self._bed.over.wait(20)
            _hang_up(environ)
        with self._bed.lock:
            self._bed.seen.append(asked)
            self._bed.headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
            status, answer = self._answer(environ, asked, trouble)
        start(status, [("Content-Type", "text/xml;charset=UTF-8"), ("Content-Length", str(len(answer)))])
        return [answer]

    def _answer(self, environ: dict[str, Any], asked: Asked, trouble: Trouble | None) -> tuple[str, bytes]:
        if trouble is not None and trouble.lost:
            _hang_up(environ)
        if trouble is not None and trouble.body is not None:
            return f"{trouble.status} .", trouble.body
        if trouble is not None and trouble.code:
            return _refusal(trouble.code, trouble.status, trouble.message)
        if asked.action == "DescribeImages":
            _stock(asked.region)
        status, answer = self._launch(environ, asked) if asked.action == "RunInstances" else self._ask(environ, asked)
        if trouble is not None and trouble.answer_lost:
            _hang_up(environ)
        return status, answer

    def _launch(self, environ: dict[str, Any], asked: Asked) -> tuple[str, bytes]:
        # It counts in the zone that is named, else in the region (EC2 developer guide, "RunInstances idempotency").
        token = (asked.region, asked.zone, asked.form["ClientToken"])
        if token in self._bed.tokens:
            before, answer = self._bed.tokens[token]
            if before == asked.form:
                return "200 OK", answer
            return _refusal("IdempotentParameterMismatch", 400, "Arguments on this idempotent request are inconsistent")
        count = int(asked.form["MinCount"])
        left = self._bed.machines.get(asked.machine, count)
        if left < count:
            return _refusal("InsufficientInstanceCapacity", 500, "We currently do not have sufficient capacity")
        status, answer = self._ask(environ, asked)
        if status.startswith("200"):
            self._bed.tokens[token] = (asked.form, answer)
            if asked.machine in self._bed.machines:
                self._bed.machines[asked.machine] = left - count
        return status, answer

    def _ask(self, environ: dict[str, Any], asked: Asked) -> tuple[str, bytes]:
        form = dict(asked.form)
        if asked.action == "DescribeInstances":
            if self._bed.page is not None:
                form["MaxResults"] = str(self._bed.page)
            if self._bed.blind:
                self._bed.blind -= 1
                form["Filter.1.Value.1"] = "nobody"
        body = urlencode(form).encode()
        told: list[str] = []

        def start(status: str, _headers: list[tuple[str, str]], _failure: object = None) -> None:
            told.append(status)

        passed_on = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer = b"".join(self._moto(passed_on, start))
        return told[0], _as_aws_says_it(answer, failed=not told[0].startswith("2"))


def _hang_up(environ: dict[str, Any]) -> NoReturn:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _as_aws_says_it(answer: bytes, *, failed: bool) -> bytes:
    if failed:
        return re.sub(rb' xmlns="[^"]*"', b"", answer)
    answer = re.sub(rb'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/?"', _AWS_NAMESPACE, answer)
    return re.sub(rb"<(ipAddress|publicIp)>\d+\.\d+\.(\d+\.\d+)<", rb"<\1>127.76.\2<", answer)


def _refusal(code: str, status: int, message: str) -> tuple[str, bytes]:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    answer = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>'
    )
    return f"{status} {code}", answer.encode()


def _stock(region: str) -> None:
    """Canonical's images, three for each architecture; that of November is the newest."""
    backend = _ec2()[DEFAULT_ACCOUNT_ID][region]
    if backend.amis:
        return
    for suffix, architecture in (("amd64", "x86_64"), ("arm64", "arm64")):
        for day in ("20260701", "20261101", "20260901"):
            image = backend.register_image(f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{suffix}-server-{day}")
            image.owner_id, image.architecture, image.root_device_name = _CANONICAL, architecture, "/dev/sda1"
            image.creation_date = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)


def _ec2() -> BackendDict[Any]:
    return ec2_backends


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nobody reads it."""


@contextmanager
def ec2_testbed() -> Iterator[Ec2Testbed]:
    """A server that answers while the context lasts, with the settings that lead botocore to credentials."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        for name in ("EC2_ENABLE_INSTANCE_TYPE", "ENABLE_AMI", "ENABLE_KEYPAIR"):
            patch.setattr(settings, f"{name}_VALIDATION", True)  # moto reads its environment when it is imported
        bed = Ec2Testbed(Endpoint("127.0.0.1", 0, secure=False))
        server = make_server("127.0.0.1", 0, _Layer(bed), threaded=True, request_handler=_QuietHandler)
        bed.endpoint = Endpoint("127.0.0.1", server.server_port, secure=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield bed
        finally:
            bed.over.set()
            server.shutdown()
            server.server_close()
            thread.join(timeout=10)
