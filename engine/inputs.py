"""What bringing the data in costs and takes that a task reads from outside the workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from catalog_data.snapshot import Snapshot
from engine.transfers import dearest_usd_gb, hours_to_move, place, slowest_gbit_s, transfers
from engine.workload import Task

HOME_REGION: Final[Mapping[str, str]] = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
"""Where a bucket is taken to lie, for its egress rate, when the task runs in another cloud."""

CLOUD_OF_SCHEME: Final[Mapping[str, str]] = {"s3": "aws", "gs": "gcp", "azure": "azure", "az": "azure"}


def cloud_of(url: str) -> str | None:
    """The cloud in which a bucket lies, None where its URL does not say."""
    return CLOUD_OF_SCHEME.get(url.split("://", 1)[0])


def home_of(cloud: str) -> str:
    """The place from which a bucket of the cloud is taken to leave it."""
    return place(cloud, HOME_REGION[cloud])


def with_inputs(placed: pl.DataFrame, task: Task, snapshot: Snapshot) -> tuple[pl.DataFrame, list[str]]:
    """Add `input_usd` and `input_h` of the task's inputs, which arrive side by side; what had to be assumed.

    Each node fetches its share.
    """
    frame = placed.with_columns(pl.lit(0.0).alias("input_usd"), pl.lit(0.0).alias("input_h"))
    assumptions = []
    for url, data_gb in task.inputs.items():
        cloud = cloud_of(url)
        if not data_gb:
            continue
        if cloud is None:
            assumptions.append(f"where {url} lies is not known; moving it is taken to be free")
            continue
        home = home_of(cloud)
        assumptions.append(f"{url} is taken to lie where the task runs if that is {cloud}, else in {home}")
        places = frame["place"].unique().to_list()
        most_usd = data_gb * dearest_usd_gb(snapshot).get(cloud, 0.0)
        most_h = hours_to_move(data_gb, task.num_nodes * slowest_gbit_s(snapshot))
        moved = transfers(snapshot, data_gb, [home], places, streams=task.num_nodes).with_columns(
            pl.col("egress_usd").fill_null(most_usd).alias("usd"), pl.col("transfer_h").fill_null(most_h).alias("h")
        )
        frame, unknown = _with_input(frame, cloud, moved)
        if unknown:
            assumptions.append(
                f"what moving {url} costs or takes is not known for {unknown} of the places where it could"
                " run; the most is taken"
            )
    return frame, assumptions


def _with_input(frame: pl.DataFrame, cloud: str, moved: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Add one input that lies in `cloud` or is `moved` from there; to how many places a figure is not known."""
    joined = frame.join(moved.drop("src"), left_on="place", right_on="dst", how="left", maintain_order="left")
    comes = pl.col("cloud") != cloud
    unknown = joined.filter(comes & (pl.col("egress_usd").is_null() | pl.col("transfer_h").is_null()))
    usd, hours = (pl.when(comes).then(pl.col(name)).otherwise(0.0) for name in ("usd", "h"))
    added = joined.with_columns(pl.col("input_usd") + usd, pl.max_horizontal("input_h", hours).alias("input_h"))
    return added.drop("egress_usd", "transfer_h", "usd", "h"), unknown["place"].n_unique()
