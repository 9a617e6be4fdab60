"""What a deployment has cost so far: each node for the time that it was there, as its cloud meters it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import ceil

from engine.billing import BILLING
from executor.state import NodeRecord, RequestRecord


def spent_usd(requests: Iterable[RequestRecord], nodes: Iterable[NodeRecord], now: datetime) -> float:
    """In USD, up to `now`: at the prices of the plan when each node was asked for.

    Disks and transfers are not in it. Where it is not known how a cloud meters, time is billed as it passes.
    """
    price_usd_h = {request.token: request.price_usd_h for request in requests}
    # s / (s/h) * $/h = $
    return sum(billed_s(node, now) / 3600 * price_usd_h[node.token] for node in nodes)


def billed_s(node: NodeRecord, now: datetime) -> float:
    """The seconds that a node is billed for."""
    # A clock that was set back makes no time negative.
    seconds = max(((node.ended_at or now) - node.began_at).total_seconds(), 0.0)
    metering = BILLING.get(node.cloud)
    if metering is None:
        return seconds
    return max(ceil(seconds / metering.granularity_s) * metering.granularity_s, metering.minimum_s)
