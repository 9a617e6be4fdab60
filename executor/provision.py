"""One request for nodes: asked for, made, running, or nothing of it left.

The record is written before and after each call to the cloud, and every call may be repeated: a request by its token,
an end because ending twice is ending once. So whatever is killed in between can be taken up again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from executor.drivers.base import Driver
from executor.errors import (
    DriverError,
    ExecutorError,
    NoCapacityError,
    Scope,
    TransientError,
    UnknownOutcomeError,
)
from executor.machines import Node, NodesRequest, NodeState, Place
from executor.state import RequestRecord, RequestState, State

Answer = TypeVar("Answer")

LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True)
class Patience:
    """How long a cloud is waited for.

    Attributes:
        poll_s: between two looks at nodes that are being prepared.
        boot_s: until nodes run; after that there is no capacity, whatever the cloud says.
        pause_s: before a call that failed for a moment is repeated; it doubles each time.
        tries: how often it is made in all.
        settle_s: after so long what was asked for is in the cloud's lists, if it was made.
        watch_s: between two looks at nodes that work.
        lost_s: a node that does not answer for so long is lost, whatever its cloud says.
    """

    poll_s: float = 3.0
    boot_s: float = 900.0
    pause_s: float = 1.0
    tries: int = 6
    settle_s: float = 60.0
    watch_s: float = 15.0
    lost_s: float = 300.0


class LeftBehindError(ExecutorError):
    """Nodes may be left in a cloud that does not answer; the record knows them, and `down` ends them."""


def provision(
    driver: Driver, state: State, request: NodesRequest, price_usd_h: float, patience: Patience
) -> tuple[Node, ...]:
    """The nodes of a request, all of them RUNNING.

    Raises:
        DriverError: there are none, and nothing is left of them.
        LeftBehindError: there are none to be used, and the cloud does not answer.
    """
    asked = state.ask(request, price_usd_h)
    try:
        nodes = repeated(lambda: driver.create(request), patience)
        state.made(request.token, nodes)
        nodes = _running(driver, request, patience)
    except DriverError as error:
        is_made = state.request(request.token).state is RequestState.MADE
        if is_made or isinstance(error, UnknownOutcomeError):
            release(driver, state, asked, patience)
        else:
            state.refused(request.token)  # after any other error of `create` there is nothing
        raise
    state.made(request.token, nodes)
    return nodes


def nodes_of(driver: Driver, owner: str, region: str, tokens: frozenset[str]) -> tuple[Node, ...]:
    """What the cloud says of the nodes of some requests, by token and rank."""
    found = [node for node in driver.nodes(owner, [region]) if node.token in tokens]
    return tuple(sorted(found, key=lambda node: (node.token, node.rank)))


def release(driver: Driver, state: State, request: RequestRecord, patience: Patience) -> None:
    """Ends whatever there is of a request, once it can be seen.

    Raises:
        LeftBehindError: the cloud does not answer, or keeps them.
    """
    token, region = request.token, request.place.region
    try:
        found = _settled(driver, state.owner, request, patience)
        left = [node for node in found if node.state is not NodeState.GONE]
        if left:
            repeated(lambda: driver.destroy(left), patience)
    except DriverError as error:
        raise LeftBehindError(
            f"nodes may be left in {driver.cloud}/{region}, which does not answer: {error}",
            "`skybroker down` ends them once it does",
        ) from error
    if found:
        state.made(token, found)
    recorded = [node.id for node in state.nodes(request.deployment) if node.token == token]
    if recorded:
        state.gone(driver.cloud, recorded)  # also those that the cloud has forgotten since
    else:
        state.refused(token)


def _settled(driver: Driver, owner: str, request: RequestRecord, patience: Patience) -> tuple[Node, ...]:
    """The nodes of a request, all of them or, if there are fewer, what is listed when lists can be believed."""
    while True:
        found = repeated(lambda: nodes_of(driver, owner, request.place.region, frozenset({request.token})), patience)
        believed = request.asked_at + timedelta(seconds=patience.settle_s) <= datetime.now(UTC)
        if believed or len(found) >= request.count:
            return found
        time.sleep(patience.poll_s)


def repeated(call: Callable[[], Answer], patience: Patience) -> Answer:
    """The answer of a call that may be made again: after a moment, if the cloud was busy or the answer was lost."""
    pauses = _pauses(patience)
    while True:
        try:
            return call()
        except (TransientError, UnknownOutcomeError) as error:
            pause_s = next(pauses, None)
            if pause_s is None:
                raise
            asked_s = error.after_s if isinstance(error, TransientError) else None
            time.sleep(min(max(pause_s, asked_s or 0.0), LONGEST_PAUSE_S))


def _pauses(patience: Patience) -> Iterator[float]:
    pause_s = patience.pause_s
    for _ in range(patience.tries - 1):
        yield pause_s
        pause_s *= 2


def _running(driver: Driver, request: NodesRequest, patience: Patience) -> tuple[Node, ...]:
    """Waits until all of them run.

    Raises:
        NoCapacityError: one of them failed, is gone, or took too long.
    """
    until = time.monotonic() + patience.boot_s
    while True:
        nodes = repeated(
            lambda: nodes_of(driver, request.owner, request.place.region, frozenset({request.token})), patience
        )
        if len(nodes) == request.count and all(node.state is NodeState.RUNNING for node in nodes):
            return nodes
        for node in nodes:
            if node.state in {NodeState.FAILED, NodeState.GONE, NodeState.STOPPED}:
                raise NoCapacityError(node.fault or f"node {node.id} is {node.state}", exactly(request.place))
        if time.monotonic() > until:
            raise NoCapacityError(f"not ready after {patience.boot_s:g} s", exactly(request.place))
        time.sleep(patience.poll_s)


def exactly(place: Place) -> Scope:
    """The scope of a place alone."""
    return Scope(place.cloud, place.region, place.zone, frozenset({place.instance_type}), place.purchase)
