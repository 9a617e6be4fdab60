"""How users write where something may run: `infra`, clouds, and the entries of `residency`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from catalog_data.normalise import CLOUDS, UnknownNameError, cloud_name
from catalog_data.schema import REGIONS
from engine.residency import GROUPS, nearest_place
from engine.workload_errors import InvalidValueError, read_all, shown

ANY: Final = "*"
_CONTEXT_CLOUDS: Final = frozenset(("kubernetes", "ssh"))
"""Clouds whose regions are contexts or pools, with slashes in their names and no zones."""
_LOWER_CASE_CLOUDS: Final = frozenset(("aws", "azure", "digitalocean", "gcp", "lambda", "nebius", "oci"))
"""Clouds that write all their regions and zones in lower case."""
_ZONES: Final[Mapping[str | None, str]] = {
    "aws": r"(?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+)[a-z]",  # us-east-1a
    "gcp": r"(?P<region>[a-z]+-[a-z]+[0-9]+)-[a-z]",  # us-central1-a
}
"""How zones are named that lie in a region."""

CONTINENTS: Final = next(column.values for column in REGIONS.columns if column.name == "continent")

# ISO 3166-1 alpha-2, the officially assigned codes.
COUNTRIES: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)
_NOT_ISO: Final[Mapping[str, str]] = {"UK": "GB", "EL": "GR"}


class Infra(NamedTuple):
    """A cloud, a region and a zone, each None where any will do."""

    cloud: str | None = None
    region: str | None = None
    zone: str | None = None


def parse_cloud(value: object) -> str | None:
    """The canonical name of a cloud, or None for `*`."""
    if not isinstance(value, str):
        raise InvalidValueError(f"a cloud must be named, not {shown(value)}", "such as aws, gcp or azure")
    if value.strip() == ANY:
        return None
    try:
        return cloud_name(value)
    except UnknownNameError as error:
        hint = f"did you mean {error.nearest}?" if error.nearest else f"known are {', '.join(CLOUDS)}"
        raise InvalidValueError(f"unknown cloud {shown(value)}", hint) from None


def parse_infra(value: object) -> Infra:
    """`aws`, `aws/us-east-1`, `aws/us-east-1/us-east-1a`, `*/us-east-1`, `k8s/context`: `*` stands for any."""
    if not isinstance(value, str):
        raise InvalidValueError(f"infra must be a cloud, not {shown(value)}", "such as aws or aws/us-east-1")
    first, *rest = (part.strip() for part in value.strip().strip("/").split("/"))
    if not all((first, *rest)):
        raise InvalidValueError(f"infra {shown(value)} has an empty part", "write cloud/region/zone, with * for any")
    cloud = parse_cloud(first)
    if cloud in _CONTEXT_CLOUDS:
        return Infra(cloud, region="/".join(rest) or None)
    if len(rest) > 2:
        raise InvalidValueError(f"infra {shown(value)} has more than three parts", "write cloud/region/zone")
    region, zone, *_ = (*(None if part == ANY else part for part in rest), None, None)
    return canonical_place(Infra(cloud, region, zone))


def parse_wished_place(value: object) -> Infra:
    """`aws` or `aws/us-east-1`: a cloud or a region of one."""
    infra = parse_infra(value)
    if infra.cloud is None:
        raise InvalidValueError(
            f"{shown(value)} names no cloud", "write a cloud or cloud/region, such as aws/us-east-1"
        )
    if infra.zone is not None:
        raise InvalidValueError(f"{shown(value)} is a zone", f"write its region: {infra.cloud}/{infra.region}")
    return infra


def canonical_place(infra: Infra) -> Infra:
    """The place as the catalog spells it, with a zone that stands as the region (`aws/us-east-1a`) moved to its own."""
    cloud, region, zone = infra
    if cloud in _LOWER_CASE_CLOUDS:
        region, zone = region and region.lower(), zone and zone.lower()
    match = re.fullmatch(_ZONES[cloud], region) if cloud in _ZONES and region else None
    if match and zone in (None, region):
        return Infra(cloud, match["region"], region)
    return Infra(cloud, region, zone)


def parse_residency_list(value: object) -> tuple[str, ...]:
    """The entries of a residency list, each in its canonical spelling and once.

    Raises:
        InvalidValueError: with one fault for each entry that names no place.
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise InvalidValueError(f"must be a list of places, not {shown(value)}", "such as [europe, DE, aws/eu-west-1]")
    return tuple(dict.fromkeys(read_all((((index,), item) for index, item in enumerate(value)), _parse_place)))


def _parse_place(value: object) -> str:
    """One entry: a continent, a group of countries, a country, a cloud or a region of a cloud."""
    if not isinstance(value, str) or not value.strip():
        hint = 'quote NO for Norway: "NO"' if value is False else None
        raise InvalidValueError(f"a place must be named, not {shown(value)}", hint)
    text = value.strip()
    continent = "_".join(text.lower().replace("-", " ").replace("_", " ").split())
    if continent in CONTINENTS:
        return continent
    if text.lower() in GROUPS:
        return text.upper()
    if len(text) == 2 and text.isalpha():
        return _country(text.upper())
    if "/" in text:
        return _region(text)
    try:
        return cloud_name(text)
    except UnknownNameError:
        nearest = nearest_place(text, (*CONTINENTS, *map(str.upper, GROUPS), *CLOUDS))
        hint = f"did you mean {nearest}?" if nearest else "write a continent, a country code, a cloud or cloud/region"
        raise InvalidValueError(f"unknown place {shown(text)}", hint) from None


def _country(code: str) -> str:
    if code in COUNTRIES:
        return code
    hint = f"did you mean {_NOT_ISO[code]}?" if code in _NOT_ISO else "write the code of ISO 3166-1, such as DE or US"
    raise InvalidValueError(f"unknown country {code}", hint)


def _region(text: str) -> str:
    """`cloud/region`, the cloud by its canonical name."""
    infra = parse_infra(text)
    if infra.cloud is None or infra.region is None or infra.zone is not None:
        raise InvalidValueError(
            f"{shown(text)} is not a region of a cloud", "write cloud/region, such as aws/eu-west-1"
        )
    return f"{infra.cloud}/{infra.region}"
