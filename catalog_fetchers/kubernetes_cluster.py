"""A Kubernetes cluster of the user's own: what its nodes are, and how many of each there are.

Contexts are regions, as for SkyPilot: the current context of the kubeconfig, or those that `SKYBROKER_KUBE_CONTEXTS`
names. Nodes that are alike are one instance type, with the size of the smallest of them; sizes are `allocatable`, which
is what pods can have. Nodes that take no new pods are left out.

What pods that run there already hold is not looked at: it changes by the minute.

The tests speak to a server that answers as the documented API does. A real API server cannot be had there: none is
published ready to run, and compiling it from Debian's source takes 20 minutes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

import urllib3
import yaml
from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api
from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config
from kubernetes.utils.quantity import parse_quantity
from pydantic import BaseModel, Field

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.client import Patience
from catalog_fetchers.errors import AnswerError, RefusedError, SourceError, UnreachableError
from catalog_fetchers.owned_machines import Machine, Place, owned_tables
from catalog_fetchers.rows import accelerator

CLOUD: Final = "kubernetes"
NAME: Final = "kubernetes"
CONTEXTS: Final = "SKYBROKER_KUBE_CONTEXTS"
CONFIG_FILE: Final = ".kube/config"
NODES_A_PAGE: Final = 500
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What an API server answers while it cannot, and may later."""

TPUS: Final = "google.com/tpu"
GPU_RESOURCES: Final = ("nvidia.com/gpu", "amd.com/gpu", TPUS)
"""What a node has of accelerators. A taint of such a name keeps away only the pods that ask for none."""
MODEL_LABELS: Final = (
    "skypilot.co/accelerator",
    "nvidia.com/gpu.product",  # GPU feature discovery
    "amd.com/gpu.product-name",
    "beta.amd.com/gpu.product-name",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "gpu.nvidia.com/class",  # CoreWeave
    "k8s.amazonaws.com/accelerator",
)
"""Where the model of the accelerators stands, the surest first."""
MEMORY_LABELS: Final = ("nvidia.com/gpu.memory", "karpenter.k8s.aws/instance-gpu-memory")
"""The memory of one device, MiB."""
REPLICAS_LABEL: Final = "nvidia.com/gpu.replicas"
"""As how many each device is counted where pods take turns on it."""
TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
NO_PODS: Final = frozenset({"NoSchedule", "NoExecute"})
ARCHITECTURES: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "arm64"}
GIB: Final = 2**30
BESIDES_THE_MODEL: Final = frozenset(
    "amd blackwell edition generation instinct nvidia nvlink oam radeon server tesla workstation".split()
)
"""Words that products bear beside the name of the model."""


class _Metadata(BaseModel):
    name: str
    labels: dict[str, str] = {}


class _Taint(BaseModel):
    key: str
    effect: str


class _Spec(BaseModel):
    unschedulable: bool = False
    taints: list[_Taint] = []


class _Condition(BaseModel):
    type: str
    status: str


class _Info(BaseModel):
    architecture: str
    operating_system: str = Field(alias="operatingSystem")


class _Status(BaseModel):
    allocatable: dict[str, str]
    conditions: list[_Condition]
    info: _Info = Field(alias="nodeInfo")


class _Node(BaseModel):
    metadata: _Metadata
    spec: _Spec
    status: _Status


class _ListMetadata(BaseModel):
    next_page: str = Field(default="", alias="continue")


class _Nodes(BaseModel):
    metadata: _ListMetadata
    items: list[_Node]


def fetch(access: Access) -> Iterator[Page]:
    """The nodes of each context, page by page (`nodes/<number>/<context>`)."""
    file = access.env.get("KUBECONFIG") or str(access.home / CONFIG_FILE)
    for context in _contexts(access.env, file):
        yield from _nodes(context, _connected(file, context, access), access)


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and `owned` OFFERS: in each context so many nodes of each type."""
    alike: dict[tuple[str, Hashable], list[Machine]] = {}
    for page in pages:
        _, _, context = page.name.split("/", 2)
        for node in read_as(_Nodes, page.body, f"nodes of {context}").items:
            if _takes_pods(node):
                machine = _machine(node)
                alike.setdefault((context, _likeness(node, machine)), []).append(machine)
    numbers: Counter[tuple[Place, Machine]] = Counter()
    for (context, _), machines in alike.items():
        numbers[(context, None), _smallest(machines)] += len(machines)
    return owned_tables(CLOUD, numbers, source=NAME, observed_at=observed_at)


def _contexts(env: Mapping[str, str], file: str) -> list[str]:
    named = [name.strip() for name in env.get(CONTEXTS, "").split(",") if name.strip()]
    if named:
        return named
    try:
        _, current = list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
        return [current["name"]]
    except _UNUSABLE:
        raise _unusable(file, "its current context") from None


# The library reads the file without looking at its form first. Its messages may hold a token: they are not passed on.
_UNUSABLE: Final = (ConfigException, yaml.YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError)


def _unusable(file: str, what: str) -> RefusedError:
    return RefusedError(f"the kubeconfig {file} cannot be used: {what}", "see `kubectl config view`")


def _connected(file: str, context: str, access: Access) -> CoreV1Api:
    """The API of a context, patient as the client is."""
    settings = Configuration()
    try:
        load_kube_config(file, context, settings, persist_config=False)  # type: ignore[no-untyped-call]
    except _UNUSABLE:
        raise _unusable(file, f"context {context}") from None
    settings.host = access.client.address(settings.host)
    settings.refresh_api_key_hook = None  # it would set the host again; tokens outlive a look
    settings.retries = _retries(access.client.patience)
    return CoreV1Api(ApiClient(settings))


def _retries(patience: Patience) -> urllib3.Retry:
    return urllib3.Retry(
        patience.attempts - 1,
        status_forcelist=PASSING,
        raise_on_status=False,
        backoff_factor=patience.first_wait_s,
        backoff_max=patience.longest_wait_s,
        retry_after_max=int(patience.longest_wait_s),
    )


def _nodes(context: str, api: CoreV1Api, access: Access) -> list[Page]:
    pages: list[Page] = []

    def read(token: str) -> str | None:
        access.client.wait()
        body = _answer(context, api, token, access.client.patience)
        pages.append(Page(f"nodes/{len(pages)}/{context}", body))
        return read_as(_Nodes, body, f"nodes of {context}").metadata.next_page or None

    access.client.follow("", read)
    return pages


def _answer(context: str, api: CoreV1Api, token: str, patience: Patience) -> bytes:
    """One page of the list of nodes, as it came."""
    try:
        answer = cast(
            "urllib3.BaseHTTPResponse",  # what the method gives where it is not to read the body
            api.list_node(
                limit=NODES_A_PAGE,
                _continue=token or None,
                _preload_content=False,
                _request_timeout=(float(patience.connect_s), float(patience.read_s)),
            ),
        )
        body = answer.data
    except ApiException as error:
        raise _refusal(context, error.status) from error
    except urllib3.exceptions.HTTPError as error:
        if isinstance(getattr(error, "reason", error), urllib3.exceptions.SSLError):
            raise _untrusted(context) from error
        raise UnreachableError(f"{context}: no answer from its API server", "try again later") from error
    if not 200 <= answer.status < 300:
        raise _refusal(context, answer.status)
    return body


def _refusal(context: str, status: int | None) -> SourceError:
    """What an answer without a list stands for."""
    match status:
        case 401:
            return RefusedError(f"{context}: the credentials are not accepted (401)", "renew them")
        case 403:
            return RefusedError(f"{context}: nodes may not be listed (403)", "ask for the right to `list nodes`")
        case 410:
            return UnreachableError(f"{context}: the list of nodes expired while it was read (410)", "try again")
        case 0:
            return _untrusted(context)
        case _ if status in PASSING:
            return UnreachableError(f"{context}: its API server answered {status}", "try again later")
        case _:
            return AnswerError(f"{context}: its API server answered {status}")


def _untrusted(context: str) -> RefusedError:
    return RefusedError(
        f"{context}: the certificate of its API server is not trusted", "mend certificate-authority in the kubeconfig"
    )


def _takes_pods(node: _Node) -> bool:
    """Whether a new pod can be put there: ready, not cordoned, Linux, and no taint but for the sake of its GPUs."""
    ready = any(state.type == "Ready" and state.status == "True" for state in node.status.conditions)
    tainted = any(taint.effect in NO_PODS and taint.key not in GPU_RESOURCES for taint in node.spec.taints)
    info = node.status.info
    return (
        ready
        and not node.spec.unschedulable
        and not tainted
        and info.operating_system == "linux"
        and info.architecture in ARCHITECTURES
    )


def _machine(node: _Node) -> Machine:
    labels, sizes = node.metadata.labels, node.status.allocatable
    number, resource = max(((_quantity(node, name), name) for name in GPU_RESOURCES if name in sizes), default=(0, ""))
    memory_mib = next((labels[label] for label in MEMORY_LABELS if labels.get(label, "").isdigit()), None)
    memory_gib = int(memory_mib) / 1024 if memory_mib else None
    replicas = int(labels[REPLICAS_LABEL]) if labels.get(REPLICAS_LABEL, "").isdigit() else 1
    return Machine(
        vcpus=float(_quantity(node, "cpu")),
        memory_gib=float(_quantity(node, "memory") / GIB),
        arch=ARCHITECTURES[node.status.info.architecture],
        accelerator=_model(labels, resource, memory_gib) if number else None,
        accelerator_count=float(number) / (replicas or 1) if number else None,
        accelerator_memory_gib=memory_gib if number else None,
        divisible=resource != TPUS,  # the chips of a node belong to one slice
    )


def _likeness(node: _Node, machine: Machine) -> Hashable:
    """What nodes that are alike have in common: the system takes a little more of one than of another."""
    sold_as = node.metadata.labels.get(TYPE_LABEL)
    size = sold_as or (int(machine.vcpus), int(machine.memory_gib))
    return size, replace(machine, vcpus=0, memory_gib=0)


def _smallest(machines: Sequence[Machine]) -> Machine:
    return replace(
        machines[0],
        vcpus=min(machine.vcpus for machine in machines),
        memory_gib=min(machine.memory_gib for machine in machines),
    )


def _quantity(node: _Node, resource: str) -> Decimal:
    """So much of a resource, in its base unit: `7910m` CPUs are 7.91, `16Gi` are 2^34 bytes."""
    try:
        return Decimal(parse_quantity(node.status.allocatable[resource]))  # type: ignore[no-untyped-call]
    except (KeyError, ValueError) as error:
        raise AnswerError(f"node {node.metadata.name}: no readable quantity of {resource}") from error


def _model(labels: Mapping[str, str], resource: str, memory_gib: float | None) -> str:
    """The model of the accelerators by the first label that names one; a name that is unknown stays as it stands.

    Labels that leave the memory out (`a100`) are told apart by its size.
    """
    stated = next((labels[label] for label in MODEL_LABELS if labels.get(label)), None)
    if stated is None:
        return resource
    words = re.split(r"[\s_-]+", stated.removesuffix("-SHARED"))
    short = "-".join(word for word in words if word.lower() not in BESIDES_THE_MODEL)
    sized = [f"{short}-{memory_gib:.0f}gb"] if memory_gib else []
    found = accelerator(*sized, "-".join(words), short)
    return found if found in ACCELERATORS and found else stated


def _missing(env: Mapping[str, str], home: Path) -> str:
    named = env.get("KUBECONFIG")
    if named:
        found = any(Path(file).expanduser().is_file() for file in named.split(os.pathsep) if file)
        return "" if found else "KUBECONFIG names no file that is there"
    return "" if (home / CONFIG_FILE).is_file() else f"put a kubeconfig into ~/{CONFIG_FILE}, or name it in KUBECONFIG"


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="the nodes of your Kubernetes clusters, as machines that you own",
    page="https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/",
    needs=f"KUBECONFIG or ~/{CONFIG_FILE}; {CONTEXTS} names contexts other than the current one",
    missing=_missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.OWNED,),
    per_second=5,
)
