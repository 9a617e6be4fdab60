"""What commands about deployments share: the record, compared with the clouds, and the end of machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from cli.clouds import LOCAL, REAL, Clouds
from cli.errors import CommandError
from cli.settings import deployments_path
from cli.talk import say
from executor.errors import ExecutorError
from executor.machines import NodeState
from executor.provision import LeftBehindError, nodes_of, release, repeated
from executor.reconcile import Reconciled, reconcile
from executor.state import Deployment, DeploymentState, State


def opened_state() -> State:
    """The record of this user."""
    try:
        return State(deployments_path() / "state.db")
    except ExecutorError as error:
        raise CommandError(str(error), hint=error.hint) from error


def compared(state: State) -> dict[str, Reconciled]:
    """The record and the clouds, after each was mended by the other; clouds that do not answer are told."""
    found = {
        name: reconcile(state, name, clouds.driver_of, clouds.patience_of) for name, clouds in _all_clouds().items()
    }
    for cloud, error in (silent for one in found.values() for silent in one.silent):
        say(f"note: {cloud} does not answer, and its machines may be others by now: {error}")
    return found


def named(state: State, names: Sequence[str]) -> list[Deployment]:
    """The deployments of these ids or names; all where none is named."""
    if not names:
        return state.deployments()
    found = []
    for name in names:
        one = state.deployment(name)
        if one is None:
            raise CommandError(f"there is no deployment {name!r}", hint="`skybroker status --all` lists them")
        found.append(one)
    return found


def brought_down(state: State, deployment: Deployment) -> int:
    """Ends all machines of a deployment, and the deployment; how many machines there were."""
    if deployment.state is DeploymentState.RUNNING:
        state.end_deployment(deployment.id, DeploymentState.STOPPED, "ended by `skybroker down`")
    clouds = _all_clouds()[deployment.clouds]
    live = [node for node in state.nodes(deployment.id) if node.ended_at is None]
    for request in state.open_requests(deployment.id):
        cloud = request.place.cloud
        try:
            release(clouds.driver_of(cloud), state, request, clouds.patience_of(cloud))
        except LeftBehindError as error:
            raise CommandError(f"{deployment.id}: {error}", hint=error.hint) from error
    return len(live)


def taken_back(state: State, deployment: Deployment, task: str | None, rank: int) -> list[str]:
    """Gives notice to the machines of a rank of a deployment on this machine; their ids."""
    if deployment.clouds != LOCAL:
        raise CommandError(f"{deployment.id} is not on this machine", hint="only its cloud takes its machines back")
    clouds, taken = Clouds(LOCAL, deployments_path()), []
    for request in state.open_requests(deployment.id, task):
        driver = clouds.local_driver(request.place.cloud)
        for node in nodes_of(driver, state.owner, request.place.region, frozenset({request.token})):
            if node.rank == rank and node.state is NodeState.RUNNING:
                driver.take_back(node)
                taken.append(node.id)
    if not taken:
        raise CommandError(f"{deployment.id} has no such machine", hint="`skybroker status` shows what it has")
    return taken


def ended_orphans(found: Mapping[str, Reconciled]) -> int:
    """Ends machines that are in no record; how many."""
    for name, clouds in _all_clouds().items():
        for node in found[name].orphans:
            driver, patience = clouds.driver_of(node.place.cloud), clouds.patience_of(node.place.cloud)
            repeated(partial(driver.destroy, [node]), patience)
    return sum(len(one.orphans) for one in found.values())


def _all_clouds() -> dict[str, Clouds]:
    return {name: Clouds(name, deployments_path()) for name in (LOCAL, REAL)}
