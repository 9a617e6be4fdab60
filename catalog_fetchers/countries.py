"""On which continent each country lies, for sources that name no more than the country of a region."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from catalog_data.schema import Confidence

# ISO 3166-1 alpha-2 codes by continent, as GeoNames groups countries.
_COUNTRIES_OF_CONTINENT: Final[Mapping[str, str]] = {
    "africa": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW"
    " MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "asia": "AE AF AM AZ BD BH BN BT CC CN GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY"
    " NP OM PH PK PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    "europe": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD"
    " ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "north_america": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM"
    " PR SV SX TC TT US VC VG VI",
    "oceania": "AS AU CK CX FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "south_america": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}
CONTINENTS: Final[Mapping[str, str]] = MappingProxyType(
    {country: continent for continent, countries in _COUNTRIES_OF_CONTINENT.items() for country in countries.split()}
)
"""The continent (a value of REGIONS) of each country (ISO 3166-1 alpha-2)."""

COUNTRY_ALONE: Final[Mapping[str, Any]] = MappingProxyType({"confidence": Confidence.LOW})
"""For rows of REGIONS that tell the country alone: they must not outrank one that has coordinates."""
