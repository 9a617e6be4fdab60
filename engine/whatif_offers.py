"""Changes to what is offered: prices, rates of egress, and what is there at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from catalog_data.schema import Purchase
from catalog_data.scopes import ANY
from engine.quantities import parse_usd
from engine.whatif_scenario import Operator, Scenario, Value, fitting, number_of, require_name
from engine.workload import Workload
from engine.workload_errors import InvalidValueError
from engine.workload_parsers import choice

OFF: Final = "off"
"""What turns offers off."""
ON: Final = "on"
"""What turns a way to buy on."""


@dataclass(frozen=True)
class Prices:
    """The prices of offers; every part is a pattern."""

    cloud: str = ANY
    purchase: str = ANY
    region: str = ANY
    instance_type: str = ANY
    accelerator: str = ANY

    @property
    def patterns(self) -> dict[str, str]:
        """By column the pattern that narrows the offers down."""
        columns = ("cloud", "purchase", "region", "instance_type", "accelerator")
        patterns = {column: str(getattr(self, column)) for column in columns}
        return {column: pattern for column, pattern in patterns.items() if pattern != ANY}

    def speaks_of(self, offers: pl.DataFrame) -> pl.Expr:
        """Whether an offer (or a candidate) is of the scope; never null."""
        fits = [_fits(column, pattern, offers) for column, pattern in self.patterns.items()]
        return pl.all_horizontal(pl.lit(value=True), *fits)

    def read(self, text: str) -> Value:
        """USD/h of one machine."""
        return parse_usd(text, "a price")

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario at other prices."""
        offers = scenario.snapshot.offers
        _require_offers(self.patterns, offers)
        changed = offers.with_columns(_changed("price_usd_h", self.speaks_of(offers), operator, number_of(value)))
        return replace(scenario, snapshot=replace(scenario.snapshot, offers=changed))


@dataclass(frozen=True)
class Egress:
    """The rates of data that leaves a cloud."""

    cloud: str = ANY

    def read(self, text: str) -> Value:
        """USD/GB, whatever the tier and the pair of places."""
        return parse_usd(text, "a rate")

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario at other rates."""
        egress = scenario.snapshot.egress
        if egress.is_empty():
            raise InvalidValueError("no data moves in this workload, so that no rate matters")
        _require({"src_cloud": self.cloud}, egress)
        changed = egress.with_columns(
            _changed("egress_usd_gb", _fits("src_cloud", self.cloud, egress), operator, number_of(value))
        )
        return replace(scenario, snapshot=replace(scenario.snapshot, egress=changed))


@dataclass(frozen=True)
class Offered:
    """Whether offers are there: those whose `patterns` (column, pattern) fit."""

    patterns: tuple[tuple[str, str], ...]

    def read(self, text: str) -> Value:
        """`off`; and `on` for a way to buy."""
        words = (OFF, ON) if self.purchase else (OFF,)
        return choice(*words)(text)

    def changed(self, scenario: Scenario, operator: Operator, value: Value) -> Scenario:
        """The scenario without these offers, or with one more way to buy."""
        if operator is Operator.SCALE:
            raise InvalidValueError("is on or off, and cannot be multiplied", "say =off")
        if value == ON:
            return replace(scenario, workload=accepting(scenario.workload, self.purchase))
        offers = scenario.snapshot.offers
        _require_offers(dict(self.patterns), offers)
        fits = pl.all_horizontal(_fits(column, pattern, offers) for column, pattern in self.patterns)
        return replace(scenario, snapshot=replace(scenario.snapshot, offers=offers.filter(~fits)))

    @property
    def purchase(self) -> str:
        """The way to buy, where it is of one."""
        return dict(self.patterns).get("purchase", "")


def accepting(workload: Workload, purchase: str) -> Workload:
    """The workload whose tasks accept one more way to buy.

    Raises:
        InvalidValueError: all of them do already.
    """
    added = Purchase(purchase)
    needs = [need for task in workload.tasks for need in task.requirements]
    if all(added in need.purchases for need in needs):
        raise InvalidValueError("every task accepts it already")
    tasks = [
        replace(
            task,
            requirements=tuple(
                need if added in need.purchases else replace(need, purchases=(*need.purchases, added))
                for need in task.requirements
            ),
        )
        for task in workload.tasks
    ]
    return replace(workload, tasks=tuple(tasks))


def _changed(column: str, here: pl.Expr, operator: Operator, amount: float) -> pl.Expr:
    """A column with other figures `here`; what is not known stays so where it is scaled."""
    figures = amount * pl.col(column) if operator is Operator.SCALE else pl.lit(amount)
    return pl.when(here).then(figures).otherwise(column).alias(column)


def _fits(column: str, pattern: str, frame: pl.DataFrame) -> pl.Expr:
    """Whether a name fits the pattern; null names fit none."""
    if pattern == ANY:
        return pl.lit(value=True)
    return pl.col(column).is_in(fitting(pattern, frame[column].drop_nulls().unique())).fill_null(value=False)


def _require_offers(patterns: Mapping[str, str], offers: pl.DataFrame) -> None:
    """Some offer is of all of the patterns."""
    _require(patterns, offers)
    fits = [_fits(column, pattern, offers) for column, pattern in patterns.items()]
    if offers.filter(pl.all_horizontal(pl.lit(value=True), *fits)).is_empty():
        raise InvalidValueError(
            f"no offer for this workload is of {' and '.join(patterns.values())}", "see `skybroker catalog offers`"
        )


def _require(patterns: Mapping[str, str], frame: pl.DataFrame) -> None:
    for column, pattern in patterns.items():
        what = column.removeprefix("src_").replace("_", " ")
        require_name(pattern, frame[column].drop_nulls().unique().sort().to_list(), what)
