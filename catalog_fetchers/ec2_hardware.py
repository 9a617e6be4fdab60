"""The hardware of EC2 types from answers of DescribeInstanceTypes, for the seed and for the live source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES
from catalog_fetchers.rows import accelerator

CLOUD: Final = "aws"
_COLUMNS: Final = (
    "cloud",
    "instance_type",
    "vcpus",
    "memory_gib",
    "arch",
    "accelerator",
    "accelerator_count",
    "accelerator_memory_gib",
    "network_gbit_s",
    "local_ssd_gib",
)


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class _Cpus(_Answer):
    default: float = Field(alias="DefaultVCpus")


class _Memory(_Answer):
    size_mib: float = Field(alias="SizeInMiB")


class _Processor(_Answer):
    supported_architectures: list[str]


class _Card(_Answer):
    baseline_bandwidth_in_gbps: float


class _Network(_Answer):
    network_performance: str
    network_cards: list[_Card] = []


class _Device(_Answer):
    name: str
    count: float = 0
    logical_gpu_count: float = 0
    gpu_partition_size: float = 1
    memory_info: _Memory


class _Gpus(_Answer):
    gpus: list[_Device]


class _Neurons(_Answer):
    neuron_devices: list[_Device]


class _Accelerators(_Answer):
    accelerators: list[_Device]


class _Disk(_Answer):
    count: int
    size_gb: int = Field(alias="SizeInGB")
    type: str


class _Storage(_Answer):
    disks: list[_Disk] = []


class Machine(_Answer):
    """One type as DescribeInstanceTypes describes it, and what follows from that."""

    cpus: _Cpus = Field(alias="VCpuInfo")
    memory_info: _Memory
    processor_info: _Processor
    network_info: _Network
    supported_usage_classes: list[str]
    gpu_info: _Gpus | None = None
    neuron_info: _Neurons | None = None
    inference_accelerator_info: _Accelerators | None = None
    media_accelerator_info: _Accelerators | None = None
    instance_storage_info: _Storage = _Storage()

    @property
    def is_mac(self) -> bool:
        """See the function of this name."""
        return is_mac(self.processor_info.supported_architectures)

    @property
    def has_spot(self) -> bool:
        """Whether the machine is sold on spot."""
        return "spot" in self.supported_usage_classes

    @property
    def has_on_demand(self) -> bool:
        """Whether the machine is sold on demand."""
        return "on-demand" in self.supported_usage_classes

    @property
    def devices(self) -> list[_Device]:
        """Its accelerators; FPGAs are none here."""
        if self.gpu_info:
            return self.gpu_info.gpus
        if self.neuron_info:
            return self.neuron_info.neuron_devices
        others = self.inference_accelerator_info or self.media_accelerator_info
        return others.accelerators if others else []


def is_mac(architectures: Iterable[str]) -> bool:
    """Whether a machine of these architectures is Apple's, sold by the day on a dedicated host and without Linux."""
    return all(arch.endswith("_mac") for arch in architectures)


def instance_types(machines: Mapping[str, Any]) -> pl.DataFrame:
    """Hardware from answers of DescribeInstanceTypes (each a `Machine`, or what one is read from), one row per type.

    Bandwidth is what the machine sustains: AWS's own figure where it is a plain one, and the baseline of the network
    cards where it is `Up to` or a word, because a transfer of any length runs at the baseline. The cards are not added
    up where there is a plain figure, since each may be listed with the whole of it. FPGAs are no accelerators here.
    """
    rows = [_row(name, Machine.model_validate(answer)) for name, answer in machines.items()]
    schema = INSTANCE_TYPES.polars_schema()
    return pl.DataFrame(rows, schema={name: schema[name] for name in _COLUMNS})


def _row(name: str, machine: Machine) -> dict[str, Any]:
    return {
        "cloud": CLOUD,
        "instance_type": name,
        "vcpus": machine.cpus.default,
        "memory_gib": machine.memory_info.size_mib / 1024,
        "arch": "x86_64" if "x86_64" in machine.processor_info.supported_architectures else "arm64",
        **_accelerator(machine.devices),
        "network_gbit_s": _bandwidth(machine.network_info),
        "local_ssd_gib": _local_ssd(machine.instance_storage_info),
    }


def _accelerator(devices: list[_Device]) -> dict[str, str | float | None]:
    """Canonical accelerator, its count, and the memory of one.

    The memory is that of the model's data sheet, so that a model is the same on every cloud; the answer's own figure
    tells an A100 of 40 from one of 80 GiB. It is not used as it stands, because it leaves out what the driver keeps
    (22.4 GiB for 24) and is wrong for Trainium2 (512 for 96). A fraction of a GPU is a count below one.
    """
    if not devices:
        return {"accelerator": None, "accelerator_count": None, "accelerator_memory_gib": None}
    first = devices[0]
    share = first.gpu_partition_size
    memory_gib = first.memory_info.size_mib / 1024
    name = _variant(accelerator(first.name) or first.name, memory_gib / share)
    model = ACCELERATORS.get(name)
    return {
        "accelerator": name,
        "accelerator_count": sum(device.count or device.logical_gpu_count * share for device in devices),
        "accelerator_memory_gib": (model.memory_gib if model else None) or memory_gib,
    }


def _variant(name: str, memory_gib: float) -> str:
    """The variant of a model with that memory: `A100` with 80 GiB is `A100-80GB`. The model itself where none fits."""
    model = ACCELERATORS.get(name)
    if model is None or model.memory_gib is None or memory_gib < model.memory_gib * 1.25:
        return name
    larger = f"{name}-{round(memory_gib)}GB"
    return larger if larger in ACCELERATORS else name


def _bandwidth(network: _Network) -> float | None:
    """Sustained bandwidth in Gbit/s from `25 Gigabit`, `4x 100 Gigabit`, `Up to 10 Gigabit` or `Moderate`."""
    words = network.network_performance.removesuffix(" Gigabit").split()
    if len(words) == 1 and words[0].replace(".", "").isdigit():
        return float(words[0])
    if len(words) == 2 and words[0].endswith("x"):
        return float(words[0].removesuffix("x")) * float(words[1])
    return sum(card.baseline_bandwidth_in_gbps for card in network.network_cards) or None


def _local_ssd(storage: _Storage) -> float:
    """Local SSD in GiB (AWS counts in GB of 10^9 bytes); local hard disks are none."""
    gigabytes = sum(disk.count * disk.size_gb for disk in storage.disks if disk.type == "ssd")
    return round(gigabytes * 10**9 / 2**30, 1)
