"""Where each source can be read on this machine: its stage, and what may go wrong there.

A stage is what a source meets: credentials in the environment, a server that answers for its provider, and what the
catalog knew before. Most are recorded pages (tests/kits/provider.py); Nebius is a gRPC server, and Slurm two commands.
Several sources can share a stage, as they do when all of them are refreshed: one server answers for all providers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from catalog_data.schema import INSTANCE_TYPES, OFFERS, REGIONS
from catalog_fetchers.base import Source
from tests.kits.nebius_api import nebius_api
from tests.kits.program import CHECKOUT
from tests.kits.provider import RECORDED, Fault, Provider, provider_of, recorded_env, recorded_routes
from tests.kits.rows import frame, machine, offer, offers, row

GRPC: Final = "nebius"
"""The source that has no recorded pages."""
FILES: Final = frozenset({"GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG", "PATH"})
"""Variables that a `stage.json` gives relative to the checkout."""
SECRETS: Final = ("KEY", "SECRET", "TOKEN")
"""How the names of variables end that hold one."""
GIVEN: Final = frozenset({"a-token", "a-cluster-token", "a-refresh-token"})
"""Secrets that stand in recorded files: tokens that providers hand out, and those of files of credentials."""

ENDLESS: Final = 10_000
"""More requests than any look sends."""
WEB_PAGE: Final = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please log in</body></html>"
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "nothing": Fault(status=200, times=ENDLESS),
        "a web page": Fault(status=200, content=WEB_PAGE.encode(), times=ENDLESS),
        "a server error": Fault(status=500, content=b"oops", times=ENDLESS),
        "a broken connection": Fault(drop=True, times=ENDLESS),
    }
)
"""What may come in place of every answer."""
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nothing": "exit 0",
        "a web page": f"echo '{WEB_PAGE}'",
        "a server error": "echo 'slurm_load_node error: Unable to contact slurm controller' >&2; exit 1",
        "a broken connection": "echo ClusterName; kill -9 $$",
    }
)
"""The same of the commands of Slurm, as shell scripts."""


@dataclass(frozen=True)
class Stage:
    """What sources meet. `known` (tables by name) is what the catalog must know for each of them to bring rows."""

    env: Mapping[str, str]
    provider: Provider
    known: Mapping[str, pl.DataFrame]

    @property
    def secrets(self) -> frozenset[str]:
        """What must be nowhere afterwards."""
        return GIVEN | {value for name, value in self.env.items() if name.endswith(SECRETS)}


@contextmanager
def stage_of(*sources: Source) -> Iterator[Stage]:
    """The stage of these sources, which lasts as long as the context."""
    recorded = [source.name for source in sources if source.name != GRPC]
    with ExitStack() as servers:
        provider = servers.enter_context(provider_of(route for name in recorded for route in recorded_routes(name)))
        environments: list[Mapping[str, str]] = [_from_anywhere(recorded_env(name)) for name in recorded]
        if len(recorded) < len(sources):
            environments.append(servers.enter_context(nebius_api()).env)
        yield Stage(_joined(environments), provider, _known())


@contextmanager
def broken_stage_of(source: Source, fault: str, folder: Path) -> Iterator[Stage]:
    """The stage of a source where one of FAULTS comes in place of every answer; `folder` can be written."""
    with stage_of(source) as stage:
        stage.provider.fail(FAULTS[fault])
        env = dict(stage.env)
        if "PATH" in env:
            env["PATH"] = _commands(folder, COMMANDS[fault])
        if "NEBIUS_ENDPOINT" in env:
            # A server that does not speak gRPC is all of them at once.
            env["NEBIUS_ENDPOINT"] = stage.provider.mirror.replace("http://127.0.0.1", "localhost")
        yield replace(stage, env=env)


def has_stage(source: Source) -> bool:
    """Whether there is something to read the source from."""
    return source.name == GRPC or (RECORDED / source.name / "stage.json").is_file()


def known_to(source: Source, known: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What a refresh tells the source of it: hardware and offers of its own clouds, and all regions."""
    own = pl.col("cloud").is_in(source.clouds) if source.clouds else pl.lit(value=True)
    return {name: rows if name == REGIONS.name else rows.filter(own) for name, rows in known.items()}


def _from_anywhere(env: Mapping[str, str]) -> dict[str, str]:
    return {name: str(CHECKOUT / value) if name in FILES else value for name, value in env.items()}


def _joined(environments: list[Mapping[str, str]]) -> dict[str, str]:
    """One environment, in which no stage sees another value than its own."""
    joined: dict[str, str] = {}
    for env in environments:
        for name, value in env.items():
            assert joined.setdefault(name, value) == value, f"two stages differ in {name}"
    return joined


def _commands(folder: Path, script: str) -> str:
    """A folder in which this script is each command of Slurm."""
    folder.mkdir()
    for name in ("sinfo", "scontrol"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


def _known() -> dict[str, pl.DataFrame]:
    """A catalog that knows what sources ask about of which the provider lists nothing by itself."""
    g5 = [{"cloud": "aws", "instance_type": f"g5.{size}"} for size in ("xlarge", "2xlarge", "4xlarge")]
    azure = [{"cloud": "azure", "instance_type": f"Standard_{size}"} for size in ("NC24ads_A100_v4", "ND96isr_H100_v5")]
    p5 = {"cloud": "aws", "instance_type": "p5.48xlarge"}
    d2 = {"cloud": "azure", "instance_type": "Standard_D2s_v5"}
    places = (
        ("aws", "us-east-1"),
        ("azure", "eastus"),
        ("gcp", "us-central1"),
        ("lambda", "us-east-1"),
        ("oci", "eu-frankfurt-1"),
    )
    spot = [
        *(offer(region=region, purchase="spot", **kind) for kind in g5 for region in ("us-east-1", "eu-west-1")),
        *(offer(region="eastus", purchase="spot", **kind) for kind in (*azure, d2)),
    ]
    return {
        INSTANCE_TYPES.name: frame(
            INSTANCE_TYPES,
            *(machine(accelerator="A10G", accelerator_count=1, **kind) for kind in g5),
            *(machine(accelerator="H100", accelerator_count=1, **kind) for kind in azure),
            machine(accelerator="H100", accelerator_count=8, **p5),
            machine(**d2),
        ),
        OFFERS.name: offers(*spot),
        REGIONS.name: frame(REGIONS, *(row(REGIONS, cloud=cloud, region=region) for cloud, region in places)),
    }
