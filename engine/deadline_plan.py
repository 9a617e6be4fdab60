"""A plan of one task with a deadline -> the policy that carries it out: on spot while that is safe, else on demand.

Runs of spot capacity are sampled from the models of the zones, every policy is replayed on all of them, and of those
that were always on time the one of least expected cost is chosen. What the plan chose as its best stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.availability import AvailabilityModel
from engine.candidates import Candidates
from engine.omniscient import omniscient_usd
from engine.plan import Option, Plan
from engine.plan_policies import compared, stored_model
from engine.plan_single import DEADLINE, single_problem
from engine.policies.registry import maker_of
from engine.policy_section import DeadlinePolicy, PolicyFigures, PolicyJob, PolicyMachine, PolicyZone
from engine.simulator import Outcome, Runs, runs_of, simulate
from engine.solve import from_now, has_policy, holding
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Flags, SpotMarket
from engine.spot_models import with_models, zone_model
from engine.spread import with_groups
from engine.status import raised
from engine.workload import Task, Workload

MOST_ZONES: Final = 5
SAMPLES: Final = 100
SEED: Final = 1
GAPS: Final = 300
"""Into so many gaps the time until the deadline is cut, none of them shorter than `LEAST_GAP_S`."""
LEAST_GAP_S: Final = 300.0
BEFORE_H: Final = 96.0
"""Sampled zones have lived so long when the job starts, so that their runs are of any age."""
QUANTILES: Final = (0.05, 0.95)
_NAMES: Final = ("cloud", "region", "instance_type")
_KIND: Final = ("accelerator", "accelerator_count", "work_h")
"""Machines that are alike in these do the same work in the same time."""


def with_policy(plan: Plan, workload: Workload, snapshot: Snapshot) -> Plan:
    """The plan with the policies for its deadline compared; as it is where there is nothing to choose.

    There is where the workload is one task with a deadline that is planned for least cost, the task writes checkpoints
    and brings no data from outside, spot machines will do, and machines on demand of the same kind keep all limits.
    """
    if not has_policy(workload):
        return plan
    workload = with_groups(from_now(workload, plan.created_at))
    [found] = find_all(workload, holding(snapshot, plan.created_at))
    machines = _machines(workload, found, plan.best, snapshot)
    return plan if machines is None else replace(plan, policy=_compared(machines, workload, plan.best))


@dataclass(frozen=True, eq=False)
class _Machines:
    """What policies may ask for: spot zones of one kind of machine, the cheapest first, and one on demand."""

    job: PolicyJob
    on_demand: PolicyMachine
    zones: tuple[PolicyMachine, ...]
    models: tuple[AvailabilityModel, ...]
    """One for each zone; the same object for those that go by one model."""


def _machines(workload: Workload, found: Candidates, best: Option, snapshot: Snapshot) -> _Machines | None:
    """The kind of machine whose spot price for the whole work is least, of those that also keep the limits on demand.

    Limits hold for spot machines too, but the deadline, which is the policy's to keep.
    """
    task, deadline_h = found.task, workload.deadline_hours
    frame = _eligible(workload, found, best)
    spot = frame.filter(pl.col("purchase") == Purchase.SPOT).sort(pl.col("price_usd_h") * pl.col("work_h"), *_NAMES)
    on_demand = frame.filter((pl.col("purchase") == Purchase.ON_DEMAND) & pl.col("in_time")).sort(
        "price_usd_h", *_NAMES
    )
    both = _alike(spot, on_demand)
    if both.is_empty() or deadline_h is None:
        return None
    of_kind = _alike(both, both.head(1))
    asked = _alike(on_demand, both.head(1)).row(0, named=True)
    setup_h = max(asked["setup_h"], *of_kind["setup_h"])
    job = _job(task, deadline_h, setup_h, asked["work_h"])
    if raised(deadline_h) < job.work_h + job.overhead_h:
        return None
    rows = list(with_models(_by_zone(of_kind).head(MOST_ZONES), snapshot.spot_models).iter_rows(named=True))
    return _Machines(
        job=job,
        on_demand=_machine(asked, None),
        zones=tuple(_machine(row, row["zones"][0]) for row in rows),
        models=tuple(zone_model(row, snapshot) for row in rows),
    )


def _alike(frame: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The rows of which others are of the same kind."""
    return frame.join(others, on=_KIND, how="semi", nulls_equal=True, maintain_order="left")


def _by_zone(frame: pl.DataFrame) -> pl.DataFrame:
    """A row for each zone, or for the region where it names none; without the model, which zones may not share."""
    named = pl.when(pl.col("zones").list.len() > 0).then("zones").otherwise(pl.concat_list(pl.lit(None, pl.String)))
    return frame.drop("model").with_columns(named.alias("zones")).explode("zones").with_columns(pl.concat_list("zones"))


def _eligible(workload: Workload, found: Candidates, best: Option) -> pl.DataFrame:
    """The candidates that keep all limits but the deadline, and whether they keep that `in_time`."""
    problem = single_problem(workload, found)
    others = [limit.kept for limit in problem.limits if limit.name != DEADLINE]
    in_time = [limit.kept for limit in problem.limits if limit.name == DEADLINE]
    frame = problem.frame.filter(pl.all_horizontal(pl.col("input_h") == 0, pl.col("input_usd") == 0, *others))
    if problem.ordered:
        # The alternative that the plan has kept to stays.
        chosen = best.placements[0]
        same = (pl.col(name) == getattr(chosen, name) for name in _NAMES)
        frame = frame.filter(pl.col("requirement").is_in(problem.frame.filter(*same)["requirement"].implode()))
    return frame.with_columns(pl.all_horizontal(*in_time).alias("in_time"))


def _job(task: Task, deadline_h: float, setup_h: float, work_h: float) -> PolicyJob:
    interval_h = task.estimate.checkpoint_h if task.estimate else None
    gap_s = max(LEAST_GAP_S, deadline_h * SECONDS_AN_HOUR / GAPS)
    return PolicyJob(
        num_nodes=task.num_nodes,
        work_h=work_h,
        deadline_h=deadline_h,
        # Interruptions fall evenly between two checkpoints.
        overhead_h=setup_h + min(interval_h or 0.0, work_h) / 2,
        gap_h=gap_s / SECONDS_AN_HOUR,
    )


def _machine(row: Mapping[str, Any], zone: str | None) -> PolicyMachine:
    return PolicyMachine(**{name: row[name] for name in _NAMES}, zone=zone, price_usd_h=row["price_usd_h"])


def _compared(machines: _Machines, workload: Workload, best: Option) -> DeadlinePolicy:
    """The section: each policy replayed on the same runs."""
    all_zones = sampled_runs(machines.job, machines.on_demand, machines.zones, machines.models)
    one_zone = _in_first_zone(all_zones)
    figures = []
    for name, zones in compared(len(machines.zones)).items():
        runs = all_zones if zones > 1 else one_zone
        figures.append(_figures(name, runs, simulate(runs, maker_of(name)(machines.models[:zones]))))
    in_time = [each for each in figures if each.on_time == 1]
    charged = {each.name: each.mean_usd + workload.value_of_time_usd_h * each.hours for each in in_time}
    # Of what costs the same to the cent the quickest.
    chosen = min(in_time, key=lambda each: (round(charged[each.name], 2), each.hours)).name
    [placement] = best.placements
    # machines * $/h * h = $
    placement_usd = placement.num_nodes * placement.price_usd_h * placement.billed_h
    placement_usd += workload.value_of_time_usd_h * best.hours
    models = tuple(dict.fromkeys(machines.models))
    return DeadlinePolicy(
        chosen=chosen,
        # A spot machine by itself may be late, whatever it costs.
        applies=placement.purchase is Purchase.SPOT or charged[chosen] < placement_usd,
        compared=tuple(figures),
        hindsight_usd=float(omniscient_usd(all_zones).mean()),
        job=machines.job,
        on_demand=machines.on_demand,
        zones=tuple(
            PolicyZone(machine=machine, model=models.index(model))
            for machine, model in zip(machines.zones, machines.models, strict=True)
        ),
        models=tuple(map(stored_model, models)),
        samples=SAMPLES,
        seed=SEED,
    )


def sampled_runs(
    job: PolicyJob, on_demand: PolicyMachine, zones: Sequence[PolicyMachine], models: Sequence[AvailabilityModel]
) -> Runs:
    """`SAMPLES` runs of the job, the same ones each time, in zones that come and go as their models say.

    What is not known of a model is not known of any zone that goes by it: in each run they are of one class.
    """
    rng = np.random.default_rng(SEED)
    gap_s = job.gap_h * SECONDS_AN_HOUR
    gaps = int(np.ceil(job.deadline_h / job.gap_h - 1e-9))
    count = len(zones)
    usd_h = np.array([zone.price_usd_h for zone in zones]) * job.num_nodes
    deadline_job = DeadlineJob(*(hours * SECONDS_AN_HOUR for hours in (job.work_h, job.deadline_h, job.overhead_h)))
    market = SpotMarket(
        zones=tuple(f"{zone.cloud}/{zone.region}/{zone.zone or zone.instance_type}" for zone in zones),
        gap_s=gap_s,
        available=np.zeros((gaps, count), dtype=np.bool_),
        spot_usd_h=np.tile(usd_h, (gaps, 1)),
        on_demand_usd_h=np.full(count, on_demand.price_usd_h * job.num_nodes),
        move_usd=np.zeros((count, count)),
    )
    return runs_of(
        [(replace(market, available=_availability(rng, models, gap_s, gaps)), deadline_job) for _ in range(SAMPLES)]
    )


def _availability(rng: np.random.Generator, models: Sequence[AvailabilityModel], gap_s: float, gaps: int) -> Flags:
    """(T, Z): one run of all zones."""
    before = int(np.ceil(BEFORE_H * SECONDS_AN_HOUR / gap_s))
    classes = {model: rng.choice(len(model.classes), p=model.weights) for model in dict.fromkeys(models)}
    zones = [
        model.classes[classes[model]].sample(
            rng, gap_s, before + gaps, starts_up=bool(rng.random() < model.up_share[classes[model]])
        )[before:]
        for model in models
    ]
    return np.stack(zones, axis=1)


def _in_first_zone(runs: Runs) -> Runs:
    """The same runs for who looks at the first zone alone."""
    setting = replace(
        runs.setting,
        on_demand_usd_h=runs.setting.on_demand_usd_h[:, :1],
        move_usd=runs.setting.move_usd[:, :1, :1],
    )
    return replace(runs, setting=setting, available=runs.available[..., :1], spot_usd_h=runs.spot_usd_h[..., :1])


def _figures(name: str, runs: Runs, outcome: Outcome) -> PolicyFigures:
    low, high = np.quantile(outcome.cost_usd, QUANTILES)
    return PolicyFigures(
        name=name,
        zones=runs.setting.zones,
        mean_usd=float(outcome.cost_usd.mean()),
        sd_usd=float(outcome.cost_usd.std()),
        usd_5=float(low),
        usd_95=float(high),
        on_time=float(1 - outcome.late.mean()),
        hours=float(outcome.finish_s.mean()) / SECONDS_AN_HOUR,
        interruptions=float(outcome.interruptions.mean()),
    )
