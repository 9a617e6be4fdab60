"""Where data and machines may be: lists of continents, countries, groups of countries, clouds and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    # European Union, member states (european-union.europa.eu/principles-countries-history/eu-countries_en)
    "eu": tuple("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()),
    # What the EEA agreement adds (efta.int/eea)
    "eea": tuple("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO".split()),
}


def lies_in(entries: Sequence[str]) -> pl.Expr:
    """Whether a row (`cloud`, `region`, `continent`, `country`) lies in one of the entries.

    An entry is a continent (`europe`), a country (`DE`), a group (`EU`, `EEA`), a cloud (`aws`) or a region
    of one (`aws/eu-west-1`). Null where the place of the region is not known and an entry depends on it.
    """
    folded = [entry.lower().replace(" ", "_") for entry in entries]
    countries = {entry.upper() for entry in folded} | {code for entry in folded for code in GROUPS.get(entry, ())}
    by_name = pl.col("cloud").is_in(folded) | pl.format("{}/{}", "cloud", "region").str.to_lowercase().is_in(folded)
    by_place = pl.col("continent").is_in(folded) | pl.col("country").is_in(sorted(countries))
    return by_name | by_place
