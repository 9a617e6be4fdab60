"""A refresh of 100,000 offers in which nothing changed, against the first refresh of the same."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.cases.publish import emptied
from benchmarks.measure import Sample, contest, function
from benchmarks.result import Result
from catalog_data.embedded import publish_embedded
from catalog_fetchers.base import Access, Page
from catalog_fetchers.refresh import Report, Settings, refresh
from catalog_fetchers.skypilot_csv import FILE, SOURCE, URL

RUNS: Final = 5
LIMIT: Final = 1.0
"""It compares every row, but downloads and writes none."""
MOST_BYTES: Final = 0.01
"""What it may download, as a share of what the first one does."""
CLOUD: Final = "azure"
TYPES: Final = 1_000
REGIONS: Final = 50
OFFERS: Final = 2 * TYPES * REGIONS
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESS: Final = f"{URL}/{CLOUD}/{FILE}"


def measure() -> Result:
    """The source has one file of one cloud, so that no wait between requests counts."""
    source = replace(SOURCE, clouds=(CLOUD,), fetch=lambda access: iter([_page(access)]))
    reports: list[Report] = []
    with tempfile.TemporaryDirectory() as name, _served(Path(name) / "site") as mirror:
        folder = Path(name) / "home"
        catalog = folder / "catalog.duckdb"
        settings = Settings(now=NOW, env={}, home=folder, cache=folder / "downloads", mirror=mirror)

        def look(days: int) -> Sample:
            at = replace(settings, now=NOW + timedelta(days=days))
            return function(lambda: reports.append(refresh(catalog, [source], at)))

        def first() -> Sample:
            emptied(folder)
            publish_embedded(catalog)
            return look(0)

        first()
        runs = contest(lambda: look(1), first, RUNS)
    return Result(_what(reports), "the first refresh", runs, LIMIT)


def _page(access: Access) -> Page:
    return Page(CLOUD, access.client.get(ADDRESS))


def _what(reports: list[Report]) -> str:
    """What is measured, with its traffic; a refresh that did other work than it should is no measure."""
    first, again = reports[:2]
    received = [report.looks[0].traffic.received_bytes for report in (first, again)]
    if not all(report.published for report in reports[::2]) or any(report.published for report in reports[1::2]):
        raise RuntimeError("a first refresh published nothing, or one that found nothing new published")
    if received[1] > MOST_BYTES * received[0]:
        raise RuntimeError(f"{received[1]:,} bytes were downloaded again, of {received[0]:,}")
    return (
        f"refresh of {OFFERS:,} offers, nothing changed ({again.looks[0].traffic.requests} request,"
        f" {received[1]:,} bytes of {received[0]:,})"
    )


@contextmanager
def _served(site: Path) -> Iterator[str]:
    """The address of a mirror, in a process of its own, that has the file and says when it is not modified."""
    split = urlsplit(ADDRESS)
    file = site / f"{split.netloc}{split.path}"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(_lines()), encoding="utf-8")
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            said = next(iter(server.stdout or ()))  # "Serving HTTP on 127.0.0.1 port 40000 (...) ..."
            port = said.split(" port ")[1].split()[0]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _lines() -> Iterator[str]:
    yield "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region"
    for number in range(TYPES):
        vcpus = number % 96 + 1
        for region in range(REGIONS):
            price = vcpus * (0.04 + region / 10_000)
            yield f"Standard_T{number},,,{vcpus},{vcpus * 4},,{price:.4f},{price / 4:.4f},region{region}"
