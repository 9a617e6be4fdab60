"""Nebius: platforms and their presets in each region, the calculator's prices, and the capacity advisor's levels.

Its API is gRPC alone, so it is read with the provider's own client. Each region is asked through one of the user's
projects there; a price is what the calculator says of an instance without disks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from nebius.aio.request import Request
from nebius.aio.service_error import RequestError
from nebius.api.google.protobuf import Any as Packed
from nebius.api.nebius.billing.v1 import (
    CalculatorServiceClient,
    EstimateBatchRequest,
    FilterAggregationUnit,
    ResourceSpec,
)
from nebius.api.nebius.capacity.v1 import ListResourceAdviceRequest, ResourceAdvice, ResourceAdviceServiceClient
from nebius.api.nebius.common.v1 import ResourceMetadata
from nebius.api.nebius.compute.v1 import (
    CreateInstanceRequest,
    FollowsSpotPriceSpec,
    InstanceSpec,
    ListPlatformsRequest,
    Platform,
    PlatformServiceClient,
    PreemptibleSpec,
    Preset,
    ResourcesSpec,
)
from nebius.api.nebius.iam.v2 import (
    ListProjectsRequest,
    ListTenantsRequest,
    Project,
    ProjectServiceClient,
    Tenant,
    TenantServiceClient,
)
from nebius.base.error import SDKError
from nebius.base.options import INSECURE
from nebius.sdk import SDK
from pydantic import BaseModel

from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS, Confidence, Purchase, Signal
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError, RefusedError, SourceError, UnreachableError
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "nebius"
NAME: Final = "nebius"
TOKEN: Final = "NEBIUS_IAM_TOKEN"  # noqa: S105 (the name of a variable)
ENDPOINT: Final = "NEBIUS_ENDPOINT"
DOMAIN: Final = "api.nebius.cloud:443"
KEY_FILE: Final = ".nebius/credentials.json"
AGENT: Final = "skybroker/0"
PAGE_SIZE: Final = 100
HOLDS: Final = timedelta(minutes=30)
"""How long the advisor's level says anything: machines are taken within minutes."""

REFUSED: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
LEVELS: Final[Mapping[str, float]] = MappingProxyType(
    {"AVAILABILITY_LEVEL_HIGH": 1.0, "AVAILABILITY_LEVEL_MEDIUM": 2 / 3, "AVAILABILITY_LEVEL_LOW": 1 / 3}
)
"""A limit that is reached is the user's quota, and says nothing of the machines."""

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
_Item = TypeVar("_Item")
_Item_co = TypeVar("_Item_co", covariant=True)


class _Listed(Protocol[_Item_co]):
    """An answer that is one page of a list."""

    @property
    def items(self) -> Iterable[_Item_co]: ...
    @property
    def next_page_token(self) -> str: ...


class _Preset(BaseModel):
    """A platform in one size; `on_demand` and `spot` are USD an hour."""

    name: str
    vcpus: int
    memory_gib: int
    gpus: int
    on_demand: float | None
    spot: float | None


class _Platform(BaseModel):
    name: str
    gpu_memory_gb: int
    presets: list[_Preset]


class _Advice(BaseModel):
    region: str
    instance_type: str
    purchase: Purchase
    level: float


@dataclass(frozen=True)
class _Api:
    """The calls that a look makes, each at the source's rate and with its errors as ours."""

    access: Access
    sdk: SDK

    def tenants(self) -> list[str]:
        """The ids of the tenants that the credentials open."""
        client = TenantServiceClient(self.sdk)

        def page(token: str) -> _Listed[Tenant]:
            ask = ListTenantsRequest(page_size=PAGE_SIZE, page_token=token)
            return self._answer(client.list(ask, timeout=self._timeout_s))

        return [tenant.metadata.id for tenant in self._all(page)]

    def projects(self, tenant: str) -> list[tuple[str, str]]:
        """Region and id of each project of a tenant."""
        client = ProjectServiceClient(self.sdk)

        def page(token: str) -> _Listed[Project]:
            ask = ListProjectsRequest(parent_id=tenant, page_size=PAGE_SIZE, page_token=token)
            return self._answer(client.list(ask, timeout=self._timeout_s))

        return [(project.spec.region, project.metadata.id) for project in self._all(page)]

    def platforms(self, project: str) -> list[Platform]:
        """The platforms of the project's region."""
        client = PlatformServiceClient(self.sdk)

        def page(token: str) -> _Listed[Platform]:
            ask = ListPlatformsRequest(parent_id=project, page_size=PAGE_SIZE, page_token=token)
            return self._answer(client.list(ask, timeout=self._timeout_s))

        return self._all(page)

    def advice(self, tenant: str) -> list[ResourceAdvice]:
        """What the capacity advisor says of each preset, by region and fabric."""
        client = ResourceAdviceServiceClient(self.sdk)

        def page(token: str) -> _Listed[ResourceAdvice]:
            ask = ListResourceAdviceRequest(parent_id=tenant, page_size=PAGE_SIZE, page_token=token)
            return self._answer(client.list(ask, timeout=self._timeout_s))

        return self._all(page)

    def usd_h(self, instance: CreateInstanceRequest) -> float | None:
        """What an instance costs an hour; None where the calculator has no price for it, or says 0."""
        kind = f"type.googleapis.com/{CreateInstanceRequest.__PROTO_FULL_NAME__}"
        packed = Packed(type_url=kind, value=instance.SerializeToString())
        hour = FilterAggregationUnit.FilterAggregationUnitValue.FILTER_AGGREGATION_UNIT_HOUR
        ask = EstimateBatchRequest(
            resource_specs=[ResourceSpec(spec=packed)],
            filter_aggregation_unit=FilterAggregationUnit(filter_aggregation_unit_values=[hour]),
        )
        try:
            estimate = self._answer(CalculatorServiceClient(self.sdk).estimate_batch(ask, timeout=self._timeout_s))
        except _NoSuchThingError:
            return None
        costs = [
            cost.general.total.cost
            for cost in estimate.total_costs
            if cost.aggregation_unit.unit == "hour" and cost.general
        ]
        return float(costs[0] or 0) or None if len(costs) == 1 else None

    @property
    def _timeout_s(self) -> float:
        return self.access.client.patience.read_s

    def _answer(self, request: Request[_Asked, _Answer]) -> _Answer:
        self.access.client.wait()
        try:
            return request.wait()
        except RequestError as error:
            raise _fault(error.status.code.name) from error
        except SDKError as error:
            raise RefusedError("Nebius: the credentials are of no use", "renew them") from error

    def _all(self, page: Callable[[str], _Listed[_Item]]) -> list[_Item]:
        """All items of a list, of which `page` reads the page that a token names."""
        found: list[_Item] = []

        def step(token: str) -> str | None:
            answer = page(token)
            found.extend(answer.items)
            return answer.next_page_token or None

        self.access.client.follow("", step)
        return found


class _NoSuchThingError(AnswerError):
    """The request names something that there is not, such as a price."""


def _fault(code: str) -> SourceError:
    """What a status code of gRPC stands for."""
    if code in REFUSED:
        return RefusedError("Nebius: the credentials are not accepted", "renew them")
    if code == "INVALID_ARGUMENT":
        return _NoSuchThingError(f"Nebius answered {code}")
    return UnreachableError(f"Nebius answered {code}", "try again later")


def fetch(access: Access) -> Iterator[Page]:
    """A page `advice/<tenant>` for each tenant, and a page `platforms/<region>` for each region with a project."""
    sdk = _sdk(access.env, access.home)
    try:
        api = _Api(access, sdk)
        project_in: dict[str, str] = {}
        for tenant in api.tenants():
            yield _page(f"advice/{tenant}", [row for item in api.advice(tenant) for row in _levels(item)])
            for region, project in api.projects(tenant):
                project_in[region] = min(project, project_in.get(region, project))
        for region, project in sorted(project_in.items()):
            platforms = [_priced(api, project, platform) for platform in api.platforms(project)]
            yield _page(f"platforms/{region}", platforms)
    finally:
        sdk.sync_close()


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, on-demand and spot OFFERS by region, and OBSERVATIONS of what the advisor says."""
    platforms = {
        page.name.split("/")[1]: read_as(list[_Platform], page.body, page.name)
        for page in pages
        if page.name.startswith("platforms/")
    }
    advice = [
        row for page in pages if page.name.startswith("advice/") for row in read_as(list[_Advice], page.body, page.name)
    ]
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    machines = (
        _hardware(platform, preset)
        for region in platforms.values()
        for platform in region
        for preset in platform.presets
    )
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, machines, **said),
        OFFERS.name: rows_of(OFFERS, _offers(platforms), **said),
        OBSERVATIONS.name: rows_of(OBSERVATIONS, _capacity(advice, observed_at + HOLDS), **said),
    }


def _sdk(env: Mapping[str, str], home: Path) -> SDK:
    """The provider's client. At `localhost`, as NEBIUS_ENDPOINT may say, nobody speaks TLS.

    Raises:
        RefusedError: the file holds no credentials of a service account.
    """
    domain = env.get(ENDPOINT) or DOMAIN
    options = [(INSECURE, True)] if domain.startswith("localhost:") else []
    if env.get(TOKEN):
        return SDK(credentials=env[TOKEN], domain=domain, options=options, user_agent_prefix=AGENT)
    try:
        return SDK(credentials_file_name=home / KEY_FILE, domain=domain, options=options, user_agent_prefix=AGENT)
    except (OSError, ValueError, KeyError, TypeError, SDKError):
        # Without the cause, which may quote the file.
        raise RefusedError(f"~/{KEY_FILE} holds no credentials of a service account", "renew them") from None


def _page(name: str, content: object) -> Page:
    return Page(name, json.dumps(content).encode())


def _priced(api: _Api, project: str, platform: Platform) -> dict[str, Any]:
    """The platform with the prices of its presets (_Platform)."""

    def usd_h(preset: Preset, *, preemptible: bool) -> float | None:
        return api.usd_h(_instance(project, platform.metadata.name, preset.name, preemptible=preemptible))

    return {
        "name": platform.metadata.name,
        "gpu_memory_gb": platform.spec.gpu_memory_gigabytes,
        "presets": [
            {
                "name": preset.name,
                "vcpus": preset.resources.vcpu_count,
                "memory_gib": preset.resources.memory_gibibytes,
                "gpus": preset.resources.gpu_count,
                "on_demand": usd_h(preset, preemptible=False),
                "spot": usd_h(preset, preemptible=True) if platform.status.allowed_for_preemptibles else None,
            }
            for preset in platform.spec.presets
        ],
    }


def _instance(project: str, platform: str, preset: str, *, preemptible: bool) -> CreateInstanceRequest:
    """The instance whose price is asked for; it is never created."""
    spec = InstanceSpec(resources=ResourcesSpec(platform=platform, preset=preset))
    if preemptible:
        spec.preemptible = PreemptibleSpec(on_preemption=PreemptibleSpec.PreemptionPolicy.STOP)
        spec.follows_spot_price = FollowsSpotPriceSpec()
    return CreateInstanceRequest(metadata=ResourceMetadata(parent_id=project), spec=spec)


def _levels(advice: ResourceAdvice) -> Iterator[dict[str, Any]]:
    """What a fresh advice says of on-demand and preemptible machines (_Advice)."""
    machine = advice.spec.compute_instance
    if machine is None:
        return
    said = {Purchase.ON_DEMAND: advice.status.on_demand, Purchase.SPOT: advice.status.preemptible}
    for purchase, availability in said.items():
        level = LEVELS.get(availability.availability_level.name)
        if level is not None and availability.data_state.name == "DATA_STATE_FRESH":
            yield {
                "region": advice.spec.region,
                "instance_type": f"{machine.platform}_{machine.preset.name}",
                "purchase": purchase,
                "level": level if availability.available else 0.0,
            }


def _hardware(platform: _Platform, preset: _Preset) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": f"{platform.name}_{preset.name}",
        "vcpus": preset.vcpus,
        "memory_gib": preset.memory_gib,
        "accelerator": _model(platform.name) if preset.gpus else None,
        "accelerator_count": preset.gpus or None,
        # Data sheets say GB as well, so that a name that stands for another card is found out.
        "accelerator_memory_gib": platform.gpu_memory_gb or None if preset.gpus else None,
    }


def _model(platform: str) -> str | None:
    """The accelerator in a name such as `gpu-h100-sxm` or `gpu-l40s-a`: the longest part that is a known model."""
    words = platform.split("-")[1:]
    return accelerator(*("-".join(words[:count]) for count in range(len(words), 0, -1)))


def _offers(platforms: Mapping[str, Iterable[_Platform]]) -> Iterator[dict[str, Any]]:
    for region, listed in platforms.items():
        for platform in listed:
            for preset in platform.presets:
                row = {
                    "cloud": CLOUD,
                    "region": region,
                    "instance_type": f"{platform.name}_{preset.name}",
                    "available": True,
                }
                yield row | {"purchase": Purchase.ON_DEMAND, "price_usd_h": preset.on_demand}
                if preset.spot:
                    yield row | {"purchase": Purchase.SPOT, "price_usd_h": preset.spot}


def _capacity(advice: Iterable[_Advice], expires_at: datetime) -> Iterator[dict[str, Any]]:
    """The best level of the fabrics of a region."""
    best: dict[tuple[str, str, Purchase], float] = {}
    for row in advice:
        key = (row.region, row.instance_type, row.purchase)
        best[key] = max(row.level, best.get(key, 0.0))
    for (region, instance_type, purchase), level in best.items():
        yield {
            "cloud": CLOUD,
            "region": region,
            "instance_type": instance_type,
            "purchase": purchase,
            "signal": Signal.STOCK,
            "level": level,
            "expires_at": expires_at,
        }


def _missing(env: Mapping[str, str], home: Path) -> str:
    found = env.get(TOKEN) or (home / KEY_FILE).is_file()
    return "" if found else f"set {TOKEN}, or put the credentials of a service account into ~/{KEY_FILE}"


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="platforms and presets, on-demand and spot prices, capacity advice",
    page="https://docs.nebius.com",
    needs=f"{TOKEN} or ~/{KEY_FILE}",
    missing=_missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    per_second=10,
)
