"""What Google's price list says: rates of the parts of machines, read from the descriptions of its SKUs.

A SKU (cloud.google.com/billing/docs/reference/rest/v1/services.skus) names neither a machine type nor a family: what it
is the price of stands in its description, such as `Spot Preemptible N2D AMD Instance Core running in Americas`,
`Commitment v1: Nvidia L4 GPU running in Belgium for 3 Years` or `TpuV5e running in Dallas`. A description that is not
understood gives no rate, and a machine that has a part without a rate gets no price.

Left out: custom machines, sole tenancy, premiums, Windows and workstations, shares of a GPU, and reservations that
have to be booked (`Reserved ... in Calendar Mode`, `DWS Defined Duration`), whose prices are far below the usual ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from pydantic import BaseModel, Field

from catalog_data.normalise import UnknownNameError, accelerator_name
from catalog_data.schema import Purchase
from catalog_fetchers.errors import AnswerError


class Part(StrEnum):
    """What a rate is the price of, per hour."""

    CORE = "core"  # a vCPU of a series
    RAM = "ram"  # a GiB of memory of a series
    SSD = "ssd"  # a GiB of local SSD: of a series, or "" for those that have no rate of their own
    GPU = "gpu"  # a GPU alone
    SLICE = "slice"  # a GPU of a series with its share of vCPUs, memory and local SSD
    MACHINE = "machine"  # a whole machine
    CHIP = "chip"  # a chip of a TPU, its host included
    DEVICE = "device"  # four chips of a TPU that stand alone
    POD = "pod"  # four chips of a TPU among more


MEGA: Final = "H100-MEGA"
"""The H100 of a3-megagpu, which has a rate of its own."""
GPUS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tesla k80": "K80",
        "tesla p4": "P4",
        "tesla p100": "P100",
        "tesla t4": "T4",
        "tesla v100": "V100",
        "tesla a100": "A100",
        "tesla a100 80gb": "A100-80GB",
        "l4": "L4",
        "h100 80gb": "H100",
        "h100 80gb mega": MEGA,
        "h100 80gb plus": MEGA,
        "h100 mega 80gb": MEGA,
        "h200 141gb": "H200",
        "rtx 6000 96gb": "RTXPRO6000",
    }
)
"""GPUs by what descriptions call them."""
SERIES: Final[Mapping[str, str]] = MappingProxyType(
    {"compute optimized": "c2", "memory-optimized": "m1", "m3 memory-optimized": "m3"}
)
"""Series by what descriptions call them, where that is not their name."""
WHOLE: Final[Mapping[str, str]] = MappingProxyType({"F1Micro": "f1-micro", "G1Small": "g1-small"})
DEVICES: Final = frozenset({"TPU-v2", "TPU-v3", "TPU-v4"})
"""TPUs that are priced by four chips (eight cores); later ones are priced by the chip."""
USAGES: Final[Mapping[str, Purchase]] = MappingProxyType(
    {
        "OnDemand": Purchase.ON_DEMAND,
        "Preemptible": Purchase.SPOT,
        "Commit1Yr": Purchase.RESERVED_1Y,
        "Commit3Yr": Purchase.RESERVED_3Y,
    }
)
TERMS: Final[Mapping[str, Purchase]] = MappingProxyType({"1": Purchase.RESERVED_1Y, "3": Purchase.RESERVED_3Y})
HOURS_IN_MONTH: Final = 730  # by which Google converts monthly prices
GB_IN_GIB: Final = 2**30 / 10**9
PER_UNIT_HOUR: Final[Mapping[str, float]] = MappingProxyType(
    {"h": 1.0, "GiBy.h": 1.0, "GBy.h": GB_IN_GIB, "GiBy.mo": 1 / HOURS_IN_MONTH, "GBy.mo": GB_IN_GIB / HOURS_IN_MONTH}
)
"""What a price per usage unit is multiplied by to make it one per hour, or per GiB and hour."""

_SKIPPED: Final = re.compile(
    r"\b(custom|sole tenancy|premium|reserved|dws|defined duration|calendar mode|suspended|vgpu|workstation|windows)\b"
)
_BEFORE: Final = re.compile(r"^(spot preemptible |preemptible |commitment( v\d+)?: )+")
_BEHIND: Final = re.compile(r"( attached to spot preemptible vms?)?(( running)? in .+?)?( for \d years?)?$")
_TERM: Final = re.compile(r"\bfor (\d) years?$")
_PROCESSOR: Final = re.compile(r"(?P<series>.*?) ?(instance )?(?P<part>core|cpu|ram)")
_MAKERS: Final = re.compile(r" (predefined|amd|arm)$")
_SERIES_NAME: Final = re.compile(r"[a-z]\d+[a-z]*\d*")
_SSD: Final = re.compile(r"(ssd backed local storage|((?P<series>[a-z]\d+[a-z]*) )?(instance )?local ssd)")
_SLICE: Final = re.compile(r"(?P<series>[a-z]\d+[a-z]*) nvidia .+ \(1 gpu slice\)")
_TPU: Final = re.compile(r"tpu-?(?P<model>v?\d\w*)(?P<pod> pod)?( accelerator.*)?")


class _Category(BaseModel):
    family: str = Field("", alias="resourceFamily")
    group: str = Field("", alias="resourceGroup")
    usage: str = Field("", alias="usageType")


class _Money(BaseModel):
    units: int = 0
    nanos: int = 0


class _Tier(BaseModel):
    start: float = Field(0, alias="startUsageAmount")
    price: _Money = Field(default_factory=_Money, alias="unitPrice")


class _Expression(BaseModel):
    unit: str = Field("", alias="usageUnit")
    tiers: list[_Tier] = Field(default_factory=list, alias="tieredRates")


class _Pricing(BaseModel):
    expression: _Expression = Field(default_factory=_Expression, alias="pricingExpression")


class Sku(BaseModel):
    """The fields of a SKU that a rate is read from.

    The client library drops what it does not know and leaves out what is empty, so none can be required of each SKU:
    see `require_said`.
    """

    description: str = ""
    category: _Category = Field(default_factory=_Category)
    regions: list[str] = Field(default_factory=list, alias="serviceRegions")
    pricing: list[_Pricing] = Field(default_factory=list, alias="pricingInfo")

    @property
    def unit(self) -> str:
        """The unit of the price."""
        return self.pricing[-1].expression.unit if self.pricing else ""

    @property
    def price_usd(self) -> float:
        """USD per unit, 0 where there is none: the newest, and of its tiers that beyond what is free."""
        tiers = self.pricing[-1].expression.tiers if self.pricing else []
        last = max(tiers, key=lambda tier: tier.start, default=None)
        return last.price.units + last.price.nanos / 1e9 if last else 0.0


class SkuPage(BaseModel):
    """One page of the list."""

    skus: list[Sku] = Field(default_factory=list)


Key: TypeAlias = tuple[Part, str]
"""A part and of what: `(Part.CORE, "n2")`."""


@dataclass(frozen=True)
class Rates:
    """USD per hour of one unit of a part, by (region, purchase, key)."""

    usd_h: Mapping[tuple[str, Purchase, Key], float]
    keys: frozenset[Key]
    """Parts that have a rate anywhere."""

    def rate(self, region: str, purchase: Purchase, key: Key) -> float | None:
        """The rate of a part, None where none is known."""
        return self.usd_h.get((region, purchase, key))


def read_rates(skus: Iterable[Sku]) -> Rates:
    """The rates of all SKUs that are understood.

    Of two that state the same part, the one that speaks of fewer regions holds, and of such the dearer.
    """
    found: dict[tuple[str, Purchase, Key], tuple[int, float]] = {}
    for sku in skus:
        for place, usd_h in _rates(sku):
            candidate = (-len(sku.regions), usd_h)
            found[place] = max(found.get(place, candidate), candidate)
    return Rates({place: usd_h for place, (_, usd_h) in found.items()}, frozenset(key for _, _, key in found))


def require_said(skus: Iterable[Sku]) -> None:
    """Refuse a list in which no SKU says one of the fields that all rates are read from.

    Raises:
        AnswerError: a field is in none of them; it has been renamed, or the list is empty.
    """
    said: dict[str, bool] = dict.fromkeys(_SAID, False)
    for sku in skus:
        for field, says in _SAID.items():
            said[field] = said[field] or bool(says(sku))
    lacking = [field for field, is_said in said.items() if not is_said]
    if lacking:
        raise AnswerError(f"price list of Compute Engine: no SKU has {', '.join(lacking)}")


_SAID: Final[Mapping[str, Callable[[Sku], object]]] = MappingProxyType(
    {
        "description": lambda sku: sku.description,
        "category.resourceFamily": lambda sku: sku.category.family,
        "category.resourceGroup": lambda sku: sku.category.group,
        "category.usageType": lambda sku: sku.category.usage,
        "serviceRegions": lambda sku: sku.regions,
        "pricingInfo.pricingExpression.usageUnit": lambda sku: sku.unit,
        "pricingInfo.pricingExpression.tieredRates.unitPrice": lambda sku: sku.price_usd,
    }
)


def _rates(sku: Sku) -> Iterator[tuple[tuple[str, Purchase, Key], float]]:
    said = sku.description.lower()
    if _SKIPPED.search(said) or not sku.price_usd or sku.unit not in PER_UNIT_HOUR:
        return
    purchase, key = _purchase(said, sku.category.usage), _key(said, sku.category)
    if purchase is None or key is None:
        return
    usd_h = sku.price_usd * PER_UNIT_HOUR[sku.unit]
    for region in sku.regions:
        yield (region, purchase, key), usd_h


def _purchase(said: str, usage: str) -> Purchase | None:
    """How the SKU is bought. The description decides: spot SKUs of B200, TPUs and local SSD are marked `OnDemand`."""
    if "preemptible" in said:
        return Purchase.SPOT
    if said.startswith("commitment"):
        term = _TERM.search(said)
        return TERMS.get(term[1]) if term else None
    return USAGES.get(usage)


def _key(said: str, category: _Category) -> Key | None:
    """The part that a description speaks of, without how it is bought and where."""
    what = _BEHIND.sub("", _BEFORE.sub("", said), count=1)
    if category.group in WHOLE:
        return Part.MACHINE, WHOLE[category.group]
    if category.group == "GPU":
        return _gpu(what)
    if category.group == "TPU":
        return _tpu(what.replace("preemptible ", ""))
    if category.group == "LocalSSD":
        ssd = _SSD.fullmatch(what)
        return (Part.SSD, ssd["series"] or "") if ssd else None
    return _processor(what, committed=said.startswith("commitment")) if category.family == "Compute" else None


def _gpu(what: str) -> Key | None:
    sliced = _SLICE.fullmatch(what)
    if sliced:
        return Part.SLICE, sliced["series"]
    name = GPUS.get(what.removeprefix("nvidia ").removesuffix(" gpu"))
    return (Part.GPU, name) if name else None


def _tpu(what: str) -> Key | None:
    tpu = _TPU.fullmatch(what)
    if tpu is None:
        return None
    try:
        name = accelerator_name(f"tpu-{tpu['model']}")
    except UnknownNameError:
        return None
    if name not in DEVICES:
        return Part.CHIP, name
    return (Part.POD if tpu["pod"] else Part.DEVICE), name


def _processor(what: str, *, committed: bool) -> Key | None:
    """vCPUs or memory of a series. Commitments to N1 name no series: `Commitment v1: Cpu in Americas for 1 Year`."""
    processor = _PROCESSOR.fullmatch(what)
    if processor is None:
        return None
    text = _MAKERS.sub("", processor["series"].removesuffix("instance").strip())
    series = "n1" if committed and not text else SERIES.get(text, text)
    if not _SERIES_NAME.fullmatch(series):
        return None
    return (Part.RAM if processor["part"] == "ram" else Part.CORE), series
