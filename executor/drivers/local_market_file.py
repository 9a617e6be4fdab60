"""Reads the market of the local cloud from a file, YAML or JSON.

rules:
  - {cloud: aws, region: us-east-1, purchase: spot, capacity: 0}
  - {instance_type: "p4d.*", take_back_after_s: 60, grace_s: 10, times: 1}
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from executor.drivers.local_market import Market
from executor.errors import BadRequestError


def read_market(path: Path) -> Market:
    """The market that a file describes.

    Raises:
        BadRequestError: the file cannot be read, or is not a market; one line that says where.
    """
    hint = "A market is a mapping with a list of `rules`, such as {cloud: aws, region: us-*, capacity: 0, times: 3}."
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadRequestError(f"{path}: {error.strerror}", hint) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadRequestError(f"{path}: not YAML: {' '.join(str(error).split())}", hint) from None
    try:
        return TypeAdapter(Market).validate_python(data if data is not None else {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "market"
        raise BadRequestError(f"{path}: {where}: {first['msg']}", hint) from None
