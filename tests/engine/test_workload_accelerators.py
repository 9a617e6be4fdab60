"""How users write accelerators."""

from __future__ import annotations

import pytest

from catalog_data.normalise import ACCELERATORS
from engine.workload_accelerators import parse_accelerators, parse_hardware
from engine.workload_errors import InvalidValueError


def requests(value: object) -> list[str]:
    """The requests that a value stands for, as text."""
    return [str(request) for request in parse_accelerators(value).requests]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("H100", ["H100:1"]),
        ("H100:8", ["H100:8"]),
        ("h100 : 8", ["H100:8"]),
        ("T4:0.5", ["T4:0.5"]),
        ("nvidia-tesla-t4:2", ["T4:2"]),
        ("A100:16", ["A100:16"]),
        ("tpu-v6e-8", ["TPU-v6e:8"]),
        ("tpu-v6e:8", ["TPU-v6e:8"]),
        ("tpu-v5litepod-8:1", ["TPU-v5e:8"]),
        ("tpu-v4-8", ["TPU-v4:4"]),
        ({"H100": 8, "A100": 16}, ["H100:8", "A100:16"]),
        ({"A100:1": None, "V100:1": None}, ["A100:1", "V100:1"]),
        ({"L4": None}, ["L4:1"]),
        (["L4:1", "H100:1"], ["L4:1", "H100:1"]),
        ([{"L4": 1}, "H100:1"], ["L4:1", "H100:1"]),
        (["A100", "a100-40gb:1"], ["A100:1"]),
        ("141GB:8", ["H200:8", "H200-NVL:8"]),
        ("nvidia:141GB", ["H200:1", "H200-NVL:1"]),
        ({"nvidia:141GB": 4}, ["H200:4", "H200-NVL:4"]),
    ],
    ids=str,
)
def test_good_accelerators(written: object, meant: list[str]) -> None:
    """Every way to write accelerators gives canonical models and counts, each alternative once."""
    assert requests(written) == meant


def test_only_a_list_is_an_order() -> None:
    """A list prefers its first entry; a mapping and a memory size prefer none, and one entry needs no order."""
    assert parse_accelerators(["L4", "T4"]).ordered
    assert not parse_accelerators(["L4"]).ordered
    assert not parse_accelerators({"L4": 1, "T4": 1}).ordered
    assert not parse_accelerators("80GB+").ordered


def test_memory_size_stands_for_gpus() -> None:
    """`80GB+` is every GPU with at least so much memory; a vendor narrows it, and opens it to what is no GPU."""
    sizes = {name: ACCELERATORS[name].memory_gib or 0 for name in (each.split(":")[0] for each in requests("80GB+"))}
    assert {"H100", "A100-80GB", "MI300X"} <= sizes.keys()
    assert "A100" not in sizes
    assert "TPU-v5p" not in sizes
    assert min(sizes.values()) == 80
    assert requests("google:95GB") == ["TPU-v5p:1"]


@pytest.mark.parametrize(
    ("written", "path", "message", "hint"),
    [
        ("H10O:8", (), "unknown accelerator H10O", "did you mean H100?"),
        ("zzzz", (), "unknown accelerator zzzz", "`skybroker catalog offers` lists those there are"),
        ("H100:0", (), "the number of accelerators must be above 0, not 0", None),
        ("H100:-1", (), "the number of accelerators must be above 0, not -1", None),
        ("H100:lots", (), "the number of accelerators must be a number, not lots", None),
        ("H100:1.5", (), "the number of accelerators must be a whole number or a share below 1, not 1.5", None),
        ("H100:", (), "H100: lacks its count", "write a model and a count, such as H100:8"),
        ("H100:8:8", (), "H100:8:8 has more than one count", "write a model and a count, such as H100:8"),
        (":8", (), "the model of the accelerator is missing", "write a model and a count, such as H100:8"),
        (8, (), "an accelerator must be named, not 8", "write a model and a count, such as H100:8"),
        ([], (), "names no accelerator", "write a model and a count, such as H100:8"),
        ({}, (), "names no accelerator", "write a model and a count, such as H100:8"),
        ({"A100:8": 4}, ("A100:8",), "A100:8 has more than one count", "write a model and a count, such as H100:8"),
        ({"A100": True}, ("A100",), "the number of accelerators must be a number, not true", None),
        ({"80GB:2": 4}, ("80GB:2",), "80GB:2 has more than one count", "write a model and a count, such as H100:8"),
        (["L4", "L44O"], (1,), "unknown accelerator L44O", "did you mean L4?"),
        ([["L4"]], (0,), "an accelerator must be named, not a list", "write a model and a count, such as H100:8"),
        ([{"L4": "x"}], (0, "L4"), "the number of accelerators must be a number, not x", None),
        (
            "tpu-v6e-8:2",
            (),
            "tpu-v6e-8 is a slice of 8 chips, and a node is one slice",
            "write num_nodes for more slices, or the chips of one: tpu-v6e:8",
        ),
        ("7GB", (), "no known accelerator has the memory 7GB", None),
    ],
    ids=str,
)
def test_bad_accelerators(written: object, path: tuple[str | int, ...], message: str, hint: str | None) -> None:
    """What is no accelerator is refused where it stands."""
    with pytest.raises(InvalidValueError) as caught:
        parse_accelerators(written)
    (fault,) = caught.value.faults
    assert (fault.path, fault.message, fault.hint) == (path, message, hint)


def test_all_entries_are_examined() -> None:
    """One bad entry does not hide the next."""
    with pytest.raises(InvalidValueError) as caught:
        parse_accelerators({"H10O": 8, "L4": 1, "T4": 0})
    assert [fault.path for fault in caught.value.faults] == [("H10O",), ("T4",)]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("h100:8", "H100:8"),
        ("H100", "H100"),
        ("CPU", "cpu"),
        ("tpu-v6e-8", "TPU-v6e:8"),
        ("tpu-v6e", "TPU-v6e"),
        ("t4:0.50", "T4:0.5"),
    ],
)
def test_keys_of_estimates(written: str, key: str) -> None:
    """Hardware in an estimate has one spelling."""
    assert parse_hardware(written) == key
