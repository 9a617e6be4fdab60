"""A real gRPC server on loopback that answers as Nebius does, from `tests/recorded/nebius/api.json`.

It speaks with the message classes of the provider's own client. A list is cut into pages of two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc
from nebius.api.nebius.billing import v1 as billing
from nebius.api.nebius.capacity import v1 as capacity
from nebius.api.nebius.common.v1 import ResourceMetadata
from nebius.api.nebius.compute import v1 as compute
from nebius.api.nebius.iam import v2 as iam

from tests.kits.provider import RECORDED

PAGE: Final = 2
API: Final[Mapping[str, Any]] = json.loads((RECORDED / "nebius" / "api.json").read_text(encoding="utf-8"))


@dataclass
class NebiusApi:
    """The server: `env` is what a source needs to read it, `services` are those called, call by call.

    `fault` is the status with which the service of that name answers; `repeats` lets the tokens of pages go in circles.
    """

    env: Mapping[str, str]
    services: list[str] = field(default_factory=list)
    fault: tuple[str, grpc.StatusCode] | None = None
    repeats: bool = False


@contextmanager
def nebius_api(api: Mapping[str, Any] = API) -> Iterator[NebiusApi]:
    """A server that answers while the context lasts."""
    state = NebiusApi({})
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=_Services(api, state).handlers())
        port = server.add_insecure_port("127.0.0.1:0")
        state.env = {"NEBIUS_IAM_TOKEN": api["token"], "NEBIUS_ENDPOINT": f"localhost:{port}"}
        server.start()
        try:
            yield state
        finally:
            server.stop(None).wait()


class _Services:
    """The calls, each from the bytes of a request to an answer; None where there is no such price."""

    def __init__(self, api: Mapping[str, Any], state: NebiusApi) -> None:
        self._api = api
        self._state = state

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """What a server needs to answer them."""
        methods: dict[str, tuple[str, Callable[[bytes], Any]]] = {
            "nebius.iam.v2.TenantService": ("List", self._tenants),
            "nebius.iam.v2.ProjectService": ("List", self._projects),
            "nebius.compute.v1.PlatformService": ("List", self._platforms),
            "nebius.capacity.v1.ResourceAdviceService": ("List", self._advice),
            "nebius.billing.v1.CalculatorService": ("EstimateBatch", self._estimate),
        }
        return [
            grpc.method_handlers_generic_handler(
                service, {method: grpc.unary_unary_rpc_method_handler(partial(self._answer, service, answer))}
            )
            for service, (method, answer) in methods.items()
        ]

    def _answer(
        self, service: str, answer: Callable[[bytes], Any], body: bytes, context: grpc.ServicerContext
    ) -> bytes:
        self._state.services.append(service)
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {self._api['token']}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        if self._state.fault and self._state.fault[0] == service:
            context.abort(self._state.fault[1], "not now")
        message = answer(body)
        if message is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unresolved sku")
        sent: bytes = message.SerializeToString()
        return sent

    def _part(self, items: list[Any], token: str) -> dict[str, Any]:
        start = int(token or 0)
        following = 0 if self._state.repeats else start + PAGE
        return {
            "items": items[start : start + PAGE],
            "next_page_token": str(following) if following < len(items) else "",
        }

    def _tenants(self, body: bytes) -> Any:
        ask = iam.ListTenantsRequest.FromString(body)
        tenants = [iam.Tenant(metadata=ResourceMetadata(id=name)) for name in self._api["tenants"]]
        return iam.ListTenantsResponse(**self._part(tenants, ask.page_token))

    def _projects(self, body: bytes) -> Any:
        ask = iam.ListProjectsRequest.FromString(body)
        projects = [
            iam.Project(metadata=ResourceMetadata(id=name), spec=iam.ProjectSpec(region=region))
            for name, region in self._api["projects"][ask.parent_id]
        ]
        return iam.ListProjectsResponse(**self._part(projects, ask.page_token))

    def _platforms(self, body: bytes) -> Any:
        ask = compute.ListPlatformsRequest.FromString(body)
        platforms = [_platform(row) for row in self._api["platforms"][ask.parent_id]]
        return compute.ListPlatformsResponse(**self._part(platforms, ask.page_token))

    def _advice(self, body: bytes) -> Any:
        ask = capacity.ListResourceAdviceRequest.FromString(body)
        advice = [_advice(row) for row in self._api["advice"][ask.parent_id]]
        return capacity.ListResourceAdviceResponse(**self._part(advice, ask.page_token))

    def _estimate(self, body: bytes) -> Any:
        """The cost of the instance by the hour."""
        ask = billing.EstimateBatchRequest.FromString(body)
        packed = ask.resource_specs[0].spec
        assert packed.type_url == "type.googleapis.com/nebius.compute.v1.CreateInstanceRequest"
        instance = compute.CreateInstanceRequest.FromString(packed.value)
        asked = instance.spec.resources
        purchase = "spot" if instance.spec.follows_spot_price is not None else "on_demand"
        for platform in self._api["platforms"][instance.metadata.parent_id]:
            for preset in platform["presets"]:
                if (platform["name"], preset["name"]) == (asked.platform, asked.preset) and preset[
                    purchase
                ] is not None:
                    return billing.EstimateBatchResponse(total_costs=[_cost("hour", preset[purchase])])
        return None


def _platform(row: Mapping[str, Any]) -> compute.Platform:
    presets = [
        compute.Preset(
            name=preset["name"],
            resources=compute.PresetResources(
                vcpu_count=preset["vcpus"], memory_gibibytes=preset["memory_gib"], gpu_count=preset["gpus"]
            ),
        )
        for preset in row["presets"]
    ]
    return compute.Platform(
        metadata=ResourceMetadata(name=row["name"]),
        spec=compute.PlatformSpec(presets=presets, gpu_memory_gigabytes=row["gpu_memory_gb"]),
        status=compute.PlatformStatus(allowed_for_preemptibles=row["preemptible"]),
    )


def _advice(row: Mapping[str, Any]) -> capacity.ResourceAdvice:
    details = capacity.ComputeInstanceDetails
    machine = details(platform=row["platform"], preset=details.Preset(name=row["preset"]))
    return capacity.ResourceAdvice(
        spec=capacity.ResourceAdviceSpec(region=row["region"], fabric=row["fabric"], compute_instance=machine),
        status=capacity.ResourceAdviceStatus(
            on_demand=_availability(*row["on_demand"]), preemptible=_availability(*row["preemptible"])
        ),
    )


def _availability(level: str, available: int, state: str) -> Any:
    kind = capacity.ResourceAdviceStatus.Availability
    return kind(
        availability_level=kind.AvailabilityLevel[f"AVAILABILITY_LEVEL_{level}"],
        available=available,
        data_state=kind.DataState[f"DATA_STATE_{state}"],
    )


def _cost(unit: str, usd: str) -> billing.TotalCost:
    total = billing.CostBreakdown(cost=usd)
    return billing.TotalCost(
        aggregation_unit=billing.AggregationUnit(unit=unit), general=billing.GeneralResourceCost(total=total)
    )
