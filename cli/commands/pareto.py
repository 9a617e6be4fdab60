"""`skybroker pareto`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.formats import Format
from cli.options import AsOf, Output


class AxisChoice(StrEnum):
    """What the command line lets cost be traded against (engine.trade_offs.Axis)."""

    TIME = "time"
    RISK = "risk"
    CARBON = "carbon"


def pareto(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workload (YAML); - is stdin.")],
    against: Annotated[
        AxisChoice, typer.Option(help="What cost is traded against: hours, interruptions or emissions.")
    ] = AxisChoice.TIME,
    points: Annotated[
        int | None, typer.Option(min=2, max=1000, help="So many evenly set bounds instead of every trade-off.")
    ] = None,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Most seconds for several tasks; then come those found so far.")
    ] = 60.0,
    as_of: AsOf = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="Write them here as .json, .csv or .parquet.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print the trade-offs of cost against time, risk or carbon that are worth making."""
    from cli.pareto_view import file_bytes, print_trade_offs, require_known_suffix
    from cli.printer import print_data
    from cli.wiring import Overrides, loaded_workload, parsed_instant, traded_off, write_whole
    from engine.trade_offs import Axis

    if out is not None:
        require_known_suffix(out)
    workload = loaded_workload(file, Overrides())
    found = traded_off(workload, file, parsed_instant(as_of), Axis(against), points, time_limit)
    if out is not None:
        write_whole(out, file_bytes(found, out))
    if output is Format.TABLE:
        print_trade_offs(found)
    else:
        print_data(found.to_data(), output)
