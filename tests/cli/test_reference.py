"""The pages that are made from the program are what it says now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import polars as pl
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", ["cli.md", "catalog.md", "sources.md"])
def test_generated_pages_are_current(name: str) -> None:
    """`make docs` writes them again."""
    spec = importlib.util.spec_from_file_location("make_reference", CHECKOUT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (CHECKOUT / "docs" / name).read_text(encoding="utf-8") == module.pages()[name]


def test_the_readme_names_files_that_exist() -> None:
    """Every relative link of the README leads somewhere."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []
    assert "@@" not in text


def test_the_readme_counts_what_the_embedded_catalog_holds() -> None:
    """Its table: regions, types, accelerators and offers by purchase of each cloud, as far as they have a price."""
    seed = CHECKOUT / "catalog_data" / "seed"
    offers = pl.read_parquet(seed / "offers.parquet").filter(pl.col("price_usd_h").is_not_null())
    types = pl.read_parquet(seed / "instance_types.parquet").select("cloud", "instance_type", "accelerator")
    counted = offers.join(types, on=["cloud", "instance_type"]).group_by("cloud").agg(
        pl.col("region").n_unique(),
        pl.col("instance_type").n_unique(),
        pl.col("accelerator").drop_nulls().n_unique(),
        on_demand=(pl.col("purchase") == "on_demand").sum(),
        spot=(pl.col("purchase") == "spot").sum(),
        reserved=pl.col("purchase").str.starts_with("reserved").sum(),
    )  # fmt: skip
    stated = re.findall(
        r"^\| ([a-z]+) \| ([\d,| ]+) \|$", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {
        cloud: tuple(int(figure.replace(",", "")) for figure in figures.split(" | ")) for cloud, figures in stated
    } == {row[0]: row[1:] for row in counted.iter_rows()}
