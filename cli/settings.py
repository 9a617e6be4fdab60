"""Where things are, from the environment and the XDG folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

CATALOG_VARIABLE: Final = "SKYBROKER_CATALOG"


def catalog_path() -> Path:
    """The catalog file: $SKYBROKER_CATALOG, or catalog.duckdb in the user's data folder."""
    named = os.environ.get(CATALOG_VARIABLE)
    return Path(named).expanduser() if named else user_data_path("skybroker") / "catalog.duckdb"
