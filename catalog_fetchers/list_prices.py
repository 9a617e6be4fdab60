"""Hand-kept list prices: facts that no package holds, typed from price pages into two CSV files beside this module.

`list_prices.csv` states what is sold for how much; `list_types.csv` states the hardware of each type that it names.

A price row states one figure for one or several offers:

- `instance_type` is the provider's name. Where it holds `{}`, each of `sizes` (separated by `;`) in its place names
  a type: `v6e-{}` with `1;4;8` stands for `v6e-1`, `v6e-4` and `v6e-8`.
- `regions` (separated by `;`) are those for which the page states this price.
- `price_usd_h` is USD per hour of one `unit`: the whole `machine`, or one `gpu`, `chip` (of a TPU) or `vcpu`, of which
  the machine costs as many as it holds.
- `basis` says what the figure covers or how it was composed, `page_url` is the public page that states it, `found_in`
  the document where it was read, and `as_of` the date on which it held.
- `confidence` is `high` where the provider's own page or answer was copied within the last year, `medium` where a
  third party's list is the only witness or the price moves (spot), `low` for market medians and unknown regions.

A type row states the hardware of the whole machine. Its `page_url` and `found_in` are those of a price row. A figure
that no document states is blank; without an accelerator, vCPUs and memory must be known. `network_gbit_s` counts the
network between accelerators where the machine has one, `local_ssd_gib` what the price includes.

`found_in` names a document that a stranger can open: `github.com/<owner>/<repository> <path>@<commit>`, `package
<name> <version>, <file>`, or an address; what only one of the figures comes from follows behind `;`.

Two names are ours or worth knowing. A Google N1 machine with attached GPUs is `n1-standard-8+t4x1`: the host, `+`, the
GPU, `x`, the number; its price is the host's plus the GPUs'. A TPU slice bears Google's accelerator type, whose number
counts cores up to v5p (`v5p-8` holds 4 chips) and chips from v5e on (`v6e-8` holds 8).
"""

from __future__ import annotations

import csv
import importlib.resources
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from catalog_data.normalise import ACCELERATORS, CLOUDS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SOURCE: Final = "list_prices"
PRICES_FILE: Final = "list_prices.csv"
TYPES_FILE: Final = "list_types.csv"
LIST_SEPARATOR: Final = ";"
SIZE_MARK: Final = "{}"

PRICE_COLUMNS: Final = (
    "cloud",
    "instance_type",
    "sizes",
    "regions",
    "purchase",
    "price_usd_h",
    "unit",
    "basis",
    "page_url",
    "found_in",
    "as_of",
    "confidence",
)
TYPE_COLUMNS: Final = (
    "cloud",
    "instance_type",
    "vcpus",
    "memory_gib",
    "arch",
    "accelerator",
    "accelerator_count",
    "network_gbit_s",
    "local_ssd_gib",
    "page_url",
    "found_in",
)
_TYPE_NUMBERS: Final = ("vcpus", "memory_gib", "accelerator_count", "network_gbit_s", "local_ssd_gib")


Choice = TypeVar("Choice", bound=StrEnum)


class Unit(StrEnum):
    """What a price is the price of."""

    MACHINE = "machine"
    GPU = "gpu"
    CHIP = "chip"
    VCPU = "vcpu"


class ListPriceError(ValueError):
    """A row that cannot be read. `file`, `line` (from 1, the header) and `column` say where."""

    def __init__(self, file: str, line: int, column: str, problem: str) -> None:
        super().__init__(f"{file} line {line}, {column}: {problem}")
        self.file = file
        self.line = line
        self.column = column


@dataclass(frozen=True)
class _Row:
    """One line of a file: its cells by column, with readers that refuse what is not of their kind."""

    file: str
    line: int
    cells: Mapping[str, str]

    def error(self, column: str, problem: str) -> ListPriceError:
        return ListPriceError(self.file, self.line, column, problem)

    def text(self, column: str) -> str:
        value = self.cells[column]
        if not value:
            raise self.error(column, "is empty")
        return value

    def choice(self, column: str, values: type[Choice]) -> Choice:
        try:
            return values(self.cells[column])
        except ValueError:
            raise self.error(column, f"{self.cells[column]!r} is none of {', '.join(values)}") from None

    def number(self, column: str, table: Table) -> float | None:
        """The number in the cell, None where it is empty, held against the bounds of the table's column."""
        cell = self.cells[column]
        if not cell:
            return None
        try:
            value = float(cell)
        except ValueError:
            raise self.error(column, f"{cell!r} is not a number") from None
        bounds = next(known for known in table.columns if known.name == column)
        above = bounds.above is None or value > bounds.above
        low = bounds.low is None or value >= bounds.low
        high = bounds.high is None or value <= bounds.high
        if not (above and low and high):
            raise self.error(column, f"{cell} is out of bounds")
        return value

    def items(self, column: str) -> tuple[str, ...]:
        """The parts of a cell that holds a list: none empty, none twice."""
        parts = tuple(self.text(column).split(LIST_SEPARATOR))
        if not all(part and part == part.strip() for part in parts):
            raise self.error(column, "has an empty part or blanks around one")
        if len(set(parts)) < len(parts):
            raise self.error(column, "names a part twice")
        return parts

    def cloud(self) -> str:
        if self.cells["cloud"] not in CLOUDS:
            raise self.error("cloud", f"{self.cells['cloud']!r} is no cloud that we know")
        return self.cells["cloud"]

    def page(self) -> str:
        if not self.cells["page_url"].startswith("https://"):
            raise self.error("page_url", "is not the address of a page (https://...)")
        return self.cells["page_url"]

    def day(self, column: str) -> date:
        try:
            return date.fromisoformat(self.cells[column])
        except ValueError:
            raise self.error(column, f"{self.cells[column]!r} is not a date like 2026-07-30") from None


@dataclass(frozen=True)
class _Type:
    """The hardware of one type, and the line that states it."""

    row: _Row
    cloud: str
    name: str
    arch: str
    accelerator: str | None
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class _Price:
    """One price row, checked, before it is spread over its sizes and regions."""

    row: _Row
    cloud: str
    types: tuple[str, ...]
    regions: tuple[str, ...]
    purchase: Purchase
    price: float
    unit: Unit
    as_of: date
    confidence: Confidence


def load() -> dict[str, pl.DataFrame]:
    """The frames of the two packaged files, as `read_list_prices` gives them."""
    folder = importlib.resources.files("catalog_fetchers")
    return read_list_prices(
        folder.joinpath(PRICES_FILE).read_text(encoding="utf-8"),
        folder.joinpath(TYPES_FILE).read_text(encoding="utf-8"),
    )


def read_list_prices(text: str, types_text: str) -> dict[str, pl.DataFrame]:
    """The tables `instance_types` and `offers` that the two files state.

    `source_version` is the newest `as_of` of all prices. A type counts as seen when its newest price was, and is
    trusted as its best price is.

    Args:
        text: the content of `list_prices.csv`.
        types_text: the content of `list_types.csv`.

    Raises:
        ListPriceError: a header, row or cell is wrong, an offer is stated twice, a price names a type without
            hardware or the other way round.
    """
    types = _types(types_text)
    prices = [_price(row) for row in _rows(PRICES_FILE, text, PRICE_COLUMNS)]
    version = max((price.as_of for price in prices), default=None)
    if version is None:
        raise ListPriceError(PRICES_FILE, 1, PRICE_COLUMNS[0], "no price follows the header")
    provenance = {"source": SOURCE, "source_version": version.isoformat()}
    return {
        INSTANCE_TYPES.name: _frame(INSTANCE_TYPES, _type_records(types, prices, provenance)),
        OFFERS.name: _frame(OFFERS, _offer_records(types, prices, provenance)),
    }


def _rows(file: str, text: str, columns: tuple[str, ...]) -> Iterator[_Row]:
    """The rows below the header, each with its line number."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = tuple(next(reader, ()))
    if header != columns:
        raise ListPriceError(file, 1, "header", f"must be {','.join(columns)}")
    for cells in reader:
        if len(cells) != len(columns):
            raise ListPriceError(file, reader.line_num, "row", f"has {len(cells)} cells, not {len(columns)}")
        yield _Row(file, reader.line_num, dict(zip(columns, cells, strict=True)))


def _types(text: str) -> dict[tuple[str, str], _Type]:
    """The hardware of each (cloud, type)."""
    types: dict[tuple[str, str], _Type] = {}
    for row in _rows(TYPES_FILE, text, TYPE_COLUMNS):
        found = _type(row)
        first = types.setdefault((found.cloud, found.name), found)
        if first is not found:
            raise row.error("instance_type", f"{found.name} stands on line {first.row.line} already")
    return types


def _type(row: _Row) -> _Type:
    accelerator = row.cells["accelerator"] or None
    if accelerator is not None and accelerator not in ACCELERATORS:
        raise row.error("accelerator", f"{accelerator} is no canonical name")
    if (accelerator is None) != (not row.cells["accelerator_count"]):
        raise row.error("accelerator_count", "must be given where an accelerator is, and only there")
    arches = next(column.values for column in INSTANCE_TYPES.columns if column.name == "arch")
    if row.cells["arch"] not in arches:
        raise row.error("arch", f"{row.cells['arch']!r} is none of {', '.join(arches)}")
    for column in ("found_in",) if accelerator else ("found_in", "vcpus", "memory_gib"):
        row.text(column)
    row.page()
    numbers = {column: row.number(column, INSTANCE_TYPES) for column in _TYPE_NUMBERS}
    return _Type(row, row.cloud(), row.text("instance_type"), row.cells["arch"], accelerator, numbers)


def _price(row: _Row) -> _Price:
    pattern = row.text("instance_type")
    if (SIZE_MARK in pattern) != bool(row.cells["sizes"]):
        raise row.error("sizes", f"must be given where instance_type holds {SIZE_MARK}, and only there")
    types = tuple(pattern.replace(SIZE_MARK, size) for size in row.items("sizes")) if row.cells["sizes"] else (pattern,)
    price = row.number("price_usd_h", OFFERS)
    if price is None:
        raise row.error("price_usd_h", "is empty: leave the row out where the price is not known")
    for column in ("basis", "found_in"):
        row.text(column)
    row.page()
    return _Price(
        row=row,
        cloud=row.cloud(),
        types=types,
        regions=row.items("regions"),
        purchase=row.choice("purchase", Purchase),
        price=price,
        unit=row.choice("unit", Unit),
        as_of=row.day("as_of"),
        confidence=row.choice("confidence", Confidence),
    )


def _machine_price(price: _Price, found: _Type) -> float:
    """USD per hour of the whole machine: USD/h of a unit * units in the machine."""
    vendor = ACCELERATORS[found.accelerator].vendor if found.accelerator else None
    counted = {
        Unit.MACHINE: 1.0,
        Unit.GPU: None if vendor == "google" else found.numbers["accelerator_count"],
        Unit.CHIP: found.numbers["accelerator_count"] if vendor == "google" else None,
        Unit.VCPU: found.numbers["vcpus"],
    }[price.unit]
    if counted is None:
        raise price.row.error("unit", f"{found.name} is not sold by the {price.unit}")
    return round(price.price * counted, 6)


def _offer_records(
    types: Mapping[tuple[str, str], _Type], prices: Iterable[_Price], provenance: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """One record for each offer that a price row stands for."""
    stated: dict[tuple[str, str, str, Purchase], int] = {}
    for price in prices:
        for name in price.types:
            found = types.get((price.cloud, name))
            if found is None:
                raise price.row.error("instance_type", f"{price.cloud} {name} has no hardware in {TYPES_FILE}")
            for region in price.regions:
                first = stated.setdefault((price.cloud, region, name, price.purchase), price.row.line)
                if first != price.row.line:
                    raise price.row.error("regions", f"line {first} states {name} in {region} already")
                yield {
                    "cloud": price.cloud,
                    "region": region,
                    "zone": None,
                    "instance_type": name,
                    "purchase": price.purchase.value,
                    "price_usd_h": _machine_price(price, found),
                    "available": None,
                    **provenance,
                    "observed_at": _midnight(price.as_of),
                    "confidence": price.confidence.value,
                }


def _type_records(
    types: Mapping[tuple[str, str], _Type], prices: Iterable[_Price], provenance: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """One record for each type, dated and trusted as the prices that name it."""
    ranks = list(Confidence)
    seen: dict[tuple[str, str], tuple[date, int]] = {}
    for price in prices:
        for key in ((price.cloud, name) for name in price.types):
            newest, best = seen.get(key, (price.as_of, ranks.index(price.confidence)))
            seen[key] = (max(newest, price.as_of), min(best, ranks.index(price.confidence)))
    for key, found in types.items():
        if key not in seen:
            raise found.row.error("instance_type", f"{found.name} has no price in {PRICES_FILE}")
        newest, best = seen[key]
        yield {
            "cloud": found.cloud,
            "instance_type": found.name,
            "arch": found.arch,
            "accelerator": found.accelerator,
            "accelerator_memory_gib": ACCELERATORS[found.accelerator].memory_gib if found.accelerator else None,
            **found.numbers,
            **provenance,
            "observed_at": _midnight(newest),
            "confidence": ranks[best].value,
        }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _frame(table: Table, records: Iterable[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(list(records), schema=table.polars_schema(), orient="row")
