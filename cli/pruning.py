"""What is taken out of the catalog: its distant past, and sources that are no longer believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog_data.embedded import PATIENCE_S
from catalog_data.errors import CatalogError
from catalog_data.normalise import nearest_name
from catalog_data.publishing import Claims, prune, publish
from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.settings import catalog_path
from cli.wiring import opened_catalog
from engine.quantities import parse_deadline
from engine.workload_errors import InvalidValueError


def pruned(keep: str) -> str:
    """Prune the user's catalog; what came of it, in a sentence."""
    before = _instant(keep)
    with opened_catalog() as catalog:
        path = catalog.path
    size = path.stat().st_size
    try:
        gone = prune(catalog_path(), before, wait_s=PATIENCE_S)
    except CatalogError as error:
        raise CommandError(str(error), hint=error.hint) from error
    sizes = f"{size / 2**20:.1f} MiB -> {path.stat().st_size / 2**20:.1f} MiB"
    what = "1 snapshot is" if gone == 1 else f"{gone:,} snapshots are"
    return f"{what} gone, from before {before:%Y-%m-%d %H:%M} UTC ({sizes})."


def forgotten(source: str) -> str:
    """Take a source out of the user's catalog; what came of it, in a sentence."""
    with opened_catalog() as catalog:
        path = catalog.path
        known = {age.source: age.rows for age in catalog.sources(catalog.resolve())}
    if source not in known:
        near = nearest_name(source, known)
        hint = f"did you mean {near}?" if near else "`skybroker catalog doctor` lists them"
        raise CommandError(f"the catalog has nothing of a source {source}", hint=hint)
    try:
        info = publish(
            path,
            {},
            published_at=datetime.now(UTC),
            note=f"forget {source}",
            looks={source: Claims()},
            wait_s=PATIENCE_S,
        )
    except CatalogError as error:
        raise CommandError(str(error), hint=error.hint) from error
    return f"{known[source]:,} rows of {source} are gone; the catalog is at snapshot {info.id}."


def _instant(keep: str) -> datetime:
    """The instant before which nothing need be kept; a number without a unit would be hours by surprise."""
    hint = "write a time back from now (90d, 12h) or a day (2026-01-31)"
    if keep.strip().replace(".", "", 1).isdigit():
        raise CommandError(f"--keep {keep} has no unit", hint=hint, code=ExitCode.USAGE)
    try:
        parsed = parse_deadline(keep)
    except InvalidValueError as error:
        raise CommandError(str(error), hint=hint, code=ExitCode.USAGE) from error
    now = datetime.now(UTC)
    if not isinstance(parsed, datetime):
        return now - timedelta(hours=parsed)
    instant = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if instant > now:
        raise CommandError(f"--keep {keep} is not over yet", hint=hint, code=ExitCode.USAGE)
    return instant
