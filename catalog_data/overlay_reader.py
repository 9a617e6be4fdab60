"""The user's file of private prices: YAML text -> PrivatePrices. docs/private-prices.md describes the file.

Every mistake is one line with its place in the file. Messages never repeat a price.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self, TypeAlias

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from catalog_data.errors import CatalogError
from catalog_data.normalise import accelerator_name, cloud_name, nearest_name
from catalog_data.overlay import Commitment, Discount, FixedPrice, PrivatePrices, UsedEgress
from catalog_data.schema import OFFERS, Purchase
from catalog_data.scopes import ANY, UNIT_WORD, Quota, Scope, Unit

HIGHEST_USD_H: Final = next(column.high for column in OFFERS.columns if column.name == "price_usd_h")
NOT_OWNED: Final = tuple(purchase for purchase in Purchase if purchase is not Purchase.OWNED)
"""A quota is the provider's limit on what is still to be started."""

_AMOUNT: Final = r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[A-Za-z]*)"
_BYTES: Final[Mapping[str, float]] = {
    unit.casefold(): base ** (exponent + 1)
    for exponent, letter in enumerate("KMGTP")
    for unit, base in ((letter, 1e3), (f"{letter}B", 1e3), (f"{letter}iB", 1024.0))
}

Path: TypeAlias = tuple[str | int, ...]


class PrivatePricesError(CatalogError):
    """The file cannot be used; the message has a line for each mistake, in the order of the file."""


def _exact(name: str) -> str:
    if any(letter in name for letter in "*?["):
        raise ValueError("a pattern will not do here: name one")
    return name


def _purchases(said: object) -> object:
    """One way to buy, or a list of them."""
    known = {purchase.value: purchase for purchase in Purchase}
    found = [
        known.get(name) if isinstance(name, str) else None for name in (said if isinstance(said, list) else [said])
    ]
    if None in found:
        raise ValueError(f"no such way to buy: there are {', '.join(known)}")
    return tuple(found)


def _data_gb(said: object) -> object:
    """An amount of data in GB, as a workload writes it: `50`, `50 GB`, `1.5TB`."""
    if not isinstance(said, str):
        return said
    amount = re.fullmatch(_AMOUNT, said.strip())
    size = _BYTES.get((amount["unit"] or "GB").casefold()) if amount else None
    if amount is None or size is None:
        raise ValueError("no amount of data: write a number of GB, or one with a unit: 50, 500MB, 1.5TB")
    return float(amount["number"]) * size / 1e9


def _one_line(name: str) -> str:
    if not name.isprintable():
        raise ValueError("should be one line of text")
    return name


def _entries(said: object) -> object:
    """A section whose entries are all commented out is empty."""
    return [] if said is None else said


_Text = Annotated[str, Field(min_length=1)]
_Cloud = Annotated[str, AfterValidator(cloud_name)]
_Model = Annotated[str, AfterValidator(accelerator_name)]
_ExactName = Annotated[str, Field(min_length=1), AfterValidator(_exact)]
_Purchases = Annotated[tuple[Purchase, ...], BeforeValidator(_purchases), Field(min_length=1)]
_Name = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
_DataGb = Annotated[float, BeforeValidator(_data_gb), Field(ge=0)]
_Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Scoped(_Strict):
    cloud: _Cloud
    region: _Text = ANY
    instance_type: _Text = ANY
    accelerator: _Model | None = None
    purchase: _Purchases = tuple(Purchase)

    def scope(self) -> Scope:
        return Scope(self.cloud, self.region, self.instance_type, self.accelerator, self.purchase)


class _Discount(_Scoped):
    percent: float = Field(gt=0, lt=100)

    def value(self) -> Discount:
        return Discount(self.scope(), self.percent)


class _Price(_Strict):
    cloud: _Cloud
    region: _Text = ANY
    instance_type: _ExactName
    purchase: _Purchases = (Purchase.ON_DEMAND,)
    price_usd_h: float = Field(gt=0, le=HIGHEST_USD_H)

    def value(self) -> FixedPrice:
        scope = Scope(self.cloud, self.region, self.instance_type, purchases=self.purchase)
        return FixedPrice(scope, self.price_usd_h)


class _Commitment(_Strict):
    cloud: _Cloud
    region: _ExactName
    zone: _ExactName | None = None
    instance_type: _ExactName
    quantity: int = Field(ge=1)
    price_usd_h: float = Field(default=0.0, ge=0, le=HIGHEST_USD_H)

    def value(self) -> Commitment:
        return Commitment(self.cloud, self.region, self.zone, self.instance_type, self.quantity, self.price_usd_h)


class _Quota(_Scoped):
    name: _Name | None = None
    purchase: _Purchases = NOT_OWNED
    machines: _Count | None = None
    accelerators: _Count | None = None
    vcpus: _Count | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if len(self._limits()) != 1:
            raise ValueError(f"say one of {', '.join(Unit)}")
        return self

    def _limits(self) -> dict[Unit, int]:
        said = {Unit.MACHINES: self.machines, Unit.ACCELERATORS: self.accelerators, Unit.VCPUS: self.vcpus}
        return {unit: limit for unit, limit in said.items() if limit is not None}

    def value(self) -> Quota:
        ((unit, limit),) = self._limits().items()
        amount = f"{limit:,} {UNIT_WORD[unit]}{'' if limit == 1 else 's'}"
        return Quota(self.scope(), unit, limit, self.name or f"{self._subject()}: {amount}")

    def _subject(self) -> str:
        """What the quota speaks of, in a few words: `aws p5.* spot in us-*`."""
        words = [
            self.cloud,
            self.instance_type if self.instance_type != ANY else None,
            self.accelerator,
            " or ".join(self.purchase) if self.purchase != NOT_OWNED else None,
            f"in {self.region}" if self.region != ANY else None,
        ]
        return " ".join(filter(None, words))


class _UsedEgress(_Strict):
    cloud: _Cloud
    region: _Text = ANY
    used: _DataGb

    def value(self) -> UsedEgress:
        return UsedEgress(self.cloud, self.used, self.region)


class _File(_Strict):
    discounts: Annotated[list[_Discount], BeforeValidator(_entries)] = []
    prices: Annotated[list[_Price], BeforeValidator(_entries)] = []
    commitments: Annotated[list[_Commitment], BeforeValidator(_entries)] = []
    quotas: Annotated[list[_Quota], BeforeValidator(_entries)] = []
    egress: Annotated[list[_UsedEgress], BeforeValidator(_entries)] = []


_FIELDS: Final[Mapping[str, Iterable[str]]] = {
    "discounts": _Discount.model_fields,
    "prices": _Price.model_fields,
    "commitments": _Commitment.model_fields,
    "quotas": _Quota.model_fields,
    "egress": _UsedEgress.model_fields,
}


def read_private_prices(text: str, *, file: str, as_of: datetime) -> PrivatePrices:
    """The prices in a file's text; `as_of` is when the user last changed it.

    Raises:
        PrivatePricesError: it is no YAML, or holds anything that is not understood.
    """
    root, said = _parsed(text, file)
    if root is None:
        return PrivatePrices(as_of)
    mistakes = list(_repeated_keys(root))
    try:
        read = _File.model_validate(said)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        mistakes += [(_line(root, detail["loc"]), _place(detail["loc"]), _message(detail)) for detail in details]
        raise _refused(file, mistakes) from error
    mistakes += [(_line(root, path), _place(path), text) for path, text in _repetitions(read)]
    if mistakes:
        raise _refused(file, mistakes)
    return PrivatePrices(
        as_of,
        discounts=tuple(entry.value() for entry in read.discounts),
        prices=tuple(entry.value() for entry in read.prices),
        commitments=tuple(entry.value() for entry in read.commitments),
        quotas=tuple(entry.value() for entry in read.quotas),
        egress=tuple(entry.value() for entry in read.egress),
    )


def _refused(file: str, mistakes: Iterable[tuple[int, str, str]]) -> PrivatePricesError:
    lines = [": ".join(filter(None, (f"{file}:{line}", place, text))) for line, place, text in sorted(mistakes)]
    return PrivatePricesError("\n".join(lines), "docs/private-prices.md describes the file")


def _parsed(text: str, file: str) -> tuple[yaml.Node | None, Any]:
    """The YAML text as nodes, which know their lines, and as what they say."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(file, [(line, "", f"not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _refused(file, [(1, "", f"not YAML: {str(error).splitlines()[0]}")]) from error


def _repeated_keys(root: yaml.Node) -> Iterator[tuple[int, str, str]]:
    """Keys that stand twice in one mapping, of which YAML would silently take the last."""
    open_nodes: list[tuple[Path, yaml.Node]] = [((), root)]
    visited: set[int] = set()
    while open_nodes:
        path, node = open_nodes.pop()
        if id(node) in visited:  # an alias
            continue
        visited.add(id(node))
        seen: set[str | int] = set()
        for step, line, part in _parts(node):
            if step in seen:
                yield line, _place((*path, step)), "stands here a second time"
            seen.add(step)
            open_nodes.append(((*path, step), part))


def _parts(node: yaml.Node) -> Iterator[tuple[str | int, int, yaml.Node]]:
    """What a list or mapping holds: key or index, line (from 1), node."""
    if isinstance(node, yaml.SequenceNode):
        for number, part in enumerate(node.value):
            yield number, part.start_mark.line + 1, part
    elif isinstance(node, yaml.MappingNode):
        for key, part in node.value:
            yield str(key.value), key.start_mark.line + 1, part


def _line(root: yaml.Node, path: Path) -> int:
    """The line of the value that a path leads to, or of the last one on the way that is there."""
    node, line = root, root.start_mark.line + 1
    for step in path:
        found = {name: (at, part) for name, at, part in _parts(node)}
        if step not in found:
            break
        line, node = found[step]
    return line


def _place(path: Path) -> str:
    """A path as a reader writes it: `discounts[0].percent`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _message(detail: ErrorDetails) -> str:
    """A mistake in few words."""
    path, kind = detail["loc"], detail["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        near = nearest_name(str(path[-1]), _FIELDS if len(path) == 1 else _FIELDS[str(path[0])])
        return "no such field" + (f": did you mean {near}?" if near else "")
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "model_type":
        return "should be a mapping of fields"
    return detail["msg"].removeprefix("Input ")


def _repetitions(read: _File) -> Iterator[tuple[Path, str]]:
    """Entries of which an earlier one cannot be told apart: where, and what is the same."""
    machines = [(entry.cloud, entry.region, entry.zone, entry.instance_type) for entry in read.commitments]
    names = [entry.value().name for entry in read.quotas]
    for number in _repeated(machines):
        yield ("commitments", number), "the same machines as an earlier entry"
    for number in _repeated(names):
        yield ("quotas", number), "the same name, or all the same, as an earlier entry"


def _repeated(keys: Iterable[Hashable]) -> Iterator[int]:
    seen = set()
    for number, key in enumerate(keys):
        if key in seen:
            yield number
        seen.add(key)
