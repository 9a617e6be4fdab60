"""IBM Cloud: the instance profiles of each VPC region, and their list prices from the public catalog.

A profile of the third generation on has a plan, and so a price, of its own. Those of the second generation share one
plan, whose prices do not name the profile: they are offered without a price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from catalog_data.normalise import ACCELERATORS
from catalog_data.schema import INSTANCE_TYPES, OFFERS, Confidence, Purchase
from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page, Pages, Source, Tables
from catalog_fetchers.errors import AnswerError, RefusedError
from catalog_fetchers.keys import ApiKey
from catalog_fetchers.rows import accelerator, rows_of

CLOUD: Final = "ibm"
NAME: Final = "ibm"
TOKENS: Final = "https://iam.cloud.ibm.com/identity/token"
VPC: Final = "https://{}.iaas.cloud.ibm.com/v1/{}"
VERSION: Final[Mapping[str, str | int]] = MappingProxyType({"version": "2026-06-26", "generation": 2})
"""The API as it was on that day, for the VPCs that are not classic."""

CATALOG: Final = "https://globalcatalog.cloud.ibm.com/api/v1"
LIMIT: Final = 200
KEY: Final = ApiKey(("IBMCLOUD_API_KEY",), ".ibm/credentials.yaml", "iam_api_key:", "put `iam_api_key: ...` into")

METRICS: Final[Mapping[Purchase, str]] = MappingProxyType(
    {Purchase.ON_DEMAND: "part-is.instance-hours-{}", Purchase.SPOT: "part-is.spot-{}"}
)
"""What a plan charges for the machine itself; other metrics are licences, reservations and dedicated hosts."""

ARCHITECTURES: Final[Mapping[str, str]] = MappingProxyType({"amd64": "x86_64", "arm64": "arm64"})
GB: Final = 1e9
GIB: Final = 1 << 30


class _Token(BaseModel):
    access_token: str


class _Region(BaseModel):
    name: str
    status: str


class _Regions(BaseModel):
    regions: list[_Region]


class _Field(BaseModel):
    """A property of a profile: one value, or the values that may be chosen."""

    value: float | str | None = None
    values: list[str | float] = []

    @property
    def number(self) -> float | None:
        return self.value if isinstance(self.value, float) else None


class _Disk(BaseModel):
    quantity: _Field
    size: _Field


class _Profile(BaseModel):
    """Memory is in GiB, of all GPUs together too; bandwidth in Mbit/s; disks in GB."""

    name: str
    vcpu_count: _Field
    memory: _Field
    vcpu_architecture: _Field
    bandwidth: _Field = _Field()
    gpu_model: _Field = _Field()
    gpu_count: _Field = _Field()
    gpu_memory: _Field = _Field()
    disks: list[_Disk] = []
    availability_class: _Field = _Field()


class _Profiles(BaseModel):
    profiles: list[_Profile]


class _Deployment(BaseModel):
    type: str
    plan: str


class _Measure(BaseModel):
    component: str
    deployments: list[_Deployment] = []


class _Sale(BaseModel):
    measures: list[_Measure] = []


class _Other(BaseModel):
    profile: _Sale = _Sale()


class _Metadata(BaseModel):
    other: _Other = _Other()


class _Entry(BaseModel):
    """A profile in the catalog; `metadata.other.profile` says under which plan it is sold."""

    name: str
    metadata: _Metadata

    @property
    def plan(self) -> str | None:
        measures = self.metadata.other.profile.measures
        sold = (
            deployment for measure in measures if measure.component == "instance" for deployment in measure.deployments
        )
        return next((deployment.plan for deployment in sold if deployment.type == "multi-tenant"), None)


class _Entries(BaseModel):
    """A page of a list of `count` entries."""

    count: int
    resources: list[_Entry]


class _Price(BaseModel):
    price: float


class _Amount(BaseModel):
    country: str
    currency: str
    prices: list[_Price] | None


class _Metric(BaseModel):
    metric_id: str
    amounts: list[_Amount] | None


class _Quote(BaseModel):
    deployment_region: str | None
    metrics: list[_Metric] | None


class _Quotes(BaseModel):
    """The prices of one plan, a region each: far fewer than a page holds."""

    resources: list[_Quote]


def fetch(access: Access) -> Iterator[Page]:
    """Pages `profiles/<region>`, `plans/<offset>` and `prices/<profile>`."""
    bearer = {"Authorization": f"Bearer {_token(access)}"}
    body = access.client.get(VPC.format("us-south", "regions"), params=VERSION, headers=bearer)
    for region in read_as(_Regions, body, "regions").regions:
        if region.status == "available":
            url = VPC.format(region.name, "instance/profiles")
            yield Page(f"profiles/{region.name}", access.client.get(url, params=VERSION, headers=bearer))
    listed = _plan_pages(access)
    yield from listed
    for name, plan in _own_plans(listed).items():
        try:
            body = access.client.get(f"{CATALOG}/{plan}/pricing/deployment", params={"_limit": LIMIT, "_offset": 0})
        except AnswerError:
            continue  # a plan that is not published (404): its profile stays without a price
        yield Page(f"prices/{name}", body)


def parse(pages: Pages, observed_at: datetime) -> Tables:
    """INSTANCE_TYPES, and on-demand and spot OFFERS in each region whose API lists the profile."""
    by_region = {
        page.name.split("/")[1]: read_as(_Profiles, page.body, page.name).profiles
        for page in pages
        if page.name.startswith("profiles/")
    }
    profiles = {profile.name: profile for listed in by_region.values() for profile in listed}
    prices = _prices(page for page in pages if page.name.startswith("prices/"))
    said: Mapping[str, Any] = {"source": NAME, "observed_at": observed_at, "confidence": Confidence.HIGH}
    return {
        INSTANCE_TYPES.name: rows_of(INSTANCE_TYPES, map(_hardware, profiles.values()), **said),
        OFFERS.name: rows_of(OFFERS, _offers(by_region, prices), **said),
    }


def _token(access: Access) -> str:
    """A bearer token for the API key.

    Raises:
        RefusedError: the key is not accepted, which IAM answers with 400.
    """
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": KEY.found(access.env, access.home)}
    try:
        body = access.client.post(TOKENS, form=form)
    except AnswerError as error:
        raise RefusedError(f"{error}: the API key is not accepted", "renew it") from error
    return read_as(_Token, body, "token").access_token


def _plan_pages(access: Access) -> list[Page]:
    """The catalog's list of profiles, each page of which says how long the list is."""
    pages: list[Page] = []

    def step(offset: str) -> str | None:
        wanted: Mapping[str, str | int] = {
            "q": "kind:instance.profile",
            "include": "metadata",
            "_limit": LIMIT,
            "_offset": offset,
        }
        page = Page(f"plans/{offset}", access.client.get(CATALOG, params=wanted))
        pages.append(page)
        listed = read_as(_Entries, page.body, page.name)
        following = int(offset) + len(listed.resources)
        return str(following) if listed.resources and following < listed.count else None

    access.client.follow("0", step)
    return pages


def _own_plans(pages: Iterable[Page]) -> dict[str, str]:
    """The plan of each profile that has one to itself."""
    entries = [entry for page in pages for entry in read_as(_Entries, page.body, page.name).resources]
    plans = {entry.name: entry.plan for entry in entries if entry.plan}
    sharing = Counter(plans.values())
    return {name: plan for name, plan in sorted(plans.items()) if sharing[plan] == 1}


def _prices(pages: Iterable[Page]) -> dict[tuple[str, str, Purchase], float]:
    """USD an hour by profile, region and purchase."""
    found: dict[tuple[str, str, Purchase], float] = {}
    for page in pages:
        name = page.name.split("/")[1]
        wanted = {metric.format(name): purchase for purchase, metric in METRICS.items()}
        for quote in read_as(_Quotes, page.body, page.name).resources:
            for metric in quote.metrics or []:
                price = _usd(metric)
                if quote.deployment_region and price and metric.metric_id in wanted:
                    found.setdefault((name, quote.deployment_region, wanted[metric.metric_id]), price)
    return found


def _usd(metric: _Metric) -> float | None:
    """The list price for accounts in the USA, which is no conversion."""
    for amount in metric.amounts or []:
        if (amount.country, amount.currency) == ("USA", "USD") and amount.prices:
            return amount.prices[0].price
    return None


def _hardware(profile: _Profile) -> dict[str, Any]:
    count = profile.gpu_count.number
    disk_gb = sum((disk.quantity.number or 0) * (disk.size.number or 0) for disk in profile.disks)
    bandwidth = profile.bandwidth.number
    return {
        "cloud": CLOUD,
        "instance_type": profile.name,
        "vcpus": profile.vcpu_count.number,
        "memory_gib": profile.memory.number,
        "arch": ARCHITECTURES.get(str(profile.vcpu_architecture.value)),
        "accelerator": _model(profile) if count else None,
        "accelerator_count": count or None,
        "network_gbit_s": bandwidth / 1000 if bandwidth else None,
        "local_ssd_gib": disk_gb * GB / GIB,
    }


def _model(profile: _Profile) -> str | None:
    """The accelerator, told apart from its namesakes by the memory of one: `A100` of 80 GiB is an A100-80GB."""
    model = str(next(iter(profile.gpu_model.values), ""))
    memory, count = profile.gpu_memory.number, profile.gpu_count.number
    sized = accelerator(f"{model}-{memory / count:g}GB") if memory and count else None
    return sized if sized in ACCELERATORS else accelerator(model)


def _offers(
    by_region: Mapping[str, Iterable[_Profile]], prices: Mapping[tuple[str, str, Purchase], float]
) -> Iterator[dict[str, Any]]:
    for region, profiles in by_region.items():
        for profile in profiles:
            row = {"cloud": CLOUD, "region": region, "instance_type": profile.name, "available": True}
            on_demand, spot = (prices.get((profile.name, region, purchase)) for purchase in METRICS)
            yield row | {"purchase": Purchase.ON_DEMAND, "price_usd_h": on_demand}
            if spot and "spot" in profile.availability_class.values:
                yield row | {"purchase": Purchase.SPOT, "price_usd_h": spot}


SOURCE: Final = Source(
    name=NAME,
    clouds=(CLOUD,),
    brings="instance profiles by region, on-demand and spot list prices",
    page="https://cloud.ibm.com/apidocs/vpc",
    needs=KEY.needs,
    missing=KEY.missing,
    fetch=fetch,
    parse=parse,
    complete_for=(Purchase.ON_DEMAND,),
    per_second=5,
)
