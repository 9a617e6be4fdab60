"""Entries of an estimate that no alternative of their task can use: a sign of a misspelt model or count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catalog_data.normalise import nearest_name
from engine.workload import AcceleratorRequest, Estimate, Task


def unused_estimates(task: Task) -> Iterator[str]:
    """A sentence for each hardware that the estimate of a task names and nothing in the task asks for.

    Only where every alternative names its accelerator; otherwise any hardware may be chosen.
    """
    requests = [each.accelerator for each in task.requirements if each.accelerator is not None]
    if task.estimate is None or len(requests) < len(task.requirements):
        return
    asked = {name for request in requests for name in (request.name, str(request))}
    for key in _hardware(task.estimate):
        if key not in asked:
            near = _nearest(key, _without_hours(requests, task))
            hint = f" (did you mean {near}?)" if near else ""
            yield f"{task.name}: the estimate for {key} is not used: nothing asks for it{hint}"


def _hardware(estimate: Estimate) -> Mapping[str, float]:
    return estimate.hours if isinstance(estimate.hours, Mapping) else estimate.throughput


def _without_hours(requests: list[AcceleratorRequest], task: Task) -> list[AcceleratorRequest]:
    """The requests whose run time the estimate does not tell: one of them may be what the unused entry is for."""
    estimate = task.estimate or Estimate()
    return [each for each in requests if estimate.hours_on(each.name, each.count, task.num_nodes) is None]


def _nearest(key: str, requests: list[AcceleratorRequest]) -> str | None:
    """The request that the key resembles, written with a count if the key has one."""
    model, _, count = key.partition(":")
    by_name = {request.name: request for request in requests}
    near = nearest_name(model, by_name)
    if near is None:
        return None
    return str(by_name[near]) if count else near
