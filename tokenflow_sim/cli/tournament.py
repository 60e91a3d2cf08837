"""``tokenflow tournament``: every strategy against every other."""

from __future__ import annotations

from typing import Annotated

import typer

from tokenflow_sim.cli.console import say, show_table
from tokenflow_sim.cli.options import AllowCode, Debug, Force, Overrides, Source
from tokenflow_sim.cli.strategies import StrategyNames, draw, estimate, parse_strategies, prepare, tell
from tokenflow_sim.cli.study_options import (
    BurnIn,
    Confidence,
    Figures,
    File,
    Periods,
    Resume,
    Scheduler,
    Seeds,
    Workers,
    playing,
)
from tokenflow_sim.numerals import significant


def tournament(
    scenario: Source,
    strategies: StrategyNames,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider", metavar="NAME", help="Who plays each against the others; all in turn if left out."
        ),
    ] = None,
    seeds: Seeds = 5,
    periods: Periods = None,
    burn_in: BurnIn = 0,
    confidence: Confidence = 0.95,
    assignments: Overrides = None,
    out: File = None,
    figures: Figures = None,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    resume: Resume = False,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Let every strategy play against every other, and rank them."""
    overrides, figure = prepare(assignments, out, figures, "tournament", force, resume)
    names = parse_strategies(strategies)

    from tokenflow_sim.study.tournament import tournament as run_tournament

    with playing(workers, scheduler) as where:
        found = run_tournament(
            scenario,
            names,
            seeds,
            periods,
            burn_in=burn_in,
            provider=provider,
            overrides=overrides,
            confidence=confidence,
            allow_code=allow_code,
            out=out,
            resume=resume,
            force=force,
            **where,
        )
    order = list(found.table.index)
    payoff = found.payoff.sel(strategy=order, rival=order).values
    show_table(
        "Profit in $/h of the provider that plays the row, all others playing the column",
        ["", *order],
        [[name, *(significant(value, 5) for value in row)] for name, row in zip(order, payoff, strict=True)],
    )
    rows = [
        [
            name,
            _places(int(row["rank"]), int(row["rank_lower"]), int(row["rank_upper"])),
            significant(float(row["score"]), 5),
            *estimate(float(row["advantage"]), float(row["lower"]), float(row["upper"])),
            "yes" if row["stable"] else "",
        ]
        for name, row in found.table.iterrows()
    ]
    heads = ["", "rank", "mean profit\n$/h", "more than\nthe mean", f"{100 * confidence:g} %\ninterval"]
    show_table("Ranking", [*heads, "best reply\nto itself"], [[str(cell) for cell in row] for row in rows])
    if found.unranked:
        say(f"not ranked, because runs failed: {', '.join(found.unranked)}")
        say()
    draw(found, figure)
    tell(found.failures, out, figure)


def _places(rank: int, lowest: int, highest: int) -> str:
    return str(rank) if lowest == highest else f"{rank} ({lowest} to {highest})"
