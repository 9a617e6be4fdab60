"""What-if answers as people and programs read them."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from cli.plan_view import hours_text, money
from cli.plot import ASCII, BLOCKS
from cli.printer import Column, print_lines, print_table
from cli.whatif import Grid, Variant
from engine.break_even import BreakEven, Side, Turn
from engine.plan import Option, Placement
from engine.scaled import Place, Scaled, places_of
from engine.status import Status
from engine.sweep import Answer, plans_of
from engine.whatif_scenario import value_text

SCHEMA_VERSION: Final = 1
MOST_ROWS: Final = 30
"""A longer axis shows only where the plan changes."""
NO_PLAN: Final = "no plan"
SAME: Final = "same"


def print_variants(variants: Sequence[Variant]) -> None:
    """Plan against plan: what each comes to, why there is none, and the tasks that move."""
    columns = [Column(""), *(Column(variant.title) for variant in variants)]
    rows = [[name, *cells] for name, cells in _figures(variants) if any(cells)]
    moved, stay = _moved(variants)
    print_table(columns, [*rows, *moved])
    if stay and len(variants) > 1:
        print_lines(
            "", f"{stay} task{'s' if stay > 1 else ''} stay{'' if stay > 1 else 's'} where today's plan has them."
        )
    unproven = [
        variant.title for variant in variants if variant.plan and variant.plan.proof.status is not Status.OPTIMAL
    ]
    if unproven:
        print_lines(f"Not proven best in time: {', '.join(unproven)}.")


def _figures(variants: Sequence[Variant]) -> Iterator[tuple[str, list[str]]]:
    """Rows of one figure each."""
    plans = [variant.plan for variant in variants]
    today = plans[0].best if plans and plans[0] else None
    options = [plan.best if plan else None for plan in plans]
    yield "COST $", [_against(option, today) for option in options]
    yield "HOURS", [f"{option.hours:.2f}" if option else NO_PLAN for option in options]
    if any(option and option.charge_usd != option.cost_usd for option in options):
        yield "CHARGED $", [money(option.charge_usd) if option else NO_PLAN for option in options]
    yield "CHANCE TO GET", [_chance(option) for option in options]
    yield "INTERRUPTIONS", [_interruptions(option) for option in options]
    yield "CO2e kg", [_carbon(option) for option in options]
    yield "WHY NOT", ["; ".join(variant.reasons) for variant in variants]


def _against(option: Option | None, today: Option | None) -> str:
    if option is None:
        return NO_PLAN
    share = option.cost_usd / today.cost_usd - 1 if today and today.cost_usd and option is not today else None
    return money(option.cost_usd) + ("" if share is None else f" ({share:+.1%})")


def _chance(option: Option | None) -> str:
    return f"{math.prod(placement.chance for placement in option.placements):.0%}" if option else ""


def _interruptions(option: Option | None) -> str:
    known = [placement.interruptions for placement in option.placements] if option else []
    figures = [figure for figure in known if figure is not None]
    return f"{sum(figures):.2g}" if figures else ""


def _carbon(option: Option | None) -> str:
    known = [placement.carbon_kg for placement in option.placements] if option else []
    figures = [figure for figure in known if figure is not None]
    return f"{sum(figures):.3g}" if figures and len(figures) == len(known) else ""


def _moved(variants: Sequence[Variant]) -> tuple[list[list[str]], int]:
    """A row for each task that runs elsewhere, or is bought otherwise, in some variant; how many tasks stay."""
    placed = [
        {placement.task: _where(placement) for placement in variant.plan.best.placements} if variant.plan else {}
        for variant in variants
    ]
    tasks = dict.fromkeys(task for where in placed for task in where)
    today = placed[0]
    rows = []
    for task in tasks:
        cells = [where.get(task, "") for where in placed]
        if len({cell for cell in cells if cell}) > 1:
            rows.append([task, cells[0], *(SAME if cell and cell == today.get(task) else cell for cell in cells[1:])])
    return rows, len(tasks) - len(rows)


def _where(placement: Placement) -> str:
    nodes = f"{placement.num_nodes} x " if placement.num_nodes > 1 else ""
    return f"{placement.cloud}/{placement.region} {nodes}{placement.instance_type} {placement.purchase}"


def variants_data(variants: Sequence[Variant]) -> dict[str, Any]:
    """The variants as plain JSON types: each with its whole plan, or the reasons why it has none."""
    return {
        "schema_version": SCHEMA_VERSION,
        "variants": [
            {
                "title": variant.title,
                "plan": variant.plan.to_data() if variant.plan else None,
                "reasons": list(variant.reasons),
            }
            for variant in variants
        ],
    }


def print_grid(grid: Grid) -> None:
    """The points in a table, drawn, and what the plans differ in."""
    numbers = plans_of(grid.answers)
    rows = _rows(grid, numbers)
    shown = rows if len(rows) <= MOST_ROWS else _changes_of(rows)
    titles = [Column(axis.path, right=True) for axis in grid.axes]
    figures = (Column("COST $", right=True), Column("HOURS", right=True), Column("PLAN", right=True))
    print_table([*titles, *figures], [[*row] for row in shown[:MOST_ROWS]])
    if len(shown) < len(rows):
        print_lines(f"{len(rows):,} points; shown are those where the plan changes.")
    if len(shown) > MOST_ROWS:
        print_lines(f"{len(shown) - MOST_ROWS:,} more rows: --output json or -o FILE has all.")
    drawing = _drawing(grid)
    if drawing:
        print_lines("", *drawing)
    print_lines("", *_legend(list(numbers)))
    solved = sum(answer.solved for answer in grid.answers.values())
    print_lines("", f"{len(rows):,} points in {grid.seconds:.1f} s, of which {solved:,} took the solver.")


def _rows(grid: Grid, numbers: dict[tuple[Place, ...], int]) -> list[list[str]]:
    return [
        [
            *(value_text(axis.changes[at].value) for axis, at in zip(grid.axes, index, strict=True)),
            *(
                (money(answer.cost_usd), f"{answer.hours:.2f}", f"{numbers[answer.places]}{_mark(answer)}")
                if answer.places
                else (NO_PLAN, "", "")
            ),
        ]
        for index, answer in sorted(grid.answers.items())
    ]


def _mark(answer: Answer) -> str:
    """How far a plan may be from the best, where that is not proven."""
    return "" if answer.status is Status.OPTIMAL else f" (gap {answer.gap:.1%})"


def _changes_of(rows: Sequence[list[str]]) -> list[list[str]]:
    """The first row of each run of one plan, and the last row of all."""
    firsts = [row for before, row in zip([None, *rows], rows, strict=False) if before is None or before[-1] != row[-1]]
    return firsts if firsts[-1] is rows[-1] else [*firsts, rows[-1]]


def _drawing(grid: Grid) -> list[str]:
    """Costs as heights over one axis, or as shades over two: the more, the dearer; a cross where there is no plan."""
    costs = {index: answer.cost_usd for index, answer in grid.answers.items()}
    finite = [cost for cost in costs.values() if math.isfinite(cost)]
    if not finite or len(grid.axes) > 2 or min(finite) == max(finite):
        return []
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    glyphs = (BLOCKS if utf8 else ASCII)[1:]

    def glyph(cost: float) -> str:
        share = (cost - min(finite)) / (max(finite) - min(finite)) if math.isfinite(cost) else math.inf
        return "x" if math.isinf(share) else glyphs[min(int(share * len(glyphs)), len(glyphs) - 1)]

    down = grid.axes[0] if len(grid.axes) > 1 else None
    across = grid.axes[-1]
    columns = range(len(across.changes))
    scale = f"cost: {glyphs[0]} ${money(min(finite))} to {glyphs[-1]} ${money(max(finite))}"
    labels = [value_text(change.value) for change in down.changes] if down else [""]
    width = max(map(len, labels))
    lines = [
        " ".join((label.rjust(width), "".join(glyph(costs[(row, at) if down else (at,)]) for at in columns)))
        for row, label in enumerate(labels)
    ]
    first, last = value_text(across.changes[0].value), value_text(across.changes[-1].value)
    return [scale, *lines, f"{' ' * width} {across.path} from {first} to {last}"]


def _legend(plans: Sequence[tuple[Place, ...]]) -> list[str]:
    """Each plan by what it has otherwise than the one before it."""
    lines = []
    for number, places in enumerate(plans[:MOST_ROWS], 1):
        before = set(plans[number - 2]) if number > 1 else set[Place]()
        other = [place for place in places if place not in before]
        texts = [f"{place.task} on {place_text(place)}" for place in other[:3]]
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        lines.append(f"Plan {number}: {'; '.join(texts)}{more}.")
    return [*lines, *([f"and {len(plans) - MOST_ROWS} more plans"] if len(plans) > MOST_ROWS else [])]


def place_text(place: Place) -> str:
    """`aws/us-east-1 p5.48xlarge spot`."""
    return f"{place.cloud}/{place.region} {place.instance_type} {place.purchase}"


def grid_data(grid: Grid) -> dict[str, Any]:
    """The grid as plain JSON types: a row for each point, and the plans that they name by number."""
    numbers = plans_of(grid.answers)
    return {
        "schema_version": SCHEMA_VERSION,
        "axes": [{"path": axis.path, "operator": str(axis.changes[0].operator)} for axis in grid.axes],
        "points": grid_frame(grid).to_dicts(),
        "plans": [
            {"plan": number, "placements": [place._asdict() for place in places]} for places, number in numbers.items()
        ],
    }


def grid_frame(grid: Grid) -> pl.DataFrame:
    """A row for each point: the values of the axes by their paths, status, figures (null without a plan), plan."""
    numbers = plans_of(grid.answers)
    rows = sorted(grid.answers.items())
    axes = {
        axis.path: [_plain(axis.changes[index[number]].value) for index, _ in rows]
        for number, axis in enumerate(grid.axes)
    }
    figures = {
        name: pl.Series([getattr(answer, name) if answer.places else None for _, answer in rows], dtype=pl.Float64)
        for name in ("cost_usd", "hours", "charge_usd", "gap")
    }
    plan = pl.Series([numbers.get(answer.places) for _, answer in rows], dtype=pl.Int64)
    return pl.DataFrame({**axes, "status": [str(answer.status) for _, answer in rows], **figures, "plan": plan})


def _plain(value: object) -> float | str | None:
    return float(value) if isinstance(value, int | float) else None if value is None else str(value)


def file_bytes(grid: Grid, file: Path) -> bytes:
    """What the file holds, by the end of its name."""
    import json

    if file.suffix == ".json":
        return (json.dumps(grid_data(grid), indent=2, ensure_ascii=False) + "\n").encode()
    whole = io.BytesIO()
    frame = grid_frame(grid)
    frame.write_csv(whole) if file.suffix == ".csv" else frame.write_parquet(whole)
    return whole.getvalue()


def print_break_even(path: str, scaled: Scaled, found: BreakEven | list[Turn]) -> None:
    """Where the best plan changes, and the plans on both sides."""
    if isinstance(found, BreakEven):
        print_lines(*_break_even_lines(path, scaled, found))
    else:
        print_lines(*_turn_lines(scaled, found))


def _break_even_lines(path: str, scaled: Scaled, found: BreakEven) -> Iterator[str]:
    if found.using is None:
        yield f"The best plan never uses {path}, even for nothing."
    elif math.isinf(found.multiple):
        why = "no other plan keeps the limits" if found.avoiding is None else "it stays ahead at any price"
        yield f"The best plan always uses {path}: {why}."
    else:
        yield f"Break-even: {found.multiple:.4g} times today's prices of {path}."
    if found.using is not None:
        yield from _side_lines("Below", scaled, found.using, found.avoiding, found.multiple)
    if found.avoiding is not None:
        yield from _side_lines("Above", scaled, found.avoiding, found.using, found.multiple)
    yield f"Solved exactly, with {found.solves} optimal plans."


def _side_lines(word: str, scaled: Scaled, side: Side, other: Side | None, multiple: float) -> Iterator[str]:
    """The plan, and of the machines concerned what they cost at the multiple."""
    there = f"at {multiple:.4g} times" if math.isfinite(multiple) else "today"
    yield f"{word}: ${money(side.cost_usd)} in {hours_text(side.hours)} {there}."
    elsewhere = set(places_of(scaled, other.choice)) if other else set[Place]()
    prices = _prices(scaled, side)
    for number, place in enumerate(places_of(scaled, side.choice)):
        if place not in elsewhere:
            concerned = any(speaks[number][side.choice[number]] for speaks in scaled.speaks.values())
            at = f" -> ${money(prices[number] * multiple)}/h" if concerned and math.isfinite(multiple) else ""
            yield f"  {place.task}: {place_text(place)}, ${money(prices[number])}/h{at}"


def _prices(scaled: Scaled, side: Side) -> list[float]:
    return [
        float(candidates.frame["price_usd_h"][number])
        for candidates, number in zip(scaled.instance.found, side.choice, strict=True)
    ]


def _turn_lines(scaled: Scaled, found: list[Turn]) -> Iterator[str]:
    if not found:
        yield "The cheapest plan is the fastest: no value of time changes it."
        return
    yield f"The best plan turns to a faster one {len(found)} times:"
    for turn in found:
        before = set(places_of(scaled, turn.before.choice))
        moves = [place for place in places_of(scaled, turn.after.choice) if place not in before]
        texts = "; ".join(f"{place.task} to {place_text(place)}" for place in moves[:3])
        yield (
            f"  from ${money(turn.usd_h)}/h on: ${money(turn.before.cost_usd)} in {hours_text(turn.before.hours)}"
            f" -> ${money(turn.after.cost_usd)} in {hours_text(turn.after.hours)} ({texts}"
            f"{f' and {len(moves) - 3} more' if len(moves) > 3 else ''})"
        )


def break_even_data(path: str, scaled: Scaled, found: BreakEven | list[Turn]) -> dict[str, Any]:
    """The answer as plain JSON types; a multiple without end is null."""
    if isinstance(found, BreakEven):
        return {
            "schema_version": SCHEMA_VERSION,
            "break_even": path,
            "multiple": found.multiple if math.isfinite(found.multiple) else None,
            "using": _side_data(scaled, found.using),
            "avoiding": _side_data(scaled, found.avoiding),
            "solves": found.solves,
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "break_even": path,
        "turns": [
            {
                "value_of_time_usd_h": turn.usd_h,
                "before": _side_data(scaled, turn.before),
                "after": _side_data(scaled, turn.after),
            }
            for turn in found
        ],
    }


def _side_data(scaled: Scaled, side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "cost_usd": side.cost_usd,
        "hours": side.hours,
        "placements": [
            {**place._asdict(), "price_usd_h": price}
            for place, price in zip(places_of(scaled, side.choice), _prices(scaled, side), strict=True)
        ],
    }
