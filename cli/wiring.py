"""The composition root: settings, files and clocks on one side, pure functions on the other."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from catalog_data.embedded import PATIENCE_S, embedded_id, publish_embedded
from catalog_data.errors import (
    CatalogBusyError,
    CatalogError,
    CatalogMissingError,
    CatalogTooOldError,
    CatalogUnwritableError,
)
from catalog_data.normalise import nearest_name
from catalog_data.overlay import PrivatePrices, applied
from catalog_data.publishing import upgrade
from catalog_data.refresh_state import read_state
from catalog_data.schema import Purchase
from catalog_data.snapshot import Snapshot
from catalog_data.store import Catalog, OfferFilter
from cli.errors import CommandError, NoPlanError
from cli.exit_codes import ExitCode
from cli.plan_view import age_text
from cli.printer import working
from cli.settings import catalog_path, private_prices_path
from engine.infeasible import Conflict, InfeasibleError, NoPlanInTimeError, conflict_lines
from engine.plan import Plan, PlanError, read_plan
from engine.planned import TooLargeError
from engine.quantities import parse_deadline, parse_usd
from engine.residency import unknown_entries
from engine.solve import PlanRequest, has_policy, make_plan
from engine.status import TimeLimit
from engine.workload import Objective, Workload
from engine.workload_errors import InvalidValueError, WorkloadError
from engine.workload_reader import read_workload

if TYPE_CHECKING:
    from engine.portfolio import Portfolio
    from engine.trade_offs import Axis, TradeOffs

STDIN: Final = Path("-")
CONFLICTS_S: Final = 10.0
"""The most that the search for the smallest conflict takes; then it tells of the one at hand."""
FRESH: Final = timedelta(days=7)
"""Prices that were seen within it need no remark."""


@dataclass(frozen=True)
class Overrides:
    """What the command line says in place of the workload; None leaves it as it is."""

    objective: Objective | None = None
    deadline: str | None = None
    budget: str | None = None
    value_of_time: str | None = None


@contextmanager
def opened_catalog() -> Iterator[Catalog]:
    """The user's catalog; the embedded one is published into it at first use."""
    path = catalog_path()
    try:
        with _opened_or_begun(path) as catalog:
            yield catalog
    except CatalogError as error:
        raise CommandError(str(error), hint=error.hint) from error


def _opened_or_begun(path: Path) -> Catalog:
    try:
        catalog = Catalog.open(path)
    except CatalogMissingError:
        with working(f"first use: writing the embedded catalog to {path}"):
            publish_embedded(path)
        return Catalog.open(path)
    except CatalogTooOldError:
        with working(f"rewriting the catalog {path} for this version"):
            upgrade(path, wait_s=PATIENCE_S)
        catalog = Catalog.open(path)
    embedded = catalog.given_ids()
    if not embedded or embedded_id() in embedded:
        return catalog
    # It began with an earlier one. Where it cannot be written now, what is there serves until the next command.
    with catalog, working("adding what this version brings"), suppress(CatalogBusyError, CatalogUnwritableError):
        publish_embedded(path)
    return Catalog.open(path)


def parsed_instant(text: str | None) -> datetime | str | None:
    """`--as-of`: an instant (UTC unless it says otherwise), a day (to its end), or the id of a snapshot."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    is_day = len(text) == len("2026-01-31")
    if is_day:
        moment = datetime.combine(moment.date(), time.max)
    return _with_zone(moment)


def loaded_workload(file: Path, overrides: Overrides) -> Workload:
    """The workload in a file, as the command line changes it."""
    return _overridden(workload_from_text(read_text(file), file), overrides)


def workload_from_text(text: str, file: Path) -> Workload:
    """The workload that a file's text holds."""
    try:
        return read_workload(text, file=str(file))
    except WorkloadError as error:
        raise CommandError(*str(error).splitlines()) from error


def _overridden(workload: Workload, overrides: Overrides) -> Workload:
    if overrides.objective is not None:
        workload = replace(workload, objective=overrides.objective)
    with usage_told():
        if overrides.deadline is not None:
            deadline = parse_deadline(overrides.deadline)
            if isinstance(deadline, datetime):
                workload = replace(workload, deadline_hours=None, deadline_at=_with_zone(deadline))
            else:
                workload = replace(workload, deadline_hours=deadline, deadline_at=None)
        if overrides.budget is not None:
            workload = replace(workload, budget_usd=parse_usd(overrides.budget, "--budget"))
        if overrides.value_of_time is not None:
            value = parse_usd(overrides.value_of_time, "--value-of-time")
            workload = replace(workload, value_of_time_usd_h=value)
    return workload


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_text(file: Path) -> str:
    """The text of a file that the user named; `-` is stdin."""
    try:
        return sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        near = nearest_name(file.name, [other.name for other in _siblings(file)])
        raise CommandError(
            f"{file}: no such file", hint=f"did you mean {file.with_name(near)}?" if near else ""
        ) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: not a text file") from error
    except IsADirectoryError as error:
        raise CommandError(f"{file}: a folder, not a file", hint="name a file in it") from error
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def _siblings(file: Path) -> list[Path]:
    return list(file.parent.iterdir()) if file.parent.is_dir() else []


def planned(workload: Workload, file: Path, as_of: datetime | str | None, top: int, time_limit_s: float | None) -> Plan:
    """The plan of a workload from the user's catalog."""
    snapshot = snapshot_for([workload], as_of)
    _require_known_places(workload, file, snapshot)
    request = PlanRequest(
        created_at=datetime.now(UTC), file=str(file), top=top, time_limit_s=time_limit_s, clock=monotonic
    )
    with failures_told(f"{file}: ", lambda: conflicts_found(workload, as_of, request.created_at)):
        if len(workload.tasks) == 1:
            return _with_policy(make_plan(workload, snapshot, request), workload, snapshot)
        with working(f"placing {len(workload.tasks)} tasks"):
            return make_plan(workload, snapshot, request)


def _with_policy(plan: Plan, workload: Workload, snapshot: Snapshot) -> Plan:
    """The plan with the policies for its deadline, where it has one."""
    if not has_policy(workload):
        return plan
    from engine.deadline_plan import with_policy  # it takes the simulator, which other plans do without

    with working("comparing policies for the deadline"):
        return with_policy(plan, workload, snapshot)


def planned_together(
    workloads: Mapping[Path, Workload], as_of: datetime | str | None, budget: str | None, time_limit_s: float | None
) -> Portfolio:
    """The plans of several workloads, placed together, from the user's catalog."""
    from engine.portfolio import Member, make_portfolio  # it takes the solver, which a single task does without

    snapshot = snapshot_for(list(workloads.values()), as_of)
    for file, workload in workloads.items():
        _require_known_places(workload, file, snapshot)
    with usage_told():
        budget_usd = None if budget is None else parse_usd(budget, "--budget")
    request = PlanRequest(created_at=datetime.now(UTC), file="", time_limit_s=time_limit_s, clock=monotonic)
    with failures_told(""), working(f"placing {len(workloads)} workloads"):
        members = [Member(workload, str(file)) for file, workload in workloads.items()]
        return make_portfolio(members, snapshot, request, budget_usd=budget_usd)


def conflicts_found(workload: Workload, as_of: datetime | str | None, now: datetime) -> tuple[Conflict, ...]:
    """Which limits of a workload without a plan conflict, and what would have to change."""
    from engine.conflicts import conflicts_of  # it takes the solver, which most plans do without

    snapshot = snapshot_for([workload], as_of, whole=True)
    with working("looking for the limits that conflict"):
        return conflicts_of(workload, snapshot, now, TimeLimit.of(CONFLICTS_S, monotonic))


def traded_off(
    workload: Workload, file: Path, as_of: datetime | str | None, against: Axis, points: int | None, time_limit_s: float
) -> TradeOffs:
    """The trade-offs of a workload from the user's catalog."""
    from engine.trade_offs import make_trade_offs  # it takes the solver

    snapshot = snapshot_for([workload], as_of)
    _require_known_places(workload, file, snapshot)
    request = PlanRequest(created_at=datetime.now(UTC), file=str(file), time_limit_s=time_limit_s, clock=monotonic)
    with failures_told(f"{file}: "), working(f"trading off cost against {against}"):
        return make_trade_offs(workload, snapshot, request, against, points)


def snapshot_for(workloads: Sequence[Workload], as_of: datetime | str | None, *, whole: bool = False) -> Snapshot:
    """What of the user's catalog, and of the user's own prices, the workloads ask about; all of it if `whole`."""
    with opened_catalog() as catalog:
        snapshot = _snapshot_for(catalog, workloads, as_of, whole=whole)
        if snapshot.offers.is_empty() and catalog.offers(snapshot.info).is_empty():
            raise CommandError(
                f"the catalog {catalog.path} holds no offers",
                hint="move it away and the next command starts from the embedded catalog",
            )
    return snapshot


@contextmanager
def failures_told(about: str, conflicts: Callable[[], tuple[Conflict, ...]] = tuple) -> Iterator[None]:
    """What comes in the way of a plan, as one line each; `about` stands before it.

    `conflicts` says which limits conflict where there is no plan.
    """
    try:
        yield
    except InfeasibleError as error:
        found = conflicts()
        lines = [f"{about}{reason}" for reason in (*error.reasons, *conflict_lines(found))]
        hint = "relax what is named above, or wait where it is capacity"
        raise NoPlanError(*lines, hint=hint, conflicts=found) from error
    except NoPlanInTimeError as error:
        raise CommandError(f"{about}{error}", hint="give it more with --time-limit") from error
    except TooLargeError as error:
        raise CommandError(f"{about}{error}", hint="split the graph where little data moves") from error


@contextmanager
def usage_told() -> Iterator[None]:
    """A value of an option that cannot be read, as one line."""
    try:
        yield
    except InvalidValueError as error:
        raise CommandError(str(error), hint=error.faults[0].hint or "", code=ExitCode.USAGE) from error


def _require_known_places(workload: Workload, file: Path, snapshot: Snapshot) -> None:
    """A region that is named is one that exists: a slip would let a forbidden place in, or wish for nothing."""
    residency = workload.residency
    limits = (*residency.allow, *residency.deny) if residency is not None else ()
    wishes = [f"{wish.cloud}/{wish.region}" for wish in workload.preferences if wish.cloud and wish.region]
    unknown = [
        *unknown_entries(limits, snapshot.regions),
        *unknown_entries(wishes, snapshot.regions, field="prefer"),
    ]
    if unknown:
        raise CommandError(*(f"{file}: {line}" for line in unknown))


def _accelerators(workloads: Sequence[Workload]) -> tuple[str, ...]:
    """The accelerators that any requirement names; empty where one of them names none, so that all are read."""
    requests = [need.accelerator for each in workloads for task in each.tasks for need in task.requirements]
    return () if None in requests else tuple(sorted({request.name for request in requests if request}))


def private_prices() -> PrivatePrices | None:
    """What the user pays and has, from the file that never leaves the machine; None where there is no such file."""
    path = private_prices_path()
    if path is None:
        return None
    from catalog_data.overlay_reader import read_private_prices  # it takes pydantic, which a plan without it does not

    text = read_text(path)
    as_of = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    try:
        return read_private_prices(text, file=str(path), as_of=as_of)
    except CatalogError as error:
        raise CommandError(*str(error).splitlines(), hint=error.hint) from error


def _snapshot_for(
    catalog: Catalog, workloads: Sequence[Workload], as_of: datetime | str | None, *, whole: bool
) -> Snapshot:
    private = private_prices()
    snapshot = catalog.snapshot(as_of) if whole else _listed_for(catalog, workloads, as_of)
    return snapshot if private is None else applied(private, snapshot)


def _listed_for(catalog: Catalog, workloads: Sequence[Workload], as_of: datetime | str | None) -> Snapshot:
    tasks = [task for workload in workloads for task in workload.tasks]
    moves = any(workload.edges for workload in workloads) or any(task.inputs or task.spread > 1 for task in tasks)
    return catalog.snapshot(
        as_of,
        OfferFilter(accelerators=_accelerators(workloads)),
        network=moves,
        spot_risk=any(Purchase.SPOT in need.purchases for task in tasks for need in task.requirements),
    )


def freshness(plan: Plan) -> str | None:
    """When prices were last refreshed, in a sentence; None where those of the plan are fresh."""
    oldest = min(placement.price_observed_at for placement in plan.best.placements)
    if plan.created_at - oldest <= FRESH:
        return None
    state = read_state(catalog_path())
    if state.succeeded_at is None:
        return "prices were never refreshed here: see `skybroker catalog refresh`"
    ago = age_text(state.succeeded_at, plan.created_at)
    return f"the last refresh without a failure was {ago} ago: see `catalog sources`"


def loaded_plan(file: Path) -> Plan:
    """The plan in a file."""
    return plan_from_text(read_text(file), file)


def plan_from_text(text: str, file: Path) -> Plan:
    """The plan that a file's text holds."""
    try:
        return read_plan(text, file=str(file))
    except PlanError as error:
        raise CommandError(str(error), hint=error.hint) from error


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file that is either the old one or the whole new one; what is no regular file is left alone."""
    target = file.resolve()
    draft = target.with_name(f".{target.name}.new")
    try:
        if target.exists() and not target.is_file():
            raise CommandError(f"{file}: not a regular file", hint="for a pipe or a device use --output json")
        if target.exists() and not target.stat().st_mode & stat.S_IWUSR:
            raise CommandError(f"{file}: is write-protected")
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandError(f"{file}: cannot be written: {error.strerror}") from error
