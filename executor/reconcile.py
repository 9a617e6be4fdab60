"""The record and the clouds, compared and mended both ways, before anything else is done.

in the record, not in the cloud    the node is gone: written down
in the cloud, asked for by us      its request was never answered here: written down
in the cloud, asked for by nobody  an orphan: shown, and ended only if the user says so
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from executor.drivers.base import Driver
from executor.errors import DriverError
from executor.machines import Node, NodeState
from executor.provision import Patience, repeated
from executor.state import NodeRecord, RequestRecord, RequestState, State


@dataclass(frozen=True)
class Reconciled:
    """What there is: `nodes` of the record that are not gone, `orphans`, and the clouds that did not answer."""

    nodes: tuple[Node, ...]
    orphans: tuple[Node, ...]
    silent: tuple[tuple[str, DriverError], ...]


def reconcile(
    state: State, clouds: str, driver_of: Callable[[str], Driver], patience_of: Callable[[str], Patience]
) -> Reconciled:
    """Looks in every cloud and region that was ever asked; where a cloud does not answer, its record stays as it is.

    Args:
        state: the record.
        clouds: which of its deployments are meant: those on the real clouds, or on this machine in their place.
        driver_of: the driver of a cloud.
        patience_of: how long it is waited for.
    """
    # Before the clouds are looked at: what another program makes meanwhile is in no list here, and not gone.
    recorded = state.nodes()
    meant = {one.id for one in state.deployments() if one.clouds == clouds}
    requests = [request for request in state.requests() if request.deployment in meant]
    nodes: list[Node] = []
    orphans: list[Node] = []
    silent: list[tuple[str, DriverError]] = []
    by_cloud = sorted(requests, key=lambda request: request.place.cloud)
    for cloud, of_cloud in groupby(by_cloud, key=lambda request: request.place.cloud):
        asked = list(of_cloud)
        try:
            found = _seen(state, driver_of(cloud), asked, patience_of(cloud))
        except DriverError as error:
            silent.append((cloud, error))
            continue
        live = [node for node in found if node.state is not NodeState.GONE]
        tokens = {request.token for request in asked}
        nodes += [node for node in live if node.token in tokens]
        orphans += [node for node in live if node.token not in tokens]
        _mend(state, cloud, asked, recorded, found, patience_of(cloud))
    return Reconciled(tuple(nodes), tuple(orphans), tuple(silent))


def _seen(state: State, driver: Driver, asked: Iterable[RequestRecord], patience: Patience) -> tuple[Node, ...]:
    regions = sorted({request.place.region for request in asked})
    return repeated(lambda: driver.nodes(state.owner, regions), patience)


def _mend(
    state: State,
    cloud: str,
    asked: Collection[RequestRecord],
    recorded: Collection[NodeRecord],
    found: Collection[Node],
    patience: Patience,
) -> None:
    by_token: dict[str, list[Node]] = {}
    for node in found:
        by_token.setdefault(node.token, []).append(node)
    settled = datetime.now(UTC) - timedelta(seconds=patience.settle_s)
    for request in asked:
        if request.token in by_token:
            state.made(request.token, by_token[request.token])
        elif request.state is RequestState.ASKED and request.asked_at <= settled:
            state.refused(request.token)
    known, tokens = {node.id for node in found}, {request.token for request in asked}
    gone = [
        node.id
        for node in recorded
        if node.token in tokens and node.ended_at is None and node.id not in known and node.began_at <= settled
    ]
    state.gone(cloud, gone)
