"""The whole pipeline as a cron job runs it: every source of the registry, read by the program from local servers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from catalog_data.schema import EGRESS
from catalog_data.store import Catalog
from catalog_fetchers.base import Source
from catalog_fetchers.registry import SOURCES
from tests.kits.program import CHECKOUT, FINETUNE, PROGRAM, Outcome
from tests.kits.provider import Received
from tests.kits.rows import published
from tests.kits.stages import Stage, stage_of

MANY_QUESTIONS: Final = "azure_placement"
"""On the embedded catalog it asks 23 questions, one every two seconds: it is looked at beside a smaller one."""
COSTLY: Final = tuple(source.name for source in SOURCES if source.asked_for and source.name != MANY_QUESTIONS)
"""What cron does not ask: it costs the user something."""
ALWAYS_WHOLE: Final = frozenset({"api.cloud.crusoe.ai", "cloudbilling.googleapis.com", "lab.example:6443"})
"""What is signed at each request, or read with the provider's own client, cannot be asked whether it changed."""


@dataclass(frozen=True)
class Job:
    """A user whose home holds nothing at first, on a machine with these servers in place of the world."""

    home: Path
    stage: Stage
    ran: list[Outcome] = field(default_factory=list)

    @property
    def catalog(self) -> Path:
        return self.home / ".local/share/skybroker/catalog.duckdb"

    def run(self, *arguments: str) -> Outcome:
        """One command as cron starts it: without a terminal, and with little in the environment."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env={**self.stage.env, "HOME": str(self.home), "SKYBROKER_MIRROR": self.stage.provider.mirror},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.ran.append(Outcome(done.returncode, done.stdout, done.stderr))
        return self.ran[-1]

    def data(self, *arguments: str) -> dict[str, Any]:
        """What a command says in JSON; it must succeed."""
        done = self.run(*arguments, "--output", "json")
        assert done.code == 0, done.err
        said: dict[str, Any] = json.loads(done.out)
        assert said["schema_version"] in {1, 2, 3}
        return said


@dataclass(frozen=True)
class Refreshed:
    """What a refresh of all said about each source, what the servers were asked, its talk, and the catalog then."""

    sources: dict[str, dict[str, Any]]
    published: bool
    received: Sequence[Received]
    talk: str
    catalog: bytes

    @property
    def downloaded(self) -> int:
        """Bytes of answers."""
        return sum(look["received_bytes"] for look in self.sources.values())

    def outcomes(self) -> dict[str, str]:
        return {name: look["outcome"] for name, look in self.sources.items()}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """All sources on one stage."""
    with stage_of(*SOURCES) as stage:
        yield Job(tmp_path_factory.mktemp("home"), stage)


@pytest.fixture(scope="module")
def first(job: Job) -> Refreshed:
    """The first refresh that cron starts: of all sources that cost the user nothing."""
    return refreshed(job)


@pytest.fixture(scope="module")
def again(job: Job, first: Refreshed) -> Refreshed:
    """The second one."""
    return refreshed(job)


def refreshed(job: Job, *arguments: str) -> Refreshed:
    """One refresh that goes well."""
    before = len(job.stage.provider.received)
    said = job.data("catalog", "refresh", *arguments)
    looks = {look["source"]: look for look in said["sources"]}
    received = job.stage.provider.received[before:]
    return Refreshed(looks, said["published"], received, job.ran[-1].err, job.catalog.read_bytes())


def test_every_source_is_published(first: Refreshed) -> None:
    """All that cost the user nothing, without being named."""
    assert first.outcomes() == {source.name: "published" for source in SOURCES if not source.asked_for}
    assert all(look["rows"] > 0 for look in first.sources.values())


def test_the_log_has_a_line_for_each_source(first: Refreshed) -> None:
    """And nothing that only a terminal understands."""
    head, *lines = first.talk.splitlines()[-len(first.sources) - 1 :]
    assert head.endswith(f"looking at {len(lines)} sources")
    assert sorted(line.partition(":")[0] for line in lines) == sorted(first.sources)
    assert "\x1b" not in first.talk


def test_a_refresh_without_news_changes_nothing(job: Job, first: Refreshed, again: Refreshed) -> None:
    """There is no other snapshot, and the catalog is the same byte for byte."""
    assert again.outcomes() == dict.fromkeys(again.sources, "unchanged")
    assert not again.published
    assert again.catalog == first.catalog
    notes = [snapshot["note"] for snapshot in job.data("catalog", "history")["snapshots"]]
    assert [note.partition(":")[0] for note in notes] == ["embedded catalog", "refresh"]


def test_a_refresh_without_news_downloads_hardly_anything(first: Refreshed, again: Refreshed) -> None:
    """Nearly every page is confirmed by its ETag; few must be read whole."""
    whole = {urlsplit(one.url).netloc for one in again.received if (one.method, one.status) == ("GET", 200)}
    assert whole <= ALWAYS_WHOLE
    assert sum(one.status == 304 for one in again.received) > 60
    assert again.downloaded < first.downloaded / 4


def test_a_plan_from_that_catalog(job: Job, again: Refreshed) -> None:
    """The cheapest is what the refresh found, and its price is fresh."""
    plan = job.run("plan", str(FINETUNE))
    assert plan.code == 0
    [best] = [line for line in plan.out.splitlines() if line.startswith("*")]
    assert "kubernetes/lab" in best
    assert " 0 h " in best
    assert job.data("plan", str(FINETUNE))["snapshot"]["id"] == job.data("catalog", "history")["snapshots"][-1]["id"]


@pytest.mark.parametrize("command", ["doctor", "history", "rejected", "sources"])
def test_other_commands_read_it(job: Job, again: Refreshed, command: str) -> None:
    """They print a table or JSON."""
    table = job.run("catalog", command)
    assert table.code == 0, table.err
    assert len(table.out.splitlines()) > 3
    assert job.data("catalog", command)


def test_prices_of_traffic_reach_other_clouds(job: Job, again: Refreshed) -> None:
    """AWS's list names no region of another cloud: they are those that the catalog knows."""
    with Catalog.open(job.catalog) as opened:
        rows = opened.table(EGRESS, opened.resolve()).filter(source="aws_egress")
    assert {"aws", "gcp", "azure"} <= set(rows["dst_cloud"])


def test_no_secret_is_left_anywhere(job: Job, again: Refreshed) -> None:
    """Not in what was printed and not in a file below the home folder."""
    secrets = job.stage.secrets
    assert len(secrets) > 5
    for outcome in job.ran:
        assert not [secret for secret in secrets if secret in outcome.out + outcome.err]
    files = [file for file in job.home.rglob("*") if file.is_file()]
    assert len(files) > 50
    for file in files:
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], file


def test_what_costs_something_is_read_when_it_is_named(job: Job, again: Refreshed) -> None:
    """And the second time without a change."""
    outcomes = [refreshed(job, "--only", ",".join(COSTLY)).outcomes() for _ in range(2)]
    assert outcomes == [dict.fromkeys(COSTLY, "published"), dict.fromkeys(COSTLY, "unchanged")]


def test_one_source_fails_and_the_others_are_published(tmp_path: Path) -> None:
    """The exit code is 1, and the reason is one line on stdout."""
    with stage_of(*sources_named("hotaisle", "lambda", "lium")) as stage:
        stage.provider.routes = [route for route in stage.provider.routes if "lambda" not in route.url]
        job = Job(tmp_path, stage)
        done = job.run("catalog", "refresh", "--only", "hotaisle,lambda,lium")
    assert done.code == 1
    assert [line for line in done.out.splitlines() if line.startswith("lambda failed: ")] != []
    assert "1 of 3 sources failed: their last good rows stay." in done.out
    with Catalog.open(job.catalog) as opened:
        assert opened.resolve().note == "refresh: hotaisle, lium"


def test_scores_of_a_catalog_with_few_types(tmp_path: Path) -> None:
    """The one source that would ask too much here."""
    with stage_of(*sources_named(MANY_QUESTIONS)) as stage:
        job = Job(tmp_path, stage)
        published(job.catalog, stage.known)
        look = refreshed(job, "--only", MANY_QUESTIONS).sources[MANY_QUESTIONS]
    assert (look["outcome"], look["requests"], look["rows"]) == ("published", 2, 4)


def sources_named(*names: str) -> list[Source]:
    """These sources."""
    return [source for source in SOURCES if source.name in names]
