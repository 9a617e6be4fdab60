"""The file of private prices: what it may say, and one line for each mistake in it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog_data.overlay import Commitment, Discount, FixedPrice, PrivatePrices, UsedEgress
from catalog_data.overlay_reader import NOT_OWNED, PrivatePricesError, read_private_prices
from catalog_data.schema import Purchase
from catalog_data.scopes import Quota, Scope, Unit
from engine.quantities import parse_data_gb

ROOT = Path(__file__).resolve().parents[2]
SAID = datetime(2026, 9, 20, tzinfo=UTC)


def read(text: str) -> PrivatePrices:
    """What a text says."""
    return read_private_prices(text, file="prices.yaml", as_of=SAID)


def mistakes(text: str) -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(PrivatePricesError) as refused:
        read(text)
    return str(refused.value).splitlines()


def test_the_example_in_the_documentation_is_read() -> None:
    """Word for word, into the values that it describes."""
    page = (ROOT / "docs" / "private-prices.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read(example) == PrivatePrices(
        as_of=SAID,
        discounts=(
            Discount(Scope("aws"), 9.0),
            Discount(Scope("aws", "us-*", "p5*.*", purchases=(Purchase.ON_DEMAND, Purchase.RESERVED_1Y)), 22.5),
        ),
        prices=(FixedPrice(Scope("gcp", "us-central1", "a3-highgpu-8g", purchases=(Purchase.ON_DEMAND,)), 61.5),),
        commitments=(
            Commitment("gcp", "us-central1", "us-central1-a", "a2-highgpu-8g", 4, 0.0),
            Commitment("lambda", "us-east-1", None, "gpu_8x_h100_sxm5", 2, 3.5),
        ),
        quotas=(
            Quota(
                Scope("aws", "us-east-1", accelerator="H100", purchases=(Purchase.SPOT,)),
                Unit.ACCELERATORS,
                16,
                "aws H100 spot in us-east-1: 16 accelerators",
            ),
            Quota(
                Scope("azure", instance_type="Standard_ND*", purchases=NOT_OWNED), Unit.MACHINES, 0, "no InfiniBand yet"
            ),
        ),
        egress=(UsedEgress("aws", 50_000.0), UsedEgress("gcp", 800.0, "europe-*")),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "discounts:\nquotas: []\n"])
def test_a_file_may_say_nothing(text: str) -> None:
    """An empty one, and one whose entries are commented out."""
    assert read(text) == PrivatePrices(SAID)


def test_names_are_read_as_in_a_workload() -> None:
    """Other spellings of clouds and accelerators."""
    (quota,) = read("quotas:\n- {cloud: GCP, accelerator: nvidia-tesla-t4, vcpus: 8}\n").quotas
    assert (quota.scope.cloud, quota.scope.accelerator) == ("gcp", "T4")


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("{cloud: aws, region: us-*, instance_type: p5.*, accelerators: 64}", "aws p5.* in us-*: 64 accelerators"),
        ("{cloud: gcp, vcpus: 2400}", "gcp: 2,400 vCPUs"),
        (
            "{cloud: aws, accelerator: h100, purchase: [on_demand, spot], machines: 1}",
            "aws H100 on_demand or spot: 1 machine",
        ),
        ("{cloud: aws, name: case 1234, machines: 1}", "case 1234"),
    ],
)
def test_a_quota_has_a_name(entry: str, name: str) -> None:
    """Its own, or one that says what it speaks of."""
    assert [quota.name for quota in read(f"quotas:\n- {entry}\n").quotas] == [name]


@pytest.mark.parametrize(
    ("used", "gb"),
    [
        ("50", 50.0),
        ("50.5", 50.5),
        ("0", 0.0),
        ("50 GB", 50.0),
        ("500mb", 0.5),
        (".5TB", 500.0),
        ("1 TiB", 1099.511627776),
        ("2P", 2e6),
    ],
)
def test_a_volume_is_read_as_in_a_workload(used: str, gb: float) -> None:
    """In GB, or with a unit; the units of 1,024 are larger."""
    (entry,) = read(f"egress:\n- {{cloud: aws, used: {used}}}\n").egress
    assert entry.used_gb == pytest.approx(gb)
    assert parse_data_gb(used) == pytest.approx(gb)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("discounts:\n- {cloud: awz, percent: 5}", "2: discounts[0].cloud: unknown cloud awz: did you mean aws?"),
        ("discounts:\n- cloud: aws\n  percent: 100", "3: discounts[0].percent: should be less than 100"),
        ("discounts:\n- cloud: aws\n  percent: .nan", "3: discounts[0].percent: should be a finite number"),
        ("discounts:\n- cloud: aws\n  percent: '9'", "3: discounts[0].percent: should be a valid number"),
        ("discounts:\n- cloud: aws", "2: discounts[0].percent: is missing"),
        ("discounts:\n- percent: 5", "2: discounts[0].cloud: is missing"),
        (
            "discounts:\n- {cloud: aws, percnt: 5, percent: 5}",
            "2: discounts[0].percnt: no such field: did you mean percent?",
        ),
        ("\ndiscount: []", "2: discount: no such field: did you mean discounts?"),
        ("discounts: 5", "1: discounts: should be a valid list"),
        ("discounts: [9]", "1: discounts[0]: should be a mapping of fields"),
        ("- cloud: aws", "1: should be a mapping of fields"),
        (
            "discounts:\n- {cloud: aws, percent: 5, purchase: [spot, bought]}",
            f"2: discounts[0].purchase: no such way to buy: there are {', '.join(Purchase)}",
        ),
        (
            "prices:\n- {cloud: aws, instance_type: p5.*, price_usd_h: 3}",
            "2: prices[0].instance_type: a pattern will not do here: name one",
        ),
        (
            "prices:\n- {cloud: aws, instance_type: p5, price_usd_h: 0}",
            "2: prices[0].price_usd_h: should be greater than 0",
        ),
        (
            "commitments:\n- {cloud: aws, region: r, instance_type: p5, quantity: 1.5}",
            "2: commitments[0].quantity: should be a valid integer",
        ),
        (
            "commitments:\n- {cloud: aws, region: r, instance_type: p5, quantity: yes}",
            "2: commitments[0].quantity: should be a valid integer",
        ),
        ("quotas:\n- {cloud: aws}", "2: quotas[0]: say one of machines, accelerators, vcpus"),
        ("quotas:\n- {cloud: aws, machines: 1, vcpus: 4}", "2: quotas[0]: say one of machines, accelerators, vcpus"),
        (
            "quotas:\n- {cloud: aws, accelerator: H101, machines: 1}",
            "2: quotas[0].accelerator: unknown accelerator H101: did you mean H100?",
        ),
        (
            "quotas:\n- {cloud: aws, name: '', machines: 1}",
            "2: quotas[0].name: String should have at least 1 character",
        ),
        ('quotas:\n- {cloud: aws, name: "a\\nb", machines: 1}', "2: quotas[0].name: should be one line of text"),
        (
            "quotas:\n- {cloud: aws, name: a, machines: 1}\n- {cloud: gcp, name: a, machines: 1}",
            "3: quotas[1]: the same name, or all the same, as an earlier entry",
        ),
        ("egress:\n- {cloud: aws}", "2: egress[0].used: is missing"),
        ("egress:\n- {cloud: aws, used: -1}", "2: egress[0].used: should be greater than or equal to 0"),
        ("egress:\n- {cloud: aws, used: .inf}", "2: egress[0].used: should be a finite number"),
        ("egress:\n- {cloud: aws, used: yes}", "2: egress[0].used: should be a valid number"),
        *(
            (
                f"egress:\n- {{cloud: aws, used: {used}}}",
                "2: egress[0].used: no amount of data: write a number of GB, or one with a unit: 50, 500MB, 1.5TB",
            )
            for used in ("much", "50 EB", "-5 TB", "5 T B")
        ),
        ("discounts:\n- {cloud: aws\n", "3: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("discounts: !secret x", "1: not YAML: could not determine a constructor for the tag '!secret'"),
        ("discounts: \x07", "1: not YAML: unacceptable character #x0007: special characters are not allowed"),
        ("discounts: []\nquotas: []\ndiscounts: []", "3: discounts: stands here a second time"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: str) -> None:
    """The line, the field, what is wrong, and what may have been meant."""
    assert mistakes(text) == [f"prices.yaml:{line}"]


def test_every_mistake_is_told_in_the_order_of_the_file() -> None:
    """So that one look mends all; figures are not repeated."""
    text = """
quotas:
- cloud: aws
  machines: -1
discounts:
- cloud: aws
  percent: 123.25
  percent: 200
"""
    assert mistakes(text) == [
        "prices.yaml:4: quotas[0].machines: should be greater than or equal to 0",
        "prices.yaml:8: discounts[0].percent: should be less than 100",
        "prices.yaml:8: discounts[0].percent: stands here a second time",
    ]


def test_the_same_machines_are_committed_once() -> None:
    """A second entry for them is a slip: which of the two numbers holds cannot be known."""
    entry = "- {cloud: aws, region: r, instance_type: p5, quantity: 1}\n"
    assert mistakes(f"commitments:\n{entry}{entry}") == [
        "prices.yaml:3: commitments[1]: the same machines as an earlier entry"
    ]


def test_aliases_that_lead_in_circles_come_to_an_end() -> None:
    """A list that holds itself is refused like any other wrong value."""
    assert mistakes("discounts: &a [*a]") == ["prices.yaml:1: discounts[0]: should be a mapping of fields"]


def test_who_has_no_such_file_does_not_pay_for_its_reader() -> None:
    """The overlay loads neither YAML nor pydantic."""
    check = "import sys, catalog_data.overlay; print(sorted({'yaml', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
