"""Where data and machines may be: lists of continents, countries, groups of countries, clouds and regions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from catalog_data.schema import REGIONS

CONTINENTS: Final = frozenset(next(column.values for column in REGIONS.columns if column.name == "continent"))
_EU: Final = tuple("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "eu": _EU,  # its member states (european-union.europa.eu/principles-countries-history/eu-countries_en)
    "eea": (*_EU, "IS", "LI", "NO"),  # what the EEA agreement adds (efta.int/eea)
}


def lies_in(entries: Sequence[str]) -> pl.Expr:
    """Whether a row (`cloud`, `region`, `continent`, `country`) lies in one of the entries.

    An entry is a continent (`europe`), a country (`DE`), a group (`EU`, `EEA`), a cloud (`aws`) or a region of one
    (`aws/eu-west-1`). Null where that depends on a continent or a country which is not known.
    """
    names = [entry.lower() for entry in entries]
    continents = [name for name in names if name in CONTINENTS]
    countries = [code for entry in entries if entry.isupper() for code in GROUPS.get(entry.lower(), (entry,))]
    lies = pl.col("cloud").is_in(names) | pl.format("{}/{}", "cloud", "region").str.to_lowercase().is_in(names)
    if continents:
        lies |= pl.col("continent").is_in(continents)
    if countries:
        lies |= pl.col("country").is_in(countries)
    return lies


def unknown_entries(entries: Sequence[str], regions: pl.DataFrame, field: str = "residency") -> list[str]:
    """A sentence for each entry `cloud/region` whose region is not in `regions` (`cloud`, `region`), with a near one.

    Such an entry of a `field` matches nothing, so that a misspelt region in `deny` would be planned in.
    """
    known = regions.select(pl.format("{}/{}", "cloud", "region")).to_series().unique().sort().to_list()
    folded = {name.lower() for name in known}
    return [
        f"{field}: {_unknown_region(entry, known)}" for entry in entries if "/" in entry and entry.lower() not in folded
    ]


def _unknown_region(entry: str, known: Sequence[str]) -> str:
    cloud, _, region = entry.partition("/")
    regions = [name.partition("/")[2] for name in known if name.startswith(f"{cloud}/")]
    message = f"the catalog knows no region {entry}"
    if not regions:
        return f"{message}: it has no region of {cloud} at all"
    nearest = nearest_place(region, regions)
    return f"{message}: did you mean {cloud}/{nearest}?" if nearest else message


def nearest_place(text: str, known: Iterable[str]) -> str | None:
    """The known name that `text` is a misspelling of, in any case, or None: no place is near to another one."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(text.casefold(), by_folded, n=1, cutoff=0.75)
    return by_folded[close[0]] if close else None
