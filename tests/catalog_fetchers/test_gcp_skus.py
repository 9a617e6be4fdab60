"""Google's SKUs: what their descriptions say, and which of them are no rate."""

from __future__ import annotations

import pytest

from catalog_data.schema import Purchase
from catalog_fetchers.errors import AnswerError
from catalog_fetchers.gcp_skus import MEGA, Key, Part, Sku, read_rates, require_said


def a_sku(
    description: str,
    group: str = "CPU",
    usage: str = "OnDemand",
    *,
    unit: str = "h",
    price: float = 2.5,
    regions: tuple[str, ...] = ("us-central1",),
) -> Sku:
    """A SKU of family Compute at a price in one tier."""
    tier = {"unitPrice": {"units": str(int(price)), "nanos": round(price % 1 * 1e9)}}
    return Sku.model_validate(
        {
            "description": description,
            "category": {"resourceFamily": "Compute", "resourceGroup": group, "usageType": usage},
            "serviceRegions": list(regions),
            "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": [tier]}}],
        }
    )


@pytest.mark.parametrize(
    ("description", "group", "key"),
    [
        ("N1 Predefined Instance Core running in Americas", "N1Standard", (Part.CORE, "n1")),
        ("N2D AMD Instance Ram running in Netherlands", "RAM", (Part.RAM, "n2d")),
        ("C4A Arm Instance Core running in Iowa", "CPU", (Part.CORE, "c4a")),
        ("Compute optimized Core running in Americas", "CPU", (Part.CORE, "c2")),
        ("Compute optimized Instance Ram running in Madrid", "RAM", (Part.RAM, "c2")),
        ("Memory-optimized Instance Core running in Americas", "CPU", (Part.CORE, "m1")),
        ("M3 Memory-optimized Instance Ram running in Warsaw", "RAM", (Part.RAM, "m3")),
        ("M4NUltramem224Instance Ram running in Iowa", "RAM", (Part.RAM, "m4nultramem224")),
        ("A3Plus Instance Core running in Americas", "CPU", (Part.CORE, "a3plus")),
        ("Nvidia Tesla T4 GPU running in Americas", "GPU", (Part.GPU, "T4")),
        ("Nvidia H100 80GB Mega GPU running in Frankfurt", "GPU", (Part.GPU, MEGA)),
        ("H200 141GB GPU running in Belgium", "GPU", (Part.GPU, "H200")),
        ("RTX 6000 96GB running in Oregon", "GPU", (Part.GPU, "RTXPRO6000")),
        ("A4 Nvidia B200 (1 gpu slice) running in Netherlands", "GPU", (Part.SLICE, "a4")),
        ("SSD backed Local Storage in Paris", "LocalSSD", (Part.SSD, "")),
        ("C4D Instance Local SSD running in Frankfurt", "LocalSSD", (Part.SSD, "c4d")),
        ("Small Instance with 1 VCPU running in Americas", "G1Small", (Part.MACHINE, "g1-small")),
        ("TpuV5e running in Delhi", "TPU", (Part.CHIP, "TPU-v5e")),
        ("TPU7x running in Americas", "TPU", (Part.CHIP, "TPU-7x")),
        ("Tpu-v2 Accelerator USA", "TPU", (Part.DEVICE, "TPU-v2")),
        ("Tpu-v4 Pod Accelerator USA", "TPU", (Part.POD, "TPU-v4")),
    ],
)
def test_a_description_names_a_part(description: str, group: str, key: Key) -> None:
    """Series, GPUs and TPUs are read out of the many ways in which descriptions name them."""
    assert read_rates([a_sku(description, group)]).rate("us-central1", Purchase.ON_DEMAND, key) == 2.5


@pytest.mark.parametrize(
    ("description", "group", "usage", "purchase", "key"),
    [
        ("Spot Preemptible C3D Instance Core running in Iowa", "CPU", "Preemptible", Purchase.SPOT, (Part.CORE, "c3d")),
        (
            "Nvidia L4 GPU attached to Spot Preemptible VMs running in Iowa",
            "GPU",
            "Preemptible",
            Purchase.SPOT,
            (Part.GPU, "L4"),
        ),
        (
            "Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Iowa",
            "GPU",
            "OnDemand",
            Purchase.SPOT,
            (Part.SLICE, "a4"),
        ),
        (
            "SSD backed Local Storage attached to Spot Preemptible VMs",
            "LocalSSD",
            "OnDemand",
            Purchase.SPOT,
            (Part.SSD, ""),
        ),
        (
            "TpuV6e attached to Spot Preemptible VMs running in Iowa",
            "TPU",
            "Preemptible",
            Purchase.SPOT,
            (Part.CHIP, "TPU-v6e"),
        ),
        ("Commitment v1: Cpu in Iowa for 1 Year", "CPU", "Commit1Yr", Purchase.RESERVED_1Y, (Part.CORE, "n1")),
        ("Commitment v1: N2 Ram in Iowa for 3 Year", "RAM", "Commit3Yr", Purchase.RESERVED_3Y, (Part.RAM, "n2")),
        (
            "Commitment: Compute optimized Core running in Americas for 1 Year",
            "CPU",
            "Commit1Yr",
            Purchase.RESERVED_1Y,
            (Part.CORE, "c2"),
        ),
        (
            "Commitment v1: Nvidia H100 80GB GPU running in Iowa for 3 Years",
            "GPU",
            "Commit3Yr",
            Purchase.RESERVED_3Y,
            (Part.GPU, "H100"),
        ),
        (
            "Commitment v1: C4A Local SSD in Frankfurt for 1 Year",
            "LocalSSD",
            "Commit1Yr",
            Purchase.RESERVED_1Y,
            (Part.SSD, "c4a"),
        ),
        (
            "Commitment v1: TpuV5p running in Netherlands for 3 Years",
            "TPU",
            "OnDemand",
            Purchase.RESERVED_3Y,
            (Part.CHIP, "TPU-v5p"),
        ),
    ],
)
def test_a_description_says_how_it_is_bought(
    description: str, group: str, usage: str, purchase: Purchase, key: Key
) -> None:
    """Where description and usage type differ, the description is right: spot B200 and SSD are marked OnDemand."""
    assert list(read_rates([a_sku(description, group, usage)]).usd_h.items()) == [(("us-central1", purchase, key), 2.5)]


@pytest.mark.parametrize(
    ("description", "group", "usage"),
    [
        ("N2 Custom Instance Core running in Americas", "CPU", "OnDemand"),
        ("Custom Instance Core running in Americas", "CPU", "OnDemand"),
        ("C3 Sole Tenancy Instance Core running in Americas", "CPU", "OnDemand"),
        ("Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Iowa", "CPU", "OnDemand"),
        ("Committed Use Discount Premium for E2 Instance Core running in Iowa", "CPU", "CmtCudPremium"),
        ("DWS Defined Duration A3 Core running in Americas", "CPU", "OnDemand"),
        ("Nvidia L4 GPU attached to DWS Defined Duration VMs running in Frankfurt", "GPU", "OnDemand"),
        ("Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode", "GPU", "OnDemand"),
        ("Reserved A2 Ram in Netherlands", "RAM", "OnDemand"),
        ("Nvidia Tesla T4 Virtual Workstation GPU running in Americas", "GPU", "OnDemand"),
        ("1/8 vGPU no lssd running in Iowa", "GPU", "OnDemand"),
        ("Commitment v1: N4A Core in Johannesburg for 5 Years", "CPU", "Commit"),
        ("Licensing Fee for Windows Server 2022 (CPU cost)", "Google", "OnDemand"),
        ("Cpu in Iowa", "CPU", "OnDemand"),
    ],
)
def test_what_is_no_rate_of_a_machine_is_left_out(description: str, group: str, usage: str) -> None:
    """Custom, sole tenancy, premiums, bookings, workstations, shares of a GPU, licences and five-year terms."""
    assert not read_rates([a_sku(description, group, usage)]).usd_h


@pytest.mark.parametrize(
    ("unit", "price", "usd_h"),
    [
        ("GiBy.h", 0.003938, 0.003938),
        ("GBy.h", 0.003495578, 0.003495578 * 1.073741824),
        ("GiBy.mo", 0.08, 0.08 / 730),
    ],
)
def test_units_become_gib_and_hours(unit: str, price: float, usd_h: float) -> None:
    """Some series are billed by decimal gigabytes, and local SSD by the month."""
    rates = read_rates([a_sku("C4D Instance Ram running in Iowa", "RAM", unit=unit, price=price)])
    assert rates.rate("us-central1", Purchase.ON_DEMAND, (Part.RAM, "c4d")) == pytest.approx(usd_h)


def test_an_unknown_unit_and_a_price_of_zero_are_no_rate() -> None:
    """Nothing is guessed of a unit that is not documented, and 0 is no price."""
    skus = [
        a_sku("N2 Instance Ram running in Iowa", "RAM", unit="GiBy.fortnight"),
        a_sku("N2 Instance Core running in Iowa", price=0),
    ]
    assert not read_rates(skus).usd_h


def test_of_two_rates_for_the_same_the_narrower_holds_and_then_the_dearer() -> None:
    """The order in which Google lists SKUs decides nothing."""
    wide = a_sku("M1 Instance Core running in Asia", price=3, regions=("asia-east1", "asia-northeast1"))
    tokyo = a_sku("M1 Instance Core running in Tokyo", price=1, regions=("asia-northeast1",))
    japan = a_sku("M1 Instance Core running in Japan", price=2, regions=("asia-northeast1",))
    for skus in ([wide, tokyo, japan], [japan, tokyo, wide]):
        assert read_rates(skus).rate("asia-northeast1", Purchase.ON_DEMAND, (Part.CORE, "m1")) == 2


def test_the_newest_price_and_the_tier_beyond_what_is_free_hold() -> None:
    """A SKU lists its prices in the order of time, and each from the lowest amount on."""

    def at(*tiers: tuple[int, str]) -> dict[str, object]:
        rates = [{"startUsageAmount": start, "unitPrice": {"units": units}} for start, units in tiers]
        return {"pricingExpression": {"usageUnit": "h", "tieredRates": rates}}

    sku = Sku.model_validate({"pricingInfo": [at((0, "7")), at((0, "0"), (720, "5"))]})
    assert sku.price_usd == 5


def test_a_field_that_no_sku_has_is_said() -> None:
    """The client library drops a renamed field: if all SKUs lack it, nothing is read from them."""
    said = a_sku("N2 Instance Core running in Iowa")
    require_said([said, Sku()])
    with pytest.raises(AnswerError, match=r"no SKU has category\.usageType, serviceRegions$"):
        require_said([a_sku("N2 Instance Core running in Iowa", usage="", regions=())])
    with pytest.raises(AnswerError, match="no SKU has description"):
        require_said([])
