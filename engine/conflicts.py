"""Which of the user's limits conflict where there is no plan, and what would have to change of each.

Every limit is an on-off choice here, so the smallest set of them that conflicts is found by asking for plans that keep
some of them alone (engine.conflict_search). A dual or an irreducible infeasible subset of a linear relaxation would not
do: what conflicts often does so in whole machines only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Final

import polars as pl

from catalog_data.snapshot import Snapshot
from engine.conflict_search import Found, Limits, smallest_conflict
from engine.infeasible import Change, Conflict, InfeasibleError
from engine.optimum import Best, Question, Solver
from engine.plan import Placement
from engine.requirements import DEFAULT_ARCH, plain
from engine.residency import lies_in
from engine.status import NO_LIMIT, Status, TimeLimit
from engine.user_limits import BUDGET, DEADLINE, RESIDENCY, Figure, UserLimit, user_limits
from engine.workload import Objective, Requirement, Residency, Workload

MOST_CONFLICTS: Final = 5
"""So many that share no limit are named."""
LOOSEST: Final = 1e15
"""A limit that nothing comes near to; of a chance its inverse."""
MOST_OF_A_QUOTA: Final = 10**6


def conflicts_of(
    workload: Workload, snapshot: Snapshot, now: datetime, limit: TimeLimit = NO_LIMIT
) -> tuple[Conflict, ...]:
    """What conflicts in a workload without a plan, in sets that share no limit, the smallest first.

    Of the snapshot all offers are looked at, so it must hold those that the limits exclude. Empty where the deadline
    has passed, where there is a plan after all, and where there is none whatever is asked for.
    """
    try:
        question = Question.of(workload, snapshot, now)
    except InfeasibleError:
        return ()
    return Asked(question, Solver(limit)).conflicts()


@dataclass(frozen=True)
class Asked:
    """A question without an answer, and who answers others like it."""

    question: Question
    solver: Solver
    known: dict[Limits, bool] = field(default_factory=dict)
    """By limits that are kept alone: whether they conflict."""

    @cached_property
    def limits(self) -> list[UserLimit]:
        """All limits, in a fixed order."""
        return user_limits(self.question)

    def conflicts(self) -> tuple[Conflict, ...]:
        """See conflicts_of."""
        found: list[Found] = []
        left = list(range(len(self.limits)))
        while len(found) < MOST_CONFLICTS and self.solver.limit.allows():
            next_one = self._smallest(left)
            if next_one is None or not next_one.limits:
                break
            found.append(next_one)
            left = [number for number in left if number not in next_one.limits]
        return tuple(self._conflict(each, [other for other in found if other is not each]) for each in found)

    def _smallest(self, among: Sequence[int]) -> Found | None:
        """A smallest conflict among some of the limits, all others lifted."""

        def conflicts(numbers: Limits) -> bool:
            return self._conflict_among(frozenset(among[number] for number in numbers))

        found = smallest_conflict(len(among), conflicts, self.solver.limit.allows)
        return found and replace(found, limits=frozenset(among[number] for number in found.limits))

    def _conflict_among(self, kept: Limits) -> bool:
        """Whether it is proven that no plan keeps these limits; not any more when the time is out."""
        if kept not in self.known and self.solver.limit.allows():
            lifted = [limit for number, limit in enumerate(self.limits) if number not in kept]
            status = self.solver.any_plan(_without(self.question, lifted).indifferent()).status
            self.known[kept] = status is Status.INFEASIBLE
        return self.known.get(kept, False)

    def _conflict(self, found: Found, others: Sequence[Found]) -> Conflict:
        limits = [self.limits[number] for number in sorted(found.limits)]
        apart = [self.limits[number] for other in others for number in other.limits]
        question = _without(self.question, apart)
        return Conflict(
            limits=tuple(limit.text for limit in limits),
            changes=tuple(change_of(limit, question, self.solver) for limit in limits),
            smallest=found.smallest,
        )


def _without(question: Question, limits: Sequence[UserLimit]) -> Question:
    for limit in limits:
        question = limit.lifted(question)
    return question


def change_of(limit: UserLimit, question: Question, solver: Solver) -> Change:
    """What would have to change of a limit for a plan to be found while all others stay."""
    if limit.figure is not None:
        change = _change_of_figure(limit.name, limit.figure, question.indifferent(), solver)
        if change.text is not None:
            return change
    free = limit.lifted(question)
    is_counted = limit.field in _COUNTED and len(limit.tasks) == 1
    best = _nearest(limit, free, solver) if is_counted else solver.best(free)
    text = None if best.option is None else _text_of(limit, question, best)
    return Change(limit=limit.name, text=text, exact=best.status in {Status.OPTIMAL, Status.INFEASIBLE})


def _nearest(limit: UserLimit, free: Question, solver: Solver) -> Best:
    """The best plan with the figure of a task that is nearest to what it asks for, of those with which there is one."""
    (name,) = limit.tasks
    task = next(task for task in free.workload.tasks if task.name == name)
    asked = next(value for each in task.requirements if (value := _COUNTED[limit.field](each)) is not None)
    frame = next(each.frame for each in solver.candidates(free) if each.task.name == name)
    values = frame[limit.field].drop_nulls().unique().sort(descending=True).to_list()
    for value in sorted(values, key=lambda value: abs(value - asked)):
        best = replace(solver, only={name: pl.DataFrame({limit.field: [value]})}).best(free)
        if best.option is not None:
            return best
    return solver.best(free)


def _change_of_figure(name: str, figure: Figure, question: Question, solver: Solver) -> Change:
    """The tightest value with which there is a plan: by solving for it where it is an objective, else by halving."""
    objective = {DEADLINE: Objective.TIME, BUDGET: Objective.COST}.get(name, question.workload.objective)
    aimed = replace(question, workload=replace(question.workload, objective=objective))
    free = solver.best(figure.moved(aimed, LOOSEST if figure.grows else 1 / LOOSEST))
    value = None if free.option is None else figure.taken(free)
    exact = free.status in {Status.OPTIMAL, Status.INFEASIBLE}
    if figure.whole and free.option is not None:
        value, exact = _least_whole(figure, question, solver)
    elif value is not None and name not in {DEADLINE, BUDGET}:
        value, exact = _least(figure, value, question, solver)
    return Change(limit=name, text=None if value is None else figure.shown(value), value=value, exact=exact)


def _least(figure: Figure, enough: float, question: Question, solver: Solver) -> tuple[float, bool]:
    """The tightest value with which there is a plan (`enough` is one that will do), and whether that is proven.

    What a plan takes is the next value to beat: values are few, and halving skips most of them.
    """
    sign = 1.0 if figure.grows else -1.0
    # In signed values less is tighter: `no` does not do, `yes` does.
    no, yes = sign * figure.value, sign * enough
    while (tighter := yes - figure.resolution * max(1.0, abs(yes))) > no:
        for tried in (tighter, (no + yes) / 2):
            best = solver.any_plan(figure.moved(question, sign * tried))
            taken = figure.taken(best)
            if taken is not None:
                yes = min(yes, sign * taken)
            elif best.status is not Status.INFEASIBLE or tried == tighter:
                return sign * yes, best.status is Status.INFEASIBLE
            else:
                no = tried
    return sign * yes, True


def _least_whole(figure: Figure, question: Question, solver: Solver) -> tuple[float | None, bool]:
    """The least whole number with which there is a plan, found by doubling and halving."""

    def enough(value: int) -> bool:
        return solver.any_plan(figure.moved(question, value)).option is not None

    no, more = round(figure.value), 1
    while not enough(no + more):
        if more > MOST_OF_A_QUOTA:
            return None, True
        no, more = no + more, 2 * more
    yes = no + more
    while yes - no > 1:
        middle = (no + yes) // 2
        no, yes = (no, middle) if enough(middle) else (middle, yes)
    return float(yes), solver.limit.allows()


def _text_of(limit: UserLimit, question: Question, best: Best) -> str:
    """What the best plan without a limit has where the limit asked for something else."""
    placements = best.option.placements if best.option else ()
    if limit.figure is not None:
        return f"{limit.name} without a limit (how much of it the offers take that would do is not known)"
    if limit.name == RESIDENCY:
        outside = dict.fromkeys(_place(each) for each in placements if not _resides(each, question))
        return f"residency that allows {' and '.join(outside)}"
    said = (_SAID[limit.field](each, question.snapshot.offers) for each in placements if each.task in limit.tasks)
    return f"{limit.name.partition(': ')[0]}: {' or '.join(dict.fromkeys(said))}"


def _place(placement: Placement) -> str:
    return f"{placement.cloud}/{placement.region}"


def _resides(placement: Placement, question: Question) -> bool:
    """Whether a placement surely lies where the workload may run."""
    residency = question.workload.residency or Residency()
    where = pl.DataFrame({"cloud": [placement.cloud], "region": [placement.region]})
    row = where.join(question.snapshot.regions, on=["cloud", "region"], how="left")
    inside = lies_in(residency.allow) if residency.allow else pl.lit(value=True)
    outside = ~lies_in(residency.deny) if residency.deny else pl.lit(value=True)
    return bool(row.select((inside & outside).fill_null(value=False).alias("resides"))["resides"][0])


def _accelerators(placement: Placement) -> str:
    if placement.accelerator is None:
        return "a machine without accelerators"
    return f"{plain(placement.accelerator_count or 1)} x {placement.accelerator}"


def _arch(placement: Placement, offers: pl.DataFrame) -> str:
    same = offers.filter(
        pl.col("cloud") == placement.cloud,
        pl.col("instance_type") == placement.instance_type,
        pl.col("arch").is_not_null(),
    )
    return f"CPU architecture {DEFAULT_ARCH if same.is_empty() else same['arch'][0]}"


_COUNTED: Final[Mapping[str, Callable[[Requirement], float | None]]] = MappingProxyType(
    {
        "accelerator_count": lambda requirement: requirement.accelerator.count if requirement.accelerator else None,
        "vcpus": lambda requirement: requirement.vcpus.low if requirement.vcpus else None,
        "memory_gib": lambda requirement: requirement.memory_gib.low if requirement.memory_gib else None,
    }
)
"""The fields of which an exact figure may be asked for; the nearest one is the least change."""

_SAID: Final[Mapping[str, Callable[[Placement, pl.DataFrame], str]]] = MappingProxyType(
    {
        "cloud": lambda placement, _: f"cloud {placement.cloud}",
        "region": lambda placement, _: f"region {_place(placement)}",
        "zone": lambda placement, _: f"zone {', '.join(placement.zones) or 'of any name'} in {_place(placement)}",
        "instance_type": lambda placement, _: f"instance type {placement.instance_type} ({placement.cloud})",
        "accelerator": lambda placement, _: _accelerators(placement),
        "accelerator_count": lambda placement, _: _accelerators(placement),
        "arch": _arch,
        "vcpus": lambda placement, _: f"{plain(placement.vcpus or 0)} vCPUs",
        "memory_gib": lambda placement, _: f"{plain(placement.memory_gib or 0)} GiB of memory",
        "memory_gib_per_vcpu": lambda placement, _: (
            f"{plain(placement.memory_gib or 0)} GiB for {plain(placement.vcpus or 0)} vCPUs"
        ),
        "purchase": lambda placement, _: f"purchase {placement.purchase}",
        "capacity": lambda placement, _: (
            f"capacity for {placement.instance_type} ({placement.purchase}) in {_place(placement)}; waiting may help"
        ),
    }
)
"""By field of a task (`Check.field`): what a placement has there. Fields that are figures are said by `Figure.shown`,
except where an exact one was asked for."""
