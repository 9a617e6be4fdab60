"""Trade-offs as people read them, and as rows of a file."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.plan_view import SHORT_PURCHASE, hours_text, money, number
from cli.plot import scatter
from cli.printer import Column, print_lines, print_table, terminal_width
from engine.plan import Option
from engine.trade_offs import Axis, TradeOff, TradeOffs

PLOT_WIDTH: Final = 80
MOST_KINDS: Final = 3
"""So many kinds of machines are named in a line."""
SUFFIXES: Final = (".json", ".csv", ".parquet")


def print_trade_offs(found: TradeOffs) -> None:
    """A line about them, a drawing, and a table with a row for each."""
    first, last = found.points[0].option, found.points[-1].option
    print_lines(
        f"{found.workload}: {len(found.points):,} trade-offs of cost against {found.against}, from"
        f" ${money(first.cost_usd)} in {hours_text(first.hours)} to ${money(last.cost_usd)} in {hours_text(last.hours)}"
    )
    _print_drawing(found)
    columns = (
        Column("COST $", right=True),
        Column("HOURS", right=True),
        Column("INTERRUPTIONS", right=True, rank=1),
        Column("CARBON kg", right=True, rank=2),
        Column("MACHINES"),
    )
    print_table(columns, [_row(point) for point in found.points])
    print_lines("", *([] if found.complete else ["There may be more: see --points and --time-limit."]))
    print_lines(*(f"Assumed: {line}." for line in found.assumptions))


def _print_drawing(found: TradeOffs) -> None:
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    points = [(point.option.charge_usd, _figure(point, found.against)) for point in found.points]
    lines = scatter(points, width=min(terminal_width() or PLOT_WIDTH, PLOT_WIDTH), glyph="●" if utf8 else "*")
    if lines:
        unit = {Axis.TIME: "h", Axis.RISK: "interruptions", Axis.CARBON: "kg CO2e"}[found.against]
        high, low = points[0][1], points[-1][1]
        print_lines("", f"{number(high)} {unit} at the top, {number(low)} at the bottom")
        print_lines(*lines)
        left, right = f"${money(points[0][0])}", f"${money(points[-1][0])}"
        print_lines(left + right.rjust(len(lines[-1]) - len(left)), "")


def _figure(point: TradeOff, against: Axis) -> float:
    figures = {Axis.TIME: point.option.hours, Axis.RISK: point.interruptions, Axis.CARBON: point.carbon_kg}
    return figures[against] or 0.0


def _row(point: TradeOff) -> list[str]:
    return [
        money(point.option.cost_usd),
        f"{point.option.hours:.2f}",
        number(point.interruptions),
        number(point.carbon_kg),
        machines_text(point.option),
    ]


def machines_text(option: Option) -> str:
    """What an option buys: `aws p5.48xlarge spot` for one task, with how many tasks where there are several."""
    kinds = Counter(
        f"{placement.cloud} {placement.instance_type} {SHORT_PURCHASE.get(placement.purchase, str(placement.purchase))}"
        for placement in option.placements
    )
    if len(option.placements) == 1:
        placement = option.placements[0]
        return f"{next(iter(kinds))} in {placement.region}"
    named = [f"{count} x {kind}" for kind, count in kinds.most_common(MOST_KINDS)]
    more = len(kinds) - len(named)
    return ", ".join([*named, *([f"{more} more kinds"] if more else [])])


def require_known_suffix(out: Path) -> None:
    """A file's name says in which form it is written."""
    if out.suffix not in SUFFIXES:
        raise CommandError(f"--out: {out}: ends in none of {', '.join(SUFFIXES)}", code=ExitCode.USAGE)


def file_bytes(found: TradeOffs, out: Path) -> bytes:
    """The trade-offs in the form that the file's name asks for: JSON whole, the others a row for each point."""
    if out.suffix == ".json":
        return (json.dumps(found.to_data(), indent=2, ensure_ascii=False) + "\n").encode()
    rows = _rows(found.points)
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        rows.write_csv(buffer)
    else:
        rows.write_parquet(buffer)
    return buffer.getvalue()


def _rows(points: Sequence[TradeOff]) -> pl.DataFrame:
    flat = [
        {name: value for name, value in point.to_data().items() if name != "placements"}
        | {"machines": machines_text(point.option)}
        for point in points
    ]
    figures = dict.fromkeys(("cost_usd", "charge_usd", "hours", "interruptions", "carbon_kg"), pl.Float64)
    return pl.DataFrame(flat, schema={**figures, "machines": pl.String})
