"""Azure's names: what a size says of its hardware, how zones are called, and which regions are open to everyone.

Shared by the sources of Azure and by the embedded catalog; pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

CLOUD: Final = "azure"

SOVEREIGN: Final = r"^(usgov|usdod|china|germany(central|northeast)$)"
"""Regions of sovereign clouds, which have accounts of their own (the German ones closed in 2021)."""

CLOSED: Final = rf"{SOVEREIGN}|^att|euap$|stg$"
"""These, places in a carrier's network, canaries and stages: an ordinary account can launch nothing there."""

ARM: Final = r"^Standard_[A-Z]+\d+(-\d+)?[a-z]*p"
"""A size's small letters name its features; p is an Arm processor (learn.microsoft.com/azure/virtual-machines)."""


def _by_size(models: Mapping[str, Mapping[str, str]]) -> Mapping[str, tuple[str, Fraction]]:
    return MappingProxyType(
        {
            f"Standard_{size}": (model, Fraction(count))
            for model, sizes in models.items()
            for size, count in sizes.items()
        }
    )


# GPUs of each size (learn.microsoft.com/azure/virtual-machines/sizes/gpu-accelerated): packaged shapes and Azure's own
# list name no model, count a part of a GPU as a whole one, and miscount some sizes. Parts of a GPU are fractions.
GPUS: Final = _by_size(
    {
        "T4": {"NC4as_T4_v3": "1", "NC8as_T4_v3": "1", "NC16as_T4_v3": "1", "NC64as_T4_v3": "4"},
        "V100": {"NC6s_v3": "1", "NC12s_v3": "2", "NC24s_v3": "4", "NC24rs_v3": "4"},
        "M60": {"NV12s_v3": "1", "NV24s_v3": "2", "NV48s_v3": "4"},
        "MI25": {"NV4as_v4": "1/8", "NV8as_v4": "1/4", "NV16as_v4": "1/2", "NV32as_v4": "1"},
        "A10": {
            "NV6ads_A10_v5": "1/6",
            "NV12ads_A10_v5": "1/3",
            "NV18ads_A10_v5": "1/2",
            "NV36ads_A10_v5": "1",
            "NV36adms_A10_v5": "1",
            "NV72ads_A10_v5": "2",
        },
        "A100": {"ND96asr_v4": "8"},
        "A100-80GB": {"NC24ads_A100_v4": "1", "NC48ads_A100_v4": "2", "NC96ads_A100_v4": "4"},
        "H100": {"ND96isr_H100_v5": "8"},
        "H100-NVL": {"NC40ads_H100_v5": "1"},
    }
)
"""Model and count by size, for the sizes that packaged shapes hold."""

# The same for sizes that no packaged shape holds: parts of a GPU, and sizes whose GPUs Azure's list does not count.
_OTHER_GPUS: Final = _by_size(
    {
        "A10": {"NC16ads_A10_v4": "1", "NC32ads_A10_v4": "2"},
        "V620": {"NG8ads_V620_v1": "1/4", "NG16ads_V620_v1": "1/2", "NG32ads_V620_v1": "1", "NG32adms_V620_v1": "1"},
        "V710": {
            "NV4ads_V710_v5": "1/6",
            "NV8ads_V710_v5": "1/3",
            "NV12ads_V710_v5": "1/2",
            "NV24ads_V710_v5": "1",
            "NV28adms_V710_v5": "1",
        },
        "MI300X": {"ND96isr_MI300X_v5": "8", "ND96is_MI300X_v5": "8"},
        "GB200": {"ND128isr_NDR_GB200_v6": "4"},
        "GB300": {"ND128isr_GB300_v6": "4", "ND128isrG5_GB300_v6": "4"},
    }
)

# Series whose machines hold whole GPUs of one model, by what follows `Standard_`.
_WHOLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        r"ND\d+rs_v2": "V100-32GB",
        r"ND\d+amsr_A100_v4": "A100-80GB",
        r"ND\d+[a-z]+_H100_v5": "H100",
        r"NCC?\d+[a-z]+_H100_v5": "H100-NVL",
        r"ND\d+[a-z]+_H200_v5": "H200",
        r"NC\d+l?ds_xl_RTXPRO6000BSE_v6": "RTXPRO6000",
    }
)


def gpus(size: str, counted: float) -> tuple[str, float] | None:
    """The model of a size and how many a machine has; None where that is not known.

    `counted` is how many GPUs Azure's list counts, which is believed only of series with whole GPUs.
    """
    found = GPUS.get(size) or _OTHER_GPUS.get(size)
    if found:
        return found[0], float(found[1])
    models = (model for series, model in _WHOLE.items() if re.fullmatch(f"Standard_{series}", size))
    model = next(models, None)
    return (model, counted) if model and counted else None


def zone_name(region: str, zone: str) -> str:
    """The name of a zone that no zone of another region has, as Azure's Kubernetes service writes it: `eastus-1`.

    The number is that of the subscription: which building it stands for differs between subscriptions.
    """
    return f"{region}-{zone}"
