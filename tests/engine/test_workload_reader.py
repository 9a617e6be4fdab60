"""YAML text -> Workload, or every problem with its line."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from engine.workload import Edge, Estimate, JobGroup, Objective, Residency, Workload
from engine.workload_errors import WorkloadError
from engine.workload_reader import read_workload
from engine.workload_schema import (
    GROUP_FIELDS,
    WrittenCarbon,
    WrittenChance,
    WrittenDocument,
    WrittenEstimate,
    WrittenPreference,
    WrittenResidency,
    WrittenResources,
    WrittenTask,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
DOCUMENTED = (
    WrittenCarbon,
    WrittenChance,
    WrittenDocument,
    WrittenEstimate,
    WrittenPreference,
    WrittenResidency,
    WrittenResources,
    WrittenTask,
)
"""The parts of the form that are ours in whole or in part."""


def test_one_task() -> None:
    """One document is one task, and the workload has its name."""
    text = """
name: finetune
num_nodes: 2
resources:
  accelerators: {H100: 8, A100-80GB: 8}
estimate:
  hours: {H100:8: 6, A100-80GB:8: 13h}
inputs: {s3://in: 100 GB}
outputs: {s3://out: 5}
envs: {MODEL: llama, STEPS: 100, RATE: 0.5, DEBUG: true, TOKEN: null}
setup: make
run: python train.py
deadline: 24h
budget: $500
objective: time
residency: {allow: [EU, US], deny: aws}
"""
    workload = read_workload(text, file="dir/some file.yaml")
    (task,) = workload.tasks
    assert (workload.name, task.name, task.num_nodes) == ("finetune", "finetune", 2)
    assert [str(requirement.accelerator) for requirement in task.requirements] == ["H100:8", "A100-80GB:8"]
    assert not task.ordered
    assert task.estimate == Estimate(hours={"H100:8": 6.0, "A100-80GB:8": 13.0})
    assert (task.inputs, task.outputs) == ({"s3://in": 100.0}, {"s3://out": 5.0})
    assert task.envs == {"MODEL": "llama", "STEPS": "100", "RATE": "0.5", "DEBUG": "True", "TOKEN": None}
    assert (task.setup, task.run) == ("make", "python train.py")
    assert (workload.deadline_hours, workload.deadline_at, workload.budget_usd) == (24.0, None, 500.0)
    assert workload.objective is Objective.TIME
    assert workload.residency == Residency(allow=("EU", "US"), deny=("aws",))
    assert workload.digest == hashlib.sha256(text.encode()).hexdigest()
    assert workload.edges == ()
    assert workload.assumptions == ()


def test_defaults() -> None:
    """The smallest file: what is not said has its default, and the file gives its name."""
    workload = read_workload("run: echo", file="dir/some file.yaml")
    (task,) = workload.tasks
    assert (workload.name, task.name, task.num_nodes, task.estimate) == ("some-file", "some-file", 1, None)
    assert workload.objective is Objective.COST
    assert (workload.budget_usd, workload.residency, workload.group) == (None, None, None)
    assert read_workload("run: echo").name == "workload"
    assert read_workload("run: echo", file="....").name == "workload"


def test_null_fields_are_unset() -> None:
    """A file with every field left empty is the smallest one."""
    empty = "\n".join(f"{name}:" for name in WrittenDocument.model_fields.keys() - GROUP_FIELDS - {"tasks"})
    assert read_workload(empty).tasks == read_workload("name: workload").tasks


def test_documents_are_a_chain() -> None:
    """Each document waits for the one before; what one puts out moves to the next, and silence is said aloud."""
    text = """
name: pipeline
budget: 100
---
name: a
outputs: {s3://x: 30 GB, s3://y: 500 MB}
---
# nothing here
---
run: b
---
name: c
"""
    workload = read_workload(text)
    assert workload.name == "pipeline"
    assert workload.budget_usd == 100.0
    assert [task.name for task in workload.tasks] == ["a", "pipeline-1", "c"]
    assert workload.edges == (Edge("a", "pipeline-1", 30.5), Edge("pipeline-1", "c", 0.0))
    assert workload.assumptions == (
        "the documents of the file are a chain: each task waits for the one before it",
        "no data moves from pipeline-1 to c: neither `outputs` nor `depends_on` says how much",
    )


def test_chain_without_a_head() -> None:
    """The first document may be a task too; what concerns all tasks stands in it."""
    workload = read_workload("name: a\nrun: x\nobjective: time\n---\nname: b\nrun: y", file="two.yaml")
    assert workload.name == "two"
    assert workload.objective is Objective.TIME
    assert [task.name for task in workload.tasks] == ["a", "b"]


def test_parallel_documents_are_a_group() -> None:
    """`execution: parallel` makes the documents run at once, with no edge between them."""
    text = """
name: rl
execution: parallel
primary_tasks: [trainer]
termination_delay: 10s
---
name: trainer
---
name: server
"""
    workload = read_workload(text)
    assert workload.edges == ()
    assert workload.group == JobGroup(primary_tasks=("trainer",), termination_delay="10s")
    assert workload.assumptions == ("the tasks run at the same time, and no data moves between them",)


def test_serial_head() -> None:
    """`execution: serial` is a chain said aloud."""
    assert len(read_workload("name: p\nexecution: serial\n---\nname: a\n---\nname: b").edges) == 1


def test_graph_of_tasks() -> None:
    """`tasks` and `depends_on` describe any graph; the tasks come out in an order that respects it."""
    text = """
name: sweep
deadline: 2d
tasks:
  compare:
    depends_on: {one: {data: 3 GB}, two: null}
  one:
    depends_on: split
  two:
    depends_on: [{split: 40 GB}]
    outputs: {s3://x: 7}
  split:
    run: echo
"""
    workload = read_workload(text)
    assert workload.name == "sweep"
    assert workload.deadline_hours == 48.0
    assert [task.name for task in workload.tasks] == ["split", "one", "two", "compare"]
    assert set(workload.edges) == {
        Edge("one", "compare", 3.0),
        Edge("two", "compare", 7.0),
        Edge("split", "one", 0.0),
        Edge("split", "two", 40.0),
    }
    assert workload.assumptions == (
        "no data moves from split to one: neither `outputs` nor `depends_on` says how much",
    )


def test_graph_as_a_list() -> None:
    """The tasks may be a list with names, and a head may stand before them."""
    text = "name: p\nbudget: 5\n---\ntasks:\n- name: a\n- {name: b, depends_on: [a]}\n- name: 3"
    workload = read_workload(text)
    assert workload.name == "p"
    assert [task.name for task in workload.tasks] == ["a", "3", "b"]


@pytest.mark.parametrize(
    ("text", "estimate"),
    [
        ("3h", Estimate(hours=3.0)),
        ("90m", Estimate(hours=1.5)),
        ("{hours: 2}", Estimate(hours=2.0)),
        ("{hours: {tpu-v6e-8: 1d, h100: 2, cpu: 4d}}", Estimate(hours={"TPU-v6e:8": 24.0, "H100": 2.0, "cpu": 96.0})),
        (
            "{work: 1e6, throughput: {H100: 10, A100:8: 30}}",
            Estimate(work=1e6, throughput={"H100": 10.0, "A100:8": 30.0}),
        ),
        ("", None),
    ],
)
def test_estimates(text: str, estimate: Estimate | None) -> None:
    """Hours for everything, hours by hardware, or work and throughput."""
    assert read_workload(f"run: x\nestimate: {text}").tasks[0].estimate == estimate


def test_deadline_at_an_instant() -> None:
    """An instant keeps its zone; without one it is UTC, and that is said."""
    workload = read_workload("run: x\ndeadline: 2026-12-01T18:00+01:00")
    assert workload.deadline_hours is None
    assert workload.hours_left(datetime(2026, 12, 1, 12, tzinfo=UTC)) == 5.0
    assert workload.assumptions == ()
    workload = read_workload("run: x\ndeadline: 2026-12-01 18:00")
    assert workload.deadline_at == datetime(2026, 12, 1, 18, tzinfo=UTC)
    assert workload.assumptions == ("the deadline names no time zone: it is taken as 2026-12-01 18:00 UTC",)


def test_deadline_on_a_day() -> None:
    """A day is its end in UTC, and that is said."""
    workload = read_workload("run: x\ndeadline: 2026-12-01")
    assert workload.deadline_at == datetime(2026, 12, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert workload.assumptions == ("the deadline names no time zone: it is taken as 2026-12-01 23:59 UTC",)


def test_urls_of_data_hold_no_secret() -> None:
    """What may be secret in a URL is gone from the workload; URLs that are equal then are added up."""
    text = """
inputs:
  https://u:hunter2@host/x: 5
  s3://bucket/x?X-Amz-Signature=hunter2: 1
  s3://bucket/x?X-Amz-Signature=hunter3: 2 GB
  s3://bucket/y: 4
outputs: {gs://out/z#hunter2: 3}
"""
    (task,) = read_workload(text).tasks
    assert task.inputs == {"https://host/x": 5.0, "s3://bucket/x": 3.0, "s3://bucket/y": 4.0}
    assert task.outputs == {"gs://out/z": 3.0}


@pytest.mark.parametrize(
    ("accelerators", "estimate", "assumptions"),
    [
        ("{H100: 8, A100-80GB: 8}", "{hours: {H100:8: 6, A100: 13}}", ["A100 (did you mean A100-80GB?)"]),
        ("{H100: 8, A100-80GB: 8}", "{hours: {H100:8: 6, A100:8: 13}}", ["A100:8 (did you mean A100-80GB:8?)"]),
        ("H100:4", "{work: 9, throughput: {H100:8: 6, cpu: 1}}", ["H100:8 (did you mean H100:4?)", "cpu"]),
        ("{H100: 8, A100: 8}", "{hours: {H100:8: 6, A100: 13, L4: 99}}", ["L4"]),
        ("tpu-v6e-8", "{hours: {tpu-v6e-8: 6, TPU-v6e: 7}}", []),
        ("H100:8", "3h", []),
        ("", "{hours: {H100: 3, L4: 5}}", []),
    ],
)
def test_estimates_that_nothing_asks_for(accelerators: str, estimate: str, assumptions: list[str]) -> None:
    """They are named, with what they may have been meant for, where all alternatives name their accelerator."""
    text = f"name: w\nresources: {{accelerators: {accelerators}}}\nestimate: {estimate}"
    sentences = [
        f"w: the estimate for {key} is not used: nothing asks for it{' ' if hint else ''}{hint}"
        for key, _, hint in (each.partition(" ") for each in assumptions)
    ]
    assert list(read_workload(text).assumptions) == sentences


def test_residency_of_nothing() -> None:
    """A residency without entries limits nothing."""
    assert read_workload("run: x\nresidency: {deny: []}").residency is None
    assert read_workload("run: x\nresidency: {deny: [US]}").residency == Residency(deny=("US",))


def test_carried_fields() -> None:
    """What only the executor uses comes through as it is written."""
    text = """
workdir: {url: https://example.org/r.git, ref: main}
file_mounts:
  /data: s3://bucket
  /code: {name: b, store: gcs, mode: MOUNT}
volumes: {/mnt: v}
volume_mounts: [{path: /x}]
config: {kubernetes: {provision_timeout: 600}}
event_callback: notify
api_server_access: false
managed_secrets: [A]
service:
  readiness_probe: {path: /health, initial_delay_seconds: 600}
  replica_policy: {min_replicas: 1, max_replicas: 3, target_qps_per_replica: 2.5}
run: serve
"""
    workload = read_workload(text)
    (task,) = workload.tasks
    assert workload.assumptions == ("workload is a service: one replica of it is placed",)
    assert task.workdir == {"url": "https://example.org/r.git", "ref": "main"}
    assert task.file_mounts == {"/data": "s3://bucket", "/code": {"name": "b", "store": "gcs", "mode": "MOUNT"}}
    assert task.volumes == {"/mnt": "v"}
    assert task.config == {"kubernetes": {"provision_timeout": 600}}
    assert task.service == {
        "readiness_probe": {"path": "/health", "initial_delay_seconds": 600},
        "replica_policy": {"min_replicas": 1, "max_replicas": 3, "target_qps_per_replica": 2.5},
    }
    assert task.carried == {
        "volume_mounts": [{"path": "/x"}],
        "event_callback": "notify",
        "api_server_access": False,
        "managed_secrets": ["A"],
    }
    pool = read_workload("name: p\npool: {workers: 3}")
    assert pool.tasks[0].pool == {"workers": 3}
    assert pool.assumptions == ("p is a pool: one worker of it is placed",)


def test_anchors_share_resources() -> None:
    """YAML's own anchors and merges work, so that equal parts are written once."""
    text = """
tasks:
  a:
    resources: &big {accelerators: H100:8, use_spot: true}
  b:
    resources: {<<: *big, use_spot: false}
"""
    first, second = (task.requirements[0] for task in read_workload(text).tasks)
    assert first.accelerator == second.accelerator
    assert first.purchases != second.purchases


def test_secrets_show_nowhere() -> None:
    """A secret's value is in the workload for the executor, and in no text that is made of it."""
    text = "run: x\nsecrets: {TOKEN: hunter2, LATER: null, 'secrets:MANAGED': null}"
    workload = read_workload(text)
    secrets = workload.tasks[0].secrets
    assert set(secrets) == {"TOKEN", "LATER", "MANAGED"}
    assert secrets["TOKEN"] == SecretStr("hunter2")
    assert secrets["LATER"] is secrets["MANAGED"] is None
    for shown in (repr(workload), str(workload.tasks[0]), repr(secrets), repr(asdict(workload))):
        assert "hunter2" not in shown
    assert set(read_workload("secrets: ['secrets:A']").tasks[0].secrets) == {"A"}


def test_values_can_be_copied_and_kept() -> None:
    """A workload survives copying and pickling, as the tests of its users need."""
    workload = read_workload((EXAMPLES[0]).read_text())
    assert copy.deepcopy(workload) == workload
    assert pickle.loads(pickle.dumps(workload)) == workload


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_read(path: Path) -> None:
    """The examples read, with an estimate for every task that they ask for."""
    workload = read_workload(path.read_text(), file=str(path))
    for task in workload.tasks:
        assert task.run
        assert task.estimate is not None
        for requirement in task.requirements:
            accelerator = requirement.accelerator
            name, count = (accelerator.name, accelerator.count) if accelerator else (None, None)
            assert task.estimate.hours_on(name, count, task.num_nodes) is not None


def test_the_documentation_reads() -> None:
    """What the documentation shows can be written."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "workload.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        assert read_workload(block).tasks


def test_the_documentation_is_complete() -> None:
    """Every field of a task, of its resources and estimate, and of a workload is in the documentation."""
    text = (ROOT / "docs" / "workload.md").read_text()
    fields = {name for part in DOCUMENTED for name in part.model_fields}
    known_to_groups_only = {"primary_tasks", "termination_delay", "inter_connection"}
    assert {
        name for name in fields - known_to_groups_only if f"`{name}`" not in text and f"`{name}:" not in text
    } == set()


def test_examples_show_every_shape() -> None:
    """There are at least six examples, with one task, a chain and a graph among them."""
    workloads = [read_workload(path.read_text(), file=str(path)) for path in EXAMPLES]
    assert len(workloads) >= 6
    assert {(len(workload.tasks) > 1, bool(workload.assumptions)) for workload in workloads} == {
        (False, False),
        (True, False),
        (True, True),
    }


def test_sample_tasks_read(shared: Path) -> None:
    """Every public SkyPilot task reads, and asks for what its own text says."""
    workloads: dict[str, Workload] = {}
    for path in sorted((shared / "data/skypilot-tasks").glob("*.yaml")):
        workloads[path.stem] = read_workload(path.read_text(), file=path.name)
    assert len(workloads) == 77
    assert [task.name for task in workloads["examples__spot_pipeline__multi_jobs"].tasks] == [
        "train1",
        "train2",
        "eval1",
        "eval2",
    ]
    rl = workloads["llm__rl-post-training-jobgroup__rlhf-math-jobgroup"]
    assert rl.group is not None
    assert len(rl.tasks) == 5
    assert rl.edges == ()
    verl = workloads["llm__verl__multinode"].tasks[0]
    assert verl.ordered
    assert [str(each.accelerator) for each in verl.requirements] == ["A100:8", "A100-80GB:8", "H100:8"]
    images = workloads["examples__per_region_images"].tasks[0].requirements
    assert [each.region for each in images] == ["us-east-1", "us-west-2"]


_WORDS = st.sampled_from(
    [
        *(*WrittenDocument.model_fields, *WrittenResources.model_fields, *WrittenTask.model_fields),
        *"a b hours work throughput allow deny H100:8 T4 80GB+ aws/x 4+ 3h 1TB tpu-v6e-8 2026-12-01T18:00Z".split(),
        *"EU NO spot * parallel secrets:A $5 cpu <<".split(),
        *"setup checkpoint price limit capacity uninterrupted infra purchase penalty 90% kg aws".split(),
        "",
    ]
)
_SCALARS = _WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_TREES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS, lambda trees: st.lists(trees, max_size=4) | st.dictionaries(_WORDS, trees, max_size=5), max_leaves=25
)


@given(st.lists(_TREES, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_tree_is_read_or_refused(documents: list[Any]) -> None:
    """Whatever a file holds, it is read or refused with problems that stand in it, and nothing else happens."""
    text = yaml.safe_dump_all(documents)
    assert _lines_of_problems(text) <= set(range(1, text.count("\n") + 2))


@given(st.sampled_from(EXAMPLES), st.lists(st.integers(0, 9), max_size=6), _TREES)
@settings(max_examples=100, deadline=None)
def test_any_change_of_an_example_is_read_or_refused(path: Path, steps: list[int], tree: Any) -> None:
    """Nor whatever stands in place of a part of a file that is right."""
    documents = list(yaml.safe_load_all(path.read_text()))
    parent: Any = documents
    key: Any = steps[0] % len(documents) if steps else 0
    for step in steps[1:]:
        part = parent[key]
        if not isinstance(part, dict | list) or not part:
            break
        parent, key = part, list(part)[step % len(part)] if isinstance(part, dict) else step % len(part)
    parent[key] = tree
    text = yaml.safe_dump_all(documents)
    assert _lines_of_problems(text) <= set(range(1, text.count("\n") + 2))


def _lines_of_problems(text: str) -> set[int]:
    """The lines that have problems, none where the text is read; no problem is told in a validator's own words."""
    try:
        read_workload(text)
    except WorkloadError as error:
        problems = error.problems
    else:
        return set()
    assert not [each for each in problems if re.search("Input should|Value error|pydantic", each.message)]
    return {problem.line for problem in problems}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nor does any text do anything else."""
    with suppress(WorkloadError):
        assert read_workload(text).tasks
