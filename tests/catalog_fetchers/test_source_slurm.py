"""Slurm: a real cluster is read, and every form that a line of `sinfo` may have."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from catalog_fetchers.base import Page, Pages, Tables
from catalog_fetchers.errors import AnswerError, UnreachableError
from catalog_fetchers.slurm_cluster import SOURCE
from tests.kits.provider import RECORDED
from tests.kits.slurm import Cluster, slurm_cluster
from tests.kits.source_conformance import LOOK, QUICK, access_to, fetched, require_conforming

FOLDER = RECORDED / "slurm"
SETTINGS = Page("settings", b"ClusterName             = lab\n")
A100 = "64CPU--503.7GB--A100:4"
A100_PARTS = ("16CPU--125.9GB--A100:1", "32CPU--251.8GB--A100:2")
SMALL = "8CPU--31.2GB"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A real cluster, the same for all tests of this module."""
    with slurm_cluster() as running:
        yield running


def look(folder: Path, env: Mapping[str, str]) -> Pages:
    """What one look at the cluster brings."""
    with access_to("", folder, env, patience=QUICK) as access:
        return fetched(SOURCE, access)


def commands(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment in which these shell scripts are Slurm's commands."""
    for name in ("sinfo", "scontrol"):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{scripts.get(name, 'echo ClusterName=lab')}\n")
        path.chmod(0o755)
    return {"PATH": str(folder)}


def whole(tables: Tables) -> pl.DataFrame:
    """The offers without those of parts of a machine."""
    return tables["offers"].filter(~pl.col("instance_type").is_in(A100_PARTS))


def quantities(*lines: str) -> dict[tuple[str, str], int]:
    """(partition, instance type) -> how many, of lines of `sinfo`."""
    pages = [SETTINGS, Page("nodes", "\n".join(lines).encode())]
    rows = SOURCE.parse(pages, LOOK)["offers"].select("zone", "instance_type", "quantity").rows()
    return {(zone, name): number for zone, name, number in rows}


def machines(*lines: str) -> list[tuple[str | None, float | None]]:
    """Accelerators and their count in whole machines, of lines of `sinfo`."""
    pages = [SETTINGS, Page("nodes", "\n".join(lines).encode())]
    whole = SOURCE.parse(pages, LOOK)["instance_types"].filter(vcpus=64)
    return whole.select("accelerator", "accelerator_count").rows()


def test_a_real_cluster_conforms(cluster: Cluster, tmp_path: Path) -> None:
    """What holds for every source, of what Slurm's own commands print."""
    require_conforming(SOURCE, look(tmp_path, cluster.env))


def test_the_nodes_of_a_real_cluster_are_counted(cluster: Cluster, tmp_path: Path) -> None:
    """The region is the cluster's name, zones are partitions.

    A partition that is down has no offers, and a node that is silent does not count.
    """
    offers = whole(SOURCE.parse(look(tmp_path, cluster.env), LOOK))
    assert offers.select("region", "zone", "instance_type", "purchase", "price_usd_h", "quantity").rows() == [
        ("lab", "all", A100, "owned", None, 2),
        ("lab", "all", SMALL, "owned", None, 1),
        ("lab", "gpu", A100, "owned", None, 2),
    ]


def test_a_node_that_is_drained_is_gone_until_it_resumes(cluster: Cluster, tmp_path: Path) -> None:
    """As its administrator says."""
    cluster.run("scontrol", "update", "NodeName=g2", "State=DRAIN", "Reason=test")
    try:
        offers = whole(SOURCE.parse(look(tmp_path, cluster.env), LOOK))
        assert offers.filter(zone="gpu")["quantity"].to_list() == [1]
    finally:
        cluster.run("scontrol", "update", "NodeName=g2", "State=RESUME")
        cluster.wait_until("g2", "idle")
    offers = whole(SOURCE.parse(look(tmp_path, cluster.env), LOOK))
    assert offers.filter(zone="gpu")["quantity"].to_list() == [2]


def test_nodes_that_run_jobs_are_counted(cluster: Cluster, tmp_path: Path) -> None:
    """A job has all of g1 while it runs; the next one waits for it."""
    before = look(tmp_path, cluster.env)
    job = cluster.run(
        "sbatch", "--parsable", "-pgpu", "-wg1", "--exclusive", "-o/dev/null", "--wrap", "sleep 60"
    ).strip()
    try:
        cluster.wait_until("g1", "alloc")
        during = look(tmp_path, cluster.env)
    finally:
        cluster.run("scancel", job)
        cluster.wait_until("g1", "idle")
    assert SOURCE.parse(during, LOOK)["offers"].equals(SOURCE.parse(before, LOOK)["offers"])


def test_the_habits_of_the_user_change_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """`sinfo` takes a format, a partition and a sort order from the environment."""
    habits = {"SINFO_FORMAT": "%P", "SINFO_PARTITION": "closed", "SINFO_SORT": "-N"}
    usual, changed = (look(tmp_path, env)[1].body for env in (cluster.env, {**cluster.env, **habits}))
    assert sorted(changed.splitlines()) == sorted(usual.splitlines())


def test_a_cluster_that_does_not_answer_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """In the words of the command."""
    settings = tmp_path / "slurm.conf"
    lines = Path(cluster.env["SLURM_CONF"]).read_text().splitlines()
    dead = ["SlurmctldPort=1" if line.startswith("SlurmctldPort") else line for line in lines]
    settings.write_text("\n".join(dead))
    with pytest.raises(UnreachableError, match=r"scontrol: .*(controller|in time)"):
        look(tmp_path, {**cluster.env, "SLURM_CONF": str(settings)})


def test_recorded_output_conforms(tmp_path: Path) -> None:
    """With nodes in states that a small cluster seldom has."""
    pages = look(tmp_path, {"PATH": str(FOLDER / "bin")})
    offers = whole(require_conforming(SOURCE, pages))
    assert offers.select("zone", "instance_type", "quantity").rows() == [
        ("gpu", A100, 2),
        ("long", A100, 2),
        ("long", SMALL, 2),
    ]


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ("idle", True),
        ("mix", True),
        ("alloc", True),
        ("alloc+", True),
        ("comp", True),
        ("plnd", True),
        ("idle~", True),
        ("idle#", True),
        ("idle%", True),
        ("mix-", True),
        ("idle@", True),
        ("idle*", False),
        ("idle^", False),
        ("idle$", False),
        ("maint", False),
        ("resv", False),
        ("drain", False),
        ("drng", False),
        ("down", False),
        ("down~", False),
        ("fail", False),
        ("failg", False),
        ("futr", False),
        ("inval", False),
        ("unk", False),
        ("", False),
    ],
)
def test_nodes_count_that_take_jobs(state: str, counts: bool) -> None:
    """Busy ones and those that are switched off until a job comes do; maintenance, reservations and faults do not."""
    assert quantities(f"p|up|NO|n1|{state}|8|32000|(null)|(null)") == ({("p", SMALL): 1} if counts else {})


@pytest.mark.parametrize("partition", ["down", "drain", "inact"])
def test_a_partition_that_takes_no_jobs_is_left_out(partition: str) -> None:
    """Its nodes may be in another one."""
    assert quantities(f"p|{partition}|NO|n1|idle|8|32000|(null)|(null)", "q|up|NO|n1|idle|8|32000|(null)|(null)") == {
        ("q", SMALL): 1
    }


@pytest.mark.parametrize(
    ("resources", "features", "found"),
    [
        ("gpu:a100:4", "(null)", [("A100", 4)]),
        ("gpu:A100-SXM4-80GB:8(S:0-1)", "(null)", [("A100-80GB", 8)]),
        ("gpu:h100:8(S:0,2-3),nic:2", "(null)", [("H100", 8)]),
        ("nvme:1,gpu:tesla_t4:1", "(null)", [("T4", 1)]),
        ("gpu:2", "ib,l40s,rack7", [("L40S", 2)]),
        ("gpu:2", "v100,a100", [("gpu", 2)]),
        ("gpu:2", "(null)", [("gpu", 2)]),
        ("gpu", "t4", [("T4", 1)]),
        ("gpu:z900:2", "a100", [("z900", 2)]),
        ("gpu:a100:0", "(null)", [(None, None)]),
        ("mps:400,shard:8", "a100", [(None, None)]),
        ("(null)", "a100", [(None, None)]),
        ("gpu:a100:3,gpu:t4:1", "(null)", [("A100", 3), ("T4", 1)]),
    ],
)
def test_gpus_are_read_from_generic_resources(
    resources: str, features: str, found: list[tuple[str | None, float | None]]
) -> None:
    """The type names the model, else the one feature that does; unknown models stay as they stand for the checks."""
    assert machines(f"p|up|NO|n1|idle|64|515800|{resources}|{features}") == found


def test_jobs_that_share_nodes_may_have_parts_of_them() -> None:
    """Two of four GPUs of a node, unless the partition gives whole nodes only."""
    line = "p|up|{}|n1|idle|64|515800|gpu:a100:4|(null)"
    assert quantities(line.format("NO")) == {("p", A100): 1, ("p", A100_PARTS[0]): 4, ("p", A100_PARTS[1]): 2}
    assert quantities(line.format("EXCLUSIVE")) == {("p", A100): 1}


def test_a_machine_of_grace_is_an_arm_machine() -> None:
    """`sinfo` does not tell; of others nothing is said."""
    pages = [
        SETTINGS,
        Page("nodes", b"p|up|NO|n1|idle|72|480000|gpu:gh200:1|(null)\np|up|NO|n2|idle|8|32000|(null)|(null)"),
    ]
    assert SOURCE.parse(pages, LOOK)["instance_types"]["arch"].to_list() == ["arm64", None]


def test_an_empty_cluster_has_no_offers() -> None:
    """Nothing is configured, or everything is down."""
    assert quantities("") == {}


@pytest.mark.parametrize(
    "line", ["p|up|NO|n1|idle|8+|32000|(null)|(null)", "p|up|NO|n1|idle|8|32000|(null)", "PARTITION"]
)
def test_another_form_is_said(line: str) -> None:
    """Nothing is guessed of a line with other columns, or with the least of several nodes."""
    with pytest.raises(AnswerError, match="sinfo: not a line of"):
        quantities(line)


def test_settings_without_a_name_are_said() -> None:
    """Then the cluster has no region."""
    with pytest.raises(AnswerError, match="no ClusterName"):
        SOURCE.parse([Page("settings", b"AuthType = auth/munge"), Page("nodes", b"")], LOOK)


def test_of_the_settings_only_the_name_is_kept(tmp_path: Path) -> None:
    """Some releases print the password of the accounting database among them."""
    script = "echo 'AccountingStoragePass = secret'; echo 'ClusterName             = lab'"
    assert look(tmp_path, commands(tmp_path, scontrol=script))[0] == SETTINGS


def test_without_the_commands_it_says_so(tmp_path: Path) -> None:
    """Both are needed; with both it can be read."""
    assert SOURCE.missing({"PATH": str(tmp_path)}, tmp_path) == (
        "run it where Slurm's commands are: sinfo and scontrol not on PATH"
    )
    assert SOURCE.missing({}, tmp_path) != ""
    env = commands(tmp_path)
    assert SOURCE.missing(env, tmp_path) == ""
    (tmp_path / "sinfo").unlink()
    assert SOURCE.missing(env, tmp_path) == "run it where Slurm's commands are: sinfo not on PATH"
    with pytest.raises(UnreachableError, match="sinfo is not on PATH"):
        look(tmp_path, env)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'sinfo: error: one' >&2; echo 'sinfo: error: Unable to contact it' >&2; exit 1",
            "sinfo: Unable to contact it",
        ),
        ("exit 3", "sinfo: exit code 3"),
        ("exec /bin/sleep 20", "sinfo: no answer in time"),
    ],
)
def test_a_command_that_fails_is_told(tmp_path: Path, script: str, message: str) -> None:
    """By its last word, or that it has none."""
    with pytest.raises(UnreachableError) as failed:
        look(tmp_path, commands(tmp_path, sinfo=script))
    assert str(failed.value) == message


def test_a_command_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    """A damaged file is no command."""
    env = commands(tmp_path)
    (tmp_path / "sinfo").write_bytes(b"\x7fELF")
    assert os.access(tmp_path / "sinfo", os.X_OK)
    with pytest.raises(UnreachableError, match="sinfo cannot be run: Exec format error"):
        look(tmp_path, env)
