"""Changes to a scenario: `PATH*=FACTOR` or `PATH=VALUE`, read from text and applied to a workload and a snapshot.

    price[.CLOUD][.PURCHASE][/INSTANCE][@REGION][:ACCELERATOR]      $/h of the offers that are so named
    egress[.CLOUD]                                                  $/GB of what leaves the cloud
    cloud.CLOUD  region.[CLOUD.]REGION  instance.TYPE  accelerator.MODEL  purchase.PURCHASE       off (purchase: or on)
    deadline  budget  hourly_budget  value_of_time  objective  carbon.price  carbon.limit
    chance.capacity  chance.uninterrupted                           as in the workload; `none` lifts a limit
    hours[.TASK]  nodes[.TASK]  checkpoint[.TASK]  data[.TASK->TASK]

Names are patterns of a shell. What matches nothing is an error, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from catalog_data.normalise import nearest_name
from catalog_data.schema import Purchase
from catalog_data.scopes import ANY
from engine.quantities import parse_number
from engine.whatif_fields import ARROW, FIELDS, TASK_FIELDS, Data, Field, TaskField
from engine.whatif_offers import OFF, ON, Egress, Offered, Prices, accepting
from engine.whatif_scenario import Operator, Scenario, Target, Value, value_text
from engine.workload import Workload
from engine.workload_errors import InvalidValueError, shown
from engine.workload_parsers import choice

_CHANGE: Final = r"(?P<path>.+?)\s*(?P<operator>\*=|=)\s*(?P<value>.+)"
_SCOPE: Final = r"(?P<words>[^/@:]*)(?:/(?P<instance>[^@:]+))?(?:@(?P<region>[^:]+))?(?::(?P<accelerator>.+))?"


@dataclass(frozen=True)
class Change:
    """A target, and what becomes of it: a factor where it is scaled, else its new value (None: no limit)."""

    path: str
    target: Target
    operator: Operator
    value: Value

    def __str__(self) -> str:
        return f"{self.path}{self.operator}{value_text(self.value)}"

    def apply(self, scenario: Scenario) -> Scenario:
        """The changed scenario.

        Raises:
            InvalidValueError: see Target.changed; the message begins with the path.
        """
        try:
            return self.target.changed(scenario, self.operator, self.value)
        except InvalidValueError as error:
            raise InvalidValueError(f"{self.path}: {error}", error.faults[0].hint) from None


def parse_change(text: str) -> Change:
    """`price.aws.spot*=1.5`, `deadline=12h`: a change.

    Raises:
        InvalidValueError: there is no such path, or the value is none of its values.
    """
    match = re.fullmatch(_CHANGE, text.strip())
    if match is None:
        raise InvalidValueError(f"{shown(text)} is not a change", "write PATH=VALUE or PATH*=FACTOR: deadline=12h")
    path, operator = match["path"], Operator(match["operator"])
    if operator is Operator.SCALE and match["value"] in {ON, OFF}:  # the star is the end of a name's pattern
        path, operator = f"{path}*", Operator.SET
    target = parse_target(path)
    return Change(path, target, operator, read_value(path, target, operator, match["value"]))


def parse_changes(text: str) -> tuple[Change, ...]:
    """Several changes with commas between them; a comma that no path follows is part of a value."""
    return tuple(parse_change(part) for part in re.split(r",\s*(?=[a-z][^,]*=)", text))


def read_value(path: str, target: Target, operator: Operator, text: str) -> Value:
    """What a text says of a target under the operator.

    Raises:
        InvalidValueError: it says nothing that can be read; the message begins with the path.
    """
    try:
        if operator is Operator.SCALE:
            return parse_number(text, "a factor", low=0)
        return target.read(text)
    except InvalidValueError as error:
        raise InvalidValueError(f"{path}: {error}", error.faults[0].hint) from None


def parse_target(path: str) -> Target:
    """What a path leads to.

    Raises:
        InvalidValueError: nowhere; the hint has the nearest path that leads somewhere.
    """
    if path in FIELDS:
        return Field(path)
    match = re.fullmatch(r"(?P<head>[a-z_]+)(?P<rest>(?:[./:@].*)?)", path)
    head = match["head"] if match else path
    if match is None or head not in HEADS:
        known = [*FIELDS, *HEADS]
        near = nearest_name(path, known) or nearest_name(head, known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        raise InvalidValueError(f"{shown(path)} is nothing that can be changed", hint)
    return HEADS[head](match["rest"])


def _price_target(rest: str) -> Target:
    match = re.fullmatch(_SCOPE, rest.removeprefix("."))
    if match is None:
        raise InvalidValueError(
            f"price{rest} is no scope", "write price[.CLOUD][.PURCHASE][/INSTANCE][@REGION][:ACCELERATOR]"
        )
    words = [word for word in match["words"].split(".") if word]
    purchases = [word for word in words if word.replace("-", "_") in set(Purchase)]
    clouds = [word for word in words if word not in purchases]
    if len(clouds) > 1:
        path = ".".join(["price", clouds[0], *purchases]) + f"/{'.'.join(clouds[1:])}"
        raise InvalidValueError(
            f"price{rest}: one cloud and one way to buy can be named", f"an instance type stands behind /: {path}"
        )
    if len(purchases) > 1:
        raise InvalidValueError(f"price{rest}: {purchases[0]} and {purchases[1]} are two ways to buy", "change each")
    return Prices(
        cloud=clouds[0] if clouds else ANY,
        purchase=purchases[0].replace("-", "_") if purchases else ANY,
        region=match["region"] or ANY,
        instance_type=match["instance"] or ANY,
        accelerator=match["accelerator"] or ANY,
    )


def _offered(column: str) -> Callable[[str], Target]:
    def parse(rest: str) -> Target:
        return Offered(((column, _named(rest, column)),))

    return parse


def _region_target(rest: str) -> Target:
    cloud, separator, name = _named(rest, "region").replace("/", ".").partition(".")
    return Offered((("cloud", cloud), ("region", name))) if separator else Offered((("region", cloud),))


def _purchase_target(rest: str) -> Target:
    return Offered((("purchase", str(choice(*Purchase)(_named(rest, "purchase")))),))


def _of_tasks(name: str) -> Callable[[str], Target]:
    return lambda rest: TaskField(name, rest[1:] or ANY)


def _data_target(rest: str) -> Target:
    if not rest:
        return Data()
    source, arrow, target = rest[1:].partition(ARROW)
    if not arrow:
        raise InvalidValueError(f"data{rest} names one task", f"say from where to where: data{rest}->{ANY}")
    return Data(source.strip() or ANY, target.strip() or ANY)


HEADS: Final[Mapping[str, Callable[[str], Target]]] = {
    "price": _price_target,
    "egress": lambda rest: Egress(rest[1:] or ANY),
    "cloud": _offered("cloud"),
    "region": _region_target,
    "instance": _offered("instance_type"),
    "accelerator": _offered("accelerator"),
    "purchase": _purchase_target,
    **{name: _of_tasks(name) for name in TASK_FIELDS},
    "data": _data_target,
}
"""How what stands behind the first word of a path is read."""


def _named(rest: str, what: str) -> str:
    if len(rest) < len(".x"):
        raise InvalidValueError(f"{what} needs a name", f"such as {what}.NAME=off")
    return rest[1:]


def widened(workload: Workload, changes: Iterable[Change]) -> Workload:
    """The workload with every way to buy that a change turns on: all the offers that any of them needs are its own.

    Raises:
        InvalidValueError: every task accepts it already.
    """
    for change in changes:
        if isinstance(change.target, Offered) and change.value == ON:
            workload = accepting(workload, change.target.purchase)
    return workload
