"""`catalog import` of traces, and `catalog fit`: what was seen of spot machines becomes models in the catalog."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from catalog_data.atomic import writing_alone
from catalog_data.schema import OBSERVATIONS, SPOT_EVENTS
from catalog_data.snapshot import Snapshot
from catalog_data.store import Catalog
from engine.availability import AvailabilityModel
from tests.kits.program import Run
from tests.kits.rows import NOON, frame, offer, offers, published, row

TEN_DAYS = 10 * 24 * 6
"""Of gaps of ten minutes."""
Put = Callable[..., Path]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog of one offer."""
    path = tmp_path / "catalog.duckdb"
    published(path, offers=offers(offer()))
    return path


@pytest.fixture
def small(skybroker: Run, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program on that catalog."""
    monkeypatch.setenv("SKYBROKER_CATALOG", str(catalog))
    return skybroker


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a trace of alternating runs, by default of ten days of a V100 in us-west-2a."""

    def write(
        name: str = "us-west-2a_p3.2xlarge.json", gaps: int = TEN_DAYS, every: int = 12, **changes: object
    ) -> Path:
        folder = tmp_path / "traces"
        folder.mkdir(exist_ok=True)
        runs = [[number % 2, every] for number in range(gaps // every)]
        keys = {"gap_seconds": 600, "rle": runs, "start_utc": "2026-01-01T00:00:00Z", **changes}
        (folder / name).write_text(json.dumps({key: value for key, value in keys.items() if value is not None}))
        return folder / name

    return write


def snapshot(catalog: Path, at: str | None = None) -> Snapshot:
    """What the catalog knows, or knew."""
    with Catalog.open(catalog) as opened:
        return opened.snapshot(at)


def test_a_fit_is_kept_in_the_catalog(small: Run, catalog: Path, put: Put) -> None:
    """A model for the zone, one for the type and one for the cloud, each of which can be read back."""
    done = small("catalog", "fit", put(), "--output", "json")
    assert done.code == 0
    said = json.loads(done.out)
    assert said["fitted_from"] == "us-west-2a_p3.2xlarge.json"
    assert [(one["cloud"], one["region"], one["zone"], one["instance_type"]) for one in said["models"]] == [
        ("aws", "*", "*", "*"),
        ("aws", "*", "*", "p3.2xlarge"),
        ("aws", "us-west-2", "us-west-2a", "p3.2xlarge"),
    ]
    kept = snapshot(catalog, said["snapshot"]).spot_models
    for one, stored in zip(said["models"], kept.sort("zone", "instance_type").to_dicts(), strict=True):
        model = AvailabilityModel.from_dict(json.loads(stored["model"]))
        assert len(model.classes) == one["classes"]
        assert stored["data_h"] == one["data_h"] == 240
        assert stored["data_from"].isoformat() == one["data_from"] == "2026-01-01T00:00:00+00:00"
        assert one["availability"] == 0.5
        assert stored["held_out_nats_h"] == one["held_out_nats_h"] > one["memoryless_nats_h"]


def test_people_get_a_table(small: Run, put: Put) -> None:
    """A line for each model, and what the figures mean."""
    done = small("catalog", "fit", put())
    assert done.code == 0
    assert "us-west-2a  p3.2xlarge" in done.out
    assert "More is better" in done.out
    assert "The catalog is at snapshot" in done.out


def test_an_earlier_fit_stays_in_the_history(small: Run, catalog: Path, put: Put) -> None:
    """The later one holds, `--as-of` the earlier snapshot answers with the earlier one, and other zones stay."""
    small("catalog", "fit", put("us-west-2b_p3.2xlarge.json"))
    first = json.loads(small("catalog", "fit", put(), "--output", "json").out)["snapshot"]
    second = json.loads(small("catalog", "fit", put(every=3), "--output", "json").out)["snapshot"]
    earlier, later = (snapshot(catalog, at).spot_models.rows_by_key("zone", named=True) for at in (first, second))
    assert set(earlier) == set(later) == {"*", "us-west-2a", "us-west-2b"}
    assert earlier["us-west-2a"] != later["us-west-2a"]
    assert earlier["us-west-2b"] == later["us-west-2b"]


def test_the_same_fit_again_is_no_news(small: Run, put: Put) -> None:
    """The same data give the same models."""
    first, again = (json.loads(small("catalog", "fit", put(), "--output", "json").out) for _ in range(2))
    assert first == again


def test_two_fits_at_once_are_both_kept(process: Run, catalog: Path, put: Put, tmp_path: Path) -> None:
    """Both processes have fitted while a third one publishes, so that neither can know of the other's zone."""
    traces = [put(f"us-west-2{letter}_p3.2xlarge.json") for letter in "ab"]
    places = {"SKYBROKER_CATALOG": str(catalog), "TMPDIR": str(tmp_path)}
    with ThreadPoolExecutor() as threads:
        with writing_alone(catalog, 0):
            ends = [threads.submit(process, ("catalog", "fit", trace), **places) for trace in traces]
            while len(list(tmp_path.glob("skybroker-fit-*/*.parquet"))) < len(traces):
                assert not any(end.done() for end in ends)
                time.sleep(0.05)
        assert [end.result().code for end in ends] == [0, 0]
    assert set(snapshot(catalog).spot_models["zone"]) == {"*", "us-west-2a", "us-west-2b"}


def test_a_dry_run_keeps_nothing(small: Run, catalog: Path, put: Put) -> None:
    """It prints all the same."""
    done = small("catalog", "fit", put(), "--dry-run")
    assert "Nothing was kept" in done.out
    assert snapshot(catalog).spot_models.is_empty()


def test_imported_traces_are_fitted_like_their_files(small: Run, catalog: Path, put: Put) -> None:
    """`catalog import` keeps when capacity came and went; a fit to that is the fit to the files."""
    put("us-west-2b_p3.2xlarge.json", every=3)
    folder = put().parent
    assert small("catalog", "import", folder).code == 0
    with Catalog.open(catalog) as opened:
        events = opened.table(SPOT_EVENTS, opened.resolve())
    assert set(events["zone"]) == {"us-west-2a", "us-west-2b"}
    assert set(events["source"]) == {"import_traces"}
    from_catalog, from_files = (
        json.loads(small("catalog", "fit", *places, "--dry-run", "--output", "json").out)["models"]
        for places in ((), (folder,))
    )
    assert from_catalog == from_files
    both = json.loads(small("catalog", "fit", folder, "--with-catalog", "--dry-run", "--output", "json").out)
    assert both["models"][0]["traces"] == 4
    assert both["fitted_from"] == "traces, spot_events, observations"


def test_what_sources_saw_is_fitted_too(small: Run, catalog: Path) -> None:
    """Stock that was seen to come and go over two days, of one cloud or of all."""
    looks = [
        row(
            OBSERVATIONS,
            cloud="vast",
            zone=None,
            purchase="spot",
            level=number % 2,
            observed_at=NOON + timedelta(hours=6 * number),
            expires_at=NOON + timedelta(hours=6 * number + 8),
        )
        for number in range(9)
    ]
    for look in looks:
        published(catalog, observations=frame(OBSERVATIONS, look), at=NOON)
    [model, *_] = json.loads(small("catalog", "fit", "--dry-run", "--output", "json").out)["models"]
    assert (model["cloud"], model["data_h"]) == ("vast", 56)
    assert "no spot capacity come and go in aws" in small("catalog", "fit", "--cloud", "aws").err


def test_files_of_a_folder_that_are_no_traces_are_passed_over(small: Run, put: Put) -> None:
    """A list of windows may lie beside the traces; nobody is stopped by it, but it is said."""
    folder = put().parent
    (folder / "windows.json").write_text('{"windows": []}')
    (folder / "prices.csv").write_text("cloud,price\naws,1\n")
    done = small("catalog", "fit", folder, "--dry-run")
    assert done.code == 0
    assert "1 file passed over that hold no trace" in done.err


@pytest.mark.parametrize(
    ("command", "changes", "error", "hint", "code"),
    [
        (["fit"], {"rle": [[1, -2]]}, "rle[0] is [1, -2]", "each run is", 1),
        (["fit"], {"name": "mine.json"}, "the name of the zone 'mine' says no cloud", "--cloud", 1),
        (["fit", "--cloud", "amazone"], {}, "unknown cloud amazone", "", 64),
        (["fit"], {"gaps": 60}, "too short to fit a model", "record for longer", 1),
        (["import"], {"start_utc": None}, "does not say when it starts", "catalog fit FILE", 1),
        (["import", "--cloud", "aws"], {"name": "mine.json"}, "of which instance type", "<zone>_<instance>", 1),
        (["import", "--as-of", "2026-01-01"], {}, "--as-of is for prices", "say themselves", 64),
    ],
)
def test_bad_input_gets_one_line_and_a_hint(
    small: Run, put: Put, command: list[str], changes: dict[str, object], error: str, hint: str, code: int
) -> None:
    """What is wrong, where, and what to do."""
    done = small("catalog", command[0], put(**changes), *command[1:])
    assert done.code == code
    said = [line for line in done.err.splitlines() if line.startswith(("error:", "hint:"))]
    assert error in said[0]
    assert hint in said[-1]
    assert len(said) <= 2


def test_two_traces_of_one_zone_are_not_imported_together(small: Run, put: Put) -> None:
    """What is between them is not known."""
    again = put("again.json", zone="us-west-2a", instance="p3.2xlarge")
    put()
    done = small("catalog", "import", again.parent)
    assert done.code == 1
    assert "2 traces are of p3.2xlarge in us-west-2a" in done.err


def test_a_catalog_that_has_seen_nothing(small: Run) -> None:
    """There is nothing to fit to, and the hint says what to do."""
    done = small("catalog", "fit")
    assert (done.code, done.out) == (1, "")
    assert "skybroker catalog import" in done.err


def test_prices_take_no_cloud(small: Run, tmp_path: Path) -> None:
    """A catalog names its clouds itself."""
    (tmp_path / "aws_vms.csv").write_text("InstanceType\n")
    done = small("catalog", "import", tmp_path / "aws_vms.csv", "--cloud", "aws")
    assert done.code == 64
    assert "--cloud is for traces" in done.err
