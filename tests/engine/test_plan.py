"""The plan file: written and read back exactly, refused when it is anything else, and free of secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from catalog_data.schema import Purchase
from engine.plan import Option, Plan, PlanError, read_plan
from engine.solve import PlanRequest, make_plan
from engine.workload import AcceleratorRequest, Edge, Estimate, Objective, Requirement, Task, Workload
from tests.kits.market import NOW, flat_rates, market, observed, offer, risk

PLACES = ("aws:us-east-1", "gcp:us-central1")
OFFERS = (
    offer("aws", "us-east-1", "m5", 0.384, zone="us-east-1a"),
    offer("aws", "us-east-1", "p5", 20.5, accelerator="H100", count=8.0, purchase=Purchase.SPOT, available=None),
    offer("gcp", "us-central1", "a3", 50.0, accelerator="H100", count=8.0, confidence="low"),
)
MARKET = market(
    OFFERS,
    egress=flat_rates(0.09, PLACES),
    spot_risk=[risk("aws", "us-east-1", "p5", 0.05, 0.1)],
    observations=[observed(row, 0.7) for row in OFFERS[:2]],
)
GPU = Requirement(accelerator=AcceleratorRequest("H100", 8), purchases=tuple(Purchase))
PREP = Task("prep", requirements=(Requirement(disk_gib=50.0),), inputs={"gs://data": 3.0}, estimate=Estimate(hours=0.1))
TRAIN = Task("train", requirements=(GPU,), estimate=Estimate(hours=1 / 3))


@cache
def single() -> Plan:
    """One task, with an alternative."""
    workload = Workload("one", (TRAIN,), digest="ab" * 32, assumptions=("said so",))
    return make_plan(workload, MARKET, PlanRequest(NOW, "one.yaml"))


@cache
def chain() -> Plan:
    """Two tasks, data between them, and both limits."""
    workload = Workload("two", (PREP, TRAIN), (Edge("prep", "train", 7.0),), deadline_hours=9.0, budget_usd=100.0)
    return make_plan(workload, MARKET, PlanRequest(NOW, "two.yaml"))


PLANS = pytest.mark.parametrize("plan", [single, chain], ids=["single", "chain"])
FIGURES = st.floats(0.0, 1e100)
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])


@PLANS
def test_a_plan_reads_back_as_it_was_written(plan: Any) -> None:
    """The same value, and the same text again."""
    text = plan().to_json()
    again = read_plan(text, file="plan.json")
    assert again == plan()
    assert again.to_json() == text
    assert json.loads(text) == plan().to_data()


@settings(max_examples=60, deadline=None)
@given(FIGURES, FIGURES, st.text(PRINTABLE))
def test_figures_and_names_read_back_exactly(price: float, hours: float, name: str) -> None:
    """Every digit of every number, and any text that prints."""
    cost_usd = price * hours
    placement = replace(
        single().best.placements[0],
        price_usd_h=price,
        setup_h=0.0,
        hours=hours,
        billed_h=hours,
        start_h=0.0,
        cost_usd=cost_usd,
        input_usd=0.0,
        instance_type=name,
    )
    best = Option(placements=(placement,), transfers=(), cost_usd=cost_usd, hours=hours, charge_usd=cost_usd)
    plan = replace(single(), best=best, proof=replace(single().proof, objective=cost_usd))
    assert read_plan(plan.to_json(), file="plan.json") == plan


@PLANS
def test_a_plan_cut_short_is_refused(plan: Any) -> None:
    """At every 50th byte."""
    text = plan().to_json()
    for size in range(0, len(text) - 2, 50):
        with pytest.raises(PlanError, match=r"^plan\.json: not a plan file: ") as refused:
            read_plan(text[:size], file="plan.json")
        assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "plan.json: not a plan file: "),
        ("workload: yaml", "plan.json: not a plan file: "),
        ("[" * 100_000, "plan.json: not a plan file: "),
        ("[]", "plan.json: not a plan file: it has no schema_version"),
        ("null", "plan.json: not a plan file: it has no schema_version"),
        ('{"tasks": []}', "plan.json: not a plan file: it has no schema_version"),
        ('{"schema_version": "one"}', "plan.json: not a plan file: it has no schema_version"),
        ('{"schema_version": 3}', "plan.json: created_at: "),
    ],
)
def test_what_is_no_plan_is_refused(text: str, message: str) -> None:
    """With one line that names the file and says what is wrong, and a hint."""
    with pytest.raises(PlanError) as refused:
        read_plan(text, file="plan.json")
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("version", "hint"), [(0, "plan again"), (2, "plan again"), (4, "upgrade skybroker or plan again")]
)
def test_a_plan_of_another_version_is_refused(version: int, hint: str) -> None:
    """Older or newer, and whatever else it holds: the version is what is said."""
    data = single().to_data() | {"schema_version": version, "new_field": 1}
    with pytest.raises(PlanError) as refused:
        read_plan(json.dumps(data), file="plan.json")
    assert str(refused.value) == f"plan.json: the plan has schema version {version}, this version reads 3"
    assert refused.value.hint == hint


def parts(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every mapping inside a plan's data, with where it is."""
    if isinstance(data, dict):
        yield path, data
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from parts(value, (*path, key))


def test_a_missing_field_is_refused_wherever_it_is() -> None:
    """Each field of each part in turn; the message says which."""
    for path, part in parts(chain().to_data()):
        for name in part:
            data = chain().to_data()
            dict(parts(data))[path].pop(name)
            with pytest.raises(PlanError) as refused:
                read_plan(json.dumps(data), file="plan.json")
            assert name in str(refused.value)


def test_an_unknown_field_is_refused_wherever_it_is() -> None:
    """Whoever wrote it meant something by it."""
    for path, _ in parts(chain().to_data()):
        data = chain().to_data()
        dict(parts(data))[path]["surprise"] = 1
        with pytest.raises(PlanError, match="surprise"):
            read_plan(json.dumps(data), file="plan.json")


def test_a_value_of_another_type_is_refused_wherever_it_is() -> None:
    """A list stands for nothing in a plan, nor does a number in quotes."""
    for path, part in parts(chain().to_data()):
        for name, value in part.items():
            for wrong in [[["x"]], *([str(value)] if isinstance(value, int | float) else [])]:
                data = chain().to_data()
                dict(parts(data))[path][name] = wrong
                with pytest.raises(PlanError, match=name):
                    read_plan(json.dumps(data), file="plan.json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    """Wherever a figure stands: a plan of NaN dollars is compared with nothing."""
    text = chain().to_json()
    for field in ('"cost_usd"', '"price_usd_h"', '"bound"', '"egress_usd"', '"deadline_h"'):
        before, after = text.split(f"{field}: ", 1)
        with pytest.raises(PlanError, match=field.strip('"')):
            read_plan(f"{before}{field}: {number}{after[after.index(',') if ',' in after else 0 :]}", file="plan.json")


def test_several_plans_in_one_file_are_told_from_a_damaged_one() -> None:
    """As `plan a.yaml b.yaml --output json` prints them."""
    text = json.dumps({"schema_version": 3, "plans": [single().to_data(), chain().to_data()]})
    with pytest.raises(PlanError, match=r"^plan\.json: holds several plans$") as refused:
        read_plan(text, file="plan.json")
    assert refused.value.hint == "write one with `skybroker plan FILE -o`"


BEST = ("best",)
FIRST = ("best", "placements", 0)
LAST = ("best", "placements", 1)
NEVER_NEGATIVE = ("start_h", "setup_h", "hours", "billed_h", "input_h", "disk_usd", "carbon_kg", "interruptions")
MOVED = ("best", "transfers", 0)


@pytest.mark.parametrize(
    ("where", "changes", "fault"),
    [
        (BEST, {"placements": []}, "best: it has no placements"),
        (BEST, {"cost_usd": 1.0}, "best: the costs do not add up"),
        (BEST, {"hours": 0.1}, "best: the hours do not add up"),
        (BEST, {"charge_usd": 0.5}, "best: the charge is below the cost"),
        (FIRST, {"price_usd_h": 0.2}, "best.placements.0: the costs do not add up"),
        (FIRST, {"num_nodes": 2}, "best.placements.0: the costs do not add up"),
        (FIRST, {"input_usd": 7.0}, "best.placements.0: the costs do not add up"),
        (FIRST, {"billed_h": 1.0}, "best.placements.0: the costs do not add up"),
        (FIRST, {"disk_usd": 1.0}, "best.placements.0: the costs do not add up"),
        (FIRST, {"disk_usd": None}, "best.placements.0: the costs do not add up"),
        (LAST, {"setup_h": 1.0}, "best: the hours do not add up"),
        (LAST, {"hours": 1.0}, "best: the hours do not add up"),
        *((FIRST, {name: -1.0}, "best.placements.0: a figure is below 0") for name in NEVER_NEGATIVE),
        (
            FIRST,
            {"num_nodes": 0, "cost_usd": 0.0, "input_usd": 0.0, "disk_usd": 0.0},
            "best.placements.0: a figure is below 1",
        ),
        (FIRST, {"price_usd_h": -1.0, "hours": -1.0}, "best.placements.0: a figure is below 0"),
        (FIRST, {"capacity": 0.0}, "best.placements.0: the capacity is not above 0 and up to 1"),
        (FIRST, {"capacity": 1.5}, "best.placements.0: the capacity is not above 0 and up to 1"),
        (FIRST, {"chance": 0.0}, "best.placements.0: the chance is not above 0 and up to 1"),
        (FIRST, {"chance": 1.5}, "best.placements.0: the chance is not above 0 and up to 1"),
        (MOVED, {"egress_usd": 1.0}, "best: the costs do not add up"),
        (MOVED, {"egress_usd": -1.0}, "best.transfers.0: a figure is below 0"),
        (MOVED, {"data_gb": -1.0}, "best.transfers.0: a figure is below 0"),
        (("proof",), {"objective": 0.5}, "proof: the objective is not that of the best plan"),
    ],
)
def test_a_plan_whose_figures_contradict_each_other_is_refused(
    where: tuple[str | int, ...], changes: dict[str, Any], fault: str
) -> None:
    """Whatever was changed by hand: it no longer adds up."""
    data = chain().to_data()
    dict(parts(data))[where].update(changes)
    with pytest.raises(PlanError, match=f"^plan\\.json: {re.escape(fault)}$") as refused:
        read_plan(json.dumps(data), file="plan.json")
    assert refused.value.hint == "the file was changed by hand: plan again"


def test_the_figures_of_every_option_are_checked() -> None:
    """Of the alternatives and of the comparison as well."""
    for kind in ("alternatives", "comparison"):
        data = single().to_data()
        data[kind][0]["cost_usd"] *= 2
        with pytest.raises(PlanError, match=rf"^plan\.json: {kind}\.0: the costs do not add up$"):
            read_plan(json.dumps(data), file="plan.json")


def test_a_plan_of_least_time_is_held_against_its_hours() -> None:
    """Its objective is the makespan."""
    plan = make_plan(Workload("w", (TRAIN,), objective=Objective.TIME), MARKET, PlanRequest(NOW, "w.yaml"))
    assert read_plan(plan.to_json(), file="plan.json") == plan
    data = plan.to_data()
    data["proof"]["objective"] = plan.best.cost_usd
    with pytest.raises(PlanError, match="proof: the objective is not that of the best plan"):
        read_plan(json.dumps(data), file="plan.json")


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b", "\x00", "\x85", "\u2028"], ids=ascii)
def test_a_text_that_would_not_print_as_it_stands_is_refused(letter: str) -> None:
    """A line break or a terminal's control character, in whatever text: it would forge what is printed."""
    for path, part in parts(chain().to_data()):
        for name in (name for name, value in part.items() if name in TEXTS and value):
            data = chain().to_data()
            holder, text = dict(parts(data))[path], part[name]
            holder[name] = [*text, f"a{letter}b"] if isinstance(text, list) else text + letter
            where = re.escape(".".join(map(str, (*path, name))))
            with pytest.raises(PlanError, match=rf"^plan\.json: {where}(\.\d+)?: it holds characters that cannot"):
                read_plan(json.dumps(data), file="plan.json")


TEXTS = frozenset(
    "id source source_version name file sha256 method task cloud region zones instance_type accelerator source_task"
    " target_task reason assumptions".split()
)


def test_nothing_secret_is_in_a_plan() -> None:
    """Of the commands, the environment, the secrets and the mounts of a workload not a word is written."""
    task = replace(
        TRAIN,
        setup="echo hidden-setup",
        run="echo hidden-run",
        envs={"HIDDEN_NAME": "hidden-env"},
        secrets={"HIDDEN_TOKEN": SecretStr("hidden-secret")},
        workdir="/hidden/workdir",
        file_mounts={"/hidden/mount": "s3://hidden-bucket"},
        service={"hidden": "service"},
        config={"hidden": "config"},
        carried={"hidden": "carried"},
        requirements=(replace(GPU, image_id="hidden-image", labels={"hidden": "label"}),),
    )
    plan = make_plan(Workload("w", (task,)), MARKET, PlanRequest(NOW, "w.yaml"))
    assert "hidden" not in plan.to_json().lower()


def test_a_plan_says_whether_its_machines_were_seen() -> None:
    """True, or null where nobody has looked; what was seen not to be there is no candidate."""
    seen = {
        option.placements[0].instance_type: option.placements[0].available
        for option in (single().best, *single().alternatives)
    }
    assert seen == {"p5": None, "a3": True}


def test_a_plan_names_its_instants_in_utc() -> None:
    """With a zone, so that its age can be told anywhere."""
    data = single().to_data()
    assert data["created_at"] == "2026-10-01T12:00:00Z"
    assert data["snapshot"]["published_at"] == "2026-09-01T00:00:00Z"
    assert data["best"]["placements"][0]["price_observed_at"] == "2026-09-01T00:00:00Z"
