"""A Slurm cluster of the user's own: what its nodes are, and how many of each there are in each partition.

The cluster (`ClusterName`) is the region. A partition is a zone: it is where a job is sent, all of a job's nodes come
from it, and a node may be in several. Nodes of the same size are one instance type. Nodes and partitions that take no
new jobs are left out. How long the queue is, is not looked at.

`sinfo` is asked for a format of our own and not for `--json`, whose form depends on the release of Slurm: the format is
the same in all of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import Purchase
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError, UnreachableError
from catalog_fetchers.owned_machines import Machine, Place, owned_tables
from catalog_fetchers.rows import accelerator

CLOUD: Final = "slurm"
NAME: Final = "slurm"

COLUMNS: Final = "%R|%a|%h|%N|%t|%c|%m|%G|%f"
"""A line for each node of each partition: partition, whether it is up and its jobs share nodes; node, state, CPUs, MiB,
generic resources, features."""
NODES: Final = ("sinfo", "--noheader", "--Node", "--exact", f"--format={COLUMNS}")
SETTINGS: Final = ("scontrol", "show", "config")

TAKES_JOBS: Final = frozenset({"alloc", "comp", "idle", "mix", "plnd"})
"""States (sinfo(1), NODE STATE CODES) of nodes that run jobs, now or after others."""
AWAY: Final = frozenset("*$^")
"""Flags of a state: not responding, reserved for maintenance, about to boot. One that is powered down is powered up."""
MULTIPLES: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
ARM: Final = frozenset({"GH200", "GB200", "GB300"})
"""Accelerators that come with an ARM processor; `sinfo` does not tell the architecture."""


@dataclass(frozen=True)
class _Line:
    """One node in one partition; memory in MiB, `gpus` as (type or an empty text, number)."""

    partition: str
    takes_jobs: bool
    shares_nodes: bool
    vcpus: int
    memory_mib: int
    gpus: tuple[tuple[str, int], ...]
    features: tuple[str, ...]


def fetch(access: Access) -> Iterator[Page]:
    """The name of the cluster, and a line for each node of each partition."""
    settings = _output(SETTINGS, access).splitlines(keepends=True)
    # The other settings may hold passwords.
    yield Page("settings", b"".join(line for line in settings if line.startswith(b"ClusterName")))
    yield Page("nodes", _output(NODES, access))


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and `owned` OFFERS: in each partition so many nodes of each type."""
    bodies = {page.name: page.body.decode("utf-8", "replace") for page in pages}
    cluster = _cluster(bodies["settings"])
    lines = [_line(text) for text in bodies["nodes"].splitlines() if text.strip()]
    numbers: Counter[tuple[Place, Machine]] = Counter(
        ((cluster, line.partition), machine) for line in lines if line.takes_jobs for machine in _machines(line)
    )
    return owned_tables(CLOUD, numbers, source=NAME, observed_at=observed_at)


def _output(command: Sequence[str], access: Access) -> bytes:
    """What a command of Slurm prints."""
    access.client.wait()
    name, *options = command
    # Variables of the user's own habits (a format, a partition) would change what is printed.
    env = {key: value for key, value in access.env.items() if not key.startswith("SINFO_")}
    path = shutil.which(name, path=env.get("PATH", ""))
    if path is None:
        raise UnreachableError(f"{name} is not on PATH", "install the client commands of Slurm")
    try:
        done = subprocess.run(  # noqa: S603 (a command of our own)
            [path, *options], env=env, capture_output=True, timeout=access.client.patience.read_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{name}: no answer in time", "try again later") from error
    except OSError as error:
        raise UnreachableError(f"{name} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise UnreachableError(f"{name}: {said[-1].removeprefix(f'{name}: error: ')}", "try again later")
    return done.stdout


def _cluster(settings: str) -> str:
    found = re.search(r"^ClusterName\s*=\s*(\S+)", settings, re.MULTILINE)
    if found is None:
        raise AnswerError("scontrol show config: no ClusterName")
    return found[1]


def _line(text: str) -> _Line:
    """One line of COLUMNS."""
    fields = text.split("|")
    if len(fields) != COLUMNS.count("|") + 1 or not (fields[5].isdigit() and fields[6].isdigit()):
        raise AnswerError(f"sinfo: not a line of {COLUMNS}: {text}")
    partition, up, sharing, _, state, vcpus, memory_mib, resources, features = (field.strip() for field in fields)
    code = re.match("[a-z]*", state)
    usable = code is not None and code[0] in TAKES_JOBS and not AWAY & set(state)
    return _Line(
        partition=partition,
        takes_jobs=up == "up" and usable,
        shares_nodes=sharing != "EXCLUSIVE",
        vcpus=int(vcpus),
        memory_mib=int(memory_mib),
        gpus=tuple(_gpus(resources)),
        features=() if features == "(null)" else tuple(features.split(",")),
    )


def _gpus(resources: str) -> Iterator[tuple[str, int]]:
    """The GPUs among generic resources: `gpu:a100:4(S:0-1),nic:2` -> ("a100", 4); `gpu:2` -> ("", 2)."""
    for resource in re.sub(r"\([^)]*\)", "", resources).split(","):
        name, *rest = resource.split(":")
        if name != "gpu":
            continue
        number = re.fullmatch(r"(\d+)([kmg]?)", rest[-1].lower()) if rest else None
        kind = rest[0] if len(rest) > 1 or (rest and number is None) else ""
        yield kind, int(number[1]) * MULTIPLES[number[2]] if number else 1


def _machines(line: _Line) -> Iterator[Machine]:
    """What a node is to a job: one machine, or one for each kind of GPU that it has."""
    whole = Machine(line.vcpus, line.memory_mib / 1024, divisible=line.shares_nodes)  # MiB / (MiB/GiB) = GiB
    gpus = [(_model(kind, line.features), number) for kind, number in line.gpus if number]
    if not gpus:
        yield whole
    for model, number in gpus:
        yield replace(whole, arch="arm64" if model in ARM else None, accelerator=model, accelerator_count=float(number))


def _model(kind: str, features: Sequence[str]) -> str:
    """The model of GPUs by their type, or else by the one feature that names a model; unknown ones as they stand."""
    if kind:
        return accelerator(kind) or kind
    models = {name for name in map(accelerator, features) if name in ACCELERATORS}
    return models.pop() or "gpu" if len(models) == 1 else "gpu"


def _missing(env: Mapping[str, str], _home: Path) -> str:
    absent = [name for name in ("sinfo", "scontrol") if shutil.which(name, path=env.get("PATH", "")) is None]
    return f"run it where Slurm's commands are: {' and '.join(absent)} not on PATH" if absent else ""


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="the nodes of your Slurm cluster, as machines that you own",
    page="https://slurm.schedmd.com/sinfo.html",
    needs="the commands sinfo and scontrol on PATH, on a machine of the cluster",
    missing=_missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.OWNED,),
    per_second=5,
)
