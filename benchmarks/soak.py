"""`python -m benchmarks.soak [DEPLOYMENTS] [SEED]`: many deployments among random faults, and what is left of them.

Each is of one to three nodes in a market of its own, made from the seed: places without capacity, quotas, throttling,
lost requests and answers, nodes that fail late or are taken back; tasks that fail, too, and programs that let go and
come back. In the end the cloud may have no node that is not gone, and the record has to say the same of each. Exits
with 1 if not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Final

from benchmarks.local_runs import CLOUD, left_in, plan_of, task, world_in
from engine.workload import Workload
from executor.deploy import carry_out
from executor.drivers.local import LocalDriver
from executor.drivers.local_market import Fault, Market, Rule
from executor.errors import ExecutorError
from executor.state import DeploymentState, State
from executor.task_run import Limits

ZONES: Final = 6
FAULTS: Final = (
    Fault.NO_CAPACITY,
    Fault.QUOTA,
    Fault.PRICE,
    Fault.TRANSIENT,
    Fault.UNKNOWN_OUTCOME_BEFORE,
    Fault.UNKNOWN_OUTCOME_AFTER,
)
RUNS: Final = (
    "true",
    "sleep 0.3",
    '[ "$SKYBROKER_ATTEMPT" -gt 1 ] || exit 75',
    "exit 3",
    'trap "exit 143" TERM; sleep 0.5',
)
"""What tasks do: done at once, some time, a failure that stands for lost machines, and one of their own."""


@dataclass(frozen=True)
class Soaked:
    """What became of the deployments, and what is wrong in the end."""

    ends: Counter[str]
    requests: int
    nodes: int
    wrong: tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Prints what became of them; the exit code."""
    count = int(arguments[0]) if arguments else 1_000
    seed = int(arguments[1]) if arguments[1:] else 1
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="skybroker-soak-") as folder:
        found = soaked(Path(folder), count, random.Random(seed))  # noqa: S311 - faults, not secrets
    took = f"{time.monotonic() - start_s:.0f} s, {time.process_time() - start_cpu_s:.0f} CPU-s of ours"
    ends = ", ".join(f"{number} {end}" for end, number in sorted(found.ends.items()))
    print(f"{count} deployments (seed {seed}): {ends}; {found.requests} requests, {found.nodes} nodes; {took}")
    for line in found.wrong:
        print(f"wrong: {line}")
    print(f"{len(found.wrong)} things are wrong")
    return 1 if found.wrong else 0


def soaked(folder: Path, count: int, rng: random.Random) -> Soaked:
    """Carries them out one after the other, in one home."""
    plans = {nodes: plan_of(ZONES, nodes) for nodes in (1, 2, 3)}
    ends: Counter[str] = Counter()
    state = State(folder / "state.db")
    for number in range(count):
        nodes = rng.choice((1, 1, 2, 3))
        workload = Workload(f"soak-{number}", (task(rng.choice(RUNS), nodes),))
        market = _market(rng)
        deployment = state.new_deployment(workload.name, "{}", "soak.yaml", "local", ["train"])
        while True:
            world = world_in(folder, market)
            timer = Timer(rng.uniform(0.0, 0.6), world.halted.set) if rng.random() < 0.2 else None
            if timer:
                timer.start()
            try:
                with suppress(ExecutorError):
                    carry_out(world, deployment, plans[nodes], workload, Limits())
            finally:
                if timer:
                    timer.cancel()
            found = state.deployment(deployment.id)
            if found is not None and found.state is not DeploymentState.RUNNING:
                ends[found.state.value] += 1
                break
            ends["let go"] += 1
        state.forget_exclusions()
    return Soaked(ends, len(state.requests()), len(state.nodes()), tuple(_wrong(folder, state)))


def _market(rng: random.Random) -> Market:
    """Up to five things that go wrong, some of them for so many requests only."""
    rules = []
    for _ in range(rng.randrange(6)):
        where = rng.choice((None, f"*-{rng.randrange(ZONES):03}"))
        times = rng.choice((1, 2, 3))
        match rng.randrange(8):
            case 0:
                rules.append(Rule(zone=where, times=times, fail_async=True))
            case 1 | 2:
                rules.append(Rule(zone=where, times=times, take_back_after_s=rng.uniform(0, 0.4), grace_s=0.1))
            case _:
                rules.append(Rule(zone=where, times=times, error=rng.choice(FAULTS)))
    return Market(tuple(dict.fromkeys(rules)))


def _wrong(folder: Path, state: State) -> list[str]:
    """Where cloud and record differ, or anything is left."""
    left = [f"{node.id} of {node.deployment} is {node.state}" for node in left_in(folder, state)]
    made = LocalDriver(CLOUD, folder / "local", memory=timedelta(days=1)).nodes(state.owner, ["us-east-1"])
    known = {node.id for node in state.nodes()}
    unknown = [f"{node.id} of {node.deployment} is in no record" for node in made if node.id not in known]
    open_ended = [f"{node.id} has no end in the record" for node in state.nodes() if node.ended_at is None]
    unanswered = [f"{one.token} is {one.state}" for one in state.requests() if one.state in {"asked", "made"}]
    return [*left, *unknown, *open_ended, *unanswered]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
