"""Several workloads planned together: they share quotas, machines that are held for the user, and one budget.

All of them may run at the same time. Their tasks are placed as one graph of several parts; each workload keeps limits
of its own, and what is shared is counted over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import polars as pl

from catalog_data.snapshot import Snapshot
from engine.alike import find_all
from engine.candidates import Candidates
from engine.dag import DagProblem, Purse, schedule
from engine.infeasible import InfeasibleError, NoPlanInTimeError, require_candidates
from engine.instance import Instance, instance_of
from engine.limits import (
    CARBON,
    CHANCE_OF_CAPACITY,
    CHANCE_UNINTERRUPTED,
    HOURLY_BUDGET,
    Limited,
    limits_of_workload,
    shared_limits,
)
from engine.plan import Plan, Proof
from engine.plan_dag import METHOD, solve_instance
from engine.planned import MOST_TASKS, Planned, TooLargeError
from engine.problems.dag import DagSolution, solve
from engine.requirements import plain
from engine.solve import PlanRequest, from_now, holding, placed
from engine.spread import with_groups
from engine.status import Status, TimeLimit, relative_gap
from engine.workload import Edge, Objective, Workload
from engine.written import written

MOST_NAMED: Final = 5
"""So many workloads that have a limit of one kind are tried one by one; of more, the limits of all."""
DEADLINE: Final = "deadline"
BUDGET: Final = "budget"


@dataclass(frozen=True)
class SharedUse:
    """How much of something that the workloads share they take at most at one time."""

    name: str
    taken: float
    most: float


@dataclass(frozen=True)
class Portfolio:
    """A plan for each workload, in the order given, and the proof for all of them together.

    `hours` is when the last of them is done; `shared` says what they take of quotas and of machines that are held.
    """

    plans: tuple[Plan, ...]
    proof: Proof
    cost_usd: float
    hours: float
    budget_usd: float | None
    shared: tuple[SharedUse, ...]


@dataclass(frozen=True)
class Member:
    """A workload of a portfolio, and the file that it stands in."""

    workload: Workload
    file: str


@dataclass(frozen=True)
class _Part:
    """A member with its deadline from now and its groups written out, its candidates and where its tasks begin."""

    member: Member
    found: tuple[Candidates, ...]
    first: int

    @property
    def tasks(self) -> range:
        """The numbers of its tasks among those of the portfolio."""
        return range(self.first, self.first + len(self.found))


def make_portfolio(
    members: Sequence[Member],
    snapshot: Snapshot,
    request: PlanRequest,
    *,
    budget_usd: float | None = None,
) -> Portfolio:
    """The plans that cost least together, at the snapshot's prices and within `budget_usd` in all.

    Raises:
        InfeasibleError: a workload has no plan by itself, or together they have none; the reasons name which.
        NoPlanInTimeError: the time limit was hit before any plan was found.
        TooLargeError: there are more tasks than can be placed together.
        UnsharableError: a workload asks for what a portfolio cannot give.
    """
    snapshot = holding(snapshot, request.created_at)
    limit = TimeLimit.of(request.time_limit_s, request.clock)
    parts = list(_parts(members, snapshot, request))
    instance, solution = solve_instance(_instance(parts, snapshot, budget_usd), limit)
    if solution.status is Status.INFEASIBLE:
        raise InfeasibleError([*_alone(parts, snapshot, request)] or [*_together(parts, instance, limit)])
    if not solution.choice:
        raise NoPlanInTimeError("no plan was found within the time limit")
    return _portfolio(parts, snapshot, request, instance, solution)


class UnsharableError(ValueError):
    """A workload asks for what has no meaning where others are planned beside it."""


def _parts(members: Sequence[Member], snapshot: Snapshot, request: PlanRequest) -> Iterator[_Part]:
    """Each member by itself; InfeasibleError names all that cannot be done, each with its reasons."""
    first, reasons = 0, list[str]()
    for member in members:
        if member.workload.value_of_time_usd_h or member.workload.objective is not Objective.COST:
            asks = "`value_of_time`" if member.workload.value_of_time_usd_h else "`objective: time`"
            raise UnsharableError(f"{member.file}: beside others a workload is planned for least cost, without {asks}")
        try:
            workload = with_groups(from_now(member.workload, request.created_at))
            found = find_all(workload, snapshot)
            require_candidates(found)
        except InfeasibleError as error:
            reasons += [f"{member.file}: {reason}" for reason in error.reasons]
            continue
        yield _Part(replace(member, workload=workload), tuple(found), first)
        first += len(found)
        if first > MOST_TASKS:
            raise TooLargeError(sum(task.spread for each in members for task in each.workload.tasks))
    if reasons:
        raise InfeasibleError(reasons)


def _instance(parts: Sequence[_Part], snapshot: Snapshot, budget_usd: float | None) -> Instance:
    """All parts as one problem, in which each keeps its own limits and all share the others."""
    found = [candidates for part in parts for candidates in _renamed(part)]
    frames = {id(each.frame): each.frame for each in found}
    zeros = {key: pl.zeros(frame.height, pl.Float64, eager=True) for key, frame in frames.items()}
    nothing = [zeros[id(each.frame)] for each in found]
    limits = [
        *(limited for part in parts for limited in _of_part(part, nothing)),
        *shared_limits(found, snapshot.quotas),
    ]
    together = Workload(
        name="portfolio",
        tasks=tuple(candidates.task for candidates in found),
        edges=tuple(
            Edge(_name(part, edge.source), _name(part, edge.target), edge.data_gb)
            for part in parts
            for edge in part.member.workload.edges
        ),
        budget_usd=budget_usd,
    )
    instance = instance_of(together, found, snapshot, limits)
    problem = replace(instance.problem, due_h=tuple(_due_h(parts)), purses=tuple(_purses(parts)))
    return replace(instance, problem=problem)


def _renamed(part: _Part) -> Iterator[Candidates]:
    """The candidates of a part, its tasks named so that those of several parts differ."""
    for candidates in part.found:
        task = replace(candidates.task, name=_name(part, candidates.task.name))
        yield replace(candidates, task=task)


def _name(part: _Part, task: str) -> str:
    return f"{part.first}:{part.member.workload.name}/{task}"


def _of_part(part: _Part, nothing: Sequence[pl.Series]) -> Iterator[Limited]:
    """The limits of one workload, of which the tasks of the others take `nothing` (by task, for each candidate)."""
    for limited in limits_of_workload(part.member.workload, part.found):
        loads = list(nothing)
        loads[part.tasks.start : part.tasks.stop] = limited.loads
        limit = replace(limited.limit, name=_own(part, limited.limit.name))
        yield Limited(limit, tuple(loads))


def _own(part: _Part, kind: str) -> str:
    """What a limit of one workload is called: files differ, where names of workloads may not."""
    return f"{part.member.file}: {kind}"


def _own_names(parts: Sequence[_Part]) -> set[str]:
    return {_own(part, kind) for part in parts for kind in _KINDS}


def _due_h(parts: Sequence[_Part]) -> Iterator[float]:
    for part in parts:
        deadline_h = part.member.workload.deadline_hours
        yield from [float("inf") if deadline_h is None else deadline_h] * len(part.found)


def _purses(parts: Sequence[_Part]) -> Iterator[Purse]:
    for part in parts:
        workload = part.member.workload
        if workload.budget_usd is not None:
            yield Purse(_own(part, BUDGET), frozenset(part.tasks), workload.budget_usd)


def _alone(parts: Sequence[_Part], snapshot: Snapshot, request: PlanRequest) -> Iterator[str]:
    """Why those workloads have no plan that have none by themselves."""
    for part in parts:
        try:
            placed(part.member.workload, part.found, snapshot, request)
        except InfeasibleError as error:
            yield from (f"{part.member.file}: {reason}" for reason in error.reasons)


def _together(parts: Sequence[_Part], instance: Instance, limit: TimeLimit) -> Iterator[str]:
    """Without which of the limits the workloads would have a plan together; each has one by itself."""
    lifted = [*_shared_lifted(parts, instance.problem), *_own_lifted(parts, instance.problem)]
    enough = [name for name, problem in lifted if _fits(replace(instance, problem=problem), name, limit)]
    yield from (f"together the workloads do not fit; without this limit they would: {name}" for name in enough)
    if not enough:
        yield "together the workloads do not fit" + ("; to lift one limit is not enough" if limit.allows() else "")


_Lifted: TypeAlias = tuple[str, DagProblem]
"""What is lifted, and the problem without it."""


def _shared_lifted(parts: Sequence[_Part], problem: DagProblem) -> Iterator[_Lifted]:
    """Each limit that is of no one workload."""
    own = _own_names(parts)
    for name in dict.fromkeys(limit.name for limit in problem.limits if limit.name not in own):
        yield name, _without({name}, problem)
    if problem.budget_usd is not None:
        yield f"budget of ${plain(problem.budget_usd)} for all", replace(problem, budget_usd=None)


def _own_lifted(parts: Sequence[_Part], problem: DagProblem) -> Iterator[_Lifted]:
    """The limits that workloads have of their own: one by one where few have one of a kind, else those of all."""
    for kind, lifted in _KINDS.items():
        having = [part for part in parts if _has(part, kind, problem)]
        groups = [[part] for part in having] if len(having) <= MOST_NAMED else [having]
        for group in groups:
            name = _own(group[0], kind) if len(group) == 1 else f"{kind} of the {len(group)} workloads with one"
            yield name, lifted(group, problem)


def _has(part: _Part, kind: str, problem: DagProblem) -> bool:
    if kind == DEADLINE:
        return part.member.workload.deadline_hours is not None
    named = {each.name for each in problem.limits} | {purse.name for purse in problem.purses}
    return _own(part, kind) in named


def _without(names: Collection[str], problem: DagProblem) -> DagProblem:
    """The problem without the limits and the purses of these names."""
    kept = [number for number, each in enumerate(problem.limits) if each.name not in names]
    return replace(
        problem,
        tasks=tuple(replace(task, loads=tuple(task.loads[number] for number in kept)) for task in problem.tasks),
        limits=tuple(problem.limits[number] for number in kept),
        purses=tuple(each for each in problem.purses if each.name not in names),
    )


def _without_deadlines(parts: Sequence[_Part], problem: DagProblem) -> DagProblem:
    free = {task for part in parts for task in part.tasks}
    return replace(problem, due_h=tuple(np.inf if task in free else due for task, due in enumerate(problem.due_h)))


def _without_own(kind: str, parts: Sequence[_Part], problem: DagProblem) -> DagProblem:
    return _without({_own(part, kind) for part in parts}, problem)


_KINDS: Final[Mapping[str, Callable[[Sequence[_Part], DagProblem], DagProblem]]] = MappingProxyType(
    {
        DEADLINE: _without_deadlines,
        **{
            kind: partial(_without_own, kind)
            for kind in (BUDGET, CARBON, CHANCE_OF_CAPACITY, CHANCE_UNINTERRUPTED, HOURLY_BUDGET)
        },
    }
)
"""What a workload may limit for itself, and how such limits of some workloads are lifted."""


def _fits(instance: Instance, lifted: str, limit: TimeLimit) -> bool:
    """Whether there is a plan, with as many machines as one likes where it is their number that is lifted."""
    while True:
        choice = solve(instance.problem, limit).choice
        short = [each for each in instance.short_of(choice) if each.limit.name != lifted] if choice else []
        if not short:
            return bool(choice)
        instance = instance.limited_by(short)


def _portfolio(
    parts: Sequence[_Part], snapshot: Snapshot, request: PlanRequest, instance: Instance, solution: DagSolution
) -> Portfolio:
    plan = schedule(instance.problem, solution.choice)
    own = _own_names(parts)
    return Portfolio(
        plans=tuple(
            written(
                part.member.workload,
                part.found,
                snapshot,
                _planned(part, snapshot, solution),
                created_at=request.created_at,
                file=part.member.file,
            )
            for part in parts
        ),
        proof=Proof(
            status=solution.status,
            objective=solution.objective,
            bound=solution.bound,
            gap=solution.gap,
            method=METHOD,
        ),
        cost_usd=plan.cost_usd,
        hours=plan.makespan_h,
        budget_usd=instance.problem.budget_usd,
        shared=tuple(
            SharedUse(limit.name, taken, limit.most)
            for limit, taken in zip(instance.problem.limits, plan.taken, strict=True)
            if limit.at_once and limit.name not in own
        ),
    )


def _planned(part: _Part, snapshot: Snapshot, solution: DagSolution) -> Planned:
    """A part of the whole plan. The others as they are, it could be better by what the whole could be at most."""
    workload, choice = part.member.workload, solution.choice[part.tasks.start : part.tasks.stop]
    instance = instance_of(workload, part.found, snapshot, ())
    option = instance.option(choice)
    # No charge is below 0.
    bound = max(0.0, option.charge_usd - (solution.objective - solution.bound))
    return Planned(
        best=option,
        proof=Proof(
            status=solution.status,
            objective=option.charge_usd,
            bound=bound,
            gap=relative_gap(option.charge_usd, bound),
            method=f"{METHOD}, together with {len(solution.choice) - len(choice)} other tasks",
        ),
        candidates=sum(each.frame.height for each in part.found),
        assumptions=tuple(instance.unknown_of(choice)),
    )
