"""`plan` and `show`, from the file to the printed table and the exit code."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from catalog_data.publishing import publish
from catalog_data.schema import INSTANCE_TYPES, OBSERVATIONS, OFFERS
from engine.plan import read_plan
from tests.kits.program import EXAMPLES, Run, Write
from tests.kits.rows import frame, machine, offer, offers, published, row

EIGHT_H100 = "name: eight\nresources:\n  accelerators: H100:8\nestimate: 2h\n"
TWO_TASKS = """
name: two
tasks:
  prepare: {resources: {cpus: 4+, memory: 16+}, estimate: 1h}
  train:
    depends_on: {prepare: {data: 500 GB}}
    resources: {accelerators: "H100:8"}
    estimate: 3h
"""


def test_the_table_names_the_cheapest_offer_first(skybroker: Run, workload: Write) -> None:
    """The row with the star costs what the headline says, and the alternatives cost no less."""
    done = skybroker("plan", workload(EIGHT_H100), "--output", "json")
    plan = json.loads(done.out)
    assert done.code == 0
    costs = [option["cost_usd"] for option in [plan["best"], *plan["alternatives"]]]
    assert costs == sorted(costs)
    assert plan["best"]["placements"][0]["accelerator"] == "H100"
    table = skybroker("plan", workload(EIGHT_H100)).out
    starred = next(line for line in table.splitlines() if line.startswith("*"))
    assert plan["best"]["placements"][0]["instance_type"] in starred
    assert f"${plan['best']['cost_usd']:,.2f}" in table.splitlines()[0]


def test_every_cloud_that_has_it_is_compared(skybroker: Run, workload: Write) -> None:
    """The comparison holds one option a cloud and purchase, so that clouds can be told apart at a glance."""
    plan = json.loads(skybroker("plan", workload(EIGHT_H100), "--output", "json").out)
    options = [plan["best"], *plan["comparison"]]
    kinds = [(option["placements"][0]["cloud"], option["placements"][0]["purchase"]) for option in options]
    assert len(kinds) == len(set(kinds))
    assert {"aws", "gcp", "azure", "lambda"} <= {cloud for cloud, _ in kinds}


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_run_as_they_stand(skybroker: Run, example: Path) -> None:
    """Each example has a proven plan from the embedded catalog."""
    done = skybroker("plan", example, "--output", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["proof"]["status"] == "optimal"


def test_a_written_plan_is_shown_as_it_was_planned(skybroker: Run, workload: Write, tmp_path: Path) -> None:
    """`plan -o` and `show` print the same table; the file is read back strictly."""
    file = tmp_path / "plan.json"
    planned = skybroker("plan", workload(TWO_TASKS), "-o", file)
    shown = skybroker("show", file)
    assert planned.code == shown.code == 0
    assert planned.out == shown.out
    assert read_plan(file.read_text(), file="plan.json").workload.name == "two"
    assert not list(tmp_path.glob(".*"))


def test_yaml_and_json_hold_the_same(skybroker: Run, workload: Write) -> None:
    """Both forms are the plan file's data."""
    as_json = json.loads(skybroker("plan", workload(EIGHT_H100), "--output", "json").out)
    as_yaml = yaml.safe_load(skybroker("plan", workload(EIGHT_H100), "--output", "yaml").out)
    assert as_yaml["best"]["cost_usd"] == as_json["best"]["cost_usd"]
    assert as_yaml["schema_version"] == as_json["schema_version"] == 3


def test_several_files_are_planned_one_by_one(skybroker: Run, workload: Write) -> None:
    """JSON of several workloads is one document with a list."""
    done = skybroker("plan", workload(EIGHT_H100), EXAMPLES / "tpu_training.yaml", "--output", "json")
    assert [plan["workload"]["name"] for plan in json.loads(done.out)["plans"]] == ["eight", "tpu-training"]
    assert skybroker("plan", workload(EIGHT_H100), EXAMPLES / "tpu_training.yaml", "-o", "x.json").code == 64


def test_the_objective_of_the_command_line_wins(skybroker: Run, workload: Write) -> None:
    """Least time picks the hardware that is fastest, whatever it costs."""
    text = "resources:\n  accelerators: {H100: 8, A100-80GB: 8}\nestimate:\n  hours: {H100: 1, A100-80GB: 0.9}\n"
    fastest = json.loads(skybroker("plan", workload(text), "--objective", "time", "--output", "json").out)
    assert fastest["best"]["placements"][0]["accelerator"] == "A100-80GB"
    assert fastest["objective"] == "time"


def test_top_ranks_as_many_options_as_asked(skybroker: Run, workload: Write) -> None:
    """The best counts among them."""
    plan = json.loads(skybroker("plan", workload(EIGHT_H100), "--top", "3", "--output", "json").out)
    assert len(plan["alternatives"]) == 2


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [(["--deadline", "30m"], "deadline"), (["--budget", "1"], "budget")],
)
def test_a_limit_that_cannot_be_kept_is_named(
    skybroker: Run, workload: Write, arguments: list[str], limit: str
) -> None:
    """Exit code 3, the limit and the least that is possible; nothing on stdout."""
    done = skybroker("plan", workload(EIGHT_H100), *arguments)
    assert done.code == 3
    assert limit in done.err
    assert done.out == ""


def test_an_impossible_combination_names_the_requirement(skybroker: Run, workload: Write) -> None:
    """Eight H100 exist and 3,000 vCPUs do not go with them."""
    done = skybroker("plan", workload("resources:\n  accelerators: H100:8\n  cpus: 3000+\n"))
    assert done.code == 3
    assert "3,000+ vCPUs" in done.err


def test_an_unknown_run_time_is_said(skybroker: Run, workload: Write) -> None:
    """What is assumed stands in the table and in the plan file."""
    text = "name: guess\nresources: {accelerators: 'H100:8'}\n"
    assert "1 h is assumed" in skybroker("plan", workload(text)).out
    plan = json.loads(skybroker("plan", workload(text), "--output", "json").out)
    assert any("1 h is assumed" in line for line in plan["assumptions"])


BAD_FILES = {
    "not a mapping": ("- a\n- b\n", "1:"),
    "unknown field": ("resources:\n  acelerators: H100\n", "did you mean accelerators?"),
    "unknown accelerator": ("resources:\n  accelerators: H10O:8\n", "did you mean H100?"),
    "negative count": ("resources:\n  accelerators: H100:-1\n", ":2:"),
    "negative nodes": ("num_nodes: -2\n", ":1:"),
    "syntax": ("resources: [\n", ":"),
    "empty": ("", "holds no task"),
    "cycle": ("tasks:\n  a: {depends_on: [b]}\n  b: {depends_on: [a]}\n", "a -> b"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_workload_is_one_clear_line(skybroker: Run, workload: Write, name: str) -> None:
    """The file, the line and what is wrong; exit code 1; no traceback; stdout stays empty."""
    text, expected = BAD_FILES[name]
    done = skybroker("plan", workload(text))
    assert done.code == 1
    assert expected in done.err
    assert "workload.yaml" in done.err
    assert "Traceback" not in done.err
    assert "bug" not in done.err
    assert done.out == ""


def test_a_missing_file_suggests_its_neighbour(skybroker: Run) -> None:
    """A slip in the name is the commonest cause."""
    done = skybroker("plan", EXAMPLES / "finetun.yaml")
    assert (done.code, "finetune.yaml?" in done.err) == (1, True)


@pytest.mark.parametrize("file", ["/", "/proc/self/mem"])
def test_what_is_no_text_file_is_refused(skybroker: Run, file: str) -> None:
    """A folder, or a file that cannot be read."""
    done = skybroker("plan", file)
    assert (done.code, "bug" in done.err) == (1, False)


def test_a_plan_that_cannot_be_written_is_an_error(skybroker: Run, workload: Write) -> None:
    """The target is named, and the plan is not half-written."""
    done = skybroker("plan", workload(EIGHT_H100), "-o", "/proc/plan.json")
    assert (done.code, "/proc/plan.json" in done.err, done.out) == (1, True, "")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}', "plan: yes"])
def test_show_refuses_what_is_no_plan(skybroker: Run, tmp_path: Path, text: str) -> None:
    """One line with the file's name."""
    file = tmp_path / "plan.json"
    file.write_text(text)
    done = skybroker("show", file)
    assert done.code == 1
    assert "plan.json" in done.err
    assert "bug" not in done.err


def test_secrets_never_reach_a_plan(skybroker: Run, workload: Write) -> None:
    """Neither environment nor secrets nor commands are in any form of the plan."""
    text = EIGHT_H100 + "envs: {TOKEN: env-s3cret}\nsecrets: {KEY: s3cret-key}\nrun: echo run-s3cret\n"
    for output in ("table", "json", "yaml"):
        assert "s3cret" not in skybroker("plan", workload(text), "--output", output).out


def test_as_of_answers_from_what_was_known(skybroker: Run, workload: Write) -> None:
    """Today's snapshot by its id; before the first one nothing was known."""
    plan = json.loads(skybroker("plan", workload(EIGHT_H100), "--output", "json").out)
    again = skybroker("plan", workload(EIGHT_H100), "--as-of", plan["snapshot"]["id"][:6], "--output", "json")
    assert json.loads(again.out)["best"] == plan["best"]
    before = skybroker("plan", workload(EIGHT_H100), "--as-of", "2001-01-01")
    assert (before.code, "nothing was known" in before.err) == (1, True)


def test_the_sample_tasks_of_others_are_planned_or_answered(
    shared: Path, skybroker: Run, subtests: pytest.Subtests
) -> None:
    """Each public SkyPilot task gets a plan, or exactly which requirement no offer meets."""
    files = sorted((shared / "data" / "skypilot-tasks").glob("*.yaml"))
    assert files
    for file in files:
        with subtests.test(file.stem):
            done = skybroker("plan", file, "--output", "json")
            assert done.code in {0, 3}, done.err
            if done.code == 3:
                assert "no offer has" in done.err or "holds no offer with" in done.err
            else:
                assert json.loads(done.out)["proof"]["status"] == "optimal"


@pytest.mark.parametrize("text", [EIGHT_H100, "resources: {cpus: 4+}\n"])
def test_an_empty_catalog_is_an_error_of_the_catalog(
    skybroker: Run, workload: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    """Not of the workload: no requirement would be met by it."""
    file, catalog = tmp_path / "offers.parquet", tmp_path / "catalog.duckdb"
    OFFERS.empty().write_parquet(file)
    publish(catalog, {"offers": file}, published_at=datetime(2026, 1, 1, tzinfo=UTC), note="nothing")
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    done = skybroker("plan", workload(text))
    assert done.code == 1
    assert "holds no offers" in done.err
    assert skybroker("catalog", "offers").code == 0


def test_options_that_differ_in_the_region_alone_are_one_row(skybroker: Run, workload: Write) -> None:
    """The ranks count different offers, however many regions have the same."""
    plan = json.loads(skybroker("plan", workload(EIGHT_H100), "--output", "json").out)
    ranked = [option["placements"][0] for option in [plan["best"], *plan["alternatives"]]]
    alike = [(place["cloud"], place["instance_type"], place["purchase"], place["price_usd_h"]) for place in ranked]
    assert len(alike) == len(set(alike)) == 5
    assert len(ranked[0]["also_in"]) > 5
    assert f" +{len(ranked[0]['also_in'])} " in skybroker("plan", workload(EIGHT_H100), "--top", "1").out


def test_a_workload_comes_from_stdin_too(process: Run) -> None:
    """`-` stands for it."""
    done = process(["plan", "-"], stdin=EIGHT_H100)
    assert done.code == 0
    assert done.out.startswith("eight: ")


@pytest.mark.parametrize("target", ["-", "", ".", "workload.yaml", "/dev/full", "pipe", "protected.json"])
def test_a_plan_is_only_written_to_a_file_of_its_own(
    skybroker: Run, workload: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Devices, pipes, write-protected files and the workload itself stay what they are."""
    monkeypatch.chdir(tmp_path)
    file = workload(EIGHT_H100)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "protected.json").write_text("mine")
    (tmp_path / "protected.json").chmod(0o444)
    done = skybroker("plan", file, "-o", target)
    assert done.code in {1, 64}
    assert "bug" not in done.err
    assert file.read_text() == EIGHT_H100
    assert (tmp_path / "protected.json").read_text() == "mine"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_link_leads_to_the_file_that_is_written(skybroker: Run, workload: Write, tmp_path: Path) -> None:
    """The link stays a link, and the file keeps its permissions."""
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert skybroker("plan", workload(EIGHT_H100), "-o", link).code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert read_plan(target.read_text(), file="target.json").workload.name == "eight"


def test_residency_names_regions_that_exist(skybroker: Run, workload: Write) -> None:
    """A slip in a list of forbidden places must not let the place in."""
    text = EIGHT_H100 + "residency: {deny: [lambda/asia-norteast-1]}\n"
    done = skybroker("plan", workload(text))
    assert done.code == 1
    assert "did you mean lambda/asia-northeast-1?" in done.err


def test_wishes_name_regions_that_exist(skybroker: Run, workload: Write) -> None:
    """A slip would charge every offer alike."""
    file = workload("resources: {accelerators: L4:1}\nprefer: {infra: aws/eu-west-11, penalty: $5}\n")
    done = skybroker("plan", file)
    assert done.code == 1
    assert (
        done.err == f"error: {file}: prefer: the catalog knows no region aws/eu-west-11: did you mean aws/eu-west-1?\n"
    )


def test_a_graph_that_is_too_large_is_refused_at_once(skybroker: Run, workload: Write) -> None:
    """One line that says how many tasks can be placed together."""
    text = "\n---\n".join(["name: many", *(f"name: task-{number}\nrun: x" for number in range(2_001))])
    done = skybroker("plan", workload(text))
    assert done.code == 1
    assert "2,001 tasks: up to 2,000" in done.err


def test_a_long_chain_of_like_tasks_is_placed(skybroker: Run, workload: Write) -> None:
    """Tasks that ask for the same share their candidates; the time limit is kept."""
    text = "\n---\n".join(["name: long", *(f"name: task-{number}\nresources: {{cpus: 4+}}" for number in range(100))])
    plan = json.loads(skybroker("plan", workload(text), "--time-limit", "60", "--output", "json").out)
    assert len(plan["best"]["placements"]) == 100
    assert plan["proof"]["status"] == "optimal"


def test_capacity_that_was_observed_is_shown_and_kept_to(
    skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workload: Write
) -> None:
    """Levels go by a word; what had none is left out and counted, and where nothing else is left the answer says so."""
    catalog = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    levels = {"none": 0.0, "low": 0.3, "medium": 2 / 3, "high": 0.7, "yes": None, "?": None}
    sold = [
        offer(instance_type=f"m-{word}", price_usd_h=1 + number, available=None if word == "?" else True)
        for number, word in enumerate(levels)
    ]
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    looks = [
        row(OBSERVATIONS, instance_type=f"m-{word}", level=level, expires_at=in_an_hour)
        for word, level in levels.items()
        if level is not None
    ]
    hardware = [machine(instance_type=f"m-{word}") for word in levels]
    frames = {"offers": offers(*sold), "instance_types": frame(INSTANCE_TYPES, *hardware)}
    published(catalog, frames, observations=frame(OBSERVATIONS, *looks))
    asked = workload("name: any\nresources: {cpus: 2+, memory: 8+}\nestimate: 1h\n")
    done = skybroker("plan", asked)
    title, _, *rows = done.out.splitlines()[2:]
    assert [line[title.index("GET") :].split()[0] for line in rows[:5]] == ["low", "medium", "high", "yes", "?"]
    assert "1 no capacity when last looked" in done.out
    only = workload("name: one\nresources: {instance_type: m-none}\nestimate: 1h\n")
    refused = skybroker("plan", only)
    assert (refused.code, "none when last looked, and waiting may help" in refused.err) == (3, True)
