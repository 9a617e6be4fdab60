"""One name for each thing, however a source spells it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog_data.normalise import (
    _MODELS,
    ACCELERATORS,
    CLOUDS,
    Accelerator,
    UnknownNameError,
    accelerator_name,
    cloud_name,
    nearest_name,
    tpu_slice,
)

SPELLINGS = [(spelling, model.name) for model in ACCELERATORS.values() for spelling in (model.name, *model.aliases)]


def folded(text: str) -> str:
    """The letters and digits alone."""
    return "".join(character for character in text.lower() if character.isalnum())


@pytest.mark.parametrize(("spelling", "name"), SPELLINGS, ids=[spelling for spelling, _ in SPELLINGS])
def test_every_spelling_has_its_model(spelling: str, name: str) -> None:
    """Canonical names map to themselves, aliases to their own model, in any case and with any separator."""
    assert accelerator_name(spelling) == name
    for variant in (spelling.upper(), spelling.lower(), spelling.replace("-", "_"), f" {spelling.replace('-', ' ')} "):
        assert accelerator_name(variant) == name


def test_no_two_models_share_a_spelling() -> None:
    """A spelling of two models would silently mean the later one, and a model listed twice would hide the first."""
    owners = {folded(spelling): set[str]() for spelling, _ in SPELLINGS}
    for spelling, name in SPELLINGS:
        owners[folded(spelling)].add(name)
    assert {spelling: names for spelling, names in owners.items() if len(names) > 1} == {}
    assert len(ACCELERATORS) == len(_MODELS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nvidia-tesla-t4", "T4"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("nvidia-a100-80gb", "A100-80GB"),
        ("a100", "A100"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("Tesla_V100", "V100"),
        ("AMD Radeon Pro V520", "V520"),
        ("aws inferentia2", "Inferentia2"),
        ("nvidia-h100-mega-80gb", "H100"),
        ("tpu-v5-lite-podslice", "TPU-v5e"),
        ("tpu-v5litepod", "TPU-v5e"),
        ("mi300", "MI300X"),
    ],
)
def test_spellings_of_sources(text: str, name: str) -> None:
    """As they stand in provider APIs, packages and task files."""
    assert accelerator_name(text) == name


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("H10O", "H100"), ("a100-80", "A100-80GB"), ("RTX409", "RTX4090"), ("TPU-v4p", "TPU-v4"), ("", None), ("?", None)],
)
def test_an_unknown_accelerator(text: str, nearest: str | None) -> None:
    """The error holds what was asked for and the nearest name, and says both."""
    with pytest.raises(UnknownNameError) as caught:
        accelerator_name(text)
    error = caught.value
    assert (error.kind, error.name, error.nearest) == ("accelerator", text, nearest)
    assert str(error) == f"unknown accelerator {text}" + (f": did you mean {nearest}?" if nearest else "")


def test_a_maker_is_no_accelerator() -> None:
    """A maker's name alone names nothing, and is not taken for the model that is left when it is taken away."""
    for maker in ("nvidia", "amd", "aws", "NVIDIA GeForce", "tesla"):
        with pytest.raises(UnknownNameError):
            accelerator_name(maker)


@pytest.mark.parametrize("model", ACCELERATORS.values(), ids=list(ACCELERATORS))
def test_models_are_plausible(model: Accelerator) -> None:
    """Memory is that of one device; every TPU, and nothing else, says how its slices are counted."""
    assert model.memory_gib is None or 4 <= model.memory_gib <= 512
    assert (model.slice_cores > 0) == model.name.startswith("TPU-") == (model.vendor == "google")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v2-8", ("TPU-v2", 4)),
        ("v3-32", ("TPU-v3", 16)),
        ("tpu-v4-8", ("TPU-v4", 4)),
        ("TPU-V4-2", ("TPU-v4", 1)),
        ("tpuv4-16", ("TPU-v4", 8)),
        ("v5p-8", ("TPU-v5p", 4)),
        ("tpu-v5p-12288", ("TPU-v5p", 6144)),
        ("v5e-8", ("TPU-v5e", 8)),
        ("v5litepod-4", ("TPU-v5e", 4)),
        ("tpu-v5litepod-256", ("TPU-v5e", 256)),
        (" tpu-v6e-1 ", ("TPU-v6e", 1)),
        ("tpu7x-8", ("TPU-7x", 8)),
        ("7x-8", ("TPU-7x", 8)),
        ("v7x-8", ("TPU-7x", 8)),
    ],
)
def test_tpu_slices(text: str, expected: tuple[str, int]) -> None:
    """Named after TensorCores up to v5p, two a chip, and after chips from v5e on (cloud.google.com/tpu/docs)."""
    assert tpu_slice(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v4",
        "tpu-v4",
        "v4-0",
        "v4-7",
        "v6e-0",
        "v5-8",
        "v99-8",
        "v4-8-1",
        "v4--8",
        "H100-8",
        "v4-八",
        "v4-" + "9" * 5000,
    ],
)
def test_what_is_no_tpu_slice(text: str) -> None:
    """Half a chip, no chip, an unknown generation, and numbers that are none."""
    assert tpu_slice(text) is None


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_map_to_themselves(name: str) -> None:
    """In any case."""
    assert cloud_name(name) == cloud_name(f" {name.upper()} ") == name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("amazon", "aws"),
        ("DO", "digitalocean"),
        ("datacrunch", "verda"),
        ("Google", "gcp"),
        ("k8s", "kubernetes"),
        ("lambda_cloud", "lambda"),
        ("LambdaLabs", "lambda"),
        ("oracle", "oci"),
    ],
)
def test_clouds_under_other_names(alias: str, name: str) -> None:
    """As sources and users call them."""
    assert cloud_name(alias) == name


@pytest.mark.parametrize(
    ("text", "nearest"), [("awz", "aws"), ("Azur", "azure"), ("gcpp", "gcp"), ("", None), ("mars", None)]
)
def test_an_unknown_cloud(text: str, nearest: str | None) -> None:
    """The error is of the same type, and of the kind `cloud`."""
    with pytest.raises(UnknownNameError) as caught:
        cloud_name(text)
    assert (caught.value.kind, caught.value.name, caught.value.nearest) == ("cloud", text, nearest)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("us-east1", ["us-east-1", "eu-west-1"], "us-east-1"),
        ("US-EAST-1", ["us-east-1"], "us-east-1"),
        ("strasse", ["Straße"], "Straße"),
        ("x", ["us-east-1"], None),
        ("x", [], None),
    ],
)
def test_nearest_names(name: str, known: list[str], expected: str | None) -> None:
    """The known name as it is written, whatever its case, or None where nothing is close."""
    assert nearest_name(name, known) == expected


@pytest.mark.parametrize("normalise", [accelerator_name, cloud_name])
@given(text=st.text())
@example(text="\0")
@example(text="İ")
@example(text="\udc80")
def test_any_text_is_a_name_or_unknown(normalise: Callable[[str], str], text: str) -> None:
    """Nothing but UnknownNameError comes of it, and what is found is canonical: it maps to itself."""
    try:
        found = normalise(text)
    except UnknownNameError:
        return
    assert normalise(found) == found


@given(st.one_of(st.text(), st.from_regex(r"(?i)(tpu-?)?v?\d+(e|p|litepod|x)?-\d+", fullmatch=True)))
def test_any_text_is_a_slice_or_none(text: str) -> None:
    """What is found is a TPU with at least one chip."""
    found = tpu_slice(text)
    assert found is None or (found[0] in ACCELERATORS and ACCELERATORS[found[0]].slice_cores and found[1] >= 1)


@given(st.text(), st.lists(st.text(), max_size=5))
def test_the_nearest_name_is_a_known_one(name: str, known: list[str]) -> None:
    """And a name that is known is its own nearest."""
    assert nearest_name(name, known) in (None, *known)
    if name:
        assert (nearest_name(name, [*known, name]) or "").casefold() == name.casefold()


def test_it_loads_nothing_heavy() -> None:
    """Reading a workload needs these names and must stay quick: neither polars nor duckdb comes with them."""
    program = "import sys, catalog_data.normalise; print({'polars', 'duckdb', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
