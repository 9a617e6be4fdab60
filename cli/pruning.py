"""Retention: how much of the catalog's past stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog_data.embedded import PATIENCE_S
from catalog_data.errors import CatalogError
from catalog_data.publishing import prune
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
    return f"{gone} snapshots from before {before:%Y-%m-%d %H:%M} UTC are gone ({sizes})."


def _instant(keep: str) -> datetime:
    try:
        parsed = parse_deadline(keep)
    except InvalidValueError as error:
        raise CommandError(str(error), hint="for example --keep 90d", code=ExitCode.USAGE) from error
    if isinstance(parsed, datetime):
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return datetime.now(UTC) - timedelta(hours=parsed)
