"""The limits that a user set, each as a value that can be lifted from a question, and moved where it is a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final

from catalog_data.scopes import UNIT_WORD, Quota
from engine.limits import CARBON, CHANCE_OF_CAPACITY, CHANCE_UNINTERRUPTED, HOURLY_BUDGET
from engine.optimum import Best, Question
from engine.plan import Placement
from engine.quantities import Range
from engine.requirements import TOLERANCE, checks_of, plain, with_defaults
from engine.status import ROUNDING
from engine.workload import Requirement, Task, Workload

DEADLINE: Final = "deadline"
BUDGET: Final = "budget"
RESIDENCY: Final = "residency"
DIGITS: Final = 4
DECIMALS: Final = 2
MOST_APART: Final = 3
"""What so many tasks ask for alike is a limit of each; what more of them do is one."""
RESOLUTION: Final = 1e-6
"""How far apart, relative to them, two values of a limit are told apart."""
STEP: Final = 10.0
STEP_SHARE: Final = 0.05


@dataclass(frozen=True)
class Figure:
    """A limit that is a figure: `value` at most, or at least where `grows` is false; `whole` where it counts things.

    `step` is a sensible unit to move it by, and `resolution` how far apart values make a difference. `taken` is how
    much of it an option takes, None where no plan could take more than is allowed.
    """

    value: float
    moved: Callable[[Question, float], Question]
    taken: Callable[[Best], float | None]
    shown: Callable[[float], str]
    step: float
    grows: bool = True
    whole: bool = False
    resolution: float = RESOLUTION

    @property
    def loosened(self) -> float:
        """The value one step looser."""
        return self.value + self.step if self.grows else self.value - self.step


@dataclass(frozen=True)
class UserLimit:
    """One limit, by a `name` of its own; `text` says it to people.

    `tasks` and `field` (`Check.field`) say where it stands in the workload; empty for a limit of the whole.
    """

    name: str
    text: str
    lifted: Callable[[Question], Question]
    figure: Figure | None = None
    tasks: tuple[str, ...] = ()
    field: str = ""


def user_limits(question: Question) -> list[UserLimit]:
    """All limits: those of the workload first, then task by task; what is taken for granted has its place too."""
    return [
        *figure_limits(question),
        *_residency(question.workload),
        *_of_tasks(question.workload.tasks),
    ]


def figure_limits(question: Question) -> list[UserLimit]:
    """The limits of the workload as a whole that are figures, and the quotas."""
    return [*_of_workload(question.workload), *map(_of_quota, question.snapshot.quotas)]


Put = Callable[[Workload, float | None], Workload]


def _of_workload(workload: Workload) -> Iterator[UserLimit]:
    if (value := workload.deadline_hours) is not None:
        step = min(1.0, value)
        yield _limit(DEADLINE, value, lambda w, to: replace(w, deadline_hours=to), _makespan_h, "{} h", step)
    if (value := workload.budget_usd) is not None:
        yield _limit(BUDGET, value, lambda w, to: replace(w, budget_usd=to), _cost_usd, "${}", _tenner(value))
    if (value := workload.hourly_budget_usd) is not None:
        taken = partial(_load, HOURLY_BUDGET)
        yield _limit(
            HOURLY_BUDGET, value, lambda w, to: replace(w, hourly_budget_usd=to), taken, "${}/h", _tenner(value)
        )
    if (value := workload.carbon.limit_kg) is not None:
        yield _limit(CARBON, value, _with_carbon, partial(_load, CARBON), "{} kg CO2e", _tenner(value))
    for name, field in ((CHANCE_OF_CAPACITY, "capacity"), (CHANCE_UNINTERRUPTED, "uninterrupted")):
        if (value := getattr(workload.chances, field)) is not None:
            yield _least_chance(name, value, partial(_with_chance, field))


def _with_carbon(workload: Workload, limit_kg: float | None) -> Workload:
    return replace(workload, carbon=replace(workload.carbon, limit_kg=limit_kg))


def _with_chance(field: str, workload: Workload, value: float | None) -> Workload:
    return replace(workload, chances=replace(workload.chances, **{field: value}))


def _least_chance(name: str, value: float, put: Put) -> UserLimit:
    """A chance is a load's exponential: loads are logarithms."""

    def taken(best: Best) -> float | None:
        load = best.taken.get(name)
        return None if load is None else math.exp(-load)

    return _limit(name, value, put, taken, "{}", min(0.01, value / 2), grows=False)


def _limit(
    name: str,
    value: float,
    put: Put,
    taken: Callable[[Best], float | None],
    shown: str,
    step: float,
    *,
    grows: bool = True,
) -> UserLimit:
    def moved(question: Question, value: float | None) -> Question:
        return replace(question, workload=put(question.workload, value))

    def text(value: float) -> str:
        return f"{name} {shown.format(rounded(value, up=grows))}"

    return UserLimit(
        name, text(value), lambda question: moved(question, None), Figure(value, moved, taken, text, step, grows)
    )


def _makespan_h(best: Best) -> float | None:
    return None if best.option is None else best.option.hours


def _cost_usd(best: Best) -> float | None:
    return None if best.option is None else best.option.cost_usd


def _load(name: str, best: Best) -> float | None:
    return best.taken.get(name)


def _tenner(value: float) -> float:
    """10 units, or 5 % where that is much more than the limit bears or too little to matter."""
    return STEP if STEP <= value <= STEP / STEP_SHARE else STEP_SHARE * value


def _of_quota(quota: Quota) -> UserLimit:
    name = f"quota {quota.name}"

    def lifted(question: Question) -> Question:
        rest = tuple(each for each in question.snapshot.quotas if each != quota)
        return replace(question, snapshot=replace(question.snapshot, quotas=rest))

    def moved(question: Question, value: float) -> Question:
        other = replace(quota, limit=round(value))
        quotas = tuple(other if each == quota else each for each in question.snapshot.quotas)
        return replace(question, snapshot=replace(question.snapshot, quotas=quotas))

    def text(value: float) -> str:
        return f"{name}: {plain(value)} {UNIT_WORD[quota.unit]}{'' if value == 1 else 's'}"

    figure = Figure(float(quota.limit), moved, partial(_load, name), text, step=1.0, whole=True)
    return UserLimit(name, text(quota.limit), lifted, figure)


def _residency(workload: Workload) -> Iterator[UserLimit]:
    residency = workload.residency
    if residency is not None:
        allowed = [f"in {', '.join(residency.allow)}"] if residency.allow else []
        denied = [f"outside {', '.join(residency.deny)}"] if residency.deny else []
        yield UserLimit(
            RESIDENCY,
            f"residency {' and '.join([*allowed, *denied])}",
            lambda question: replace(question, workload=replace(question.workload, residency=None)),
        )


def _of_tasks(tasks: Sequence[Task]) -> Iterator[UserLimit]:
    """What any alternative of a task asks for, field by field; what many tasks ask for alike is one limit."""
    alike: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        for field, wanted in _wanted(task).items():
            alike.setdefault((field, wanted), []).append(task)
    for (field, wanted), asking in alike.items():
        groups = [asking] if len(asking) > MOST_APART else [[task] for task in asking]
        for group in groups:
            names = tuple(task.name for task in group)
            whose = _whose(names)
            yield UserLimit(
                f"{whose}: {field}",
                f"{whose}: {wanted}",
                partial(_without_checks, names, field),
                _of_field(group, field),
                names,
                field,
            )


def _whose(names: Sequence[str]) -> str:
    """The tasks in a few words; of one field, no two limits have the same."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _wanted(task: Task) -> dict[str, str]:
    """By field what any of the alternatives asks for."""
    wanted: dict[str, dict[str, None]] = {}
    for requirement in task.requirements:
        for check in checks_of(with_defaults(requirement)[0], None, task.num_nodes):
            if check.field and check.wanted:
                wanted.setdefault(check.field, {})[check.wanted] = None
    return {field: " or ".join(texts) for field, texts in wanted.items()}


def _without_checks(tasks: Sequence[str], field: str, question: Question) -> Question:
    for task in tasks:
        question = question.without_check(task, field)
    return question


@dataclass(frozen=True)
class _Asked:
    """A figure that an alternative of a task asks for (None: none, or an exact one), and how it is put."""

    of: Callable[[Requirement], float | None]
    put: Callable[[Requirement, float], Requirement]
    taken: Callable[[Placement], float | None]
    shown: str
    grows: bool
    resolution: float


def _low(asked: Range | None) -> float | None:
    return None if asked is None or asked.exact else asked.low


_ASKED: Final[Mapping[str, _Asked]] = MappingProxyType(
    {
        "max_hourly_cost": _Asked(
            lambda requirement: requirement.max_hourly_cost,
            lambda requirement, value: replace(requirement, max_hourly_cost=value),
            lambda placement: placement.price_usd_h,
            "max_hourly_cost ${}",
            grows=True,
            resolution=RESOLUTION,
        ),
        "vcpus": _Asked(
            lambda requirement: _low(requirement.vcpus),
            lambda requirement, value: replace(requirement, vcpus=Range(value, exact=False)),
            lambda placement: placement.vcpus,
            "{}+ vCPUs",
            grows=False,
            resolution=2 * TOLERANCE,
        ),
        "memory_gib": _Asked(
            lambda requirement: _low(requirement.memory_gib),
            lambda requirement, value: replace(requirement, memory_gib=Range(value, exact=False)),
            lambda placement: placement.memory_gib,
            "{}+ GiB of memory",
            grows=False,
            resolution=2 * TOLERANCE,
        ),
    }
)
"""The fields of a task that are figures, of which some values allow more than others."""


def _of_field(tasks: Sequence[Task], field: str) -> Figure | None:
    """The field as a figure, where it is one in all alternatives of the tasks that ask for it."""
    asked = _ASKED.get(field)
    full = {task.name: [with_defaults(requirement)[0] for requirement in task.requirements] for task in tasks}
    every = [requirement for requirements in full.values() for requirement in requirements]
    if asked is None or any(getattr(each, field) is not None and asked.of(each) is None for each in every):
        return None
    values = [value for each in every if (value := asked.of(each)) is not None]
    tightest, loosest = (min, max) if asked.grows else (max, min)

    def moved(question: Question, value: float) -> Question:
        for own in question.workload.tasks:
            if own.name in full:
                looser = tuple(_loosened(requirement, asked, value) for requirement in full[own.name])
                question = question.with_task(replace(own, requirements=looser))
        return question

    def taken(best: Best) -> float | None:
        placements = () if best.option is None else best.option.placements
        figures = [asked.taken(placement) for placement in placements if placement.task in full]
        return loosest((figure for figure in figures if figure is not None), default=None)

    def text(value: float) -> str:
        return f"{_whose(list(full))}: {asked.shown.format(rounded(value, up=asked.grows))}"

    value = tightest(values)
    return Figure(value, moved, taken, text, value, asked.grows, resolution=asked.resolution)


def _loosened(requirement: Requirement, asked: _Asked, value: float) -> Requirement:
    """The requirement, asking for no more than `value` allows."""
    own = asked.of(requirement)
    tighter = own is not None and (own < value if asked.grows else own > value)
    return asked.put(requirement, value) if tighter else requirement


def rounded(value: float, *, up: bool) -> str:
    """A figure of four significant digits, or two after the point if that is more, rounded `up` or down.

    So rounded to what allows more, a limit allows all that it allowed before.
    """
    if value == 0:
        return "0"
    places = max(DECIMALS, DIGITS - 1 - math.floor(math.log10(abs(value))))
    scaled = value * 10**places
    whole = math.ceil(scaled - ROUNDING * abs(scaled)) if up else math.floor(scaled + ROUNDING * abs(scaled))
    return f"{whole / 10**places:,.{places}f}".rstrip("0").rstrip(".")
