"""Whether this installation is sound: packages, catalog, sources, credentials."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path
from typing import Any, Final

from catalog_data.snapshot import SnapshotInfo, SourceAge
from cli.errors import CommandError
from cli.plan_view import age_text
from cli.printer import Column, print_lines, print_table
from cli.settings import catalog_path
from cli.wiring import opened_catalog

OUR_DISTRIBUTION: Final = "skybroker"
OUR_PACKAGES: Final = ("catalog_data", "catalog_fetchers", "cli", "engine", "executor")

# Where each cloud's own tools look: environment variables, and files below the home folder.
CREDENTIALS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "aws": (("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"), (".aws/credentials", ".aws/config")),
    "azure": (("AZURE_CLIENT_ID", "AZURE_SUBSCRIPTION_ID"), (".azure/azureProfile.json",)),
    "digitalocean": (("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"), (".config/doctl/config.yaml",)),
    "gcp": (("GOOGLE_APPLICATION_CREDENTIALS",), (".config/gcloud/application_default_credentials.json",)),
    "kubernetes": (("KUBECONFIG",), (".kube/config",)),
    "lambda": (("LAMBDA_API_KEY",), (".lambda_cloud/lambda_keys",)),
    "nebius": (("NEBIUS_IAM_TOKEN",), (".nebius/credentials.json",)),
    "oci": (("OCI_CLI_CONFIG_FILE",), (".oci/config",)),
    "runpod": (("RUNPOD_API_KEY",), (".runpod/config.toml",)),
    "vast": (("VAST_API_KEY",), (".config/vastai/vast_api_key",)),
}


@dataclass(frozen=True)
class Findings:
    """What was found; `faults` are the things that need mending, one line each."""

    packages: Mapping[str, str]
    catalog: Path
    catalog_bytes: int
    snapshot: SnapshotInfo | None
    sources: tuple[SourceAge, ...]
    credentials: Mapping[str, str | None]
    faults: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601."""
        return {
            "schema_version": 1,
            "packages": dict(self.packages),
            "catalog": str(self.catalog),
            "catalog_bytes": self.catalog_bytes,
            "snapshot": self.snapshot.id if self.snapshot else None,
            "sources": [
                {
                    "source": age.source,
                    "source_version": age.source_version,
                    "observed_at": age.observed_at.isoformat(),
                    "rows": age.rows,
                }
                for age in self.sources
            ],
            "credentials": dict(self.credentials),
            "faults": list(self.faults),
        }


def examined() -> Findings:
    """Look at everything; a catalog that cannot be read is a fault, not an error."""
    faults = _foreign_packages()
    snapshot: SnapshotInfo | None = None
    sources: tuple[SourceAge, ...] = ()
    try:
        with opened_catalog() as catalog:
            snapshot = catalog.resolve()
            sources = catalog.sources(snapshot)
            catalog.verify()
    except CommandError as error:
        faults += [f"{line} ({error.hint})" if error.hint else line for line in error.lines]
    path = catalog_path()
    return Findings(
        packages=_packages(),
        catalog=path,
        catalog_bytes=path.stat().st_size if path.exists() else 0,
        snapshot=snapshot,
        sources=sources,
        credentials={cloud: _found(*places) for cloud, places in CREDENTIALS.items()},
        faults=tuple(faults),
    )


def _packages() -> dict[str, str]:
    """Python, ourselves and what we require, with versions."""
    names = sorted(
        line.split(";")[0].split("[")[0].rstrip("<>=!~., 0123456789") for line in requires(OUR_DISTRIBUTION) or ()
    )
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        **{name: version(name) for name in (OUR_DISTRIBUTION, *names)},
    }


def _foreign_packages() -> list[str]:
    """Our top-level packages are imported by plain names; another distribution with one of them would replace it."""
    owners = packages_distributions()
    return [
        f"the package {name} belongs to {', '.join(sorted(foreign))} too; uninstall that"
        for name in OUR_PACKAGES
        if (foreign := set(owners.get(name, ())) - {OUR_DISTRIBUTION})
    ]


def _found(variables: tuple[str, ...], files: tuple[str, ...]) -> str | None:
    """The name of the place where credentials are found, never what is in it."""
    for variable in variables:
        if os.environ.get(variable):
            return f"${variable}"
    for file in files:
        if (Path.home() / file).exists():
            return f"~/{file}"
    return None


def print_findings(findings: Findings) -> None:
    """Everything in sections, faults last."""
    now = datetime.now(UTC)
    print_lines("Installed: " + ", ".join(f"{name} {text}" for name, text in findings.packages.items()), "")
    snapshot = f"snapshot {findings.snapshot.id}" if findings.snapshot else "no snapshot"
    print_lines(f"Catalog: {findings.catalog} ({findings.catalog_bytes / 2**20:.1f} MiB, {snapshot})", "")
    print_table(
        (Column("SOURCE"), Column("VERSION", rank=1), Column("ROWS", right=True), Column("AGE", right=True)),
        [
            [age.source, age.source_version or "-", f"{age.rows:,}", age_text(age.observed_at, now)]
            for age in findings.sources
        ],
    )
    print_lines("")
    print_table(
        (Column("CLOUD"), Column("CREDENTIALS")),
        [[cloud, where or "none found"] for cloud, where in findings.credentials.items()],
    )
    print_lines("", *([f"FAULT: {fault}" for fault in findings.faults] or ["No faults."]))
