"""The market of one period whose participants choose, and who of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenflow_sim.agents.environment import Environment
from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Ints
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.override import changes_of
from tokenflow_sim.strategies.assignment import limits_of
from tokenflow_sim.study.game import region_nodes
from tokenflow_sim.study.standing import Standing


class OnePeriod(NamedTuple):
    """The market of one period.

    Parameters
    ----------
    name : str
        What is asked about.
    market : Market
        Its market with truthful offers.
    regions : mapping
        Positions of the nodes of each region.
    standing : Standing
        Forward contracts and mitigation.
    """

    name: str
    market: Market
    regions: Mapping[str, Ints]
    standing: Standing


def market_of(
    scenario: str | Path | Scenario | Market,
    period: int,
    overrides: Mapping[str, Any] | None,
    allow_code: bool,
) -> OnePeriod:
    """Return the market of one period.

    Parameters
    ----------
    scenario : str, Path, Scenario or Market
        A scenario, whose market of expected demand in `period` is taken; or a market whose offers are true costs.
    period : int
        The period.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    allow_code : bool
        Whether limits of the scenario given as ``module:Class`` may be imported.
    """
    if isinstance(scenario, Market):
        return OnePeriod("a market", scenario, region_nodes(scenario), Standing())
    loaded = load_scenario(scenario, changes_of(overrides))
    market = loaded.market(period)
    if own := limits_of(loaded, allow_code=allow_code):
        limits = Environment(loaded.compiled, 0, own).limits(period)
        market = Market.from_arrays(market.layout, market.arrays.with_(limits=limits), market.hours)
    return OnePeriod(loaded.name, market, loaded.compiled.region_nodes, Standing.of(loaded.compiled, period))


def players_of(
    providers: object, market: Market, regions: Mapping[str, Ints], faults: list[Fault]
) -> list[str] | None:
    """Return who plays, in the order of their names; None for all providers. Add the faults of names to `faults`."""
    if providers is None:
        return None
    sellers = sorted(set(market.layout.provider))
    others = {
        "owners": sorted(set(market.layout.owner)),
        "regions": list(regions),
    }
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        text = f"must be a list of providers, e.g. [{str(providers)!r}]; found {providers!r:.80}"
        faults.append(Fault(text, "providers"))
        return None
    if not len(providers):
        faults.append(Fault(f"name at least one of {', '.join(sellers)}", "providers"))
    listed = list(map(str, providers))
    for chosen in dict.fromkeys(name for name in listed if listed.count(name) > 1):
        faults.append(Fault(f"{chosen!r} is named twice; name each player once", "providers"))
    for chosen in providers:
        kind, _, rest = str(chosen).partition(".")
        if chosen in sellers:
            continue
        if kind in others:
            if rest not in others[kind]:
                faults.append(Fault(unknown_name(kind.removesuffix("s"), rest, others[kind]), "providers"))
        else:
            faults.append(Fault(unknown_name("provider", chosen, sellers), "providers"))
    return sorted(set(map(str, providers)))
