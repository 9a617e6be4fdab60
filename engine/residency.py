"""Where data and machines may be: lists of continents, countries, groups of countries, clouds and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
