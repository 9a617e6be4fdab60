"""The sources that a refresh reads: one line each."""

from __future__ import annotations

from typing import Final

from catalog_fetchers import lambda_cloud
from catalog_fetchers.base import Source

SOURCES: Final[tuple[Source, ...]] = (lambda_cloud.SOURCE,)
