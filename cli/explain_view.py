"""Explanations as people read them, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from cli.plan_view import hours_text, money
from cli.printer import Column, print_lines, print_table
from engine.explain import Explanation, Kind, Part
from engine.infeasible import Conflict, conflict_lines
from engine.why_not import Forced, WhyNot
from engine.worth import Gain, Worth

NOTHING: Final = 1e-6
"""What rounding leaves of two figures that are the same, $ or h."""
CENT: Final = 0.01


def to_data(answer: Explanation | WhyNot) -> dict[str, Any]:
    """An answer as plain JSON types."""
    data: dict[str, Any] = TypeAdapter(type(answer)).dump_python(answer, mode="json")
    return data


def conflicts_data(conflicts: tuple[Conflict, ...]) -> dict[str, Any]:
    """What conflicts as plain JSON types."""
    data: list[Any] = TypeAdapter(tuple[Conflict, ...]).dump_python(conflicts, mode="json")
    return {"schema_version": 1, "conflicts": data}


def print_explanation(explanation: Explanation) -> None:
    """The money by task and kind, the time along the critical path, the charges and the limits."""
    print_lines(
        f"{explanation.workload}: ${money(explanation.cost_usd)} in {hours_text(explanation.hours)}"
        f" (least {explanation.objective})",
        "",
    )
    _print_money(explanation)
    print_lines("")
    _print_time(explanation)
    if explanation.charges:
        print_lines("", *_charge_lines(explanation))
    if explanation.limits:
        print_lines("", *(line for worth in explanation.limits for line in _worth_lines(worth)))
    if explanation.missing:
        print_lines("", *(f"Not known: {line}." for line in explanation.missing))


def _print_money(explanation: Explanation) -> None:
    """A row for each task and each transfer, a column for each kind that costs anything."""
    totals = [total for total in explanation.kinds if total.usd > CENT / 2] or explanation.kinds
    kinds = [Kind(total.name) for total in totals]
    rows = [
        [
            total.name,
            *(_cell(explanation.parts, total.name, kind) for kind in kinds),
            money(total.usd),
            _share(total.share),
        ]
        for total in explanation.subjects
    ]
    if len(rows) > 1:
        rows.append(["all", *(money(total.usd) for total in totals), money(explanation.cost_usd), "100 %"])
    rows.append(["share", *(_share(total.share) for total in totals), "", ""])
    columns = [Column(f"{kind} $".upper(), right=True) for kind in kinds]
    print_table([Column("TASK"), *columns, Column("TOTAL $", right=True), Column("SHARE", right=True)], rows)


def _cell(parts: Sequence[Part], subject: str, kind: Kind) -> str:
    """What a kind costs in a task, `?` where that is not known."""
    found = [part for part in parts if part.subject == subject and part.kind is kind]
    if not found:
        return "-"
    return "?" if any(part.usd is None for part in found) else money(sum(part.usd or 0.0 for part in found))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def _print_time(explanation: Explanation) -> None:
    """The critical path, each task on it with what its hours go to; then what has slack."""
    rows = [
        [step.subject, step.kind, f"{step.from_h:.2f}", f"{step.to_h - step.from_h:.2f}", spent]
        for step in explanation.critical_path
        for spent in [_spent(explanation, step.subject) if step.kind == "task" else ""]
    ]
    right = (Column("FROM h", right=True), Column("HOURS", right=True))
    print_table([Column("CRITICAL PATH"), Column(""), *right, Column("OF WHICH")], rows)
    late = [f"{slack.subject} {hours_text(slack.hours)}" for slack in explanation.slack if slack.hours > 0]
    if late:
        print_lines("", f"May be late without the plan taking longer: {', '.join(late)}.")


def _spent(explanation: Explanation, subject: str) -> str:
    """What the hours of a task go to."""
    parts = (part for part in explanation.parts if part.subject == subject and part.kind is not Kind.INPUTS)
    return ", ".join(f"{part.kind} {part.hours:.2f}" for part in parts if part.hours)


def _charge_lines(explanation: Explanation) -> Iterator[str]:
    charges = [
        f"{charge.name} {'?' if charge.usd is None else f'${money(charge.usd)}'}" for charge in explanation.charges
    ]
    yield f"Charged beyond cost: {', '.join(charges)}; ${money(explanation.charge_usd)} in all."


def _worth_lines(worth: Worth) -> Iterator[str]:
    if worth.binds is None:
        yield f"{worth.text}: whether it binds is not known; the time ran out."
    elif not worth.binds:
        yield f"{worth.text}: does not bind; without it the plan would be as good."
    elif worth.with_more is None:
        yield f"{worth.text}: binds; {worth.moved_text} would change nothing, {_without(worth)}."
    else:
        yield f"{worth.text}: binds; {worth.moved_text} would {_gain(worth.with_more)}, {_without(worth)}."


def _without(worth: Worth) -> str:
    return f"no limit would {_gain(worth.without)}" if worth.without else "no limit would change nothing"


def _gain(gain: Gain) -> str:
    """What a better plan comes to, against this one."""
    cost, time = abs(gain.cost_usd), abs(gain.hours)
    parts = [
        *([f"{'save' if gain.cost_usd < 0 else 'cost'} ${money(cost)}"] if cost > NOTHING else []),
        *([f"take {hours_text(time)} {'less' if gain.hours < 0 else 'more'}"] if time > NOTHING else []),
    ]
    text = " and ".join(parts) or "bring a plan that is liked better"
    return text if gain.proven else f"{text} at the least"


def print_why_not(answer: WhyNot) -> None:
    """What matched, and why it is not chosen."""
    more = f" and {answer.kinds - len(answer.matched)} more" if answer.kinds > len(answer.matched) else ""
    offers = f"{answer.offers:,} offer{'' if answer.offers == 1 else 's'}"
    print_lines(f"{answer.task}: {offers}: {'; '.join(answer.matched)}{more}")
    for failed in answer.failed:
        wanted = f" (wanted: {failed.wanted})" if failed.wanted else ""
        print_lines(f"{failed.offers:,} fell out: {failed.reason}{wanted}.")
    if answer.forced is not None:
        print_lines(*_forced_lines(answer.forced))
    elif answer.conflicts:
        print_lines("No plan uses them within the limits:", *conflict_lines(answer.conflicts))
    elif sum(failed.offers for failed in answer.failed) < answer.offers:
        print_lines("No plan with them was found in time.")


def _forced_lines(forced: Forced) -> Iterator[str]:
    where = f"{forced.cloud}/{forced.region} {forced.instance_type} ({forced.purchase})"
    if forced.is_best:
        yield f"Nothing speaks against {where}: a plan with it is as good as the best, ${money(forced.cost_usd)}."
        return
    yield (
        f"The best plan with one of them takes {where}: ${money(forced.cost_usd)} in {hours_text(forced.hours)},"
        f" {_apart(forced.more_usd, forced.more_h)}."
    )
    if abs(forced.more_charge_usd - forced.more_usd) > CENT / 2:
        yield f"With all charges beyond cost it is {_usd_apart(forced.more_charge_usd)}."
    reasons = [f"{each.reason} {_signed(each.usd)}" for each in forced.differences if abs(each.usd) > CENT / 2]
    if reasons:
        yield f"The money: {', '.join(reasons)}."
    if forced.moved:
        yield f"Other tasks would move: {'; '.join(forced.moved)}."


def _signed(usd: float) -> str:
    return f"{'+' if usd > 0 else '-'}${money(abs(usd))}"


def _apart(more_usd: float, more_h: float) -> str:
    if abs(more_h) < NOTHING:
        return f"{_usd_apart(more_usd)}, at the same time"
    return f"{_usd_apart(more_usd)}, {hours_text(abs(more_h))} {'later' if more_h > 0 else 'sooner'}"


def _usd_apart(more_usd: float) -> str:
    if abs(more_usd) < NOTHING:
        return "for the same money"
    return f"${money(abs(more_usd))} {'more' if more_usd > 0 else 'less'}"
