"""Replays for the command line: traces, windows and options -> what became of the runs with each policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog_data.normalise import nearest_name
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.expecting import Expected, expected_by_catalog, expected_by_fit
from cli.move_prices import MovePrices, move_prices
from cli.printer import working
from cli.trace_files import recorded_traces
from cli.wiring import read_text, usage_told
from engine.omniscient import omniscient_schedule
from engine.policies.registry import FOR_SEVERAL_ZONES, NAMES, OURS, maker_of
from engine.quantities import parse_data_gb, parse_hours, parse_hours_or_0, parse_usd
from engine.replay import (
    OPTIMUM,
    Case,
    Course,
    ImpossibleJobError,
    Replayed,
    ReplayError,
    Summary,
    batched,
    course_of,
    optimum_usd,
    replayed,
    require_time,
    summary_of,
    summary_of_optimum,
)
from engine.replay_cases import cases_of, default_stretches, jobs_of, lasts, markets_of, name_of, named_stretches
from engine.spot_market import SECONDS_AN_HOUR, DeadlineJob, Figures, Trace
from engine.trace_fields import TraceError
from engine.trace_windows import ScenarioRun, read_windows


@dataclass(frozen=True)
class Asked:
    """What the command line asks for.

    `spot_usd_h` and `on_demand_usd_h` are for traces without prices. A move between regions carries `checkpoint_gb`, at
    `egress_usd_gb` where the catalog knows no rate. `plot` is the number (from 1) of a run to draw.
    """

    places: Sequence[Path]
    jobs: tuple[DeadlineJob, ...]
    policies: tuple[str, ...]
    multi: bool
    windows: Sequence[Path]
    every_gaps: int
    fit: Sequence[Path]
    spot_usd_h: float
    on_demand_usd_h: float
    checkpoint_gb: float
    egress_usd_gb: float | None
    reference: bool
    plot: int | None

    @property
    def at_first_price(self) -> bool:
        """Whether policies are billed as the public evaluator of several zones bills them."""
        return self.reference and self.multi


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run, gap by gap, with each policy by its name; the last one is the optimum."""

    case: Case
    courses: dict[str, Course]


@dataclass(frozen=True, eq=False)
class Simulated:
    """What became of all runs: `optimum_usd` (N,) and `replayed` are in the order of `cases`.

    `stretches` were replayed, `too_short` series or markets left out; `moves` are what moving between regions costs;
    `expected` is None where no policy expects anything.
    """

    asked: Asked
    cases: tuple[Case, ...]
    stretches: tuple[ScenarioRun, ...]
    too_short: tuple[str, ...]
    moves: MovePrices
    expected: Expected | None
    optimum_usd: Figures
    replayed: tuple[Replayed, ...]

    def summaries(self, job: DeadlineJob | None = None) -> list[Summary]:
        """The optimum and each policy, over all runs or those of one job."""
        rows = np.array([job in (None, case.job) for case in self.cases])
        optimum = self.optimum_usd[rows]
        return [summary_of_optimum(optimum), *(summary_of(one.rows(rows), optimum) for one in self.replayed)]


def parsed_jobs(work: str, deadlines: str, overheads: str) -> tuple[DeadlineJob, ...]:
    """Every job of lists such as `52h,70h`."""
    with usage_told():
        return jobs_of(
            parse_hours(work) * SECONDS_AN_HOUR,
            [parse_hours(text) * SECONDS_AN_HOUR for text in _listed(deadlines)],
            [parse_hours_or_0(text) * SECONDS_AN_HOUR for text in _listed(overheads)],
        )


def parsed_price(text: str, option: str) -> float:
    """A price, 0 included."""
    with usage_told():
        return parse_usd(text, option)


def parsed_move(
    checkpoint: str | None, egress: str | None, *, multi: bool, reference: bool
) -> tuple[float, float | None]:
    """What a move carries in GB, and the price of a GB where the catalog knows none."""
    if egress is not None and checkpoint is None:
        raise CommandError("--egress: nothing moves", hint="say with --checkpoint how much does", code=ExitCode.USAGE)
    if checkpoint is None:
        return 0.0, None
    if not multi:
        raise CommandError("--checkpoint: a job in one zone never moves", hint="add --multi", code=ExitCode.USAGE)
    if reference:
        raise CommandError(
            "--checkpoint: the public simulators bill no egress", hint="leave out --reference", code=ExitCode.USAGE
        )
    with usage_told():
        return parse_data_gb(checkpoint), None if egress is None else parsed_price(egress, "--egress")


def chosen_policies(names: Sequence[str], *, multi: bool) -> tuple[str, ...]:
    """The policies named, each once; by default all that differ."""
    for name in names:
        if name not in NAMES:
            near = nearest_name(name, NAMES)
            raise CommandError(
                f"unknown policy {name}",
                hint=f"{f'did you mean {near}? ' if near else ''}policies are {', '.join(NAMES)}",
                code=ExitCode.USAGE,
            )
    return tuple(dict.fromkeys(names)) or tuple(name for name in NAMES if multi or name not in FOR_SEVERAL_ZONES)


def simulated(asked: Asked) -> Simulated:
    """Replays what was asked for."""
    try:
        return _simulated(asked)
    except TraceError as error:
        raise CommandError(f"{error.file}: {error.message}", hint=error.hint) from error
    except ImpossibleJobError as error:
        raise CommandError(
            str(error), hint="give it a later --deadline, or less --work or --overhead", code=ExitCode.INFEASIBLE
        ) from error
    except ReplayError as error:
        raise CommandError(str(error), hint="give longer windows or an earlier --deadline") from error


def drawn(found: Simulated, policies: Sequence[str]) -> Drawn | None:
    """The run that is to be drawn once more, gap by gap; None where none is."""
    asked = found.asked
    if asked.plot is None:
        return None
    case = found.cases[asked.plot - 1]
    (batch,) = batched([case])
    chosen = {name: maker_of(name, bug_compatible=asked.reference)(case.models) for name in policies}
    courses = {
        name: course_of(batch, policy, reference=asked.reference, at_first_price=asked.at_first_price)
        for name, policy in chosen.items()
    }
    return Drawn(case, {**courses, OPTIMUM: course_of(batch, omniscient_schedule(batch.runs, 0))})


def _simulated(asked: Asked) -> Simulated:
    expects = any(name in OURS for name in asked.policies)
    if asked.fit and not expects:
        raise CommandError(
            "--fit is of no use: no policy that is named expects anything of spot",
            hint=f"add --policy {' or '.join(OURS)}, or leave out --fit",
            code=ExitCode.USAGE,
        )
    require_time(asked.jobs)
    recorded = recorded_traces(asked.places)
    stretches, too_short = _stretches(asked, [one.trace for one in recorded])
    windows = [trace for stretch in stretches for trace in stretch.traces]
    moves = move_prices(stretches, asked.checkpoint_gb, asked.egress_usd_gb)
    expected = None
    if expects:
        expected = expected_by_fit(asked.fit, windows, recorded) if asked.fit else expected_by_catalog(windows)
    cases = cases_of(
        stretches,
        asked.jobs,
        spot_usd_h=asked.spot_usd_h,
        on_demand_usd_h=asked.on_demand_usd_h,
        models_of=None if expected is None else expected.models_of,
        move_usd_of=moves.move_usd,
    )
    if asked.plot is not None and asked.plot > len(cases):
        raise CommandError(
            f"--plot {asked.plot}: there is no such run", hint=f"runs are 1 to {len(cases):,}", code=ExitCode.USAGE
        )
    batches = batched(cases)
    with working("looking for the optimum"):
        least = optimum_usd(batches)
    outcomes = []
    for name in asked.policies:
        with working(f"replaying {len(cases):,} run{'' if len(cases) == 1 else 's'} with {name}"):
            maker = maker_of(name, bug_compatible=asked.reference)
            outcomes.append(
                replayed(batches, name, maker, reference=asked.reference, at_first_price=asked.at_first_price)
            )
    return Simulated(asked, cases, stretches, too_short, moves, expected, least, tuple(outcomes))


def _stretches(asked: Asked, traces: Sequence[Trace]) -> tuple[tuple[ScenarioRun, ...], tuple[str, ...]]:
    """What is replayed, and the names of the series or markets that are too short for it."""
    if asked.windows:
        files = {str(file): read_windows(read_text(file), str(file)) for file in asked.windows}
        return named_stretches(files, traces, multi=asked.multi), ()
    if not traces:
        raise CommandError("nothing is named to replay", hint="name traces or folders of them", code=ExitCode.USAGE)
    markets: Sequence[tuple[Trace, ...]] = markets_of(traces) if asked.multi else [(trace,) for trace in traces]
    longest_s = max(job.deadline_s for job in asked.jobs)
    found = default_stretches(markets, longest_s, asked.every_gaps)
    return found, tuple(name_of(market) for market in markets if not lasts(market, longest_s))


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",")))
