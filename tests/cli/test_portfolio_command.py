"""`portfolio`: several workloads, what they share, and what goes wrong, from files to the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from engine.plan import read_plan
from tests.kits.program import EXAMPLES, Run

TRAIN = """
name: train
resources: {accelerators: "H100:8", purchase: [on_demand, owned]}
estimate: 20h
"""
INFER = """
name: infer
num_nodes: 4
spread: 4
resources: {accelerators: {H100: 8, L4: 1}, purchase: [on_demand, spot, owned]}
estimate: {work: 1e6, throughput: {H100: 8, L4: 5}}
"""
PRICES = """
commitments:
  - {cloud: aws, region: us-east-1, instance_type: p5.48xlarge, quantity: 1}
quotas:
  - {name: spot L4, cloud: aws, accelerator: L4, purchase: spot, machines: 2}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A training and an inference workload, and what the user holds and may use."""
    prices, train, infer = (tmp_path / name for name in ("prices.yaml", "train.yaml", "infer.yaml"))
    for file, text in ((prices, PRICES), (train, TRAIN), (infer, INFER)):
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("SKYBROKER_PRICES", str(prices))
    return [train, infer]


def test_the_table_says_where_each_goes_and_what_they_take_of_what_they_share(
    skybroker: Run, files: list[Path]
) -> None:
    """The held machine goes to training and spot up to the quota to inference; groups in one place are one entry."""
    done = skybroker("portfolio", *files)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("2 workloads: $")
    train, infer = (next(line for line in lines if line.startswith(name)) for name in ("train", "infer"))
    assert "1 x p5.48xlarge aws/us-east-1 owned" in train
    assert "2 x g6.xlarge" in infer
    assert "spot" in infer
    shared = [line.split() for line in lines[lines.index("") :] if line.startswith(("quota", "p5"))]
    assert [row[-2:] for row in shared] == [["2", "2"], ["1", "1"]]
    assert any("at the same time" in line for line in lines)


def test_alone_the_workload_that_stands_back_takes_the_machine_that_is_held(skybroker: Run, files: list[Path]) -> None:
    """What the portfolio is for."""
    alone = json.loads(skybroker("portfolio", files[1], "--output", "json").out)
    assert "owned" in {placement["purchase"] for placement in alone["plans"][0]["best"]["placements"]}
    together = json.loads(skybroker("portfolio", *files, "--output", "json").out)
    assert "owned" not in {placement["purchase"] for placement in together["plans"][1]["best"]["placements"]}


def test_json_and_yaml_hold_plans_that_are_read_back(skybroker: Run, files: list[Path]) -> None:
    """Each as a plan file of its own; the figures of all stand beside them and add up."""
    done = skybroker("portfolio", *files, "--budget", "2000", "--output", "json")
    data = json.loads(done.out)
    plans = [read_plan(json.dumps(plan), file="plan.json") for plan in data["plans"]]
    assert [plan.workload.name for plan in plans] == ["train", "infer"]
    assert [plan.workload.file for plan in plans] == [str(file) for file in files]
    assert data["cost_usd"] == pytest.approx(sum(plan.best.cost_usd for plan in plans))
    assert (data["schema_version"], data["budget_usd"], data["proof"]["status"]) == (1, 2000.0, "optimal")
    as_yaml = yaml.safe_load(skybroker("portfolio", *files, "--budget", "2000", "--output", "yaml").out)
    assert as_yaml["cost_usd"] == data["cost_usd"]
    assert as_yaml["shared"] == data["shared"]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["train.yaml", "train.yaml"], 64, "named twice"),
        (["-", "-"], 64, "named twice"),
        (["trian.yaml", "infer.yaml"], 1, "did you mean train.yaml?"),
        ([], 64, "Missing argument"),
        (["train.yaml", "infer.yaml", "--budget", "much"], 64, "--budget"),
        (["train.yaml", "infer.yaml", "--budget", "-3"], 64, "--budget"),
        (["train.yaml", "infer.yaml", "--budget", "0.01"], 3, "would: budget of $0.01 for all"),
        (["train.yaml", "fast.yaml"], 1, "fast.yaml: beside others a workload is planned for least cost"),
        (["train.yaml", "busy.yaml"], 1, "busy.yaml: beside others a workload is planned for least cost"),
        (["train.yaml", "none.yaml"], 3, "none.yaml: none: no offer has 3 x H100"),
        (["train.yaml", "late.yaml"], 3, "late.yaml: deadline 0.5 h: no plan takes less than"),
        (["train.yaml", "past.yaml"], 3, "past.yaml: the deadline passed"),
        (["train.yaml", "broken.yaml"], 1, "broken.yaml:"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    skybroker: Run, files: list[Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, expected: str
) -> None:
    """With the file it is about and an exit code of its kind, and nothing on stdout."""
    folder = files[0].parent
    monkeypatch.chdir(folder)
    others = {
        "fast": TRAIN + "objective: time\n",
        "busy": TRAIN + "value_of_time: 5\n",
        "none": "name: none\nresources: {accelerators: H100:3}\n",
        "late": TRAIN + "deadline: 30m\n",
        "past": TRAIN + "deadline: 2020-01-01\n",
        "broken": "resources: {accelerator: H100}\n",
    }
    for name, text in others.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = skybroker("portfolio", *arguments)
    assert done.code == code, done.err
    assert expected in done.err
    assert "bug" not in done.err
    assert done.out == ""


def test_one_workload_costs_what_it_costs_by_itself(skybroker: Run) -> None:
    """A portfolio of one is a plan."""
    file = EXAMPLES / "pipeline_chain.yaml"
    alone = json.loads(skybroker("plan", file, "--output", "json").out)
    together = json.loads(skybroker("portfolio", file, "--output", "json").out)
    assert together["cost_usd"] == pytest.approx(alone["best"]["cost_usd"])


def test_the_examples_are_planned_together(skybroker: Run) -> None:
    """All that are planned for least cost: nothing is shared, so they cost what they cost by themselves."""
    files = sorted(EXAMPLES.glob("*.yaml"))
    planned = {file: json.loads(skybroker("plan", file, "--output", "json").out) for file in files}
    least_cost = [
        file
        for file, plan in planned.items()
        if plan["objective"] == "cost" and not plan["charges"]["value_of_time_usd_h"]
    ]
    assert len(least_cost) > 3
    done = skybroker("portfolio", *least_cost, "--output", "json")
    assert done.code == 0, done.err
    alone = sum(planned[file]["best"]["cost_usd"] for file in least_cost)
    assert json.loads(done.out)["cost_usd"] == pytest.approx(alone)


def test_200_workloads_are_a_table_of_200_rows_and_a_few_notes(skybroker: Run, tmp_path: Path) -> None:
    """As a shell hands over a folder; what was assumed of many is said once."""
    for number in range(200):
        (tmp_path / f"job{number:03}.yaml").write_text(
            f"name: job{number:03}\nresources: {{accelerators: L4:1}}\nestimate: {number % 5 + 1}h\n", encoding="utf-8"
        )
    done = skybroker("portfolio", *sorted(tmp_path.glob("*.yaml")))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("200 workloads: $")
    assert sum(line.startswith("job") for line in lines) == 200
    assert len(lines) < 200 + 25


def test_workloads_may_have_the_same_name(skybroker: Run, files: list[Path]) -> None:
    """They stand in different files; one of them may come from stdin."""
    copy = files[0].with_name("copy.yaml")
    copy.write_text(TRAIN, encoding="utf-8")
    done = skybroker("portfolio", files[0], copy, "--output", "json")
    assert done.code == 0, done.err
    purchases = [plan["best"]["placements"][0]["purchase"] for plan in json.loads(done.out)["plans"]]
    assert sorted(purchases) == ["on_demand", "owned"]


def test_the_table_is_the_same_in_a_pipe(process: Run, files: list[Path]) -> None:
    """Whole lines and no colours, with one of the workloads from stdin."""
    done = process(["portfolio", files[1], "-"], stdin=TRAIN, SKYBROKER_PRICES=str(files[0].with_name("prices.yaml")))
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert "train" in done.out


def test_groups_in_one_place_are_one_row_of_a_plan(skybroker: Run, files: list[Path]) -> None:
    """With their nodes and their money together, and the data that they hand on."""
    text = """
name: graph
tasks:
  prepare: {num_nodes: 3, spread: 3, resources: {cpus: 8+}, estimate: 1h}
  train:
    depends_on: {prepare: {data: 30 GB}}
    resources: {accelerators: "L4:1"}
    estimate: 2h
"""
    file = files[0].with_name("graph.yaml")
    file.write_text(text, encoding="utf-8")
    done = skybroker("plan", file)
    rows = [line.split() for line in done.out.splitlines() if line.startswith("prepare")]
    assert [row[0] for row in rows] == ["prepare#1-3"]
    assert rows[0][3] == "3"
    placements = json.loads(skybroker("plan", file, "--output", "json").out)["best"]["placements"]
    assert [each["task"] for each in placements] == ["prepare#1", "prepare#2", "prepare#3", "train"]
    total = sum(each["cost_usd"] for each in placements[:3])
    assert float(rows[0][-1].lstrip("~")) == pytest.approx(total, abs=0.005)
