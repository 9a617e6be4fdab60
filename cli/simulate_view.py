"""Replays as people and programs read them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from cli.plan_view import money
from cli.plot import ASCII, BLOCKS
from cli.printer import Column, print_lines, print_table, terminal_width
from cli.progress_plot import letter_of, progress_lines
from cli.simulating import Drawn, Simulated
from engine.policies.base import Machine
from engine.replay import OPTIMUM, Case, Course, Summary
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob

SCHEMA_VERSION: Final = 1
PLOT_WIDTH: Final = 80
UNKNOWN: Final = "-"


def print_simulated(found: Simulated, run: Drawn | None) -> None:
    """A row for each policy, what was replayed, and the drawing of a run where one is asked for."""
    summaries = found.summaries()
    in_time = [(one.mean_usd, row) for row, one in enumerate(summaries) if row and not one.late]
    print_table(
        (
            Column("POLICY"),
            Column("MEAN $", right=True),
            Column("SD $", right=True, rank=4),
            Column("5 % $", right=True, rank=5),
            Column("95 % $", right=True, rank=5),
            Column("LATE", right=True),
            Column("x OPTIMUM", right=True),
            Column("INTERRUPTIONS", right=True, rank=2),
            Column("MOVES", right=True, rank=3),
            Column("SPOT", right=True, rank=1),
        ),
        [_cells(one) for one in summaries],
        emphasised=min(in_time)[1] if in_time else None,
    )
    print_lines("", *_remarks(found))
    if run is not None:
        _print_run(found, run)


def simulated_data(found: Simulated, run: Drawn | None) -> dict[str, Any]:
    """All of it as plain JSON types; what is not known is null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "reference": found.asked.reference,
        "multi": found.asked.multi,
        "windows": len(found.stretches),
        "too_short": list(found.too_short),
        "fitted_on": None if found.expected is None else list(found.expected.sources),
        "checkpoint_gb": found.asked.checkpoint_gb,
        "egress": [
            {"from": source, "to": target, "usd": usd, "assumed": (source, target) in found.moves.assumed}
            for (source, target), usd in found.moves.usd.items()
        ],
        "policies": [asdict(one) for one in found.summaries()],
        "jobs": [
            {**_job_data(job), "policies": [asdict(one) for one in found.summaries(job)]} for job in found.asked.jobs
        ],
        "runs": [_run_data(found, row, case) for row, case in enumerate(found.cases)],
        "plot": None if run is None else {"run": found.asked.plot, "policies": list(_drawn_data(run))},
    }


def _cells(one: Summary) -> list[str]:
    return [
        one.policy,
        *(money(round(usd, 6)) for usd in (one.mean_usd, one.sd_usd, one.low_usd, one.high_usd)),
        f"{one.late:,}",
        UNKNOWN if one.ratio is None else f"{one.ratio:.3f}",
        UNKNOWN if one.interruptions is None else f"{one.interruptions:.1f}",
        UNKNOWN if one.moves is None else f"{one.moves:.1f}",
        UNKNOWN if one.spot_share is None else f"{one.spot_share:.0%}",
    ]


def _remarks(found: Simulated) -> Iterator[str]:
    """What was replayed, on what grounds, and how the figures are meant."""
    asked = found.asked
    names = list(dict.fromkeys(stretch.scenario for stretch in found.stretches))
    yield (
        f"{_counted(len(found.cases), 'run')}: {_counted(len(asked.jobs), 'job')} ({_jobs_text(asked.jobs)}) in each of"
        f" {_counted(len(found.stretches), 'window')} of {_counted(len(names), 'market' if asked.multi else 'series')}."
    )
    if found.too_short:
        yield f"Shorter than the deadline and left out: {', '.join(found.too_short)}."
    if found.expected is not None:
        yield f"Fitted on: {'; '.join(found.expected.sources)}."
    lacking = [
        text
        for text, lacks in (
            (f"${asked.spot_usd_h:g}/h for spot", _any_without(found, "spot_usd_h")),
            (f"${asked.on_demand_usd_h:g}/h on demand", _any_without(found, "on_demand_usd_h")),
        )
        if lacks
    ]
    if lacking:
        yield f"Assumed: {' and '.join(lacking)} where a trace has no price (--spot-price, --on-demand-price)."
    yield from _on_moves(found)
    if asked.reference:
        yield "The faults of the public simulators are kept; the optimum has none, and a policy may get below it."
    if asked.at_first_price:
        yield "Spot is billed at the first price of the zone at the end, as the public evaluator of several zones does."
    yield "The optimum is what a run costs at least, were the future known."
    if not found.optimum_usd.any():
        yield "It is free here, so that no cost has a ratio to it."
    yield "INTERRUPTIONS and MOVES are means a run; SPOT is its share of machine time."


def _on_moves(found: Simulated) -> Iterator[str]:
    """What moves between regions cost, where there are such moves."""
    moves, gb = found.moves, found.asked.checkpoint_gb
    if not moves.usd or found.asked.reference:
        return
    if not gb:
        yield "A move to another region carries nothing, and costs but the overhead (--checkpoint)."
        return
    low, high = (f"${money(usd)}" for usd in (min(moves.usd.values()), max(moves.usd.values())))
    yield f"A move to another region carries {gb:g} GB, for {low if low == high else f'{low} to {high}'}."
    if moves.assumed:
        rate = f"${found.asked.egress_usd_gb:g}/GB"
        of_all = "all" if len(moves.assumed) == len(moves.usd) else f"{len(moves.assumed)} of {len(moves.usd)}"
        yield f"Assumed: {rate} for {of_all} such moves, whose rates the catalog does not know (--egress)."


def _jobs_text(jobs: Sequence[DeadlineJob]) -> str:
    """`48 h of work; deadline 52, 70 h; overhead 0.1 h`."""
    parts = (("deadline", "deadline_s"), ("overhead", "overhead_s"))
    lists = [
        f"{name} {', '.join(dict.fromkeys(_hours(getattr(job, field)) for job in jobs))} h" for name, field in parts
    ]
    return f"{_hours(jobs[0].work_s)} h of work; {'; '.join(lists)}"


def _any_without(found: Simulated, price: str) -> bool:
    return any(getattr(trace, price) is None for stretch in found.stretches for trace in stretch.traces)


def _print_run(found: Simulated, run: Drawn) -> None:
    """A drawing for each policy, with a line about it above and the letters below."""
    case, optimum = run.case, run.courses[OPTIMUM]
    drawable = sys.stdout.isatty() and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    width = min(terminal_width() or PLOT_WIDTH, PLOT_WIDTH)
    since = "" if case.start is None else f" from {case.start:%Y-%m-%d %H:%M} UTC"
    print_lines("", f"Run {found.asked.plot:,} of {len(found.cases):,}: {case.label}{since}; {_jobs_text([case.job])}.")
    for policy, course in run.courses.items():
        if policy == OPTIMUM:
            continue
        print_lines("", f"{policy}: {_went(course)}; {OPTIMUM}: {_went(optimum)}.")
        print_lines(*progress_lines(case, course, optimum, width=width, glyphs=BLOCKS if drawable else ASCII))
    zones = ", ".join(f"{letter_of(number)} {zone}" for number, zone in enumerate(case.market.zones))
    print_lines(
        "",
        f"Machines: spot in {zones}; capitals: on demand there; dots: none.",
        "Bars: work done; dashes across: the even pace. Spot was to be had: = all of the time, - part of it.",
    )


def _went(course: Course) -> str:
    outcome = course.outcome
    late = " (late)" if outcome.late[0] else ""
    return f"${money(float(outcome.cost_usd[0]))}, done after {_hours(float(outcome.finish_s[0]))} h{late}"


def _run_data(found: Simulated, row: int, case: Case) -> dict[str, Any]:
    return {
        "run": row + 1,
        "window_of": case.label,
        "zones": list(case.market.zones),
        "start": None if case.start is None else case.start.isoformat(),
        **_job_data(case.job),
        "cost_usd": {
            OPTIMUM: float(found.optimum_usd[row]),
            **{one.policy: float(one.cost_usd[row]) for one in found.replayed},
        },
        "late": [one.policy for one in found.replayed if one.late[row]],
    }


def _job_data(job: DeadlineJob) -> dict[str, float]:
    return {f"{name}_h": getattr(job, f"{name}_s") / SECONDS_AN_HOUR for name in ("work", "deadline", "overhead")}


def _drawn_data(run: Drawn) -> Iterator[dict[str, Any]]:
    """Each policy on the run that is drawn, and the optimum last."""
    for policy, course in run.courses.items():
        yield {
            "policy": policy,
            "cost_usd": float(course.outcome.cost_usd[0]),
            "finish_h": float(course.outcome.finish_s[0]) / SECONDS_AN_HOUR,
            "late": bool(course.outcome.late[0]),
            "stretches": list(_stretches(run.case, course)),
        }


def _stretches(case: Case, course: Course) -> Iterator[dict[str, Any]]:
    """The machine of each stretch of gaps; the work done is that at its end."""
    outcome, gap_h = course.outcome, case.market.gap_s / SECONDS_AN_HOUR
    gaps = range(int(outcome.finish_gap[0]))
    for (machine, zone), group in groupby(
        gaps, lambda gap: (int(outcome.machines[0, gap]), int(outcome.zones[0, gap]))
    ):
        of_group = list(group)
        end = of_group[-1] + 1
        yield {
            "from_h": of_group[0] * gap_h,
            "to_h": end * gap_h,
            "machine": Machine(machine).name.lower(),
            "zone": None if machine == Machine.NONE else case.market.zones[zone],
            "done_h": float(course.done_s[0, end]) / SECONDS_AN_HOUR,
        }


def _hours(seconds: float) -> str:
    return f"{seconds / SECONDS_AN_HOUR:.4g}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 or what.endswith("s") else f"{number:,} {what}s"
