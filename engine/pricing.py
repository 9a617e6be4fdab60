"""What each way to run a task costs and takes, and how sure that is: the cost model, column by column.

    busy_h   = setup_h + hours                  machines and setup, then the run with the interruptions to be expected
    cost_usd = machine_usd + disk_usd + input_usd,  machine_usd = nodes * price_usd_h * billed_h

`engine.startup`, `engine.interruption`, `engine.billing`, `engine.disks`, `engine.carbon` and `engine.chances` have the
facts and their sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from engine.billing import billed_h
from engine.carbon import carbon_kg
from engine.chances import chance_to_get
from engine.disks import disk_usd
from engine.inputs import with_inputs
from engine.interruption import expected_interruptions, expected_run_h, hazard_per_h, share_a_month
from engine.startup import startup_h
from engine.workload import Estimate, Preference, Task, Workload

KG_PER_T: Final = 1000.0
NEVER_DONE: Final = "interrupted too often ever to be done"
TOO_LONG: Final = "too long for spot without checkpoints"
MOST_ANEW: Final = 2.0
"""How many times its work a run may take in the mean that begins anew when it is interrupted; more is a gamble."""


def priced(timed: pl.DataFrame, task: Task, workload: Workload, snapshot: Snapshot) -> tuple[pl.DataFrame, list[str]]:
    """Add all that a plan says of a candidate; what had to be assumed of the inputs.

    `timed` has `work_h`, the hours of the run if nothing interrupts it, and the number of the `run`: several tasks that
    differ in nothing else may be priced together. Added are `place`; `input_usd`, `input_h`; `interruption_low`,
    `interruption_high`, the hazard `of_one` machine by that band and the number of its `model` (see
    `engine.spot_models`); `setup_h`, `hours`, of which `wait_h` without a machine, `busy_h`; `interruptions` to be
    expected and `hazard` (the chance of none is exp(-hazard)), null where none can happen; `billed_h`, `machine_usd`,
    `disk_usd` (null where the price of a disk is not known), `cost_usd`; `carbon_kg`, null where power or grid is not
    known; `chance` of getting the machines; why the task is `undone`, null where it is done; `surcharge_usd`.
    """
    placed = timed.with_columns(pl.format("{}:{}", "cloud", "region").alias("place"))
    frame, assumed_inputs = with_inputs(placed, task, snapshot)
    frame = frame.pipe(_with_bands, snapshot).pipe(_with_hours, task, snapshot).pipe(_with_costs, task)
    frame = frame.with_columns(_undone(task).alias("undone"))
    emitted = carbon_kg(_occupied_h(), task.num_nodes, pl.col("carbon_g_kwh"))
    frame = frame.with_columns(emitted.alias("carbon_kg"), chance_to_get().alias("chance"))
    return frame.with_columns(_surcharge_usd(workload).alias("surcharge_usd")), assumed_inputs


def _with_bands(frame: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Add the interruption band of spot offers, as shares a month, and the hazard `of_one` machine."""
    names = ("interruption_low", "interruption_high")
    if snapshot.spot_risk.is_empty():
        unknown = pl.lit(None, pl.Float64)
        return frame.with_columns(unknown.alias(name) for name in (*names, "of_one"))
    bands = snapshot.spot_risk.select(
        "cloud",
        "region",
        "instance_type",
        pl.lit(str(Purchase.SPOT)).alias("purchase"),
        hazard_per_h().alias("of_one"),
        *(share_a_month(pl.col(name)).alias(name) for name in names),
    )
    return frame.join(bands, on=["cloud", "region", "instance_type", "purchase"], how="left", maintain_order="left")


def _with_hours(frame: pl.DataFrame, task: Task, snapshot: Snapshot) -> pl.DataFrame:
    """Add what the machines take to be ready, and the run with the interruptions to be expected."""
    estimate = task.estimate or Estimate()
    ready = frame.with_columns((startup_h() + estimate.setup_h).alias("setup_h"))
    unbanded = (pl.col("purchase") == Purchase.SPOT) & pl.col("of_one").is_null()
    by_band = _with_hours_by_band(ready, task.num_nodes, estimate.checkpoint_h)
    if snapshot.spot_models.is_empty() and not by_band.select(unbanded.any()).item():
        unmodelled = (pl.lit(None, pl.Int64).alias("model"), pl.lit(0.0).alias("wait_h"))
        run = by_band.with_columns(*unmodelled)
    else:
        run = _with_hours_by_model(by_band, snapshot.spot_models, estimate.checkpoint_h)
    return run.with_columns((pl.col("setup_h") + pl.col("hours")).alias("busy_h"))


def _with_hours_by_band(ready: pl.DataFrame, nodes: int, checkpoint_h: float | None) -> pl.DataFrame:
    """At a constant hazard; as if nothing interrupted the run where none is known."""
    work_h = pl.col("work_h")
    if ready["of_one"].null_count() == ready.height:
        unknown = pl.lit(None, pl.Float64)
        return ready.with_columns(work_h.alias("hours"), unknown.alias("interruptions"), unknown.alias("hazard"))
    interruptible = (pl.col("of_one"), work_h, nodes, checkpoint_h)
    return ready.with_columns(
        # A new start and a new setup recover an interrupted run.
        expected_run_h(*interruptible, pl.col("setup_h")).alias("hours"),
        expected_interruptions(*interruptible).alias("interruptions"),
        (pl.col("of_one") * nodes * work_h).alias("hazard"),
    )


def _with_hours_by_model(by_band: pl.DataFrame, fitted: pl.DataFrame, checkpoint_h: float | None) -> pl.DataFrame:
    """As the model says of each offer that has one, its waits for another machine included."""
    # They take numpy, and longer to load than the rest of planning takes: most plans do without them.
    from engine.spot_models import expected_by_model, with_models  # noqa: PLC0415

    run = with_models(by_band, fitted)
    if run["model"].null_count() == run.height:
        return run.with_columns(pl.lit(0.0).alias("wait_h"))
    expected = expected_by_model(run, fitted, checkpoint_h)
    columns = ("hours", "interruptions", "hazard")
    return (
        run.join(expected, on=["model", "work_h", "setup_h"], how="left", maintain_order="left", suffix="_by_model")
        .with_columns(*(pl.coalesce(f"{name}_by_model", name).alias(name) for name in columns))
        .with_columns(pl.col("wait_h").fill_null(0.0))
        .drop(f"{name}_by_model" for name in columns)
    )


def _undone(task: Task) -> pl.Expr:
    """Why the task is not done: the run never ends, or begins anew so often that it takes a multiple of its work."""
    endless = ~pl.col("hours").is_finite()
    anew = task.estimate is None or task.estimate.checkpoint_h is None
    tries = pl.col("hours") - pl.col("wait_h") > MOST_ANEW * pl.col("work_h")
    return pl.when(endless).then(pl.lit(NEVER_DONE)).when(tries & anew).then(pl.lit(TOO_LONG))


def _occupied_h() -> pl.Expr:
    """How long machines are held: while a run waits for one there is none."""
    return pl.col("busy_h") - pl.col("wait_h")


def _with_costs(frame: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Add what the machines are billed for, their disks, and the sum of all costs."""
    disks = pl.Series("disk_gib", [requirement.disk_gib for requirement in task.requirements], dtype=pl.Float64)
    disk_gib = pl.col("requirement").replace_strict(range(disks.len()), disks, return_dtype=pl.Float64)
    return (
        frame.with_columns(
            billed_h(_occupied_h()).alias("billed_h"),
            pl.when(disk_gib.is_not_null())
            .then(task.num_nodes * disk_usd(disk_gib, pl.col("busy_h")))
            .otherwise(0.0)
            .alias("disk_usd"),
        )
        # machines * $/h * h = $
        .with_columns((task.num_nodes * pl.col("price_usd_h") * pl.col("billed_h")).alias("machine_usd"))
        .with_columns(pl.sum_horizontal("machine_usd", "disk_usd", "input_usd").alias("cost_usd"))
    )


def _surcharge_usd(workload: Workload) -> pl.Expr:
    """What plans are charged beyond their cost: emissions, unknown ones as the worst of the others; wishes not met."""
    # What is not done is no candidate.
    known_kg = pl.col("carbon_kg").filter(pl.col("undone").is_null())
    emitted_kg = pl.col("carbon_kg").fill_null(known_kg.max()).fill_null(0.0)
    penalties = [
        pl.when(_is_as_wished(preference)).then(0.0).otherwise(preference.penalty_usd)
        for preference in workload.preferences
    ]
    return pl.sum_horizontal(workload.carbon.price_usd_t * emitted_kg / KG_PER_T, *penalties)


def _is_as_wished(preference: Preference) -> pl.Expr:
    wishes = [
        pl.col(column) == wished
        for column, wished in (("cloud", preference.cloud), ("region", preference.region))
        if wished is not None
    ]
    if preference.purchases:
        wishes.append(pl.col("purchase").is_in([str(purchase) for purchase in preference.purchases]))
    return pl.all_horizontal(wishes)


def assumed_of_prices(frame: pl.DataFrame, task: Task, workload: Workload) -> Iterator[str]:
    """What the cost model takes for granted of a task's candidates."""
    spot = frame.filter(pl.col("purchase") == Purchase.SPOT)
    if not spot.is_empty():
        anew = task.estimate is None or task.estimate.checkpoint_h is None
        rest = "begins anew (say `estimate: {checkpoint: 30m}`)" if anew else "goes on from its last checkpoint"
        yield f"spot machines are taken back {_pace(spot['model'])}, and an interrupted run {rest}"
    unknown_disks = frame.filter(pl.col("disk_usd").is_null())["cloud"].unique().sort()
    if not unknown_disks.is_empty():
        yield f"disks of {', '.join(unknown_disks)} are of unknown price and counted as free"
    if workload.carbon.price_usd_t and frame["carbon_kg"].null_count():
        yield (
            f"the emissions of {frame['carbon_kg'].null_count()} of {frame.height} candidates are not known, and"
            " charged as the most of the others"
        )


def _pace(models: pl.Series) -> str:
    """What says how often machines are taken back, with how many of the candidates it says it of."""
    unbanded = models.drop_nulls()
    fitted = int((unbanded >= 0).sum())
    counts = {
        "at the pace of their monthly band": models.null_count(),
        "as a model fitted to traces of them says": fitted,
        "as others were that are known, where nothing is known of them": unbanded.len() - fitted,
    }
    said = {pace: number for pace, number in counts.items() if number}
    return next(iter(said)) if len(said) == 1 else ", ".join(f"{pace} ({number})" for pace, number in said.items())
