"""``tokenflow list``, ``new``, ``validate`` and ``schema``: scenarios before they are played."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from tokenflow_sim.cli.console import counted, progress, say, share, show_table, significant
from tokenflow_sim.cli.options import AllowCode, Debug, Overrides, Source, here, parse_overrides
from tokenflow_sim.errors import Fault, InfeasibleError, InputError

if TYPE_CHECKING:
    from tokenflow_sim.market import Market
    from tokenflow_sim.scenario import Compiled


class Topic(StrEnum):
    """What can be listed."""

    SCENARIOS = "scenarios"
    STRATEGIES = "strategies"


def list_names(
    topic: Annotated[Topic | None, typer.Argument(help="What to list; both without it.")] = None,
    debug: Debug = False,
) -> None:
    """List the bundled scenarios and the strategies."""
    if topic in (None, Topic.SCENARIOS):
        from tokenflow_sim.scenario import list_scenarios

        show_table("Scenarios", ["name", "description"], list_scenarios().items(), words=2)
    if topic in (None, Topic.STRATEGIES):
        from tokenflow_sim.strategies import registry
        from tokenflow_sim.strategies.base import Kind

        rows = []
        for kind in get_args(Kind):
            for name in registry.names(kind):
                summary = (inspect.getdoc(registry.find(kind, name)) or "").partition("\n")[0]
                rows.append((kind, name, summary))
        show_table("Strategies", ["of a", "name", "description"], rows, words=3)


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the scenario.")],
    nodes: Annotated[
        int | None, typer.Option("--nodes", help="Write a synthetic market with this many hubs instead.")
    ] = None,
    arcs: Annotated[
        int | None,
        typer.Option("--arcs", help="Its number of directed arcs; 10 a hub, where that fits, if left out."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Its seed; 0 if left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files.")] = False,
    debug: Debug = False,
) -> None:
    """Write a small scenario to start from, with comments, or a synthetic one of any size."""
    from tokenflow_sim.scenario import write_synthetic, write_template

    if nodes is None:
        given = [name for name, value in (("--arcs", arcs), ("--seed", seed)) if value is not None]
        if given:
            raise InputError([Fault(f"goes with --nodes: {', '.join(given)}")], "the command line")
        write_template(folder, force=force)
    else:
        # Ten arcs a hub is what backbones have; few hubs have fewer pairs than that.
        wanted = max(2 * (nodes - 1), min(10 * nodes, nodes * (nodes - 1))) if arcs is None else arcs
        write_synthetic(folder, nodes=nodes, arcs=wanted, seed=seed or 0, force=force)
    say(f"wrote {folder}")
    say(f"check it: tokenflow validate {here(folder)}")
    say(f"run it:   tokenflow run {here(folder)}")


def validate(
    scenario: Source,
    assignments: Overrides = None,
    periods: Annotated[
        int | None,
        typer.Option(
            "--periods",
            min=1,
            help="Clear so many periods; if left out, all where demand must be served, else a day's worth.",
        ),
    ] = None,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Check a scenario: its files, its strategies, and that its expected demand can be served."""
    from tokenflow_sim.model import TokenMarket
    from tokenflow_sim.scenario import load_scenario
    from tokenflow_sim.scenario.direction import direction_hint
    from tokenflow_sim.strategies.assignment import find_faults

    also = partial(find_faults, allow_code=allow_code)
    loaded = load_scenario(scenario, parse_overrides(assignments), also=also)
    TokenMarket(loaded, rng=0, allow_code=allow_code)  # makes every agent's strategy, and plays nothing
    compiled = loaded.compiled
    if periods is None:
        # Where demand may go unserved, no period can fail; a day's worth shows how much is.
        periods = compiled.periods if loaded.rules.must_serve else math.ceil(24 / compiled.hours)
    count = min(periods, compiled.periods)
    peak, unserved = clear_expected(compiled, count)

    sizes = compiled.layout.sizes
    things = {
        "node": sizes["node"], "class": sizes["workload"], "arc": sizes["arc"], "asset": sizes["asset"],
        "provider": len(compiled.providers), "network owner": len(compiled.owners),
        "demand region": len(compiled.regions),
    }  # fmt: skip
    say(f"{loaded.name}: {counted(compiled.periods, 'period')} of {compiled.hours:g} h")
    say("  " + ", ".join(counted(number, thing) for thing, number in things.items()))
    say(f"  demand of these periods: at most {significant(peak)} Mtok/s")
    served = (
        "all of it can be served" if not unserved else f"of all of it, {share(unserved, 1)} goes unserved"
    )
    say(f"  {counted(count, 'period')} cleared with truthful offers and expected demand: {served}")
    for path, notes in loaded.series_notes.items():
        say(f"  {path}: {'; '.join(notes) or f'{compiled.covered} periods'}")
    if hint := direction_hint(compiled.market(0)):
        say(f"  {hint}")
    say("valid")


def clear_expected(compiled: Compiled, count: int) -> tuple[float, float]:
    """Clear the first periods with truthful offers and expected demand.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.
    count : int
        How many periods.

    Returns
    -------
    peak : float
        Largest demand of a period [Mtok/s].
    unserved : float
        Share of all demand that is not served.

    Raises
    ------
    InfeasibleError
        That of the first period whose demand cannot be served; a note names the others.
    """
    from tokenflow_sim.market import Clearer
    from tokenflow_sim.scenario.direction import direction_hint

    clearer = Clearer(compiled.market(0))
    peak = total = missing = 0.0
    failed: dict[int, InfeasibleError] = {}
    outcomes: dict[bytes, float | InfeasibleError] = {}  # many scenarios repeat a few periods again and again
    with progress("clearing", count, "periods") as advance:
        for period in range(count):
            market = compiled.market(period)
            demand = float(market.arrays.demand.sum())
            peak, total = max(peak, demand), total + demand
            key = _fingerprint(market)
            outcome = outcomes.get(key)
            if outcome is None:
                try:
                    outcome = float(clearer.clear(market).values.unserved.sum())
                except InfeasibleError as error:
                    outcome = error
                outcomes[key] = outcome
            if isinstance(outcome, InfeasibleError):
                failed[period] = outcome
            else:
                missing += outcome
            advance()
    if failed:
        first, *others = failed
        more = f"; {counted(len(others), 'other period')} cannot be served either" if others else ""
        if hint := direction_hint(compiled.market(first)):
            failed[first].add_note(f"  {hint}")
        failed[first].add_note(
            f"  This is period {first} (the first is 0) of {count} that were cleared{more}."
        )
        raise failed[first]
    return peak, missing / total if total else 0.0


def _fingerprint(market: Market) -> bytes:
    """Return a fingerprint of the numbers of a market."""
    digest = hashlib.sha256()
    for _, array in market.arrays.items():
        digest.update(array.tobytes())
    return digest.digest()


def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of scenario files, by which editors complete and check them."""
    from tokenflow_sim.scenario.json_schema import json_schema

    utf = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(json_schema(), indent=2, ensure_ascii=not utf))
