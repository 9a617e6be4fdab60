"""Plans carried out on the local cloud: what is lost is found again, and nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.workload import Edge
from executor.bill import spent_usd
from executor.deploy import BusyError, held
from executor.drivers.local_market import Fault, Rule
from executor.launch import SpentError
from executor.machines import NodeState
from executor.state import DeploymentState, RequestState, TaskState
from executor.task_run import EndedError, HaltedError, Limits, SpentBudgetError, TaskFailedError
from tests.kits.carried import V100, Carrier, carrier, task
from tests.kits.program import CHECKOUT

EAST_A, EAST_B, WEST, CENTRAL = "us-east-1a spot", "us-east-1b spot", "us-west-2a spot", "us-central1 on_demand"
SLOW = "trap 'echo saved; exit 143' TERM; echo began; for i in $(seq 400); do sleep 0.05; done"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Carrier]:
    """Where everything is to be had."""
    with carrier(tmp_path) as made:
        yield made


def test_a_task_is_run_and_billed(home: Carrier) -> None:
    """Its output comes in order, its machine ends, and what it cost stands in the record."""
    done = home.carry(task("echo one; echo $SKYBROKER_TASK; sleep 0.1; echo two", setup="echo ready"))
    assert done.state is DeploymentState.DONE
    assert home.text() == "ready\none\ntrain\ntwo\n"
    assert home.kinds() == ["asked", "running", "done"]
    assert home.tried() == [EAST_A]
    assert home.live() == []
    state = home.state
    [node] = state.nodes()
    assert (node.state, state.requests()[0].state) == (NodeState.GONE, RequestState.ENDED)
    assert spent_usd(state.requests(), state.nodes(), datetime.now(UTC)) == pytest.approx(1.0 / 60)
    kept = sorted((home.folder / "logs" / done.id / "train").iterdir())
    assert b"".join(path.read_bytes() for path in kept).decode() == home.text()


def test_the_next_best_place_is_tried_where_there_is_no_capacity(tmp_path: Path) -> None:
    """Zone by zone; who comes next does not ask again where there was nothing."""
    with carrier(tmp_path, Rule(zone="us-east-1*", error=Fault.NO_CAPACITY)) as home:
        home.carry(task("true"))
        assert home.tried() == [EAST_A, EAST_B, WEST]
        assert [request.state for request in home.state.requests()][:2] == [RequestState.REFUSED] * 2
        home.carry(task("true"))
        assert home.tried()[3:] == [WEST]


def test_a_quota_spares_the_tries_that_it_foretells(tmp_path: Path) -> None:
    """It is the region's: the other zone is not asked."""
    with carrier(tmp_path, Rule(region="us-east-1", error=Fault.QUOTA)) as home:
        home.carry(task("true"))
        assert home.tried() == [EAST_A, WEST]


def test_whatever_a_cloud_is_busy_with_is_asked_again(tmp_path: Path) -> None:
    """In the same place, with the same token: there is one request, and one machine."""
    with carrier(tmp_path, Rule(error=Fault.TRANSIENT, times=2)) as home:
        home.carry(task("true"))
        assert home.tried() == [EAST_A]


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_OUTCOME_AFTER, Fault.UNKNOWN_OUTCOME_BEFORE])
def test_a_lost_answer_makes_no_second_machine(tmp_path: Path, fault: Fault) -> None:
    """Whether the request or the answer was lost on the way."""
    with carrier(tmp_path, Rule(error=fault, times=1)) as home:
        home.carry(task("true"))
        assert home.tried() == [EAST_A]
        assert len(home.state.nodes()) == 1
        assert home.live() == []


def test_machines_that_could_not_be_made_are_ended(tmp_path: Path) -> None:
    """The cloud said yes, and failed later."""
    with carrier(tmp_path, Rule(zone="us-east-1a", fail_async=True)) as home:
        home.carry(task("true"))
        assert home.tried() == [EAST_A, EAST_B]
        assert home.live() == []


def test_when_all_is_spent_a_new_plan_is_asked_for_then_it_fails(tmp_path: Path) -> None:
    """What is excluded is told to whoever plans."""
    with carrier(tmp_path, Rule(error=Fault.NO_CAPACITY)) as home:
        with pytest.raises(SpentError, match="4 were asked"):
            home.carry(task("true"))
        assert home.tried() == [EAST_A, EAST_B, WEST, CENTRAL]
        assert len(home.excluded) == 4
        assert home.state.deployments()[-1].state is DeploymentState.FAILED
        assert home.live() == []


def test_a_machine_that_is_taken_back_is_replaced_elsewhere(tmp_path: Path) -> None:
    """The task saves its work at the notice and goes on in another zone, under the same id; both are billed."""
    with carrier(tmp_path, Rule(zone="us-east-1a", take_back_after_s=0.5, grace_s=2.0)) as home:
        run = f'echo "$SKYBROKER_TASK_ID $SKYBROKER_ATTEMPT"; [ "$SKYBROKER_ATTEMPT" = 2 ] && exit; {SLOW}'
        home.carry(task(run))
        assert home.tried() == [EAST_A, EAST_B]
        lines = home.text().splitlines()
        assert [line for line in lines if line.startswith("w-1")] == ["w-1_train 1", "w-1_train 2"]
        assert "saved" in lines
        assert home.kinds() == ["asked", "running", "lost", "asked", "running", "done"]
        assert [node.taken_back for node in home.state.nodes()] == [True, False]
        assert home.live() == []


def test_recovery_goes_where_the_workload_says(tmp_path: Path) -> None:
    """Eagerly to another region; the zone that was lost is the last."""
    with carrier(tmp_path, Rule(zone="us-east-1a", take_back_after_s=0.3, grace_s=0.2)) as home:
        eager = replace(V100, job_recovery="EAGER_NEXT_REGION")
        run = f'[ "$SKYBROKER_ATTEMPT" = 2 ] && exit; {SLOW}'
        home.carry(replace(task(run), requirements=(eager,)))
        assert home.tried() == [EAST_A, WEST]


def test_a_failure_of_its_own_is_kept_and_ends_the_machine(home: Carrier) -> None:
    """The exit code stands in the record; nothing is tried again."""
    with pytest.raises(TaskFailedError, match="exit code 3"):
        home.carry(task("echo no; exit 3"))
    [record] = home.state.tasks("w-1")
    assert (record.state, record.exit_code, record.attempt) == (TaskState.FAILED, 3, 1)
    assert home.live() == []
    assert home.text() == "no\n"


def test_a_gang_fails_together(home: Carrier) -> None:
    """Each node knows the others; when one fails, the others are told to end."""
    run = f'echo "$SKYBROKER_NODE_RANK of $SKYBROKER_NUM_NODES"; [ "$SKYBROKER_NODE_RANK" = 1 ] && exit 7; {SLOW}'
    with pytest.raises(TaskFailedError, match="exit code 7"):
        home.carry(task(run, nodes=3))
    assert home.text(rank=1) == "1 of 3\n"
    assert home.text(rank=2).startswith("2 of 3\n")
    assert home.live() == []


def test_tasks_follow_each_other_and_run_side_by_side(home: Carrier) -> None:
    """What depends on another begins when it is done; a failure keeps back only what depends on it."""
    edges = (Edge("a", "c", 0.0), Edge("b", "d", 0.0))
    with pytest.raises(TaskFailedError):
        home.carry(task("echo a", "a"), task("exit 1", "b"), task("echo c", "c"), task("echo d", "d"), edges=edges)
    states = {one.task: one.state for one in home.state.tasks("w-1")}
    assert states == {"a": TaskState.DONE, "b": TaskState.FAILED, "c": TaskState.DONE, "d": TaskState.WAITING}
    assert home.text("c") == "c\n"


def test_secrets_reach_the_task_and_nothing_else(home: Carrier) -> None:
    """Neither the record nor a log, but where the task itself prints them."""
    home.secrets = {"train": {"TOKEN": "s3cr3t-value"}}
    home.carry(task('[ "$TOKEN" = s3cr3t-value ] && echo got it'))
    assert home.text() == "got it\n"
    kept = [path for path in home.folder.rglob("*") if path.is_file()]
    assert len(kept) > 3
    assert not [path for path in kept if b"s3cr3t-value" in path.read_bytes()]


def test_two_programs_do_not_carry_out_the_same(home: Carrier) -> None:
    """The second is told so."""
    home.deployment(task("true"))
    with held(home.folder / "locks", "w-1"), pytest.raises(BusyError, match="another program"):
        home.carry(task("true"))
    assert home.tried() == []


def test_who_lets_go_comes_back(home: Carrier) -> None:
    """The machine works on; the next program goes on with it, and reads on where the output ended."""
    waiting = "echo began; while [ ! -e $HOME/go ]; do sleep 0.05; done; echo done"
    timer = threading.Timer(0.8, home.halted.set)
    timer.start()
    with pytest.raises(HaltedError):
        home.carry(task(waiting))
    [node] = home.live()
    assert home.state.deployments()[-1].state is DeploymentState.RUNNING
    (home.folder / "local" / "nodes" / node.id / "home" / "go").touch()
    home.halted.clear()
    home.carry(task(waiting))
    assert home.text() == "began\ndone\n"
    assert home.kinds() == ["asked", "running", "adopted", "running", "done"]
    assert home.live() == []


def test_down_from_another_program_ends_it(home: Carrier) -> None:
    """Whatever the task was doing, it is not started again elsewhere."""
    threading.Timer(0.8, lambda: home.state.end_deployment("w-1", DeploymentState.STOPPED)).start()
    with pytest.raises(EndedError):
        home.carry(task(SLOW))
    assert home.tried() == [EAST_A]
    assert home.live() == []
    assert home.state.deployments()[-1].state is DeploymentState.STOPPED


def test_machines_that_the_cloud_has_forgotten_are_not_billed_for_ever(home: Carrier) -> None:
    """A program was killed, and its machine went long ago."""
    threading.Timer(0.6, home.halted.set).start()
    with pytest.raises(HaltedError):
        home.carry(task("sleep 30"))
    home.driver("aws").destroy(home.live())
    for remembered in (home.folder / "local" / "gone").glob("*.json"):
        remembered.unlink()
    home.halted.clear()
    home.carry(task("true"))
    assert [node.ended_at is None for node in home.state.nodes()] == [False, False]


def test_money_and_time_are_limits(home: Carrier) -> None:
    """What is up ends the task and its machine."""
    with pytest.raises(SpentBudgetError):
        home.carry(task(SLOW), limits=Limits(until=datetime.now(UTC) + timedelta(seconds=1)))
    assert home.live() == []
    with pytest.raises(SpentBudgetError):
        home.carry(task(SLOW), limits=Limits(budget_usd=0.001))
    assert home.live() == []


@pytest.mark.parametrize("when", ["asked", "working"])
def test_a_program_that_is_killed_loses_nothing(tmp_path: Path, when: str) -> None:
    """Killed while it asks, or while the task works: the next one finds the machine, and there is no second."""
    rules = [Rule(delay_s=0.6)] if when == "asked" else []
    with carrier(tmp_path, *rules) as home:
        program = "import sys; from tests.kits.carried import main; main()"
        started = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), "sleep 2; echo end"], cwd=CHECKOUT)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            nodes = home.state.nodes()
            if nodes if when == "working" else home.state.requests():
                break
            time.sleep(0.02)
        time.sleep(0.3)
        started.kill()
        started.wait()
        home.carry(task("sleep 2; echo end"))
        assert home.text() == "end\n"
        assert home.live() == []
        assert len({node.id for node in home.state.nodes()}) == len(home.state.nodes())


def test_killed_at_any_step_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """At each step in turn: whoever comes next brings it to its end, with one deployment and no machine left."""
    program = [sys.executable, "-W", "ignore", "-c", "from tests.kits.carried import main; main()", str(tmp_path)]
    done = subprocess.run(program, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) > 25
    assert {(died, again) for _, died, again in lines} == {(str(signal.SIGKILL.value), "0")}
    for folder, *_ in lines:
        home = Carrier(Path(folder))
        assert home.live() == []
        state = home.state
        deployments = state.deployments()
        assert {one.state for one in deployments} == {DeploymentState.DONE}
        # Whoever was killed after the end was written has nothing to go on with: that is another deployment.
        assert len(deployments) == (2 if folder == lines[-1][0] else 1)
        assert all(node.ended_at is not None for node in state.nodes())
        assert {one.state for one in state.requests()} <= {RequestState.ENDED, RequestState.REFUSED}
        assert len(state.nodes()) <= len(state.requests()) <= 2
        # Once the task is done it is not done again.
        kinds = [event.kind for one in deployments for event in state.events(one.id)]
        assert kinds.count("done") <= len(deployments)
