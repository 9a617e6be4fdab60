"""Which of AWS's many places are regions and zones of the commercial partition."""

from __future__ import annotations

import re


def is_region(name: str) -> bool:
    """`us-west-2` is one; `us-gov-west-1`, local zones (`us-west-2-lax-1`) and wavelength zones are none."""
    return re.fullmatch(r"[a-z]{2}-[a-z]+-[0-9]", name) is not None


def in_region(zone: str, region: str) -> bool:
    """Whether the zone is one of the region's own, where its prices hold; local and wavelength zones are not."""
    return re.fullmatch(rf"{re.escape(region)}[a-z]", zone) is not None
