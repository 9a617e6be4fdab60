"""`catalog offers`, `history`, `diff` and `doctor`."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from catalog_data.refresh_state import RefreshState, SourceState, write_state
from catalog_data.schema import INSTANCE_TYPES, OFFERS
from cli.main import run
from tests.kits.program import Run
from tests.kits.rows import NOON, frame, machine, offer, offers, published


def test_rows_carry_the_columns_of_both_tables(skybroker: Run) -> None:
    """Programs find everything under the names of the schema."""
    found = json.loads(skybroker("catalog", "offers", "--accelerator", "H100", "--output", "json").out)
    row = found["offers"][0]
    assert set(OFFERS.column_names) <= set(row)
    assert {"vcpus", "memory_gib", "arch", "accelerator", "accelerator_count", "accelerator_memory_gib"} <= set(row)
    assert {"network_gbit_s", "local_ssd_gib"} <= set(INSTANCE_TYPES.column_names) & set(row)


def test_offers_are_filtered_and_sorted_by_price(skybroker: Run) -> None:
    """Every filter holds on every row, and prices ascend."""
    found = json.loads(
        skybroker(
            "catalog", "offers", "--cloud", "aws", "--cloud", "gcp", "--accelerator", "A100:8",
            "--purchase", "on_demand", "--max-price", "40", "--all", "--output", "json",
        ).out
    )  # fmt: skip
    rows = found["offers"]
    prices = [row["price_usd_h"] for row in rows]
    assert rows
    assert found["total"] == len(rows)
    assert prices == sorted(prices)
    assert max(prices) <= 40
    assert {row["cloud"] for row in rows} == {"aws", "gcp"}
    assert {(row["accelerator"], row["accelerator_count"], row["purchase"]) for row in rows} == {
        ("A100", 8.0, "on_demand")
    }


def test_without_all_the_cheapest_are_shown_and_the_rest_is_counted(skybroker: Run) -> None:
    """A table of a hundred thousand rows helps nobody."""
    done = skybroker("catalog", "offers", "--cloud", "aws")
    assert "more with --all" in done.out
    assert len(done.out.splitlines()) < 40


def test_an_instance_can_be_looked_up(skybroker: Run) -> None:
    """Zones of one price stand in one row of the table; data has a row for each."""
    found = json.loads(skybroker("catalog", "offers", "--instance", "m5.large", "--all", "--output", "json").out)
    assert {row["instance_type"] for row in found["offers"]} == {"m5.large"}
    table = skybroker(
        "catalog", "offers", "--instance", "m5.large", "--region", "us-east-1", "--purchase", "on-demand"
    ).out
    assert sum("m5.large" in line for line in table.splitlines()) == 1
    assert "us-east-1a +" in table


def test_an_old_price_is_marked(skybroker: Run) -> None:
    """As in plans, with the reason below."""
    done = skybroker("catalog", "offers", "--instance", "g6.xlarge", "--purchase", "spot")
    assert "~0." in done.out
    assert "~ marks a price" in done.out


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--cloud", "awz", "aws"),
        ("--accelerator", "H10O", "H100"),
        ("--accelerator", "H100:x", "H100:8"),
        ("--purchase", "spott", "spot"),
        ("--max-price", "-1", "max-price"),
        ("--accelerator", "H100:-1", "above 0"),
        ("--accelerator", "H100:inf", "above 0"),
        ("--region", "us-eest-1", "did you mean us-"),
        ("--instance", "m5.larg", "did you mean m5.large?"),
    ],
)
def test_a_wrong_value_is_wrong_usage(skybroker: Run, option: str, value: str, hint: str) -> None:
    """Exit code 64 and the nearest right value."""
    done = skybroker("catalog", "offers", option, value)
    assert done.code == 64
    assert hint in done.err


def test_a_tpu_slice_is_found_by_its_name(skybroker: Run) -> None:
    """v5litepod-8 is eight chips of a v5e."""
    found = json.loads(skybroker("catalog", "offers", "--accelerator", "tpu-v5litepod-8", "--output", "json").out)
    assert {(row["accelerator"], row["accelerator_count"]) for row in found["offers"]} == {("TPU-v5e", 8.0)}


def test_history_lists_snapshots_and_the_prices_of_an_offer(skybroker: Run) -> None:
    """The embedded catalog is the first snapshot."""
    snapshots = json.loads(skybroker("catalog", "history", "--output", "json").out)["snapshots"]
    assert [snapshot["note"] for snapshot in snapshots] == ["embedded catalog"]
    done = skybroker("catalog", "history", "aws", "m5.large", "us-east-1", "on_demand", "--output", "json")
    prices = json.loads(done.out)["prices"]
    assert {row["price_usd_h"] for row in prices} == {0.096}
    assert {row["known_until"] for row in prices} == {None}


def test_the_history_of_a_price_is_drawn_where_it_changed(
    skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Below its table, in blocks or in ASCII as the terminal can; one price is no history, and data has no plot."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    words = ("catalog", "history", "aws", "m5.large", "us-east-1")
    published(path, offers=offers(offer(price_usd_h=1)))
    assert "$/h" not in skybroker(*words).out.split("\n", 1)[1]
    published(path, at=NOON + timedelta(days=9), offers=offers(offer(price_usd_h=3, observed_at=NOON)))
    drawn = skybroker(*words).out
    assert "us-east-1 on_demand: 1.00 to 3.00 $/h" in drawn
    assert "█" in drawn
    assert drawn.splitlines()[-1].startswith("2026-01-01  ")
    assert "█" not in skybroker(*words, "--output", "json").out
    terminal = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="latin-1", write_through=True))
        assert run(list(words)) == 0
        written = terminal.getvalue()
    assert b"us-east-1 on_demand: 1.00 to 3.00 $/h" in written
    assert b"####" in written
    assert written.isascii()


def test_a_machine_of_ones_own_costs_nothing_more(
    skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its price is 0.00 where it has none; that of another machine is not known then."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    sold = [offer(purchase=purchase, price_usd_h=None) for purchase in ("owned", "on_demand")]
    published(path, offers=offers(*sold), instance_types=frame(INSTANCE_TYPES, machine()))
    for words in (("offers", "--instance", "m5.large"), ("history", "aws", "m5.large")):
        rows = [line for line in skybroker("catalog", *words).out.splitlines() if "us-east-1" in line]
        assert {("owned" in row, "0.00" in row.split(), "?" in row.split()) for row in rows} == {
            (True, True, False),
            (False, False, True),
        }


@pytest.mark.parametrize("words", [["aws"], ["awz", "m5.large"], ["aws", "m5.huge"], ["aws", "a", "b", "c", "d"]])
def test_history_of_what_is_not_there(skybroker: Run, words: list[str]) -> None:
    """One line and a hint."""
    done = skybroker("catalog", "history", *words)
    assert done.code in {1, 64}
    assert "bug" not in done.err


def test_nothing_differs_between_a_snapshot_and_itself(skybroker: Run) -> None:
    """Exit code 0 with and without --detailed-exitcode."""
    snapshot = json.loads(skybroker("catalog", "history", "--output", "json").out)["snapshots"][0]["id"]
    done = skybroker("catalog", "diff", snapshot, snapshot, "--detailed-exitcode")
    assert (done.code, "No offer differs" in done.out) == (0, True)


def test_doctor_finds_no_fault_and_no_secret(skybroker: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sources are ready is said, and never with what."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-very-secret")
    monkeypatch.setenv("LAMBDA_API_KEY", "lambda-very-secret")
    table, data = skybroker("catalog", "doctor"), skybroker("catalog", "doctor", "--output", "json")
    assert (table.code, data.code) == (0, 0)
    assert "very-secret" not in table.out + data.out
    found = json.loads(data.out)
    assert "lambda" in found["ready"]["lambda"]
    assert found["tables"]["offers"]["rows"] == found["tables"]["offers"]["versions"] > 100_000
    assert (found["snapshots"], found["last_success"], found["failed"]) == (1, None, [])
    assert "prune" not in table.out
    assert {"moto", "fixinventorydata", "list_prices"} <= {source["source"] for source in found["sources"]}
    assert found["faults"] == []


def test_doctor_names_what_is_not_ready_by_leaving_it_out(skybroker: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a cloud with several sources, so many of them."""
    monkeypatch.setattr("pathlib.Path.home", lambda: Path("/nowhere"))
    monkeypatch.delenv("LAMBDA_API_KEY", raising=False)
    found = json.loads(skybroker("catalog", "doctor", "--output", "json").out)
    assert "lambda" not in found["ready"].get("lambda", [])
    assert "aws_price_list" in found["ready"]["aws"]
    assert re.search(r"aws \(\d of \d sources\)", skybroker("catalog", "doctor").out)


def test_doctor_weighs_the_history_of_a_catalog(
    skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two snapshots of one row are two versions; twelve are worth a pruning."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    for day in range(12):
        at = NOON + timedelta(days=day)
        published(path, at=at, offers=offers(offer(price_usd_h=1 + day, observed_at=at)))
        if day == 1:
            assert "prune" not in skybroker("catalog", "doctor").out
    done = skybroker("catalog", "doctor")
    assert ", 12 in all since 2026-01-01)" in done.out
    assert "`skybroker catalog prune --keep 90d`" in done.out
    found = json.loads(skybroker("catalog", "doctor", "--output", "json").out)
    assert found["tables"]["offers"] == {"rows": 1, "versions": 12}
    assert (found["snapshots"], found["oldest_snapshot_at"]) == (12, "2026-01-01T12:00:00+00:00")


def test_doctor_says_how_refreshes_went(skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When the last one succeeded, and which sources failed at their last look."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    published(path, offers=offers(offer()))
    looks = {"vast": SourceState(NOON, "failed", "no answer"), "oci": SourceState(NOON, "unchanged")}
    write_state(path, RefreshState(NOON, looks))
    done = skybroker("catalog", "doctor")
    assert (done.code, "Last refresh without a failure: " in done.out) == (0, True)
    assert re.search(r"^vast failed .* ago: no answer$", done.out, re.MULTILINE)
    found = json.loads(skybroker("catalog", "doctor", "--output", "json").out)
    assert [entry["source"] for entry in found["failed"]] == ["vast"]
    assert found["last_success"] == "2026-01-01T12:00:00+00:00"


def test_doctor_names_private_prices_that_fit_nothing(
    skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By their place in the file; a file that cannot be read is a fault."""
    file = tmp_path / "prices.yaml"
    monkeypatch.setenv("SKYBROKER_PRICES", str(file))
    file.write_text(
        "discounts: [{cloud: aws, percent: 5}, {cloud: aws, instance_type: m5.larg, percent: 7}]\n"
        "egress: [{cloud: aws, used: 50 TB}, {cloud: aws, region: us-eats-*, used: 50 TB}]\n"
    )
    done = skybroker("catalog", "doctor")
    line = f"Private prices: {file}; nothing in the catalog fits discounts[1], egress[1]."
    assert (done.code, line in done.out) == (0, True)
    found = json.loads(skybroker("catalog", "doctor", "--output", "json").out)
    assert (found["private_prices"], found["private_prices_unmatched"]) == (str(file), ["discounts[1]", "egress[1]"])
    file.write_text("discounts: [{cloud: aws}]")
    done = skybroker("catalog", "doctor")
    assert (done.code, "FAULT:" in done.out, "percent" in done.out) == (1, True, True)


def test_doctor_reports_a_damaged_catalog(skybroker: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is a fault among the findings: the rest is still shown."""
    (tmp_path / "catalog.duckdb").write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("SKYBROKER_CATALOG", str(tmp_path / "catalog.duckdb"))
    done = skybroker("catalog", "doctor")
    assert done.code == 1
    assert "FAULT" in done.out
    assert "polars" in done.out


def test_the_schema_is_a_json_schema(skybroker: Run) -> None:
    """Editors can use it as it is printed."""
    schema = json.loads(skybroker("schema").out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "accelerators" in json.dumps(schema)


def test_a_later_version_brings_its_embedded_catalog(
    skybroker: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog that began with an earlier one has the newer at the next command, and once."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    published(path, offers=offers(offer(source="list_prices", cloud="lambda")), snapshot_id="embedded-of-2025")
    for _ in range(2):
        done = skybroker("catalog", "history", "--output", "json")
        snapshots = json.loads(done.out)["snapshots"]
        assert [snapshot["note"] for snapshot in snapshots] == ["a test", "embedded catalog"]
    assert json.loads(skybroker("catalog", "offers", "--cloud", "gcp", "--output", "json").out)["total"] > 1000


def test_a_catalog_that_never_had_one_is_left_alone(
    skybroker: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody made it of prices of their own."""
    path = tmp_path / "catalog.duckdb"
    monkeypatch.setenv("SKYBROKER_CATALOG", str(path))
    published(path, offers=offers(offer()))
    assert len(json.loads(skybroker("catalog", "history", "--output", "json").out)["snapshots"]) == 1
