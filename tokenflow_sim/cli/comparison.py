"""``tokenflow compare``, ``tournament`` and ``equilibrium``: strategies against each other, and stable offers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenflow_sim.cli.console import busy, say, show_table
from tokenflow_sim.cli.dates import period_of
from tokenflow_sim.cli.guard import CHECK_FAILED
from tokenflow_sim.cli.options import (
    AllowCode,
    BurnIn,
    Confidence,
    Debug,
    Figures,
    File,
    Force,
    Overrides,
    Periods,
    Resume,
    Scheduler,
    Seeds,
    Source,
    Workers,
    connected,
    playing,
)
from tokenflow_sim.cli.strategies import (
    StrategyNames,
    draw,
    estimate,
    parse_strategies,
    prepare,
    report_failures,
)
from tokenflow_sim.numerals import counted, significant

if TYPE_CHECKING:
    from tokenflow_sim.study.compare import Comparison
    from tokenflow_sim.study.found import Equilibrium

Provider = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="Who plays them; every provider if left out."),
]

_SHOWN = (
    "profit_rate",
    "markup",
    "offer_markup",
    "mean_price",
    "unserved_share",
    "consumer_surplus_rate",
    "welfare_rate",
)
_SHOWN_FROM = 1e-6  # probability of an action of a mixed equilibrium
_HEADS = {
    "profit_rate": "profit", "markup": "mark-up", "offer_markup": "mark-up of offers", "mean_price": "mean price",
    "unserved_share": "unserved", "consumer_surplus_rate": "consumer surplus", "producer_surplus_rate": "profits",
    "welfare_rate": "welfare",
}  # fmt: skip


def compare(
    scenario: Source,
    strategies: StrategyNames,
    provider: Provider = None,
    seeds: Seeds = 20,
    periods: Periods = None,
    burn_in: BurnIn = 0,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="What to compare with; the first if left out."),
    ] = None,
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
    """Compare strategies under common random numbers, with intervals of the paired differences."""
    from tokenflow_sim.study.compare import compare as run_comparison

    found, figure = _run_study(
        run_comparison, "comparison", scenario, strategies, assignments, out, figures, workers, scheduler, resume,
        force, provider=provider, seeds=seeds, periods=periods, burn_in=burn_in, baseline=baseline,
        confidence=confidence, allow_code=allow_code,
    )  # fmt: skip
    show_comparison(found)
    draw(found, figure)
    report_failures(found.failures, out, figure)


def _run_study(
    study: Callable[..., Any],
    name: str,
    scenario: str,
    strategies: str,
    assignments: list[str] | None,
    out: Path | None,
    figures: Path | None,
    workers: int,
    scheduler: str | None,
    resume: bool,
    force: bool,
    **options: Any,
) -> tuple[Any, Path | None]:
    """Let strategies play a study; return what it found, and where its figure goes."""
    overrides, figure = prepare(assignments, out, figures, name, force, resume)
    names = parse_strategies(strategies)
    with playing(workers, scheduler) as where:
        found = study(
            scenario, names, overrides=overrides, out=out, resume=resume, force=force, **options, **where
        )
    return found, figure


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
    from tokenflow_sim.study.tournament import tournament as run_tournament

    found, figure = _run_study(
        run_tournament, "tournament", scenario, strategies, assignments, out, figures, workers, scheduler, resume,
        force, provider=provider, seeds=seeds, periods=periods, burn_in=burn_in, confidence=confidence,
        allow_code=allow_code,
    )  # fmt: skip
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
    report_failures(found.failures, out, figure)


def _places(rank: int, lowest: int, highest: int) -> str:
    return str(rank) if lowest == highest else f"{rank} ({lowest} to {highest})"


def equilibrium(
    scenario: Source,
    providers: Annotated[
        str | None,
        typer.Option(
            "--providers",
            metavar="A,B,...",
            help="Who chooses: providers, owners.NAME, regions.NAME; every provider if left out.",
        ),
    ] = None,
    play: Annotated[str, typer.Option("--play", help="What they choose: price or quantity.")] = "price",
    by: Annotated[
        str, typer.Option("--by", help="Choose class by class (workload), or one number for all (provider).")
    ] = "workload",
    period: Annotated[
        str, typer.Option("--period", help="The period whose market it is: its number, or a date in it.")
    ] = "0",
    points: Annotated[int, typer.Option("--points", help="Candidates on each grid.")] = 21,
    levels: Annotated[int, typer.Option("--levels", help="How often the grid is refined.")] = 3,
    rounds: Annotated[int, typer.Option("--rounds", help="Most rounds of best responses.")] = 100,
    damping: Annotated[float, typer.Option("--damping", help="Share of the way to the best response.")] = 1.0,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Share of payments up to which a gain does not count.")
    ] = 1e-3,
    starts: Annotated[
        str | None,
        typer.Option(
            "--starts",
            metavar="A,B,...",
            help="Where to start from: cournot, withheld, truthful, monopoly; those that suit if left out.",
        ),
    ] = None,
    random: Annotated[int, typer.Option("--random", help="Starts to draw beside those.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")] = 0,
    mixed: Annotated[
        int,
        typer.Option("--mixed", help="Actions each of a small game to find mixed equilibria of; 0 for none."),
    ] = 0,
    clearings: Annotated[
        int | None,
        typer.Option(
            "--clearings",
            metavar="N",
            help="Clearings up to which another start is made; by the size of the market if left out.",
        ),
    ] = None,
    assignments: Overrides = None,
    out: File = None,
    figures: Figures = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Look for offers from which nobody gains by moving alone; fail (status 1) where none is found."""
    overrides, figure = prepare(assignments, out, figures, "equilibrium", force)
    chosen = None if providers is None else [name.strip() for name in providers.split(",")]

    from tokenflow_sim.study.equilibrium import equilibrium as find_equilibrium

    with busy("best responses"), connected(workers, scheduler) as where:
        found = find_equilibrium(
            scenario,
            chosen,
            play=play,  # type: ignore[arg-type]  # checked there, with all other options
            by=by,
            period=period_of(scenario, period, overrides),
            overrides=overrides,
            points=points,
            levels=levels,
            rounds=rounds,
            damping=damping,
            tolerance=tolerance,
            starts=None if starts is None else [name.strip() for name in starts.split(",")],
            random=random,
            seed=seed,
            mixed=mixed,
            clearings=clearings,
            allow_code=allow_code,
            **where,
        )
    show_equilibrium(found)
    if out is not None:
        from tokenflow_sim.results import save_results

        save_results(found.dataset, out, force)
    draw(found, figure)
    report_failures((), out, figure)
    if not found.solved:
        raise typer.Exit(CHECK_FAILED)


def show_equilibrium(found: Equilibrium) -> None:
    """Print what a search for equilibria found: the one shown, all others, the mixed ones, and the verdict."""
    import numpy as np

    ds = found.dataset
    play = str(ds.attrs["play"])
    what = "mark-up, %" if play == "price" else "share of capacity, %"
    heads = [
        "",
        *(f"{k}\n{what}" for k in ds["workload"].values),
        "profit\n$/h",
        "truthful\n$/h",
        "could gain\n$/h",
    ]
    rows = [
        [
            str(name),
            *(significant(100 * value, 3) for value in ds["action"].sel(provider=name).values),
            *(
                significant(float(ds[money].sel(provider=name)), 5)
                for money in ("profit", "truthful_profit", "gain")
            ),
        ]
        for name in ds["provider"].values
    ]
    show_table(str(ds.attrs["title"]), heads, rows)
    classes = [str(name) for name in ds["workload"].values]
    if found.equilibria.sizes["equilibrium"] > 1:
        rows = []
        for _, row in found.equilibria_table.reset_index().iterrows():
            actions = [significant(100 * row[f"{play}: {k}"], 3) for k in classes]
            money = [significant(row["profit"], 5), significant(row["gain"], 3)]
            rows.append([str(row["equilibrium"]), str(row["provider"]), *actions, *money, str(row["starts"])])
        heads = ["", "", *(f"{k}\n{what}" for k in classes), "profit\n$/h", "could gain\n$/h", "found from"]
        show_table("All distinct equilibria", heads, rows, words=2)
    mixed = found.mixed
    for number in mixed["mixed"].values:
        one = mixed.sel(mixed=number)
        rows = []
        for name in ds["provider"].values:
            own = one.sel(provider=name)
            for place in np.flatnonzero(own["probability"].fillna(0.0).values > _SHOWN_FROM):
                choice = own.isel(choice=int(place))
                actions = [significant(100 * float(choice["action"].sel(workload=k)), 3) for k in classes]
                rows.append([str(name), *actions, significant(100 * float(choice["probability"]), 3)])
        gap = significant(float(found.exploitability.sel(mixed=number)), 3)
        title = f"Mixed equilibrium {number} ({one['method'].item()}); exploitability {gap} $/h"
        show_table(title, ["", *(f"{k}\n{what}" for k in classes), "probability, %"], rows)
    say(found.verdict)


def show_comparison(found: Comparison) -> None:
    """Print a table of the measures: means, and differences from the baseline with their intervals."""
    from tokenflow_sim.study.common import seeds_text

    table, provider = found.table, found.provider
    ds = found.dataset
    confidence = f"{100 * float(ds.attrs['confidence']):g} %"
    error = 1.0 - float(ds.attrs["confidence"])
    if provider is None:
        wanted = [name for name in _SHOWN if name not in ("profit_rate", "markup", "offer_markup")]
        wanted.insert(0, "producer_surplus_rate")
    else:
        wanted = list(_SHOWN)
        table = table[
            (table["of"] == provider) | ~table["of"].isin([str(one) for one in ds["provider"].values])
        ]
    for name in wanted:
        part = table[table["measure"] == name]
        if "workload" in ds[name].dims and not part[["mean", "difference"]].abs().to_numpy().any():
            say(f"{_HEADS[name]}: none for any class, whatever the strategy")
            say()
            continue
        several = part["of"].nunique() > 1
        scale, unit = (100.0, "%") if part["unit"].iloc[0] == "1" else (1.0, str(part["unit"].iloc[0]))
        rows = []
        for _, row in part.iterrows():
            numbers = [float(row[end]) * scale for end in ("difference", "lower", "upper")]
            is_base = row["strategy"] == found.baseline
            statistics = ["", "", ""] if is_base else [*estimate(*numbers), _verdict(row, error)]
            rows.append(
                [
                    *([str(row["of"])] if several else []),
                    str(row["strategy"]),
                    significant(row["mean"] * scale, 5),
                    *statistics,
                ]
            )
        heads = [*([""] if several else []), "", f"mean\n{unit}", "difference", f"{confidence}\ninterval", ""]
        show_table(_HEADS[name], heads, rows, words=2 if several else 1)
    who = provider or "every provider"
    seeds = seeds_text(ds, found.baseline)
    say(f"{who} plays each strategy under the same {seeds}; differences from {found.baseline}, seed by seed")
    others = ds.sizes["strategy"] - 1
    if others > 1:
        say(
            f"more, less: sure at {confidence} for all {others} together (Holm); the intervals are of each alone"
        )
    if burn_in := int(ds.attrs.get("burn_in", 0)):
        say(f"the first {counted(burn_in, 'period')} left out")


def _verdict(row: Any, error: float) -> str:
    """Say which way a difference goes, where it is sure at the confidence for all strategies together."""
    if not row["p_value_holm"] <= error:  # NaN is not sure
        return ""
    return "more" if row["difference"] > 0 else "less"
