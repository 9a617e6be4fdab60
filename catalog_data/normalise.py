"""One name for each thing: accelerators, TPU slices and clouds as every source spells them.

Pure and light: it imports nothing but the standard library, so that reading a workload stays cheap.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class UnknownNameError(ValueError):
    """A name that no table knows. `nearest` is the closest known name, if one is close."""

    def __init__(self, kind: str, name: str, nearest: str | None) -> None:
        hint = f": did you mean {nearest}?" if nearest else ""
        super().__init__(f"unknown {kind} {name}{hint}")
        self.kind = kind
        self.name = name
        self.nearest = nearest


@dataclass(frozen=True)
class Accelerator:
    """One model of accelerator: `memory_gib` of one device (or chip; None: it varies), `cores` per chip of a TPU."""

    name: str
    vendor: str
    memory_gib: float | None
    aliases: tuple[str, ...] = ()
    slice_cores: int = 0
    """How many units of a slice name (`v4-8`) make one chip; 0 where it is no TPU."""


def _nvidia(name: str, memory_gib: float | None, *aliases: str) -> Accelerator:
    return Accelerator(name, "nvidia", memory_gib, aliases)


# Memory of one device as its maker's data sheet states it; TPUs per chip (cloud.google.com/tpu/docs).
# `A100` is the 40 GB model and `V100` the 16 GB one, as users of `sky` know them.
_MODELS: Final = (
    _nvidia("K80", 12, "tesla-k80"),
    _nvidia("K520", 4, "grid-k520"),
    _nvidia("M60", 8, "tesla-m60"),
    _nvidia("M4000", 8),
    _nvidia("P4", 8, "tesla-p4", "tesla-p4-vws"),
    _nvidia("P40", 24, "tesla-p40"),
    _nvidia("P100", 16, "tesla-p100", "tesla-p100-vws"),
    _nvidia("P4000", 8),
    _nvidia("P5000", 16),
    _nvidia("P6000", 24),
    _nvidia("V100", 16, "tesla-v100", "v100-16gb", "v100-sxm2", "v100-sxm2-16gb"),
    _nvidia("V100-32GB", 32, "v100-sxm2-32gb", "tesla-v100-32gb", "v100-32g"),
    _nvidia("T4", 16, "tesla-t4", "tesla-t4-vws"),
    _nvidia("T4g", 16),
    _nvidia("A2", 16),
    _nvidia("A10", 24, "a10-24gb", "nvidia-a10-24gb"),
    _nvidia("A10G", 24),
    _nvidia("A16", 16),
    _nvidia("A30", 24),
    _nvidia("A40", 48),
    _nvidia("A100", 40, "tesla-a100", "a100-40gb", "a100-sxm4", "a100-sxm4-40gb", "a100-pcie-40gb", "a100-pcie"),
    _nvidia("A100-80GB", 80, "a100-80g", "a100-sxm4-80gb", "a100-pcie-80gb", "a100-80gb-sxm", "a100-80gb-pcie"),
    _nvidia("A4000", 16, "rtx-a4000", "rtxa4000"),
    _nvidia("A4500", 20, "rtx-a4500", "rtxa4500"),
    _nvidia("A5000", 24, "rtx-a5000", "rtxa5000"),
    _nvidia("A6000", 48, "rtx-a6000", "rtxa6000"),
    _nvidia("L4", 24, "l4-vws"),
    _nvidia("L40", 48),
    _nvidia("L40S", 48),
    _nvidia("H100", 80, "h100-80gb", "h100-sxm", "h100-sxm5", "h100-80gb-hbm3", "h100-mega", "h100-mega-80gb"),
    _nvidia("H100-PCIE", 80, "h100-80gb-pcie"),
    _nvidia("H100-NVL", 94),
    _nvidia("H20", 96),
    _nvidia("H200", 141, "h200-sxm", "h200-141gb"),
    _nvidia("H200-NVL", 141),
    _nvidia("GH200", 96, "gh200-96gb", "gh200-480gb"),
    _nvidia("B200", 180, "b200-sxm", "b200-180gb"),
    _nvidia("B300", 270, "b300-sxm6"),
    _nvidia("GB200", 186),
    _nvidia("GB300", 278),
    _nvidia("TitanXp", 12),
    _nvidia("TitanV", 12),
    _nvidia("RTX2080Ti", 11),
    _nvidia("RTX3060", None),  # sold with 8 and with 12 GB
    _nvidia("RTX3060Ti", 8),
    _nvidia("RTX3070", 8),
    _nvidia("RTX3070Ti", 8),
    _nvidia("RTX3080", 10),
    _nvidia("RTX3080Ti", 12),
    _nvidia("RTX3090", 24),
    _nvidia("RTX3090Ti", 24),
    _nvidia("RTX4060", 8),
    _nvidia("RTX4060Ti", None),  # sold with 8 and with 16 GB
    _nvidia("RTX4070", 12),
    _nvidia("RTX4070Super", 12, "rtx4070s"),
    _nvidia("RTX4070Ti", 12),
    _nvidia("RTX4070TiSuper", 16, "rtx4070s-ti", "rtx4070ti-s"),
    _nvidia("RTX4080", 16),
    _nvidia("RTX4080Super", 16, "rtx4080s"),
    _nvidia("RTX4090", 24),
    _nvidia("RTX4090D", 24),
    _nvidia("RTX5060", 8),
    _nvidia("RTX5060Ti", None),  # sold with 8 and with 16 GB
    _nvidia("RTX5070", 12),
    _nvidia("RTX5070Ti", 16),
    _nvidia("RTX5080", 16),
    _nvidia("RTX5090", 32),
    _nvidia("RTX2000-Ada", 16),
    _nvidia("RTX4000-Ada", 20, "rtx4000ada"),
    _nvidia("RTX5000", 16, "quadro-rtx-5000", "quadrortx5000"),
    _nvidia("RTX6000", 24, "quadro-rtx-6000", "quadrortx6000", "q-rtx-6000"),
    _nvidia("RTX5000-Ada", 32),
    _nvidia("RTX5880-Ada", 48),
    _nvidia("RTX6000-Ada", 48, "rtx6000ada"),
    _nvidia("RTX8000", 48, "quadro-rtx-8000", "q-rtx-8000"),
    _nvidia("RTXPRO4500", 32, "rtx-pro-4500"),
    _nvidia(
        "RTXPRO6000",
        96,
        "rtx-pro-6000",
        "rtxpro6000ws",
        "rtxpro-6000",
        "rtx-pro-server-6000",
        "rtxpro6000wk",
        "rtxpro6000s",
    ),
    _nvidia("RTXPRO6000-MaxQ", 96),
    Accelerator("MI25", "amd", 16, ("radeon-instinct-mi25",)),
    Accelerator("MI250", "amd", 128, ("mi250x",)),
    Accelerator("MI300X", "amd", 192, ("mi300", "mi300x-192gb")),
    Accelerator("MI325X", "amd", 256),
    Accelerator("MI350X", "amd", 288),
    Accelerator("MI355X", "amd", 288),
    Accelerator("V520", "amd", 8, ("radeon-pro-v520",)),
    Accelerator("V620", "amd", 32, ("radeon-pro-v620",)),
    Accelerator("V710", "amd", 28, ("radeon-pro-v710",)),
    Accelerator("Gaudi", "intel", 32, ("gaudi-hl-205", "hl-205")),
    Accelerator("Gaudi2", "intel", 96, ("gaudi-2",)),
    Accelerator("Gaudi3", "intel", 128, ("gaudi-3", "gaudi3-hl-325l")),
    Accelerator("Inferentia", "aws", 8),
    Accelerator("Inferentia2", "aws", 32),
    Accelerator("Trainium", "aws", 32),
    Accelerator("Trainium2", "aws", 96),
    Accelerator("Trainium3", "aws", 144),
    Accelerator("QualcommAI100", "qualcomm", 16, ("qualcomm-ai100", "ai100")),
    Accelerator("U30", "xilinx", None, ("alveo-u30",)),
    Accelerator("TPU-v2", "google", 16, slice_cores=2),
    Accelerator("TPU-v3", "google", 32, slice_cores=2),
    Accelerator("TPU-v4", "google", 32, ("tpu-v4-podslice",), slice_cores=2),
    Accelerator(
        "TPU-v5e",
        "google",
        16,
        ("tpu-v5litepod", "v5litepod", "tpu-v5-lite-podslice", "tpu-v5-lite-device"),
        slice_cores=1,
    ),
    Accelerator("TPU-v5p", "google", 95, ("tpu-v5p-slice",), slice_cores=2),
    Accelerator("TPU-v6e", "google", 32, ("tpu-v6e-slice",), slice_cores=1),
    Accelerator("TPU-7x", "google", 192, ("tpu-v7x", "tpu7x", "ironwood"), slice_cores=1),
)

ACCELERATORS: Final[Mapping[str, Accelerator]] = MappingProxyType({model.name: model for model in _MODELS})


def _fold(text: str) -> str:
    """The spelling without what sources differ in: case, spaces, underscores, maker and hyphens."""
    folded = re.sub(r"[\s_\-]+", "", text.strip().lower())
    return folded.removeprefix("nvidia").removeprefix("geforce").removeprefix("amd").removeprefix("aws")


_BY_SPELLING: Final[Mapping[str, str]] = MappingProxyType(
    {_fold(spelling): model.name for model in _MODELS for spelling in (model.name, *model.aliases)}
)
_TPU_SLICE: Final = re.compile(r"(?i)(?P<model>(?:tpu-?)?(?:v[0-9]+(?:e|p|litepod|x)?|7x))-(?P<size>[0-9]{1,6})")


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name` regardless of case, or None where nothing is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def accelerator_name(text: str) -> str:
    """The canonical name of an accelerator: `nvidia-tesla-t4` -> `T4`, `a100-80gb` -> `A100-80GB`.

    Raises:
        UnknownNameError: no model is spelt like this; it names the nearest one.
    """
    found = _BY_SPELLING.get(_fold(text))
    if found is None:
        raise UnknownNameError("accelerator", text, nearest_name(text, ACCELERATORS))
    return found


def tpu_slice(text: str) -> tuple[str, int] | None:
    """The model and the number of chips of a TPU slice name, or None where it is none.

    A slice is named after its cores up to v5p and after its chips from v5e on, so `tpu-v4-8` holds 4
    chips and `tpu-v6e-8` holds 8 (cloud.google.com/tpu/docs/system-architecture-tpu-vm).
    """
    match = _TPU_SLICE.fullmatch(text.strip())
    if match is None:
        return None
    model = match["model"].lower()
    name = _BY_SPELLING.get(_fold(model if model.startswith("tpu") else f"tpu-{model}"))
    if name is None:
        return None
    chips, rest = divmod(int(match["size"]), ACCELERATORS[name].slice_cores)
    return (name, chips) if chips and not rest else None


CLOUDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aws": "Amazon Web Services",
        "azure": "Microsoft Azure",
        "cloudrift": "CloudRift",
        "coreweave": "CoreWeave",
        "crusoe": "Crusoe",
        "cudo": "Cudo Compute",
        "digitalocean": "DigitalOcean",
        "fluidstack": "Fluidstack",
        "gcp": "Google Cloud",
        "hotaisle": "Hot Aisle",
        "hyperbolic": "Hyperbolic",
        "ibm": "IBM Cloud",
        "kubernetes": "Kubernetes",
        "lambda": "Lambda",
        "lium": "Lium",
        "mithril": "Mithril",
        "nebius": "Nebius",
        "oci": "Oracle Cloud",
        "paperspace": "Paperspace",
        "primeintellect": "Prime Intellect",
        "runpod": "RunPod",
        "scp": "Samsung Cloud Platform",
        "seeweb": "Seeweb",
        "shadeform": "Shadeform",
        "slurm": "Slurm",
        "ssh": "own machines",
        "vast": "Vast.ai",
        "verda": "Verda (DataCrunch)",
        "vsphere": "vSphere",
        "vultr": "Vultr",
        "yotta": "Yotta",
    }
)
_CLOUD_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amazon": "aws",
        "datacrunch": "verda",
        "do": "digitalocean",
        "google": "gcp",
        "k8s": "kubernetes",
        "lambda_cloud": "lambda",
        "lambdalabs": "lambda",
        "oracle": "oci",
    }
)


def cloud_name(text: str) -> str:
    """The canonical name of a cloud: `k8s` -> `kubernetes`, `DO` -> `digitalocean`.

    Raises:
        UnknownNameError: no cloud is spelt like this; it names the nearest one.
    """
    folded = text.strip().lower()
    name = _CLOUD_ALIASES.get(folded, folded)
    if name not in CLOUDS:
        raise UnknownNameError("cloud", text, nearest_name(folded, (*CLOUDS, *_CLOUD_ALIASES)))
    return name
