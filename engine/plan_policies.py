"""The policies that a plan compares, made from what its file holds."""

from __future__ import annotations

import math
from dataclasses import asdict

from engine.availability import SCHEMA_VERSION, AvailabilityModel
from engine.policies.base import Policy
from engine.policies.registry import FOR_SEVERAL_ZONES, NAMES, OURS, maker_of
from engine.policy_section import DeadlinePolicy, StoredModel


def compared(zones: int) -> dict[str, int]:
    """The policies to compare where there are so many zones, each with how many of them it looks at: one, or all."""
    looks = {name: zones if name in FOR_SEVERAL_ZONES or name in OURS else 1 for name in NAMES}
    return {name: looked for name, looked in looks.items() if zones > 1 or name not in FOR_SEVERAL_ZONES}


def policy_of(section: DeadlinePolicy) -> Policy:
    """The policy that a plan has chosen; it decides for a job in the first `section.figures.zones` of its zones.

    Raises:
        ValueError: there is no such policy, or a model of the section is none.
    """
    if section.chosen not in NAMES:
        raise ValueError(f"there is no policy {section.chosen!r}: there are {', '.join(NAMES)}")
    zones = section.zones[: section.figures.zones]
    return maker_of(section.chosen)([read_model(section.models[zone.model]) for zone in zones])


def stored_model(model: AvailabilityModel) -> StoredModel:
    """The model as a plan holds it."""
    return StoredModel(
        schema_version=SCHEMA_VERSION,
        edges_h=tuple(model.edges_h.tolist()),
        loss_per_h=tuple(map(tuple, model.loss_per_h.tolist())),
        gain_per_h=tuple(map(tuple, model.gain_per_h.tolist())),
        weights=tuple(model.weights.tolist()),
        up_share=tuple(model.up_share.tolist()),
        first_age_h=model.first_age_h,
        drift_h=None if math.isinf(model.drift_h) else model.drift_h,
    )


def read_model(stored: StoredModel) -> AvailabilityModel:
    """The model that a plan holds.

    Raises:
        ValueError: its figures make none.
    """
    return AvailabilityModel.from_dict(asdict(stored))
