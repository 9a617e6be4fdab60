"""The registry knows every policy, and each does what a policy has to."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import numpy as np
import pytest

import engine.policies
from engine.policies.guard import Guarded
from engine.policies.registry import FOR_SEVERAL_ZONES, NAMES, OURS, PUBLISHED, maker_of
from engine.policies.stochastic import StochasticDynamic
from engine.simulator import runs_of, simulate
from engine.spot_market import DeadlineJob, Trace, market_of
from engine.spot_priors import spot_prior

NO_RULES: Final = {"guard", "scripted"}
"""Files of policies that are no rules of their own: one watches over another, one plays what was fixed beforehand."""
FOLDER: Final = Path(engine.policies.__file__).parent


def defines_a_policy(file: Path) -> bool:
    """Whether some class of the file can begin, as `base.Policy` asks."""
    classes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    return any(isinstance(part, ast.FunctionDef) and part.name == "begin" for one in classes for part in one.body)


def imported_by(file: Path) -> set[str]:
    """The modules of policies that a file imports."""
    imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    return {(one.module or "").rsplit(".", 1)[-1] for one in imports}


def test_no_policy_file_is_left_out() -> None:
    """A new rule is one file, and one line in the registry."""
    defining = {file.stem for file in FOLDER.glob("*.py") if file.stem != "base" and defines_a_policy(file)}
    assert defining > NO_RULES
    assert defining - NO_RULES <= imported_by(FOLDER / "registry.py")


def test_names_are_those_of_reports() -> None:
    """Lower case with hyphens, each once, and those of several zones among them."""
    assert len(set(NAMES)) == len(NAMES) == len(PUBLISHED) + len(OURS)
    assert all(name == name.lower() and " " not in name for name in NAMES)
    assert set(NAMES) >= FOR_SEVERAL_ZONES


@pytest.mark.parametrize("name", NAMES)
def test_each_policy_is_made_from_models_and_is_in_time(name: str) -> None:
    """Two zones that flap, with little slack."""
    flags = np.arange(20) % 3 == 0
    market = market_of(
        [Trace("a", "m", 1800.0, flags), Trace("b", "m", 1800.0, ~flags)], spot_usd_h=1.0, on_demand_usd_h=3.0
    )
    runs = runs_of([(market, DeadlineJob(7 * 3600.0, 9 * 3600.0, 600.0))])
    assert not simulate(runs, maker_of(name)((spot_prior().model(),))).late.any()


def test_published_rules_are_guarded_and_ours_are_not() -> None:
    """The guard has the faults of the public one only if they are asked for."""
    found = [maker_of("greedy", bug_compatible=faults)(()) for faults in (False, True)]
    assert [one.bug_compatible for one in found if isinstance(one, Guarded)] == [False, True]
    assert isinstance(maker_of("stochastic", bug_compatible=True)((spot_prior().model(),)), StochasticDynamic)


def test_an_unknown_name() -> None:
    """There is no policy to make."""
    with pytest.raises(KeyError):
        maker_of("guesswork")
