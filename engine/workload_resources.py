"""`resources` as written -> the requirements that it stands for, every alternative with the fields that it inherits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields as dataclass_fields
from typing import Any, Final

from catalog_data.schema import Purchase
from engine.quantities import GibPerVcpu
from engine.workload import DEFAULT_PURCHASES, Requirement
from engine.workload_accelerators import AcceleratorChoice
from engine.workload_errors import InvalidValueError, read_all, shown
from engine.workload_places import Infra, canonical_place
from engine.workload_schema import WrittenAlternative, WrittenResources

MAX_ALTERNATIVES: Final = 1_000
"""How many requirements one task may have."""

_PLACE: Final = ("cloud", "region", "zone")
_LISTS: Final = ("any_of", "ordered", "candidates")
_CARRIED: Final = tuple(
    field.name for field in dataclass_fields(Requirement) if field.name in WrittenAlternative.model_fields
)
"""The fields that a requirement has under the name under which they are written."""


def expand_resources(written: WrittenResources | None) -> tuple[tuple[Requirement, ...], bool]:
    """The alternatives (at least one), and whether their order is a preference.

    Alternatives inherit the fields beside them and override them; one that names another cloud or region does not
    inherit what lies below it.

    Raises:
        InvalidValueError: fields contradict each other; paths start below `resources`.
    """
    if written is None:
        return (Requirement(),), False
    name = _list_name(written)
    outer = _given(written)
    if name is None:
        alternatives = [outer]
    else:
        listed = getattr(written, name)
        inner = read_all((((name, index), alternative) for index, alternative in enumerate(listed)), _given)
        alternatives = [_inherit(outer, given) for given in inner]
    ordered = name == "ordered" or any(_choice(given).ordered for given in alternatives)
    if ordered and name in ("any_of", "candidates"):
        message = f"a list of accelerators is an order of preference, which {name} has not"
        hint = "write the accelerators as a mapping, or the alternatives under ordered"
        raise InvalidValueError(message, hint, path=(name,))
    if sum(len(_choice(given).requests) or 1 for given in alternatives) > MAX_ALTERNATIVES:
        raise InvalidValueError(f"stands for more than {MAX_ALTERNATIVES} alternatives")
    return tuple(dict.fromkeys(each for given in alternatives for each in _requirements(given))), ordered


def _list_name(written: WrittenResources) -> str | None:
    """The field that lists alternatives, if one does."""
    names = [name for name in _LISTS if getattr(written, name) is not None]
    if len(names) > 1:
        raise InvalidValueError(f"{names[0]} and {names[1]} cannot stand together", path=(names[1],))
    if names and not getattr(written, names[0]):
        raise InvalidValueError("lists no alternative", path=(names[0],))
    return names[0] if names else None


def _given(written: WrittenAlternative) -> dict[str, Any]:
    """The fields that are written (null included), each thing under one name.

    `infra` becomes cloud, region and zone; `gpus` accelerators; `spot_recovery` job_recovery; `use_spot` purchase.
    """
    given = {name: getattr(written, name) for name in written.model_fields_set if name not in _LISTS}
    for alias, name in (("gpus", "accelerators"), ("spot_recovery", "job_recovery")):
        if alias in given:
            if name in given:
                raise InvalidValueError(f"is another name of {name}, which is given too", path=(alias,))
            given[name] = given.pop(alias)
    infra = given.pop("infra", None)
    if infra is not None:
        for name in _PLACE:
            if given.get(name) is not None:
                raise InvalidValueError(f"{name} and infra cannot stand together", "infra says both", path=(name,))
        given |= {name: getattr(infra, name) for name in _PLACE}
    use_spot = given.pop("use_spot", None)
    if use_spot is not None:
        given["purchase"] = _bought(use_spot, given.get("purchase"))
    return given


def _bought(use_spot: bool, purchase: tuple[Purchase, ...] | None) -> tuple[Purchase, ...]:
    """The ways to buy that both fields allow."""
    if purchase is None:
        return (Purchase.SPOT,) if use_spot else DEFAULT_PURCHASES
    agree = purchase == (Purchase.SPOT,) if use_spot else Purchase.SPOT not in purchase
    if not agree:
        written = "true" if use_spot else "false"
        message = f"use_spot: {written} contradicts purchase: {', '.join(purchase)}"
        raise InvalidValueError(message, "leave use_spot out", path=("use_spot",))
    return purchase


def _inherit(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an alternative, those beside it where it has none of its own."""
    merged = {**outer, **inner}
    for above, below in (("cloud", ("region", "zone")), ("region", ("zone",))):
        if inner.get(above) not in (None, outer.get(above)):
            merged |= {name: inner.get(name) for name in below}
    if outer.get("labels") and inner.get("labels"):
        merged["labels"] = {**outer["labels"], **inner["labels"]}
    return merged


def _choice(given: Mapping[str, Any]) -> AcceleratorChoice:
    return given.get("accelerators") or AcceleratorChoice(())


def _requirements(given: Mapping[str, Any]) -> Iterator[Requirement]:
    """One requirement for each accelerator and each region that has an image of its own."""
    given = {**given, **canonical_place(Infra(*map(given.get, _PLACE)))._asdict()}
    carried = {name: given[name] for name in _CARRIED if given.get(name) is not None}
    memory = given.get("memory")
    per_vcpu = memory.ratio if isinstance(memory, GibPerVcpu) else None
    carried |= {
        "vcpus": given.get("cpus"),
        "memory_gib": None if per_vcpu else memory,
        "memory_gib_per_vcpu": per_vcpu,
        "disk_gib": given.get("disk_size"),
        "purchases": given.get("purchase") or DEFAULT_PURCHASES,
        "disk_tier": None if given.get("disk_tier") == "none" else given.get("disk_tier"),
        "volumes": tuple(given.get("volumes") or ()),
    }
    for request in _choice(given).requests or (None,):
        for region, image in _images(given):
            yield Requirement(**{**carried, "accelerator": request, "region": region, "image_id": image})


def _images(given: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None]]:
    """The region and its image; a mapping of images allows the regions that it names, as in SkyPilot."""
    region, image = given.get("region"), given.get("image_id")
    if not isinstance(image, dict):
        yield region, image
    elif region is None:
        yield from image.items()
    elif region in image:
        yield region, image[region]
    else:
        raise InvalidValueError(f"has no image for the region {shown(region)}", path=("image_id",))
