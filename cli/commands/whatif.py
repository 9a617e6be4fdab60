"""`skybroker whatif`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from cli.formats import Format
from cli.options import AsOf, Output


def whatif(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workload (YAML); - is stdin.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="CHANGE", help="PATH=VALUE or PATH*=FACTOR; all of them make one variant."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="CHANGE,...", help="One more variant: changes with commas between them."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS",
            help="PATH=LOW..HIGH[:STEP|#POINTS] or VALUE,VALUE; several make a grid.",
        ),
    ] = None,
    break_even: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="At what multiple of these prices, or value_of_time, the best plan changes."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes for a sweep; by default one for each processor.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(min=0.1, help="Most seconds for placing, each time.")] = None,
    as_of: AsOf = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="Write a sweep here as .json, .csv or .parquet.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Compare the plan with that of other prices, places, limits or tasks; sweep them; find where it changes."""
    _require_one_question(changes, also, sweep, break_even, out)
    import cli.whatif as asking
    import cli.whatif_view as view
    from cli.printer import print_data
    from cli.side_by_side import processors
    from cli.wiring import usage_told, write_whole
    from engine.sweep_axis import parse_axis
    from engine.whatif import parse_change, parse_changes

    with usage_told():
        own = [parse_change(text) for text in changes or ()]
        groups = [parse_changes(text) for text in also or ()]
        axes = [parse_axis(text) for text in sweep or ()]
    every = [*own, *(change for group in groups for change in group), *(one for axis in axes for one in axis.changes)]
    question = asking.asked(file, every, as_of, time_limit)
    if axes:
        grid = asking.swept(asking.changed(question, own), axes, processes or processors())
        if out is not None:
            write_whole(out, view.file_bytes(grid, out))
        view.print_grid(grid) if output is Format.TABLE else print_data(view.grid_data(grid), output)
    elif break_even is not None:
        even = break_even, *asking.evened(asking.changed(question, own), break_even)
        view.print_break_even(*even) if output is Format.TABLE else print_data(view.break_even_data(*even), output)
    else:
        found = asking.variants(question, [*([own] if own else []), *groups])
        view.print_variants(found) if output is Format.TABLE else print_data(view.variants_data(found), output)
        asking.require_any_plan(found)


def _require_one_question(
    changes: list[str] | None, also: list[str] | None, sweep: list[str] | None, break_even: str | None, out: Path | None
) -> None:
    """One of the three kinds of questions is asked; only a sweep is written to a file."""
    if bool(also) + bool(sweep) + (break_even is not None) > 1:
        raise CommandError("--variant, --sweep and --break-even are asked one at a time", code=ExitCode.USAGE)
    if not (changes or also or sweep or break_even):
        raise CommandError("nothing is asked", hint="--set 'price.spot*=1.5'", code=ExitCode.USAGE)
    if out is not None and out.suffix not in {".json", ".csv", ".parquet"}:
        raise CommandError(f"--out {out}: a sweep is written as .json, .csv or .parquet", code=ExitCode.USAGE)
    if out is not None and not sweep:
        raise CommandError("--out takes a sweep", hint="--output json prints the rest", code=ExitCode.USAGE)
