"""What the schema cannot say of carbon: that intensities are known where they are needed, and caps mean something."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.carbon import BUDGET
from tokenflow_sim.scenario.carbon_state import emits_by_generators
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import listed as shown
from tokenflow_sim.scenario.zones import groups_of


def named_places(scenario: ScenarioFields) -> Iterator[tuple[Loc, tuple[str, ...]]]:
    """Yield where caps and a budget name nodes and zones, and which."""
    for name, cap in scenario.carbon.cap.items():
        yield ("carbon", "cap", name, "nodes"), cap.nodes
    if scenario.carbon.budget is not None:
        yield ("carbon", "budget", "nodes"), scenario.carbon.budget.nodes


def find_carbon_faults(
    scenario: ScenarioFields, sites: Sequence[str], known: Collection[str], dropped: Set[str]
) -> list[Found]:
    """Find what contradicts itself, or lacks an intensity.

    Parameters
    ----------
    scenario : ScenarioFields
        What the schema accepts.
    sites : sequence of str
        Nodes where assets stand.
    known : collection of str
        Names of all nodes, those with faults among them; empty where nobody knows them.
    dropped : set of str
        Dotted paths of tables that could not be read at all.
    """
    return [
        *_intensities(scenario, sites, dropped),
        *_caps(scenario),
        *_budget(scenario),
        *_marginal(scenario),
        *_places(scenario, sites, known),
    ]


def _intensities(scenario: ScenarioFields, sites: Sequence[str], dropped: Set[str]) -> Iterator[Found]:
    """Every site of an asset has one carbon intensity, or none has any and nothing needs one."""
    carbon, series = scenario.carbon, scenario.carbon.series
    by_period = set() if series is None else set(series.names)
    fixed = {name for name, node in scenario.nodes.items() if node.carbon_intensity is not None}
    for name in fixed & by_period:
        message = "is given here and in carbon.series; leave one of them out"
        yield ("nodes", name, "carbon_intensity"), message
    if "carbon.series" in dropped:
        return
    if not fixed and series is None:
        if emits_by_generators(scenario):
            yield from _of_generators(scenario)
            return
        asks = [
            name
            for name, given in (
                ("price", carbon.price is not None),
                ("prices", carbon.prices is not None),
                ("cap", bool(carbon.cap)),
                ("budget", carbon.budget is not None),
                ("marginal", carbon.marginal),
            )
            if given
        ]
        if asks and not dropped & {"nodes"}:
            alone = len(asks) == 1
            message = (
                f"{'needs' if alone else f'{", ".join(asks[:-1])} and {asks[-1]} need'} carbon intensities: give nodes"
                " `carbon_intensity`, or `carbon.series`"
                f"{'' if scenario.grid is None else ', or all generators of the grid a `co2`'}"
            )
            yield ("carbon", asks[0]) if alone else ("carbon",), message
        return
    lacking = [name for name in sites if name in scenario.nodes and name not in fixed | by_period]
    if lacking:
        message = (
            f"is known of some nodes, and not of {shown(lacking)}, where assets stand too: give them"
            " `carbon_intensity`"
        )
        yield ("carbon",) if series is None else ("carbon", "series"), message


def _of_generators(scenario: ScenarioFields) -> Iterator[Found]:
    """Yield what means something only where nodes emit, or only where the grid is cleared with the tokens."""
    carbon, grid = scenario.carbon, scenario.grid
    if carbon.prices is not None:
        yield (
            ("carbon", "prices"),
            "are by node, and the grid's generators emit: give them one `carbon.price`",
        )
    for loc, names in named_places(scenario):
        if names:
            yield loc, "names places, and the grid's generators emit, all of which count: leave it out"
    if grid is None or grid.clearing == "joint":
        return
    makes_caps = carbon.budget is not None and carbon.budget.rule != "adaptive_price"
    asks = (("cap", bool(carbon.cap)), ("budget", makes_caps), ("marginal", carbon.marginal))
    for name, given in asks:
        if given:
            yield (
                ("carbon", name),
                "needs `grid.clearing: joint`, since the grid's generators emit, which only follow otherwise",
            )


def _caps(scenario: ScenarioFields) -> Iterator[Found]:
    for name, cap in scenario.carbon.cap.items():
        given = [key for key in ("tonnes", "rate") if getattr(cap, key) is not None]
        if len(given) != 1:
            what = "has both tonnes and rate; give one of them" if given else "needs tonnes or rate"
            yield ("carbon", "cap", name), what
        if name == BUDGET and scenario.carbon.budget is not None:
            yield ("carbon", "cap", name), "is called as results call the budget; give it another name"


def _budget(scenario: ScenarioFields) -> Iterator[Found]:
    budget = scenario.carbon.budget
    if budget is not None and budget.rule == "adaptive_price" and budget.offset_price is not None:
        message = "belongs to rules that make caps; adaptive_price makes none"
        yield ("carbon", "budget", "offset_price"), message


def _marginal(scenario: ScenarioFields) -> Iterator[Found]:
    if not scenario.carbon.marginal:
        return
    if scenario.rules.congestion_curvature > 0:
        yield ("carbon", "marginal"), "needs a linear market: market.congestion_curvature must be 0"
    if scenario.rules.latency_rule == "path" or scenario.residency:
        yield ("carbon", "marginal"), "needs a market without rules for whole paths (latency_rule, residency)"


def _places(scenario: ScenarioFields, sites: Sequence[str], known: Collection[str]) -> Iterator[Found]:
    groups = groups_of(scenario)
    for loc, names in named_places(scenario):
        unknown = [name for name in names if name not in groups and name not in known]
        if not known:
            continue
        for name in unknown:
            yield loc, unknown_name("place", name, list(groups))
        meant = {node for name in names for node in groups.get(name, ())}
        if names and not unknown and not meant & set(sites):
            yield loc, f"no asset stands at {shown(names)}, so that nothing counts"
