"""Kubernetes: which nodes count, what they are, and how a cluster that cannot be read is told.

The server speaks the documented REST of `/api/v1/nodes`; why it is no real API server says the source's module.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from catalog_fetchers.base import Page, Pages, Tables
from catalog_fetchers.errors import AnswerError, RefusedError, RepeatedPageError, SourceError, UnreachableError
from catalog_fetchers.kubernetes_cluster import SOURCE
from tests.kits.provider import RECORDED, Fault, Route, provider_of, recorded_env, recorded_routes
from tests.kits.source_conformance import LOOK, access_to, fetched, require_conforming

URL = "https://lab.example:6443/api/v1/nodes"
SECRET = "a-cluster-token"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """What the cluster answers to one look."""
    return look(tmp_path, recorded_routes("kubernetes"))


def look(folder: Path, routes: list[Route], *faults: Fault, **env: str) -> Pages:
    """What a cluster with these routes answers."""
    with (
        provider_of(routes) as provider,
        access_to(provider.mirror, folder, {**recorded_env("kubernetes"), **env}) as access,
    ):
        provider.fail(*faults)
        return fetched(SOURCE, access)


def refusal(folder: Path, routes: list[Route], *faults: Fault, **env: str) -> SourceError:
    """Why a cluster cannot be read; the token is nowhere in it."""
    with pytest.raises(SourceError) as refused:
        look(folder, routes, *faults, **env)
    assert SECRET not in f"{refused.value} {refused.value.hint} {refused.value.__cause__}"
    return refused.value


def kubeconfig(folder: Path, **clusters: Mapping[str, Any]) -> str:
    """A kubeconfig in which each cluster has a context of its name; the first is the current one."""
    path = folder / "kubeconfig"
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(clusters)),
        "clusters": [{"name": name, "cluster": dict(cluster)} for name, cluster in clusters.items()],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in clusters],
        "users": [{"name": "me", "user": {"token": SECRET}}],
    }
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return str(path)


def a_node(labels: Mapping[str, str], **allocatable: str) -> dict[str, Any]:
    """A ready Linux node as the API gives it."""
    return {
        "metadata": {"name": "n", "labels": dict(labels)},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "8", "memory": "32Gi", **allocatable},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"},
        },
    }


def page_of(*nodes: dict[str, Any], context: str = "lab", more: str = "") -> Page:
    """A page of a list of nodes."""
    body = {"kind": "NodeList", "metadata": {"continue": more} if more else {}, "items": list(nodes)}
    return Page(f"nodes/0/{context}", json.dumps(body).encode())


def whole(tables: Tables) -> pl.DataFrame:
    """The machines that are no parts of a larger one, the largest first."""
    machines = tables["instance_types"].sort("vcpus", "instance_type", descending=True)
    return machines.unique("accelerator", keep="first", maintain_order=True)


def test_it_conforms(pages: Pages) -> None:
    """What holds for every source."""
    require_conforming(SOURCE, pages)


def test_nodes_that_take_pods_are_counted_by_type(pages: Pages) -> None:
    """Not those that are cordoned, not ready, tainted, of another system or architecture; a taint for GPUs is none.

    There is no price: a cluster costs nothing more.
    """
    tables = SOURCE.parse(pages, LOOK)
    offers = tables["offers"]
    assert offers.select("region", "zone", "purchase", "price_usd_h").unique().rows() == [("lab", None, "owned", None)]
    quantities = dict(offers.select("instance_type", "quantity").rows())
    assert {name: number for name, number in quantities.items() if not name.endswith((":1", ":2", "X:4"))} == {
        "191.45CPU--1999.9GB--H100:8": 2,
        "95.72CPU--999.9GB--H100:4": 4,
        "15.89CPU--55.8GB": 2,
        "7.91CPU--30GB--arm64": 1,
        "111.9CPU--180GB--TPU-v5e:4": 1,
        "190CPU--2000GB--MI300X:8": 1,
    }
    assert quantities["15.5CPU--60GB--T4:1"] == 2


def test_the_chips_of_a_node_are_not_divided(pages: Pages) -> None:
    """They belong to one slice, which a pod has whole or not at all."""
    machines = SOURCE.parse(pages, LOOK)["instance_types"].filter(accelerator="TPU-v5e")
    assert machines["accelerator_count"].to_list() == [4]


def test_sizes_are_what_pods_can_have(pages: Pages) -> None:
    """`191450m` are 191.45 CPUs; 60G are 55.8 GiB; of nodes that are alike the smallest counts (2,097,100,000 KiB)."""
    columns = ("vcpus", "memory_gib", "arch", "accelerator", "accelerator_count")
    machines = SOURCE.parse(pages, LOOK)["instance_types"].select(columns)
    assert {
        (191.45, 1999.9, "x86_64", "H100", 8),
        (190.0, 2000.0, "x86_64", "MI300X", 8),
        (15.89, 55.8, "x86_64", None, None),
        (7.91, 30.0, "arm64", None, None),
    } <= set(machines.rows())


@pytest.mark.parametrize(
    ("labels", "resources", "model", "count"),
    [
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}, {"nvidia.com/gpu": "8"}, "A100-80GB", 8),
        ({"nvidia.com/gpu.product": "Tesla-V100-SXM2-16GB"}, {"nvidia.com/gpu": "4"}, "V100", 4),
        ({"nvidia.com/gpu.product": "NVIDIA-RTX-6000-Ada-Generation"}, {"nvidia.com/gpu": "1"}, "RTX6000-Ada", 1),
        ({"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}, {"nvidia.com/gpu": "1"}, "T4", 1),
        ({"cloud.google.com/gke-tpu-accelerator": "tpu-v4-podslice"}, {"google.com/tpu": "4"}, "TPU-v4", 4),
        ({"gpu.nvidia.com/class": "H100_NVLINK_80GB"}, {"nvidia.com/gpu": "8"}, "H100", 8),
        ({"k8s.amazonaws.com/accelerator": "nvidia-tesla-k80"}, {"nvidia.com/gpu": "1"}, "K80", 1),
        ({"skypilot.co/accelerator": "l40s", "nvidia.com/gpu.product": "odd"}, {"nvidia.com/gpu": "1"}, "L40S", 1),
        ({"beta.amd.com/gpu.product-name": "AMD_Instinct_MI250X_OAM"}, {"amd.com/gpu": "8"}, "MI250", 8),
        (
            {
                "karpenter.k8s.aws/instance-gpu-name": "a100",
                "karpenter.k8s.aws/instance-gpu-memory": "81920",
            },
            {"nvidia.com/gpu": "8"},
            "A100-80GB",
            8,
        ),
        ({"karpenter.k8s.aws/instance-gpu-name": "a100"}, {"nvidia.com/gpu": "8"}, "A100", 8),
        (
            {"nvidia.com/gpu.product": "NVIDIA-A10G-SHARED", "nvidia.com/gpu.replicas": "4"},
            {"nvidia.com/gpu": "4"},
            "A10G",
            1,
        ),
        ({"nvidia.com/gpu.product": "NVIDIA-A10G"}, {"nvidia.com/gpu": "0"}, None, None),
        ({"nvidia.com/gpu.product": "NVIDIA-A10G"}, {}, None, None),
    ],
)
def test_the_model_is_read_from_labels(
    labels: dict[str, str], resources: dict[str, str], model: str | None, count: float | None
) -> None:
    """As each vendor and cloud labels its nodes; a label without a device that pods can have is none."""
    machines = whole(SOURCE.parse([page_of(a_node(labels, **resources))], LOOK))
    assert machines.select("accelerator", "accelerator_count").rows() == [(model, count)]


@pytest.mark.parametrize(
    ("labels", "stays"),
    [
        ({}, "nvidia.com/gpu"),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}, "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"),
        ({"nvidia.com/gpu.product": "NVIDIA-Z900", "nvidia.com/gpu.memory": "81920"}, "NVIDIA-Z900"),
    ],
)
def test_an_unknown_model_stays_as_it_stands(labels: dict[str, str], stays: str) -> None:
    """A slice of a device is not the device, and a device without a label is not guessed: the checks list them."""
    machines = whole(SOURCE.parse([page_of(a_node(labels, **{"nvidia.com/gpu": "7"}))], LOOK))
    assert machines["accelerator"].to_list() == [stays]


@pytest.mark.parametrize(
    ("cpu", "memory", "name"),
    [
        ("4", "16Gi", "4CPU--16GB"),
        ("3920m", "16384Mi", "3.92CPU--16GB"),
        ("100", "17179869184", "100CPU--16GB"),
        ("1k", "1Ti", "1000CPU--1024GB"),
        ("0.5", "1500M", "0.5CPU--1.3GB"),
        ("2", "17179869184000m", "2CPU--16GB"),
    ],
)
def test_quantities_have_units(cpu: str, memory: str, name: str) -> None:
    """Thousandths, decimal and binary multiples, and none at all; sizes are rounded down."""
    tables = SOURCE.parse([page_of(a_node({}, cpu=cpu, memory=memory))], LOOK)
    assert tables["offers"]["instance_type"].to_list() == [name]


def test_a_size_that_is_no_quantity_is_said() -> None:
    """Nothing is guessed of the node."""
    with pytest.raises(AnswerError, match="node n: no readable quantity of memory"):
        SOURCE.parse([page_of(a_node({}, memory="much"))], LOOK)


def test_clusters_are_regions() -> None:
    """The same type in two contexts, whose names may hold slashes, is one type and two offers."""
    arn = "arn:aws:eks:us-east-1:1234:cluster/train"
    tables = SOURCE.parse([page_of(a_node({}), a_node({})), page_of(a_node({}), context=arn)], LOOK)
    assert dict(tables["offers"].select("region", "quantity").rows()) == {"lab": 2, arn: 1}
    assert tables["instance_types"].height == 1


def test_nodes_without_a_type_are_alike_by_size() -> None:
    """The system leaves a little more of one than of another; a larger one is another machine."""
    sizes = ("32Gi", "33285996544", "64Gi")  # 31 GiB, and a quarter of a GiB less than 32
    tables = SOURCE.parse([page_of(*(a_node({}, memory=size) for size in sizes), a_node({}, memory="32.2Gi"))], LOOK)
    assert dict(tables["offers"].select("instance_type", "quantity").rows()) == {
        "8CPU--31GB": 1,
        "8CPU--32GB": 2,
        "8CPU--64GB": 1,
    }


def test_an_empty_cluster_has_no_offers() -> None:
    """Nor has one whose nodes all take no pods."""
    busy = a_node({})
    busy["spec"]["unschedulable"] = True
    tables = SOURCE.parse([page_of(busy)], LOOK)
    assert (tables["offers"].height, tables["instance_types"].height) == (0, 0)


def test_the_token_is_in_the_header_alone(tmp_path: Path) -> None:
    """Not in an address, and not in a page."""
    with (
        provider_of(recorded_routes("kubernetes")) as provider,
        access_to(provider.mirror, tmp_path, recorded_env("kubernetes")) as access,
    ):
        pages = fetched(SOURCE, access)
    assert [request.query for request in provider.received] == [
        {"limit": "500"},
        {"limit": "500", "continue": "after-cpu-1"},
    ]
    assert all(request.headers["authorization"] == f"Bearer {SECRET}" for request in provider.received)
    assert not any(SECRET in f"{page.name}{page.body.decode()}" for page in pages)


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, RefusedError, "lab: the credentials are not accepted (401)"),
        (403, RefusedError, "lab: nodes may not be listed (403)"),
        (404, AnswerError, "lab: its API server answered 404"),
        (410, UnreachableError, "lab: the list of nodes expired while it was read (410)"),
    ],
)
def test_a_refusal_is_told(tmp_path: Path, status: int, kind: type[SourceError], message: str) -> None:
    """By what it asks of the user, at the first answer."""
    error = refusal(tmp_path, [Route(URL, b"no", status=status)])
    assert (type(error), str(error)) == (kind, message)


def test_a_fault_that_passes_is_survived(tmp_path: Path) -> None:
    """Three faults of the server, then an answer; a fourth is one too many."""
    routes = recorded_routes("kubernetes")
    assert len(look(tmp_path, routes, Fault(status=503, times=3))) == 2
    error = refusal(tmp_path, routes, Fault(status=503, times=4))
    assert (type(error), str(error)) == (UnreachableError, "lab: its API server answered 503")


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Nobody listens on port 1."""
    env = {"KUBECONFIG": kubeconfig(tmp_path, lab={"server": "http://127.0.0.1:1"})}
    with (
        access_to("", tmp_path, env) as access,
        pytest.raises(UnreachableError, match="lab: no answer from its API server"),
    ):
        fetched(SOURCE, access)


def test_pages_that_go_round_in_circles_come_to_an_end(tmp_path: Path) -> None:
    """A page that names itself as the next one."""
    with pytest.raises(RepeatedPageError):
        look(tmp_path, [Route(URL, page_of(a_node({}), more="again").body)])


def test_a_web_page_is_no_list(tmp_path: Path) -> None:
    """A proxy that asks for a login answers 200."""
    assert str(refusal(tmp_path, [Route(URL, b"<html>sign in</html>")])) == (
        "nodes of lab: expected JSON, got a web page"
    )


def test_a_renamed_field_is_said(pages: Pages) -> None:
    """Without its sizes no node is guessed."""
    renamed = [Page(page.name, page.body.replace(b'"allocatable"', b'"available"')) for page in pages]
    with pytest.raises(AnswerError, match=r"items.0.status.allocatable: field required"):
        SOURCE.parse(renamed, LOOK)


def test_contexts_may_be_named(tmp_path: Path) -> None:
    """Each of them is read, the current one only if it is one of them."""
    clusters = {name: {"server": f"https://{name}.example"} for name in ("lab", "east", "west")}
    routes = [Route(f"https://{name}.example/api/v1/nodes", page_of(a_node({})).body) for name in ("east", "west")]
    file = kubeconfig(tmp_path, **clusters)
    both = look(tmp_path, routes, KUBECONFIG=file, SKYBROKER_KUBE_CONTEXTS="east, west")
    assert [page.name for page in both] == ["nodes/0/east", "nodes/0/west"]
    error = refusal(tmp_path, routes, KUBECONFIG=file, SKYBROKER_KUBE_CONTEXTS="north")
    assert str(error).endswith("cannot be used: context north")


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"users: [{{name: me, user: {{token: {SECRET}",
        f"- {SECRET}",
        f"current-context: lab\nusers: [{{name: me, user: {{token: {SECRET}}}}}]",
        f"current-context: lab\ncontexts: [{{name: lab, user: {SECRET}}}]",
        f"contexts: {SECRET}\nclusters: 5",
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_said(tmp_path: Path, text: str) -> None:
    """Without a word of what is in it."""
    path = tmp_path / "damaged"
    path.write_text(text, encoding="utf-8")
    error = refusal(tmp_path, [], KUBECONFIG=str(path))
    assert isinstance(error, RefusedError)
    assert str(error).startswith(f"the kubeconfig {path} cannot be used")


def test_the_kubeconfig_is_where_kubectl_has_it(tmp_path: Path) -> None:
    """In the home folder, or where KUBECONFIG says, which may name several files."""
    assert "put a kubeconfig into ~/.kube/config" in SOURCE.missing({}, tmp_path)
    assert SOURCE.missing({"KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b"}, tmp_path) == (
        "KUBECONFIG names no file that is there"
    )
    (tmp_path / "b").touch()
    assert SOURCE.missing({"KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b"}, tmp_path) == ""
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    (tmp_path / "home" / ".kube" / "config").write_bytes((RECORDED / "kubernetes" / "kubeconfig.yaml").read_bytes())
    assert SOURCE.missing({}, tmp_path / "home") == ""
    with provider_of(recorded_routes("kubernetes")) as provider, access_to(provider.mirror, tmp_path, {}) as access:
        assert len(fetched(SOURCE, access)) == 2


@contextmanager
def tls_server(folder: Path) -> Iterator[dict[str, Any]]:
    """A server on loopback with a certificate of its own making, as a cluster of a kubeconfig that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem + secret)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = page_of(a_node({})).body
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up on the certificate

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield {
            "server": f"https://127.0.0.1:{server.server_address[1]}",
            "certificate-authority-data": base64.b64encode(pem).decode(),
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_certificate_of_the_server_must_be_trusted(tmp_path: Path) -> None:
    """The authority that the kubeconfig names is; without it the answer is not read."""
    with tls_server(tmp_path) as cluster:
        with access_to("", tmp_path, {"KUBECONFIG": kubeconfig(tmp_path, lab=cluster)}) as access:
            assert len(fetched(SOURCE, access)) == 1
        stranger = {"server": cluster["server"]}
        with (
            access_to("", tmp_path, {"KUBECONFIG": kubeconfig(tmp_path, lab=stranger)}) as access,
            pytest.raises(RefusedError, match="lab: the certificate of its API server is not trusted"),
        ):
            fetched(SOURCE, access)
