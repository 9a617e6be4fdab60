"""Changes to the workload: its limits and objective, its tasks, and the data between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from catalog_data.normalise import nearest_name
from catalog_data.scopes import ANY
from engine.candidates import ASSUMED_HOURS
from engine.quantities import (
    parse_chance,
    parse_co2e_kg,
    parse_data_gb,
    parse_deadline,
    parse_hours,
    parse_number,
    parse_usd,
    parse_whole_number,
)
from engine.whatif_scenario import NO_LIMIT, Operator, Scenario, Value, number_of, require_name, value_text
from engine.workload import Estimate, Objective, Task, Workload
from engine.workload_errors import InvalidValueError
from engine.workload_parsers import choice

ARROW: Final = "->"
"""Between the ends of an edge."""


@dataclass(frozen=True)
class Field:
    """A field of the whole workload, by the name under which FIELDS has it."""

    name: str

    def read(self, text: str) -> Value:
        """As the workload's own text has it; `none` lifts a limit."""
        field = FIELDS[self.name]
        return None if field.is_limit and text.strip().lower() == NO_LIMIT else field.read(text)

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario with another value of it."""
        field = FIELDS[self.name]
        if operator is Operator.SCALE:
            value = _scaled(field.get(scenario.workload), number_of(value))
        return replace(scenario, workload=field.put(scenario.workload, value))


@dataclass(frozen=True)
class TaskField:
    """What tasks (a pattern of their names) have under the `name` of TASK_FIELDS."""

    name: str
    task: str = ANY

    def read(self, text: str) -> Value:
        """As the task's own text has it."""
        return TASK_FIELDS[self.name].read(text)

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario with other tasks."""
        tasks = scenario.workload.tasks
        require_name(self.task, [task.name for task in tasks], "task")
        put, amount = TASK_FIELDS[self.name].put, number_of(value)
        changed = [put(task, operator, amount) if fnmatchcase(task.name, self.task) else task for task in tasks]
        return replace(scenario, workload=replace(scenario.workload, tasks=tuple(changed)))


@dataclass(frozen=True)
class Data:
    """What moves from task to task, both patterns of names."""

    source: str = ANY
    target: str = ANY

    def read(self, text: str) -> Value:
        """GB of one edge."""
        return parse_data_gb(text)

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario with other amounts."""
        edges, amount = scenario.workload.edges, number_of(value)
        here = [fnmatchcase(edge.source, self.source) and fnmatchcase(edge.target, self.target) for edge in edges]
        if not any(here):
            known = [f"{edge.source}{ARROW}{edge.target}" for edge in edges]
            near = nearest_name(f"{self.source}{ARROW}{self.target}", known)
            hint = f"did you mean data.{near}?" if near else f"there are {', '.join(known) or 'none'}"
            raise InvalidValueError("no task hands data on to another in that way", hint)
        changed = [
            replace(edge, data_gb=edge.data_gb * amount if operator is Operator.SCALE else amount) if is_so else edge
            for edge, is_so in zip(edges, here, strict=True)
        ]
        return replace(scenario, workload=replace(scenario.workload, edges=tuple(changed)))


@dataclass(frozen=True)
class _WorkloadField:
    read: Callable[[str], Value]
    get: Callable[[Workload], Value]
    put: Callable[[Workload, Any], Workload]
    is_limit: bool = True


@dataclass(frozen=True)
class _OfTask:
    read: Callable[[str], float]
    put: Callable[[Task, Operator, float], Task]


def _read_deadline(text: str) -> Value:
    deadline = parse_deadline(text)
    is_naive = isinstance(deadline, datetime) and deadline.tzinfo is None
    return deadline.replace(tzinfo=UTC) if is_naive and isinstance(deadline, datetime) else deadline


def _with_deadline(workload: Workload, deadline: float | datetime | None) -> Workload:
    if isinstance(deadline, datetime):
        return replace(workload, deadline_hours=None, deadline_at=deadline)
    return replace(workload, deadline_hours=deadline, deadline_at=None)


def _read_objective(text: str) -> Value:
    return str(choice(*Objective)(text))


def _usd(what: str) -> Callable[[str], Value]:
    return lambda text: parse_usd(text, what)


FIELDS: Final[Mapping[str, _WorkloadField]] = {
    "deadline": _WorkloadField(_read_deadline, lambda w: w.deadline_at or w.deadline_hours, _with_deadline),
    "budget": _WorkloadField(_usd("the budget"), lambda w: w.budget_usd, lambda w, usd: replace(w, budget_usd=usd)),
    "hourly_budget": _WorkloadField(
        _usd("the hourly budget"), lambda w: w.hourly_budget_usd, lambda w, usd: replace(w, hourly_budget_usd=usd)
    ),
    "carbon.limit": _WorkloadField(
        parse_co2e_kg, lambda w: w.carbon.limit_kg, lambda w, kg: replace(w, carbon=replace(w.carbon, limit_kg=kg))
    ),
    "chance.capacity": _WorkloadField(
        parse_chance, lambda w: w.chances.capacity, lambda w, p: replace(w, chances=replace(w.chances, capacity=p))
    ),
    "chance.uninterrupted": _WorkloadField(
        parse_chance,
        lambda w: w.chances.uninterrupted,
        lambda w, p: replace(w, chances=replace(w.chances, uninterrupted=p)),
    ),
    "value_of_time": _WorkloadField(
        _usd("the value of time"),
        lambda w: w.value_of_time_usd_h,
        lambda w, usd: replace(w, value_of_time_usd_h=usd),
        is_limit=False,
    ),
    "carbon.price": _WorkloadField(
        _usd("the price of carbon"),
        lambda w: w.carbon.price_usd_t,
        lambda w, usd: replace(w, carbon=replace(w.carbon, price_usd_t=usd)),
        is_limit=False,
    ),
    "objective": _WorkloadField(
        _read_objective,
        lambda w: str(w.objective),
        lambda w, name: replace(w, objective=Objective(name)),
        is_limit=False,
    ),
}
"""The fields of the whole workload that can be changed."""


def _with_hours(task: Task, operator: Operator, amount: float) -> Task:
    """All run times; where they come from work and throughput it is the work that is scaled."""
    estimate = task.estimate or Estimate(hours=ASSUMED_HOURS)
    if operator is Operator.SET:
        return replace(task, estimate=replace(estimate, hours=amount, work=None, throughput={}))
    if not amount:
        raise InvalidValueError("a run takes some time")
    hours = estimate.hours
    if isinstance(hours, Mapping):
        hours = {hardware: amount * figure_h for hardware, figure_h in hours.items()}
    elif hours is not None:
        hours *= amount
    work = None if estimate.work is None else amount * estimate.work
    return replace(task, estimate=replace(estimate, hours=hours, work=work))


def _with_nodes(task: Task, operator: Operator, amount: float) -> Task:
    nodes = task.num_nodes * amount if operator is Operator.SCALE else amount
    whole = parse_whole_number(nodes, f"the number of nodes of {task.name}", low=1)
    if whole % task.spread:
        raise InvalidValueError(f"the {task.spread} groups of {task.name} cannot share {whole} nodes equally")
    return replace(task, num_nodes=whole)


def _with_checkpoint(task: Task, operator: Operator, amount: float) -> Task:
    estimate = task.estimate or Estimate(hours=ASSUMED_HOURS)
    if operator is Operator.SET:
        return replace(task, estimate=replace(estimate, checkpoint_h=amount))
    if estimate.checkpoint_h is None or not amount:
        raise InvalidValueError(f"{task.name} has no checkpoints to make rarer or denser", "say =30m")
    return replace(task, estimate=replace(estimate, checkpoint_h=estimate.checkpoint_h * amount))


TASK_FIELDS: Final[Mapping[str, _OfTask]] = {
    "hours": _OfTask(parse_hours, _with_hours),
    "nodes": _OfTask(lambda text: parse_number(text, "a number of nodes", low=1), _with_nodes),
    "checkpoint": _OfTask(parse_hours, _with_checkpoint),
}
"""What can be changed of a task."""


def _scaled(value: Value, factor: float) -> Value:
    if not isinstance(value, int | float):
        nothing = "there is none to multiply" if value is None else f"{value_text(value)} cannot be multiplied"
        raise InvalidValueError(nothing, "say =VALUE")
    return value * factor
