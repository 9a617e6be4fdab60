"""What ours and the peer are measured on: one market, as each of them keeps it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks.contestants import opened_broker, write_catalogs
from benchmarks.dag_cases import Pipeline, Step, chain
from benchmarks.placement import ONE_TASK, proven


@pytest.mark.usefixtures("shared")
def test_both_have_the_same_market(tmp_path: Path) -> None:
    """The peer finds a file for each cloud, AWS from ours among them, and ours plans from the same prices."""
    with opened_broker(tmp_path / "ours") as broker:
        write_catalogs(tmp_path / "v8", broker.catalog)
        one = proven(broker, ONE_TASK)
        two = proven(broker, Pipeline((Step("a", ("A100:8",), out_gb=10.0), Step("b", ("L4:1",))), chain(2)))
    files = {path.parent.name: pl.read_csv(path, infer_schema_length=None) for path in tmp_path.glob("v8/*/vms.csv")}
    assert {"aws", "azure", "gcp", "lambda"} < files.keys()
    aws = files["aws"].filter(AcceleratorName="A100", AcceleratorCount=8)
    assert set(aws["InstanceType"]) == {"p4d.24xlarge"}
    assert aws["Price"].n_unique() > 1
    assert aws["SpotPrice"].drop_nulls().len() > 0
    names = pl.read_csv(tmp_path / "v8/common/accelerators.csv", infer_schema=False)["AcceleratorName"].to_list()
    assert {"A100", "A100-80GB", "L4", "V100"} < set(names)
    assert one.plan.candidates > 40
    assert one.sample.cpu_s > 0
    assert len(two.plan.best.placements) == 2
