"""Where things are, from the environment and the XDG folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path, user_config_path, user_data_path

CATALOG_VARIABLE: Final = "SKYBROKER_CATALOG"
PRICES_VARIABLE: Final = "SKYBROKER_PRICES"
MIRROR_VARIABLE: Final = "SKYBROKER_MIRROR"


def catalog_path() -> Path:
    """The catalog file: $SKYBROKER_CATALOG, or catalog.duckdb in the user's data folder."""
    named = os.environ.get(CATALOG_VARIABLE)
    return Path(named).expanduser() if named else user_data_path("skybroker") / "catalog.duckdb"


def private_prices_path() -> Path | None:
    """The file of private prices: $SKYBROKER_PRICES, or prices.yaml in the user's configuration where it is there."""
    named = os.environ.get(PRICES_VARIABLE)
    if named:
        return Path(named).expanduser()
    usual = user_config_path("skybroker") / "prices.yaml"
    return usual if usual.exists() else None


def downloads_path() -> Path:
    """The folder for what was downloaded from sources; losing it costs downloads and nothing else."""
    return user_cache_path("skybroker") / "sources"


def mirror() -> str:
    """The address of a mirror of the sources, $SKYBROKER_MIRROR; empty where there is none."""
    return os.environ.get(MIRROR_VARIABLE, "")


def deployments_path() -> Path:
    """The folder of what is carried out: the record, keys, output, and the machines of `--on local`."""
    return user_data_path("skybroker") / "deployments"
