"""One refresh: every source is looked at side by side, judged by itself, and what is good is published as one snapshot.

A source that fails keeps its last good rows and the others go on. A look that changes nothing publishes nothing: it is
noted beside the catalog, so that its prices are known to be as fresh as the look.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl

from catalog_data.atomic import alone
from catalog_data.errors import CatalogBusyError, CatalogUnwritableError
from catalog_data.precedence import COMPLETE, effective
from catalog_data.publishing import Claims, publish
from catalog_data.refresh_state import RefreshState, SourceState, folder_of, read_state, write_state
from catalog_data.schema import INSTANCE_TYPES, OFFERS, REGIONS, TABLES
from catalog_data.snapshot import SnapshotInfo
from catalog_data.store import Catalog
from catalog_fetchers.base import Access, Source, Tables
from catalog_fetchers.cache import Cache
from catalog_fetchers.client import Client, Patience, Traffic
from catalog_fetchers.errors import SourceError
from catalog_fetchers.judging import APART, LOOKS_TO_BELIEVE, REJECTED, Before, Counts, Judged, judged, known_hardware

MOST_AT_ONCE: Final = 16
PUBLISH_PATIENCE_S: Final = 120.0
LISTEN_S: Final = 0.2


class Outcome(StrEnum):
    """How a look at a source ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    HELD_BACK = "held back"


GOOD: Final = frozenset({Outcome.PUBLISHED, Outcome.UNCHANGED})
BAD: Final = frozenset({Outcome.FAILED, Outcome.HELD_BACK})


@dataclass(frozen=True)
class Settings:
    """How to look: `now` is the instant of the refresh, `mirror` see Client, `changes_accepted` see `refresh`."""

    now: datetime
    env: Mapping[str, str]
    home: Path
    cache: Path
    mirror: str = ""
    patience: Patience = field(default_factory=Patience)
    dry_run: bool = False
    changes_accepted: bool = False


@dataclass
class Look:
    """One look at one source, as it goes on: `outcome` is None until it has ended.

    `rejected` counts rows by reason; `detail` says why nothing came of it and `hint` what to do.
    """

    source: Source
    started_s: float = 0.0
    seconds: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)
    outcome: Outcome | None = None
    counts: Counts = field(default_factory=Counts)
    rejected: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""
    hint: str = ""

    def end(self, outcome: Outcome, detail: str = "", hint: str = "") -> None:
        """Say how it ended."""
        self.outcome, self.detail, self.hint = outcome, detail, hint


@dataclass(frozen=True)
class Report:
    """What a refresh did: `snapshot` is the newest one, `published` whether this refresh made it."""

    looks: Sequence[Look]
    snapshot: SnapshotInfo
    published: bool

    @property
    def failed(self) -> Sequence[Look]:
        """The looks of which nothing came that should have."""
        return [look for look in self.looks if look.outcome in BAD]


@dataclass(frozen=True)
class _Brought:
    """What a look brought, and the client whose answers are kept if it is good."""

    source: Source
    tables: Tables
    client: Client


@dataclass(frozen=True)
class _Known:
    """What the catalog knew before."""

    snapshot: SnapshotInfo
    tables: Tables
    said: Mapping[str, Before]
    complete: frozenset[tuple[str, str, bool]]
    state: RefreshState

    def with_brought(self, brought: Mapping[str, _Brought]) -> _Known:
        """With what others have brought meanwhile, unchecked: enough to know what to ask about."""
        claims = {claim for claim in self.complete if claim[0] not in brought}
        claims |= {claim for found in brought.values() for claim in _claims(found.source)}
        complete = pl.DataFrame(sorted(claims), schema=COMPLETE, orient="row")
        tables = {
            name: effective(
                TABLES[name],
                pl.concat([table, *(found.tables[name] for found in brought.values() if name in found.tables)]),
                complete,
            )
            for name, table in self.tables.items()
        }
        return replace(self, tables=tables)


def _claims(source: Source) -> set[tuple[str, str, bool]]:
    """What a source is complete for, as the catalog has it."""
    return {(source.name, str(purchase), source.complete_everywhere) for purchase in source.complete_for}


def refresh(
    catalog: Path, sources: Sequence[Source], settings: Settings, watch: Callable[[Look], None] = lambda _look: None
) -> Report:
    """Look at the sources and publish what is good of them into the catalog, which must be there.

    `watch` is told when a look starts and when it ends. With `settings.changes_accepted` prices that jumped tenfold,
    regions that are gone and sources that lost more than a third of their rows are believed at once.

    Raises:
        CatalogBusyError: another refresh of this catalog is running.
        CatalogUnwritableError: there is no room to publish, and nothing was changed; or none to note what was seen.
        CatalogError: the catalog cannot be read or written; nothing was changed.
    """
    folder = folder_of(catalog)
    busy = CatalogBusyError("another refresh of this catalog is running", "let it end, or stop it")
    with alone(folder / "lock", busy), _work_folder(folder) as work:
        looks = [Look(source) for source in sources]
        known = _known(catalog, sources)
        brought: dict[str, _Brought] = {}
        for turn in sorted({source.turn for source in sources}):
            now = [look for look in looks if look.source.turn == turn]
            brought |= _look_at_all(now, known.with_brought(brought), settings, work, watch)
        good = _judge_all(looks, brought, known, settings)
        snapshot = known.snapshot
        if not settings.dry_run:
            if _is_news(looks, good, known):
                with _writing(f"the catalog {catalog} could not be written"):
                    snapshot = _publish(catalog, looks, good, settings.now, work)
            with _writing(f"what was seen could not be noted in {folder}"):
                _remember(catalog, looks, good, brought, known.state, settings.now)
        for look in looks:
            if look.source.name in brought:
                watch(look)
    return Report(looks, snapshot, published=snapshot != known.snapshot)


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards; what refreshes left when they were killed is gone before."""
    for left in folder.glob("work-*"):
        shutil.rmtree(left)
    for draft in folder.glob("state.json.new-*"):
        draft.unlink()
    with tempfile.TemporaryDirectory(prefix="work-", dir=folder, ignore_cleanup_errors=True) as work:
        yield Path(work)


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """The refusals of the system and of polars to write a file, as ours."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CatalogUnwritableError(f"{what}: {error}", "free some space") from error


def _known(catalog: Path, sources: Sequence[Source]) -> _Known:
    with Catalog.open(catalog) as opened:
        info = opened.resolve()
        tables = {table.name: opened.table(table, info) for table in (INSTANCE_TYPES, REGIONS, OFFERS)}
        said = {
            source.name: Before(
                {name: opened.held(table, [source.name]) for name, table in TABLES.items()},
                _rejected_before(catalog, source),
            )
            for source in sources
        }
        return _Known(info, tables, said, opened.complete(), read_state(catalog))


def _rejected_before(catalog: Path, source: Source) -> pl.DataFrame:
    """What was rejected at the look before; nothing where that cannot be read, which costs some patience."""
    try:
        rejected = pl.read_parquet(folder_of(catalog) / "rejected" / f"{source.name}.parquet")
    except (OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema=REJECTED)
    return rejected if rejected.schema == REJECTED else pl.DataFrame(schema=REJECTED)


# Looking.


def _look_at_all(
    looks: Sequence[Look], known: _Known, settings: Settings, work: Path, watch: Callable[[Look], None]
) -> dict[str, _Brought]:
    """What each source brought; a look that brought nothing has ended when this returns."""
    brought: dict[str, _Brought] = {}
    stop = threading.Event()
    pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="look")
    futures = {pool.submit(_look_at, look, known, settings, work, stop, watch): look for look in looks}
    left = set(futures)
    try:
        while left:
            # A wait without end would not hear of Ctrl-C.
            done, left = wait(left, timeout=LISTEN_S, return_when=FIRST_COMPLETED)
            for future in done:
                _note(futures[future], future, brought, watch)
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return brought


def _note(
    look: Look, future: Future[_Brought | None], brought: dict[str, _Brought], watch: Callable[[Look], None]
) -> None:
    """Take down how the fetching of a source ended. One whose fetcher is at fault does not keep the others away."""
    look.seconds = time.monotonic() - look.started_s
    error = future.exception()
    if isinstance(error, SourceError):
        look.end(Outcome.FAILED, str(error), error.hint)
    elif isinstance(error, OSError):
        look.end(Outcome.FAILED, f"{error.filename or 'a file'}: {error.strerror or error}")
    elif isinstance(error, Exception):
        look.end(Outcome.FAILED, f"this is a bug of the fetcher: {type(error).__name__}: {error}", "please report it")
    elif error is not None:
        raise error
    elif (found := future.result()) is not None:
        brought[look.source.name] = found
        return
    watch(look)


def _look_at(
    look: Look, known: _Known, settings: Settings, work: Path, stop: threading.Event, watch: Callable[[Look], None]
) -> _Brought | None:
    """Fetch and parse one source; None where its credentials are missing."""
    source = look.source
    look.started_s = time.monotonic()
    if missing := source.missing(settings.env, settings.home):
        look.end(Outcome.SKIPPED, missing)
        return None
    folder = work / source.name
    folder.mkdir()
    of_clouds = (pl.col("cloud").is_in(source.clouds)) if source.clouds else pl.lit(value=True)
    with Client(
        Cache(settings.cache / source.name),
        patience=settings.patience,
        per_second=source.per_second,
        mirror=settings.mirror,
        stop=stop,
    ) as client:
        look.traffic = client.traffic
        watch(look)
        access = Access(
            client=client,
            env=settings.env,
            home=settings.home,
            folder=folder,
            instance_types=known.tables[INSTANCE_TYPES.name].filter(of_clouds),
            regions=known.tables[REGIONS.name],  # prices of traffic name those of other clouds
            offers=known.tables[OFFERS.name].filter(of_clouds),
        )
        pages = tuple(source.fetch(access))
    return _Brought(source, source.parse(pages, settings.now), client)


# Judging.


def _judge_all(
    looks: Iterable[Look], brought: Mapping[str, _Brought], known: _Known, settings: Settings
) -> dict[str, Judged]:
    """What may be published of each source; a look of which nothing may has ended when this returns."""
    hardware = known_hardware(
        known.tables[INSTANCE_TYPES.name], {name: found.tables for name, found in brought.items()}
    )
    good: dict[str, Judged] = {}
    for look in looks:
        name = look.source.name
        if name not in brought:
            continue
        result = judged(
            look.source,
            brought[name].tables,
            known.said[name],
            hardware,
            settings.now,
            changes_accepted=settings.changes_accepted,
        )
        look.counts, look.rejected = result.counts, result.reasons()
        if result.lost and _looks_in_a_row(look, known.state, settings.now) < LOOKS_TO_BELIEVE:
            what = ", ".join(f"{before:,} {table} are now {after:,}" for table, (before, after) in result.lost.items())
            look.end(Outcome.HELD_BACK, what, "if that is so: --accept-changes")
            continue
        unchanged = not (look.counts.new or look.counts.changed or look.counts.gone)
        look.end(Outcome.UNCHANGED if unchanged else Outcome.PUBLISHED)
        good[name] = result
    return good


def _looks_in_a_row(look: Look, state: RefreshState, now: datetime) -> int:
    """At how many looks in a row, this one among them, the source was to be held back."""
    before = state.sources.get(look.source.name)
    if before is None or before.outcome != Outcome.HELD_BACK:
        return 1
    return before.looks + (now - before.looked_at >= APART)


# Publishing.


def _is_news(looks: Iterable[Look], good: Mapping[str, Judged], known: _Known) -> bool:
    """Whether any source says other things than before, or is complete for something else now."""
    claimed = {claim for look in looks if look.source.name in good for claim in _claims(look.source)}
    before = {claim for claim in known.complete if claim[0] in good}
    return claimed != before or bool(_news(looks))


def _news(looks: Iterable[Look]) -> list[str]:
    """The sources that say other things than before."""
    return sorted(look.source.name for look in looks if look.outcome is Outcome.PUBLISHED)


def _publish(
    catalog: Path, looks: Sequence[Look], good: Mapping[str, Judged], now: datetime, work: Path
) -> SnapshotInfo:
    """Publish what is good of all sources as one snapshot."""
    batch: dict[str, Path] = {}
    for name in TABLES:
        frames = [found.kept[name] for found in good.values() if name in found.kept]
        if frames:
            batch[name] = work / f"{name}.parquet"
            pl.concat(frames).write_parquet(batch[name], compression="uncompressed", statistics=False)
    claims = {
        look.source.name: Claims(
            look.source.complete_for,
            look.source.complete_everywhere,
            _confirmed_at(look.source, good[look.source.name], now),
        )
        for look in looks
        if look.source.name in good
    }
    return publish(
        catalog,
        batch,
        published_at=now,
        note=f"refresh: {', '.join(_news(looks) or sorted(good))}",
        looks=claims,
        wait_s=PUBLISH_PATIENCE_S,
    )


def _confirmed_at(source: Source, found: Judged, now: datetime) -> datetime | None:
    """When all that the source says was seen to hold: now, or the date of figures from the past."""
    if source.current:
        return now
    oldest = [frame.select(pl.col("observed_at").min()).item() for frame in found.kept.values() if frame.height]
    return min(oldest, default=None)


def _remember(
    catalog: Path,
    looks: Sequence[Look],
    good: Mapping[str, Judged],
    brought: Mapping[str, _Brought],
    before: RefreshState,
    now: datetime,
) -> None:
    """Keep the answers of good looks for the next time, the rejected rows for people, and when each look was."""
    folder = folder_of(catalog) / "rejected"
    folder.mkdir(exist_ok=True)
    for look in looks:
        name = look.source.name
        if name in good:
            try:
                brought[name].client.commit()
            except OSError as error:
                look.detail = f"what was downloaded could not be kept: {error.strerror}"
            _keep_rejected(folder / f"{name}.parquet", good[name].rejected)
    states = dict(before.sources)
    for look in looks:
        name = look.source.name
        earlier = states.get(name)
        confirmed_at = _confirmed_at(look.source, good[name], now) if name in good else None
        states[name] = SourceState(
            looked_at=now,
            outcome=str(look.outcome),
            detail=look.detail,
            confirmed_at=confirmed_at or (earlier.confirmed_at if earlier else None),
            looks=_looks_in_a_row(look, before, now) if look.outcome is Outcome.HELD_BACK else 1,
        )
    succeeded = any(look.outcome in GOOD and look.source.current for look in looks) and not any(
        look.outcome in BAD for look in looks
    )
    write_state(catalog, RefreshState(now if succeeded else before.succeeded_at, states))


def _keep_rejected(file: Path, rejected: pl.DataFrame) -> None:
    if rejected.is_empty():
        file.unlink(missing_ok=True)
    else:
        rejected.write_parquet(file)
