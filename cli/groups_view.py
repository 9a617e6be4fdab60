"""Groups of nodes as people read them: those of one task that are placed alike are one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from engine.plan import Option, Placement, Transfer
from engine.spread import names_text, stem


def merged(option: Option) -> Option:
    """The option with one placement, of all their nodes and money, for groups of a task that are placed alike."""
    alike: dict[tuple[str, Placement], list[Placement]] = {}
    for placement in option.placements:
        alike.setdefault((stem(placement.task), replace(placement, task="")), []).append(placement)
    rows = {names_text(each.task for each in groups): groups for groups in alike.values()}
    row_of = {each.task: name for name, groups in rows.items() for each in groups}
    moved: dict[tuple[str, str], list[Transfer]] = {}
    for transfer in option.transfers:
        moved.setdefault((row_of[transfer.source_task], row_of[transfer.target_task]), []).append(transfer)
    return replace(
        option,
        placements=tuple(_placement(name, groups) for name, groups in rows.items()),
        transfers=tuple(_transfer(*pair, transfers) for pair, transfers in moved.items()),
    )


def _placement(name: str, groups: Sequence[Placement]) -> Placement:
    one, many = groups[0], len(groups)
    return replace(
        one,
        task=name,
        num_nodes=many * one.num_nodes,
        input_usd=many * one.input_usd,
        disk_usd=None if one.disk_usd is None else many * one.disk_usd,
        cost_usd=many * one.cost_usd,
        carbon_kg=None if one.carbon_kg is None else many * one.carbon_kg,
    )


def _transfer(source: str, target: str, transfers: Sequence[Transfer]) -> Transfer:
    return Transfer(
        source_task=source,
        target_task=target,
        data_gb=fsum(transfer.data_gb for transfer in transfers),
        egress_usd=fsum(transfer.egress_usd for transfer in transfers),
        hours=max(transfer.hours for transfer in transfers),
    )
