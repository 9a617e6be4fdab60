"""A real Slurm cluster in a folder: munged, slurmctld and three slurmd as plain processes, with GPUs in name alone.

The cluster `lab` has the nodes g1 and g2 (64 CPUs, 503 GiB, four A100 and the features `a100` and `ib`), c1 and c2 (8
CPUs, 31 GiB; nobody runs c2, which so does not respond), and the partitions `gpu` (g1, g2), `all` (all nodes, the
default) and `closed` (c1; down). The sizes are the settings' and not this machine's.

It takes root (munge's key, device files) and Debian's packages slurm-wlm and munge (Slurm 22.05).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import pytest

SYSTEM: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
DAEMONS: Final = ("munged", "slurmctld", "slurmd")
RUNNING: Final = ("g1", "g2", "c1")
PATIENCE_S: Final = 30.0

SETTINGS: Final = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
ReturnToService=2
GresTypes=gpu
NodeName=g[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]},{ports[2]}] \\
  CPUs=64 RealMemory=515800 Gres=gpu:a100:4 Feature=a100,ib
NodeName=c[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[3]},{ports[4]}] CPUs=8 RealMemory=32000
PartitionName=gpu Nodes=g[1-2] MaxTime=INFINITE State=UP
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes=c1 MaxTime=INFINITE State=DOWN
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs: `env` is what its commands need, `folder` holds its settings and logs."""

    env: Mapping[str, str]
    folder: Path

    def run(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, env=dict(self.env), capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def states(self) -> dict[str, str]:
        """Node -> state."""
        return dict(line.split() for line in self.run("sinfo", "-hN", "-o", "%N %t").splitlines())

    def wait_until(self, node: str, state: str) -> None:
        """Return when the node is in the state."""
        _wait(lambda: self.states()[node] == state, f"{node} does not come to be {state}", self.folder)


def require_slurm() -> None:
    """Skip the test where Slurm cannot run; under CI it has to."""
    absent = [name for name in DAEMONS if shutil.which(name, path=SYSTEM) is None]
    why = f"{', '.join(absent)} not installed (apt-get install slurm-wlm munge)" if absent else ""
    if not why and os.geteuid() != 0:
        why = "starting a Slurm cluster takes root"
    if why and os.environ.get("CI"):
        pytest.fail(f"CI must run Slurm: {why}")
    if why:
        pytest.skip(why)


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """A cluster that runs while the context lasts; nothing of it is left."""
    require_slurm()
    folder = Path(mkdtemp(prefix="slurm-", dir="/tmp"))  # short: paths of sockets are
    try:
        with ExitStack() as daemons:
            yield _started(folder, daemons)
    finally:
        shutil.rmtree(folder)


def _started(folder: Path, daemons: ExitStack) -> Cluster:
    _write_settings(folder)
    cluster = Cluster({"PATH": SYSTEM, "SLURM_CONF": str(folder / "slurm.conf")}, folder)
    key, conf = folder / "munge.key", str(folder / "slurm.conf")
    files = {name: folder / f"munge.{name}" for name in ("socket", "pid", "log", "seed")}
    options = [f"--{name}{'' if name == 'socket' else '-file'}={path}" for name, path in files.items()]
    _start(daemons, cluster, folder, "munged", "--foreground", "--force", f"--key-file={key}", *options)
    _wait(files["socket"].exists, "munged does not listen", folder)
    _start(daemons, cluster, folder, "slurmctld", "-D", "-f", conf)
    for node in RUNNING:
        _start(daemons, cluster, folder, "slurmd", "-D", "-f", conf, "-N", node)
    _wait(lambda: _is_ready(cluster), "the nodes do not come up", folder)
    return cluster


def _write_settings(folder: Path) -> None:
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(SETTINGS.format(folder=folder, host=host, ports=_free_ports(5)))
    # A file of a GPU must be a device; these are the null device.
    for number in range(4):
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"NodeName=g[1-2] Name=gpu Type=a100 File={folder}/gpu[0-3]\n")
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        held = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]


def _start(daemons: ExitStack, cluster: Cluster, folder: Path, name: str, *options: str) -> None:
    path = shutil.which(name, path=SYSTEM)
    assert path is not None
    log = daemons.enter_context((folder / f"{name}{options[-1] if name == 'slurmd' else ''}.log").open("wb"))
    process = subprocess.Popen([path, *options], env=dict(cluster.env), cwd=folder, stdout=log, stderr=log)
    daemons.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_ready(cluster: Cluster) -> bool:
    try:
        states = cluster.states()
    except subprocess.CalledProcessError:
        return False  # slurmctld does not listen yet
    return all(states.get(node) == "idle" for node in RUNNING)


def _wait(is_done: Callable[[], bool], why: str, folder: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_done():
        if time.monotonic() > give_up_at:
            logs = "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in folder.glob("*.log"))
            raise RuntimeError(f"{why}\n{logs}")
        time.sleep(0.05)
