"""A region's EC2 price list of 2 GB, reduced to what matters, against DuckDB's bare scan with the same filter."""

from __future__ import annotations

import csv
import itertools
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks.measure import contest, peak_mb, process
from benchmarks.result import Result
from catalog_fetchers.aws_price_list import COLUMNS, LINES_ABOVE_HEADER, WHERE

RUNS: Final = 3
LIMIT: Final = 2.0
MOST_MB: Final = 600
"""Peak of resident memory of the whole process that reduces the list, 10^6 bytes."""
SIZE: Final = 2 * 10**9
RECORDED: Final = Path(__file__).parent.parent.parent / "tests/recorded/aws_price_list/us-east-1.csv"

_OURS: Final = (
    "import sys; from pathlib import Path; from catalog_fetchers.aws_price_list import reduced;"
    " reduced('us-east-1', Path(sys.argv[1]))"
)
_BARE: Final = "import sys, duckdb; duckdb.sql(sys.argv[1]).fetchall()"
_SYSTEMS: Final = ("Linux", "Windows", "RHEL", "SUSE", "Ubuntu Pro", "Red Hat Enterprise Linux with HA", "NA", "BYOL")
_SOFTWARE: Final = ("NA", "SQL Std", "SQL Web", "SQL Ent")
_TENANCIES: Final = ("Shared", "Dedicated", "Host")
_CAPACITIES: Final = ("Used", "AllocatedCapacityReservation", "UnusedCapacityReservation")
_TERMS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    *(
        {
            "TermType": "Reserved",
            "LeaseContractLength": lease,
            "PurchaseOption": option,
            "OfferingClass": offering,
            "PriceDescription": "Linux/UNIX (Amazon VPC), type reserved instance applied",
        }
        for lease in ("1yr", "3yr")
        for option in ("No Upfront", "Partial Upfront", "All Upfront")
        for offering in ("standard", "convertible")
    ),
)


def measure() -> Result:
    """Whole processes, imports included; each keeps the same rows and columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.csv"
        _write_list(path)
        ours = [sys.executable, "-c", _OURS, str(path)]
        peak = peak_mb(ours)
        if peak > MOST_MB:
            raise RuntimeError(f"the reduction took {peak:.0f} MB, more than {MOST_MB}")
        bare = [sys.executable, "-c", _BARE, _query(path)]
        runs = contest(lambda: process(ours), lambda: process(bare), RUNS)
    what = f"EC2 price list of {SIZE / 10**9:g} GB, reduced (peak {peak:.0f} MB, limit {MOST_MB})"
    return Result(what, "DuckDB's bare scan, same filter", runs, LIMIT)


def _query(path: Path) -> str:
    kept = ", ".join(f'"{name}"' for name in COLUMNS)
    wanted = " AND ".join(
        f"coalesce(\"{name}\", '') IN ({', '.join(repr(value) for value in values)})" for name, values in WHERE.items()
    )
    source = f"read_csv('{path}', skip = {LINES_ABOVE_HEADER}, header = true, all_varchar = true)"
    return f"SELECT {kept} FROM {source} WHERE {wanted}"  # noqa: S608 (our own names)


def _write_list(path: Path) -> None:
    """A list in the real layout: the lines and the header of the recorded one, and rows like its first."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        above = [next(file) for _ in range(LINES_ABOVE_HEADER)]
        header = file.readline()
        columns = next(csv.reader([header]))
        base = dict(zip(columns, next(csv.reader(file)), strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines([*above, header])
        for number, row in enumerate(_rows(base)):
            file.write(row.replace("@sku@", f"{number:016X}"))
            if number % 10_000 == 0 and file.tell() > SIZE:
                return


def _rows(base: dict[str, str]) -> Iterator[str]:
    """Rows without end: each type with every system, software, tenancy, state of capacity and term."""
    variants = [
        _line(
            base
            | dict(term)
            | {
                "SKU": "@sku@",
                "RateCode": "@sku@.JRTCKXETXF.6YS6EN2CT7",
                "Instance Type": "@type@",
                "usageType": "BoxUsage:@type@",
                "Operating System": system,
                "Pre Installed S/W": software,
                "Tenancy": tenancy,
                "CapacityStatus": capacity,
            }
        )
        for system, software, tenancy, capacity, term in itertools.product(
            _SYSTEMS, _SOFTWARE, _TENANCIES, _CAPACITIES, _TERMS
        )
    ]
    for number in itertools.count():
        kind = f"m{number}.{number % 24 + 1}xlarge"
        for variant in variants:
            yield variant.replace("@type@", kind)


def _line(row: Mapping[str, str]) -> str:
    """As AWS writes it: every value in quotes, an empty one as nothing."""
    return ",".join(f'"{value}"' if value else "" for value in row.values()) + "\n"
