"""What a source is: a value that says what it brings and needs, and two functions that bring it.

`fetch` does all the I/O and gives pages, bytes as they came. `parse` is pure: the same pages and the same instant give
the same rows, so a page that was recorded once tests it for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import polars as pl

from catalog_data.schema import Purchase
from catalog_fetchers.client import Client


@dataclass(frozen=True)
class Page:
    """One answer: `name` tells the parser which call it answers (`spot_prices/us-east-1/3`)."""

    name: str
    body: bytes


Pages: TypeAlias = Sequence[Page]
Tables: TypeAlias = Mapping[str, pl.DataFrame]
"""Frames by the name of their table (catalog_data.schema.TABLES), each in its schema."""


@dataclass(frozen=True)
class Access:
    """What a source may use while it fetches.

    `env` and `home` are where credentials are found. `instance_types` (INSTANCE_TYPES) and `offers` (OFFERS) are what
    the catalog knows of the source's clouds, for sources that answer only about what they are asked for; `regions`
    (REGIONS) are those of all clouds. `folder` is empty, for what is too large for memory, and gone afterwards.
    """

    client: Client
    env: Mapping[str, str]
    home: Path
    folder: Path
    instance_types: pl.DataFrame
    regions: pl.DataFrame
    offers: pl.DataFrame


@dataclass(frozen=True)
class Source:
    """One place that rows of the catalog come from.

    name: what `source` says in all of its rows.
    clouds: the clouds that it speaks of; empty where that is known only from its answer.
    brings: what it brings, for people.
    page: the public page that documents it.
    fetch, parse: see the module.
    needs: the credentials that it needs, for people; empty where it needs none.
    missing: what of them is not there (one line that says where to put it), or an empty text.
    complete_for: purchases of which it lists everything that is sold, in each (cloud, region) of which it has a row
        with that purchase. Rows of lesser sources that it does not confirm there are no longer offered.
    complete_everywhere: it is so for all regions of its clouds, also those of which it has no row.
    current: what it says holds now; a source of figures from the past keeps the dates of its rows.
    turn: when it is looked at: 1 after those of 0, since it asks about what the catalog knows of its clouds (`Access`),
        2 where it asks about all clouds.
    per_second: the most requests a second that the provider accepts.
    asked_for: it is fetched only when it is named, since it costs the user something.
    """

    name: str
    clouds: tuple[str, ...]
    brings: str
    page: str
    fetch: Callable[[Access], Iterable[Page]]
    parse: Callable[[Pages, datetime], Tables]
    needs: str = ""
    missing: Callable[[Mapping[str, str], Path], str] = lambda _env, _home: ""
    complete_for: tuple[Purchase, ...] = ()
    complete_everywhere: bool = False
    current: bool = True
    turn: int = 0
    per_second: float = 5.0
    asked_for: bool = False


def needs_variables(*variables: str) -> Callable[[Mapping[str, str], Path], str]:
    """`missing` of a source whose credentials are these environment variables."""

    def missing(env: Mapping[str, str], _home: Path) -> str:
        absent = [name for name in variables if not env.get(name)]
        return f"set {' and '.join(absent)}" if absent else ""

    return missing
