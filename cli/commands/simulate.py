"""`skybroker simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cli.formats import Format
from cli.options import Output

Places: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[TRACE|FOLDER]...", help="Traces of spot availability to replay, or folders of them."),
]
Work: TypeAlias = Annotated[str, typer.Option(metavar="TIME", help="How long the job runs on a machine.")]
Deadlines: TypeAlias = Annotated[str, typer.Option(metavar="TIME,...", help="Latest end after the start.")]
Overheads: TypeAlias = Annotated[str, typer.Option(metavar="TIME,...", help="What each start of a machine takes.")]
Policies: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A policy to replay, or several; by default all. The optimum always shows."),
]
Multi: TypeAlias = Annotated[
    bool, typer.Option("--multi", help="Zones of one type and common dates are one market; the job may move.")
]
Windows: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Windows to replay, as a file lists them (see docs/simulate.md)."),
]
Every: TypeAlias = Annotated[
    int, typer.Option(min=1, metavar="GAPS", help="Without --windows: how far apart windows begin.")
]
Fit: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="TRACE|FOLDER",
        help="What a model is fitted to, without what is replayed; by default the catalog's models are taken.",
    ),
]
SpotPrice: TypeAlias = Annotated[
    str, typer.Option("--spot-price", metavar="USD", help="An hour of spot, where a trace has no price.")
]
OnDemandPrice: TypeAlias = Annotated[
    str, typer.Option("--on-demand-price", metavar="USD", help="An hour on demand, where a trace has no price.")
]
Checkpoint: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="With --multi: what a move to another region carries, at the catalog's egress."),
]
Egress: TypeAlias = Annotated[
    str | None, typer.Option(metavar="USD", help="A GB between regions, where the catalog knows no rate.")
]
Reference: TypeAlias = Annotated[
    bool, typer.Option("--reference", help="Keep the faults of the public simulators, to compare figures.")
]
Plot: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Draw run number N: with the policies named, else with the stochastic one."),
]


def simulate(
    places: Places = None,
    work: Work = "48h",
    deadline: Deadlines = "52h",
    overhead: Overheads = "6m",
    policy: Policies = None,
    multi: Multi = False,
    windows: Windows = None,
    every: Every = 140,
    fit: Fit = None,
    spot_price: SpotPrice = "0.9731",
    on_demand_price: OnDemandPrice = "3.06",
    checkpoint: Checkpoint = None,
    egress: Egress = None,
    reference: Reference = False,
    plot: Plot = None,
    output: Output = Format.TABLE,
) -> None:
    """Replay recorded spot availability for a job with a deadline: what each policy would have cost.

    Lists with commas make one job of each deadline and overhead. Every job is
    run in every window, from its beginning. A missed deadline is counted, and
    is no error.
    """
    from cli.printer import print_data
    from cli.simulate_view import print_simulated, simulated_data
    from cli.simulating import Asked, chosen_policies, drawn, parsed_jobs, parsed_move, parsed_price, simulated

    checkpoint_gb, egress_usd_gb = parsed_move(checkpoint, egress, multi=multi, reference=reference)
    asked = Asked(
        places=places or [],
        jobs=parsed_jobs(work, deadline, overhead),
        policies=chosen_policies(policy or [], multi=multi),
        multi=multi,
        windows=windows or [],
        every_gaps=every,
        fit=fit or [],
        spot_usd_h=parsed_price(spot_price, "--spot-price"),
        on_demand_usd_h=parsed_price(on_demand_price, "--on-demand-price"),
        checkpoint_gb=checkpoint_gb,
        egress_usd_gb=egress_usd_gb,
        reference=reference,
        plot=plot,
    )
    found = simulated(asked)
    run = drawn(found, policy or ["stochastic"])
    if output is Format.TABLE:
        print_simulated(found, run)
    else:
        print_data(simulated_data(found, run), output)
