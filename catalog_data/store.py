"""Snapshots on disk, and how they are read (catalog_data/publishing.py writes them).

A catalog is one DuckDB file. Each table holds every version of every row with the snapshots between
which it was current (`since_seq` inclusive, `until_seq` exclusive, null while it is), so that any
earlier snapshot can be read back and unchanged rows cost nothing.

Beside the rows that hold, `held_<table>` has what each source said last: catalog_data/precedence.py makes the former of
the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import polars as pl

from catalog_data.database import Connection, attached, frame_of, instant, literal, names, reading, same, texts, utc
from catalog_data.errors import (
    CatalogMissingError,
    CatalogTooNewError,
    CatalogTooOldError,
    UnknownSnapshotError,
    unreadable,
)
from catalog_data.refresh_state import read_state
from catalog_data.schema import EGRESS, OBSERVATIONS, OFFERS, REGIONS, SPOT_MODELS, SPOT_RISK, TABLES, THROUGHPUT, Table
from catalog_data.snapshot import HARDWARE, Snapshot, SnapshotInfo, SourceAge

FORMAT: Final = 4
"""The number of the layout of a catalog file; a later program reads earlier ones after `publishing.upgrade`."""


@dataclass(frozen=True)
class OfferFilter:
    """Which offers to read; an empty tuple or None sets no limit. `accelerators` are canonical names."""

    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    max_price_usd_h: float | None = None


class Catalog:
    """A catalog file opened for reading. Use it as a context manager."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the catalog at `path` for reading.

        Raises:
            CatalogMissingError, CatalogDamagedError, CatalogTooNewError: see each.
        """
        with reading(path), ExitStack() as stack:
            if not path.exists():
                raise CatalogMissingError(f"there is no catalog at {path}")
            connection = stack.enter_context(attached(path))
            row = connection.execute("SELECT max(format::INTEGER) FROM meta").fetchone()
            if row is None or row[0] is None:
                raise unreadable(path, "it holds no format number")
            if row[0] > FORMAT:
                raise CatalogTooNewError(
                    f"the catalog {path} has format {row[0]}, this version reads up to {FORMAT}", "upgrade skybroker"
                )
            if row[0] < FORMAT:
                raise CatalogTooOldError(f"the catalog {path} has format {row[0]}, this version reads {FORMAT}")
            stack.pop_all()
        return cls(connection, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def snapshots(self) -> list[SnapshotInfo]:
        """All snapshots, oldest first; there is always one."""
        rows = self._rows("SELECT seq, id, published_at, note FROM snapshots ORDER BY seq")
        if not rows:
            raise unreadable(self.path, "it holds no snapshot")
        return [SnapshotInfo(seq, name, at.replace(tzinfo=UTC), note) for seq, name, at, note in rows]

    def resolve(self, at: datetime | str | None = None) -> SnapshotInfo:
        """The snapshot with an id (or the start of one), the one known at an instant, or the newest.

        Raises:
            UnknownSnapshotError: there is none, or several have ids that start so.
            ValueError: the instant has no time zone.
        """
        instant = utc(at) if isinstance(at, datetime) else None
        known = self.snapshots()
        if isinstance(at, str):
            found = [info for info in known if info.id == at] or [info for info in known if info.id.startswith(at)]
            if len(found) != 1:
                what = "several snapshots start" if found else "no snapshot starts"
                raise UnknownSnapshotError(f"{what} with {at}", "list them with `skybroker catalog history`")
            return found[0]
        before = [info for info in known if instant is None or info.published_at <= instant]
        if not before:
            raise UnknownSnapshotError(
                f"nothing was known yet at {instant}",
                f"the oldest snapshot is {known[0].id} of {known[0].published_at.isoformat()}",
            )
        return before[-1]

    def sources(self, info: SnapshotInfo, at: datetime | None = None) -> tuple[SourceAge, ...]:
        """What each source said by then and when it was last seen to hold (at `at`, where that is given), by name."""
        rows = self._rows(
            f"SELECT source, source_version, observed_at, rows FROM sources WHERE seq = {info.seq} ORDER BY source"
        )
        confirmed = self._confirmed(info, at)
        ages = [SourceAge(name, version, seen.replace(tzinfo=UTC), count) for name, version, seen, count in rows]
        return tuple(
            replace(age, observed_at=max(age.observed_at, confirmed.get(age.source, age.observed_at))) for age in ages
        )

    def offers(
        self, info: SnapshotInfo, where: OfferFilter = OfferFilter(), at: datetime | None = None
    ) -> pl.DataFrame:
        """Offers with the hardware of their types (schema: snapshot.OFFER_ROWS), in no particular order.

        `observed_at` is the last look (by `at`, where that is given) at which the source still said so. An offer whose
        instance type has no hardware row keeps nulls in its place. Sorting here would cost more than the query; whoever
        ranks sorts anyway.
        """
        seen = _last_seen(self._confirmed(info, at), "o.unconfirmed")
        columns = ", ".join(
            [
                *(f"{seen} AS {name}" if name == "observed_at" else f"o.{name}" for name in OFFERS.column_names),
                *(f"t.{name}" for name in HARDWARE),
            ]
        )
        return self._frame(
            f"SELECT {columns} FROM offers o LEFT JOIN instance_types t"
            f" ON o.cloud = t.cloud AND o.instance_type = t.instance_type AND {current('t', info)}"
            f" WHERE {current('o', info)}{_offer_limits(where)}"
        )

    def observations(self, info: SnapshotInfo, at: datetime | None = None) -> pl.DataFrame:
        """OBSERVATIONS, which a look that confirms them renews: they expire as long after it as after the first."""
        seen = _last_seen(self._confirmed(info, at))
        times = f"{seen} AS observed_at, o.expires_at + ({seen} - o.observed_at) AS expires_at"
        return self._frame(
            f"SELECT {names(OBSERVATIONS.column_names)} FROM"
            f" (SELECT o.* EXCLUDE (observed_at, expires_at), {times} FROM observations o WHERE {current('o', info)})"
            f" ORDER BY {names(OBSERVATIONS.key)}"
        )

    def observations_ever(self) -> pl.DataFrame:
        """OBSERVATIONS at every look on record, expired ones too: a row for each look of which a snapshot knows.

        Looks that changed nothing were published by no snapshot of their own; of those the last ones alone are known.
        """
        looks = (
            "SELECT o.*, o.observed_at AS seen FROM observations o"
            " UNION SELECT o.*, s.confirmed_at FROM observations o JOIN sources s ON s.source = o.source"
            " AND s.seq >= o.since_seq AND (o.until_seq IS NULL OR s.seq < o.until_seq)"
            " AND s.confirmed_at > o.observed_at"
        )
        times = "seen AS observed_at, expires_at + (seen - observed_at) AS expires_at"
        return self._frame(
            f"SELECT {names(OBSERVATIONS.column_names)} FROM"
            f" (SELECT * EXCLUDE (observed_at, expires_at, seen), {times} FROM ({looks})) ORDER BY observed_at"
        )

    def held(self, table: Table, sources: Sequence[str]) -> pl.DataFrame:
        """What the sources said last (schema: the table), whether it holds or another source is believed."""
        return self._frame(
            f"SELECT {names(table.column_names)} FROM held_{table.name} WHERE source IN {texts(sources)}"
            f" ORDER BY {names(table.key)}, source"
        )

    def table(self, table: Table, info: SnapshotInfo) -> pl.DataFrame:
        """One whole table (schema: its own), in the order of its keys."""
        return self._frame(
            f"SELECT {names(table.column_names)} FROM {table.name} t"
            f" WHERE {current('t', info)} ORDER BY {names(table.key)}"
        )

    def accelerators(self, info: SnapshotInfo) -> list[str]:
        """The accelerators that some offer has, by name."""
        frame = self._frame(
            "SELECT DISTINCT t.accelerator FROM instance_types t JOIN offers o USING (cloud, instance_type)"
            f" WHERE t.accelerator IS NOT NULL AND {current('t', info)} AND {current('o', info)} ORDER BY 1"
        )
        return frame["accelerator"].to_list()

    def snapshot(
        self,
        at: datetime | str | None = None,
        where: OfferFilter = OfferFilter(),
        *,
        network: bool = True,
        spot_risk: bool = True,
    ) -> Snapshot:
        """The frames that one question needs; those of the network, and of spot machines' risk, only if asked for."""
        info = self.resolve(at)
        until = at if isinstance(at, datetime) else None
        return Snapshot.of(
            info,
            self.offers(info, where, until),
            sources=self.sources(info, until),
            regions=self.table(REGIONS, info),
            egress=self.table(EGRESS, info) if network else None,
            throughput=self.table(THROUGHPUT, info) if network else None,
            spot_risk=self.table(SPOT_RISK, info) if spot_risk else None,
            spot_models=self.table(SPOT_MODELS, info) if spot_risk else None,
            observations=self.observations(info, until),
        )

    def history(self, where: OfferFilter, zone: str | None = None) -> pl.DataFrame:
        """Every price that the offers have had: OFFERS' keys, price, availability, `known_from`, `known_until`.

        `known_until` is null for what is known now. A limit on accelerators goes by the newest hardware of the
        type, current or not.
        """
        in_zone = "" if zone is None else f" AND o.zone = {literal(zone)}"
        keys = ", ".join(f"o.{name}" for name in OFFERS.key)
        return self._frame(
            f"SELECT {keys}, o.price_usd_h, o.available, o.source, o.observed_at,"
            " a.published_at AS known_from, b.published_at AS known_until"
            " FROM offers o JOIN snapshots a ON a.seq = o.since_seq LEFT JOIN snapshots b ON b.seq = o.until_seq"
            " LEFT JOIN (SELECT DISTINCT ON (cloud, instance_type) * FROM instance_types ORDER BY since_seq DESC) t"
            " ON o.cloud = t.cloud AND o.instance_type = t.instance_type"
            f" WHERE true{_offer_limits(where)}{in_zone} ORDER BY {keys}, o.since_seq"
        )

    def diff(self, old: SnapshotInfo, new: SnapshotInfo) -> pl.DataFrame:
        """Offers that came, went or changed: OFFERS' keys, `change`, `old_usd_h`, `new_usd_h`."""
        keys = ", ".join(f"coalesce(a.{name}, b.{name}) AS {name}" for name in OFFERS.key)
        return self._frame(
            f"WITH a AS (SELECT * FROM offers t WHERE {current('t', old)}),"
            f" b AS (SELECT * FROM offers t WHERE {current('t', new)})"
            f" SELECT {keys}, CASE WHEN a.cloud IS NULL THEN 'new' WHEN b.cloud IS NULL THEN 'gone' ELSE 'changed' END"
            " AS change, a.price_usd_h AS old_usd_h, b.price_usd_h AS new_usd_h"
            f" FROM a FULL JOIN b ON {same(OFFERS.key, 'a', 'b')}"
            " WHERE a.cloud IS NULL OR b.cloud IS NULL OR a.price_usd_h IS DISTINCT FROM b.price_usd_h"
            f" OR a.available IS DISTINCT FROM b.available ORDER BY {names(OFFERS.key)}"
        )

    def complete(self) -> frozenset[tuple[str, str, bool]]:
        """What each source is complete for: source, purchase, and whether everywhere in its clouds."""
        return frozenset(self._rows("SELECT source, purchase, everywhere FROM complete"))

    def given_ids(self) -> frozenset[str]:
        """The ids that publishers gave, of snapshots that are there or were pruned."""
        return frozenset(name for (name,) in self._rows("FROM given"))

    def sizes(self) -> dict[str, tuple[int, int]]:
        """How many rows of each table hold now, and how many versions of rows are kept in all."""
        return {
            name: self._rows(f"SELECT count(*) FILTER (until_seq IS NULL), count(*) FROM {name}")[0] for name in TABLES
        }

    def verify(self) -> None:
        """Read the whole file: other methods meet only the damage in what they read.

        Raises:
            CatalogDamagedError: some of it cannot be read.
        """
        for name in ("snapshots", "sources", "complete", "given", *TABLES, *(f"held_{name}" for name in TABLES)):
            self._rows(f"SELECT max(hash(t)) FROM {name} t")

    def _confirmed(self, info: SnapshotInfo, at: datetime | None) -> dict[str, datetime]:
        """When each source was last seen to hold: when it was published and, for the newest snapshot, at later looks.

        A look after `at` is not known then.
        """
        confirmed = self._rows(
            f"SELECT source, confirmed_at FROM sources WHERE seq = {info.seq} AND confirmed_at IS NOT NULL"
        )
        known = {name: moment.replace(tzinfo=UTC) for name, moment in confirmed}
        if not self._rows(f"SELECT 1 FROM snapshots WHERE seq > {info.seq} LIMIT 1"):
            for name, look in read_state(self.path).sources.items():
                if look.confirmed_at is not None and (at is None or look.confirmed_at <= at):
                    known[name] = max(look.confirmed_at, known.get(name, look.confirmed_at))
        return known

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with reading(self.path):
            return self._connection.execute(query).fetchall()

    def _frame(self, query: str) -> pl.DataFrame:
        with reading(self.path):
            return frame_of(self._connection, query)


def _last_seen(confirmed: Mapping[str, datetime], unconfirmed: str = "false") -> str:
    """As SQL, when the source of a row `o` last said so: a look confirms all rows but those that are `unconfirmed`."""
    if not confirmed:
        return "o.observed_at"
    cases = " ".join(f"WHEN {literal(name)} THEN {instant(moment)}" for name, moment in sorted(confirmed.items()))
    look = f"CASE WHEN {unconfirmed} THEN NULL ELSE CASE o.source {cases} END END"
    return f"greatest(o.observed_at, {look})"


def current(alias: str, info: SnapshotInfo) -> str:
    """The condition that a row version belongs to a snapshot."""
    return f"{alias}.since_seq <= {info.seq} AND ({alias}.until_seq IS NULL OR {alias}.until_seq > {info.seq})"


def _offer_limits(where: OfferFilter) -> str:
    """The limits as SQL on `o` (offers) and `t` (instance types)."""
    lists = {
        "o.cloud": where.clouds,
        "o.region": where.regions,
        "t.accelerator": where.accelerators,
        "o.purchase": where.purchases,
        "o.instance_type": where.instance_types,
    }
    limits = [f"{column} IN {texts(wanted)}" for column, wanted in lists.items() if wanted]
    if where.max_price_usd_h is not None:
        limits.append(f"o.price_usd_h <= '{float(where.max_price_usd_h)!r}'::DOUBLE")  # quoted: it may be infinite
    return "".join(f" AND {limit}" for limit in limits)
