"""Candidates as placements of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog_data.schema import Confidence, Purchase
from engine.plan import Placement
from engine.workload import Task


def placement_of(task: Task, candidate: Mapping[str, Any], start_h: float) -> Placement:
    """The placement that a candidate makes: a row of candidates.Candidates.frame, or of single.merge_regions."""
    return Placement(
        task=task.name,
        num_nodes=task.num_nodes,
        cloud=candidate["cloud"],
        region=candidate["region"],
        also_in=tuple(candidate.get("also_in", ())),
        zones=tuple(candidate["zones"]),
        instance_type=candidate["instance_type"],
        purchase=Purchase(candidate["purchase"]),
        vcpus=candidate["vcpus"],
        memory_gib=candidate["memory_gib"],
        accelerator=candidate["accelerator"],
        accelerator_count=candidate["accelerator_count"],
        price_usd_h=candidate["price_usd_h"],
        start_h=start_h,
        setup_h=candidate["setup_h"],
        hours=candidate["hours"],
        wait_h=candidate["wait_h"],
        billed_h=candidate["billed_h"],
        input_h=candidate["input_h"],
        input_usd=candidate["input_usd"],
        disk_usd=candidate["disk_usd"],
        cost_usd=candidate["cost_usd"],
        carbon_kg=candidate["carbon_kg"],
        available=candidate["available"],
        capacity=candidate["capacity"],
        chance=candidate["chance"],
        interruptions=candidate["interruptions"],
        interruption_low=candidate["interruption_low"],
        interruption_high=candidate["interruption_high"],
        source=candidate["source"],
        price_observed_at=candidate["observed_at"],
        confidence=Confidence(candidate["confidence"]),
    )
