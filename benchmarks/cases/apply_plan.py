"""Carrying a plan out on this machine: twenty zones without capacity, gangs of up to a hundred nodes, first output."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.local_runs import plan_of, task, world_in
from benchmarks.measure import Sample, warm
from benchmarks.result import Growth, Timed
from engine.plan import Plan
from engine.workload import Workload
from executor.deploy import carry_out
from executor.drivers.local_market import Fault, Market, Rule
from executor.task_run import Limits

FULL: Final = 20
MOST_CPU_S_A_TRY: Final = 0.050
SIZES: Final = (1, 10, 100)
RUNS: Final = 3
WORKLOAD: Final = "name: first\nresources: {accelerators: V100}\nestimate: {hours: 1}\nrun: echo first\n"


def measure() -> Growth:
    """CPU time is that of this program; nodes and clients are processes of their own."""
    full = Market(tuple(Rule(zone=f"us-east-1-{zone:03}", error=Fault.NO_CAPACITY) for zone in range(FULL)))
    plan = plan_of(FULL + 1)
    sizes = [
        Timed(
            f"a task on {nodes} node{'s' if nodes > 1 else ''} of this machine",
            warm(partial(_carried, plan_of(1, nodes), nodes), RUNS),
            None,
        )
        for nodes in SIZES
    ]
    return Growth(
        (
            Timed(
                f"a task after {FULL} zones without capacity ({MOST_CPU_S_A_TRY * 1000:g} ms each)",
                warm(lambda: _carried(plan, 1, full), RUNS),
                FULL * MOST_CPU_S_A_TRY,
            ),
            *sizes,
            Timed("`apply PLAN --on local` to the first line of the task's output", _first_lines(), None),
        )
    )


def _carried(plan: Plan, nodes: int, market: Market | None = None) -> None:
    with tempfile.TemporaryDirectory(prefix="skybroker-apply-") as folder:
        world = world_in(Path(folder), market or Market())
        deployment = world.state().new_deployment("apply", "{}", "made-up.yaml", "local", ["train"])
        carry_out(world, deployment, plan, Workload("apply", (task("true", nodes),)), Limits())


def _first_lines() -> tuple[Sample, ...]:
    with tempfile.TemporaryDirectory(prefix="skybroker-apply-") as home:
        workload, plan = Path(home) / "first.yaml", Path(home) / "plan.json"
        workload.write_text(WORKLOAD, encoding="utf-8")
        environment = {**os.environ, "HOME": home}
        program = [sys.executable, "-c", "from cli.main import main; main()"]
        subprocess.run([*program, "plan", workload, "-o", plan], env=environment, check=True, capture_output=True)
        apply = [*program, "apply", str(plan), "--on", "local"]
        return tuple(_first_line(apply, environment) for _ in range(RUNS))


def _first_line(command: Sequence[str], environment: dict[str, str]) -> Sample:
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        if child.stdout is None or not child.stdout.readline():
            raise subprocess.SubprocessError("the task printed nothing")
        wall_s = time.perf_counter() - start
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Sample(usage.ru_utime + usage.ru_stime, wall_s)
